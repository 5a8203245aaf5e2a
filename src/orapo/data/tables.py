"""Tables of the user, CSV, JSONL or Parquet: rows one at a time, every fault said with its line.

Rows are streamed, so a file may be larger than memory.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from orapo.errors import OrapoError
from orapo.labels import LabelSet, LabelValue, parse_label

SUFFIXES = (".csv", ".jsonl", ".parquet")


class Row(NamedTuple):
    """One record and where it stands."""

    line: int
    """Line of the file at which the record ends (CSV, JSONL), or row number from 1 (Parquet)."""
    values: dict[str, Any]


class RowWriter(Protocol):
    """Writes one record; keys beyond the columns given at opening are an error."""

    def __call__(self, values: Mapping[str, Any], /) -> None:
        """Write ``values``."""


def table_format(path: Path) -> str:
    """Return ``".csv"``, ``".jsonl"`` or ``".parquet"`` by the file's name.

    Raises:
        OrapoError: The name ends otherwise.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OrapoError(f"{path}: expected a file name ending in {', '.join(SUFFIXES)}")
    return suffix


def read_rows(
    path: Path, required: Sequence[str] = (), *, only: Sequence[str] | None = None
) -> Iterator[Row]:
    """Yield the records of a table.

    Args:
        path: A ``.csv`` (UTF-8, with or without byte order mark), ``.jsonl`` or ``.parquet`` file.
        required: Columns that must be there.
        only: Columns that are looked at; of a Parquet file the others are not even read.

    Yields:
        The records in the file's order. CSV values are text; JSONL and Parquet keep their types.

    Raises:
        OrapoError: The file is missing, empty, not UTF-8, ragged or broken, or lacks a column.
    """
    if not path.is_file():
        raise OrapoError(
            f"{path}: {'is a folder, not a table' if path.is_dir() else 'no such file'}"
        )
    reader = {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}[
        table_format(path)
    ]
    empty = True
    try:
        rows = (
            _read_parquet(path, required, only)
            if reader is _read_parquet
            else reader(path, required)
        )
        for row in rows:
            empty = False
            yield row
    except UnicodeDecodeError as error:
        raise OrapoError(
            f"{path}: not UTF-8 text (byte 0x{error.object[error.start]:02x}); "
            "save the file as UTF-8"
        ) from None
    if empty:
        raise OrapoError(f"{path}: the table has no rows")


def _require(path: Path, columns: Iterable[str], required: Sequence[str], where: str = "") -> None:
    have = list(columns)
    missing = [name for name in required if name not in have]
    if missing:
        separator = next((each for each in (";", "\t") if len(have) == 1 and each in have[0]), None)
        hint = f" (its columns seem to be separated by {separator!r}, not by commas)"
        raise OrapoError(
            f"{path}{where}: lacks the column(s) {', '.join(missing)}; it has {', '.join(have)}"
            + (hint if separator else "")
        )


def _read_csv(path: Path, required: Sequence[str]) -> Iterator[Row]:
    # The csv module refuses fields over 128 KiB; a report may be longer.
    csv.field_size_limit(1 << 30)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, None)
            if header is None:
                raise OrapoError(f"{path}: the file is empty")
            twice = sorted({name for name in header if header.count(name) > 1})
            if twice:
                raise OrapoError(f"{path}: column {', '.join(twice)} stands twice in the header")
            _require(path, header, required)
            for record in reader:
                if not record:  # a blank line
                    continue
                if len(record) != len(header):
                    raise OrapoError(
                        f"{path}, line {reader.line_num}: {len(record)} fields, "
                        f"expected {len(header)} as in the header"
                    )
                yield Row(reader.line_num, dict(zip(header, record, strict=True)))
        except csv.Error as error:
            raise OrapoError(f"{path}, line {reader.line_num}: broken CSV ({error})") from None


def _read_jsonl(path: Path, required: Sequence[str]) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                values = json.loads(text)
            except (json.JSONDecodeError, RecursionError) as error:
                why = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deep"
                raise OrapoError(f"{path}, line {line}: broken JSON ({why})") from None
            if not isinstance(values, dict):
                raise OrapoError(f"{path}, line {line}: expected a JSON object")
            _require(path, values, required, f", line {line}")
            yield Row(line, values)


