"""What a report is to a study in numbers that FactS gives: what a linear reward model weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orapo.facts import FactSReward, RepetitionPenalty, label_report
from orapo.facts.fact import Polarity
from orapo.facts.score import FactsScore
from orapo.labels import LabelValue

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
