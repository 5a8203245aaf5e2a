"""A text written anew in places, and where each of its characters stood before.

Reading works on a clean copy of a report; facts and sentences point into the report as given.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from typing import Final, Self

_INDENT: Final = 40
"""White space that may stand before a line."""


class Rewritten:
    """A text made of kept and of replaced stretches of another.

    Attributes:
        text: The new text.
    """

    __slots__ = ("_at", "_kept", "_spans", "text")

    def __init__(
        self, text: str, at: list[int], spans: list[tuple[int, int]], kept: list[bool]
    ) -> None:
        self.text = text
        self._at, self._spans, self._kept = at, spans, kept

    @classmethod
    def unchanged(cls, text: str) -> Self:
        """Return a text of which every character stands where it stood."""
        return cls(text, [0], [(0, len(text))], [True])

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Return where a stretch of the new text stood in the old one.

        Args:
            start: Its first character.
            end: One past its last character; at least ``start``.

        Returns:
            The same of the old text. A replaced stretch counts as a whole.
        """
        if len(self._at) == 1 and self._kept[0] and not self._spans[0][0]:
            return start, end
        first = max(0, bisect_right(self._at, start) - 1)
        last = max(first, bisect_right(self._at, max(start, end - 1)) - 1)
        begin = self._spans[first][0]
        if self._kept[first]:
            begin += start - self._at[first]
        stop = self._spans[last][1]
        if self._kept[last]:
            stop = self._spans[last][0] + end - self._at[last]
        return begin, max(begin, stop)


class Rewriter:
    """Builds a `Rewritten` from left to right.

    Args:
        source: The old text.
    """

    __slots__ = ("_at", "_kept", "_length", "_parts", "_spans", "done", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self.done = 0
        """How much of the old text is dealt with."""
        self._parts: list[str] = []
        self._length = 0
        self._at: list[int] = []
        self._spans: list[tuple[int, int]] = []
        self._kept: list[bool] = []

    def keep_to(self, end: int) -> None:
        """Keep all up to a place of the old text."""
        if end > self.done:
            self._add(self.source[self.done : end], self.done, end, True)
            self.done = end

    def drop_to(self, end: int) -> None:
        """Leave out all up to a place of the old text."""
        self.done = max(self.done, end)

    def put(self, text: str, end: int | None = None) -> None:
        """Write other text in place of all up to ``end``; None: of nothing."""
        stop = self.done if end is None else max(end, self.done)
        if text:
            self._add(text, self.done, stop, False)
        self.done = stop

    def ends_with(self, suffix: str) -> bool:
        """Whether what is written so far ends so; the beginning of the text ends with a new line."""
        for part in reversed(self._parts):
            if part:
                return part.endswith(suffix)
        return suffix == "\n"

    def at_line_start(self) -> bool:
        """Whether the line of the text that is reached is blank so far."""
        line = self.source[max(0, self.done - _INDENT) : self.done].rpartition("\n")
        return not line[2].strip() and (bool(line[1]) or self.done <= _INDENT)

    def _add(self, text: str, start: int, end: int, kept: bool) -> None:
        self._at.append(self._length)
        self._spans.append((start, end))
        self._kept.append(kept)
        self._parts.append(text)
        self._length += len(text)

    def finish(self) -> Rewritten:
        """Keep the rest and return the whole."""
        self.keep_to(len(self.source))
        if not self._at:
            return Rewritten("", [0], [(0, 0)], [False])
        return Rewritten("".join(self._parts), self._at, self._spans, self._kept)


def substituted(
    text: str, pattern: re.Pattern[str], written: Callable[[re.Match[str]], str]
) -> Rewritten:
    """Return a text with something else in place of every match, as `re.sub` does."""
    rewriter = Rewriter(text)
    for match in pattern.finditer(text):
        rewriter.keep_to(match.start())
        rewriter.put(written(match), match.end())
    return rewriter.finish()
