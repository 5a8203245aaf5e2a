"""Clinical scores: precision, recall and F1 of the 14 labels under a named convention.

Published figures differ in what "blank" and "uncertain" count as and in what is averaged, so every
result of this module carries its convention in words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

from orapo.errors import OrapoError
from orapo.labels import (
    CHEXPERT,
    DEFAULT_UNCERTAIN,
    LABELS,
    POSITIVE,
    UNCERTAIN,
    LabelValue,
    UncertainPolicy,
    parse_label,
)

LabelMatrix: TypeAlias = NDArray[np.float64]
"""(studies, 14) label values in the order of ``LABELS``; NaN is blank."""

_UNCERTAIN_IN_WORDS = {
    UncertainPolicy.POSITIVE: "counts as positive on both sides",
    UncertainPolicy.NEGATIVE: "counts as negative on both sides",
    UncertainPolicy.IGNORE: (
        "in the reference: that label of that study is left out; in a prediction: positive"
    ),
}


class LabelScore(TypedDict):
    """Scores of one label."""

    precision: float
    recall: float
    f1: float
    support: int
    """Studies in which the reference is positive."""
    predicted: float
    """Studies in which the prediction is positive (a mean for rows that average over draws)."""


@dataclass(frozen=True, slots=True)
class ClinicalScores:
    """Clinical scores of one system on one set of references.

    Attributes:
        macro_f1: Mean of the F1 of the labels in ``macro_labels``; NaN, like all averages, if no
            label is positive in the references.
        macro_precision: Mean of their precision.
        macro_recall: Mean of their recall.
        micro_f1: F1 of all cells of all 14 labels taken together.
        r2gen_macro_f1: The field's headline number, comparable with papers: blank and uncertain
            are negative, mean over all 14 labels, a label without support counts as 0.
        per_label: The scores of each of the 14 labels; 0 for 0/0, as they enter the averages.
        macro_labels: The labels with support in the references.
        studies: Number of studies.
        convention: What blank and uncertain count as and what the averages run over, in words.
    """

    macro_f1: float
    macro_precision: float
    macro_recall: float
    micro_f1: float
    r2gen_macro_f1: float
    per_label: dict[str, LabelScore]
    macro_labels: tuple[str, ...]
    studies: int
    convention: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the scores as plain dicts, lists and numbers, ready for JSON.

        What does not exist is None there: averages without a positive reference; a label's F1 and
        recall without one; its precision if it is never claimed.
        """
        averages = {
            "macro_f1": self.macro_f1,
            "macro_precision": self.macro_precision,
            "macro_recall": self.macro_recall,
            "micro_f1": self.micro_f1,
            "r2gen_macro_f1": self.r2gen_macro_f1,
        }
        return {
            **{name: None if math.isnan(value) else value for name, value in averages.items()},
            "per_label": {name: _existing(score) for name, score in self.per_label.items()},
            "macro_labels": list(self.macro_labels),
            "studies": self.studies,
            "convention": dict(self.convention),
        }


def _existing(score: LabelScore) -> dict[str, float | None]:
    supported, claimed = score["support"] > 0, score["predicted"] > 0
    return {
        "support": score["support"],
        "predicted": score["predicted"],
        "precision": score["precision"] if claimed else None,
        "recall": score["recall"] if supported else None,
        "f1": score["f1"] if supported else None,
    }


def clinical_scores(
    predicted: Sequence[Mapping[str, LabelValue]],
    reference: Sequence[Mapping[str, LabelValue]],
    *,
    uncertain: UncertainPolicy = DEFAULT_UNCERTAIN,
) -> ClinicalScores:
    """Score predicted labels against reference labels.

    Labels are addressed by name; a name that is not there is blank, and blank is negative.

    Args:
        predicted: One mapping of label name to 1, 0, -1 or None a study.
        reference: The same studies in the same order.
        uncertain: What -1 counts as. With ``IGNORE`` a cell that is uncertain in the reference is
            left out of that label's score; in the prediction uncertain then counts as positive.

    Raises:
        OrapoError: The lengths differ, there is no study, or a name or value is no label.
    """
    if len(predicted) != len(reference):
        raise OrapoError(
            f"{len(predicted)} predictions for {len(reference)} references: expected one each"
        )
    return matrix_scores(
        label_matrix(predicted, "prediction"),
        label_matrix(reference, "reference"),
        uncertain=uncertain,
    )


def evaluate_reports(
    predictions: Mapping[str, str],
    references: Mapping[str, Mapping[str, LabelValue] | str],
    *,
    uncertain: UncertainPolicy = DEFAULT_UNCERTAIN,
) -> ClinicalScores:
    """Score generated reports; FactS reads their labels.

    Args:
        predictions: Study id to generated report. An empty report has no positive label.
        references: Study id to reference labels, or to the reference report, which FactS reads.
        uncertain: As in :func:`clinical_scores`.

    Raises:
        OrapoError: The two sides do not hold the same studies, or there is none.
    """
    from orapo.facts import label_report

    check_same_studies(predictions, references)
    sides = [references[study] for study in predictions]
    return clinical_scores(
        [label_report(text).labels for text in predictions.values()],
        [label_report(side).labels if isinstance(side, str) else side for side in sides],
        uncertain=uncertain,
    )


