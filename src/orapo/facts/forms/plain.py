"""Reports that are sentences alone, as most are: told in a step, so that they are read without any more."""

from __future__ import annotations

import re
from typing import Final

from orapo.facts.forms.sections import BARE_HEADING

ZERO: Final = re.compile(r"[A-Za-z]0(?![0-9.])")
"""A zero that may stand for a letter ("N0 effusion")."""
_SIMPLE: Final = re.compile(r"[A-Za-z0-9 .,;'/%+&\"-]*\Z")
_HINTS: Final = (
    *(" -", "- ", "   ", " yes", " true", " false", " nil", "&amp", "&nbsp", "&#"),
    *(f" {answer}{mark}" for answer in ("no", "none") for mark in ".,;"),
)
"""A text of simple characters in which none of these and of the next stands is sentences alone."""
_PERHAPS: Final = (
    *(
        " one",
        "the left ",
        "the right ",
        "1.",
        "1)",
        "2.",
        "2)",
        "1-",
        "2-",
        " and no",
        " none on",
        " none at",
        " none in",
        " but no",
        "findings ",
    ),
    *(
        "except",
        "other than",
        "apart from",
        "aside from",
        "besides",
        "save for",
        ", small ",
        ", trace ",
    ),
    *(", no left", ", no right", " only ", " just ", "and a ", "but a "),
    *(", tiny ", ", minimal ", ", mild ", ", moderate ", ", large ", "; small ", "; trace "),
    *("impression", "indication", "history ", "comparison ", "technique ", "conclusion "),
)
_LOOKED_INTO: Final = re.compile(
    r"\b[Tt]he (?:left|right) (?:persist|remain|is |has )|1[.)](?=[A-Za-z])|\b[12]-(?=[A-Z])"
    r"|2[.)](?:(?<=[a-z]2.)|(?<=[a-z] 2.))| one (?:on|in|at|is|remains|persists|has)\b| one[.,;]"
    r"| (?:and|but) (?:no|not) (?:left|right)"
    r"|(?:[Ee]xcept|other than|besides|apart from|aside from|save)(?: for)?,? (?:an? |the )?"
    r"(?:trace|tiny|small|minimal|mild|moderate|large|area|focus|pocket|patch|at|on|in)\b"
    r"|(?:left|right)(?:[- ]sided)?, (?:no|not) (?:left|right)"
    r"|(?:and|but|,) none (?:on|at|in)"
    r"|\b(?:and|but) (?:only |just )?(?:an? )?(?:trace|tiny|small|minimal|mild|moderate|large) (?:at|on|in)\b"
    r"|[,;] (?:only |just )?(?:an? )?(?:trace|tiny|small|minimal|mild|moderate|large) (?:at|on|in)\b|"
    + BARE_HEADING.pattern
)
_LAST_ANSWER: Final = (" no", " yes", " none", " nil", " true", " false")


def is_plain(text: str, lowered: str) -> bool:
    """Whether a report is sentences alone, without headings, fields, lists and questions.

    Most are, and are then read without a step more than that takes.

    Args:
        text: The report.
        lowered: The same in lower case.
    """
    if _SIMPLE.match(text) is None or ZERO.search(text):
        return False
    for hint in _HINTS:
        if hint in lowered:
            return False
    for hint in _PERHAPS:
        if hint in lowered and _LOOKED_INTO.search(text):
            return False
    return not lowered.endswith(_LAST_ANSWER)
