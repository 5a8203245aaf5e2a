"""FactS with rare labels paid for: each label weighs the inverse square root of its prevalence.

A policy that never names the labels below 4 % loses little FactS and half of its macro-F1 (on OpenI
0.924 and 0.382). With label l weighing w_l = p_l^-1/2, p_l its share of the training studies,

    r = (1+b^2) TP / ((1+b^2) TP + b^2 FN + FP),    TP, FN and FP sums of w_l over labels

is still in [0, 1], and 0 exactly where FactS is 0: the zero-reward rate does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from orapo.facts.engine import FactsEngine
from orapo.facts.reward import Completion, FactSReward
from orapo.facts.score import ContradictionRule, FactsScore
from orapo.labels import CHEXPERT, POSITIVE, UNCERTAIN, LabelSet, LabelValue, UncertainPolicy


def rarity_weights(
    labels: Iterable[Mapping[str, LabelValue]],
    label_set: LabelSet = CHEXPERT,
    uncertain: UncertainPolicy = UncertainPolicy.POSITIVE,
) -> dict[str, float]:
    """Return each label's weight, p^-1/2 with p its share of the studies.

    A label that no study has counts as if one had it. No Finding is derived, as FactS derives it.

    Args:
        labels: Of the training studies.
        label_set: Which labels.
        uncertain: ``negative``: -1 is not counted; else it is.

    Raises:
        ValueError: There is no study.
    """
    counted = {POSITIVE} if uncertain is UncertainPolicy.NEGATIVE else {POSITIVE, UNCERTAIN}
    counts = dict.fromkeys(label_set.labels, 0)
    total = 0
    for study in labels:
        total += 1
        positive = {name for name in label_set.findings if study.get(name) in counted}
        if label_set.no_finding is not None and not positive - label_set.beside:
            positive.add(label_set.no_finding)
        for name in positive:
            counts[name] += 1
    if not total:
        raise ValueError("the weights of rare labels need training studies")
    return {name: (total / max(count, 1)) ** 0.5 for name, count in counts.items()}


class RareFactSReward(FactSReward):
    """FactS whose labels weigh by `rarity_weights`; called and configured as `FactSReward` is.

    Args:
        weights: Of each label of the engine's set; above 0.
        facts_beta: b of the F-beta.
        uncertain: ``positive``, ``negative`` or ``ignore``.
        contradictions: ``false_positive`` or ``none``.
        engine: What reads the texts; None: the rules.

    Raises:
        ValueError: A weight is missing or not above 0.
    """

    __name__ = "facts"

    def __init__(
        self,
        weights: Mapping[str, float],
        facts_beta: float = 1.0,
        uncertain: str = "positive",
        contradictions: str = "false_positive",
        engine: FactsEngine | None = None,
    ) -> None:
        super().__init__(facts_beta, uncertain, contradictions, engine)
        label_set = CHEXPERT if engine is None else engine.label_set
        for name in label_set.labels:
            if not weights.get(name, 0) > 0:
                raise ValueError(f"the label {name} needs a weight above 0")
        self.weights = dict(weights)

    def __call__(
        self,
        completions: Sequence[Completion],
        labels: Sequence[Any] | None = None,
        report: Sequence[str | None] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Score completions; arguments, None and errors as for `FactSReward`."""
        if log_metric is not None:
            super().__call__(completions, labels, report, log_metric)
        return [
            None if score is None else self._weighted(score)
            for score in self.explain(completions, labels, report)
        ]

    def _weighted(self, score: FactsScore) -> float:
        why = score.explanation
        assert why is not None
        hits, misses, alarms = (
            sum(self.weights[name] for name in names)
            for names in (why.entailed, why.missed, why.false_alarms)
        )
        if self.contradictions is ContradictionRule.FALSE_POSITIVE:
            alarms += sum(self.weights[name] for name in why.contradicted)
        square = self.facts_beta**2
        return (1 + square) * hits / ((1 + square) * hits + square * misses + alarms)
