"""`orapo facts`: what FactS reads from one report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orapo.cli.parts import reading
from orapo.data.tables.standard_streams import DASH, is_dash, read_text
from orapo.errors import OrapoError
from orapo.writing import json_text

if TYPE_CHECKING:
    from orapo.facts import ReportFacts

_STATES: Final = {"present": "bold red", "uncertain": "yellow", "absent": "green"}
_VALUES: Final[dict[int | None, str]] = {
    1: "positive",
    0: "negative",
    -1: "uncertain",
    None: "blank",
}
_COLOURS: Final[dict[int | None, str]] = {1: "bold red", 0: "green", -1: "yellow"}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("facts")(facts)


def facts(
    text: Annotated[str | None, typer.Argument(help="The report; - reads standard input.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Read the report from this text file; - is standard input.")
    ] = None,
    lexicon: reading.Lexicon = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON, as in a pipe; with sentences and spans.")
    ] = False,
) -> None:
    """Print the facts and labels of a report.

    For people on a terminal, as JSON in a pipe.
    """
    from orapo.facts import RulesEngine
    from orapo.facts.fact import report_as_json

    if (text is None) == (file is None):
        raise OrapoError("give either the report's text or --file, one of the two")
    if text == "-":
        text, file = None, DASH
    if text is not None and os.path.isfile(text):  # unlike Path, for any text
        raise OrapoError(f"{text}: is a file; its text is read with --file {text}")
    report = RulesEngine(lexicon).read((text if text is not None else _read_text(file)) or "")
    console = Console()
    if as_json or not console.is_terminal:
        typer.echo(json_text(report_as_json(report), indent=2))
    else:
        _show(report, console)


def _show(report: ReportFacts, console: Console) -> None:
    """Print a fact a row, and the labels that they entail."""
    if not report.english:
        console.print("This text is not English: it is not read.", style="yellow")
        return
    if not report.facts:
        console.print("No fact could be read from this text.", style="yellow")
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("fact", "state", "side", "size", "label"):
        table.add_column(heading)
    for fact in report.facts:
        state = fact.polarity.value
        labels = ", ".join(f"{name} {_VALUES[value]}" for name, value in fact.labels.items())
        table.add_row(
            Text(fact.finding),
            Text(state, style=_STATES.get(state, "")),
            Text(fact.laterality or ""),
            Text(fact.severity or ""),
            Text(labels or "-"),
        )
    console.print(table)
    said = Text("Labels: ")
    known = [(name, value) for name, value in report.labels.items() if value is not None]
    for number, (name, value) in enumerate(known):
        said.append(", " if number else "")
        said.append(f"{name} {_VALUES[value]}", style=_COLOURS[value])
    console.print(said if known else "No label is entailed.")


def _read_text(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        if is_dash(file):
            return read_text()
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise OrapoError(f"{file}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise OrapoError(f"{file}: not UTF-8 text; save the file as UTF-8") from None
