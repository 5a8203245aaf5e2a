"""HL7 version 2 messages -> lines: what each observation is about, and its value."""

from __future__ import annotations

import itertools
import re
from typing import Final

from orapo.facts.clean_text.rewriting import Rewriter, Rewritten
from orapo.facts.forms.items import Place

MESSAGE: Final = re.compile(r"(?<![^\r\n])[ \t]*OBX\|")
"""A text in which this finds nothing is no such message."""
_SEGMENT: Final = re.compile(r"(?<![^\r\n])[ \t]*(?P<kind>[A-Z][A-Z0-9]{2})\|[^\r\n]*")
_LINE_BREAK: Final = re.compile(r"\\\.br\\|~")
_LETTERS: Final = re.compile(r"[A-Za-z]{2}")
_NAME, _VALUE, _COMMENT = 3, 5, 3
"""Fields of an observation, and of a note."""


def message(text: str) -> Rewritten:
    """Return a message's observations and notes as lines; who and when is left out.

    Args:
        text: As given, with its segments on lines of their own.
    """
    writer = Rewriter(text)
    for segment in _SEGMENT.finditer(text):
        writer.keep_to(segment.start())
        fields = _places(text, segment.start(), segment.end(), "|")
        if segment["kind"] == "OBX" and len(fields) > _VALUE:
            name = _said(text, fields[_NAME], coded=True)
            value = _said(text, fields[_VALUE], coded="^" in text[slice(*fields[_VALUE])])
            if value[0] < value[1]:
                if _LETTERS.search(text, *name):
                    _keep(writer, name)
                    writer.put(": ")
                _keep(writer, value)
        elif segment["kind"] == "NTE" and len(fields) > _COMMENT:
            _keep(writer, fields[_COMMENT])
        writer.drop_to(segment.end())
    return writer.finish()


def _places(text: str, start: int, end: int, mark: str) -> list[Place]:
    """Return where each part between marks begins and ends."""
    edges = [start - 1, *(at for at in range(start, end) if text[at] == mark), end]
    return [(left + 1, right) for left, right in itertools.pairwise(edges)]


def _said(text: str, place: Place, *, coded: bool) -> Place:
    """Return the words of a field: of a code, its text."""
    if not coded:
        return place
    parts = _places(text, *place, "^")
    return next((part for part in parts[1:2] if _LETTERS.search(text, *part)), parts[0])


def _keep(writer: Rewriter, place: Place) -> None:
    writer.drop_to(place[0])
    for match in _LINE_BREAK.finditer(writer.source, *place):
        writer.keep_to(match.start())
        writer.put("\n", match.end())
    writer.keep_to(place[1])
