"""`orapo label`: CheXpert labels of a table of reports."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from orapo.data.tables import id_cell, read_rows, table_format, text_cell, write_rows
from orapo.errors import OrapoError
from orapo.labels import LABELS, format_label

REDRAWN_EVERY = 200


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("label")(label)


def label(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="Table of reports (CSV, JSONL, Parquet).")
    ],
    out: Annotated[Path, typer.Option(help="Where to write the id and the 14 labels.")],
    text_column: Annotated[str, typer.Option(help="Column with the report.")] = "report",
    id_column: Annotated[str, typer.Option(help="Column with the study's id.")] = "study_id",
    lexicon: Annotated[
        Path | None, typer.Option(help="TOML file with findings and phrases of your own.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Summary as JSON on stdout.")] = False,
) -> None:
    """Label reports: 1.0 present, 0.0 denied, -1.0 uncertain, blank not mentioned."""
    from orapo.facts import RulesEngine

    if out.resolve() == source.resolve():
        raise OrapoError(f"{out}: is the input too; give another file to --out")
    if id_column in LABELS:
        raise OrapoError(f"--id-column {id_column}: is the name of a label")
    as_text = table_format(out) == ".csv"
    engine = RulesEngine(lexicon)
    counts: dict[str, Counter[str]] = {name: Counter() for name in LABELS}
    reports = unreadable = 0
    with (
        _progress() as progress,
        write_rows(out, [id_column, *LABELS], dict.fromkeys(LABELS, float)) as write,
    ):
        task = progress.add_task("Labelling", total=None)
        for row in read_rows(source, [id_column, text_column]):
            study_id = id_cell(source, row, id_column)
            read = engine.read(text_cell(source, row, text_column))
            reports += 1
            unreadable += not read.facts
            values: dict[str, Any] = {id_column: study_id}
            for name, value in read.labels.items():
                cell = format_label(value)
                counts[name][cell] += 1
                values[name] = cell if as_text else (float(value) if value is not None else None)
            write(values)
            if reports % REDRAWN_EVERY == 0:
                progress.update(task, completed=reports)
    if as_json:
        summary = {
            "reports": reports,
            "without_facts": unreadable,
            "labels": {
                name: {
                    "positive": count["1.0"],
                    "negative": count["0.0"],
                    "uncertain": count["-1.0"],
                    "blank": count[""],
                }
                for name, count in counts.items()
            },
            "out": str(out),
        }
        typer.echo(json.dumps(summary, indent=2))
        return
    console = Console()
    console.print(_table(counts, reports))
    if unreadable:
        console.print(f"No fact could be read from {unreadable} reports; they are blank.")
    console.print(f"Written: {out}", markup=False, highlight=False, soft_wrap=True)


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}: {task.completed} reports"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _table(counts: dict[str, Counter[str]], reports: int) -> Table:
    table = Table(title=f"{reports} reports")
    table.add_column("", min_width=26)
    for heading in ("Positive", "Negative", "Uncertain", "Blank"):
        table.add_column(heading, justify="right")
    for name, count in counts.items():
        table.add_row(name, *(str(count[cell]) for cell in ("1.0", "0.0", "-1.0", "")))
    return table
