"""One process at a time in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from orapo.errors import OrapoError


@contextmanager
def locked(folder: Path, name: str, busy: str | None = None) -> Iterator[None]:
    """Hold a folder's lock; it ends with the process, however that ends.

    Args:
        folder: Made if it is missing.
        name: Of the lock's file in it.
        busy: What is said if another process holds it; None: wait for it.

    Raises:
        OrapoError: Another process holds it, or the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / name, timeout=-1 if busy is None else 0)
        lock.acquire()
    except Timeout:
        raise OrapoError(f"{folder}: {busy}") from None
    except OSError as error:
        raise OrapoError(f"{folder}: can't be written ({error.strerror})") from None
    try:
        yield
    finally:
        lock.release()
