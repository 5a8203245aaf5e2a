"""The graded score in `orapo reward`: its column, and what ``--explain`` says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from orapo.data.tables.columns import Wanted
from orapo.data.tables.reading import id_cell, read_rows, report_columns

COLUMN = "graded"


class Beside(NamedTuple):
    """What the graded score needs of a study beside the predicted report."""

    report: str
    age: Any
    indication: str


class GradedCell(NamedTuple):
    """A study's graded score, and why; None where there is none."""

    score: float | None = None
    why: dict[str, Any] | None = None


NOT_GRADED = GradedCell()


def read_beside(path: Path, wanted: Wanted) -> dict[str, Beside]:
    """Return the reference texts of a table by study, with age and indication where it has them.

    Args:
        path: The table.
        wanted: Which columns hold what.
    """
    beside: dict[str, Beside] = {}
    columns = report_columns(path, wanted)
    if len(columns.names) == 1:
        return {}
    for row in read_rows(path, (columns.study_id,), only=(*columns.names, "age", "indication")):
        text = columns.report(path, row)
        if text.strip():
            age, indication = row.values.get("age"), row.values.get("indication")
            known = "" if indication is None else str(indication)
            beside[id_cell(path, row, columns.study_id)] = Beside(text, age, known)
    return beside


def grade(text: str, beside: Beside | None, explain: bool) -> GradedCell:
    """Score one report.

    Args:
        text: The predicted report.
        beside: The reference; None where the table has no text of it.
        explain: Whether to say why.
    """
    if beside is None:
        return NOT_GRADED
    from orapo.facts.graded import GradedFactSReward
    from orapo.facts.graded.explain import graded_as_json
    from orapo.facts.graded.reading import read_graded

    (score,) = GradedFactSReward().explain(
        [text], [beside.report], [beside.age], [beside.indication]
    )
    if score is None:
        return NOT_GRADED
    why = graded_as_json(score, *read_graded([text, beside.report])) if explain else None
    return GradedCell(score.score, why)
