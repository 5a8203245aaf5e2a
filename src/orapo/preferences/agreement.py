"""Do raters agree: with each other, with themselves, and whichever side a report stands on?

What is resampled are patients, as everywhere (`orapo.evaluation.bootstrap`). The kappas' values are
scikit-learn's, Krippendorff's alpha is NLTK's, exact tests and intervals of shares are SciPy's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orapo.errors import MissingExtraError
from orapo.evaluation.bootstrap import LEVEL, Interval, Resampler
from orapo.evaluation.counts import Weights
from orapo.preferences.judgements import Judgement, turned
from orapo.preferences.records import Choice, Pair, PairKey

Array = NDArray[np.float64]
ORDER: Final[Mapping[Choice, int]] = {"left": 0, "tie": 1, "right": 2}
"""Choices from one side to the other; weighted kappa counts the steps between."""
_UNJUDGED: Final = -1
_LINEAR: Final = 1 - np.abs(np.subtract.outer(range(3), range(3))) / 2
_EQUAL: Final = np.eye(3)


def unswapped(
    one: Judgement, pairs: Mapping[str, Pair], keys: Mapping[str, PairKey]
) -> tuple[str, Choice]:
    """Return the pair that a judgement is of, and its choice with the sides as shown first."""
    first = keys[one.pair].repeats
    if first is None:
        return one.pair, one.choice
    same = pairs[one.pair].left == pairs[first].left
    return first, one.choice if same else turned(one.choice)


@dataclass(frozen=True)
class Ratings:
    """Choices as a table.

    Attributes:
        raters: The rows.
        pairs: The columns: different pairs, without repetitions.
        codes: (raters, pairs) 0 left, 1 tie, 2 right; -1 where there is no judgement. The first
            showing counts; the second stands in where the first was not judged.
        patients: The patient of each column; empty if unknown.
    """

    raters: list[str]
    pairs: list[str]
    codes: NDArray[np.int64]
    patients: list[str]


def ratings_table(
    judgements: Sequence[Judgement], pairs: Mapping[str, Pair], keys: Mapping[str, PairKey]
) -> Ratings:
    """Arrange judgements as a table of different pairs."""
    raters = sorted({one.rater for one in judgements})
    said: dict[tuple[str, str], Choice] = {}
    for repeated in (True, False):  # the first showing overwrites its repetition
        for one in judgements:
            if (keys[one.pair].repeats is not None) == repeated:
                pair, choice = unswapped(one, pairs, keys)
                said[one.rater, pair] = choice
    judged = {pair for _, pair in said}
    names = [pair for pair in pairs if pair in judged]
    codes = np.full((len(raters), len(names)), _UNJUDGED, dtype=np.int64)
    row = {rater: at for at, rater in enumerate(raters)}
    column = {pair: at for at, pair in enumerate(names)}
    for (rater, pair), choice in said.items():
        codes[row[rater], column[pair]] = ORDER[choice]
    return Ratings(raters, names, codes, [keys[pair].patient_id for pair in names])


def _joint(first: NDArray[np.int64], second: NDArray[np.int64]) -> Array:
    """Return which cell of the table of two raters each pair falls into, (pairs, 9) of 0 and 1."""
    cells = np.zeros((len(first), 9))
    both = (first != _UNJUDGED) & (second != _UNJUDGED)
    cells[np.flatnonzero(both), first[both] * 3 + second[both]] = 1
    return cells


def _kappa(tables: Array, credit: Array) -> Array:
    """Cohen's kappa of (R, 9) tables, with credit for each cell (identity: unweighted); NaN if 0/0."""
    square = tables.reshape(-1, 3, 3)
    total = square.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = square / total[:, None, None]
        seen = (share * credit).sum(axis=(1, 2))
        by_chance = share.sum(axis=2)[:, :, None] * share.sum(axis=1)[:, None, :]
        chance = (by_chance * credit).sum(axis=(1, 2))
        return np.where(np.isclose(chance, 1), np.nan, (seen - chance) / (1 - chance))


def pairwise_kappa(ratings: Ratings, resamples: int, seed: int) -> list[dict[str, Any]]:
    """Return Cohen's kappa of each pair of raters, plain and with ties as the middle, and intervals.

    A pair of raters without a judgement in common has None for its figures.
    """
    from sklearn.metrics import cohen_kappa_score

    found = []
    for first in range(len(ratings.raters)):
        for second in range(first + 1, len(ratings.raters)):
            mine, theirs = ratings.codes[first], ratings.codes[second]
            both = (mine != _UNJUDGED) & (theirs != _UNJUDGED)
            values = {"kappa": math.nan, "weighted_kappa": math.nan}
            if both.any() and len(np.unique([mine[both], theirs[both]])) > 1:
                for name, weights in (("kappa", None), ("weighted_kappa", "linear")):
                    values[name] = float(
                        cohen_kappa_score(
                            mine[both], theirs[both], weights=weights, labels=[0, 1, 2]
                        )
                    )
            intervals = _kappa_intervals(
                _joint(mine, theirs)[both], _of(ratings.patients, both), resamples, seed
            )
            found.append(
                {
                    "raters": [ratings.raters[first], ratings.raters[second]],
                    "pairs": int(both.sum()),
                    "equal": _number(
                        float((mine[both] == theirs[both]).mean()) if both.any() else math.nan
                    ),
                    **{
                        name: Interval(values[name], one.low, one.high).as_dict()
                        for name, one in zip(values, intervals, strict=True)
                    },
                }
            )
    return found


