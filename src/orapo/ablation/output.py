"""An ablation as files: JSON, CSV, Markdown, plots and a page; one set of tables for all of them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import jinja2

from orapo.ablation.methods import METHODS
from orapo.ablation.results import around_step, label_curves, mean_curve
from orapo.ablation.run import Ablation, as_json
from orapo.data.tables.writing import write_rows
from orapo.evaluation.plots.curves import data_efficiency, label_f1_curves, zero_reward_curve
from orapo.evaluation.rows import row_title
from orapo.writing import json_text, write_text

_MOST_LINES: Final = 7
EARLY_STEP: Final = 50
"""Where the paper reads the share of all-zero groups."""


@dataclass(frozen=True)
class TableRow:
    """One row; trivial ones look at no film, or learn nothing."""

    cells: tuple[str, ...]
    trivial: bool = False


@dataclass(frozen=True)
class ResultTable:
    """A table for people."""

    title: str
    heading: tuple[str, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = field(default=())


def title_of(method: str) -> str:
    """Return what tables and plots call a method."""
    return METHODS[method].title if method in METHODS else row_title(method)


def tables(found: Ablation) -> list[ResultTable]:
    """Return the tables of an ablation."""
    made = [_main_table(found), _difference_table(found)]
    made.append(_difficulty_table(found))
    made.append(_label_table(found))
    if any(len(rows) > 1 for rows in found.curve.values()):
        made.append(_curve_table(found))
    return [table for table in made if table.rows]


def _main_table(found: Ablation) -> ResultTable:
    second = any("second_labeler_macro_f1" in row for row in found.rows.values())
    heading = (
        *("method", "seeds", "studies", "macro-F1", "95 % interval", "P", "R", "micro-F1"),
        *("R2Gen macro-F1", f"all-zero groups, step {EARLY_STEP}", "rollouts", "minutes"),
        *(("macro-F1, other labeler",) if second else ()),
    )
    rows = []
    for name, row in found.rows.items():
        low, high = row["macro_f1_interval"]
        zeros = around_step(found.runs[name], "oracle/all_zero_groups", EARLY_STEP)
        cells = [
            *(title_of(name), str(len(row["seeds"])), str(row["studies"] or "-")),
            *(_with_spread(row, "macro_f1"), f"{low:.3f} to {high:.3f}"),
            *(_with_spread(row, "macro_precision"), _with_spread(row, "macro_recall")),
            *(f"{row['micro_f1']:.3f}", f"{row['r2gen_macro_f1']:.3f}"),
            "-" if zeros is None else f"{zeros:.2f}",
            f"{row['rollouts']:,}" if row["rollouts"] else "-",
            f"{row['seconds'] / 60:.1f}" if row["seconds"] else "-",
        ]
        if second:
            cells.append(_figure(row.get("second_labeler_macro_f1")))
        rows.append(TableRow(tuple(cells)))
    for name, row in found.trivial.items():
        figures = (f"{row[key]:.3f}" for key in ("macro_precision", "macro_recall", "micro_f1"))
        cells = [title_of(name), "-", "-", f"{row['macro_f1']:.3f}", "-", *figures]
        cells += [f"{row['r2gen_macro_f1']:.3f}", *("-",) * (4 if second else 3)]
        rows.append(TableRow(tuple(cells), trivial=True))
    settings = found.settings
    return ResultTable(
        "Methods",
        heading,
        tuple(rows),
        (
            f"{settings['test_studies']} studies of split {settings['split']}; uncertain counts as "
            f"{settings['uncertain']}; macro over the labels with support. After ±: standard "
            f"deviation over seeds. Interval: bootstrap over seeds and patients, "
            f"{settings['resamples']} resamples. Equal for all: {settings['budget']}.",
        ),
    )


def _difference_table(found: Ablation) -> ResultTable:
    rows = []
    for name, row in found.rows.items():
        for baseline, one in row.get("against", {}).items():
            low, high = one["difference_interval"]
            ratio = "-" if one["ratio"] is None else f"{one['ratio']:.2f}"
            ends = " to ".join(f"{end:.2f}" for end in one["ratio_interval"] or ()) or "-"
            rows.append(
                TableRow(
                    (
                        *(title_of(name), title_of(baseline), str(one["seeds"])),
                        *(f"{one['difference']:+.3f}", f"{low:+.3f} to {high:+.3f}"),
                        *(ratio, ends),
                        *(f"{one['p']:.4f}", f"{one['p_holm']:.4f}"),
                    )
                )
            )
    return ResultTable(
        "Differences of macro-F1",
        ("method", "against", "seeds", "difference", "95 %", "ratio", "95 %", "p", "p (Holm)"),
        tuple(rows),
        ("Paired by seed and by study; p two-sided, by the bootstrap; Holm within each baseline.",),
    )


def _difficulty_table(found: Ablation) -> ResultTable:
    kinds = [kind for kind, count in found.settings["groups"].items() if count]
    heading = ("method", *(f"{kind} ({found.settings['groups'][kind]})" for kind in kinds))
    rows = tuple(
        TableRow((title_of(name), *(_figure(row["by_difficulty"].get(kind)) for kind in kinds)))
        for name, row in found.rows.items()
    )
    rare = ", ".join(found.settings["rare_labels"]) or "none"
    return ResultTable(
        "By difficulty of the study",
        heading,
        rows,
        (f"Mean F1 of a study. Rare labels (in fewer than 5 % of the training studies): {rare}.",),
    )


def _label_table(found: Ablation) -> ResultTable:
    labels = [
        label
        for label in next(iter(found.rows.values()))["per_label"]
        if any(row["per_label"][label]["support"] for row in found.rows.values())
    ]
    heading = ("label", "positive", *(title_of(name) for name in found.rows))
    rows = []
    for label in labels:
        scores = [row["per_label"][label] for row in found.rows.values()]
        cells = (label, f"{scores[0]['support']:.0f}", *(f"{one['f1']:.2f}" for one in scores))
        rows.append(TableRow(cells))
    return ResultTable("F1 of each label", heading, tuple(rows), ("Means over the seeds.",))


def _curve_table(found: Ablation) -> ResultTable:
    counts = sorted({count for rows in found.curve.values() for count in rows})
    rows = tuple(
        TableRow(
            (
                title_of(name),
                *(
                    _with_spread(by_count[count], "macro_f1") if count in by_count else "-"
                    for count in counts
                ),
            )
        )
        for name, by_count in found.curve.items()
    )
    return ResultTable(
        "Macro-F1 by number of training studies", ("method", *map(str, counts)), rows
    )


def _with_spread(row: Mapping[str, Any], name: str) -> str:
    spread = row.get(f"{name}_spread")
    return f"{row[name]:.3f}" + ("" if spread is None else f" ± {spread:.3f}")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def write_ablation(out: Path, found: Ablation) -> list[Path]:
    """Write everything.

    Args:
        out: The folder.
        found: What to write.

    Returns:
        The files.
    """
    made = tables(found)
    _write(out / "ablation.json", json_text(as_json(found), indent=1) + "\n")
    _write_csv(out / "ablation.csv", found)
    _write(out / "ablation.md", "\n\n".join(_markdown(table) for table in made) + "\n")
    plots = _write_plots(out, found)
    _write(out / "report.html", _page(found, made, plots))
    names = ("ablation.json", "ablation.csv", "ablation.md", "report.html")
    return [*(out / name for name in names), *plots.values()]


def _write_csv(path: Path, found: Ablation) -> None:
    figures = ("macro_f1", "macro_precision", "macro_recall", "micro_f1", "r2gen_macro_f1")
    columns = ["method", "seeds", *figures, "macro_f1_spread", "macro_f1_low", "macro_f1_high"]
    columns += ["studies", "rollouts", "seconds"]
    for baseline in ("grpo_facts", "orapo"):
        columns += [f"{key}_{baseline}" for key in ("difference", "low", "high", "ratio", "p_holm")]
    with write_rows(path, columns) as write:
        for name, row in found.rows.items():
            cells: dict[str, Any] = {key: row[key] for key in figures}
            cells |= {"method": name, "seeds": len(row["seeds"])}
            cells |= {key: row[key] for key in ("studies", "rollouts", "seconds")}
            cells["macro_f1_spread"] = row["macro_f1_spread"]
            cells["macro_f1_low"], cells["macro_f1_high"] = row["macro_f1_interval"]
            for baseline, one in row.get("against", {}).items():
                cells |= {
                    f"{key}_{baseline}": one[key] for key in ("difference", "ratio", "p_holm")
                }
                cells[f"low_{baseline}"], cells[f"high_{baseline}"] = one["difference_interval"]
            write(cells)
        for name, row in found.trivial.items():
            write({"method": name, **{key: row[key] for key in figures}})


def _markdown(table: ResultTable) -> str:
    lines = [f"## {table.title}", "", *table.notes, ""]
    lines.append("| " + " | ".join(table.heading) + " |")
    lines.append("|" + "---|" * len(table.heading))
    lines += ["| " + " | ".join(row.cells) + " |" for row in table.rows]
    return "\n".join(lines)


def _write_plots(out: Path, found: Ablation) -> dict[str, Path]:
    """Write the two panels of the paper's Figure 2 and the curve of data efficiency."""
    plots = {}
    # In the order of the table the paper's come first; more lines than that nobody tells apart.
    shown = dict(list(found.runs.items())[:_MOST_LINES])
    titles = {name: title_of(name) for name in shown}
    zeros = {
        name: curve
        for name, runs in shown.items()
        if (curve := mean_curve(runs, "oracle/all_zero_groups"))
    }
    if zeros:
        path = plots["Groups without any reward, by step"] = out / "all_zero_groups.png"
        zero_reward_curve(zeros, path, "All-zero groups", titles)
    support = next(iter(found.rows.values()))["per_label"]
    drawn = [label for label, one in support.items() if one["support"]]
    rare = [label for label in found.settings["rare_labels"] if label in drawn]
    curves = {
        name: label_curves(runs, rare or drawn)
        for name, runs in shown.items()
        if any(run.probes for run in runs)
    }
    if curves:
        path = plots["F1 of rare labels, by step" if rare else "F1 of labels, by step"] = (
            out / "rare_labels.png"
        )
        label_f1_curves(curves, path, rare, titles)
    if any(len(rows) > 1 for rows in found.curve.values()):
        path = plots["Macro-F1 by number of training studies"] = out / "data_efficiency.png"
        data_efficiency(
            {
                name: [
                    (count, row["macro_f1"], *row["macro_f1_interval"])
                    for count, row in rows.items()
                ]
                for name, rows in found.curve.items()
            },
            path,
            {name: title_of(name) for name in found.curve},
        )
    return plots


def _page(found: Ablation, made: Sequence[ResultTable], plots: Mapping[str, Path]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("orapo.ablation"), autoescape=True, trim_blocks=True
    )
    style = (
        files("orapo.evaluation.pages").joinpath("templates/report.css").read_text(encoding="utf-8")
    )
    settings = found.settings
    notes = [
        "FactS is reward and yardstick at once unless another labeler reads the reports "
        "(--labeler); every table has the trivial baselines."
    ]
    notes += [
        f"{title_of(name)}: left out, it needs {needed}."
        for name, needed in settings["missing"].items()
    ]
    notes += [f"{name}: failed; see failures.json." for name in settings["failures"]]
    return environment.get_template("ablation.html.j2").render(
        title="Ablation: one recipe, many methods",
        style=style,
        notes=notes,
        tables=made,
        plots=[
            {
                "title": title,
                "data": "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode(),
            }
            for title, path in plots.items()
        ],
        command=settings["command"],
    )


def _write(path: Path, text: str) -> None:
    write_text(path, text)
