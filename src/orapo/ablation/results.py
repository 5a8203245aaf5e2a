"""What an ablation found: means, spreads, paired differences, curves, and where each method wins.

Two things are random, the training and the choice of test studies. So what is drawn with replacement
is both: seeds, the same of two methods that are compared, and patients with all their studies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orapo.evaluation.bootstrap import LEVEL, Resampler, holm
from orapo.evaluation.clinical import clinical_scores, label_matrix
from orapo.evaluation.counts import Counts, convention_figures, conventions_named
from orapo.labels import CHEXPERT, LABELS, NO_FINDING, POSITIVE, UNCERTAIN, LabelValue
from orapo.labels import UncertainPolicy as Policy

RARE_SHARE: Final = 0.05
"""Labels of fewer training studies are rare."""
MANY: Final = 3
"""Findings from which a study has many."""
_MACRO: Final = {
    Policy.POSITIVE: "macro_uncertain_positive",
    Policy.NEGATIVE: "macro_uncertain_negative",
    Policy.IGNORE: "macro_uncertain_ignored",
}
_EXAMPLE: Final = {
    Policy.POSITIVE: "example_uncertain_positive",
    Policy.NEGATIVE: "example_uncertain_negative",
    Policy.IGNORE: "example_uncertain_positive",
}
_FIGURES: Final = ("macro_f1", "macro_precision", "macro_recall", "micro_f1", "r2gen_macro_f1")

Labels = Mapping[str, LabelValue]


@dataclass(frozen=True)
class Run:
    """One trained (or untrained) model and what it wrote about the test studies.

    Attributes:
        method: Key of the methods.
        seed: Of its training.
        studies: It was trained on.
        predicted: Labels of its reports, in the order of the test studies.
        curve: Whether it is for the curve of data efficiency alone.
        rollouts: Reports sampled in its training.
        seconds: Of its training.
        log: Lines of ``metrics.jsonl``.
        probes: Lines of ``probe.jsonl``.
        second: Labels of its reports by another labeler; None without one.
    """

    method: str
    seed: int
    studies: int
    predicted: Sequence[Labels]
    curve: bool = False
    rollouts: int = 0
    seconds: float = 0.0
    log: Sequence[Mapping[str, Any]] = ()
    probes: Sequence[Mapping[str, Any]] = ()
    second: Sequence[Labels] | None = field(default=None)


class Comparison:
    """Runs on the same test studies, and how to compare them.

    Args:
        truth: Labels of the test studies.
        patients: Of each, empty where unknown.
        training: Labels of the training studies; they say which labels are rare.
        uncertain: What -1 counts as.
        resamples: Of the bootstrap.
        seed: Of its draws.
    """

    def __init__(
        self,
        truth: Sequence[Labels],
        patients: Sequence[str],
        training: Sequence[Labels],
        *,
        uncertain: Policy,
        resamples: int,
        seed: int = 0,
    ) -> None:
        self.truth = truth
        self.uncertain = uncertain
        self._matrix = label_matrix(truth, "reference")
        self._resampler = Resampler(patients, resamples, seed)
        self._seed = seed
        count = max(len(training), 1)
        self.prevalence = {
            name: sum(labels.get(name) in (POSITIVE, UNCERTAIN) for labels in training) / count
            for name in LABELS
        }
        self.rare = [name for name in CHEXPERT.findings if 0 < self.prevalence[name] < RARE_SHARE]

    def row(self, runs: Sequence[Run]) -> dict[str, Any]:
        """Return the figures of one method over its seeds."""
        scores = [
            clinical_scores(run.predicted, self.truth, uncertain=self.uncertain) for run in runs
        ]
        row: dict[str, Any] = {"seeds": [run.seed for run in runs]}
        for name in _FIGURES:
            values = [getattr(score, name) for score in scores]
            row[name] = fmean(values)
            row[f"{name}_spread"] = stdev(values) if len(values) > 1 else None
            row[f"{name}_by_seed"] = values
        draws = self._over_seeds(self._draws(runs))
        row["macro_f1_interval"] = _ends(draws)
        row["per_label"] = {
            label: {
                key: fmean(score.per_label[label][key] for score in scores)
                for key in ("precision", "recall", "f1", "support")
            }
            for label in LABELS
        }
        row["studies"] = runs[0].studies
        row["rollouts"] = round(fmean(run.rollouts for run in runs))
        row["seconds"] = round(fmean(run.seconds for run in runs), 1)
        row["by_difficulty"] = self._by_difficulty(runs)
        if all(run.second is not None for run in runs):
            row["second_labeler_macro_f1"] = fmean(
                clinical_scores(run.second or (), self.truth, uncertain=self.uncertain).macro_f1
                for run in runs
            )
        return row

    def differences(
        self, methods: Mapping[str, Sequence[Run]], baseline: str
    ) -> dict[str, dict[str, Any]]:
        """Compare every method with one of them, over the seeds that both have.

        Returns:
            Method to ``difference`` of macro-F1 with its interval, ``ratio`` with its interval,
            two-sided bootstrap ``p`` and ``p_holm``, and the number of seeds.
        """
        found: dict[str, dict[str, Any]] = {}
        for name, runs in methods.items():
            if name == baseline:
                continue
            mine, theirs = _paired(runs, methods[baseline])
            a, b = self._draws(mine), self._draws(theirs)
            chosen = self._chosen(len(mine))
            first = np.take_along_axis(a, chosen, axis=0).mean(axis=0)
            second = np.take_along_axis(b, chosen, axis=0).mean(axis=0)
            whole = [self._macro(each, self._resampler.whole()).mean() for each in (mine, theirs)]
            below = float(((first - second) <= 0).mean())
            above = float(((first - second) >= 0).mean())
            smallest = 1 / (len(first) + 1)
            found[name] = {
                "difference": float(whole[0] - whole[1]),
                "difference_interval": _ends(first - second),
                "ratio": float(whole[0] / whole[1]) if whole[1] else None,
                # no interval where a draw of the baseline has nothing right
                "ratio_interval": _ends(first / second) if second.min() > 0 else None,
                "p": min(1.0, max(2 * min(below, above), smallest)),
                "seeds": len(mine),
            }
        for row, p in zip(found.values(), holm([row["p"] for row in found.values()]), strict=True):
            row["p_holm"] = p
        return found

    def _macro(self, runs: Sequence[Run], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(runs, R) macro-F1."""
        (convention,) = conventions_named([_MACRO[self.uncertain]])
        return np.stack(
            [convention_figures(self._counts(run), convention, weights)["f1"] for run in runs]
        )

    def _counts(self, run: Run) -> Counts:
        return Counts.of(label_matrix(run.predicted, "prediction"), self._matrix, self.uncertain)

    def _draws(self, runs: Sequence[Run]) -> NDArray[np.float64]:
        """(runs, R) macro-F1 in each resample of the studies."""
        draws = self._resampler.draw(lambda weights: self._macro(runs, weights).T)
        return draws.T

    def _chosen(self, seeds: int) -> NDArray[np.int64]:
        """(seeds, R) which seeds are drawn, the same for all methods with as many."""
        generator = np.random.default_rng([self._seed, seeds])
        return generator.integers(0, seeds, (seeds, self._resampler.resamples))

    def _over_seeds(self, draws: NDArray[np.float64]) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = np.take_along_axis(
            draws, self._chosen(len(draws)), axis=0
        ).mean(axis=0)
        return mean

    def groups(self) -> dict[str, list[int]]:
        """Return the test studies of each kind; a study can be of several."""

        def positive(labels: Labels, name: str) -> bool:
            return labels.get(name) in (POSITIVE, UNCERTAIN)

        kinds = {
            "with a rare label": lambda labels: any(positive(labels, name) for name in self.rare),
            f"with {MANY} findings or more": lambda labels: (
                sum(positive(labels, name) for name in CHEXPERT.findings) >= MANY
            ),
            "with a faint (uncertain) finding": lambda labels: any(
                labels.get(name) == UNCERTAIN for name in CHEXPERT.findings
            ),
            "with one or two findings": lambda labels: (
                0 < sum(positive(labels, name) for name in CHEXPERT.findings) < MANY
            ),
            "normal": lambda labels: labels.get(NO_FINDING) == POSITIVE,
        }
        return {
            kind: [place for place, labels in enumerate(self.truth) if belongs(labels)]
            for kind, belongs in kinds.items()
        }

    def _by_difficulty(self, runs: Sequence[Run]) -> dict[str, float]:
        """Mean F1 of a study, over the studies of each kind."""
        (convention,) = conventions_named([_EXAMPLE[self.uncertain]])
        found = {}
        for kind, places in self.groups().items():
            if places:
                weights = np.zeros((1, len(self.truth)))
                weights[0, places] = 1
                found[kind] = fmean(
                    float(convention_figures(self._counts(run), convention, weights)["f1"][0])
                    for run in runs
                )
        return found


