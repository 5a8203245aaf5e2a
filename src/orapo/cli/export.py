"""`orapo export`: generated reports as text, JSON, CSV, DICOM SR or FHIR."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from orapo.data.table_writing import not_an_input
from orapo.errors import MissingExtraError, OrapoError

if TYPE_CHECKING:
    from orapo.export.draft import Draft


class Format(StrEnum):
    """What a report is exported as."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    DICOM_SR = "dicom-sr"
    FHIR = "fhir"


ENDINGS = {Format.TEXT: ".txt", Format.JSON: ".json", Format.DICOM_SR: ".dcm", Format.FHIR: ".json"}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    predictions: Annotated[
        Path, typer.Argument(help="What `orapo generate` wrote, or any study_id and report.")
    ],
    out: Annotated[Path, typer.Option(help="Folder, a file a study; for csv the table's name.")],
    kind: Annotated[
        Format, typer.Option("--format", help="csv: one table; others: a file a study.")
    ],
    with_patient: Annotated[
        bool,
        typer.Option(
            "--with-patient",
            help="Copy the patient from the films' DICOM headers (dicom-sr, fhir).",
        ),
    ] = False,
) -> None:
    """Export generated reports, each marked as an unverified draft.

    Studies that have an error in place of a report are left out and said. Exit code 1: some reports
    could not be exported, because a film that they refer to can't be read.
    """
    from orapo.export.draft import read_drafts

    if with_patient and kind not in (Format.DICOM_SR, Format.FHIR):
        raise OrapoError("--with-patient is for --format dicom-sr and fhir")
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
        written, failed = _write_files(drafts(), kind, out, with_patient, console)
    typer.echo(f"{written} reports: {out}")
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
    """Write a file a report; return how many were written, and how many could not be."""
    from orapo.export.draft import FileNames, put

    if out.exists() and not out.is_dir():
        raise OrapoError(f"{out}: expected a folder, this is a file")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OrapoError(f"{out}: can't be made the output folder ({error.strerror})") from None
    names, content = FileNames(), _content(kind, datetime.now(), with_patient, console)
    written = failed = 0
    for draft in drafts:
        name = names.of(draft.study_id)
        try:
            made = content(draft)
        except MissingExtraError:
            raise
        except OrapoError as error:
            console.print(f"orapo: {error}", markup=False, soft_wrap=True)
            failed += 1
            continue
        put(out / f"{name}{ENDINGS[kind]}", made)
        written += 1
    return written, failed


def _content(
    kind: Format, when: datetime, with_patient: bool, console: Console
) -> Callable[[Draft], bytes]:
    """Return what makes a file's content of a report."""
    from orapo.export.draft import as_json, as_text

    def said(draft: Draft, lost: int, what: str) -> None:
        if lost:
            console.print(
                f"orapo: study {draft.study_id}: {lost} characters of the report {what}",
                markup=False,
                soft_wrap=True,
            )

    def dicom(draft: Draft) -> bytes:
        from io import BytesIO

        from orapo.export.dicom_sr import sr_text, structured_report

        document = structured_report(draft, when=when, with_patient=with_patient)
        said(draft, sr_text(draft.text)[1], "can't stand in DICOM; replaced by U+FFFD or dropped")
        stream = BytesIO()
        document.save_as(stream, enforce_file_format=True)
        return stream.getvalue()

    def fhir(draft: Draft) -> bytes:
        from orapo.export.fhir import fhir_bundle, fhir_string

        bundle = fhir_bundle(draft, when=when, with_patient=with_patient)
        said(
            draft, fhir_string(draft.text)[1], "can't stand in `conclusion`; the attachment has all"
        )
        return (json.dumps(bundle, ensure_ascii=False, indent=2) + "\n").encode()

    return {
        Format.TEXT: lambda draft: as_text(draft).encode("utf-8", "surrogatepass"),
        Format.JSON: lambda draft: as_json(draft).encode("utf-8", "surrogatepass"),
        Format.DICOM_SR: dicom,
        Format.FHIR: fhir,
    }[kind]


def _write_csv(drafts: Iterator[Draft], out: Path) -> int:
    """Write the table of studies: report, 14 labels, model; the notice in each row."""
    from orapo.data.table_writing import write_rows
    from orapo.data.tables import table_format
    from orapo.export.draft import NOTICE
    from orapo.labels import LABELS, format_label

    if table_format(out) != ".csv":
        raise OrapoError(f"{out}: expected a file name ending in .csv")
    written = 0
    columns = ("study_id", "report", *LABELS, "model", "revision", "notice")
    with write_rows(out, columns) as write:
        for draft in drafts:
            labels = {name: format_label(draft.labels.get(name)) for name in LABELS}
            origin = {"model": draft.model_name, "revision": draft.revision, "notice": NOTICE}
            write({"study_id": draft.study_id, "report": draft.text, **labels, **origin})
            written += 1
    return written