def check_same_studies(
    predictions: Mapping[str, object],
    references: Mapping[str, object],
    predictions_name: str = "predictions",
    references_name: str = "references",
) -> None:
    """Check that both sides hold the same studies.

    Raises:
        OrapoError: They do not; the message says how many are on one side only and names one.
    """
    for here, here_name, there, there_name in (
        (references, references_name, predictions, predictions_name),
        (predictions, predictions_name, references, references_name),
    ):
        alone = sorted(here.keys() - there.keys())
        if alone:
            raise OrapoError(
                f"{there_name}: lacks {len(alone)} of the {len(here)} studies of {here_name} "
                f"(the first: {alone[0]})"
            )


def label_matrix(vectors: Sequence[Mapping[str, LabelValue]], what: str) -> LabelMatrix:
    """Return label vectors as an array of shape (studies, 14); NaN is blank.

    Args:
        vectors: One mapping of label name to value a study.
        what: What to call a vector in an error message.

    Raises:
        OrapoError: A name or a value is no label; the message names the vector by its number.
    """
    matrix = np.full((len(vectors), len(LABELS)), np.nan)
    for row, vector in enumerate(vectors):
        try:
            values = CHEXPERT.complete({name: parse_label(cell) for name, cell in vector.items()})
        except ValueError as error:
            raise OrapoError(f"{what} {row + 1}: {error}") from None
        for column, name in enumerate(LABELS):
            value = values[name]
            if value is not None:
                matrix[row, column] = value
    return matrix


def matrix_scores(
    predicted: LabelMatrix, reference: LabelMatrix, *, uncertain: UncertainPolicy
) -> ClinicalScores:
    """Score label matrices; see :func:`clinical_scores`.

    Args:
        predicted: Array of shape (studies, 14) from :func:`label_matrix`.
        reference: The same for the references.
        uncertain: What -1 counts as.

    Raises:
        OrapoError: There is no study.
    """
    if not len(reference):
        raise OrapoError("no study to score: expected at least one prediction with a reference")
    call, truth = positive_cells(predicted, reference, uncertain)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth.astype(int), call.astype(int), average=None, zero_division=0
    )
    *_, micro_f1, _ = precision_recall_fscore_support(
        truth.astype(int), call.astype(int), average="micro", zero_division=0
    )
    *_, r2gen, _ = precision_recall_fscore_support(
        (reference == POSITIVE).astype(int),
        (predicted == POSITIVE).astype(int),
        average="macro",
        zero_division=0,
    )
    supported = support > 0

    def macro(values: NDArray[np.float64]) -> float:
        return float(values[supported].mean()) if supported.any() else math.nan

    # without a positive reference no system can be right, and 0 would say that this one is wrong
    exists = 1.0 if supported.any() else math.nan
    return ClinicalScores(
        macro_f1=macro(f1),
        macro_precision=macro(precision),
        macro_recall=macro(recall),
        micro_f1=float(micro_f1) * exists,
        r2gen_macro_f1=float(r2gen) if (reference == POSITIVE).any() else math.nan,
        per_label={
            name: LabelScore(
                precision=float(precision[column]),
                recall=float(recall[column]),
                f1=float(f1[column]),
                support=int(support[column]),
                predicted=int(call[:, column].sum()),
            )
            for column, name in enumerate(LABELS)
        },
        macro_labels=tuple(
            name for name, has in zip(LABELS, supported.tolist(), strict=True) if has
        ),
        studies=len(reference),
        convention=_convention(uncertain),
    )


def positive_cells(
    predicted: LabelMatrix, reference: LabelMatrix, uncertain: UncertainPolicy
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which cells are positive in the prediction and in the reference, under a policy."""
    truth, call = _positive(reference, uncertain), _positive(predicted, uncertain)
    if uncertain is UncertainPolicy.IGNORE:
        # A true negative enters none of the scores, so this takes the cell out of its label.
        left_out = reference == UNCERTAIN
        truth, call = truth & ~left_out, call & ~left_out
    return call, truth


def _positive(values: LabelMatrix, uncertain: UncertainPolicy) -> NDArray[np.bool_]:
    positive = [POSITIVE] if uncertain is UncertainPolicy.NEGATIVE else [POSITIVE, UNCERTAIN]
    return np.isin(values, positive)


def _convention(uncertain: UncertainPolicy) -> dict[str, str]:
    return {
        "blank": "counts as negative",
        "uncertain": _UNCERTAIN_IN_WORDS[uncertain],
        "macro": "mean of the per-label figures over the labels with support in the references",
        "micro": "all cells of all 14 labels taken together",
        "r2gen_macro_f1": (
            "blank and uncertain count as negative; mean of the F1 of all 14 labels; "
            "a label without support counts as 0"
        ),
    }
