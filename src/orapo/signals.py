"""What Ctrl-C and SIGTERM do to the command, from its first line to its last.

Until the command's work begins, and once it has ended, there is nothing to save: the process ends at
once. In between a signal is an exception, so that what is done is kept: KeyboardInterrupt, which
libraries know, or `Terminated`.

An exception amid an import is neither: torch's import aborts the process then, or swallows it (seen
in 2 and in 2 of 80 interrupted imports), and Python prints what is raised where no exception can
leave, and goes on. So an import that the command line itself waits for is ended with the process,
any other one is waited for, and what was lost in a finaliser is raised again.

This module is loaded before anything else, and all it imports is part of the interpreter or loaded
already: what the command needs until `end_at_once` has run is time in which Ctrl-C still prints a
traceback.
"""

import _thread
import atexit
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from sys import UnraisableHookArgs
    from types import FrameType
    from typing import Final
else:
    import _signal as signal  # what `signal` wraps in enums, which take longer than all of this

SIGNALS: "Final" = (signal.SIGINT, signal.SIGTERM)
_LINE: "Final" = b"orapo: interrupted\n"
_MOMENT: "Final" = 0.01
_LONGEST_IMPORT: "Final" = 10.0
"""Seconds; then the signal is raised all the same."""
_SHOW_CURSOR: "Final" = b"\x1b[?25h"  # a progress bar may have hidden it
_COMMAND_LINE: "Final" = ("orapo.cli", "orapo.__main__", "__main__", "typer", "click", "runpy")

_PARENT: "Final" = "ORAPO_PARENT"
_PR_SET_PDEATHSIG: "Final" = 1  # linux/prctl.h

_waiting_since: "float | None" = None


class Terminated(SystemExit):
    """SIGTERM came while the command was at work."""


def end_at_once() -> None:
    """From now on a signal ends the process on the spot: SIGINT with one line and 130, SIGTERM 143.

    For the time of imports. A signal that the parent has ignored (a background job's Ctrl-C) stays
    ignored.
    """
    for signum in SIGNALS:
        if signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, _end)
    sys.unraisablehook = _unraisable
    atexit.register(_last)  # the first to be registered is the last to be called


def raise_them() -> None:
    """From now on a signal is an exception: the command's work begins.

    Where nobody called `end_at_once`, as in a program that calls `orapo.cli.main`, Ctrl-C is left
    to that program.
    """
    for signum in SIGNALS:
        before = signal.getsignal(signum)
        if before == _end or (signum == signal.SIGTERM and before != signal.SIG_IGN):
            signal.signal(signum, _raise)


def end_quietly() -> None:
    """From now on a signal ends the process without a word: all that is left is tidying up."""
    for signum in SIGNALS:
        if signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, _end_quietly)


def finish() -> None:
    """Write what is still to be written; then a signal ends the process quietly."""
    for stream in (sys.stdout, sys.stderr):
        try:  # noqa: SIM105 (contextlib is one more import)
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # closed, or nobody reads it: the interpreter says so in its own way
    end_quietly()


def ends_with_this_process() -> "dict[str, str]":
    """Return the environment by which a command that is started ends when this process does.

    What a killed ablation has started would else go on, and be in the way of the next call. It is sent
    SIGTERM, so that it saves what it has; on Linux alone.
    """
    return {_PARENT: str(os.getpid())}


def end_with_parent() -> None:
    """Be sent SIGTERM once the process is gone that asked for it with `ends_with_this_process`."""
    parent = os.environ.pop(_PARENT, "")
    if not parent or sys.platform != "linux":
        return
    import ctypes  # only here: it is not loaded yet, and the command's start is a moment (above)

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it was gone before
        os.kill(os.getpid(), signal.SIGTERM)


def behind(error: BaseException) -> int:
    """Return the signal that an exception comes from, 0 for none.

    One that is raised amid an import can come out as ImportError or SystemError, with the cause
    attached.
    """
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        if isinstance(one, KeyboardInterrupt):
            return signal.SIGINT
        if isinstance(one, Terminated):
            return signal.SIGTERM
        seen.add(id(one))
        one = one.__cause__ or one.__context__
    return 0


def _end(signum: int, frame: "FrameType | None") -> None:
    if signum == signal.SIGINT:
        try:  # noqa: SIM105
            os.write(2, (_SHOW_CURSOR if os.isatty(2) else b"") + _LINE)
        except OSError:
            pass  # nobody reads it
    os._exit(128 + signum)


def _end_quietly(signum: int, frame: "FrameType | None") -> None:
    os._exit(128 + signum)


def _raise(signum: int, frame: "FrameType | None") -> None:
    global _waiting_since
    imported_by = _imported_by(frame)
    if imported_by is not None:
        if _is_command_line(imported_by):
            _end(signum, frame)
        now = time.monotonic()
        _waiting_since = _waiting_since or now
        if now - _waiting_since < _LONGEST_IMPORT:
            _thread.start_new_thread(_again, (signum,))
            return
    _waiting_since = None
    if signum == signal.SIGINT:
        raise KeyboardInterrupt
    raise Terminated(128 + signum)


def _imported_by(frame: "FrameType | None") -> "FrameType | None":
    """Return the frame whose import was interrupted, the outermost of them; None outside imports."""
    found, importing = None, False
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            importing = True
        elif importing:
            found, importing = frame, False
        frame = frame.f_back
    return found


def _is_command_line(frame: "FrameType | None") -> bool:
    """Whether a frame and all that called it only begin a command: there is nothing to save yet."""
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        if not any(name == part or name.startswith(f"{part}.") for part in _COMMAND_LINE):
            return False
        frame = frame.f_back
    return True


def _last() -> None:
    """Let the interpreter take itself down, in which no handler of Python's can be relied on.

    That takes milliseconds, with a large library some more. Should it hang, SIGTERM ends it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if signal.getsignal(signal.SIGTERM) != signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _unraisable(unraisable: "UnraisableHookArgs") -> None:
    """Raise again what was raised where no exception can leave: in a finaliser, in a callback."""
    signum = 0 if unraisable.exc_value is None else behind(unraisable.exc_value)
    if signum:
        # in a moment: now it would be raised here, and be lost for good
        _thread.start_new_thread(_again, (signum,))
    else:
        sys.__unraisablehook__(unraisable)


def _again(signum: int) -> None:
    time.sleep(_MOMENT)
    _thread.interrupt_main(signum)  # type: ignore[arg-type] # a plain number will do
