"""The rules engine: report -> facts -> labels, local, deterministic and without any download."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, Protocol

from orapo.facts.clean_text.plain import is_plain, words_of
from orapo.facts.clean_text.source import Known, Source
from orapo.facts.fact import Details, Fact, FieldAnswer, Polarity, ReportFacts, Sentence
from orapo.facts.fields import FieldReader
from orapo.facts.forms.items import Place
from orapo.facts.forms.layout import Layout
from orapo.facts.forms.sentences import Span, split_sentences
from orapo.facts.labelling import merge_labels, stronger
from orapo.facts.language.compiler import load_vocabulary
from orapo.facts.language.english import is_english
from orapo.facts.language.extraction import (
    ABSENT,
    NOTHING,
    STATED,
    STILL,
    How,
    Reading,
    read_sentence,
)
from orapo.facts.language.vocabulary import Vocabulary
from orapo.facts.language.wording import Wording
from orapo.facts.passages import Passage
from orapo.labels import POSITIVE, LabelSet, LabelValue

CACHED_SENTENCES: Final = 100_000
LONGEST_CACHED: Final = 1_000
"""Sentences of more characters hardly ever come again."""


class FactsEngine(Protocol):
    """What turns reports into facts and labels: the rules here, or `orapo.facts.llm.LlmEngine`."""

    @property
    def label_set(self) -> LabelSet:
        """The labels that it reads reports for."""

    def read_many(self, texts: Iterable[str]) -> Iterator[ReportFacts | None]:
        """Yield what each report says, in order; None where that could not be found out."""


_OTHERS: Final = re.compile(
    r"\b(?:new|newly|other|another|further|additional|more|elsewhere|related|interval|increase|worsening|progressive|displaced)\b",
    re.IGNORECASE,
)
"""What is denied of others, or of a change, is so because there is one."""


class RulesEngine:
    """FactS' rules engine.

    Args:
        lexicon: A TOML file that adds to the package's lexicon, in the same schema, or the name of
            a label set that comes with it (``nih14``).
        cached_sentences: How many sentences' readings are kept, since reports repeat themselves;
            0 keeps none.

    Raises:
        OrapoError: The file is missing or breaks the schema.
    """

    def __init__(
        self, lexicon: Path | str | None = None, *, cached_sentences: int = CACHED_SENTENCES
    ) -> None:
        self._made_with = lexicon, cached_sentences
        self._vocabulary: Vocabulary = load_vocabulary(None if lexicon is None else Path(lexicon))
        self._weak = {
            name: finding.weak
            for name, finding in self._vocabulary.findings.items()
            if finding.weak
        }
        self._read: dict[str | tuple[str, How], Reading] = {}
        self._most_cached = cached_sentences
        self._blank = self.label_set.blank()
        vocabulary = self._vocabulary
        self._layout = Layout(vocabulary.headings, vocabulary.answers, vocabulary.one_phrase)
        self._wording = Wording(vocabulary)
        self._fields = FieldReader(vocabulary, self._as_sentence)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to other processes as the arguments: they compile the lexicon's file again."""
        lexicon, cached_sentences = self._made_with
        return _engine, (lexicon, cached_sentences)

    @property
    def label_set(self) -> LabelSet:
        """The labels that it reads reports for."""
        return self._vocabulary.label_set

    def read(self, text: str) -> ReportFacts:
        """Read a report.

        Args:
            text: The report; any text is allowed.

        Returns:
            Its sentences, facts and labels.

        Raises:
            TypeError: It is no text, as a missing cell of a table is none.
        """
        if not isinstance(text, str):
            raise TypeError(f"a report must be a text, not {type(text).__name__}")
        lowered = text.lower()
        words = words_of(lowered)
        if not is_english(lowered, self._vocabulary, words):
            empty = Details((), (), {}, ())
            blank = dict(self._blank)
            return ReportFacts(
                text, blank, self.label_set, False, frozenset(), empty, english=False
            )
        if is_plain(text, lowered, words):
            return self._plain(Source(text))
        source = self._source(text)
        passages = self._passages(source.text)
        readings: list[Reading] = []
        asked = False
        for passage in passages:
            reading = self._reading(passage.written(source.text), passage.how)
            if reading.denies_previous and readings:  # "This has cleared."
                said = passages[len(readings) - 1].written(source.text)
                readings[-1] = self._reading(said, ABSENT)
            elif reading.affirms_previous and readings and readings[-1].silent:
                said = passages[len(readings) - 1].written(source.text)
                readings[-1] = self._reading(said, STILL)
            elif reading.denies_all or passage.denies_all:
                readings = [
                    self._reading(
                        one.written(source.text), ABSENT if one.how is STATED else one.how
                    )
                    for one in passages[: len(readings)]
                ]
            readings.append(reading)
            asked = asked or passage.asked
        if asked:
            readings = _without_questions(passages, readings)
        if "\n" in source.text:
            self._without_headings(source.text, passages, readings)
        return self._report(source, passages, readings)

    def _without_headings(
        self, text: str, passages: list[Passage], readings: list[Reading]
    ) -> None:
        """Leave out a bare name on a line of its own that the sentence below denies: it was its heading."""
        for index, passage in enumerate(passages[:-1]):
            said = readings[index]
            if said.silent or text[passage.end : passage.end + 1] != "\n":
                continue
            below = readings[index + 1]
            if not said.stated or not set(said.stated) <= set(below.denied):
                continue
            name = passage.written(text)
            if name.rstrip().endswith(".") or _OTHERS.search(passages[index + 1].written(text)):
                continue  # "Effusion", and below it "No new effusion."
            sided = any(mention.laterality for mention in (*said.mentions, *below.mentions))
            if not sided and self._wording.names_a_finding(name):
                readings[index] = self._reading(name, NOTHING)

    def _source(self, text: str) -> Source:
        vocabulary = self._vocabulary
        known = Known(vocabulary.words, vocabulary.answers, self._wording.names_a_finding)
        return Source(text, known)

    def _plain(self, source: Source) -> ReportFacts:
        """Read sentences alone, as most reports are, without a step more than that takes."""
        text, known = source.text, self._read
        spans = list(split_sentences(text))
        readings: list[Reading] = []
        before = ""
        for start, _, end, _ in spans:
            sentence = text[start:end]
            # one look-up: another thread may empty the cache between two
            reading = known.get(sentence) or self._keep(sentence, sentence, STATED)
            if reading.denies_previous and readings:
                readings[-1] = self._reading(before, ABSENT)
            elif reading.affirms_previous and readings and readings[-1].silent:
                readings[-1] = self._reading(before, STILL)
            elif reading.denies_all:
                readings = [
                    self._reading(text[one.start : one.end], ABSENT)
                    for one in spans[: len(readings)]
                ]
            readings.append(reading)
            before = sentence
        return self._report(source, spans, readings)

    def _report(
        self, source: Source, passages: Sequence[Passage | Span], readings: list[Reading]
    ) -> ReportFacts:
        denied: set[str] = set()
        readable = speaks = abnormal = unread = False
        for reading in readings:
            if not reading.silent:
                readable = True
                denied.update(reading.denied)
                speaks = speaks or reading.speaks
                abnormal = abnormal or reading.abnormal
            unread = unread or reading.unread
        details = partial(self._details, source, passages, readings)
        labels = self._labels(readings)
        if labels is None:
            labels = merge_labels(details().facts, self.label_set, self._weak, unread=unread)[0]
        return ReportFacts(
            source.report,
            labels,
            self.label_set,
            readable,
            frozenset(denied),
            details,
            others_normal=speaks and not abnormal and not unread,
            disguised=source.disguised,
        )

    def sentences(self, text: str) -> list[Sentence]:
        """Return the sentences of a report that speak of the film."""
        source = self._source(text)
        return [
            source.sentence(passage.start, passage.end) for passage in self._passages(source.text)
        ]

    def fields(self, text: str) -> list[FieldAnswer]:
        """Return what of a report was taken for a field with its answer, as templates have them."""
        lowered = text.lower()
        words = words_of(lowered)
        if is_plain(text, lowered, words) or not is_english(lowered, self._vocabulary, words):
            return []
        source = self._source(text)

        def as_written(place: Place | None) -> str:
            return "" if place is None else text[slice(*source.origin(*place))]

        return [
            FieldAnswer(as_written(item.field), as_written(item.answer))
            for item in self._layout.items(source.text)
            if item.field is not None
        ]

    def _passages(self, text: str) -> list[Passage]:
        passages: list[Passage] = []
        before: tuple[int, int] | None = None
        items = self._layout.items(text)
        scale = self._fields.scale(text, items)
        for item in items:
            passages += self._fields.passages(text, item, before, scale=scale)
            before = item.start, item.end
        return passages

    def _labels(self, readings: list[Reading]) -> dict[str, LabelValue] | None:
        """Merge what the sentences state, as `merge_labels` does their facts, but faster.

        Returns:
            The labels; None if a sentence doubts another, which facts alone can tell.
        """
        label_set = self.label_set
        beside = label_set.beside
        labels: dict[str, LabelValue] = dict(self._blank)
        weakly: list[Reading] = []
        normal, silent = True, True
        for reading in readings:
            if reading.doubts_previous:
                return None
            if reading.silent:
                normal = normal and not reading.unread
                continue
            silent = False
            if reading.abnormal or reading.unread:
                normal = False
            for label, value in reading.stated.items():
                if value and label not in beside:
                    normal = False
                # present beats uncertain beats absent, and all beat blank
                if value == 1 or labels[label] is None or (value == -1 and labels[label] == 0):
                    labels[label] = value
            if reading.weakly:
                weakly.append(reading)
        if weakly:
            stated = {label for label, value in labels.items() if value is not None}
            for reading in weakly:
                for label, value in reading.weakly.items():
                    if label not in stated:
                        labels[label] = stronger(labels[label], value)
                        if value and label not in beside:
                            normal = False
        if normal and not silent and label_set.no_finding is not None:
            labels[label_set.no_finding] = POSITIVE
        return labels

    def _details(
        self, source: Source, spans: Sequence[Passage | Span], readings: list[Reading]
    ) -> Details:
        sentences: list[Sentence] = []
        facts: list[Fact] = []
        effects = self._vocabulary.effects
        for span, reading in zip(spans, readings, strict=True):
            passage = _passage(span)
            sentence = source.sentence(passage.start, passage.end)
            sentences.append(sentence)
            if reading.doubts_previous:
                self._doubt(facts, len(sentences) - 2)
            for mention in reading.mentions:
                start, end = source.origin(*passage.place(mention.start, mention.end))
                start, end = max(start, sentence.start), min(end, sentence.end)
                if start >= end:
                    start, end = sentence.start, sentence.end
                facts.append(
                    Fact(
                        finding=mention.finding,
                        polarity=mention.polarity,
                        labels=dict(effects[mention.finding, mention.polarity]),
                        start=start,
                        end=end,
                        sentence=len(sentences) - 1,
                        location=mention.location,
                        laterality=mention.laterality,
                        severity=mention.severity,
                    )
                )
        unread = tuple(index for index, reading in enumerate(readings) if reading.unread)
        _, evidence = merge_labels(facts, self.label_set, self._weak, unread=bool(unread))
        return Details(tuple(sentences), tuple(facts), evidence, unread)

    def read_many(self, texts: Iterable[str]) -> Iterator[ReportFacts]:
        """Read reports one after another; see `read`."""
        return map(self.read, texts)

    def _as_sentence(self, text: str) -> Reading:
        known = self._read.get(text)
        return self._keep(text, text, STATED) if known is None else known

    def _reading(self, text: str, how: How) -> Reading:
        if how is STATED:
            return self._as_sentence(text)
        known = self._read.get((text, how))
        return self._keep((text, how), text, how) if known is None else known

    def _keep(self, key: str | tuple[str, How], text: str, how: How) -> Reading:
        reading = read_sentence(text, self._vocabulary, how)
        if self._most_cached and len(text) <= LONGEST_CACHED:
            if len(self._read) >= self._most_cached:
                self._read.clear()
            self._read[key] = reading
        return reading

    def _doubt(self, facts: list[Fact], sentence: int) -> None:
        """Make what a sentence affirms uncertain."""
        for index in range(len(facts) - 1, -1, -1):
            fact = facts[index]
            if fact.sentence != sentence:
                break
            if fact.polarity is Polarity.PRESENT:
                labels = dict(self._vocabulary.effects[fact.finding, Polarity.UNCERTAIN])
                facts[index] = fact._replace(polarity=Polarity.UNCERTAIN, labels=labels)


def _passage(span: Passage | Span) -> Passage:
    if isinstance(span, Passage):
        return span
    return Passage(span.start, span.end, ((span.start, span.end),), STATED)


def _without_questions(passages: list[Passage], readings: list[Reading]) -> list[Reading]:
    """Leave out what an open question asks where the report says it elsewhere."""
    stated = frozenset(
        label
        for passage, reading in zip(passages, readings, strict=True)
        if not passage.asked
        for label in (*reading.stated, *reading.weakly)
    )
    return [
        reading.without(stated) if passage.asked and not reading.silent else reading
        for passage, reading in zip(passages, readings, strict=True)
    ]


def _engine(lexicon: Path | str | None, cached_sentences: int) -> RulesEngine:
    return RulesEngine(lexicon, cached_sentences=cached_sentences)


@lru_cache(maxsize=1)
def _default_engine() -> RulesEngine:
    return RulesEngine()


def label_report(text: str) -> ReportFacts:
    """Read a report with the package's own lexicon; see `RulesEngine.read`."""
    return _default_engine().read(text)


def extract_facts(text: str) -> tuple[Fact, ...]:
    """Return the facts of a report in reading order; see `RulesEngine.read`."""
    return label_report(text).facts
