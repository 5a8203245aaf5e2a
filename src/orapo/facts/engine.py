"""The rules engine: report -> facts -> labels, local, deterministic and without any download."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from orapo.facts.compiler import load_vocabulary
from orapo.facts.extraction import Reading, read_sentence
from orapo.facts.fact import Fact, Polarity, ReportFacts, Sentence
from orapo.facts.labelling import merge_labels
from orapo.facts.sentences import reported_sentences
from orapo.facts.vocabulary import Vocabulary
from orapo.labels import LabelSet

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
        self._vocabulary: Vocabulary = load_vocabulary(None if lexicon is None else Path(lexicon))
        self._weak = {
            name: finding.weak
            for name, finding in self._vocabulary.findings.items()
            if finding.weak
        }
        self._read: dict[str, Reading] = {}
        self._most_cached = cached_sentences

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
        """
        sentences: list[Sentence] = []
        facts: list[Fact] = []
        effects = self._vocabulary.effects
        skipped, read = self._vocabulary.skipped_sections, self._vocabulary.read_sections
        for span in reported_sentences(text, skipped, read):
            body = text[span.body : span.end]
            sentences.append(Sentence(text[span.start : span.end], span.start, span.end))
            mentions, doubts_previous = self._reading(body)
            if doubts_previous:
                self._doubt(facts, len(sentences) - 2)
            for mention in mentions:
                facts.append(
                    Fact(
                        finding=mention.finding,
                        polarity=mention.polarity,
                        labels=dict(effects[mention.finding, mention.polarity]),
                        start=span.body + mention.start,
                        end=span.body + mention.end,
                        sentence=len(sentences) - 1,
                        location=mention.location,
                        laterality=mention.laterality,
                        severity=mention.severity,
                    )
                )
        labels, evidence = merge_labels(facts, self.label_set, self._weak)
        return ReportFacts(text, tuple(sentences), tuple(facts), labels, evidence, self.label_set)

    def read_many(self, texts: Iterable[str]) -> Iterator[ReportFacts]:
        """Read reports one after another; see `read`."""
        return map(self.read, texts)

    def _reading(self, body: str) -> Reading:
        reading = self._read.get(body)
        if reading is None:
            reading = read_sentence(body, self._vocabulary)
            if self._most_cached and len(body) <= LONGEST_CACHED:
                if len(self._read) >= self._most_cached:
                    self._read.clear()
                self._read[body] = reading
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


@lru_cache(maxsize=1)
def _default_engine() -> RulesEngine:
    return RulesEngine()


def label_report(text: str) -> ReportFacts:
    """Read a report with the package's own lexicon; see `RulesEngine.read`."""
    return _default_engine().read(text)


def extract_facts(text: str) -> tuple[Fact, ...]:
    """Return the facts of a report in reading order; see `RulesEngine.read`."""
    return label_report(text).facts
