"""The forms that films are uploaded with, read by hand: a place is taken before anything is read."""

from __future__ import annotations

from typing import Any, Final

from fastapi import HTTPException, Request
from pydantic import ValidationError
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect

from orapo.data.study import schema_fault
from orapo.errors import OrapoError
from orapo.serve.limits import Limits
from orapo.serve.schemas import ReportSettings

FIELD_BYTES: Final = 80_000
"""Of a field that is no file: an earlier report of 20,000 characters in UTF-8."""
GONE: Final = 499
"""nginx' status for a client that hung up; nobody sees it but the counters."""


def described_form(model: Any, **bounds: dict[str, int]) -> dict[str, Any]:
    """Describe a form for OpenAPI, which can't see it where it is read.

    Args:
        model: Its fields.
        bounds: Field's name to what this server's limits add to its description.
    """
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions = schema.pop("$defs", {})
    for name, field in schema["properties"].items():
        reference = field.pop("$ref", "").rpartition("/")[2]
        if reference:
            field = {**definitions[reference], **field}
        schema["properties"][name] = field | bounds.get(name, {})
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }


async def read_form(request: Request, films: int) -> FormData:
    """Read a form with at most so many files; whoever gets it closes it.

    Raises:
        HTTPException: It is none, a broken one, too large, too slow, or its sender is gone.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise HTTPException(422, "expected a form (multipart/form-data)")
    try:
        return await request.form(max_files=films, max_fields=8, max_part_size=FIELD_BYTES)
    except ClientDisconnect:
        raise HTTPException(GONE, "the client hung up") from None
    except FormParserError:  # Starlette says some of these itself, and in its newer versions all
        raise HTTPException(400, "the form is broken") from None


def files_of(form: FormData, field: str, most: int, beside: str = "") -> list[tuple[str, Any]]:
    """Return name and content of the files of a field.

    Args:
        form: The form.
        field: Its name.
        most: How many there may be.
        beside: Another field that may hold files, which are not returned.

    Raises:
        OrapoError: There is none, there are too many, or files stand elsewhere.
    """
    files = [(name, value) for name, value in form.multi_items() if isinstance(value, UploadFile)]
    files = [(name, value) for name, value in files if name != beside]
    if any(name != field for name, _ in files):
        raise OrapoError(f"files are expected in the field {field!r}")
    if not files:
        raise OrapoError(f"there is no file in the field {field!r}")
    if len(files) > most:
        raise OrapoError(f"more than {most} files")
    return [(value.filename or "", value.file) for _, value in files]


def earlier_film_of(form: FormData, field: str) -> tuple[str, Any] | None:
    """Return name and content of the one file of a field; None if there is none.

    Raises:
        OrapoError: There are several.
    """
    if not form.getlist(field):
        return None
    if len(form.getlist(field)) > 1 or not isinstance(form[field], UploadFile):
        raise OrapoError(f"{field}: expected one file")
    value: Any = form[field]
    return value.filename or "", value.file


def no_fields(form: FormData) -> None:
    """Refuse a form with anything but files.

    Raises:
        OrapoError: There is a field that is none.
    """
    if any(isinstance(value, str) for _, value in form.multi_items()):
        raise OrapoError("nothing but files is expected")


def settings_of(form: FormData, limits: Limits) -> ReportSettings:
    """Return how the report is to be written.

    Raises:
        OrapoError: A field is unknown, or its value is none that may be asked for.
    """
    given = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    try:
        asked = ReportSettings.model_validate(given)
    except ValidationError as error:
        raise OrapoError(schema_fault(error)) from None
    if asked.samples > limits.samples:
        raise OrapoError(f"samples: at most {limits.samples}")
    return asked
