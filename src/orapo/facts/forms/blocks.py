"""Stretches of lines that belong together, and the names that stand above them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from orapo.facts.forms.items import Place


class Block(NamedTuple):
    """Lines that belong together.

    Attributes:
        start: Their first character, behind a list's mark.
        end: One past their last.
        indent: White space before them.
        marked: Whether they are an entry of a list.
        named: Whether they begin with a field's name.
        after_blank: Whether an empty line stands above them.
        prose: Whether a sentence ends within them.
        numbered: Whether a number marks the entry.
    """

    start: int
    end: int
    indent: int
    marked: bool
    named: bool
    after_blank: bool
    prose: bool
    numbered: bool


class Parent:
    """A field whose answers stand on the lines below it.

    Args:
        place: Its name.
        block: The lines that it stands in.
    """

    __slots__ = ("indent", "listed", "marked", "numbered", "place", "used")

    def __init__(self, place: Place, block: Block) -> None:
        self.place, self.indent = place, block.indent
        self.marked, self.numbered = block.marked, block.numbered
        self.used = self.listed = False


def line_places(text: str, start: int, end: int) -> Iterator[Place]:
    """Yield where each line of a stretch begins and ends."""
    while start <= end:
        stop = text.find("\n", start, end)
        stop = end if stop < 0 else stop
        yield start, stop
        start = stop + 1
