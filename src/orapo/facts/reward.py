"""The FactS reward: how well a report's facts agree with a study's labels (DESIGN 1.2).

`score_report` is the reward of one report, `FactSReward` the reward function for TRL, and
`fact_verdicts` says fact by fact why a report got what it got.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from orapo.facts.engine import label_report
from orapo.facts.fact import Fact, Polarity, ReportFacts
from orapo.labels import (
    LABELS,
    NEGATIVE,
    NO_FINDING,
    POSITIVE,
    SUPPORT_DEVICES,
    UNCERTAIN,
    LabelValue,
    UncertainPolicy,
    complete_labels,
    parse_label,
)

FINDINGS = tuple(name for name in LABELS if name != NO_FINDING)
"""The 13 labels that a fact can entail; No Finding is derived from them."""


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
        contradictions: Labels positive in the study that the report denies; counted in ``fp`` too.
        readable: Whether any fact could be read from the report.
    """

    reward: float
    precision: float
    recall: float
    tp: int
    fp: int
    fn: int
    contradictions: int
    readable: bool


class Verdict(StrEnum):
    """What a study's labels say of one fact of a report."""

    ENTAILED = "entailed"
    """It claims a label that is positive in the study."""
    FALSE_ALARM = "false_alarm"
    """It claims a label that is not."""
    CONTRADICTION = "contradiction"
    """It denies a label that is positive in the study."""
    AGREED_ABSENT = "agreed_absent"
    """It denies a label that is not positive in the study."""
    UNSCORED = "unscored"
    """It bears on no label that is scored."""


@dataclass(frozen=True, slots=True)
class _Reference:
    """A study's labels as the reward reads them: positive ones, and those left out of the score."""

    positive: frozenset[str]
    ignored: frozenset[str]

    @property
    def scored(self) -> bool:
        """Whether any label is left that could be positive."""
        return bool(self.positive)


def _reference(labels: Mapping[str, LabelValue], uncertain: UncertainPolicy) -> _Reference:
    """Apply the policy and derive No Finding (its own value in ``labels`` is not read)."""
    ignore = uncertain is UncertainPolicy.IGNORE
    counted = {POSITIVE, UNCERTAIN} if uncertain is UncertainPolicy.POSITIVE else {POSITIVE}
    positive = {name for name in FINDINGS if labels.get(name) in counted}
    ignored = {name for name in FINDINGS if ignore and labels.get(name) == UNCERTAIN}
    if not positive - {SUPPORT_DEVICES}:
        if ignored - {SUPPORT_DEVICES}:
            # Were it positive, it would block No Finding; so whether that holds is unknown too.
            ignored.add(NO_FINDING)
        else:
            positive.add(NO_FINDING)
    return _Reference(frozenset(positive), frozenset(ignored))


def _claimed(
    labels: Mapping[str, LabelValue], readable: bool, uncertain: UncertainPolicy
) -> set[str]:
    """Labels that the report entails, z_hat_l = 1, No Finding derived."""
    # Under `ignore`, uncertain in the report is a claim all the same: hedging is no way out.
    counted = {POSITIVE} if uncertain is UncertainPolicy.NEGATIVE else {POSITIVE, UNCERTAIN}
    claimed = {name for name in FINDINGS if labels.get(name) in counted}
    if readable and not claimed - {SUPPORT_DEVICES}:
        claimed.add(NO_FINDING)
    return claimed


def _denied(report: ReportFacts) -> set[str]:
    """Labels that some fact of the report explicitly denies, whatever other facts say."""
    return {
        name
        for fact in report.facts
        if fact.polarity is Polarity.ABSENT
        for name, value in fact.labels.items()
        if value == NEGATIVE and name in FINDINGS
    }


def score_report(
    report: ReportFacts | str,
    reference: Mapping[str, LabelValue],
    *,
    facts_beta: float = 1.0,
    uncertain: UncertainPolicy = UncertainPolicy.POSITIVE,
) -> FactsScore | None:
    """Score one report: r = (1+b^2) TP / ((1+b^2) TP + b^2 FN + FP).

    Args:
        report: The report, or what was read from it.
        reference: The study's labels L: 1, 0, -1 or None; missing names are blank.
        facts_beta: b; above 1 a missed finding costs more than an invented one.
        uncertain: What uncertain counts as, on both sides.

    Returns:
        The score; None if the policy ``ignore`` leaves nothing to score in this study.

    Raises:
        ValueError: ``facts_beta`` is not above 0.
    """
    if not facts_beta > 0:
        raise ValueError(f"facts_beta must be above 0, not {facts_beta}")
    truth = _reference(reference, uncertain)
    if not truth.scored:
        return None
    facts = label_report(report) if isinstance(report, str) else report
    readable = bool(facts.facts)
    claimed = _claimed(facts.labels, readable, uncertain) - truth.ignored
    tp = len(claimed & truth.positive)
    fn = len(truth.positive - claimed)
    # One false positive a label besides its FN, however often it is denied. A label that the
    # report also claims is no miss, and so not contradicted.
    contradictions = len((_denied(facts) & truth.positive) - claimed)
    fp = len(claimed - truth.positive) + contradictions
    square = facts_beta**2
    reward = (1 + square) * tp / ((1 + square) * tp + square * fn + fp)
    return FactsScore(
        reward=reward,
        precision=tp / (tp + fp) if tp + fp else 0.0,
        recall=tp / (tp + fn),
        tp=tp,
        fp=fp,
        fn=fn,
        contradictions=contradictions,
        readable=readable,
    )


