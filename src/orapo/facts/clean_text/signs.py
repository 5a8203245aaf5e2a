"""Signs that stand before what they are said of, in one line: "neg edema, pos effusion", "-PTX +Eff".

Each entry becomes a line with a box of its own ("[-] edema"); signs that stand behind become answers.
"""

from __future__ import annotations

import re
from typing import Final

from orapo.facts.clean_text.rewriting import Rewriter, Rewritten, substituted

SIGNED: Final = re.compile(
    r"(?<![^\s(/,;:|])[+-][A-Za-z]|\([+-]\)|[+-]\s?ve\b|\b(?:pos|neg)\b|\b(?:positive|negative) (?!for)",
    re.IGNORECASE,
)
"""A line in which this finds nothing has no such sign."""
_MARK: Final = re.compile(
    r"""
    (?<![^\s(/,;:|])
    (?: \((?P<round>[+-])\)
      | (?P<ve>[+-])\s?ve\b\.?
      | (?P<short>pos|neg)\b(?!\.?\s+of\b)\.?
      | (?P<word>positive|negative)(?=\s+[A-Za-z])(?!\s+(?:for|finding|pressure|predictive|stud|exam|chest|film)\w*\b)
      | (?P<glued>[+-])(?=[A-Za-z])
    )
    (?:[ \t]+for\b(?=[ \t]))?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ENDS_ENTRY: Final = re.compile(r"[ \t]*(?:[,;./|)]|\Z|and\b)")
_FILM: Final = re.compile(
    r"[ \t]*(?:cxr|chest(?: x-?ray| film| radiograph)?|x-?ray|film|xr|findings|impression)[ \t]*\Z",
    re.IGNORECASE,
)
_NEAR: Final = 8
_SEPARATORS: Final = " \t,;/|"
_REST: Final = re.compile(
    r"\b(?:otherwise|rest|remainder|else|culture|test|covid|bnp|troponin|pcr)(?: (?:is|are|was))?[ \t]*\Z",
    re.IGNORECASE,
)
"""What a sign behind it is not said of a finding."""
_DENIES: Final = re.compile(r"(?:no|not|without|none)\b", re.IGNORECASE)
_UNMET: Final = re.compile(
    r"(?<![^\n])[ \t]*(?:[-*][ \t]+)?[A-Za-z][^:\n]{1,60}:[ \t]*(--?)[ \t]*(?=\n|\Z)"
)
_SAME_SIGN: Final = re.compile(
    r"(?!.*\b(?:normal|clear|unremarkable|intact|no|not|without)\b)\s*(?:[A-Za-z][A-Za-z /]{1,60}[ \t](?P<sign>[+-])[ \t]*\n\s*)(?:[A-Za-z][A-Za-z /]{1,60}[ \t](?P=sign)[ \t]*(?:\n\s*|\Z))+",
    re.IGNORECASE | re.DOTALL,
)
_LAST_SIGN: Final = re.compile(r"[ \t]+([+-])(?=[ \t]*(?:\n|\Z))")
_MET: Final = re.compile(r":[ \t]*[^\s-]|:[ \t]*--?[ \t]*[^\s-]|:[ \t]*---")


def signed(text: str) -> Rewritten | None:
    """Return a text with every signed entry on a line of its own; None if nothing is signed.

    Args:
        text: With typography resolved.
    """
    writer = Rewriter(text)
    changed = False
    start = 0
    while start <= len(text):
        stop = text.find("\n", start)
        stop = len(text) if stop < 0 else stop
        if SIGNED.search(text, start, stop):
            changed |= _line(writer, text[start:stop], start)
        start = stop + 1
    return writer.finish() if changed else None


def empty_minus(text: str) -> Rewritten | None:
    """Return a text in which every field, and more than one, is answered by a minus, as denials."""
    fields = list(_UNMET.finditer(text))
    if len(fields) < 2 or _MET.search(text):
        return None
    writer = Rewriter(text)
    for field in fields:
        writer.keep_to(field.start(1))
        writer.put("(-)", field.end(1))
    return writer.finish()


def same_sign(text: str) -> Rewritten | None:
    """Return a text in which every line, and more than one, is a name and one and the same sign, as fields."""
    if not _SAME_SIGN.fullmatch(text):
        return None
    return substituted(text, _LAST_SIGN, lambda match: f" ({match[1]})")


def _line(writer: Rewriter, line: str, start: int) -> bool:
    marks = list(_MARK.finditer(line))
    ahead = [mark for mark in marks if not _ENDS_ENTRY.match(line, mark.end())]
    if not marks or 0 < len(ahead) < len(marks):
        return False
    if ahead:
        return _entries(writer, line, start, marks)
    changed = False
    if ":" in line and len(marks) < line.count(",") + line.count(";") + 1:
        return False  # "Edema: mild, culture neg"
    for mark in marks:
        before = line[max(0, mark.start() - _NEAR) : mark.start()].rstrip()
        if mark["round"] or not before or not (before[-1].isalpha() or before[-1] == ")"):
            continue
        if _REST.search(line, 0, mark.start()):
            continue
        writer.keep_to(start + mark.start())
        sign = _sign(mark)
        full = "positive" if sign == "+" else "negative"
        writer.put(full if ":" in line else f"({sign})", start + mark.end())
        changed = True
    return changed


def _entries(writer: Rewriter, line: str, start: int, marks: list[re.Match[str]]) -> bool:
    signs = {_sign(mark) for mark in marks}
    firsts = [_begins_entry(line, mark.start()) for mark in marks]
    bullets = False
    lead = firsts[0] or _FILM.match(line[: marks[0].start()]) is not None
    strong = any(mark["short"] or mark["ve"] for mark in marks)
    if all(mark["word"] for mark in marks):
        # "positive edema, negative effusion"; "a negative chest" is prose
        if len(signs) < 2 or not all(firsts):
            return False
    elif not strong and all(mark["glued"] for mark in marks):
        # "-PTX -Eff"; "-No edema -Effusion" are bullets
        denied = any(_DENIES.match(line, mark.end()) for mark in marks)
        if len(signs) < 2 and (signs == {"+"} or len(marks) < 2 or not lead):
            return False
        bullets = denied and signs == {"-"}
    elif not strong and not lead:
        return False
    for number, mark in enumerate(marks):
        begin = mark.start()
        while begin and line[begin - 1] in _SEPARATORS:
            begin -= 1
        writer.keep_to(start + (begin if number or begin else mark.start()))
        writer.put("\n" if begin else "", start + mark.start())
        writer.put("- " if bullets else f"[{_sign(mark)}] ", start + mark.end())
        while writer.done < start + len(line) and line[writer.done - start] in " \t":
            writer.drop_to(writer.done + 1)
    return True


def _begins_entry(line: str, at: int) -> bool:
    """Whether a place is where an entry of a list begins."""
    while at and line[at - 1] in " \t":
        at -= 1
    return (
        not at
        or line[at - 1] in ",;:./|("
        or (at < _NEAR and not line[:at].strip(" \t-*•0123456789)"))
    )


def _sign(mark: re.Match[str]) -> str:
    said = mark["round"] or mark["ve"] or mark["glued"] or mark["short"] or mark["word"]
    return "+" if said[0] in "+pP" else "-"
