"""A draft as a file of any format that reports are exported in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from typing import Any, Final

from orapo.data.tables.writing import no_formula
from orapo.export.draft import Draft, as_json, as_text
from orapo.export.formats import Format
from orapo.labels import LABELS, format_label
from orapo.writing import json_text

CSV_COLUMNS: Final = ("study_id", "report", *LABELS, "model", "revision", "notice")

Lost = Callable[[int, str], None]
"""Told how many characters of the report a format can't hold, and what became of them."""


def csv_row(draft: Draft) -> dict[str, Any]:
    """Return a draft's row of the table of reports: report, 14 labels, model, notice.

    A person opens it: what a spreadsheet would take for a formula has an apostrophe before it.
    """
    labels = {name: format_label(draft.labels.get(name)) for name in LABELS}
    origin = {"model": draft.model_name, "revision": draft.revision, "notice": draft.notice}
    texts = {"study_id": draft.study_id, "report": draft.text, **origin}
    return {**{name: no_formula(text) for name, text in texts.items()}, **labels}


def file_content(
    draft: Draft, kind: Format, *, when: datetime, with_patient: bool, lost: Lost
) -> bytes:
    """Return the file of one draft.

    Args:
        draft: The report.
        kind: Any format but csv, which is a table of many (`csv_row`).
        when: The time that the file says it was made.
        with_patient: Whether the patient is copied from the films' headers.
        lost: Told of characters that the format can't hold, if there are any.

    Raises:
        OrapoError: A film that it refers to can't be read.
        MissingExtraError: The format's library is not installed.
    """
    if kind is Format.TEXT:
        return as_text(draft).encode("utf-8", "surrogatepass")
    if kind is Format.JSON:
        return as_json(draft).encode("utf-8", "surrogatepass")
    if kind is Format.DICOM_SR:
        from orapo.export.dicom_sr import sr_text, structured_report

        document = structured_report(draft, when=when, with_patient=with_patient)
        if characters := sr_text(draft.text)[1]:
            lost(characters, "can't stand in DICOM; replaced by U+FFFD or dropped")
        stream = BytesIO()
        document.save_as(stream, enforce_file_format=True)
        return stream.getvalue()
    if kind is Format.FHIR:
        from orapo.export.fhir import fhir_bundle, fhir_string

        bundle = fhir_bundle(draft, when=when, with_patient=with_patient)
        if characters := fhir_string(draft.text)[1]:
            lost(characters, "can't stand in `conclusion`; the attachment has all")
        return (json_text(bundle, ensure_ascii=False, indent=2) + "\n").encode()
    raise ValueError(f"{kind} is no format of single files")
