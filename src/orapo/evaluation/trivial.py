"""The trivial baselines: what "systems" score that never look at a film.

A report that claims every finding has recall 1 and an F1 not far below published figures, so every
table carries these rows beside the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orapo.errors import OrapoError
from orapo.evaluation.clinical import (
    ClinicalScores,
    LabelScore,
    clinical_scores,
    label_matrix,
    matrix_scores,
)
from orapo.labels import (
    DEFAULT_UNCERTAIN,
    LABELS,
    NO_FINDING,
    POSITIVE,
    UNCERTAIN,
    LabelValue,
    UncertainPolicy,
)

RANDOM_DRAWS: Final = 100


def all_positive() -> dict[str, LabelValue]:
    """Return every one of the 14 labels positive.

    No Finding is positive too, which no consistent report could say. That is on purpose: it is
    the strongest form of this row, with recall 1 for every label.
    """
    return dict.fromkeys(LABELS, 1)


def all_negative() -> dict[str, LabelValue]:
    """Return the labels of a report that always says "normal": No Finding 1, the rest 0."""
    return {name: int(name == NO_FINDING) for name in LABELS}


def most_frequent(training_reports: Sequence[str]) -> dict[str, LabelValue]:
    """Return the labels that FactS reads from the most frequent training report.

    Reports that differ in white space only are one; of equally frequent ones the first is taken.

    Raises:
        OrapoError: No training report has text.
    """
    from orapo.facts import label_report

    texts = Counter(" ".join(report.split()) for report in training_reports)
    del texts[""]
    if not texts:
        raise OrapoError("the training reports are empty: expected at least one with text")
    # most_common keeps the order of first sight among equals
    return label_report(texts.most_common(1)[0][0]).labels


def constant_row(name: str, training_reports: Sequence[str] | None) -> dict[str, LabelValue] | None:
    """Return the labels of a trivial baseline that says the same of every study; None if it does not."""
    if name == "all_positive":
        return all_positive()
    if name == "all_negative":
        return all_negative()
    if name == "most_frequent" and training_reports is not None:
        return most_frequent(training_reports)
    return None


def prevalence(
    training: Sequence[Mapping[str, LabelValue]], uncertain: UncertainPolicy
) -> NDArray[np.float64]:
    """Return the share of training studies in which each label is positive, shape (14,).

    Args:
        training: Label vectors of the training studies.
        uncertain: What -1 counts as; with ``IGNORE`` uncertain cells are left out of the share.

    Raises:
        OrapoError: There is no training study.
    """
    values = label_matrix(training, "training study")
    if not len(values):
        raise OrapoError("there is no training study to take the prevalence from")
    positive = (values == POSITIVE).sum(axis=0).astype(np.float64)
    doubtful = (values == UNCERTAIN).sum(axis=0)
    studies = np.full(len(LABELS), float(len(values)))
    if uncertain is UncertainPolicy.POSITIVE:
        positive += doubtful
    elif uncertain is UncertainPolicy.IGNORE:
        studies -= doubtful
    share: NDArray[np.float64] = np.divide(
        positive, studies, out=np.zeros_like(positive), where=studies > 0
    )
    return share


def trivial_scores(
    reference: Sequence[Mapping[str, LabelValue]],
    training: Sequence[Mapping[str, LabelValue]] | None = None,
    training_reports: Sequence[str] | None = None,
    seed: int = 0,
    uncertain: UncertainPolicy = DEFAULT_UNCERTAIN,
    nearest: Sequence[Mapping[str, LabelValue]] | None = None,
) -> dict[str, ClinicalScores]:
    """Score the trivial baselines on ``reference``.

    Args:
        reference: Label vectors of the references.
        training: Label vectors of the training studies; without them there is no
            ``prevalence_random``, whose scores are the mean over 100 draws in which each label is
            drawn independently at its training prevalence.
        training_reports: Their report texts; without them there is no ``most_frequent``.
        seed: Of the random draws.
        uncertain: What -1 counts as.
        nearest: For each reference the labels of the report of the nearest training film
            (`orapo.evaluation.figures.nearest`); without them there is no ``nearest_image``.

    Returns:
        The rows that could be computed, by name: ``all_positive``, ``all_negative``,
        ``most_frequent``, ``prevalence_random``, ``nearest_image``.
    """
    constant = {"all_positive": all_positive(), "all_negative": all_negative()}
    if training_reports is not None:
        constant["most_frequent"] = most_frequent(training_reports)
    scores = {
        name: clinical_scores([labels] * len(reference), reference, uncertain=uncertain)
        for name, labels in constant.items()
    }
    if training is not None:
        truth = label_matrix(reference, "reference")
        chance = prevalence(training, uncertain)
        generator = np.random.default_rng(seed)
        draws = [
            matrix_scores(
                (generator.random(truth.shape) < chance).astype(np.float64),
                truth,
                uncertain=uncertain,
            )
            for _ in range(RANDOM_DRAWS)
        ]
        scores["prevalence_random"] = _mean(draws)
    if nearest is not None:
        scores["nearest_image"] = clinical_scores(nearest, reference, uncertain=uncertain)
    return scores


def _mean(draws: Sequence[ClinicalScores]) -> ClinicalScores:
    """Average scores on the same references, figure by figure."""
    first = draws[0]

    def per_label(name: str) -> LabelScore:
        scores = [draw.per_label[name] for draw in draws]
        return LabelScore(
            precision=float(np.mean([score["precision"] for score in scores])),
            recall=float(np.mean([score["recall"] for score in scores])),
            f1=float(np.mean([score["f1"] for score in scores])),
            support=scores[0]["support"],
            predicted=float(np.mean([score["predicted"] for score in scores])),
        )

    return ClinicalScores(
        macro_f1=float(np.mean([draw.macro_f1 for draw in draws])),
        macro_precision=float(np.mean([draw.macro_precision for draw in draws])),
        macro_recall=float(np.mean([draw.macro_recall for draw in draws])),
        micro_f1=float(np.mean([draw.micro_f1 for draw in draws])),
        r2gen_macro_f1=float(np.mean([draw.r2gen_macro_f1 for draw in draws])),
        per_label={name: per_label(name) for name in LABELS},
        macro_labels=first.macro_labels,
        studies=first.studies,
        convention={**first.convention, "draws": f"mean over {len(draws)} random draws"},
    )
