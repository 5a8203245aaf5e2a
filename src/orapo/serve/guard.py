"""What every request passes first: who may ask, how much, how long; and what every answer bears."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import time
import traceback
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orapo.serve.connections import ANYONE
from orapo.serve.limits import Arrival, Arrivals, Limits
from orapo.writing import json_text

LOG: Final = logging.getLogger("orapo.serve")

OPEN_PATHS: Final = ("/", "/judge", "/healthz")
"""Asked for without a token: the pages bring no data, and ask for the token themselves."""
OPEN_FOLDER: Final = "/static/"
UPLOAD_PATHS: Final = ("/v1/reports", "/v1/reports/stream", "/v1/films", "/v1/films/values")
_MOST_DIGITS: Final = 18
"""Of a length; of more than 4,300 Python makes no number at all."""
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}

Observer = Callable[[str, str, int, float], None]
"""Is told of each answer: method, route (never what was asked in it), status, seconds."""


def is_loopback(host: str) -> bool:
    """Say whether a server that listens there can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """ASGI middleware around everything.

    Names: pages of other sites may point their own name at this machine (DNS rebinding), so the
    Host header must be ``localhost``, an address, or a name that the user allowed. Pages of other
    sites may also send requests here; browsers then say so in Origin and Sec-Fetch-Site.

    Args:
        app: What is guarded.
        limits: What is refused.
        token: Who asks must have it; None for nobody need.
        names: Host names that are allowed besides.
        observe: Told of each answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: Limits,
        token: str | None = None,
        names: Collection[str] = (),
        observe: Observer | None = None,
    ) -> None:
        self._app, self._limits, self._observe = app, limits, observe
        self._arrivals = Arrivals(limits.arriving)
        self._token = None if token is None else token.encode()
        self._names = {name.lower() for name in names} | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong below is no more than this request's trouble."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status, anyone = 0, _is_open(scope["path"])

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                kept = [
                    (name, value)
                    for name, value in message.get("headers", [])
                    if name.lower() != b"server"
                ]
                there = {name.lower() for name, _ in kept}
                message["headers"] = kept + [
                    (name.encode(), value.encode())
                    for name, value in _HEADERS.items()
                    if name.encode() not in there
                ]
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                anyone = True
                await _say(answer, *refusal)
            else:
                with ExitStack() as arriving:
                    await self._app(scope, self._measured(scope, receive, arriving), answer)
        except HTTPException as error:
            if not status:
                await _say(answer, error.status_code, str(error.detail), dict(error.headers or {}))
        except Exception as error:
            # Neither the message nor the traceback's values: both may quote what was sent.
            LOG.error("%s in %s", type(error).__name__, _place(error))
            if not status:
                await _say(answer, 500, "something went wrong here; the log has the place")
        finally:
            route = getattr(scope.get("route"), "path", None) or _known(scope["path"])
            seconds = time.perf_counter() - started
            method = scope["method"] if scope["method"] in _METHODS else "other"
            said = {ANYONE: f"{method} {route} {status}"} if anyone else None
            LOG.info("%s %s %s %.3f s", method, route, status or "-", seconds, extra=said)
            if self._observe is not None:
                self._observe(method, route, status, seconds)

    def _refusal(self, scope: Scope) -> tuple[int, str, dict[str, str]] | None:
        """Say why a request is not answered, if so, before any of its body is read."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        if any(len(headers.get(name, [])) > 1 for name in ("host", "origin", "authorization")):
            return 400, "a header stands twice", {}
        host, origin, site, authorization, length = (
            headers.get(name, [""])[0]
            for name in ("host", "origin", "sec-fetch-site", "authorization", "content-length")
        )
        if not self._is_ours(host):
            return 403, "asked for by a name that is not allowed; see --allow-name", {}
        visits = scope["method"] == "GET" and scope["path"] in OPEN_PATHS
        try:
            asked_by = urlsplit(origin).netloc
        except ValueError:
            return 400, "Origin must be an address", {}
        if origin and asked_by.lower() != host.lower():
            return 403, "asked for by a page of another site", {}
        if site not in ("", "same-origin", "none") and not visits:
            return 403, "asked for by a page of another site", {}
        if self._token is not None and not _is_open(scope["path"]):
            kind, _, given = authorization.partition(" ")
            sound = hmac.compare_digest(given.strip().encode("latin-1"), self._token)
            if kind.lower() != "bearer" or not sound:
                return 401, "the token is missing or wrong", {"www-authenticate": "Bearer"}
        if length and not length.isdecimal():
            return 400, "Content-Length must be a number", {}
        if len(length) > _MOST_DIGITS or (length and int(length) > self._most(scope)):
            return 413, self._too_large(scope), {"connection": "close"}
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _most(self, scope: Scope) -> int:
        upload = scope["path"] in UPLOAD_PATHS
        return self._limits.upload_bytes if upload else self._limits.text_bytes

    def _too_large(self, scope: Scope) -> str:
        return f"larger than the limit of {self._most(scope):,} bytes"

    def _measured(self, scope: Scope, receive: Receive, arriving: ExitStack) -> Receive:
        """Count a body's bytes as they come, whatever was announced, and the time they take."""
        left, until, over = self._most(scope), time.monotonic() + self._limits.upload_seconds, False
        arrival: Arrival | None = None

        async def measured() -> Message:
            nonlocal left, over, arrival
            if over:  # now only the end of the connection can come
                return await receive()
            if arrival is None:
                upload = scope["path"] in UPLOAD_PATHS
                arrival = arriving.enter_context(self._arrivals.one_more()) if upload else Arrival()
            seconds = min(until - time.monotonic(), self._limits.silent_seconds)
            try:
                async with arrival.clock(seconds):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(
                    408, "the request took too long to arrive", {"connection": "close"}
                ) from None
            if message["type"] != "http.request":
                return message
            size = len(message.get("body", b""))
            arrival.count(size)
            left -= size
            if left < 0:
                raise HTTPException(413, self._too_large(scope), {"connection": "close"})
            over = not message.get("more_body", False)
            if over:
                arriving.close()
            return message

        return measured


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


def _known(path: str) -> str:
    """Name a path in the log if it is one of ours; others may hold anything."""
    if path in OPEN_PATHS or path in UPLOAD_PATHS:
        return path
    return OPEN_FOLDER if path.startswith(OPEN_FOLDER) else "other"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return ", ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-3:])


async def _say(
    send: Callable[[Any], Any], status: int, detail: str, headers: dict[str, str] | None = None
) -> None:
    body = json_text({"detail": detail}).encode()
    given = {"content-type": "application/json", "content-length": str(len(body))}
    given |= headers or {}
    pairs = [(name.encode(), value.encode()) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
