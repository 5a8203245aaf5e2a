"""A reward model that weighs FactS' counts: a rater's taste in thirteen numbers.

It needs a study's labels, as FactS does, so it can reward rollouts of studies with a report and nothing
else. What it costs in reach it gains in examples: a few hundred judgements fix thirteen weights, and the
weights can be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from orapo.facts import FactSReward, RepetitionPenalty, label_report
from orapo.facts.fact import Polarity
from orapo.facts.score import FactsScore
from orapo.labels import LabelValue
from orapo.preferences import Preference
from orapo.training.rewards.choices import (
    Floats,
    Integers,
    choice_numbers,
    fit_linear,
    log_probabilities,
)

FEATURES: Final = (
    "precision",
    "recall",
    "f0.5",
    "f1",
    "f2",
    "true_findings",
    "false_alarms",
    "missed",
    "contradictions",
    "uncertain_facts",
    "words",
    "sentences",
    "repeated_facts",
)
"""Words are tens of words; repeated facts a share of all; the others are as FactS counts them."""
_BETAS: Final = (0.5, 1.0, 2.0)
Labels = Mapping[str, LabelValue]
STRENGTHS: Final = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Candidates for the penalty on the weights of standardised features."""
_FOLDS: Final = 5


def facts_features(
    reports: Sequence[str], labels: Sequence[Mapping[str, LabelValue] | None]
) -> NDArray[np.float64]:
    """Return the features of reports.

    Args:
        reports: N texts.
        labels: N: of each report's study; None or all blank: not known.

    Returns:
        (N, D), columns as `FEATURES`; a row of NaN where the study's labels are not known.
    """
    scores = FactSReward().explain(reports, labels)
    f_scores = zip(*(FactSReward(beta)(reports, labels) for beta in _BETAS), strict=True)
    repeated = RepetitionPenalty()(reports)
    rows = [
        [np.nan] * len(FEATURES) if score is None else _row(text, score, each, -again)
        for text, score, each, again in zip(reports, scores, f_scores, repeated, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(len(reports), len(FEATURES))


def _row(
    text: str, score: FactsScore, f_scores: Sequence[float | None], repeated: float
) -> list[Any]:
    read = label_report(text)
    uncertain = sum(fact.polarity is Polarity.UNCERTAIN for fact in read.facts)
    return [
        *(score.precision, score.recall, *f_scores),
        *(score.tp, score.fp, score.fn, score.contradictions, uncertain),
        *(len(text.split()) / 10, len(read.sentences), repeated),
    ]


@dataclass(frozen=True)
class FactsRewardModel:
    """A linear score of `FEATURES`.

    Attributes:
        weights: (D,) of each feature, in nats of a choice's odds.
        log_tie: log nu of Davidson's ties; minus infinity without any.
        strength: Of the penalty, as cross-validation chose it.
        mean: Score of a report of the judged pairs, on average.
        spread: Its standard deviation.
    """

    weights: Floats
    log_tie: float
    strength: float = 0.0
    mean: float = 0.0
    spread: float = 1.0

    def score(self, reports: Sequence[str], labels: Sequence[Labels | None]) -> Floats:
        """Return (N,) scores of reports; NaN where a study's labels are not known."""
        scores: Floats = facts_features(reports, labels) @ self.weights
        return scores

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "kind": "facts",
            "weights": dict(zip(FEATURES, self.weights.tolist(), strict=True)),
            "log_tie": None if np.isinf(self.log_tie) else self.log_tie,
            "strength": self.strength,
            "mean": self.mean,
            "spread": self.spread,
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> FactsRewardModel:
        """Return the model that `as_dict` described."""
        log_tie = -np.inf if found["log_tie"] is None else float(found["log_tie"])
        weights = np.array([float(found["weights"][name]) for name in FEATURES])
        return cls(weights, log_tie, found["strength"], found["mean"], found["spread"])


def fit_facts_model(
    preferences: Sequence[Preference], labels: Sequence[Labels]
) -> FactsRewardModel:
    """Fit the weights to judgements; the penalty is chosen by cross-validation over patients.

    Args:
        preferences: N judgements.
        labels: N: of the study of each.
    """
    left = facts_features([one.left for one in preferences], labels)
    right = facts_features([one.right for one in preferences], labels)
    groups = [one.patient_id or one.study_id for one in preferences]
    weights, log_tie, strength = fit_weights(left - right, choice_numbers(preferences), groups)
    scores = np.concatenate([left, right]) @ weights
    return FactsRewardModel(
        weights, log_tie, strength, float(scores.mean()), float(scores.std()) or 1.0
    )


def fit_weights(
    difference: Floats, choices: Integers, groups: Sequence[str]
) -> tuple[Floats, float, float]:
    """Fit weights to differences of features, the penalty chosen by cross-validation over groups.

    Args:
        difference: (N, D) features of the left report less those of the right one.
        choices: (N,) 0 left, 1 right, 2 tie.
        groups: N: the patient of each.

    Returns:
        (D,) weights, log nu (minus infinity without ties), and the penalty.
    """
    scale = difference.std(axis=0)
    scale[scale == 0] = 1.0  # what never differs weighs nothing
    standard = difference / scale
    strength = _best_strength(standard, choices, np.array(groups))
    weights, log_tie = fit_linear(standard, choices, strength)
    return weights / scale, log_tie, strength


def _best_strength(features: Floats, choices: Integers, groups: Any) -> float:
    count = min(_FOLDS, len(np.unique(groups)))
    if count < 2:
        return STRENGTHS[-1]
    folds = list(GroupKFold(count).split(features, groups=groups))

    def held_out(strength: float) -> float:
        found = []
        for fit, rest in folds:
            weights, log_tie = fit_linear(features[fit], choices[fit], strength)
            log_tie = max(log_tie, -10.0)  # a fold without a tie must not make one impossible
            logged = log_probabilities(features[rest] @ weights, log_tie)
            found.append(logged[np.arange(len(rest)), choices[rest]])
        return float(np.concatenate(found).mean())

    return max(STRENGTHS, key=held_out)
