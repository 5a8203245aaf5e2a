"""Tables of the user, CSV, JSONL or Parquet: rows one at a time, every fault said with its line.

Rows are streamed, so a file may be larger than memory.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, TypeAlias, cast

from orapo.errors import OrapoError
from orapo.labels import LabelSet, LabelValue, parse_label

SUFFIXES = (".csv", ".jsonl", ".parquet")
LONGEST_LINE: Final = 1 << 24
"""Characters of a line or a cell; no report comes near it, and a file of zeros is one line."""
# JSON can spell text that no file can hold; it would fail late, when something is written.
_ESCAPED_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")

OnFault: TypeAlias = Callable[[int, int, str], None]
"""Told of a faulty record: the line it ends in, its number from 1, and what is wrong with it."""


class Row(NamedTuple):
    """One record and where it stands."""

    line: int
    """Line of the file at which the record ends (CSV, JSONL), or row number from 1 (Parquet)."""
    values: dict[str, Any]
    number: int = 0
    """Number of the record, from 1; the header and blank lines don't count."""


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
    path: Path,
    required: Sequence[str] = (),
    *,
    only: Sequence[str] | None = None,
    kind: str | None = None,
    encoding: str = "utf-8",
    on_fault: OnFault | None = None,
) -> Iterator[Row]:
    """Yield the records of a table.

    Args:
        path: A ``.csv`` (UTF-8, with or without byte order mark), ``.jsonl`` or ``.parquet`` file;
            the first two also packed (``.csv.gz``).
        required: Columns that must be there.
        only: Columns that are looked at; of a Parquet file the others are not even read.
        kind: One of `SUFFIXES` for a file whose name doesn't say its format.
        encoding: Of CSV and JSONL files.
        on_fault: Told of each faulty record, which is then passed over. Without it the first one
            ends the reading. Faults of the file as a whole always do.

    Yields:
        The records in the file's order. CSV values are text; JSONL and Parquet keep their types.

    Raises:
        OrapoError: The file is missing, empty, not UTF-8, ragged or broken, or lacks a column.
    """
    if not path.is_file():
        kind = "is a folder, not a table" if path.is_dir() else "is no ordinary file"
        raise OrapoError(f"{path}: {kind if path.exists() else 'no such file'}")
    packed = path.suffix.lower() == ".gz"
    kind = kind or table_format(path.with_suffix("") if packed else path)
    faults = 0

    def fault(line: int, number: int, sentence: str) -> None:
        nonlocal faults
        faults += 1
        if on_fault is None:
            raise OrapoError(f"{path}, line {line}: {sentence}")
        on_fault(line, number, sentence)

    if kind == ".parquet":
        rows = _read_parquet(path, required, only)
    else:
        reader = _read_csv if kind == ".csv" else _read_jsonl
        rows = reader(path, required, _known_encoding(encoding), fault)
    empty = True
    try:
        for row in rows:
            empty = False
            yield row
    except UnicodeError as error:
        if kind == ".parquet":
            raise OrapoError(f"{path}: holds text that is not UTF-8") from None
        raise OrapoError(f"{path}{_first_undecodable(path, encoding, error)}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise OrapoError(f"{path}: broken or truncated gzip file") from None
    except OSError as error:
        raise OrapoError(f"{path}: can't be read ({error.strerror})") from None
    if empty and not faults:
        raise OrapoError(f"{path}: the table has no rows")


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)  # says no to codecs that are none of texts, too
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        raise OrapoError(f"--encoding {name}: no such encoding; try utf-8 or latin-1") from None
    return "utf-8-sig" if found == "utf-8" else found


def _open_text(path: Path, encoding: str, newline: str | None = None) -> IO[str]:
    if path.suffix.lower() == ".gz":
        return cast(IO[str], gzip.open(path, "rt", encoding=encoding, newline=newline))
    return path.open(encoding=encoding, newline=newline)


def _lines(path: Path, file: IO[str]) -> Iterator[str]:
    """Yield the lines; a small packed file may hold one that fills the memory."""
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise OrapoError(f"{path}, line {number}: longer than {LONGEST_LINE:,} characters")
        yield line


