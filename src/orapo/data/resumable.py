"""Rows of a long run, kept while it runs, so that an interrupted one goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from orapo.errors import OrapoError
from orapo.writing import json_text, open_own


def file_identity(path: Path) -> list[Any]:
    """Return what tells a file from its changed self: its full name, size and time of change."""
    facts = path.stat()
    return [str(path.resolve()), facts.st_size, facts.st_mtime_ns]


def make_folder_of(out: Path) -> None:
    """Make the folder of a file to come, so that a wrong place is said before any work is done.

    Raises:
        OrapoError: It can't be made, or not be written in.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OrapoError(f"{out}: can't be written ({error.strerror})") from None
    if not os.access(out.parent, os.W_OK):
        raise OrapoError(f"{out}: can't be written (no permission in its folder)")


def rows_file(out: Path) -> Path:
    """Return the file that holds a table's rows until it is whole."""
    return out.with_name(f".{out.name}.rows")


class ResumableRows:
    """Rows on their way into a table; a hidden JSON-lines file beside it holds them until then.

    Args:
        out: The table that they will become.
        made_from: Whatever the rows depend on. Rows that an interrupted run left are taken over
            only if it was made from the same.

    Attributes:
        done: How many rows were there already.
        added: How many were added since.

    Raises:
        OrapoError: The file can't be written.
    """

    def __init__(self, out: Path, made_from: Any) -> None:
        self.path = rows_file(out)
        text = json_text(made_from, default=str)
        key = hashlib.sha256(text.encode()).hexdigest()
        self.done = self.added = 0
        make_folder_of(out)
        try:
            end = self._whole_lines(key)
            self._file = os.fdopen(open_own(self.path, anew=not end), "r+b")
            if end:
                self._file.truncate(end)
                self._file.seek(end)
            else:
                self._file.write(json_text({"made_from": key}).encode() + b"\n")
        except OSError as error:
            raise OrapoError(f"{out}: can't be written ({error.strerror})") from None

    def _whole_lines(self, key: str) -> int:
        """Count the rows of an earlier run of the same kind, and return where the last one ends."""
        try:
            handle = open_own(self.path, anew=False)
        except OSError:  # none, or a link that someone laid there
            return 0
        end = 0
        with os.fdopen(handle, "rb") as file:
            for number, line in enumerate(file):
                if not line.endswith(b"\n"):  # the run was killed while it wrote this
                    break
                if number == 0:
                    try:
                        if json.loads(line)["made_from"] != key:
                            return 0
                    except (ValueError, KeyError, TypeError):
                        return 0
                end += len(line)
                self.done = number
        return end

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep a row.

        Raises:
            OrapoError: The file can't be written.
        """
        with self._writing():
            self._file.write(json_text(row).encode() + b"\n")
        self.added += 1

    def flush(self) -> None:
        """Hand what was added to the operating system: a killed process loses none of it.

        Raises:
            OrapoError: The file can't be written.
        """
        with self._writing():
            self._file.flush()

    def close(self) -> None:
        """Flush and close the file; it stays."""
        # What a full disk has no room for was said by `flush`, and must not hide that error.
        with suppress(OSError):
            self._file.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OrapoError(f"{self.path}: can't be written ({error.strerror})") from None

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield all rows, those of earlier runs first."""
        self.flush()
        with self.path.open(encoding="utf-8") as file:
            next(file)
            for line in file:
                yield json.loads(line)

    def discard(self) -> None:
        """Remove the file, once the table is written."""
        self.close()
        self.path.unlink(missing_ok=True)
