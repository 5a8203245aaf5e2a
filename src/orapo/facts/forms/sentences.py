"""Report text -> sentences, and which of them speak of the films.

Radiology text is dictated: lists are numbered, lines are wrapped or stand for sentences, full stops
lack a space behind them, and headings such as ``INDICATION:`` open text that is no finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_ABBREVIATIONS: Final = frozenset(
    {"vs", "dr", "drs", "mr", "mrs", "ms", "approx", "e.g", "i.e", "incl", "resp", "st", "inf"}
    | {"sup", "ant", "post", "lat", "bilat", "prob", "poss", "fig"}
)
_BREAK: Final = re.compile(
    r"""
    [.!?\n](?:                                # most characters end here; those behind it look back
      (?<=[.!])(?<![.!].)(?<!\b[a-z].)(?<!\b[A-Z].)(?:(?<=[a-z]{7}.)(?P<end>)|(?P<stop>))
      [.!]*(?=\s|$|["')\]])                   # "... clear. " but not "C. diff"
    | (?<=[a-z)]\.)(?=[A-Z][a-z]|A[ ][a-z])    # "clear.Heart", "clear.A nodule"
    | (?<=[a-z]{4}\.)(?=[A-Z]{2,}\b)          # "clear.ETT in place"
    | (?<=\w\?)\?*(?=\s|$)                    # "pneumonia? "
    | (?<=\n)[ \t\r]*\n\s*                    # an empty line
    | (?<=\n)(?=[ \t]*(?:\d{1,2}[.)]\s|[-*•]\s|[A-Z][A-Za-z/ ]{2,40}:))  # a list item or a heading
    | (?<=\n)(?P<line>)(?=[ \t]*[A-Z0-9])     # a line, if the one before is short
    )
    """,
    re.VERBOSE,
)
_LEAD: Final = re.compile(r"""[\s"'\])*•·>#-]*(?:\(?\d{1,2}[.)](?=\s|[A-Za-z])\s*)?[\s*•·-]*""")
_WORD: Final = re.compile(r"[^\W_]|_\b")
_HEADING: Final = re.compile(r"([A-Za-z][A-Za-z/ ]{1,40}?)\s*:")
WRAPPED_LINE: Final = 60
"""A line shorter than this that is followed by a capital letter was not wrapped; it ended."""


class Span(NamedTuple):
    """A sentence's place in the report; ``body`` is where its text begins behind a heading."""

    start: int
    body: int
    end: int
    heading: str | None


def split_sentences(text: str) -> Iterator[Span]:
    """Yield the sentences of a report, in order; time is linear in the text's length."""
    start = line_start = 0
    for match in _BREAK.finditer(text):
        at, kind = match.start(), match.lastgroup
        if kind == "end":  # of a word that is longer than any abbreviation
            pass
        elif kind == "line":
            length = at - max(line_start, start)
            line_start = match.end()
            if length >= WRAPPED_LINE:
                continue
        elif kind == "stop":
            words = text[max(start, at - 10) : at].split()
            word = words[-1].lower() if words else ""
            if word in _ABBREVIATIONS and match.end() < len(text):
                continue
            # "1." opens a list item; it is not the end of a sentence
            if word[-1:].isdecimal() and text[start:at].strip(" \t\r\n(0123456789") == "":
                continue
        end = match.end()
        span = _span(text, start, end)
        if span is not None:
            yield span
        start = end
        if kind is None and "\n" in match.group():
            line_start = start
    span = _span(text, start, len(text))
    if span is not None:
        yield span


def _span(text: str, start: int, end: int) -> Span | None:
    if start < end and text[start] == " ":
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start == end:
        return None
    if not text[start].isalpha():  # mostly it is, and then there is a word and nothing before it
        lead = _LEAD.match(text, start, end)
        start = lead.end() if lead else start
        if start == end or _WORD.search(text, start, end) is None:
            return None
    heading = _HEADING.match(text, start, end) if text.find(":", start, end) >= 0 else None
    if heading is None:
        return Span(start, start, end, None)
    return Span(start, heading.end(), end, " ".join(heading[1].lower().split()))
