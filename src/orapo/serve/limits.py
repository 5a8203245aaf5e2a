"""How much one request may ask for, and how many may wait."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What is refused, so that no request can take the machine from the others.

    The pixels of a film are limited by `orapo.data.films.image_files.MAX_PIXELS`, before it is decoded.

    Attributes:
        upload_bytes: All of a request with films.
        text_bytes: All of any other request.
        characters: Of a report or a reference.
        films: Of one study.
        samples: Of one study.
        new_tokens: Longest report, in tokens.
        queue: Studies that wait for the model beside the one that it writes; films that wait to be
            read, likewise.
        upload_seconds: A request must have arrived by then.
        silent_seconds: Its sender may say nothing for so long.
        arriving: Uploads that are on their way; if there are more, the slowest gives way.
        model_seconds: A report is cut off by then.
        film_seconds: The films of a study must be read by then, counted apart from the writing.
        film_side: Longest side of a film as the page gets it, in pixels.
    """

    upload_bytes: int = 64 * 2**20
    text_bytes: int = 2**20
    characters: int = 20_000
    films: int = 8
    samples: int = 16
    new_tokens: int = 256
    queue: int = 8
    upload_seconds: float = 60.0
    silent_seconds: float = 10.0
    arriving: int = 36
    model_seconds: float = 300.0
    film_seconds: float = 60.0
    film_side: int = 4608


class QueueFullError(Exception):
    """All places are taken.

    Args:
        seconds: After which a client may ask again.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"all places are taken; ask again in {seconds} s")
        self.seconds = seconds


class Places:
    """A fixed number of places; who finds none is sent away at once.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """How many are taken now."""
        return self._taken

    def check(self, seconds_each: float = 1.0) -> None:
        """Look whether there is a place, and take none.

        Args:
            seconds_each: What one holder takes; decides what a refused one is told.

        Raises:
            QueueFullError: There is none.
        """
        if self._taken >= self._count:
            raise QueueFullError(min(120, max(1, round(seconds_each * self._count / 2))))

    @contextmanager
    def take(self, seconds_each: float = 1.0) -> Iterator[None]:
        """Hold a place; see `check`."""
        with self._lock:
            self.check(seconds_each)
            self._taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1


class Arrival:
    """An upload that is on its way."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._bytes = 0
        self._clock: asyncio.Timeout | None = None
        self._gives_way = False

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    @property
    def speed(self) -> float:
        """Bytes a second so far."""
        return self._bytes / max(self.age, 1e-3)

    def clock(self, seconds: float) -> asyncio.Timeout:
        """Return what its next part is waited for in; it strikes at once if the upload gives way."""
        self._clock = asyncio.timeout(-1.0 if self._gives_way else max(0.0, seconds))
        return self._clock

    def count(self, size: int) -> None:
        """Note that so many bytes came."""
        self._bytes += size
        self._clock = None

    def give_way(self) -> None:
        """End it."""
        self._gives_way = True
        if self._clock is not None:
            with suppress(RuntimeError):  # it has struck already
                self._clock.reschedule(-1.0)


class Arrivals:
    """Uploads that are on their way, outside of the queue: who stalls keeps nobody out.

    Args:
        count: How many; the slowest gives way to a new one once it had `patience`.
        patience: In seconds.
    """

    def __init__(self, count: int, patience: float = 2.0) -> None:
        self._count, self._patience = count, patience
        self._there: list[Arrival] = []

    @contextmanager
    def one_more(self) -> Iterator[Arrival]:
        """Follow an upload.

        Raises:
            QueueFullError: There is no room, and all have just begun.
        """
        if len(self._there) >= self._count:
            old = [one for one in self._there if one.age > self._patience]
            if not old:
                raise QueueFullError(round(self._patience))
            slowest = min(old, key=lambda one: one.speed)
            self._there.remove(slowest)
            slowest.give_way()
        arrival = Arrival()
        self._there.append(arrival)
        try:
            yield arrival
        finally:
            if arrival in self._there:
                self._there.remove(arrival)
