"""What FactS reads from a report: sentences, atomic facts and the labels they entail."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from orapo.labels import CHEXPERT, LabelSet, LabelValue


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
    """One clinical statement of one sentence (DESIGN 1.2).

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


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """Everything FactS read from one report.

    Attributes:
        text: The report.
        sentences: Its sentences.
        facts: Its facts in reading order.
        labels: Every label of the set: 1, 0, -1 or None.
        evidence: For each label that is not blank, the indices of the facts that caused it.
        label_set: The labels that it was read for.
    """

    text: str
    sentences: tuple[Sentence, ...]
    facts: tuple[Fact, ...]
    labels: dict[str, LabelValue]
    evidence: dict[str, tuple[int, ...]] = field(default_factory=dict)
    label_set: LabelSet = CHEXPERT
