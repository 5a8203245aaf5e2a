"""The evaluation as one HTML page: figures, plots and every study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orapo.evaluation.pages.shown_studies import ShownStudy, Step
from orapo.evaluation.pages.viewer import Viewer, write_viewer
from orapo.evaluation.plots.style import inline_svg
from orapo.evaluation.report_figures import UNITS, in_units
from orapo.evaluation.rows import TRIVIAL_TITLES, best_trivial, result_rows, row_title
from orapo.labels import DEFAULT_UNCERTAIN, LABELS, UncertainPolicy


def write_report(
    path: Path,
    metrics: Mapping[str, Any],
    plots: Mapping[str, Path],
    studies: Sequence[ShownStudy],
    notes: Sequence[str] = (),
    *,
    title: str = "Evaluation of chest X-ray reports",
    opening: str = "",
    shown: str = "",
    uncertain: UncertainPolicy = DEFAULT_UNCERTAIN,
    warnings: Sequence[str] = (),
    data: Path | None = None,
    step: Step = lambda what, done, total: None,
) -> int:
    """Write the evaluation as one HTML file that needs nothing beside it, but for many films.

    Args:
        path: The file to write; it is replaced only when the new page is whole.
        metrics: What ``metrics.json`` holds: one dict a row (``base``, ``orapo``, the trivial baselines
            ...) with at least ``macro_f1, macro_precision, macro_recall, micro_f1, per_label``
            and, for trained models, ``zero_reward_share`` ((step, share) pairs), ``rollouts`` and
            ``seconds``; ``macro_f1_interval`` (low, high) where it is known; ``detail`` as :func:`orapo.evaluation.detail.detailed` and the command
            make it; all other keys (``seed``, ``versions``, ``command`` ...) are settings.
            What is missing is left out of the page.
        plots: Title to SVG file.
        studies: All studies, with their reports; films of more than
            `orapo.evaluation.pages.page_films.INSIDE_BYTES` lie in a folder beside the page.
        notes: Sentences for the reader, e.g. which rows are absent and why.
        title: The page's heading.
        opening: The sentence below it: what was found.
        shown: Id of the study that is looked at first; empty: the one with the most errors.
        uncertain: What -1 counts as in the colouring.
        warnings: What nobody may overlook, above all else.
        data: Where all that the page shows is written as JSON.
        step: Told of each study and film.

    Returns:
        How many films can't be read.

    Raises:
        OrapoError: A plot can't be read or a file can't be written.
    """
    viewer = Viewer.of(path, studies, uncertain, step)
    rows = result_rows(metrics)
    best = best_trivial(metrics)
    context = {
        "title": title,
        "opening": opening,
        "rows": rows,
        "trivial": TRIVIAL_TITLES,
        "best_trivial": best,
        "row_title": row_title,
        "columns": _columns(rows),
        "final_share": {
            name: final_share(row.get("zero_reward_share")) for name, row in rows.items()
        },
        "labels": [
            name for name in LABELS if any(name in _per_label(row) for row in rows.values())
        ],
        "label_rows": [name for name in rows if name not in TRIVIAL_TITLES or name == best],
        "per_label": {name: _per_label(row) for name, row in rows.items()},
        "macro_labels": next(
            (row["macro_labels"] for row in rows.values() if "macro_labels" in row), []
        ),
        "convention": next(
            (row["convention"] for row in rows.values() if row.get("convention")), {}
        ),
        "count": next((row["studies"] for row in rows.values() if "studies" in row), None),
        "plots": [
            (name, inline_svg(file, f"plot{n}", f"Plot: {name}. Its figures are in the tables."))
            for n, (name, file) in enumerate(plots.items())
        ],
        "uncertain": uncertain,
        "notes": notes,
        "units": UNITS,
        "in_units": in_units,
        "warnings": warnings,
        "detail": metrics.get("detail"),
        "intervals": _intervals(rows, metrics.get("detail")),
        "given_labels": str(metrics.get("prediction_labels", "")).startswith("given"),
        "settings": _settings(metrics, {**rows, "detail": {}}),
    }
    figures = {
        "title": title,
        "opening": opening,
        "warnings": list(warnings),
        "notes": list(notes),
        "uncertain": uncertain.value,
        "films_unreadable": viewer.unreadable,
        "metrics": metrics,
    }
    write_viewer(path, "report.html.j2", viewer, context, shown=shown, data=data, figures=figures)
    return viewer.unreadable


def final_share(curve: object) -> float | None:
    """Return the mean of the last tenth of a zero-reward curve; None if there is none.

    Args:
        curve: (step, share) pairs, or a dict of step to share (steps may be text, as JSON has it).
    """
    if isinstance(curve, Mapping):
        curve = [(int(step), share) for step, share in curve.items()]
    if not isinstance(curve, Sequence) or isinstance(curve, str):
        return None
    shares = [float(share) for _, share in sorted(curve) if share is not None and share == share]
    if not shares:
        return None
    last = shares[-max(1, len(shares) // 10) :]
    return sum(last) / len(last)


def _columns(rows: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the headline's columns (key, heading) that at least one row has."""
    columns = [
        ("macro_f1", "Macro F1"),
        ("macro_precision", "Precision"),
        ("macro_recall", "Recall"),
        ("micro_f1", "Micro F1"),
        ("r2gen_macro_f1", "R2Gen F1"),
        ("zero_reward_share", "Zero reward at the end"),
        ("rollouts", "Rollouts"),
        ("seconds", "Seconds"),
    ]
    return [(key, text) for key, text in columns if any(key in row for row in rows.values())]


def _intervals(
    rows: Mapping[str, Mapping[str, Any]], detail: Mapping[str, Any] | None
) -> dict[str, Mapping[str, Any]]:
    """Return the headline's intervals of the rows that have them: row to figure to interval."""
    known: dict[str, Mapping[str, Any]] = {}
    for name, row in rows.items():
        if "macro_f1_interval" in row:
            low, high = row["macro_f1_interval"]
            known[name] = {"macro_f1": {"low": low, "high": high}}
    headline = (detail or {}).get("headline", {})
    if headline:
        known["model"] = headline["model"]
    if "best_trivial" in headline and detail:
        known[detail["lift"]["over"]] = headline["best_trivial"]
    return known


def _per_label(row: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    scores: Mapping[str, Mapping[str, Any]] = row.get("per_label") or {}
    return scores


def _settings(
    metrics: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, str]]:
    def text(value: object) -> str:
        if isinstance(value, Mapping):
            return ", ".join(f"{key} {item}" for key, item in value.items())
        if isinstance(value, Sequence) and not isinstance(value, str):
            return " ".join(map(str, value))
        return str(value)

    return [
        (key.replace("_", " "), text(value)) for key, value in metrics.items() if key not in rows
    ]
