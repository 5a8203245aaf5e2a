"""The rows of a result table: their order, their titles, and which of them are trivial.

A result (``metrics.json``) is a dict in which every value that holds ``macro_f1`` is one row; the
other keys are settings. Everything that prints a table goes through this module, so that the
trivial baselines stand in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

TRIVIAL_TITLES: Final[dict[str, str]] = {
    "all_positive": "All positive",
    "all_negative": "All negative (No Finding)",
    "most_frequent": "Most frequent report",
    "prevalence_random": "Random at prevalence",
    "nearest_image": "Nearest training film",
}

_MODEL_TITLES: Final[dict[str, str]] = {
    "base": "Base model",
    "grpo_facts": "GRPO + FactS",
    "sft": "SFT",
    "orapo": "OraPO",
    "orapo_both": "OraPO with likelihood",
    "model": "Model",
}


def row_title(name: str) -> str:
    """Return the title of a row for people; an unknown name is its own title."""
    return TRIVIAL_TITLES.get(name) or _MODEL_TITLES.get(name) or name.replace("_", " ")


def result_rows(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the rows of a result: models first in the result's order, then the trivial baselines."""
    rows = {
        name: row for name, row in metrics.items() if isinstance(row, Mapping) and "macro_f1" in row
    }
    models = {name: row for name, row in rows.items() if name not in TRIVIAL_TITLES}
    known = {name: models[name] for name in _MODEL_TITLES if name in models}
    trivial = {name: rows[name] for name in TRIVIAL_TITLES if name in rows}
    return {**known, **models, **trivial}


def best_trivial(metrics: Mapping[str, Any]) -> str | None:
    """Return the name of the trivial baseline with the highest macro-F1, None if there is no such row.

    A model is worth what it adds to this row, not to zero.
    """
    rows = {name: row for name, row in result_rows(metrics).items() if name in TRIVIAL_TITLES}
    known = {name: row["macro_f1"] for name, row in rows.items() if row["macro_f1"] is not None}
    return max(known, key=known.__getitem__, default=None)
