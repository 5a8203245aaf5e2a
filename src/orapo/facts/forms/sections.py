"""Headings of a report, and which of its text speaks of the film.

One module for all that reads reports: FactS skips the reason, the history and the technique; the loaders
of data sets keep them apart (`orapo.data.sources.report_sections`). A heading is known by its name, with or without
a colon, in any case, at the start of a line or behind a full stop, and with one letter wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from orapo.facts.forms.sentences import WRAPPED_LINE, split_sentences
from orapo.facts.spelling import deletions, one_letter_wrong


class SectionKind(StrEnum):
    """What a section is; the names of each stand in ``lexicon/modifiers.toml``."""

    FINDINGS = "findings"
    IMPRESSION = "impression"
    REPORT = "report"
    """A heading over all of the report, or an answer's; its text is read like text without one."""
    SEEN = "seen"
    """A part of the findings: lungs, heart, devices."""
    INDICATION = "indication"
    HISTORY = "history"
    COMPARISON = "comparison"
    TECHNIQUE = "technique"
    LATER = "later"
    """A reading beside the report: a wet read before it, an addendum behind it."""
    NOTICE = "notice"
    """What is not seen on the film: recommendations, calls, signatures."""


SKIPPED: Final = frozenset(
    (
        SectionKind.INDICATION,
        SectionKind.HISTORY,
        SectionKind.COMPARISON,
        SectionKind.TECHNIQUE,
        SectionKind.NOTICE,
    )
)
"""Sections that speak of something else than the film."""
_SAID_ONCE: Final = frozenset((SectionKind.COMPARISON, SectionKind.TECHNIQUE))
"""Sections that are a sentence long where the report's body follows them without a heading."""
_BODY: Final = re.compile(
    r"(?:the |both |visualized |there (?:is|are) )?(?:hearts?|lungs?|cardi\w+|mediastin\w+|trachea|pleura\w*|bones|bony|osseous|pulmonary"
    r"|aort\w+|hil(?:a|um|ar)|(?:hemi)?diaphragms?|costophrenic|soft tissues?|endotracheal|et tube|ap |pa |frontal|there (?:is|are)|stable|low lung"
    r"|interval|normal|no (?!history|fever|pain|chest pain|cough|prior|previous|known|trauma|symptom|complaint))",
    re.IGNORECASE,
)
"""How a report's body begins where it follows the reason for the film without a heading."""
FUZZY: Final = 7
"""Names of this many letters or more are known with one letter wrong, too many, missing or swapped."""

