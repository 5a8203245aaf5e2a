"""One command at a time writes an output; the second gets a sentence."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, TypeVar

from orapo.locking import locked
from orapo.writing import remove_leftovers

_BUSY: Final = "another orapo command is writing it; wait for that, or give another --out"
_Command = TypeVar("_Command", bound=Callable[..., Any])


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
            # of several processes of one command (torchrun) the first holds it for all
            if isinstance(out, Path) and os.environ.get("RANK", "0") == "0":
                stack.enter_context(locked(out, _BUSY))
                remove_leftovers(out)
            return command(*given, **named)

    return held  # type: ignore[return-value]
