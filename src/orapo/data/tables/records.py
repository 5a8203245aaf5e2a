"""What the readers of all table formats share: a record, its faults, and how a text file is opened."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, TypeAlias, cast

from orapo.errors import OrapoError

LONGEST_LINE: Final = 1 << 24
"""Characters of a line, a cell or a JSON element; no report comes near it, and a file of zeros is
one line."""

OnFault: TypeAlias = Callable[[int, int, str], None]
"""Told of a faulty record: the line it ends in, its number from 1, and what is wrong with it."""
Say: TypeAlias = Callable[[str], None]
"""Told a sentence that the user must see: what was guessed."""


class Row(NamedTuple):
    """One record and where it stands."""

    line: int
    """Line of the file at which the record ends (text, JSON), or row number from 1 (Parquet; of a
    sheet its own, the header's too)."""
    values: dict[str, Any]
    number: int = 0
    """Number of the record, from 1; the header and blank lines don't count."""


def open_text(path: Path, encoding: str, newline: str | None = None) -> IO[str]:
    """Open a text file, packed or not."""
    if path.suffix.lower() == ".gz":
        return cast(IO[str], gzip.open(path, "rt", encoding=encoding, newline=newline))
    return path.open(encoding=encoding, newline=newline)


def lines(path: Path, file: IO[str]) -> Iterator[str]:
    """Yield the lines; a small packed file may hold one that fills the memory.

    Raises:
        OrapoError: A line is longer than `LONGEST_LINE`.
    """
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise OrapoError(f"{path}, line {number}: longer than {LONGEST_LINE:,} characters")
        yield line


def check_header(path: Path, columns: Sequence[str], required: Sequence[str]) -> None:
    """Refuse a header in which a name stands twice, or that lacks one.

    Raises:
        OrapoError: So it is.
    """
    # counted, since a file that is none may have very many
    if twice := sorted(name for name, times in Counter(columns).items() if times > 1):
        named = listed([name or "without a name" for name in twice])
        raise OrapoError(f"{path}: column {named} stands twice in the header")
    if lack := lacking(columns, required):
        raise OrapoError(f"{path}: {lack}")


def lacking(columns: Iterable[str], required: Sequence[str]) -> str:
    """Return which columns are missing, as the end of a sentence; empty if none is."""
    have = list(columns)
    missing = [name for name in required if name not in have]
    if not missing:
        return ""
    return f"lacks the column(s) {', '.join(missing)}; it has {listed(have)}"


def listed(names: Sequence[str]) -> str:
    """Join names; of a table that is none, they can be many and long."""
    more = f" and {len(names) - 40} more" if len(names) > 40 else ""
    return ", ".join(name if len(name) <= 60 else f"{name[:57]}..." for name in names[:40]) + more