_CANDIDATE: Final = re.compile(
    r"""
    (?:(?<![^\n])[ \t]*(?:\d{1,2}[.)][ \t]*|[-*][ \t]+)?     # at the start of a line
       (?P<line>[A-Za-z](?:[A-Za-z0-9 _()&/,.\#'-]{0,68}[A-Za-z0-9_)])?)[ \t]*(?::|(?P<alone>(?=\n|\Z)))
    | (?:(?<=[.;!?])[ \t]+|(?<=[.;!?])(?=[A-Z])|(?<=[ \t][ \t])|(?<=\|)\s*)(?P<inline>[A-Za-z][A-Za-z /&()-]{2,50}?)[ \t]*:
    | (?<=\s)(?P<capitals>[A-Z][A-Z /&()-]{3,50}?[A-Z)])[ \t]*:
    | (?:(?<![^\n])[ \t]*|(?<=[.;!?])[ \t]+)(?P<bare>(?:[Cc]linical[ ]|CLINICAL[ ])?[A-Z][A-Za-z]{5,12})(?=[ \t]+[A-Z][a-z])
    )
    """,
    re.VERBOSE,
)
_SPACE: Final = re.compile(r"\s+")
_BLANK_LINE: Final = re.compile(r"\n[ \t\r]*\n")
# "CHEST, 2 VIEWS:", "PORTABLE AP CHEST:": what follows was seen on the film
FILM: Final = re.compile(
    r"\b(?:CHEST|VIEWS?|RADIOGRAPHS?|FILMS?|PORTABLE|X-?RAY|AP|PA|LATERAL|FRONTAL|UPRIGHT|SUPINE)\b"
)
# "LUNGS:", "RIGHT PLEURA:", "LINES AND TUBES:": parts of a findings section
SEEN: Final = re.compile(
    r"\b(?:LUNGS?|PULMONARY|PARENCHYMA\w*|HEART|CARDIAC|CARDIO(?:MEDIASTIN|VASCUL|MEGAL)\w*|MEDIASTIN\w*"
    r"|HIL(?:A|AR|UM)|PLEURA\w*|BONES?|BONY|OSSEOUS|SKELET\w*|MUSCULO\w*|SPINE|RIBS?|TISSUES?"
    r"|\w*DIAPHRAGM\w*|ABDOM\w*|AIRWAYS?|TRACHEA\w*|AORT\w*|VASC\w*|VESSELS?|LINES?|TUBES?"
    r"|CATHETERS?|DEVICES?|HARDWARE|LEADS?|PACE\w*|SUPPORT|THORA\w*|NECK|LOBES?|BASES?|APEX|APICES"
    r"|EFFUSIONS?|PNEUMO\w*|EDEMA|OPACIT\w*|CONSOLIDATIONS?|ATELECTASIS|NODULES?|MASS(?:ES)?"
    r"|FRACTURES?|RIGHT|LEFT|OTHERS?)\b"
)
# Of longer names, the first that stands in them: "CLINICAL INDICATION FOR CHEST FILM".
_WORDS: Final = (
    (re.compile(r"\b(?:IMPRESSION|CONCLUSION)S?\b"), SectionKind.IMPRESSION),
    (re.compile(r"\bFINDINGS?\b"), SectionKind.FINDINGS),
    (re.compile(r"\b(?:INDICATIONS?|REASON|QUESTIONS?)\b"), SectionKind.INDICATION),
    (re.compile(r"\b(?:HISTORY|CLINICAL|DIAGNOSIS)\b"), SectionKind.HISTORY),
    (re.compile(r"\bCOMPARISONS?\b"), SectionKind.COMPARISON),
    (
        re.compile(r"\b(?:TECHNIQUE|EXAM(?:INATION)?|PROCEDURE|DATE|TIME)\b"),
        SectionKind.TECHNIQUE,
    ),
)
_POLAR: Final = re.compile(
    r"\b(?:POSITIVE|NEGATIVE|PRESENT|ABSENT|ABNORMAL|NORMAL|PERTINENT|NO|NOT|UNCERTAIN|POSSIBLE|DENIED)\b"
)
"""Words of headings that answer for all that stands below them ("NEGATIVE FINDINGS")."""
_TURN: Final = re.compile(r"(Q|A|QUESTION|ANSWER)[ ]?\d{1,2}\Z")
_BARE: Final = frozenset(
    (
        "FINDINGS",
        "IMPRESSION",
        "INDICATION",
        "HISTORY",
        "COMPARISON",
        "TECHNIQUE",
        "CONCLUSION",
        "CLINICAL HISTORY",
        "CLINICAL INDICATION",
        "IMPRESSIONS",
        "INDICATIONS",
    )
)
"""Names that need no colon before a capital letter."""


BARE_HEADING: Final = re.compile(
    r"(?:F(?:INDINGS|indings)|I(?:MPRESSION|mpression|NDICATION|ndication)|H(?:ISTORY|istory)"
    r"|C(?:OMPARISON|omparison|ONCLUSION|onclusion)|T(?:ECHNIQUE|echnique))S?s?[ \t]+[A-Z]"
)


class Heading(NamedTuple):
    """A heading and its place.

    Attributes:
        start: Its first letter.
        body: Where the text below it begins.
        title: Its name in capitals, as it should be spelled if the name is known.
        kind: What it opens; None if its name is not known.
        exact: Whether the kind goes by the whole name, not by a word of it.
        written: Its name as it stands in the text.
        at_line: Whether it begins a line.
    """

    start: int
    body: int
    title: str
    kind: SectionKind | None
    exact: bool
    written: str
    at_line: bool


