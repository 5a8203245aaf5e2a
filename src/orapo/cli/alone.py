"""One command at a time writes an output; the second gets a sentence."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

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
            return command(*given, **named)

    return held  # type: ignore[return-value]
