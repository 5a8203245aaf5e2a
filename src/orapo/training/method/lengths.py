"""How long a report is, in tokens: what L_GRPO is divided by."""

from __future__ import annotations

from statistics import fmean
from typing import Any, Final

from datasets import Dataset

from orapo.training.method.answers import ChosenAnswers

MOST_REPORTS: Final = 2000
"""Of more, so many are counted, spread evenly over the data set: their mean is exact to one per cent."""


def mean_report_length(dataset: Any, answers: ChosenAnswers, column: str) -> float | None:
    """Return the mean length of a data set's reports, their end tokens counted.

    Args:
        dataset: Of the training. Its films are not read.
        answers: Turns reports into tokens.
        column: Of the reports.

    Returns:
        Tokens; None where the data set has no such column, or does not say which it has.
    """
    if not isinstance(dataset, Dataset) or column not in dataset.column_names or not len(dataset):
        return None
    plain = dataset.with_format(None).select_columns(["prompt", column])
    step = max(1, -(-len(plain) // MOST_REPORTS))
    rows = plain.select(range(0, len(plain), step))
    return fmean(len(ids) for ids in answers.tokens(list(rows["prompt"]), list(rows[column])))
