"""`orapo export`: generated reports as text, JSON, CSV, DICOM SR or FHIR."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from orapo.cli.parts.alone import alone
from orapo.data.tables.standard_streams import from_input, is_dash, not_standard_output
from orapo.errors import MissingExtraError, OrapoError
from orapo.export.formats import ENDINGS, Format

if TYPE_CHECKING:
    from orapo.export.draft import Draft


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(alone(export, stdout=True))


def export(
    predictions: Annotated[
        Path,
        typer.Argument(help="What `orapo generate` wrote, or any study_id and report; - is stdin."),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder, one file per study; csv: the table's name, - is stdout.")
    ],
    kind: Annotated[
        Format, typer.Option("--format", help="csv: one table; others: one file per study.")
    ],
    with_patient: Annotated[
        bool,
        typer.Option(
            "--with-patient",
            help="Copy the patient from the films' DICOM headers (dicom-sr, fhir).",
        ),
    ] = False,
) -> None:
    """Export generated reports as unverified drafts.

    Studies with an error in place of a report are left out and listed. Exit code 1: some reports
    could not be exported, because a film that they refer to can't be read.
    """
    from orapo.data.tables.writing import not_an_input
    from orapo.export.draft import read_drafts

    if with_patient and kind not in (Format.DICOM_SR, Format.FHIR):
        raise OrapoError("--with-patient is for --format dicom-sr and fhir")
    predictions = from_input(predictions)
    console = Console(stderr=True)
    left_out: list[str] = []

    def drafts() -> Iterator[Draft]:
        for one in read_drafts(predictions):
            if isinstance(one, str):
                left_out.append(one)
            else:
                yield one

    if kind is Format.CSV:
        not_an_input(out, predictions)
        written, failed = _write_csv(drafts(), out), 0
    else:
        not_standard_output(out)
        written, failed = _write_files(drafts(), kind, out, with_patient, console)
    typer.echo(f"{written} reports: {out}", err=is_dash(out))
    if left_out:
        console.print(
            f"orapo: {len(left_out)} studies have an error and no report; left out", markup=False
        )
    if failed:
        console.print(f"orapo: {failed} reports could not be exported", markup=False)
        raise typer.Exit(1)


def _write_files(
    drafts: Iterator[Draft], kind: Format, out: Path, with_patient: bool, console: Console
) -> tuple[int, int]:
    """Write one file per report; return how many were written, and how many could not be."""
    from orapo.export.draft import FileNames, put

    if out.exists() and not out.is_dir():
        raise OrapoError(f"{out}: expected a folder, this is a file")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OrapoError(f"{out}: can't be made the output folder ({error.strerror})") from None
    names, when = FileNames(), datetime.now()
    written = failed = 0
    for draft in drafts:
        name = names.of(draft.study_id)
        try:
            made = _file(draft, kind, when, with_patient, console)
        except MissingExtraError:
            raise
        except OrapoError as error:
            console.print(f"orapo: {error}", markup=False, soft_wrap=True)
            failed += 1
            continue
        put(out / f"{name}{ENDINGS[kind]}", made)
        written += 1
    return written, failed


def _file(
    draft: Draft, kind: Format, when: datetime, with_patient: bool, console: Console
) -> bytes:
    """Return a draft's file; say what of the report it can't hold."""
    from orapo.export.files import file_content

    def lost(characters: int, what: str) -> None:
        console.print(
            f"orapo: study {draft.study_id}: {characters} characters of the report {what}",
            markup=False,
            soft_wrap=True,
        )

    return file_content(draft, kind, when=when, with_patient=with_patient, lost=lost)


def _write_csv(drafts: Iterator[Draft], out: Path) -> int:
    """Write the table of studies: report, 14 labels, model; the notice in each row."""
    from orapo.data.tables.reading import table_format
    from orapo.data.tables.writing import write_rows
    from orapo.export.files import CSV_COLUMNS, csv_row

    if table_format(out, written=True) != ".csv":
        raise OrapoError(f"{out}: expected a file name ending in .csv")
    written = 0
    with write_rows(out, CSV_COLUMNS) as write:
        for draft in drafts:
            write(csv_row(draft))
            written += 1
    return written
