"""Free-text reports, cut into the sections that a study keeps.

As in MIMIC-CXR's own sectioning, a line that begins with capitals and a colon begins a section, and
what radiologists call it is brought to one name. Sections that a study doesn't keep are not
findings: doses, calls and signatures below FINDINGS stand in the whole report only.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# What radiologists call the sections.
_SECTIONS: Final = {
    **dict.fromkeys(
        ("FINDINGS", "FINDING", "FINDINGS AND IMPRESSION", "FINDINGS/IMPRESSION", "FINDINGS & IMPRESSION", "ADDITIONAL FINDINGS", "FRONTAL AND "
         "LATERAL VIEWS OF THE CHEST", "PA AND LATERAL VIEWS OF THE CHEST", "CHEST", "REPORT",
         "PORTABLE CHEST RADIOGRAPH", "FRONTAL CHEST RADIOGRAPH"),
        "findings",
    ),
    **dict.fromkeys(
        ("IMPRESSION", "IMPRESSIONS", "IMPRESSON", "CONCLUSION", "CONCLUSIONS", "SUMMARY",
         "OPINION", "CONCLUSION/IMPRESSION"),
        "impression",
    ),
    **dict.fromkeys(
        ("INDICATION", "INDICATIONS", "REASON FOR EXAM", "REASON FOR EXAMINATION",
         "REASON FOR THE EXAM", "REASON FOR THIS EXAMINATION", "REASON", "CLINICAL INDICATION", "INDICATION/HISTORY"),
        "indication",
    ),
    **dict.fromkeys(
        ("HISTORY", "CLINICAL HISTORY", "CLINICAL INFORMATION", "PATIENT HISTORY"), "history"
    ),
    **dict.fromkeys(
        ("COMPARISON", "COMPARISONS", "COMPARISON STUDY", "REFERENCE EXAM", "PRIOR STUDY"),
        "comparison",
    ),
}  # fmt: skip
# Headers that end a section, whatever else stands in their name.
_OTHERS: Final = frozenset(
    ("EXAMINATION", "EXAM", "TECHNIQUE", "PROCEDURE", "STUDY", "DATE", "TYPE OF EXAMINATION",
     "NOTIFICATION", "NOTIFICATIONS", "RECOMMENDATION", "RECOMMENDATIONS", "RECOMMENDATION(S)",
     "WET READ", "ADDENDUM", "FINAL ADDENDUM", "PREAMBLE", "ATTENDING", "DOCTOR")
)  # fmt: skip
_NAMED: Final = "|".join(
    re.escape(name).replace(r"\ ", r"\s+")
    for name in sorted({*_SECTIONS, *_OTHERS} - {"CHEST", "REPORT", "STUDY", "DATE", "REASON",
                                                 "DOCTOR", "SUMMARY", "OPINION", "EXAM"},
                       key=len, reverse=True)
)  # fmt: skip
# Known names in any case, at the start of a line or of a sentence; anything in capitals at that of
# a line. An addendum has no colon where it stands on a line of its own.
_HEADER: Final = re.compile(
    rf"(?:^|\n|(?<=[.;])\s)[ \t]*((?i:{_NAMED}))\s*:"
    r"|(?:^|\n)[ \t]*([A-Z](?:[A-Z0-9 _()&/,.#-]*(?:[A-Z_)]|\#\s?\d))?)[ \t]*:"
    r"|(?:^|\n)[ \t]*((?:FINAL )?ADDENDUM)[ \t]*(?=\n|$)",
)
# "CHEST, 2 VIEWS:", "PORTABLE AP CHEST:": what follows was seen on the film
_FILM: Final = re.compile(
    r"\b(?:CHEST|VIEWS?|RADIOGRAPHS?|FILMS?|PORTABLE|X-?RAY|AP|PA|LATERAL|FRONTAL|UPRIGHT|SUPINE)\b"
)
# "LUNGS:", "RIGHT PLEURA:", "LINES AND TUBES:": parts of a findings section
_SEEN: Final = re.compile(
    r"\b(?:LUNGS?|PULMONARY|PARENCHYMA\w*|HEART|CARDIAC|CARDIO(?:MEDIASTIN|VASCUL)\w*|MEDIASTIN\w*"
    r"|HIL(?:A|AR|UM)|PLEURA\w*|BONES?|BONY|OSSEOUS|SKELET\w*|MUSCULO\w*|SPINE|RIBS?|TISSUES?"
    r"|\w*DIAPHRAGM\w*|ABDOM\w*|AIRWAYS?|TRACHEA\w*|AORT\w*|VASC\w*|VESSELS?|LINES?|TUBES?"
    r"|CATHETERS?|DEVICES?|HARDWARE|LEADS?|PACE\w*|SUPPORT|THORA\w*|NECK|LOBES?|BASES?|APEX|APICES"
    r"|EFFUSIONS?|PNEUMO\w*|EDEMA|OPACIT\w*|CONSOLIDATIONS?|ATELECTASIS|NODULES?|MASS(?:ES)?"
    r"|FRACTURES?|RIGHT|LEFT|OTHERS?)\b"
)
# Of longer names, the first that stands in them: "CLINICAL INDICATION FOR CHEST FILM".
_WORDS: Final = (
    (re.compile(r"\b(?:IMPRESSION|CONCLUSION)S?\b"), "impression"),
    (re.compile(r"\bFINDINGS?\b"), "findings"),
    (re.compile(r"\b(?:INDICATIONS?|REASON|QUESTIONS?)\b"), "indication"),
    (re.compile(r"\b(?:HISTORY|CLINICAL|DIAGNOSIS)\b"), "history"),
    (re.compile(r"\bCOMPARISONS?\b"), "comparison"),
    (re.compile(r"\b(?:TECHNIQUE|EXAM(?:INATION)?|PROCEDURE|DATE|TIME|ADDENDUM|WET READ)\b"), None),
)
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
    headers = list(_HEADER.finditer(text))
    ends = [*(header.start() for header in headers[1:]), len(text)][: len(headers)]
    loose = _BLANK_LINE.split(text[: headers[0].start()] if headers else text)
    apart: list[str] = []
    running: str | None = None
    for header, end in zip(headers, ends, strict=True):
        title = " ".join((header[1] or header[2] or header[3]).upper().split())
        content = text[header.end() : end].strip()
        running, kept = _sorted(title, running)
        if kept and running in _SAID and _SEEN.search(title) and not _FILM.search(title):
            content = f"{title}: {content}"
        if kept and running in _SAID:
            parts[running].append(_one_line(content))
            continue
        first, *rest = _BLANK_LINE.split(content)
        if kept and running is not None:
            parts[running].append(_one_line(first))
        elif title not in _OTHERS:
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


def _sorted(title: str, running: str | None) -> tuple[str | None, bool]:
    """Return the section that a header begins or goes on with, and whether its text is part of it."""
    if title in _SECTIONS:
        return _SECTIONS[title], True
    if title in _OTHERS:
        return None, False
    for word, section in _WORDS:
        if word.search(title) and not (section is None and _FILM.search(title)):
            return section, section is not None
    seen = bool(_FILM.search(title) or _SEEN.search(title))
    if running in _SAID:
        return running, seen
    return ("findings", True) if seen else (None, False)


def _one_line(text: str) -> str:
    return " ".join(_LETTERHEAD.sub(" ", text).split())