class HeadingNames:
    """The names that headings are known by.

    Args:
        names: Of each kind, in lower case.
    """

    def __init__(self, names: Mapping[str, frozenset[str]]) -> None:
        self._kinds = {
            name.upper(): SectionKind(kind) for kind, each in names.items() for name in each
        }
        self._near: dict[str, str] = {}
        for name in self._kinds:
            if sum(char.isalpha() for char in name) >= FUZZY:
                for key in deletions(name):
                    self._near.setdefault(key, name)

    def known(self, title: str) -> tuple[str, SectionKind] | None:
        """Return a name as it should be spelled, and its kind; None if it is not known."""
        kind = self._kinds.get(title)
        if kind is not None:
            return title, kind
        turn = _TURN.match(title)
        if turn is not None:
            return self.known(turn[1])
        if len(title) < FUZZY - 1 or len(title) > 60:
            return None
        for key in (title, *deletions(title)):
            name = self._near.get(key) or (key if key in self._kinds and key != title else None)
            if name is not None and len(name) >= FUZZY and one_letter_wrong(title, name):
                return name, self._kinds[name]
        return None

    def find(self, text: str) -> list[Heading]:
        """Return the headings of a report, in order.

        A line of letters with a colon is a heading whatever its name; then ``kind`` may be None.
        """
        return list(self._find(text))

    def _find(self, text: str) -> Iterator[Heading]:
        done = 0
        if ":" not in text and "\n" not in text and BARE_HEADING.search(text) is None:
            return
        for match in _CANDIDATE.finditer(text):
            group = match.lastgroup
            if match["line"] is not None:
                group = "line"
            assert group is not None
            start = match.start(group)
            if start < done:
                continue
            written = match[group]
            title = _SPACE.sub(" ", written).upper()
            if group == "bare" and title not in _BARE:
                continue
            found = self.known(title)
            at_line = group in ("line", "bare")
            if found is not None:
                body = match.end()
                yield Heading(start, body, *found, True, written, at_line)
                done = body
            elif group == "line" and match["alone"] is None:
                kind = _by_word(title) if len(title.split()) <= 8 else None
                yield Heading(start, match.end(), title, kind, False, written, True)
                done = match.end()


def _by_word(title: str) -> SectionKind | None:
    if _POLAR.search(title):
        return SectionKind.SEEN
    for word, section in _WORDS:
        if word.search(title) and not (section is SectionKind.TECHNIQUE and FILM.search(title)):
            return section
    return SectionKind.SEEN if FILM.search(title) or SEEN.search(title) else None


def reported_parts(text: str, names: HeadingNames) -> Iterator[tuple[int, int]]:
    """Yield the parts of a report that speak of the film, in order.

    A skipped section ends where its paragraph ends: what follows without a heading is the report's
    body. In a report that has no findings section, that body begins behind the comparison's or the
    technique's first sentence, or where a short line ends.
    """
    headings = [
        heading
        for heading in names.find(text)
        if heading.kind is not None and (heading.exact or heading.written.isupper())
    ]
    if not any(heading.kind in SKIPPED or heading.exact for heading in headings):
        yield 0, len(text)
        return
    if headings[0].start:
        yield 0, headings[0].start
    body_named = any(heading.kind is SectionKind.FINDINGS for heading in headings)
    for index, heading in enumerate(headings):
        last = index + 1 == len(headings)
        end = len(text) if last else headings[index + 1].start
        if heading.kind not in SKIPPED:
            yield (
                (
                    heading.body
                    if heading.exact and heading.kind is not SectionKind.SEEN
                    else heading.start
                ),
                end,
            )
            continue
        begin = _skipped_end(text, heading, end, body_named, last)
        if begin < end:
            yield begin, end


def _skipped_end(text: str, heading: Heading, end: int, body_named: bool, last: bool) -> int:
    """Return where a skipped section ends."""
    start = heading.body
    while start < end and text[start].isspace():
        start += 1
    paragraph = _BLANK_LINE.search(text, start, end)
    stop = paragraph.end() if paragraph else end
    if body_named and not last:
        return stop
    # a short line that a capital letter follows was not wrapped
    line = text.find("\n", start, stop)
    while line >= 0:
        before = line - max(start, text.rfind("\n", 0, line))
        following = text[line + 1 : stop].lstrip(" \t")[:1]
        if before < WRAPPED_LINE and following.isupper():
            return line + 1
        line = text.find("\n", line + 1, stop)
    if heading.kind in _SAID_ONCE or (last and paragraph is None):
        first = next(iter(split_sentences(text[start:stop])), None)
        if first is not None:
            return start + first.end
    if paragraph is None and "\n" not in text[start:stop].rstrip():
        # "INDICATION: Chest pain. The heart is enlarged. IMPRESSION: ..." in one line
        for sentence in list(split_sentences(text[start:stop]))[1:]:
            if _BODY.match(text, start + sentence.start):
                return start + sentence.start
    return stop