def fact_verdicts(
    report: ReportFacts,
    reference: Mapping[str, LabelValue],
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
    truth = _reference(reference, uncertain)
    return tuple(_verdict(fact, truth, uncertain) for fact in report.facts)


def _verdict(fact: Fact, truth: _Reference, uncertain: UncertainPolicy) -> Verdict:
    scored = {n: v for n, v in fact.labels.items() if n in FINDINGS and n not in truth.ignored}
    claims = {POSITIVE} if uncertain is UncertainPolicy.NEGATIVE else {POSITIVE, UNCERTAIN}
    claimed = {name for name, value in scored.items() if value in claims}
    denied = {name for name, value in scored.items() if value == NEGATIVE}
    if claimed:
        # A fact may bear on two labels; one that is wrong makes it a false alarm.
        return Verdict.ENTAILED if claimed <= truth.positive else Verdict.FALSE_ALARM
    if denied:
        return Verdict.CONTRADICTION if denied & truth.positive else Verdict.AGREED_ABSENT
    return Verdict.UNSCORED


@lru_cache(maxsize=65536)
def _labels_of_text(text: str) -> dict[str, LabelValue]:
    return label_report(text).labels


def _completion_text(completion: str | Sequence[Mapping[str, Any]]) -> str:
    """Text of a completion, plain or conversational (TRL 1.16)."""
    if isinstance(completion, str):
        return completion
    parts: list[str] = []
    for message in completion:
        content = message.get("content")
        if isinstance(content, str):
            parts.append(content)
        elif content:
            parts += [part["text"] for part in content if part.get("text")]
    return "\n".join(parts)


def _read_labels(labels: Any) -> dict[str, LabelValue]:
    if isinstance(labels, str):
        labels = json.loads(labels)
    return complete_labels({name: parse_label(value) for name, value in labels.items()})


class FactSReward:
    """FactS as a plain TRL reward function, usable in anyone's ``GRPOTrainer``.

    The data set gives the reference as a column ``labels`` (a mapping of label name to 1, 0, -1 or
    None, or its JSON text) or ``report`` (the radiologist's text, read by FactS). A completion
    without a reference gets None, which TRL takes as unknown, never 0.

    Args:
        facts_beta: b of the F-beta.
        uncertain: ``positive``, ``negative`` or ``ignore``.
    """

    __name__ = "facts"

    def __init__(self, facts_beta: float = 1.0, uncertain: str = "positive") -> None:
        if not facts_beta > 0:
            raise ValueError(f"facts_beta must be above 0, not {facts_beta}")
        self.facts_beta = facts_beta
        self.uncertain = UncertainPolicy(uncertain)

    def __call__(
        self,
        completions: Sequence[str | Sequence[Mapping[str, Any]]],
        labels: Sequence[Any] | None = None,
        report: Sequence[str | None] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Score completions.

        Args:
            completions: N texts, or N lists of messages.
            labels: N references, or None.
            report: N reference texts, used where ``labels`` has nothing.
            log_metric: TRL's; gets the share of completions from which no fact could be read.
            **columns: Anything else that TRL passes; not used.

        Returns:
            N rewards in [0, 1]; None where the reference is unknown or leaves nothing to score.
        """
        rewards: list[float | None] = []
        unreadable = 0
        for index, completion in enumerate(completions):
            reference: dict[str, LabelValue] | None = None
            if labels is not None and labels[index] is not None:
                reference = _read_labels(labels[index])
            elif report is not None and report[index]:
                reference = _labels_of_text(str(report[index]))
            if reference is None:
                rewards.append(None)
                continue
            score = score_report(
                _completion_text(completion),
                reference,
                facts_beta=self.facts_beta,
                uncertain=self.uncertain,
            )
            rewards.append(None if score is None else score.reward)
            unreadable += score is not None and not score.readable
        if log_metric is not None and rewards:
            log_metric("facts/unreadable", unreadable / len(rewards))
        return rewards


class RepetitionPenalty:
    """Optional reward term: minus the share of a report's facts that say nothing new.

    A fact says nothing new if an earlier one names the same finding at the same side, be it with
    the same polarity (said twice) or the opposite one (the report contradicts itself). Zero for a
    report without facts. The zero-reward rate never reads this term (DESIGN 1.2).
    """

    __name__ = "repetition"

    def __call__(
        self, completions: Sequence[str | Sequence[Mapping[str, Any]]], **columns: Any
    ) -> list[float]:
        """Score completions.

        Args:
            completions: N texts, or N lists of messages.
            **columns: Anything else that TRL passes; not used.

        Returns:
            N values in (-1, 0].
        """
        return [_repetition(label_report(_completion_text(text))) for text in completions]


def _repetition(report: ReportFacts) -> float:
    seen: set[tuple[str, str | None]] = set()
    again = 0
    for fact in report.facts:
        key = (fact.finding, fact.laterality)
        again += key in seen
        seen.add(key)
    return -again / len(report.facts) if report.facts else 0.0
