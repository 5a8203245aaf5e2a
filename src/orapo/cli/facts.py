"""`orapo facts`: what FactS reads from one report."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from orapo.cli import reading
from orapo.data.standard_streams import DASH, is_dash, read_text
from orapo.errors import OrapoError


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("facts")(facts)


def facts(
    text: Annotated[str | None, typer.Argument(help="The report; - reads standard input.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Read the report from this text file; - is standard input.")
    ] = None,
    lexicon: reading.Lexicon = None,
) -> None:
    """Print the sentences, facts and labels of a report as JSON."""
    from orapo.facts import RulesEngine
    from orapo.facts.fact import report_as_json

    if (text is None) == (file is None):
        raise OrapoError("give either the report's text or --file, one of the two")
    if text == "-":
        text, file = None, DASH
    if text is not None and os.path.isfile(text):  # unlike Path, for any text
        raise OrapoError(f"{text}: is a file; its text is read with --file {text}")
    report = text if text is not None else _read_text(file)
    typer.echo(json.dumps(report_as_json(RulesEngine(lexicon).read(report or "")), indent=2))


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
