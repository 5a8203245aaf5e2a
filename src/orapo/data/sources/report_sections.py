"""Free-text reports, cut into the sections that a study keeps.

What is a heading is found by `orapo.facts.forms.sections`, as FactS does. As in MIMIC-CXR's own sectioning, a line
that begins with capitals and a colon begins a section too, whatever its name. Sections that a study doesn't
keep are not findings: doses, calls and signatures below FINDINGS stand in the whole report only.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Final, NamedTuple

from orapo.facts.forms.sections import FILM, Heading, SectionKind
from orapo.facts.forms.sentences import WRAPPED_LINE
from orapo.facts.language.compiler import load_vocabulary

_KEPT: Final = {
    SectionKind.FINDINGS: "findings",
    SectionKind.REPORT: "findings",
    SectionKind.IMPRESSION: "impression",
    SectionKind.INDICATION: "indication",
    SectionKind.HISTORY: "history",
    SectionKind.COMPARISON: "comparison",
}
_BEGINS: Final = re.compile(r"[A-Z]|[-*•] |\d{1,2}[.)] ")
_IN_PROSE: Final = frozenset(
    (
        "CHEST",
        "REPORT",
        "STUDY",
        "DATE",
        "REASON",
        "DOCTOR",
        "SUMMARY",
        "OPINION",
        "EXAM",
        "VIEW",
        "VIEWS",
        "BODY",
        "RESULT",
        "RESULTS",
        "ANSWER",
        "QUESTION",
        "A",
        "Q",
        "PLAN",
        "REQUEST",
    )
)
"""Names that are words of sentences too: headings at the start of a line alone."""
_FINAL: Final = re.compile(r"(?:^|\n)[ \t_]*FINAL REPORT[ \t]*(?=\n|$)")
_LETTERHEAD: Final = re.compile(r"\b(?:FINAL REPORT|PRELIMINARY REPORT)\b")
_SAID: Final = ("findings", "impression")
_BLANK_LINE: Final = re.compile(r"\n[ \t]*\n")


class Sections(NamedTuple):
    """The sections of a free-text report that a study keeps."""

    findings: str = ""
    impression: str = ""
    indication: str = ""
    history: str = ""
    comparison: str = ""


def split_report(text: str) -> Sections:
    """Cut a free-text report into sections at its headers in capitals.

    What stands before the line FINAL REPORT, such as a first reading at night, is no part of it.
    Where a section stands twice, the later part is appended. Below FINDINGS and IMPRESSION, headers
    of what can be seen on a film ("LUNGS:") are part of the section; the first paragraph of other
    ones is left out. What the radiologist had before reporting (indication, history, comparison)
    ends at a blank line: the paragraphs after it are often findings without a header, and must not
    get into a prompt. They are the findings if no header says so; of a report with neither findings
    nor impression, the last paragraph alone is.
    """
    final = list(_FINAL.finditer(text))
    if final and text[final[-1].end() :].strip():
        text = text[final[-1].end() :]
    parts: dict[str, list[str]] = {name: [] for name in Sections._fields}
    headers = [heading for heading in load_vocabulary().headings.find(text) if _begins(heading)]
    ends = [*(header.start for header in headers[1:]), len(text)][: len(headers)]
    loose = _BLANK_LINE.split(text[: headers[0].start] if headers else text)
    apart: list[str] = []
    running: str | None = None
    for header, end in zip(headers, ends, strict=True):
        title = header.title
        content = text[header.body : end].strip()
        running, kept = _sorted(header, running)
        if kept and running in _SAID and header.kind is SectionKind.SEEN and not FILM.search(title):
            content = f"{title}: {content}"
        if kept and running in _SAID:
            parts[running].append(_one_line(content))
            continue
        first, *rest = _BLANK_LINE.split(content)
        if kept and running is not None:
            parts[running].append(_one_line(first))
        elif not header.exact:
            apart.append(first)
        if running in _SAID:  # after a paragraph on something else
            parts[running] += map(_one_line, rest)
        else:
            loose += rest
    loose = [part for part in map(_one_line, loose) if part]
    if not any(parts["findings"]):
        last = [*filter(None, map(_one_line, apart)), *loose][-1:]
        parts["findings"] = loose if any(parts["impression"]) else last
    return Sections(*("\n".join(filter(None, parts[name])) for name in Sections._fields))


def odd_headings(text: str) -> tuple[bool, bool]:
    """Return whether a report has headings that are not known, and whether some are misspelt."""
    found = [heading for heading in load_vocabulary().headings.find(text) if _begins(heading)]
    return (
        any(heading.kind is None for heading in found),
        any(
            heading.exact and " ".join(heading.written.upper().split()) != heading.title
            for heading in found
        ),
    )


def _begins(heading: Heading) -> bool:
    """Whether a heading begins a section: one that is known, or a line in capitals."""
    if heading.exact:
        return heading.at_line or heading.title not in _IN_PROSE
    return heading.at_line and heading.written.isupper()


def _sorted(heading: Heading, running: str | None) -> tuple[str | None, bool]:
    """Return the section that a heading begins or goes on with, and whether its text is part of it."""
    kind = heading.kind
    if kind in _KEPT:
        return _KEPT[kind], True
    if kind is SectionKind.SEEN:
        return (running, True) if running in _SAID else ("findings", True)
    if kind is None and running in _SAID:
        return running, False
    return None, False


def _one_line(text: str) -> str:
    """Return a section as one line, with the end of a sentence where a line that was not wrapped ends."""
    lines = [" ".join(line.split()) for line in _LETTERHEAD.sub(" ", text).split("\n")]
    lines = [line for line in lines if line]
    parts = []
    for line, following in zip_longest(lines, lines[1:], fillvalue=""):
        ends = following and line[-1] not in ".!?:;," and len(line) < WRAPPED_LINE
        parts.append(f"{line}." if ends and _BEGINS.match(following) else line)
    return " ".join(parts)
