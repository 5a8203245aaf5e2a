"""Text tables with a delimiter: CSV, TSV and their kin."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from orapo.data.tables import records
from orapo.data.tables.columns import is_known
from orapo.data.tables.records import OnFault, Row, Say, check_header, lines, open_text
from orapo.errors import OrapoError

DELIMITERS: Final = (",", ";", "\t", "|", "^", "~", "\x01", "\x1f")
_NAMES: Final = {"\t": "tabs", "\x01": "the character 0x01", "\x1f": "the character 0x1f"}
_SAMPLE: Final = 50
"""Lines by which the delimiter is told."""


def read_delimited(
    path: Path,
    required: Sequence[str],
    encoding: str,
    fault: OnFault,
    say: Say,
    usual: str = ",",
) -> Iterator[Row]:
    """Yield the records of a text table; a cell that begins with a quotation mark is quoted.

    Args:
        path: The file.
        required: Columns that must be there.
        encoding: Of the file.
        fault: Told of records that are passed over.
        say: Told of a delimiter that the file's name doesn't promise.
        usual: The delimiter that it promises.

    Raises:
        OrapoError: The file is empty, lacks a column, or is quoted so that nobody knows where the
            next record begins.
    """
    # The csv module refuses fields over 128 KiB; a report may be longer.
    csv.field_size_limit(records.LONGEST_LINE)
    delimiter = delimiter_of(path, encoding, usual)
    if delimiter != usual:
        say(f"{path}: read as separated by {_NAMES.get(delimiter, repr(delimiter))}")
    with open_text(path, encoding, newline="") as file:
        reader = csv.reader(lines(path, file), delimiter=delimiter, strict=True)
        try:
            header = next(reader, None)
            if header is None:
                raise OrapoError(f"{path}: the file is empty")
            check_header(path, header, required)
            number, width = 0, len(header)
            for record in reader:
                if not record:  # a blank line
                    continue
                number += 1
                if len(record) != width:
                    sentence = f"{len(record)} fields, expected {width} as in the header"
                    fault(reader.line_num, number, sentence)
                    continue
                if delimiter == "\t" and any("\t" in cell and "\n" in cell for cell in record):
                    # A quotation mark that is text has swallowed the rows up to the next one.
                    sentence = "a cell holds tabs and ends of lines: a quotation mark is not closed"
                    fault(reader.line_num, number, sentence)
                    continue
                yield Row(reader.line_num, dict(zip(header, record, strict=True)), number)
        except csv.Error as error:
            # After broken quoting nobody knows where the next record begins.
            raise OrapoError(f"{path}, line {reader.line_num}: broken CSV ({error})") from None


def delimiter_of(path: Path, encoding: str, usual: str = ",") -> str:
    """Tell the delimiter by the first lines.

    It is the one that cuts all of them into as many fields as the header; of several the one by
    which the header has names that tables of reports have, then the usual one.
    """
    with open_text(path, encoding, newline="") as file:
        sample = list(islice(lines(path, file), _SAMPLE))
    if not sample or not any(each in sample[0] for each in DELIMITERS if each != usual):
        return usual
    best, best_rank = usual, (False, 0, True)
    for delimiter in (usual, *(each for each in DELIMITERS if each != usual)):
        found: list[list[str]] = []
        try:
            for record in csv.reader(sample, delimiter=delimiter, strict=True):
                found.append(record)
        except csv.Error:
            pass  # the sample ends within a quoted cell, or it is the wrong delimiter
        if not found or len(found[0]) < 2:
            continue
        even = all(len(record) in (0, len(found[0])) for record in found)
        rank = (even and len(found) > 1, sum(map(is_known, found[0])), delimiter == usual)
        if rank > best_rank:
            best, best_rank = delimiter, rank
    return best
