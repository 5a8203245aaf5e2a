"""``per_study.csv``: what each study adds to the figures, one row per study."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from orapo.data.tables.writing import no_formula, write_rows
from orapo.evaluation.metrics import Evaluation
from orapo.evaluation.pages.verdicts import label_outcome
from orapo.labels import LABELS, format_label

ERRORS: Final = ("found", "missed_labels", "false_alarms", "contradicted_labels")
"""Columns with the names of labels, separated by semicolons."""


def write_per_study(
    path: Path, evaluation: Evaluation, missing: Collection[str], *, texts: bool = False
) -> None:
    """Write the table.

    Each figure of `orapo.evaluation.report_figures` is a column, empty where it does not apply; a
    figure that is added there stands here too.

    Args:
        path: The CSV file.
        evaluation: Both sides.
        missing: Studies that have no prediction.
        texts: Whether both reports are written.

    Raises:
        OrapoError: It can't be written.
    """
    figures = evaluation.figures
    columns = [
        *("study_id", "patient_id", "prediction", *figures, "uncertain", *ERRORS),
        *(f"reference {label}" for label in LABELS),
        *(f"generated {label}" for label in LABELS),
        *(("reference_report", "generated_report") if texts else ()),
    ]
    with write_rows(path, columns) as write:
        for index, (study, reference) in enumerate(evaluation.truth.items()):
            labels, report = evaluation.predicted[index], evaluation.reports[study]
            outcome = label_outcome(
                labels,
                reference.labels,
                denied=evaluation.read[index].denied,
                uncertain=evaluation.uncertain,
            )
            named = (outcome.found, outcome.missed, outcome.false_alarms, outcome.contradicted)
            row: dict[str, Any] = {
                "study_id": no_formula(study),
                "patient_id": no_formula(reference.patient_id),
                "prediction": "missing"
                if study in missing
                else "given"
                if report.strip()
                else "empty",
                **{name: _cell(values[index]) for name, values in figures.items()},
                "uncertain": evaluation.uncertain.value,
                **{name: "; ".join(each) for name, each in zip(ERRORS, named, strict=True)},
                **{
                    f"reference {name}": format_label(reference.labels.get(name)) for name in LABELS
                },
                **{f"generated {name}": format_label(labels.get(name)) for name in LABELS},
            }
            if texts:
                row |= {
                    "reference_report": no_formula(reference.report),
                    "generated_report": no_formula(report),
                }
            write(row)


def _cell(value: float) -> str:
    return "" if value != value else f"{value:.6g}"
