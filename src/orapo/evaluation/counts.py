"""Counts per study and label, from which every clinical figure under every convention is made.

All figures but the example-averaged ones are functions of sums of true positives, false positives
and false negatives over studies. So a bootstrap of thousands of resamples is one matrix product:
weights of the studies times counts of the studies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orapo.evaluation.clinical import LabelMatrix, positive_cells
from orapo.labels import LABELS, UncertainPolicy

Weights = NDArray[np.float64]
"""(resamples, studies): how often each study is in each resample."""

FIVE_LABELS: Final = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
"""The five of CheXpert's competition, a common subset."""
SCORES: Final = ("precision", "recall", "f1")


class Average(StrEnum):
    """How labels and studies are averaged."""

    MACRO = "macro"
    """Mean over labels of the label's figure."""
    MICRO = "micro"
    """All cells of all labels together."""
    WEIGHTED = "weighted"
    """Mean over labels of the label's figure, weighted by its positive references."""
    EXAMPLE = "example"
    """Mean over studies of the study's figure."""


@dataclass(frozen=True, slots=True)
class Convention:
    """A named way to make one precision, recall and F1 of 14 labels.

    Attributes:
        name: Its key in ``metrics.json``.
        uncertain: What -1 counts as, on both sides.
        average: Over labels, cells or studies.
        labels: The labels that it reads.
        supported_only: Leave labels out that no reference has (macro only); else they count as 0.
        meaning: In words, with who uses it.
        beside: Which published tables its figures may stand beside; empty: none that is known.
    """

    name: str
    uncertain: UncertainPolicy
    average: Average
    labels: tuple[str, ...] = LABELS
    supported_only: bool = False
    meaning: str = ""
    beside: str = ""


_NEGATIVE, _POSITIVE, _IGNORE = (
    UncertainPolicy.NEGATIVE,
    UncertainPolicy.POSITIVE,
    UncertainPolicy.IGNORE,
)

CONVENTIONS: Final = (
    Convention(
        "r2gen_macro",
        _NEGATIVE,
        Average.MACRO,
        meaning="R2Gen's compute_ce, MambaXray-VL, OraPO: uncertain and blank negative, all 14 "
        "labels, a label without support counts as 0",
        beside="clinical-efficacy macro F1 of R2Gen's family (R2Gen, MambaXray-VL, OraPO)",
    ),
    Convention("macro_uncertain_negative", _NEGATIVE, Average.MACRO, supported_only=True),
    Convention(
        "macro_uncertain_positive",
        _POSITIVE,
        Average.MACRO,
        supported_only=True,
        meaning="CheXbert's family (RadEval, RGRG, EditGRPO): uncertain positive",
    ),
    Convention("macro_uncertain_ignored", _IGNORE, Average.MACRO, supported_only=True),
    Convention("micro_uncertain_negative", _NEGATIVE, Average.MICRO),
    Convention("micro_uncertain_positive", _POSITIVE, Average.MICRO),
    Convention("micro_uncertain_ignored", _IGNORE, Average.MICRO),
    Convention(
        "example_uncertain_negative",
        _NEGATIVE,
        Average.EXAMPLE,
        meaning="PromptMRG's clinical efficacy: averaged over studies; a study without positive "
        "labels on both sides counts as 0",
        beside="PromptMRG's clinical efficacy",
    ),
    Convention("example_uncertain_positive", _POSITIVE, Average.EXAMPLE),
    Convention("five_macro_uncertain_positive", _POSITIVE, Average.MACRO, FIVE_LABELS),
    Convention(
        "five_micro_uncertain_positive",
        _POSITIVE,
        Average.MICRO,
        FIVE_LABELS,
        meaning="micro over CheXpert's five competition labels",
    ),
    *(
        Convention(
            f"chexbert_{len(labels)}_{average.value}",
            _POSITIVE,
            average,
            labels,
            meaning=f"f1chexbert's and RadEval's {name} F1",
            beside=f"CheXbert-{len(labels)} {name} F1 (f1chexbert, RadEval), with CheXbert's labels "
            "on both sides",
        )
        for labels in (LABELS, FIVE_LABELS)
        for average, name in (
            (Average.MICRO, "micro"),
            (Average.MACRO, "macro"),
            (Average.WEIGHTED, "weighted"),
            (Average.EXAMPLE, "example (samples)"),
        )
    ),
)


