"""Connections have an end: uvicorn's own protocol, with deadlines and a number of places.

uvicorn 0.54 has no deadline for a request's head or for an answer that nobody takes, and counts
connections only where a request is complete (`limit_concurrency`). hypercorn 0.18 has the first and
neither of the others; granian 2.8 has the first too, and loads the application in processes of its
own. So uvicorn stays, and gets what it lacks by its option `http`, which takes a protocol's class.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from orapo.errors import OrapoError

try:
    import resource
except ModuleNotFoundError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

LOG: Final = logging.getLogger("orapo.serve.connections")
_LOOKS_EVERY: Final = 1.0
_SILENT: Final = 1.0
_FEWEST: Final = 4
_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 10\r\n"
    b"content-type: application/json\r\ncontent-length: 44\r\n\r\n"
    b'{"detail": "all connections are in use now"}'
)


@dataclass(frozen=True)
class Bounds:
    """What connections may take.

    Attributes:
        connections: Open at a time.
        of_an_address: Of them, from one address.
        head_seconds: A request's head must have arrived by then, counted from the connection or
            from the end of the answer before.
        send_seconds: An answer must be taken by then: what waits to be sent may be over the mark of
            the transport (64 KiB) for as long, and be there at all for as long after its end.
    """

    connections: int = 256
    of_an_address: int = 128
    head_seconds: float = 10.0
    send_seconds: float = 60.0


class BoundedProtocol(H11Protocol):
    """One connection.

    Where there is no room for a new one, the one that has waited longest for its client gives way:
    it has sent no whole head, or has stopped in the midst of a body. If all are being answered, the
    new one gets 503.

    Args:
        bounds: What it may take.
        given: For uvicorn's protocol.
        named: For uvicorn's protocol.
    """

    def __init__(self, bounds: Bounds, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._bounds = bounds
        self._free_since = self._heard = self.loop.time()
        self._stuck_since: float | None = None
        self._clock: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        """Where the client is."""
        return self.client[0] if self.client else ""

    def waits_since(self) -> float | None:
        """Return since when it waits for its client; None if the client waits for it."""
        if self.cycle is None or self.cycle.response_complete:
            return self._free_since
        silent = self.loop.time() - self._heard > _SILENT
        return self._heard if self.cycle.more_body and silent else None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, if there is room or another gives way."""
        super().connection_made(transport)
        self._clock = self.loop.call_later(_LOOKS_EVERY, self._look)
        everyone = [one for one in self.connections if isinstance(one, BoundedProtocol)]
        neighbours = [one for one in everyone if one.address == self.address]
        for those, most in (
            (neighbours, self._bounds.of_an_address),
            (everyone, self._bounds.connections),
        ):
            there = [one for one in those if one in self.connections]
            if len(there) > most and not self._makes_room(there):
                return

    def _makes_room(self, there: list[BoundedProtocol]) -> bool:
        waiting = [
            (since, place)
            for place, one in enumerate(there)
            if one is not self and (since := one.waits_since()) is not None
        ]
        if waiting:
            LOG.warning("connections are full: those that wait for their clients give way")
            there[min(waiting)[1]].drop()
            return True
        LOG.warning("connections are full, and all are being answered: new ones are refused")
        self.connections.discard(self)
        self.transport.write(_FULL)
        self.transport.close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self._clock is not None:
            self._clock.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._heard = self.loop.time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._free_since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Note since when the client takes nothing."""
        self._stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Go on."""
        self._stuck_since = None
        super().resume_writing()

    def drop(self) -> None:
        """End it now, whatever waits to be sent; `transport.close` would wait for the client."""
        self.connections.discard(self)
        self.transport.abort()

    def _look(self) -> None:
        now = self.loop.time()
        free = self.cycle is None or self.cycle.response_complete
        unsent = self.transport.get_write_buffer_size() > 0
        stuck_since = self._free_since if free and unsent else self._stuck_since
        if stuck_since is not None and now - stuck_since > self._bounds.send_seconds:
            LOG.warning("a client did not take its answer in time: its connection is ended")
            self.drop()
        elif free and not unsent and now - self._free_since > self._bounds.head_seconds:
            LOG.warning("a request's head did not arrive in time: its connection is ended")
            self.drop()
        else:
            self._clock = self.loop.call_later(_LOOKS_EVERY, self._look)


def that_fit(asked: int) -> tuple[int, int]:
    """Return how many connections the limit of open files (``ulimit -n``) has room for.

    asyncio accepts as many as its backlog in one turn, and a refused one is closed some turns later:
    that, and the files of uploads and decoders, must fit beside those that are kept.

    Args:
        asked: At most so many.

    Returns:
        Connections, and the backlog.

    Raises:
        OrapoError: There is no room.
    """
    if resource is None:
        return asked, 64
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most == resource.RLIM_INFINITY:
        return asked, 64
    try:
        now = len(os.listdir("/proc/self/fd"))
    except OSError:
        now = 32
    backlog = max(8, min(64, most // 16))
    room = most - now - 4 * backlog - min(64, most // 4)
    if room < _FEWEST:
        raise OrapoError(
            f"{most} open files (ulimit -n) leave no room for connections: allow at least "
            f"{most + _FEWEST - room + 32}"
        )
    return min(asked, room), backlog


ANYONE: Final = "anyone"
"""Attribute of a log's record that anyone can cause who has no token; its value is the same for all that
count as one."""


class OnceAMinute(logging.Filter):
    """Lets a line that anyone can cause through once a minute, without its traceback.

    Those are the lines of the server's libraries, and those about requests that are marked `ANYONE`.

    What anyone can cause without a token must not fill the disk: a broken request, a connection
    that is ended, an `accept` without files to spare (asyncio logs that up to its backlog times a
    turn).

    Args:
        seconds: Between two of the same.
    """

    NAMES: Final = ("uvicorn", "asyncio", LOG.name)

    def __init__(self, seconds: float = 60.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._said: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether it goes through."""
        line = (record.getMessage().splitlines() or [""])[0]
        kind = getattr(record, ANYONE, None)
        if kind is None:
            if not record.name.startswith(self.NAMES):
                return True
            kind = line[:60]
        now = time.monotonic()
        when, swallowed = self._said.get(kind, (-self._seconds, 0))
        if now - when < self._seconds:
            self._said[kind] = (when, swallowed + 1)
            return False
        if len(self._said) > 100:  # lines that differ each time are no reason to grow either
            self._said.clear()
        self._said[kind] = (now, 0)
        error = (
            "" if record.exc_info is None else f" ({getattr(record.exc_info[0], '__name__', '')})"
        )
        more = f" ({swallowed:,} more like it since)" if swallowed else ""
        record.msg, record.args = line[:300] + error + more, ()
        record.exc_info = record.exc_text = record.stack_info = None
        return True
