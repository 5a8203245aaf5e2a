"""Intervals and paired tests by resampling patients.

Studies of one patient are not independent, so what is drawn with replacement, or swapped between
two systems, is a patient with all studies; where no patient is known, each study stands for one.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orapo.evaluation.counts import Weights

RESAMPLES: Final = 1000
LEVEL: Final = 0.95
_NORMAL: Final = 1.959964  # the normal distribution's quantile at 97.5 %
_CELLS_AT_ONCE: Final = 4_000_000
"""Weights held in memory at a time: 32 MB."""

Statistic = Callable[[Weights], NDArray[np.float64]]
"""(R, studies) weights -> (R, ...) figures."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its percentile bootstrap interval."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """Return it for JSON, which has no NaN: a figure that applies to no study is None."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {name: None if math.isnan(value) else value for name, value in numbers.items()}


NO_FIGURE: Final = Interval(math.nan, math.nan, math.nan)


def share_interval(interval: Interval, patients: int) -> Interval:
    """Return a share's interval; where the share is 0 or 1, Wilson's for that many patients.

    All resamples of "0 of 5" are 0, which would look like certainty.
    """
    if interval.value not in (0, 1) or not patients:
        return interval
    edge = _NORMAL**2 / (patients + _NORMAL**2)
    return Interval(0.0, 0.0, edge) if interval.value == 0 else Interval(1.0, 1 - edge, 1.0)


class Resampler:
    """Resamples of studies by patient, the same for every statistic that is asked for.

    Args:
        patients: The patient of each study; an empty name is a patient of its own.
        resamples: How many.
        seed: Of the draws.
    """

    def __init__(self, patients: Sequence[str], resamples: int = RESAMPLES, seed: int = 0) -> None:
        names = [name or f"\0{index}" for index, name in enumerate(patients)]
        _, self._patient = np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)
        self.patients = int(self._patient.max()) + 1 if names else 0
        self.resamples = resamples
        self._seed = seed

    @property
    def studies(self) -> int:
        """How many studies there are."""
        return len(self._patient)

    def patients_of(self, studies: NDArray[np.bool_]) -> int:
        """Return how many patients some studies, (studies,) flags, belong to."""
        return len(np.unique(self._patient[studies]))

    def whole(self) -> Weights:
        """Return the weights of the studies as they are, (1, studies)."""
        return np.ones((1, self.studies))

    def draw(self, statistic: Statistic) -> NDArray[np.float64]:
        """Return a statistic of every resample, (resamples, ...)."""
        generator = np.random.default_rng(self._seed)
        step = max(1, _CELLS_AT_ONCE // max(1, self.studies))
        parts = []
        for start in range(0, self.resamples, step):
            count = min(step, self.resamples - start)
            drawn = generator.integers(0, self.patients, (count, self.patients))
            # one bincount for all rows: row r counts in r * patients ... (r + 1) * patients - 1
            offset = np.arange(count)[:, None] * self.patients
            often = np.bincount((drawn + offset).ravel(), minlength=count * self.patients)
            weights = often.reshape(count, self.patients).astype(np.float64)[:, self._patient]
            parts.append(statistic(weights))
        return np.concatenate(parts)

    def interval(self, statistic: Statistic) -> list[Interval]:
        """Return figures with their 95 % percentile intervals; of one patient there is none (NaN).

        Args:
            statistic: (R, studies) weights -> (R,) or (R, figures).
        """
        values = np.atleast_1d(statistic(self.whole())[0])
        if self.patients < 2:  # all resamples of one patient are that patient
            return [Interval(float(value), math.nan, math.nan) for value in values]
        draws = self.draw(statistic).reshape(self.resamples, -1)
        tail = 100 * (1 - LEVEL) / 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a figure that is NaN in all draws
            low, high = np.nanpercentile(draws, [tail, 100 - tail], axis=0)
        return [
            # a figure that does not exist has no interval, whatever some resamples have
            Interval(float(value), float(below), float(above))
            if value == value
            else Interval(math.nan, math.nan, math.nan)
            for value, below, above in zip(values, low, high, strict=True)
        ]

    def swapped(
        self, statistic: Callable[[Weights, Weights], NDArray[np.float64]], seed_offset: int = 1
    ) -> NDArray[np.float64]:
        """Return a statistic of two systems after swapping them for half of the patients.

        Args:
            statistic: Given the weights with which each study is taken from the first and from the
                second system, (R, studies) each: (R, ...) figures.
            seed_offset: Keeps these draws apart from those of `draw`.
        """
        generator = np.random.default_rng([self._seed, seed_offset])
        step = max(1, _CELLS_AT_ONCE // max(1, self.studies))
        parts = []
        for start in range(0, self.resamples, step):
            count = min(step, self.resamples - start)
            kept = generator.integers(0, 2, (count, self.patients)).astype(np.float64)
            first = kept[:, self._patient]
            parts.append(statistic(first, 1 - first))
        return np.concatenate(parts)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's step-down method, in the same order."""
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(p_values))
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = running
    return [float(value) for value in corrected]
