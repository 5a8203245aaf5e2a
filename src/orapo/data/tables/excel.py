"""Excel sheets (.xlsx) as tables, by openpyxl: nothing in them is run, and a bomb is refused.

A formula is kept as the text that it is; openpyxl calculates nothing.
"""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from orapo.data.tables.records import OnFault, Row, Say, check_header
from orapo.errors import MissingExtraError, OrapoError

MOST_UNPACKED: Final = 1 << 29
"""Bytes that a workbook may unpack to: openpyxl holds all texts of a workbook in memory."""
_MOST_RATIO: Final = 200
"""Of a part that unpacks to more than `_HARMLESS`; repetitive sheets reach 50."""
_HARMLESS: Final = 1 << 24
_MOST_COLUMNS: Final = 2000
# What openpyxl raises on files that are none, or broken inside.
_BROKEN: Final = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, ParseError),
    *(KeyError, ValueError, TypeError, AttributeError, IndexError),
)


def read_excel(path: Path, required: Sequence[str], fault: OnFault, say: Say) -> Iterator[Row]:
    """Yield the rows of the first visible sheet; its first row that isn't empty is the header.

    Args:
        path: The workbook.
        required: Columns that must be there.
        fault: Told of rows that are passed over.
        say: Told which of several sheets is read, and of cells with formulas or Excel's errors.

    Yields:
        Texts, numbers, dates and truth values as the sheet has them, empty cells as None.

    Raises:
        OrapoError: The extra ``excel`` is missing; the file is no workbook, or one that would fill
            the memory; a column is lacking.
    """
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise MissingExtraError(f"{path}: reading Excel files", "excel") from None
    try:
        _check_size(path)
        book = load_workbook(path, read_only=True, keep_links=False)
    except _BROKEN as error:
        raise _unreadable(path, error) from None
    try:
        shown = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        if not shown:
            raise OrapoError(f"{path}: the workbook has no visible sheet")
        if len(shown) > 1:
            say(f"{path}: has {len(shown)} sheets; the first one, {shown[0].title!r}, is read")
        yield from _rows(path, shown[0], required, fault, say)
    finally:
        book.close()


def _check_size(path: Path) -> None:
    """Refuse a workbook that says that it unpacks to too much; the unpacking stops at what it says."""
    with zipfile.ZipFile(path) as packed:
        parts = packed.infolist()
    whole = sum(part.file_size for part in parts)
    bomb = any(
        part.file_size > _HARMLESS and part.file_size > _MOST_RATIO * max(1, part.compress_size)
        for part in parts
    )
    if bomb or whole > MOST_UNPACKED:
        size = f"{whole / (1 << 20):,.0f} MB"
        raise OrapoError(
            f"{path}: {path.stat().st_size:,} bytes that unpack to {size}, more than is read of an "
            "Excel file; save the sheet as CSV"
        )


def _rows(
    path: Path, sheet: Any, required: Sequence[str], fault: OnFault, say: Say
) -> Iterator[Row]:
    # a sheet may claim to have 17 billion cells
    sheet.reset_dimensions()
    header: list[str] | None = None
    number = 0
    odd: Counter[str] = Counter()
    rows = sheet.iter_rows()
    line = 0
    while True:
        try:
            cells = next(rows, None)
        except _BROKEN as error:
            raise _unreadable(path, error) from None
        if cells is None:
            break
        line += 1
        values = [_value(cell, odd) for cell in cells]
        while values and values[-1] in (None, ""):
            values.pop()
        if not values:
            continue
        if header is None:
            header = _header(path, line, values)
            check_header(path, header, required)
            odd.clear()
            continue
        number += 1
        if len(values) > len(header):
            fault(line, number, f"has {len(values)} cells, expected {len(header)} as in the header")
            continue
        values += [None] * (len(header) - len(values))
        yield Row(line, dict(zip(header, values, strict=True)), number)
    if header is None:
        raise OrapoError(f"{path}: the first sheet is empty")
    for what, count in odd.items():
        say(f"{path}: {count:,} cells hold {what}; they are read as the text that they are")


def _header(path: Path, line: int, values: Sequence[Any]) -> list[str]:
    if len(values) > _MOST_COLUMNS:
        raise OrapoError(f"{path}: {len(values):,} columns; expected {_MOST_COLUMNS:,} at most")
    for value in values:
        if not isinstance(value, str) and value is not None:
            raise OrapoError(
                f"{path}, line {line}: expected the names of the columns, not {type(value).__name__}"
            )
    return [(value or "").strip() for value in values]


def _value(cell: Any, odd: Counter[str]) -> Any:
    value = cell.value
    if value is None:
        return None
    if cell.data_type == "f":
        odd["a formula"] += 1
        return value if isinstance(value, str) else f"={getattr(value, 'text', '') or ''}"
    if cell.data_type == "e":
        odd["an error of Excel's"] += 1
        return str(value)
    return value


def _unreadable(path: Path, error: Exception) -> OrapoError:
    why = f"{type(error).__name__}: {error}" if isinstance(error, OSError) else type(error).__name__
    return OrapoError(
        f"{path}: not a readable Excel file ({why}); an .xls or one with a password has to be "
        "saved as .xlsx without"
    )