def _first_undecodable(path: Path, encoding: str, error: UnicodeError) -> str:
    """Say where a file stops being text of the encoding: the reader knows its own buffer only."""
    name = "UTF-8" if encoding.lower().replace("-", "") == "utf8" else encoding
    advice = "save the file as UTF-8, or name its encoding where there is an option for it"
    if not isinstance(error, UnicodeDecodeError):  # UTF-16 without its mark
        return f": not {name} text ({error}); {advice}"
    what = f"not {name} text (byte 0x{error.object[error.start]:02x}"
    decoder = codecs.getincrementaldecoder(encoding)()
    done, line = 0, 1
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        while piece := file.read(1 << 20):
            start = done - len(decoder.getstate()[0])  # with the beginning of a character
            try:
                line += decoder.decode(piece).count("\n")
            except UnicodeDecodeError as found:
                line += found.object[: found.start].count(b"\n")
                return f", line {line}: {what} at position {start + found.start}); {advice}"
            done += len(piece)
    return f": {what}); {advice}"


def _check_header(path: Path, columns: Sequence[str], required: Sequence[str]) -> None:
    # counted, since a file that is none may have very many
    if twice := sorted(name for name, times in Counter(columns).items() if times > 1):
        named = _listed([name or "without a name" for name in twice])
        raise OrapoError(f"{path}: column {named} stands twice in the header")
    if lack := lacking(columns, required):
        raise OrapoError(f"{path}: {lack}")


def lacking(columns: Iterable[str], required: Sequence[str]) -> str:
    """Return which columns are missing, as the end of a sentence; empty if none is."""
    have = list(columns)
    missing = [name for name in required if name not in have]
    if not missing:
        return ""
    separator = next((each for each in (";", "\t") if len(have) == 1 and each in have[0]), None)
    hint = f" (its columns seem to be separated by {separator!r}, not by commas)"
    return (
        f"lacks the column(s) {', '.join(missing)}; it has {_listed(have)}"
        f"{hint if separator else ''}"
    )


def _listed(names: Sequence[str]) -> str:
    """Join names; of a table that is none, they can be many and long."""
    more = f" and {len(names) - 40} more" if len(names) > 40 else ""
    return ", ".join(name if len(name) <= 60 else f"{name[:57]}..." for name in names[:40]) + more


def _read_csv(path: Path, required: Sequence[str], encoding: str, fault: OnFault) -> Iterator[Row]:
    # The csv module refuses fields over 128 KiB; a report may be longer.
    csv.field_size_limit(LONGEST_LINE)
    with _open_text(path, encoding, newline="") as file:
        reader = csv.reader(_lines(path, file), strict=True)
        try:
            header = next(reader, None)
            if header is None:
                raise OrapoError(f"{path}: the file is empty")
            _check_header(path, header, required)
            number, width = 0, len(header)
            for record in reader:
                if not record:  # a blank line
                    continue
                number += 1
                if len(record) != width:
                    sentence = f"{len(record)} fields, expected {width} as in the header"
                    fault(reader.line_num, number, sentence)
                    continue
                yield Row(reader.line_num, dict(zip(header, record, strict=True)), number)
        except csv.Error as error:
            # After broken quoting nobody knows where the next record begins.
            raise OrapoError(f"{path}, line {reader.line_num}: broken CSV ({error})") from None


def _read_jsonl(
    path: Path, required: Sequence[str], encoding: str, fault: OnFault
) -> Iterator[Row]:
    number = 0
    with _open_text(path, encoding) as file:
        for line, text in enumerate(_lines(path, file), start=1):
            if not text.strip():
                continue
            number += 1
            try:
                values = _JSON.decode(text)
            except (ValueError, RecursionError) as error:
                why = getattr(error, "msg", "a number of too many digits")
                why = "nested too deep" if isinstance(error, RecursionError) else why
                fault(line, number, f"broken JSON ({why})")
                continue
            if not isinstance(values, dict):
                fault(line, number, "expected a JSON object")
                continue
            if _ESCAPED_HALF.search(text) and not _encodable(values):
                fault(line, number, "holds half a character (a surrogate without its pair)")
                continue
            if required and (lack := lacking(values, required)):
                fault(line, number, lack)
                continue
            yield Row(line, values, number)
    if number == 0 and path.stat().st_size == 0:
        raise OrapoError(f"{path}: the file is empty")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):  # Python's own would let the last one win
        raise json.JSONDecodeError("a key stands twice", "", 0)
    return values


_JSON: Final = json.JSONDecoder(object_pairs_hook=_object)


def _encodable(values: dict[str, Any]) -> bool:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_parquet(
    path: Path, required: Sequence[str], only: Sequence[str] | None = None
) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # in pieces, however large a row group is
        with pq.ParquetFile(path, buffer_size=1 << 18, pre_buffer=False) as file:
            have = file.schema_arrow.names
            _check_header(path, have, required)
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
