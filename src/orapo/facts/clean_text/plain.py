"""Reports that are sentences alone, as most are: told in a step, so that they are read without any more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from orapo.facts.clean_text.lines import DICTATED
from orapo.facts.forms.sections import BARE_HEADING

ZERO: Final = re.compile(r"[A-Za-z]0(?![0-9.])")
"""A zero that may stand for a letter ("N0 effusion")."""
_SIMPLE: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,;'/%+&()\"-"
_HINTS: Final = (
    *(
        " -",
        "- ",
        "   ",
        "yes",
        "true",
        "false",
        "answer is",
        " nil",
        "&amp",
        "&lt",
        "&nbsp",
        "&#",
        "...",
        "-,",
        "-;",
        "/no",
        "/ no ",
        "/ without ",
        "/yes",
    ),
    *(f" {answer}{mark}" for answer in ("no", "none") for mark in ".,;"),
)
"""A text of simple characters in which none of these and of the next stands is sentences alone."""
_SIZED: Final = r"(?:trace|tiny|small|minimal|mild|moderate|large)"
_EXCEPT: Final = (
    "except",
    "other than",
    "apart from",
    "aside from",
    "besides",
    "save for",
    "but for",
)
_PERHAPS: Final = tuple(
    (hints, re.compile(pattern))
    for hints, pattern in (
        (("the left ", "the right "), r"\b[Tt]he (?:left|right) (?:persist|remain|is |has )"),
        (("1.", "1)", "1-", "2-"), r"1[.)](?=[A-Za-z])|\b[12]-(?=[A-Z])"),
        (("2.", "2)"), r"2[.)](?:(?<=[a-z]2.)|(?<=[a-z] 2.))"),
        (("n o ", "n-o "), r"\b[Nn][ -]o "),
        (("0 ", "0,", "0;", "0.", "0'"), r"(?<![\w./-])[01][ ]?[,;']|(?<![\w./-])0(?: [a-z]{4}|\.(?:\W|\Z))"),
        (("n ", "n,", "n;", "n."), r"(?<![\w'])N[ ,;.]"),
        ((",absent", ";absent", ",negative", ";negative"), r"[,;](?:[Aa]bsent|[Nn]egative)"),
        (("neg ", "neg.", "neg,", "pos ", "pos.", "pos,"), r"\b(?:[Nn]eg|NEG|[Pp]os|POS)\b"),
        (("positive ",), r"\b[Pp]ositive (?!for\b)"),
        (("labels ", "classes ", "categories ", "candidates "), r"(?:include|considered|are|were) "),
        (
            ("all of ", "each of ", "both of ", "none of this", "none of that", "none of it", "none of the ", "all this"),
            r"\b(?:[Aa]ll|[Ee]ach|[Bb]oth|[Nn]one) (?:of )?(?:this|that|it|these|those|them|the (?:above|foregoing)) ",
        ),
        (
            ("ruled out", "excluded", " absent", " negative"),
            r",[^.]{0,300} (?:are|were|all|been) (?:all )?(?:ruled out|excluded|absent|negative)\b"
            r"|[A-Z][A-Za-z ]{1,40}, [A-Z][A-Za-z, ]{1,300} (?:ruled out|excluded)\b",
        ),
        (("is false", "are false", "untrue", "is wrong", "not true", "not the case"), r"\b(?:this|above) (?:is|are) "),
        ((" period", "full stop", " colon "), DICTATED.pattern),
        ((" include", " are "), r"(?:that|which) (?:is|are|was|were) (?:not )?[a-z]+(?: out)? (?:include|are|is)\b"),
        ((" are not", " is not"), r"; [^.;]{3,300} (?:is|are) not(?:[.;]|\Z)"),
        (("-free",), r"[A-Za-z]{4,}-free\b"),
        (("(",), r"\([^()]{0,16}\)|\((?![^()]*\))"),
        (("+",), r"\+(?:ve\b|[A-Za-z])"),
        ((" one",), r" one (?:on|in|at|is|remains|persists|has)\b| one[.,;]"),
        (
            (*(f"{link} {verb} " for link in ("but", "and") for verb in (
                "persist", "persists", "remain", "remains", "is", "are", "has", "have", "still", "now", "linger", "lingers",
                "decreased", "increased", "persisted", "worsened", "improved")),
             "but persists.", "but persist.", "but remains.", "and persists.", "and remains."),
            r"\b(?:[Rr]esolved|[Cc]leared|gone|disappeared|vanished|drained|absent|not seen|not present|no longer)\b.{0,70}"
            r"(?:but|and) (?:still |now )?(?:persist|remain|linger|reappear|(?:is|are|has|have) (?:still|again|re|persist|present"
            r"|unchanged|larger|increased)|(?:decreased|increased|persisted|worsened|improved) (?:on|in|at|over)\b)",
        ),
        (
            ("but not ",),
            r"(?:[Rr]esolved|[Cc]leared|gone|disappeared|drained)\b.{0,70}but not (?:that |the one )?(?:(?:on|in) )?the (?:left|right)\b",
        ),
        (("but the ", "while the ", "whereas the "), r"(?:left|right)(?: \w+)? (?:is|does|has|are|do)(?: not)?[.,;]"),
        ((", the ", ", and the "), r"(?:left|right)(?: \w+)? (?:is|does|has|are|do) not(?:[.,;]|\Z)"),
        (("select ",), r"SELECT .{1,200} FROM "),
        (_EXCEPT, r"(?:known|old|healed|chronic|previous|prior|existing|same) ones?\b|(?:those|that) \w+"),
        ((" and no", " but no"), r" (?:and|but) (?:no|not) (?:left|right)"),
        ((", no left", ", no right"), r"(?:left|right)(?:[- ]sided)?, no (?:left|right)"),
        ((" none on", " none at", " none in"), r"(?:and|but|[,;]) none (?:on|at|in)"),
        (
            _EXCEPT,
            rf"(?:(?:[Ee]xcept|other than|besides|apart from|aside from|save)(?: for)?|but for),? (?:an? |the )?"
            rf"(?:{_SIZED}|area|focus|pocket|patch|sliver|rim|at|on|in)\b",
        ),
        (
            ("and a ", "but a ", "and only ", "but only ", "and just ", "but just "),
            rf"\b(?:and|but) (?:only |just )?(?:an? )?{_SIZED} (?:at|on|in)\b",
        ),
        (
            (", small ", ", trace ", ", tiny ", ", minimal ", ", mild ", ", moderate ", ", large ",
             "; small ", "; trace ", ", only ", ", just ", ", a "),
            rf"[,;] (?:only |just )?(?:an? )?{_SIZED} (?:at|on|in)\b",
        ),
        (
            ("findings ", "impression ", "impressions ", "indication ", "indications ", "history ", "comparison ", "technique ",
             "conclusion "),
            BARE_HEADING.pattern,
        ),
    )
)  # fmt: skip
"""What may be more than a sentence where one of some words stands, and how that is told."""
_LAST_ANSWER: Final = (" neg", " pos", " no", " yes", " none", " nil", " true", " false")


def _triggers() -> tuple[dict[str, list[_Check]], dict[str, list[_Check]]]:
    """Return the checks by a mark, and those by a word, that their hint can't do without."""
    by_mark: dict[str, list[_Check]] = {}
    by_word: dict[str, list[_Check]] = {}
    checks: list[_Check] = [(hint, None) for hint in _HINTS]
    for hint, pattern in (*checks, *((hint, one) for hints, one in _PERHAPS for hint in hints)):
        words = re.findall("[a-z]+", hint)
        if words:
            by_word.setdefault(max(words, key=len), []).append((hint, pattern))
        else:
            by_mark.setdefault(max(hint), []).append((hint, pattern))
    return by_mark, by_word