def _kappa_intervals(
    cells: Array, patients: Sequence[str], resamples: int, seed: int
) -> list[Interval]:
    """Return intervals of plain and weighted kappa."""
    if not len(cells):
        return [Interval(math.nan, math.nan, math.nan)] * 2

    def kappas(weights: Weights) -> Array:
        tables = weights @ cells
        return np.stack([_kappa(tables, _EQUAL), _kappa(tables, _LINEAR)], axis=1)

    return Resampler(patients, resamples, seed).interval(kappas)


def kappa_with_others(ratings: Ratings, rater: int, resamples: int, seed: int) -> dict[str, Any]:
    """Return a rater's kappa with all others pooled into one table, with interval.

    Returns:
        ``value, low, high`` (None if nobody else judged the same pairs), ``equal`` (the share of the
        others' choices that are the same), ``pairs`` (shared with anyone).
    """
    mine = ratings.codes[rater]
    others = [at for at in range(len(ratings.raters)) if at != rater]
    cells = sum((_joint(mine, ratings.codes[at]) for at in others), np.zeros((len(mine), 9)))
    shared = cells.sum(axis=1) > 0
    interval = _kappa_intervals(cells[shared], _of(ratings.patients, shared), resamples, seed)[0]
    equal = cells[:, [0, 4, 8]].sum() / cells.sum() if shared.any() else math.nan
    return {**interval.as_dict(), "equal": _number(float(equal)), "pairs": int(shared.sum())}


def krippendorff_alpha(ratings: Ratings, without: str | None = None) -> float | None:
    """Return Krippendorff's alpha (nominal) of all raters; None where it can't be had.

    Args:
        ratings: The table; judgements may be missing.
        without: Leave this rater out.

    Raises:
        MissingExtraError: NLTK is not installed.
    """
    try:
        from nltk.metrics.agreement import AnnotationTask
    except ImportError:
        raise MissingExtraError("Krippendorff's alpha", "preferences") from None
    data = [
        (rater, pair, int(ratings.codes[row, column]))
        for row, rater in enumerate(ratings.raters)
        if rater != without
        for column, pair in enumerate(ratings.pairs)
        if ratings.codes[row, column] != _UNJUDGED
    ]
    counts: dict[str, int] = {}
    for _, pair, _ in data:
        counts[pair] = counts.get(pair, 0) + 1
    # NLTK calls it perfect where all said the same, or where nobody can be compared
    comparable = {choice for _, pair, choice in data if counts[pair] > 1}
    if len(comparable) < 2:
        return None
    return float(AnnotationTask(data=data).alpha())


def share(
    successes: int, trials: int, chance: float = 0.5, side: str = "two-sided"
) -> dict[str, Any]:
    """Return a share with its exact (Clopper-Pearson) interval and exact binomial test.

    Args:
        successes: Of the trials.
        trials: How many; with none, all figures are None.
        chance: The share that is tested against.
        side: ``two-sided`` or ``greater``.
    """
    from scipy.stats import binomtest

    if not trials:
        return {"value": None, "low": None, "high": None, "p": None}
    test = binomtest(successes, trials, chance, alternative=side)
    interval = binomtest(successes, trials).proportion_ci(LEVEL, method="exact")
    return {
        "value": successes / trials,
        "low": float(interval.low),
        "high": float(interval.high),
        "p": float(test.pvalue),
    }


def self_agreement(
    mine: Sequence[Judgement], pairs: Mapping[str, Pair], keys: Mapping[str, PairKey]
) -> dict[str, Any]:
    """Return how often a rater says the same of a pair that is shown again.

    ``chance`` is how often that would be if the choices did not depend on the reports: it is worked
    out of the rater's shares of left, right and tie, and of how often the sides were swapped.
    """
    said = {one.pair: one.choice for one in mine}
    again = [one for one in mine if keys[one.pair].repeats in said]
    agreed = swapped = 0
    for one in again:
        first, choice = unswapped(one, pairs, keys)
        agreed += choice == said[first]
        swapped += pairs[one.pair].left != pairs[first].left
    rates = {name: sum(one.choice == name for one in mine) / max(1, len(mine)) for name in ORDER}
    if_same = sum(rate**2 for rate in rates.values())
    if_swapped = 2 * rates["left"] * rates["right"] + rates["tie"] ** 2
    part = swapped / len(again) if again else 0.0
    chance = part * if_swapped + (1 - part) * if_same
    return {
        "repeated": len(again),
        "agreed": agreed,
        "chance": chance if again else None,
        **share(agreed, len(again), chance, "greater"),
    }


def position_bias(mine: Sequence[Judgement]) -> dict[str, Any]:
    """Return the share of "left" among the judgements that are no tie, tested against one half."""
    left = sum(one.choice == "left" for one in mine)
    decided = sum(one.choice != "tie" for one in mine)
    return {"left": left, "decided": decided, **share(left, decided)}


def _of(patients: Sequence[str], chosen: NDArray[np.bool_]) -> list[str]:
    return [patient for patient, keep in zip(patients, chosen, strict=True) if keep]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
