"""One command at a time writes an output; the second gets a sentence."""

from __future__ import annotations

import errno
import functools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from orapo import signals
from orapo.errors import RunFailedError
from orapo.locking import locked
from orapo.writing import remove_leftovers

_BUSY: Final = "another orapo command is writing it; wait for that, or give another --out"
_DISK: Final = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG, errno.EIO)
_Command = TypeVar("_Command", bound=Callable[..., Any])


@contextmanager
def said_if_full(out: Path) -> Iterator[None]:
    """Say in a sentence what a disk refuses, wherever in a command it does.

    Raises:
        RunFailedError: It is full, or can't be written any more.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK:
            raise
        raise RunFailedError(
            f"{out}: can't be written to the end ({error.strerror}); what was whole is kept"
        ) from None


@contextmanager
def _said_what_is_there(out: Path) -> Iterator[None]:
    """Say beside an interrupt what became of the output, where the command itself does not."""
    before = _state(out)
    try:
        yield
    except BaseException as error:
        said = getattr(error, "__notes__", ()) or isinstance(error, SystemExit)
        if signals.behind(error) == signal.SIGINT and not said:
            if not out.exists():
                what = f"nothing was written to {out}"
            elif _state(out) == before:
                what = f"{out} is as it was"
            else:
                what = f"what was finished is kept in {out}"
            error.add_note(what)
        raise


def _state(out: Path) -> object:
    """Return what changes when a file is written, or anything within a folder."""
    try:
        inside = [path.stat() for path in sorted(out.iterdir())] if out.is_dir() else [out.stat()]
    except OSError:
        return None
    return [(one.st_ino, one.st_size, one.st_mtime_ns) for one in inside]


def alone(command: _Command) -> _Command:
    """Hold what a command's ``out`` names while it runs, against other processes.

    Args:
        command: Takes a file or a folder, or None, as ``out``.

    Returns:
        The command; another process that writes there is an `OrapoError`.
    """

    @functools.wraps(command)
    def held(*given: Any, **named: Any) -> Any:
        out = named.get("out")
        with ExitStack() as stack:
            if isinstance(out, Path):
                stack.enter_context(said_if_full(out))
                # of several processes of one command (torchrun) the first holds it for all
                if os.environ.get("RANK", "0") == "0":
                    stack.enter_context(locked(out, _BUSY))
                    remove_leftovers(out)
                stack.enter_context(_said_what_is_there(out))
            return command(*given, **named)

    return held  # type: ignore[return-value]
