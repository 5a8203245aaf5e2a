"""Tables that are written, CSV, TSV, JSONL or Parquet: an older one stays whole until the new one is."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Literal, Protocol

from orapo.data.tables.reading import table_format
from orapo.data.tables.standard_streams import is_dash
from orapo.errors import OrapoError
from orapo.writing import json_text, new_beside


class RowWriter(Protocol):
    """Writes one record; keys beyond the columns given at opening are an error."""

    def __call__(self, values: Mapping[str, Any], /) -> None:
        """Write ``values``."""


def not_an_input(out: Path, *inputs: Path | None) -> None:
    """Refuse to write over what is read.

    Raises:
        OrapoError: ``out`` is one of the inputs.
    """
    if is_dash(out):
        return
    if any(path is not None and path.resolve() == out.resolve() for path in inputs):
        raise OrapoError(f"{out}: is the input too; give another file to --out")


@contextmanager
def write_rows(
    path: Path,
    columns: Sequence[str],
    types: Mapping[str, type] | None = None,
    *,
    piped: Literal[".csv", ".jsonl"] = ".csv",
) -> Iterator[RowWriter]:
    """Open a table for writing, one record at a time.

    The table is written beside its place and moved there when the block ends without an error, so
    that an older file is never left half overwritten.

    Args:
        path: Where to; the suffix chooses the format. ``-`` is standard output.
        columns: The columns, in order. In JSONL and Parquet they keep their types.
        types: Type (``float``, ``int`` ...) of columns whose first rows may all be null, which
            Parquet needs to know; the others' types are those of the first 1,024 rows.
        piped: The format of standard output.

    Yields:
        A function that writes one record.

    Raises:
        OrapoError: The suffix is unknown or the file can't be written.
    """
    if is_dash(path):
        try:
            with (_csv_rows if piped == ".csv" else _jsonl_rows)(sys.stdout, columns) as write:
                yield write
            sys.stdout.flush()
        except OSError as error:
            raise OrapoError(f"-: can't be written ({error.strerror})") from None
        return
    suffix = table_format(path, written=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = new_beside(path)
    except OSError as error:
        raise OrapoError(f"{path}: can't be written ({error.strerror})") from None
    try:
        opened = {
            ".csv": _write_csv,
            ".tsv": _write_tsv,
            ".jsonl": _write_jsonl,
            ".parquet": _write_parquet,
        }[suffix]
        with opened(part, columns, types or {}) as write:
            yield write
        part.replace(path)
    except OSError as error:
        raise OrapoError(f"{path}: can't be written ({error.strerror})") from None
    finally:
        part.unlink(missing_ok=True)


class _UnixLines:
    """What the csv module writes to: a line ends with a line feed alone."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, line: str) -> int:
        """Write one record."""
        return self._file.write(line.removesuffix("\r\n") + "\n")


@contextmanager
def _csv_rows(file: IO[str], columns: Sequence[str], delimiter: str = ",") -> Iterator[RowWriter]:
    # Python 3.11 quotes a cell with a bare "\r" only where the end of a line holds one too.
    writer = csv.DictWriter(_UnixLines(file), columns, lineterminator="\r\n", delimiter=delimiter)
    writer.writeheader()
    yield writer.writerow


@contextmanager
def _write_csv(
    path: Path, columns: Sequence[str], types: Mapping[str, type]
) -> Iterator[RowWriter]:
    with path.open("w", encoding="utf-8", newline="") as file, _csv_rows(file, columns) as write:
        yield write


@contextmanager
def _write_tsv(
    path: Path, columns: Sequence[str], types: Mapping[str, type]
) -> Iterator[RowWriter]:
    with (
        path.open("w", encoding="utf-8", newline="") as file,
        _csv_rows(file, columns, "\t") as write,
    ):
        yield write


@contextmanager
def _jsonl_rows(file: IO[str], columns: Sequence[str]) -> Iterator[RowWriter]:
    def write(values: Mapping[str, Any]) -> None:
        record = {name: values.get(name) for name in columns}
        file.write(json_text(record, ensure_ascii=False) + "\n")

    yield write


@contextmanager
def _write_jsonl(
    path: Path, columns: Sequence[str], types: Mapping[str, type]
) -> Iterator[RowWriter]:
    with path.open("w", encoding="utf-8") as file, _jsonl_rows(file, columns) as write:
        yield write


@contextmanager
def _write_parquet(
    path: Path, columns: Sequence[str], types: Mapping[str, type]
) -> Iterator[RowWriter]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    batch: list[dict[str, Any]] = []
    writer: pq.ParquetWriter | None = None

    def schema() -> pa.Schema:
        kinds = {float: pa.float64(), int: pa.int64(), str: pa.string(), bool: pa.bool_()}
        seen = pa.Table.from_pylist(batch).schema
        return pa.schema(
            (name, kinds[types[name]] if name in types else seen.field(name).type)
            for name in columns
            if name in types or name in seen.names
        )

    def flush() -> None:
        nonlocal writer
        table = pa.Table.from_pylist(batch, schema=writer.schema if writer else schema())
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
        batch.clear()

    def write(values: Mapping[str, Any]) -> None:
        batch.append({name: values.get(name) for name in columns})
        if len(batch) == 1024:
            flush()

    try:
        yield write
        if batch or writer is None:
            flush()
    finally:
        if writer is not None:
            writer.close()


_FORMULA: Final = "=+@＝＋－＠\\-"
_BEGINS: Final = re.compile(rf"^(?=[{_FORMULA}\t\r\n])|(?<=[;\t\r\n])(?=[{_FORMULA}])")
"""Where a cell begins with what makes it a formula. Not at the text's beginning alone: where the decimal
mark is a comma, Excel takes a file's semicolons for what parts its cells, and knows no quotes then."""


def no_formula(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; reports do begin with "- ".

    A leading apostrophe, as OWASP advises against CSV injection. Numbers are no texts: a label's
    -1.0 stays as it is.
    """
    return _BEGINS.sub("'", text)


def for_a_spreadsheet(
    rows: Iterable[Mapping[str, Any]], wanted: bool, *columns: str
) -> Iterator[Mapping[str, Any]]:
    """Yield rows whose cells no spreadsheet takes for a formula.

    Args:
        rows: The rows.
        wanted: If not, they are yielded as they are.
        columns: Those that hold texts.
    """
    for row in rows:
        yield {**row, **_safe(row, columns)} if wanted else row


def _safe(row: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, Any]:
    return {name: no_formula(row[name]) for name in columns if isinstance(row.get(name), str)}
