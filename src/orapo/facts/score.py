"""The FactS score: how well a report's facts agree with a study's labels (docs/method.md).

`score_reports` scores a group of reports at once, `score_report` one; with ``explain=True`` each
score says sentence by sentence why it is what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from orapo.facts.contradictions import self_contradictions
from orapo.facts.engine import label_report
from orapo.facts.fact import Fact, ReportFacts, Sentence
from orapo.labels import (
    NEGATIVE,
    POSITIVE,
    UNCERTAIN,
    LabelSet,
    LabelValue,
    UncertainPolicy,
)

Reference = Mapping[str, LabelValue]
"""A study's labels L: 1, 0, -1 or None; missing names are blank."""


class ContradictionRule(StrEnum):
    """What the denial of a label that is positive in the study costs."""

    FALSE_POSITIVE = "false_positive"
    """One false positive a label besides its false negative, however often it is denied."""
    NONE = "none"
    """Nothing beyond the false negative; it is counted all the same."""


class Verdict(StrEnum):
    """What a study's labels say of one fact or sentence of a report."""

    ENTAILED = "entailed"
    """It claims a label that is positive in the study."""
    FALSE_ALARM = "false_alarm"
    """It claims a label that is not."""
    CONTRADICTION = "contradiction"
    """It denies a label that is positive in the study, or one that the report itself claims."""
    AGREED_ABSENT = "agreed_absent"
    """It denies a label that is not positive in the study."""
    UNSCORED = "unscored"
    """It bears on no label that is scored."""


_GRAVITY: Final = (
    Verdict.CONTRADICTION,
    Verdict.FALSE_ALARM,
    Verdict.ENTAILED,
    Verdict.AGREED_ABSENT,
    Verdict.UNSCORED,
)


