"""One process at a time in a folder."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from orapo.errors import OrapoError

_log = logging.getLogger(__name__)


@contextmanager
def locked(folder: Path, busy: str | None = None) -> Iterator[None]:
    """Hold a folder against the user's other processes on this machine; not re-entrant.

    The lock is a file of the machine's temporary folder, by the folder's path: nothing is left among
    the user's data, a folder that may only be read is no trouble, and network file systems need not
    know locks. It ends with the process, however that ends.

    Args:
        folder: It need not exist.
        busy: What is said if it is held already; None: wait, and log that.

    Raises:
        OrapoError: It is held already, or the lock's file can't be used.
    """
    path = str(folder.resolve())
    name = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    user = getattr(os, "getuid", int)()  # another user's file could not be opened there
    lock = FileLock(Path(tempfile.gettempdir()) / f"orapo-{user}-{name}.lock")
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if busy is not None:
                raise OrapoError(f"{folder}: {busy}") from None
            _log.warning("waiting for another process that is at work in the same folder")
            lock.acquire()
    except OSError as error:
        raise OrapoError(f"{folder}: can't be locked ({error.strerror})") from None
    try:
        yield
    finally:
        lock.release()