def _paired(first: Sequence[Run], second: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Return the runs of both methods with the same seeds; an untrained one stands beside all."""
    if len(first) == 1 or len(second) == 1:
        size = max(len(first), len(second))
        untrained = [runs for runs in (first, second) if len(runs) == 1 and not runs[0].seconds]
        if untrained:
            return (
                [*first] * (size if len(first) == 1 else 1),
                [*second] * (size if len(second) == 1 else 1),
            )
    by_seed = {run.seed: run for run in second}
    mine = [run for run in first if run.seed in by_seed]
    return mine, [by_seed[run.seed] for run in mine]


def _ends(draws: NDArray[np.float64]) -> list[float]:
    tail = 100 * (1 - LEVEL) / 2
    return [float(value) for value in np.percentile(draws, [tail, 100 - tail])]


def mean_curve(runs: Sequence[Run], name: str) -> list[tuple[int, float]]:
    """Return a figure of the log by step, the mean over the runs that have it."""
    by_step: dict[int, list[float]] = {}
    for run in runs:
        for line in run.log:
            if line.get(name) is not None:
                by_step.setdefault(int(line["step"]), []).append(float(line[name]))
    return [(step, fmean(values)) for step, values in sorted(by_step.items())]


def label_curves(runs: Sequence[Run], labels: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
    """Return each label's F1 at the probes, the mean over the runs."""
    curves: dict[str, dict[int, list[float]]] = {label: {} for label in labels}
    for run in runs:
        for probe in run.probes:
            for label in labels:
                points = curves[label].setdefault(int(probe["step"]), [])
                points.append(float(probe["per_label"][label]))
    return {
        label: [(step, fmean(values)) for step, values in sorted(points.items())]
        for label, points in curves.items()
    }


def around_step(runs: Sequence[Run], name: str, step: int, reach: int = 10) -> float | None:
    """Return the mean of a figure of the log over the steps around one; None if there are none."""
    values = [value for at, value in mean_curve(runs, name) if step - reach < at <= step + reach]
    return fmean(values) if values else None
