"""What goes wrong, as a status and one sentence that quotes nothing that was sent."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from orapo.errors import MissingExtraError, OrapoError, RunFailedError
from orapo.serve.inference import GoneError
from orapo.serve.limits import QueueFullError


def fault_of(error: BaseException) -> tuple[int, str]:
    """Return the status and the sentence of what went wrong."""
    if isinstance(error, MissingExtraError):
        return 501, str(error)
    if isinstance(error, OrapoError):
        return 422, str(error)
    if isinstance(error, RunFailedError):
        return 503, str(error)
    if isinstance(error, GoneError | CancelledError):
        return 503, "the server ends"
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail)
    return 500, "something went wrong here; the log has the place"


def add_faults(app: FastAPI) -> None:
    """Answer every fault with one sentence, which quotes nothing that was sent."""

    async def said(_: Request, error: Exception) -> JSONResponse:
        status, detail = fault_of(error)
        return JSONResponse({"detail": detail}, status)

    for kind in (OrapoError, RunFailedError, GoneError, CancelledError):
        app.add_exception_handler(kind, said)

    async def full(_: Request, error: Exception) -> JSONResponse:
        seconds = error.seconds if isinstance(error, QueueFullError) else 1
        return JSONResponse({"detail": str(error)}, 429, {"Retry-After": str(seconds)})

    app.add_exception_handler(QueueFullError, full)

    async def unfit(_: Request, error: Exception) -> JSONResponse:
        faults: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else []
        place = ".".join(str(part) for part in faults[0]["loc"]) if faults else "body"
        reason = str(faults[0]["msg"]) if faults else "not valid"
        # a name that was sent can hold what UTF-8 can't
        detail = f"{place[:100]}: {reason[:200]}".encode("ascii", "replace").decode()
        return JSONResponse({"detail": detail}, 422)

    app.add_exception_handler(RequestValidationError, unfit)