_Check = tuple[str, re.Pattern[str] | None]
_BY_MARK, _BY_WORD = _triggers()
_TRIGGERS: Final = frozenset(_BY_WORD)
_PARTS: Final = ";'/%+&()\"-"


def words_of(lowered: str) -> list[str]:
    """Return the words of a text in lower case, in its order; what is neither is as good as a space."""
    spaced = lowered.replace(".", " ").replace(",", " ")
    for mark in _PARTS:
        if mark in spaced:
            spaced = spaced.replace(mark, " ")
    return spaced.split()


def is_plain(text: str, lowered: str, words: Sequence[str]) -> bool:
    """Whether a report is sentences alone, without headings, fields, lists and questions.

    Most are, and are then read without a step more than that takes.

    Args:
        text: The report.
        lowered: The same in lower case.
        words: `words_of` it.
    """
    if not text.isascii() or text.encode().translate(None, _SIMPLE) or text[:1] == "-":
        return False
    if ("0" in text and ZERO.search(text)) or lowered.endswith(_LAST_ANSWER):
        return False
    for mark, checks in _BY_MARK.items():
        if mark in lowered:
            for hint, pattern in checks:
                if hint in lowered and (pattern is None or pattern.search(text)):
                    return False
    for word in _TRIGGERS.intersection(words):
        for hint, pattern in _BY_WORD[word]:
            if hint in lowered and (pattern is None or pattern.search(text)):
                return False
    return True
