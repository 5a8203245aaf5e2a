"""The rules engine: report -> facts -> labels, local, deterministic and without any download."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from orapo.facts.compiler import load_vocabulary
from orapo.facts.extraction import Reading, read_sentence
from orapo.facts.fact import Fact, Polarity, ReportFacts, Sentence
from orapo.facts.sentences import Span, split_sentences
from orapo.facts.vocabulary import Vocabulary
from orapo.labels import (
    LABELS,
    NEGATIVE,
    NO_FINDING,
    POSITIVE,
    SUPPORT_DEVICES,
    UNCERTAIN,
    LabelValue,
    blank_labels,
)

CACHED_SENTENCES: Final = 100_000
LONGEST_CACHED: Final = 1_000
"""Sentences of more characters hardly ever come again."""

_STRENGTH: Final = {POSITIVE: 3, UNCERTAIN: 2, NEGATIVE: 1}


class RulesEngine:
    """FactS' rules engine.

    Args:
        lexicon: A TOML file that adds to the package's lexicon, in the same schema.

    Raises:
        OrapoError: The file is missing or breaks the schema.
    """

    def __init__(self, lexicon: Path | None = None) -> None:
        self._vocabulary: Vocabulary = load_vocabulary(lexicon)
        self._read: dict[str, Reading] = {}

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
        for span in self._stated(text):
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
        labels, evidence = self._labels(facts)
        return ReportFacts(text, tuple(sentences), tuple(facts), labels, evidence)

    def _reading(self, body: str) -> Reading:
        reading = self._read.get(body)
        if reading is None:
            reading = read_sentence(body, self._vocabulary)
            if len(body) <= LONGEST_CACHED:
                if len(self._read) >= CACHED_SENTENCES:
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
                facts[index] = replace(fact, polarity=Polarity.UNCERTAIN, labels=labels)

    def _stated(self, text: str) -> Iterable[Span]:
        """Yield the sentences that speak of the films, not of the history or the technique."""
        skipped, read = self._vocabulary.skipped_sections, self._vocabulary.read_sections
        spans = list(split_sentences(text))
        skipping = False
        ahead = sum(span.heading in skipped or span.heading in read for span in spans)
        for span in spans:
            if span.heading in skipped:
                ahead -= 1
                skipping = ahead > 0
                continue
            if span.heading in read:
                ahead -= 1
                skipping = False
            elif skipping:
                continue
            elif span.heading is not None:
                # "Heart: normal": the heading is the sentence's subject
                span = span._replace(body=span.start)
            yield span

    def _labels(
        self, facts: list[Fact]
    ) -> tuple[dict[str, LabelValue], dict[str, tuple[int, ...]]]:
        """Merge the facts: present beats uncertain beats absent; weak facts give way to all."""
        labels = blank_labels()
        causes: dict[str, list[int]] = {}
        weak: dict[str, list[int]] = {}
        findings = self._vocabulary.findings
        normal = True
        for index, fact in enumerate(facts):
            for label in fact.labels:
                if label == NO_FINDING:
                    normal = False
                elif label in findings[fact.finding].weak:
                    weak.setdefault(label, []).append(index)
                else:
                    causes.setdefault(label, []).append(index)
        for label, indices in weak.items():
            causes.setdefault(label, indices)
        evidence: dict[str, tuple[int, ...]] = {}
        for label, indices in causes.items():
            value = max((facts[i].labels[label] for i in indices), key=_strength)
            labels[label] = value
            evidence[label] = tuple(i for i in indices if facts[i].labels[label] == value)
            if value in (POSITIVE, UNCERTAIN) and label != SUPPORT_DEVICES:
                normal = False
        if facts and normal:
            labels[NO_FINDING] = POSITIVE
            evidence[NO_FINDING] = tuple(range(len(facts)))
        return labels, {name: evidence[name] for name in LABELS if name in evidence}


def _strength(value: LabelValue) -> int:
    return 0 if value is None else _STRENGTH[value]


@lru_cache(maxsize=1)
def _default_engine() -> RulesEngine:
    return RulesEngine()


def label_report(text: str) -> ReportFacts:
    """Read a report with the package's own lexicon; see `RulesEngine.read`."""
    return _default_engine().read(text)


def extract_facts(text: str) -> tuple[Fact, ...]:
    """Return the facts of a report in reading order; see `RulesEngine.read`."""
    return label_report(text).facts
