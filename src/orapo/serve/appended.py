"""A file of JSON lines that only grows: each line is on the disk before it is said to be kept."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from orapo.errors import OrapoError, RunFailedError
from orapo.writing import json_text

try:
    import fcntl
except ModuleNotFoundError:  # Windows: there nothing keeps a second server from the file
    fcntl = None  # type: ignore[assignment]

_OWNER_ALONE: Final = 0o600


class Lines(Protocol):
    """Records that only grow: a file of lines, or a part of a store.

    Attributes:
        path: The file they are in.
        records: Number and content of those that were there when it was opened.
    """

    path: Path
    records: list[tuple[int, dict[str, Any]]]

    def append(self, record: Mapping[str, Any]) -> None:
        """Keep a record; when this returns it is on the disk."""

    def close(self) -> None:
        """Let others write it."""


class AppendedLines:
    """The open file; one writer at a time.

    A line that a crash cut in half is taken away when the file is opened again: it was never said
    to be kept.

    Args:
        path: A ``.jsonl`` file; made, for its owner alone to read, if it isn't there.

    Raises:
        OrapoError: It can't be opened, another process writes it, or a line is no JSON object.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        if path.suffix.lower() != ".jsonl":
            raise OrapoError(f"{path}: expected a file name ending in .jsonl")
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OrapoError(f"{path}: is no ordinary file")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, _OWNER_ALONE)
        except OSError as error:
            raise OrapoError(f"{path}: can't be written ({error.strerror})") from None
        try:
            self._take()
            self.records = self._read()
        except BaseException:
            self.close()
            raise

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a record; when this returns it is on the disk.

        Raises:
            RunFailedError: It could not be written; then nothing of it is in the file.
        """
        line = (json_text(record, ensure_ascii=False) + "\n").encode()
        with self._lock:
            size = None
            try:
                size = os.fstat(self._file).st_size
                rest = memoryview(line)
                while rest:
                    rest = rest[os.write(self._file, rest) :]
                os.fsync(self._file)
            except OSError as error:
                if size is not None:
                    with contextlib.suppress(OSError):
                        os.ftruncate(self._file, size)
                raise RunFailedError(f"it could not be kept ({error.strerror})") from None

    def close(self) -> None:
        """Close the file and let others write it."""
        with self._lock, contextlib.suppress(OSError):
            file, self._file = self._file, -1  # its number may soon be another file's
            os.close(file)

    def _take(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OrapoError(f"{self.path}: another orapo serve writes it") from None

    def _read(self) -> list[tuple[int, dict[str, Any]]]:
        """Return number and content of each line, and mend the end."""
        content = self.path.read_bytes()
        whole, newline, last = content.rpartition(b"\n")
        if last:
            if _object(last) is None:
                os.ftruncate(self._file, len(whole) + len(newline))
                content = whole + newline
            else:  # all there but its end
                os.write(self._file, b"\n")
            os.fsync(self._file)
        records = []
        for number, line in enumerate(content.splitlines(), 1):
            if not line.strip():
                continue
            record = _object(line)
            if record is None:
                raise OrapoError(f"{self.path}, line {number}: expected a JSON object")
            records.append((number, record))
        return records


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