@dataclass(frozen=True, slots=True)
class Counts:
    """True positives, false positives and false negatives of each study and label.

    Attributes:
        tp: (studies, 14), 1 where a positive label was called.
        fp: (studies, 14), 1 where one was called that is not positive.
        fn: (studies, 14), 1 where a positive one was not called.
    """

    tp: NDArray[np.float64]
    fp: NDArray[np.float64]
    fn: NDArray[np.float64]

    @classmethod
    def of(
        cls, predicted: LabelMatrix, reference: LabelMatrix, uncertain: UncertainPolicy
    ) -> Counts:
        """Count label matrices under a policy; see `clinical_scores` for what it means."""
        call, truth = positive_cells(predicted, reference, uncertain)
        return cls(
            (truth & call).astype(np.float64),
            (~truth & call).astype(np.float64),
            (truth & ~call).astype(np.float64),
        )


def label_figures(counts: Counts, weights: Weights) -> dict[str, NDArray[np.float64]]:
    """Return precision, recall and F1 of each label, (resamples, 14) each; 0 for 0/0."""
    return _figures(weights @ counts.tp, weights @ counts.fp, weights @ counts.fn)


def convention_figures(
    counts: Counts, convention: Convention, weights: Weights
) -> dict[str, NDArray[np.float64]]:
    """Return precision, recall and F1 under a convention, (resamples,) each.

    NaN where there is no such figure: none of its labels is positive in any reference, or (micro
    precision) nothing is claimed.

    Args:
        counts: Counts under the convention's policy for uncertain.
        convention: The convention.
        weights: (R, studies). A label that has support in the references and none in a resample
            says nothing there: the mean is over the others, or the interval would lie below a
            system that is always right.
    """
    columns = [LABELS.index(name) for name in convention.labels]
    support = (counts.tp + counts.fn).sum(axis=0)
    if not support[columns].any():
        return {name: np.full(len(weights), np.nan) for name in SCORES}
    if convention.supported_only:
        columns = [column for column in columns if support[column] > 0]
    tp, fp, fn = counts.tp[:, columns], counts.fp[:, columns], counts.fn[:, columns]
    if convention.average is Average.EXAMPLE:
        total = weights.sum(axis=1)
        each = _figures(tp.sum(axis=1), fp.sum(axis=1), fn.sum(axis=1))
        return {name: weights @ values / total for name, values in each.items()}
    if convention.average is Average.MICRO:
        found, wrong = weights @ tp.sum(axis=1), weights @ fp.sum(axis=1)
        figures = _figures(found, wrong, weights @ fn.sum(axis=1))
        if not (tp.any() or fp.any()):  # nothing is claimed
            figures["precision"] = np.full(len(weights), np.nan)
        return figures
    per_label = _figures(weights @ tp, weights @ fp, weights @ fn)
    if convention.average is Average.WEIGHTED:
        often = weights @ (tp + fn)
        return {
            name: _ratio((values * often).sum(axis=1), often.sum(axis=1))
            for name, values in per_label.items()
        }
    drawn = weights @ (tp + fn) > 0
    supported = (tp + fn).any(axis=0)
    # of those without any support, which count as 0
    share = supported.sum() / max(1, len(columns))
    return {
        name: share * _ratio((values * drawn).sum(axis=1), drawn.sum(axis=1).astype(np.float64))
        for name, values in per_label.items()
    }


def _figures(
    tp: NDArray[np.float64], fp: NDArray[np.float64], fn: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    return {
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
    }


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.divide(top, bottom, out=np.zeros_like(bottom), where=bottom > 0)
    return ratio


def counts_by_policy(
    predicted: LabelMatrix, reference: LabelMatrix
) -> Mapping[UncertainPolicy, Counts]:
    """Count under all policies for uncertain."""
    return {policy: Counts.of(predicted, reference, policy) for policy in UncertainPolicy}


def conventions_named(names: Sequence[str]) -> tuple[Convention, ...]:
    """Return conventions by name.

    Raises:
        KeyError: There is none of a name.
    """
    known = {convention.name: convention for convention in CONVENTIONS}
    return tuple(known[name] for name in names)
