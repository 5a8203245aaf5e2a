"""Reports split into pieces with a verdict each, for coloured display.

The verdicts of a generated report are FactS' own (:func:`orapo.facts.fact_verdicts`); those of a
reference report say which of its findings the generated report found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias, TypeVar

from orapo.facts import Verdict, fact_verdicts
from orapo.facts.fact import Fact, ReportFacts
from orapo.labels import LABELS, POSITIVE, UNCERTAIN, LabelValue, UncertainPolicy


class ReferenceVerdict(StrEnum):
    """Whether the generated report has what a sentence of the reference states."""

    FOUND = "found"
    MISSED = "missed"


AnyVerdict: TypeAlias = Verdict | ReferenceVerdict
_V = TypeVar("_V", Verdict, ReferenceVerdict)

# Worst first: what a reader must not overlook decides the sentence. A right finding stands before
# a right denial because it is the rarer and the more telling of the two.
_WORST_FIRST: Final = (
    Verdict.CONTRADICTION,
    Verdict.FALSE_ALARM,
    Verdict.ENTAILED,
    Verdict.AGREED_ABSENT,
    Verdict.UNSCORED,
)


class Piece(NamedTuple):
    """A stretch of a report; the pieces of a report put together are its text."""

    text: str
    verdict: AnyVerdict | None
    """None where nothing was read: white space, and sentences without a fact."""
    evidence: tuple[str, ...] = ()
    """What was read from it, a fact each: ``"pleural effusion: present (left, small)"``."""


@dataclass(frozen=True, slots=True)
class LabelOutcome:
    """Which labels of a study the generated report found, missed or made up."""

    found: tuple[str, ...]
    missed: tuple[str, ...]
    false_alarms: tuple[str, ...]


def is_positive(value: LabelValue, uncertain: UncertainPolicy) -> bool:
    """Return whether a label value counts as positive; with ``IGNORE`` uncertain does."""
    return value == POSITIVE or (value == UNCERTAIN and uncertain is not UncertainPolicy.NEGATIVE)


def generated_pieces(
    report: ReportFacts,
    reference_labels: Mapping[str, LabelValue],
    *,
    uncertain: UncertainPolicy = UncertainPolicy.POSITIVE,
) -> tuple[Piece, ...]:
    """Split a generated report into sentences, each with the worst verdict of its facts.

    Args:
        report: What FactS read from the generated report.
        reference_labels: The labels of the study.
        uncertain: What -1 counts as; FactS' default.
    """
    verdicts = fact_verdicts(report, reference_labels, uncertain=uncertain)
    by_fact = dict(zip(map(id, report.facts), verdicts, strict=True))
    return _pieces(report, lambda fact: by_fact[id(fact)], _WORST_FIRST)


def reference_pieces(
    reference: ReportFacts,
    generated_labels: Mapping[str, LabelValue],
    *,
    uncertain: UncertainPolicy = UncertainPolicy.POSITIVE,
) -> tuple[Piece, ...]:
    """Split a reference report into sentences, each found or missed by the generated report.

    A sentence is judged by the labels that it makes positive: missed if the generated report lacks
    one of them. Denials and facts outside the labels have no verdict.

    Args:
        reference: What FactS read from the reference report.
        generated_labels: The labels of the generated report.
        uncertain: What -1 counts as; with ``IGNORE`` uncertain statements have no verdict.
    """

    def verdict(fact: Fact) -> ReferenceVerdict | None:
        stated = [
            name
            for name, value in fact.labels.items()
            if is_positive(value, uncertain) and not _left_out(value, uncertain)
        ]
        if not stated:
            return None
        found = all(is_positive(generated_labels.get(name), uncertain) for name in stated)
        return ReferenceVerdict.FOUND if found else ReferenceVerdict.MISSED

    return _pieces(reference, verdict, (ReferenceVerdict.MISSED, ReferenceVerdict.FOUND))


def label_outcome(
    generated_labels: Mapping[str, LabelValue],
    reference_labels: Mapping[str, LabelValue],
    *,
    uncertain: UncertainPolicy = UncertainPolicy.POSITIVE,
) -> LabelOutcome:
    """Compare the labels of one generated report with those of its study."""

    def labels(generated: bool, reference: bool) -> tuple[str, ...]:
        return tuple(
            name
            for name in LABELS
            if not _left_out(reference_labels.get(name), uncertain)
            and is_positive(generated_labels.get(name), uncertain) is generated
            and is_positive(reference_labels.get(name), uncertain) is reference
        )

    return LabelOutcome(
        found=labels(True, True), missed=labels(False, True), false_alarms=labels(True, False)
    )


def _left_out(value: LabelValue, uncertain: UncertainPolicy) -> bool:
    return value == UNCERTAIN and uncertain is UncertainPolicy.IGNORE


def _pieces(
    report: ReportFacts, verdict: Callable[[Fact], _V | None], worst_first: Iterable[_V]
) -> tuple[Piece, ...]:
    order = list(worst_first)
    found: dict[int, set[_V]] = {}
    for fact in report.facts:
        one = verdict(fact)
        if one is not None:
            found.setdefault(fact.sentence, set()).add(one)
    pieces: list[Piece] = []
    done = 0
    for index, sentence in enumerate(report.sentences):
        if sentence.start > done:
            pieces.append(Piece(report.text[done : sentence.start], None))
        worst = min(found.get(index, ()), key=order.index, default=None)
        evidence = tuple(_in_words(fact) for fact in report.facts if fact.sentence == index)
        pieces.append(Piece(report.text[sentence.start : sentence.end], worst, evidence))
        done = sentence.end
    if done < len(report.text):
        pieces.append(Piece(report.text[done:], None))
    return tuple(pieces)


def _in_words(fact: Fact) -> str:
    said = [part for part in (fact.laterality, fact.severity, fact.location) if part]
    place = f" ({', '.join(dict.fromkeys(said))})" if said else ""
    return f"{fact.finding}: {fact.polarity.value}{place}"
