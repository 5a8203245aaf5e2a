"""Which rib or vertebra a sentence speaks of: "T7", "the right fifth through seventh ribs"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_ORDINALS: Final = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
)  # fmt: skip
_FIRST_OF: Final = {"c": 0, "t": 7, "l": 19}
"""Vertebrae before the first of each part of the spine."""
_MOST_OF: Final = {"c": 7, "t": 12, "l": 5}
_VERTEBRA: Final = re.compile(
    r"(?<![\w-])([ctl])-?(\d{1,2})(?:(?:-|–|/)[ctl]?(\d{1,2}))?(?!\w|\.\d)"
)
_NTH: Final = rf"(?:\d{{1,2}}(?:st|nd|rd|th)|{'|'.join(_ORDINALS)})"
_RIB: Final = rf"(?:{_NTH}|\d{{1,2}})"
_JOIN: Final = r"(?:\s*(?:,|-|–|to|and|through|thru)\s*)+"
_RIBS: Final = re.compile(
    rf"\b((?:{_RIB}{_JOIN})*{_NTH})\s+(?:(?:left|right|lateral|posterior|anterior|posterolateral)\s+)*ribs?\b"
    rf"|\bribs?\s+(?:number\s+)?({_RIB}(?:{_JOIN}{_RIB})*)(?!\s*(?:mm|cm|%))\b"
)
_ONE: Final = re.compile(rf"({_RIB})(\s*(?:-|–|to|through|thru)\s*(?={_RIB}))?")


class Level(NamedTuple):
    """A rib or vertebra, numbered from above, and where it stands in the text."""

    bone: str
    number: int
    start: int
    end: int


def levels_in(text: str) -> Iterator[Level]:
    """Yield the ribs and vertebrae that a sentence in lower case names by their number."""
    for match in _VERTEBRA.finditer(text):
        part, first = match[1], int(match[2])
        last = int(match[3]) if match[3] else first
        if 1 <= first <= _MOST_OF[part]:
            for number in {first, last}:
                yield Level("vertebra", _FIRST_OF[part] + number, *match.span())
    if "rib" not in text:
        return
    for match in _RIBS.finditer(text):
        since: int | None = None
        for one in _ONE.finditer(match[1] or match[2]):
            number = _number(one[1])
            for each in range(number if since is None else since + 1, number + 1):
                if each <= len(_ORDINALS):
                    yield Level("rib", each, *match.span())
            since = number if one[2] else None


def _number(word: str) -> int:
    if word in _ORDINALS:
        return _ORDINALS.index(word) + 1
    return int(re.sub(r"\D", "", word))
