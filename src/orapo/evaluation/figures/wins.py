"""Who wins where: on how many studies one system is right about a label and the other is not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from orapo.evaluation.bootstrap import Resampler
from orapo.evaluation.counts import Counts, Weights
from orapo.labels import LABELS


def wins_by_label(first: Counts, second: Counts, resampler: Resampler) -> list[dict[str, Any]]:
    """Count wins and losses of the first system against the second, label by label.

    Args:
        first: What the first system found and missed, under the policy for uncertain.
        second: The same of the second, on the same studies.
        resampler: Resamples of their patients.

    Returns:
        A dict per label: ``positive`` (references), ``wins``, ``losses`` and ``ties`` (studies), and
        ``net`` = (wins - losses) / studies with its paired bootstrap interval ``low`` to ``high``
        (None where there is none). Labels on which both agree everywhere have 0 and no interval.
    """
    # 1 where the first is right and the second wrong, -1 the other way round, (studies, 14)
    outcome = (second.fp + second.fn) - (first.fp + first.fn)
    positive = (first.tp + first.fn).sum(axis=0)
    return [
        {"label": label, "positive": int(positive[column])} | _told(outcome[:, column], resampler)
        for column, label in enumerate(LABELS)
    ]


def wins_by_score(
    first: NDArray[np.float64], second: NDArray[np.float64], resampler: Resampler
) -> dict[str, Any]:
    """Count the studies on which the first system's score is higher; as `wins_by_label`.

    Args:
        first: (studies,) scores; NaN where there is none, which leaves the study out.
        second: Those of the other.
        resampler: Resamples of the studies' patients.
    """
    # Scores that differ by rounding are the same.
    apart = np.where(np.abs(first - second) < 1e-9, 0.0, np.sign(first - second))
    return _told(apart, resampler)


def _told(outcome: NDArray[np.float64], resampler: Resampler) -> dict[str, Any]:
    known = ~np.isnan(outcome)
    values = np.where(known, outcome, 0.0)

    def net(weights: Weights) -> NDArray[np.float64]:
        count = weights @ known.astype(np.float64)
        share: NDArray[np.float64] = np.divide(
            weights @ values, count, out=np.full(count.shape, np.nan), where=count > 0
        )
        return share

    (interval,) = resampler.interval(net)
    ends = interval.as_dict()
    if not values.any():
        # all resamples of "no difference" are that, which would look like certainty
        ends |= {"low": None, "high": None}
    return {
        "wins": int((values > 0).sum()),
        "losses": int((values < 0).sum()),
        "ties": int(known.sum() - (values != 0).sum()),
        "net": ends["value"],
        "low": ends["low"],
        "high": ends["high"],
    }
