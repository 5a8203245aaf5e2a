"""Verdicts of the judge that were paid for already."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

from orapo.errors import OrapoError
from orapo.paths import cache_folder

_LOG = logging.getLogger(__name__)


class VerdictCache:
    """A file of verdicts by key, shared by runs and processes.

    SQLite's own: diskcache, which would do this too, unpickles what it finds in the folder
    (CVE-2025-69872, not mended in 5.6.3). Keys are hashes; a verdict holds places in the report and
    the judge's short names of findings, not its sentences. The file is readable by its owner only.
    A cache that fails while it is used (locked, disk full) costs money and nothing else.

    Args:
        path: The file, made if it is not there; None keeps the verdicts in memory only.

    Raises:
        OrapoError: It can't be opened.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._warned = False
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            # The judge's calls live in one thread, but not in that which opens the file.
            self._file = sqlite3.connect(path or ":memory:", timeout=5, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA secure_delete=ON")
            with self._file:
                self._file.execute(
                    "CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, verdict TEXT)"
                )
        except (OSError, sqlite3.Error) as error:
            raise OrapoError(f"{path}: can't be used as the judge's cache ({error})") from None

    @staticmethod
    def default_path() -> Path:
        """Return the file used where none is named."""
        return cache_folder() / "judge.sqlite"

    def __len__(self) -> int:
        (count,) = self._file.execute("SELECT COUNT(*) FROM verdicts").fetchone()
        return int(count)

    def get(self, key: str) -> str | None:
        """Return the verdict of a key, None if there is none."""
        try:
            found = self._file.execute("SELECT verdict FROM verdicts WHERE key = ?", (key,))
            row = found.fetchone()
        except sqlite3.Error as error:
            self._warn(error)
            return None
        return None if row is None else str(row[0])

    def put(self, key: str, verdict: str) -> None:
        """Keep a verdict; it is on the disk when this returns."""
        try:
            with self._file:
                self._file.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", (key, verdict))
        except sqlite3.Error as error:
            self._warn(error)

    def _warn(self, error: sqlite3.Error) -> None:
        if not self._warned:
            self._warned = True
            _LOG.warning(
                "%s: the judge's cache fails (%s); verdicts are not kept", self.path, error
            )

    def purge(self) -> int:
        """Forget everything, overwrite it on the disk, and return how many verdicts it were."""
        count = len(self)
        with self._file:
            self._file.execute("DELETE FROM verdicts")
        self._file.execute("VACUUM")
        self._file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()
