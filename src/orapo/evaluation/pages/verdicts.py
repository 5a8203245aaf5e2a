"""Reports split into pieces with a verdict each, for coloured display.

The verdicts of a generated report are FactS' own (:func:`orapo.facts.fact_verdicts`); those of a
reference report say which of its findings the generated report found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from orapo.facts import Verdict, fact_verdicts
from orapo.facts.fact import Fact, ReportFacts
from orapo.labels import (
    DEFAULT_UNCERTAIN,
    LABELS,
    NEGATIVE,
    NO_FINDING,
    POSITIVE,
    UNCERTAIN,
    LabelValue,
    UncertainPolicy,
)


class ReferenceVerdict(StrEnum):
    """Whether the generated report has what a sentence of the reference states."""

    FOUND = "found"
    MISSED = "missed"


AnyVerdict: TypeAlias = Verdict | ReferenceVerdict | StrEnum

# Worst first: what a reader must not overlook decides the sentence. A right finding stands before
# a right denial because it is the rarer and the more telling of the two.
_WORST_FIRST: Final = (
    Verdict.CONTRADICTION,
    Verdict.FALSE_ALARM,
    Verdict.ENTAILED,
    Verdict.AGREED_ABSENT,
    Verdict.UNSCORED,
)


_HEART: Final = "Cardiomegaly"
_MEDIASTINUM: Final = "Enlarged Cardiomediastinum"
_VALUES: Final[Mapping[LabelValue, str]] = {
    1: "positive",
    0: "negative",
    -1: "uncertain",
    None: "blank",
}


class Evidence(NamedTuple):
    """One fact that was read from a sentence, in words."""

    fact: str
    """``"pleural effusion: present (left, small)"``."""
    labels: tuple[str, ...]
    """The labels that it bears on, with their values: ``"Pleural Effusion positive"``."""
    verdict: AnyVerdict | None


class Piece(NamedTuple):
    """A stretch of a report; the pieces of a report put together are its text."""

    text: str
    verdict: AnyVerdict | None
    """None where nothing was read: white space, and sentences without a fact."""
    evidence: tuple[Evidence, ...] = ()
    """What was read from it, a fact each."""
    why: tuple[str, ...] = ()
    """What the graded score says of its findings, in words."""


@dataclass(frozen=True, slots=True)
class LabelOutcome:
    """Which labels of a study the generated report found, missed or made up.

    Attributes:
        found: Positive on both sides.
        missed: Positive in the reference alone.
        false_alarms: Positive in the generated report alone.
        contradicted: Positive in the reference, and a sentence of the report denies them, whatever
            its others say.
        one_sided: Uncertain on one side, and on the other not.
    """

    found: tuple[str, ...]
    missed: tuple[str, ...]
    false_alarms: tuple[str, ...]
    contradicted: tuple[str, ...]
    one_sided: tuple[str, ...]


def is_positive(value: LabelValue, uncertain: UncertainPolicy) -> bool:
    """Return whether a label value counts as positive; with ``IGNORE`` uncertain does."""
    return value == POSITIVE or (value == UNCERTAIN and uncertain is not UncertainPolicy.NEGATIVE)


def generated_pieces(
    report: ReportFacts,
    reference_labels: Mapping[str, LabelValue],
    *,
    uncertain: UncertainPolicy = DEFAULT_UNCERTAIN,
) -> tuple[Piece, ...]:
    """Split a generated report into sentences, each with the worst verdict of its facts.

    Args:
        report: What FactS read from the generated report.
        reference_labels: The labels of the study.
        uncertain: What -1 counts as; FactS' default.
    """
    verdicts = fact_verdicts(report, reference_labels, uncertain=uncertain)
    by_fact = dict(zip(map(id, report.facts), verdicts, strict=True))
    large_heart = is_positive(reference_labels.get(_HEART), uncertain)

    def verdict(fact: Fact) -> Verdict:
        found = by_fact[id(fact)]
        if found is Verdict.AGREED_ABSENT and large_heart and _of_the_silhouette(report, fact):
            return Verdict.UNSCORED
        return found

    return _pieces(report, verdict, _WORST_FIRST)


def reference_pieces(
    reference: ReportFacts,
    generated_labels: Mapping[str, LabelValue],
    *,
    uncertain: UncertainPolicy = DEFAULT_UNCERTAIN,
) -> tuple[Piece, ...]:
    """Split a reference report into sentences, each found or missed by the generated report.

    A sentence is judged by the labels that it makes positive: missed if the generated report lacks
    one of them. A denial is agreed on where the generated report denies the same; else it has no
    verdict, and neither have facts outside the labels.

    Args:
        reference: What FactS read from the reference report.
        generated_labels: The labels of the generated report.
        uncertain: What -1 counts as; with ``IGNORE`` uncertain statements have no verdict.
    """

    def denied(name: str) -> bool:
        said = [generated_labels.get(name)]
        # "heart size within normal limits" answers a cardiomediastinal silhouette that is
        said += [generated_labels.get(_HEART)] if name == _MEDIASTINUM else []
        return NEGATIVE in said and not any(is_positive(value, uncertain) for value in said)

    def verdict(fact: Fact) -> AnyVerdict | None:
        if fact.labels and all(value == NEGATIVE for value in fact.labels.values()):
            return Verdict.AGREED_ABSENT if all(map(denied, fact.labels)) else None
        stated = [
            name
            for name, value in fact.labels.items()
            if is_positive(value, uncertain) and not _left_out(value, uncertain)
        ]
        if not stated:
            return None
        found = all(is_positive(generated_labels.get(name), uncertain) for name in stated)
        return ReferenceVerdict.FOUND if found else ReferenceVerdict.MISSED

    worst_first = (ReferenceVerdict.MISSED, ReferenceVerdict.FOUND, Verdict.AGREED_ABSENT)
    return _pieces(reference, verdict, worst_first)


def label_outcome(
    generated_labels: Mapping[str, LabelValue],
    reference_labels: Mapping[str, LabelValue],
    *,
    denied: Collection[str] = (),
    uncertain: UncertainPolicy = DEFAULT_UNCERTAIN,
) -> LabelOutcome:
    """Compare the labels of one generated report with those of its study.

    Args:
        generated_labels: Labels of the generated report.
        reference_labels: Labels of the study.
        denied: Labels that some sentence of the generated report denies.
        uncertain: What -1 counts as.
    """

    def labels(generated: bool, reference: bool) -> tuple[str, ...]:
        return tuple(
            name
            for name in LABELS
            if not _left_out(reference_labels.get(name), uncertain)
            and is_positive(generated_labels.get(name), uncertain) is generated
            and is_positive(reference_labels.get(name), uncertain) is reference
        )

    found, missed = labels(True, True), labels(False, True)
    return LabelOutcome(
        found=found,
        missed=missed,
        false_alarms=labels(True, False),
        contradicted=tuple(
            name
            for name in LABELS
            if name != NO_FINDING and name in denied and name in (*found, *missed)
        ),
        one_sided=tuple(
            name
            for name in LABELS
            if (generated_labels.get(name) == UNCERTAIN)
            is not (reference_labels.get(name) == UNCERTAIN)
        ),
    )


def _of_the_silhouette(report: ReportFacts, fact: Fact) -> bool:
    """Whether a fact is about heart and mediastinum together, which a large heart widens.

    Neither score holds "normal cardiomediastinal silhouette" against a reference with a large heart;
    it must not look right beside one all the same.
    """
    said = report.text[fact.start : fact.end].lower().replace("-", "")
    return _MEDIASTINUM in fact.labels and "cardiomediastin" in said


def _left_out(value: LabelValue, uncertain: UncertainPolicy) -> bool:
    return value == UNCERTAIN and uncertain is UncertainPolicy.IGNORE


def _pieces(
    report: ReportFacts,
    verdict: Callable[[Fact], AnyVerdict | None],
    worst_first: Iterable[AnyVerdict],
) -> tuple[Piece, ...]:
    order = list(worst_first)
    found: dict[int, list[Evidence]] = {}
    for fact in report.facts:
        found.setdefault(fact.sentence, []).append(_evidence(fact, verdict(fact)))
    pieces: list[Piece] = []
    done = 0
    for index, sentence in enumerate(report.sentences):
        if sentence.start > done:
            pieces.append(Piece(report.text[done : sentence.start], None))
        evidence = tuple(found.get(index, ()))
        known = [one.verdict for one in evidence if one.verdict is not None]
        worst = min(known, key=order.index, default=None)
        pieces.append(Piece(report.text[sentence.start : sentence.end], worst, evidence))
        done = sentence.end
    if done < len(report.text):
        pieces.append(Piece(report.text[done:], None))
    return tuple(pieces)


def _evidence(fact: Fact, verdict: AnyVerdict | None) -> Evidence:
    said = [part for part in (fact.laterality, fact.severity, fact.location) if part]
    place = f" ({', '.join(dict.fromkeys(said))})" if said else ""
    return Evidence(
        f"{fact.finding}: {fact.polarity.value}{place}",
        tuple(f"{name} {_VALUES[value]}" for name, value in fact.labels.items()),
        verdict,
    )
