"""Decoders of films run in a process that can be ended: one may run for ever, or crash."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, ParamSpec, TypeVar

from orapo.errors import MissingExtraError, OrapoError

LOG: Final = logging.getLogger("orapo.serve")
_START: Final = "from orapo.serve.decoding import answer_all; answer_all()"
_MOST_IDLE: Final = 2
_GRACE: Final = 5

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


class _Reader:
    """A process that does one piece of work after another."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is meant for the server
        )
        self.late = threading.Event()

    def ask(self, seconds: float, work: Any) -> tuple[str, Any]:
        """Return the kind of what came of it, and itself.

        Raises:
            EOFError: The process is gone, by itself or because it was `late`.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        clock = threading.Timer(seconds, self._end)
        clock.daemon = True
        clock.start()
        try:
            pickle.dump((seconds, work), self.process.stdin)
            self.process.stdin.flush()
            answer: tuple[str, Any] = pickle.load(self.process.stdout)
            return answer
        except (OSError, pickle.UnpicklingError):  # it was ended amid a sentence
            raise EOFError from None
        finally:
            clock.cancel()

    def _end(self) -> None:
        self.late.set()
        self.process.kill()

    def close(self) -> None:
        """End it."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self.process.wait()


_idle: list[_Reader] = []
_lock = threading.Lock()


def apart(
    seconds: float,
    work: Callable[_Given, _Answer],
    *given: _Given.args,
    **named: _Given.kwargs,
) -> _Answer:
    """Do work in another process, which is kept for the next if all went well.

    Args:
        seconds: By then it is ended.
        work: A function of a module.
        given: For it.
        named: For it.

    Returns:
        What it returns.

    Raises:
        OrapoError: It says so, took too long, or took the process down.
        RuntimeError: It failed in another way; the log says where.
    """
    with _lock:
        reader = _idle.pop() if _idle else None
    if reader is None or reader.process.poll() is not None:
        reader = _Reader()
    kept = False
    try:
        kind, value = reader.ask(seconds, (work, given, named))
        # a clock that struck just now ends it
        kept = not reader.late.is_set()
    except EOFError:
        if reader.late.is_set():
            raise OrapoError(f"reading the films took longer than {seconds:g} s") from None
        raise OrapoError("the decoder broke down on the films") from None
    finally:
        with _lock:
            kept = kept and len(_idle) < _MOST_IDLE
            if kept:
                _idle.append(reader)
        if not kept:
            reader.close()
    if kind == "answer":
        result: _Answer = value
        return result
    if kind == "extra":
        raise MissingExtraError("reading DICOM", "dicom")
    if kind == "fault":
        raise OrapoError(value)
    LOG.error("%s while films were read", value)
    raise RuntimeError("films could not be read")


def warm_up() -> None:
    """Start a process, so that the first film does not wait for it."""
    apart(60.0, _imported)


def _imported() -> None:
    """Import what reads films."""
    import orapo.serve.uploads

    with contextlib.suppress(ModuleNotFoundError):
        import orapo.data.films.dicom  # noqa: F401


def answer_all() -> None:
    """Do what is asked for on standard input, until that ends. The other process' main function."""
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a library prints may stand among the answers
    # What libraries say of files quotes them.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            seconds, (work, given, named) = pickle.load(asked)
            with _ended_even_without_a_server(seconds):
                _say(answers, *_outcome(work, given, named))


@contextlib.contextmanager
def _ended_even_without_a_server(seconds: float) -> Any:
    if not hasattr(signal, "alarm"):
        yield
        return
    signal.alarm(int(seconds) + _GRACE)
    try:
        yield
    finally:
        signal.alarm(0)


def _outcome(work: Callable[..., Any], given: Any, named: Any) -> tuple[str, Any]:
    try:
        return "answer", work(*given, **named)
    except MissingExtraError:
        return "extra", None
    except OrapoError as error:
        return "fault", str(error)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return "error", f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"


def _say(answers: IO[bytes], kind: str, value: Any) -> None:
    pickle.dump((kind, value), answers)
    answers.flush()
