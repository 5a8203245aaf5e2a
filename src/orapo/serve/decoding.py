"""Decoders of films, each in a process that can be ended: one may run for ever, or crash."""

from __future__ import annotations

import logging
import multiprocessing
import sys
import traceback
import warnings
from collections.abc import Callable
from functools import lru_cache
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from orapo.errors import MissingExtraError, OrapoError

LOG: Final = logging.getLogger("orapo.serve")
_PRELOADED: Final = ["__main__", "orapo.serve.uploads", "orapo.data.dicom", "PIL.PngImagePlugin"]

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


@lru_cache(maxsize=1)
def _context() -> BaseContext:
    """Return what starts processes: copies of one that has its imports done, where there are such."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        forkserver = multiprocessing.get_context("forkserver")
        forkserver.set_forkserver_preload(_PRELOADED)
        return forkserver
    return multiprocessing.get_context("spawn")


def warm_up() -> None:
    """Start what processes are copied from, so that no film waits for it."""
    apart(60.0, _nothing)


def _nothing() -> None:
    """Do nothing."""


def apart(
    seconds: float,
    work: Callable[_Given, _Answer],
    *given: _Given.args,
    **named: _Given.kwargs,
) -> _Answer:
    """Do work in a process of its own.

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
    context = _context()
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(  # type: ignore[attr-defined]
        target=_answer, args=(sending, work, given, named), daemon=True
    )
    try:
        process.start()
        sending.close()
        if not receiving.poll(seconds):
            raise OrapoError(f"reading the films took longer than {seconds:g} s")
        kind, value = receiving.recv()
    except EOFError:
        raise OrapoError("the films broke the decoder") from None
    finally:
        receiving.close()
        if process.pid is not None:
            process.kill()
            process.join()
            process.close()
    if kind == "answer":
        result: _Answer = value
        return result
    if kind == "extra":
        raise MissingExtraError(*value)
    if kind == "fault":
        raise OrapoError(value)
    LOG.error("%s while films were read", value)
    raise RuntimeError("films could not be read")


def _answer(sending: Connection, work: Callable[..., Any], given: Any, named: Any) -> None:
    # What libraries say of files quotes them.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    sys.tracebacklimit = 0
    try:
        sending.send(("answer", work(*given, **named)))
    except MissingExtraError:
        sending.send(("extra", ("reading DICOM", "dicom")))
    except OrapoError as error:
        sending.send(("fault", str(error)))
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
        sending.send(("error", place))
