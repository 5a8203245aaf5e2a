"""What FactS reads from a report: sentences, atomic facts and the labels they entail."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

from orapo.labels import LabelSet, LabelValue


class Polarity(StrEnum):
    """Whether a finding is said to be there."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"


class Sentence(NamedTuple):
    """One sentence and its place in the report."""

    text: str
    start: int
    end: int


class Fact(NamedTuple):
    """One clinical statement of one sentence (docs/method.md).

    Attributes:
        finding: Name of the finding in the lexicon, e.g. ``"pleural effusion"``.
        polarity: Present, absent or uncertain.
        labels: The labels that this fact bears on with the value it gives each.
        start: First character of the finding's mention in the report.
        end: One past its last character; ``report[start:end]`` is the mention.
        sentence: Index of the sentence it was read from.
        location: Where it is, as said: e.g. ``"right lower lobe"``; None if not said.
        laterality: ``left``, ``right`` or ``bilateral``; None if not said.
        severity: As said, normalised: e.g. ``"small"``, ``"mild"``; None if not said.
    """

    finding: str
    polarity: Polarity
    labels: dict[str, LabelValue]
    start: int
    end: int
    sentence: int
    location: str | None = None
    laterality: str | None = None
    severity: str | None = None


class FieldAnswer(NamedTuple):
    """A field of a template and its answer, as they stand in the report.

    Attributes:
        field: Its name: ``"Pneumothorax"``.
        answer: What stands for it: ``"No"``; empty if nothing does.
    """

    field: str
    answer: str


class Details(NamedTuple):
    """Where a report's labels come from: what is worked out only when it is looked at."""

    sentences: tuple[Sentence, ...]
    facts: tuple[Fact, ...]
    evidence: dict[str, tuple[int, ...]]
    unread: tuple[int, ...] = ()


class ReportFacts:
    """Everything FactS read from one report.

    Args:
        text: The report.
        labels: Every label of the set.
        label_set: The labels that it was read for.
        readable: Whether any fact could be read.
        denied: Labels that some fact gives 0, whatever others say.
        details: Its sentences, facts and evidence, or what works them out.
        others_normal: Whether nothing beside its labels keeps No Finding from holding.
        disguised: Whether it had letters of other alphabets or invisible characters within words.
        english: Whether it is written in English; if not, nothing of it is read.

    Attributes:
        text: The report.
        labels: Every label of the set: 1, 0, -1 or None.
        label_set: The labels that it was read for.
        readable: Whether any fact could be read.
        denied: Labels that some fact gives 0, whatever others say.
        others_normal: Whether nothing beside its labels keeps No Finding from holding. Something does
            where it says that anything else is not normal, where it may say so in a sentence that
            could not be read, and where all that it says is that there is no device.
        disguised: Whether it had letters of other alphabets or invisible characters within words.
        english: Whether it is written in English; if not, nothing of it is read.
    """

    __slots__ = (
        "_details", "denied", "disguised", "english", "label_set", "labels", "others_normal", "readable",
        "text",
    )  # fmt: skip

    def __init__(
        self,
        text: str,
        labels: dict[str, LabelValue],
        label_set: LabelSet,
        readable: bool,
        denied: frozenset[str],
        details: Details | Callable[[], Details],
        *,
        others_normal: bool = False,
        disguised: bool = False,
        english: bool = True,
    ) -> None:
        self.text = text
        self.labels = labels
        self.label_set = label_set
        self.readable = readable
        self.denied = denied
        self._details = details
        self.others_normal = others_normal
        self.disguised = disguised
        self.english = english

    @property
    def details(self) -> Details:
        """Sentences, facts and evidence together."""
        if not isinstance(self._details, Details):
            self._details = self._details()
        return self._details

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """Its sentences that speak of the films."""
        return self.details.sentences

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Its facts in reading order."""
        return self.details.facts

    @property
    def evidence(self) -> dict[str, tuple[int, ...]]:
        """For each label that is not blank, the indices of the facts that caused it."""
        return self.details.evidence

    @property
    def unread(self) -> tuple[int, ...]:
        """The indices of sentences that may assert something and in which nothing could be read."""
        return self.details.unread

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ReportFacts):
            return NotImplemented
        mine = (self.text, self.labels, self.label_set, self.details)
        return mine == (other.text, other.labels, other.label_set, other.details)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ReportFacts(labels={self.labels!r}, facts={self.facts!r})"

    def __reduce__(self) -> tuple[Callable[..., ReportFacts], tuple[Any, ...]]:
        kept = (self.text, self.labels, self.label_set, self.readable, self.denied, self.details)
        return _restored, (kept, self.others_normal, self.disguised, self.english)


def _restored(
    kept: tuple[Any, ...], others_normal: bool, disguised: bool, english: bool
) -> ReportFacts:
    return ReportFacts(*kept, others_normal=others_normal, disguised=disguised, english=english)


def report_as_json(report: ReportFacts) -> dict[str, Any]:
    """Return what was read as plain JSON values; spans count characters of the report."""
    return {
        "english": report.english,
        "sentences": [
            {"text": sentence.text, "span": [sentence.start, sentence.end]}
            for sentence in report.sentences
        ],
        "facts": [
            {
                "finding": fact.finding,
                "polarity": fact.polarity.value,
                "location": fact.location,
                "laterality": fact.laterality,
                "severity": fact.severity,
                "span": [fact.start, fact.end],
                "text": report.text[fact.start : fact.end],
                "sentence": fact.sentence,
                "labels": fact.labels,
            }
            for fact in report.facts
        ],
        "labels": {
            name: {"value": value, "evidence": list(report.evidence.get(name, ()))}
            for name, value in report.labels.items()
        },
    }
