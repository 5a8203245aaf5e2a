"""Tables of the user in any format: rows one at a time, every fault said with its line.

Rows are streamed, so a file may be larger than memory (a sheet of Excel may not).
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from orapo.data.tables.columns import ReportColumns, Wanted, find_columns, find_id
from orapo.data.tables.delimited import read_delimited
from orapo.data.tables.json_rows import read_json, read_json_lines
from orapo.data.tables.records import OnFault as OnFault
from orapo.data.tables.records import Row as Row
from orapo.data.tables.records import Say, check_header, identifier, is_what
from orapo.data.tables.records import lacking as lacking
from orapo.data.tables.standard_streams import is_dash
from orapo.data.tables.text_encoding import encoding_of, first_undecodable
from orapo.errors import OrapoError
from orapo.labels import LabelSet, LabelValue, parse_label

WRITTEN: Final = (".csv", ".tsv", ".jsonl", ".parquet")
"""Ends of names by which tables are written."""
SUFFIXES: Final = (*WRITTEN, ".json", ".xlsx")
"""Those by which tables are read."""
_ALIASES: Final = {".ndjson": ".jsonl", ".tab": ".tsv", ".pq": ".parquet"}
_HEADER_ROWS: Final = 50
"""Records of a JSON file by whose keys its columns are known; other formats have a header."""


def table_format(path: Path, *, written: bool = False) -> str:
    """Return one of `SUFFIXES` by the file's name, packed or not.

    Args:
        path: The file.
        written: Whether the table is to be written; then one of `WRITTEN`, and CSV on ``-``.

    Raises:
        OrapoError: The name ends otherwise.
    """
    if written and is_dash(path):
        return ".csv"
    suffix = path.suffix.lower()
    if suffix == ".gz" and not written:
        suffix = path.with_suffix("").suffix.lower()
    suffix = _ALIASES.get(suffix, suffix)
    known = WRITTEN if written else SUFFIXES
    if suffix not in known:
        raise OrapoError(f"{path}: expected a file name ending in {', '.join(known)}")
    return suffix


def columns_of(path: Path, *, encoding: str = "utf-8", say: Say | None = None) -> list[str]:
    """Return a table's columns: its header, or the keys of the first records of a JSON file.

    Raises:
        OrapoError: As `read_rows`.
    """
    faults: list[str] = []

    def fault(line: int, number: int, sentence: str) -> None:
        faults.append(f"{path}, line {line}: {sentence}")

    rows = read_rows(path, encoding=encoding, on_fault=fault, say=say)
    keyed = table_format(path) in (".json", ".jsonl")
    names: dict[str, None] = {}
    for row in islice(rows, _HEADER_ROWS if keyed else 1):
        names |= dict.fromkeys(row.values)
    if not names and faults:
        raise OrapoError(faults[0])
    return list(names)


def report_columns(path: Path, wanted: Wanted) -> ReportColumns:
    """Return the columns of a table of reports.

    Raises:
        OrapoError: As `read_rows` and `find_columns`.
    """
    return find_columns(path, columns_of(path, say=wanted.say), wanted)


def id_column(path: Path, wanted: Wanted) -> str:
    """Return the column of the study's id, of a table that need not hold reports.

    Raises:
        OrapoError: As `read_rows` and `find_columns`.
    """
    return find_id(path, columns_of(path, say=wanted.say), wanted)


def read_rows(
    path: Path,
    required: Sequence[str] = (),
    *,
    only: Sequence[str] | None = None,
    kind: str | None = None,
    encoding: str = "utf-8",
    on_fault: OnFault | None = None,
    say: Say | None = None,
) -> Iterator[Row]:
    """Yield the records of a table.

    Args:
        path: A ``.csv`` or ``.tsv`` (UTF-8, with or without byte order mark; of any delimiter),
            ``.jsonl``, ``.json``, ``.xlsx`` or ``.parquet`` file; texts also packed (``.csv.gz``).
        required: Columns that must be there.
        only: Columns that are looked at; of a Parquet file the others are not even read.
        kind: One of `SUFFIXES` for a file whose name doesn't say its format.
        encoding: Of text files.
        on_fault: Told of each faulty record, which is then passed over. Without it the first one
            ends the reading. Faults of the file as a whole always do.
        say: Told what was guessed of the file's form.

    Yields:
        The records in the file's order. CSV values are text; the others keep their types.

    Raises:
        OrapoError: The file is missing, empty, not UTF-8, ragged or broken, or lacks a column.
    """
    if not path.is_file():
        what = "is a folder, not a table" if path.is_dir() else "is no ordinary file"
        raise OrapoError(f"{path}: {what if path.exists() else 'no such file'}")
    kind = kind or table_format(path)
    faults = 0
    told = say or (lambda sentence: None)

    def fault(line: int, number: int, sentence: str) -> None:
        nonlocal faults
        faults += 1
        if on_fault is None:
            raise OrapoError(f"{path}, line {line}: {sentence}")
        on_fault(line, number, sentence)

    codec = "" if kind in (".parquet", ".xlsx") else encoding_of(path, encoding, told)
    if kind == ".parquet":
        rows = _read_parquet(path, required, only)
    elif kind == ".xlsx":
        from orapo.data.tables.excel import read_excel

        rows = read_excel(path, required, fault, told)
    elif kind in (".csv", ".tsv"):
        usual = "," if kind == ".csv" else "\t"
        rows = read_delimited(path, required, codec, fault, told, usual)
    else:
        reader = read_json if kind == ".json" else read_json_lines
        rows = reader(path, required, codec, fault)
    empty = True
    try:
        for row in rows:
            empty = False
            yield row
    except UnicodeError as error:
        if not codec:
            raise OrapoError(f"{path}: holds text that is not UTF-8") from None
        codec = codec.removesuffix("-sig")
        raise OrapoError(f"{path}{first_undecodable(path, codec, error)}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise OrapoError(f"{path}: broken or truncated gzip file") from None
    except OSError as error:
        raise OrapoError(f"{path}: can't be read ({error.strerror})") from None
    if empty and not faults:
        raise OrapoError(f"{path}: the table has no rows")


def _read_parquet(
    path: Path, required: Sequence[str], only: Sequence[str] | None = None
) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # in pieces, however large a row group is
        with pq.ParquetFile(path, buffer_size=1 << 18, pre_buffer=False) as file:
            have = file.schema_arrow.names
            check_header(path, have, required)
            columns = None if only is None else [name for name in have if name in only]
            number = 0
            for batch in file.iter_batches(batch_size=1024, columns=columns):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values, number)
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
    """Return the identifier in ``column`` as text; whole numbers are accepted, 12.0 too.

    Raises:
        OrapoError: The cell is empty or is neither text nor a whole number.
    """
    value = row.values.get(column)
    found = identifier(value)
    if found is None:
        raise OrapoError(
            f"{path}, line {row.line}: {column} must be a text or a whole number, {is_what(value)}"
        )
    return found


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
