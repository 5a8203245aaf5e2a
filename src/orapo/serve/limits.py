"""How much one request may ask for, and how many may wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What is refused, so that no request can take the machine from the others.

    The pixels of a film are limited by `orapo.data.image_files.MAX_PIXELS`, before it is decoded.

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
    model_seconds: float = 300.0
    film_seconds: float = 60.0
    film_side: int = 2048


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

    @contextmanager
    def take(self, seconds_each: float = 1.0) -> Iterator[None]:
        """Hold a place.

        Args:
            seconds_each: What one holder takes; decides what a refused one is told.

        Raises:
            QueueFullError: There is none.
        """
        with self._lock:
            if self._taken >= self._count:
                wait = min(120, max(1, round(seconds_each * self._count / 2)))
                raise QueueFullError(wait)
            self._taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1
