"""Figures of the graded score, a number a study: the score, and how many errors of each category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orapo.evaluation.inputs import Reference
from orapo.evaluation.report_figures import graded_name
from orapo.facts import label_report
from orapo.facts.graded import Category, GradedFactSReward

_ERRORS: Final = {graded_name(category): category for category in Category}
GRADED_FIGURES: Final = {
    "graded_score": "graded score (docs/graded.md), -1 to 1; an English report without any fact counts 0",
    **{name: f"errors per report: {category.value}" for name, category in _ERRORS.items()},
}


def graded_figures(
    reports: Sequence[str], references: Sequence[Reference]
) -> dict[str, NDArray[np.float64]]:
    """Return the figures of `GRADED_FIGURES`, (studies,) each.

    Args:
        reports: The generated reports.
        references: Those of the studies, in the same order.

    Returns:
        NaN where the reference has no text, or none that can be read, and where the report is not
        English: it was not read. An English report without any fact says nothing: its score is 0,
        and it misses every finding.
    """
    scores = GradedFactSReward(unreadable=0.0)
    texts = [one.report for one in references]
    ages = [one.age for one in references]
    asked = [one.indication for one in references]
    values = scores(reports, texts, ages, asked)
    explained = scores.explain(reports, texts, ages, asked, silence=True)
    result = {"graded_score": np.array([np.nan if v is None else v for v in values], dtype=float)}
    for name, category in _ERRORS.items():
        result[name] = np.array(
            [np.nan if one is None else one.counts()[category] for one in explained], dtype=float
        )
    english = [label_report(report).english for report in reports]
    return {name: np.where(english, values, np.nan) for name, values in result.items()}


def graded_scores(
    reports: Mapping[str, str], truth: Mapping[str, Reference]
) -> NDArray[np.float64]:
    """Return the graded score of each study alone, as `graded_figures` gives it."""
    return graded_figures(list(reports.values()), list(truth.values()))["graded_score"]