def _read_parquet(
    path: Path, required: Sequence[str], only: Sequence[str] | None = None
) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # in pieces, however large a row group is
        with pq.ParquetFile(path, buffer_size=1 << 18, pre_buffer=False) as file:
            have = file.schema_arrow.names
            _require(path, have, required)
            columns = None if only is None else [name for name in have if name in only]
            number = 0
            for batch in file.iter_batches(batch_size=1024, columns=columns):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values)
    except pa.ArrowException as error:
        raise OrapoError(f"{path}: not a readable Parquet file ({error})") from None


def text_cell(path: Path, row: Row, column: str) -> str:
    """Return the text in ``column``; null is the empty text.

    Raises:
        OrapoError: The cell holds something other than text.
    """
    value = row.values.get(column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise OrapoError(
            f"{path}, line {row.line}: {column} must be text, not {type(value).__name__}"
        )
    return value


def id_cell(path: Path, row: Row, column: str) -> str:
    """Return the identifier in ``column`` as text; whole numbers are accepted.

    Raises:
        OrapoError: The cell is empty or is neither text nor a whole number.
    """
    value = row.values.get(column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise OrapoError(f"{path}, line {row.line}: {column} must be a text or a whole number")
    return value.strip()


def label_cells(path: Path, row: Row, label_set: LabelSet) -> dict[str, LabelValue]:
    """Return the labels that stand in a row: a column each, or one column ``labels`` with all.

    Returns:
        Every label of the set; empty if the table has none of these columns.

    Raises:
        OrapoError: Some of the columns are missing, or a cell is not 1, 0, -1 or blank.
    """
    nested = row.values.get("labels")
    cells = nested if isinstance(nested, dict) else row.values
    there = [name for name in label_set.labels if name in cells]
    if not there:
        return {}
    missing = [name for name in label_set.labels if name not in cells]
    if missing and cells is row.values:
        raise OrapoError(
            f"{path}, line {row.line}: has some of the {len(label_set.labels)} label columns but "
            f"lacks {', '.join(missing)}"
        )
    labels: dict[str, LabelValue] = label_set.blank()
    for name in there:
        try:
            labels[name] = parse_label(cells[name])
        except ValueError as error:
            raise OrapoError(f"{path}, line {row.line}, column {name}: {error}") from None
    return labels


def not_an_input(out: Path, *inputs: Path | None) -> None:
    """Refuse to write over what is read.

    Raises:
        OrapoError: ``out`` is one of the inputs.
    """
    if any(path is not None and path.resolve() == out.resolve() for path in inputs):
        raise OrapoError(f"{out}: is the input too; give another file to --out")


@contextmanager
def write_rows(
    path: Path, columns: Sequence[str], types: Mapping[str, type] | None = None
) -> Iterator[RowWriter]:
    """Open a table for writing, one record at a time.

    The table is written beside its place and moved there when the block ends without an error, so
    that an older file is never left half overwritten.

    Args:
        path: Where to; the suffix chooses the format.
        columns: The columns, in order. In JSONL and Parquet they keep their types.
        types: Type (``float``, ``int`` ...) of columns whose first rows may all be null, which
            Parquet needs to know; the others' types are those of the first 1,024 rows.

    Yields:
        A function that writes one record.

    Raises:
        OrapoError: The suffix is unknown or the file can't be written.
    """
    suffix = table_format(path)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OrapoError(f"{path}: can't be written ({error.strerror})") from None
    try:
        opened = {".csv": _write_csv, ".jsonl": _write_jsonl, ".parquet": _write_parquet}[suffix]
        with opened(part, columns, types or {}) as write:
            yield write
        part.replace(path)
    except OSError as error:
        raise OrapoError(f"{path}: can't be written ({error.strerror})") from None
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _write_csv(
    path: Path, columns: Sequence[str], types: Mapping[str, type]
) -> Iterator[RowWriter]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        yield writer.writerow


@contextmanager
def _write_jsonl(
    path: Path, columns: Sequence[str], types: Mapping[str, type]
) -> Iterator[RowWriter]:
    with path.open("w", encoding="utf-8") as file:

        def write(values: Mapping[str, Any]) -> None:
            record = {name: values.get(name) for name in columns}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")

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