@dataclass(frozen=True, slots=True)
class SentenceVerdict:
    """What a study's labels say of one sentence.

    Attributes:
        sentence: The sentence and its place.
        verdict: The gravest of its facts' verdicts: contradiction, false alarm, entailed, agreed
            absent, unscored.
        facts: Its facts with their verdicts.
    """

    sentence: Sentence
    verdict: Verdict
    facts: tuple[tuple[Fact, Verdict], ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a report got its score.

    Attributes:
        sentences: The verdict on each sentence, in reading order.
        entailed: Labels that count as TP.
        false_alarms: Labels that the report claims and the study does not have.
        contradicted: Labels of the study that the report denies, and any that it claims and denies.
        missed: Labels that count as FN, contradicted ones among them.
    """

    sentences: tuple[SentenceVerdict, ...]
    entailed: tuple[str, ...]
    false_alarms: tuple[str, ...]
    contradicted: tuple[str, ...]
    missed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FactsScore:
    """FactS of one report against one study.

    Attributes:
        reward: F-beta of precision and recall, in [0, 1].
        precision: TP / (TP + FP); 0 where nothing is claimed.
        recall: TP / (TP + FN).
        tp: Labels positive in the study and entailed by the report.
        fp: Labels entailed and not positive, and contradicted ones.
        fn: Labels positive and not entailed.
        contradictions: Labels positive in the study that the report denies, and labels that it both
            claims and denies; counted in ``fp`` too unless the rule is ``none``.
        readable: Whether any fact could be read from the report.
        explanation: Why; None unless asked for.
    """

    reward: float
    precision: float
    recall: float
    tp: int
    fp: int
    fn: int
    contradictions: int
    readable: bool
    explanation: Explanation | None = None


class _Truth(NamedTuple):
    """A study's labels as the score reads them: positive ones, and those left out of it."""

    positive: frozenset[str]
    ignored: frozenset[str]


def reference_labels(report: ReportFacts) -> dict[str, LabelValue]:
    """Return a study's labels as its report gives them, for scoring others by.

    No Finding is 0, not blank, where no label is positive and something beside the labels keeps it
    from holding: such a study has nothing that could be scored.
    """
    labels = dict(report.labels)
    label_set = report.label_set
    no_finding = label_set.no_finding
    if no_finding is None or labels[no_finding] is not None or report.others_normal:
        return labels
    if any(labels[name] == POSITIVE for name in label_set.findings if name not in label_set.beside):
        return labels
    return {**labels, no_finding: NEGATIVE if report.readable else None}


def _truth(labels: Reference, uncertain: UncertainPolicy, label_set: LabelSet) -> _Truth:
    """Apply the policy and derive No Finding.

    Of its own value only 0 is read: something that has no label is not normal in this study.
    """
    ignore = uncertain is UncertainPolicy.IGNORE
    counted = {POSITIVE, UNCERTAIN} if uncertain is UncertainPolicy.POSITIVE else {POSITIVE}
    positive = {name for name in label_set.findings if labels.get(name) in counted}
    ignored = {n for n in label_set.findings if ignore and labels.get(n) == UNCERTAIN}
    denied = label_set.no_finding is not None and labels.get(label_set.no_finding) == NEGATIVE
    if label_set.no_finding is not None and not denied and not positive - label_set.beside:
        if ignored - label_set.beside:
            # Were it positive, it would block No Finding; so whether that holds is unknown too.
            ignored.add(label_set.no_finding)
        else:
            positive.add(label_set.no_finding)
    return _Truth(frozenset(positive), frozenset(ignored))


def _claimed(
    report: ReportFacts, uncertain: UncertainPolicy, contradictory: frozenset[str]
) -> set[str]:
    """Labels that the report entails, z_hat_l = 1, No Finding derived."""
    label_set = report.label_set
    # Under `ignore`, uncertain in the report is a claim all the same: hedging is no way out.
    counted = {POSITIVE} if uncertain is UncertainPolicy.NEGATIVE else {POSITIVE, UNCERTAIN}
    claimed = {name for name in label_set.findings if report.labels.get(name) in counted}
    normal = report.others_normal and not contradictory and not claimed - label_set.beside
    claimed -= contradictory
    if label_set.no_finding is not None and normal:
        claimed.add(label_set.no_finding)
    return claimed


def score_reports(
    reports: Sequence[ReportFacts | None],
    references: Sequence[Reference] | Reference,
    *,
    facts_beta: float = 1.0,
    uncertain: UncertainPolicy = UncertainPolicy.POSITIVE,
    contradictions: ContradictionRule = ContradictionRule.FALSE_POSITIVE,
    explain: bool = False,
) -> list[FactsScore | None]:
    """Score a group of reports: r = (1+b^2) TP / ((1+b^2) TP + b^2 FN + FP).

    Args:
        reports: What was read from N reports, all for one label set; None where that is unknown.
        references: The labels of each report's study; or of the one study that all are of.
        facts_beta: b; above 1 a missed finding costs more than an invented one.
        uncertain: What uncertain counts as, on both sides.
        contradictions: What a denial of a positive label costs.
        explain: Whether to say why.

    Returns:
        N scores; None where the report is unknown, or where its study has nothing to score: the
        policy ``ignore`` left nothing, or all that is not normal has no label.

    Raises:
        ValueError: ``facts_beta`` is not above 0, or there are not as many references as reports.
    """
    if not facts_beta > 0:
        raise ValueError(f"facts_beta must be above 0, not {facts_beta}")
    known = [report for report in reports if report is not None]
    if not known:
        return [None] * len(reports)
    label_set = known[0].label_set
    if isinstance(references, Mapping):
        truths = [_truth(references, uncertain, label_set)] * len(reports)
    elif len(references) == len(reports):
        truths = [_truth(labels, uncertain, label_set) for labels in references]
    else:
        raise ValueError(f"{len(references)} references for {len(reports)} reports")

    def table(rows: Sequence[frozenset[str] | set[str]]) -> npt.NDArray[np.bool_]:
        return np.array([[n in row for n in label_set.labels] for row in rows], dtype=bool)

    positive = table([truth.positive for truth in truths])
    ignored = table([truth.ignored for truth in truths])
    both = [frozenset() if r is None else self_contradictions(r) for r in reports]
    claims = [
        set() if r is None else _claimed(r, uncertain, said)
        for r, said in zip(reports, both, strict=True)
    ]
    claimed = table(claims) & ~ignored
    # A label that the report also claims is no miss, and so not contradicted.
    denied = table([frozenset() if r is None else r.denied for r in reports]) & positive & ~claimed
    tp = (claimed & positive).sum(axis=1)
    fn = (positive & ~claimed).sum(axis=1)
    denied |= table(both) & ~ignored
    contradicted = denied.sum(axis=1)
    fp = (claimed & ~positive).sum(axis=1)
    if contradictions is ContradictionRule.FALSE_POSITIVE:
        fp = fp + contradicted
    square = facts_beta**2
    scores: list[FactsScore | None] = []
    for index, (report, truth) in enumerate(zip(reports, truths, strict=True)):
        if report is None or not truth.positive:
            scores.append(None)
            continue
        hits, alarms, misses = int(tp[index]), int(fp[index]), int(fn[index])
        explanation = None
        if explain:
            explanation = Explanation(
                sentences=_sentence_verdicts(report, truth, uncertain, both[index]),
                entailed=_names(label_set, claimed[index] & positive[index]),
                false_alarms=_names(label_set, claimed[index] & ~positive[index]),
                contradicted=_names(label_set, denied[index]),
                missed=_names(label_set, positive[index] & ~claimed[index]),
            )
        scores.append(
            FactsScore(
                reward=(1 + square) * hits / ((1 + square) * hits + square * misses + alarms),
                precision=hits / (hits + alarms) if hits + alarms else 0.0,
                recall=hits / (hits + misses),
                tp=hits,
                fp=alarms,
                fn=misses,
                contradictions=int(contradicted[index]),
                readable=report.readable,
                explanation=explanation,
            )
        )
    return scores


def _names(label_set: LabelSet, row: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(name for name, holds in zip(label_set.labels, row, strict=True) if holds)


def score_report(
    report: ReportFacts | str,
    reference: Reference,
    *,
    facts_beta: float = 1.0,
    uncertain: UncertainPolicy = UncertainPolicy.POSITIVE,
    contradictions: ContradictionRule = ContradictionRule.FALSE_POSITIVE,
    explain: bool = False,
) -> FactsScore | None:
    """Score one report, given as text (read by the rules) or as what was read from it.

    The arguments and what is returned or raised are those of `score_reports`.
    """
    facts = label_report(report) if isinstance(report, str) else report
    return score_reports(
        [facts],
        reference,
        facts_beta=facts_beta,
        uncertain=uncertain,
        contradictions=contradictions,
        explain=explain,
    )[0]


def fact_verdicts(
    report: ReportFacts,
    reference: Reference,
    *,
    uncertain: UncertainPolicy = UncertainPolicy.POSITIVE,
) -> tuple[Verdict, ...]:
    """Judge each fact of a report by the study's labels (the interpretable side of FactS).

    Args:
        report: What was read from the report.
        reference: The study's labels.
        uncertain: What uncertain counts as, on both sides.

    Returns:
        One verdict a fact, in the order of ``report.facts``.
    """
    truth = _truth(reference, uncertain, report.label_set)
    both = self_contradictions(report)
    return tuple(_verdict(fact, truth, uncertain, report.label_set, both) for fact in report.facts)


def _sentence_verdicts(
    report: ReportFacts, truth: _Truth, uncertain: UncertainPolicy, both: frozenset[str]
) -> tuple[SentenceVerdict, ...]:
    facts: list[list[tuple[Fact, Verdict]]] = [[] for _ in report.sentences]
    for fact in report.facts:
        verdict = _verdict(fact, truth, uncertain, report.label_set, both)
        facts[fact.sentence].append((fact, verdict))
    return tuple(
        SentenceVerdict(
            sentence,
            min((v for _, v in judged), key=_GRAVITY.index, default=Verdict.UNSCORED),
            tuple(judged),
        )
        for sentence, judged in zip(report.sentences, facts, strict=True)
    )


def _verdict(
    fact: Fact,
    truth: _Truth,
    uncertain: UncertainPolicy,
    label_set: LabelSet,
    both: frozenset[str],
) -> Verdict:
    scored = {
        name: value
        for name, value in fact.labels.items()
        if name != label_set.no_finding and name not in truth.ignored
    }
    if not both.isdisjoint(scored):
        return Verdict.CONTRADICTION
    claims = {POSITIVE} if uncertain is UncertainPolicy.NEGATIVE else {POSITIVE, UNCERTAIN}
    claimed = {name for name, value in scored.items() if value in claims}
    denied = {name for name, value in scored.items() if value == NEGATIVE}
    if claimed:
        # A fact may bear on two labels; one that is wrong makes it a false alarm.
        return Verdict.ENTAILED if claimed <= truth.positive else Verdict.FALSE_ALARM
    if denied:
        return Verdict.CONTRADICTION if denied & truth.positive else Verdict.AGREED_ABSENT
    return Verdict.UNSCORED
