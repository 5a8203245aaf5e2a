"""What the trainer finds out as it is made: its columns, the reward that drives the oracle, the loss's length."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from statistics import fmean
from typing import Any, Final

from datasets import Dataset

from orapo.errors import OrapoError
from orapo.training.config import EXACT_LOSS_TYPES, OraPOConfig
from orapo.training.method.answers import ChosenAnswers
from orapo.training.method.experts import ExpertPairs

logger = logging.getLogger(__name__)

_MOST_REPORTS: Final = 2000
"""Of more, so many are turned into tokens; of reports spread evenly, their mean length is exact to about one per cent."""


def require_columns(dataset: Any, names: Sequence[str]) -> None:
    """Check that a data set has the columns of method ``orapo``, if it says which it has.

    Raises:
        OrapoError: A column is missing.
    """
    columns = getattr(dataset, "column_names", None)
    if columns is None:
        return
    missing = [name for name in names if name not in columns]
    if missing:
        raise OrapoError(
            f"train_dataset lacks the column(s) {', '.join(missing)}, which method orapo "
            f"needs; it has {', '.join(columns)}"
        )


def oracle_column(names: Sequence[str], wanted: str | None) -> int:
    """Return which reward's zeros drive the oracle: the one that is named, else FactS, else the first.

    Args:
        names: Of the reward functions.
        wanted: One of them; None: none is named.

    Raises:
        OrapoError: There is no such reward.
    """
    if wanted is None:
        return names.index("facts") if "facts" in names else 0
    if wanted not in names:
        raise OrapoError(
            f"oracle_reward {wanted!r} is none of the reward functions {', '.join(names)}"
        )
    return names.index(wanted)


def loss_length(args: OraPOConfig, dataset: Any, answers: ChosenAnswers) -> float:
    """Return the tokens that L_GRPO is divided by, and log them.

    Args:
        args: Of the training.
        dataset: Of the training.
        answers: Turns reports into tokens.
    """
    limit = float(args.max_completion_length)
    if args.loss_type not in EXACT_LOSS_TYPES:
        return limit  # not divided by it
    length, what = args.loss_length, "loss_length"
    if length is None:
        length = _mean_report_length(dataset, answers, args.report_column)
        what = "the mean length of the reports trained on"
    if length is None:
        length, what = limit, "max_completion_length, as there are no reports"
    logger.info("L_GRPO is divided by %.1f tokens: %s", length, what)
    return length


def _mean_report_length(dataset: Any, answers: ChosenAnswers, column: str) -> float | None:
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
    step = max(1, -(-len(plain) // _MOST_REPORTS))
    rows = plain.select(range(0, len(plain), step))
    return fmean(len(ids) for ids in answers.tokens(list(rows["prompt"]), list(rows[column])))


def check_pairs(experts: ExpertPairs, dataset: Any, answers: ChosenAnswers) -> None:
    """Check that the tokens of experts' pairs say what was judged; the reports are checked when first learned from.

    Args:
        experts: Their pairs.
        dataset: Of the training. Of one on disk no film is read.
        answers: Turns texts into tokens.

    Raises:
        OrapoError: They say something else.
    """
    if isinstance(dataset, Dataset):
        dataset = dataset.with_format(None).select_columns(["prompt"])
    answers.check(next(iter(dataset))["prompt"], experts.texts()[:_MOST_REPORTS])
