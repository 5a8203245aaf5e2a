"""What ``orapo evaluate`` says on the screen: two tables, and notes that a reader needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table


def show_evaluation(metrics: Mapping[str, Any], notes: Sequence[str], out: Path) -> None:
    """Print the tables, the notes and where the files are."""
    console = Console()
    console.print(_table(metrics))
    console.print(_conventions(metrics["detail"]["conventions"]))
    console.print(_report_table(metrics["detail"]))
    for note in notes:
        console.print(note, style="dim", markup=False, highlight=False)
    console.print(
        f"Written: {out / 'report.html'}, report.json, metrics.json, tables, plots"
        + (", rexrank.json, rexrank.csv" if "rexrank" in metrics["detail"] else ""),
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def notes_on(metrics: Mapping[str, Any], shared: int) -> list[str]:
    """Say what a reader of the tables must know.

    Args:
        metrics: What ``metrics.json`` holds.
        shared: Studies that are both training and reference.
    """
    from orapo.evaluation.rows import TRIVIAL_TITLES

    notes = []
    absent = metrics.get("absent_rows", {})
    if absent:
        why: dict[str, list[str]] = {reason: [] for reason in absent.values()}
        for name, reason in absent.items():
            why[reason].append(TRIVIAL_TITLES[name])
        said = (f"{', '.join(titles)} ({reason})" for reason, titles in why.items())
        notes.append(f"Absent rows: {'; '.join(said)}.")
    if shared:
        notes.append(f"Warning: studies that are both training and reference: {shared}.")
    if not metrics["model"]["macro_labels"]:
        notes.append("Warning: no label is positive in the references: there is no F1.")
    if metrics["missing_predictions"]:
        notes.append(
            f"Studies without a prediction: {metrics['missing_predictions']}, "
            f"{metrics['missing_rule']}."
        )
    if metrics["predictions_without_reference"]:
        unknown = metrics["predictions_without_reference"]
        notes.append(f"Predictions without a reference, left out: {unknown}.")
    lift = metrics["detail"].get("lift")
    if lift and lift["low"] is not None:
        notes.append(
            f"Macro-F1 over the best trivial baseline ({TRIVIAL_TITLES[lift['over']]}): "
            f"{lift['value']:+.3f}, 95 % interval {lift['low']:+.3f} to {lift['high']:+.3f}."
        )
    if metrics["empty_predictions"]:
        notes.append(f"Generated reports that are empty: {metrics['empty_predictions']}.")
    if other := metrics.get("predictions_not_english"):
        total = metrics["studies"]
        notes.append(
            f"Generated reports that are not English, not read: {other} of {total}, {other / total:.0%}."
        )
    read = metrics["reference_labels"].get("facts", 0)
    if read:
        notes.append(f"References whose labels FactS read from their report: {read}.")
    if silent := metrics.get("references_without_labels"):
        notes.append(
            f"Of these, references that mention none of the labels: {silent}; all count as negative in F1, "
            "and there is no FactS."
        )
    for why, count in metrics.get("references_left_out", {}).items():
        notes.append(f"Studies left out, for their reference is {why}: {count}.")
    return notes


_POLICIES: Final = {
    "positive": ("macro_uncertain_positive", "micro_uncertain_positive"),
    "negative": ("macro_uncertain_negative", "micro_uncertain_negative"),
    "negative, R2Gen's": ("r2gen_macro", None),
}


def _conventions(conventions: Mapping[str, Any]) -> Table:
    """Show the model under both policies for uncertain, and under that of the papers' headline."""
    table = Table(
        title="The model, by what uncertain counts as",
        caption="R2Gen's: all 14 labels, one without support counts as 0; the papers' headline.",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("uncertain", min_width=17)
    for heading in ("Macro F1", "95 % interval", "Precision", "Recall", "Micro F1"):
        table.add_column(heading, justify="right")
    for policy, (macro, micro) in _POLICIES.items():
        scores = conventions[macro]
        f1 = scores["f1"]
        table.add_row(
            policy,
            number(f1["value"]),
            between(f1),
            number(scores["precision"]["value"]),
            number(scores["recall"]["value"]),
            number(conventions[micro]["f1"]["value"]) if micro else "",
        )
    return table


def number(value: float | None) -> str:
    """Return a figure with three places; a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"


def between(figure: Mapping[str, Any]) -> str:
    """Return a figure's interval; a dash where there is none."""
    if figure["low"] is None or figure["high"] is None:
        return "-"
    return f"{figure['low']:.3f} to {figure['high']:.3f}"


def _report_table(detail: Mapping[str, Any]) -> Table:
    from orapo.evaluation.report_figures import UNITS, in_units
    from orapo.evaluation.titles import figure_title

    table = Table(title="Of each report, with 95 % intervals", box=box.SIMPLE_HEAD)
    table.add_column("")
    table.add_column("mean", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("unit")
    for name, figure in detail["reports"].items():
        if figure["value"] is None:
            table.add_row(figure_title(name), "-", "", figure["reason"], style="dim")
            continue
        low, high = figure["low"], figure["high"]
        known = low is not None and high is not None
        table.add_row(
            figure_title(name),
            in_units(name, figure["value"]),
            f"{in_units(name, low)} to {in_units(name, high)}" if known else "-",
            UNITS.get(name, ""),
        )
    for name, share in detail["sameness"].items():
        shown = ("-", "one report") if share is None else (f"{100 * share:.1f} %", "% of reports")
        table.add_row(figure_title(name), shown[0], "", shown[1])
    language = detail.get("language", {})
    for prefix, part in (
        ("", language),
        ("R2Gen ", language.get("r2gen", {})),
        ("", detail.get("radeval", {})),
        ("ReXrank ", detail.get("rexrank", {})),
    ):
        for name, figure in part.get("figures", {}).items():
            if prefix == "ReXrank " and figure["value"] is None:
                continue  # which of its metrics want weights is one of the notes
            interval = "" if figure["low"] is None else between(figure)
            unit = figure.get("reason") or figure["unit"]
            table.add_row(prefix + figure_title(name), number(figure["value"]), interval, unit)
    return table


def _table(metrics: Mapping[str, Any]) -> Table:
    from orapo.evaluation.rows import TRIVIAL_TITLES, result_rows, row_title

    model = metrics["model"]
    table = Table(
        title=f"{model['studies']} studies, {len(model['macro_labels'])} labels with support",
        caption=f"Uncertain {model['convention']['uncertain']}; R2Gen F1: negative.",
        box=box.SIMPLE_HEAD,  # without rules between columns it fits 80 characters
    )
    table.add_column("", min_width=10)
    for heading in ("Macro F1", "Precision", "Recall", "Micro F1", "R2Gen F1"):
        table.add_column(heading, justify="right")
    figures = ("macro_f1", "macro_precision", "macro_recall", "micro_f1", "r2gen_macro_f1")
    rows = result_rows(metrics)
    for name, row in rows.items():
        trivial = name in TRIVIAL_TITLES
        table.add_row(
            row_title(name),
            *(number(row[figure]) for figure in figures),
            style="dim" if trivial else "bold",
        )
        if name == "model":
            table.add_section()
    return table
