"""Records whose members say by their shape what answers what: "target: Edema" above "choice: no", again and again.

Nobody knows all words for the members of a record. Where one member of each is the name of a finding and
another one an answer, the two belong together, whatever they are called and whichever stands first.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from orapo.facts.clean_text.rewriting import Rewriter, Rewritten
from orapo.facts.clean_text.uniform import IsName, called
from orapo.facts.forms.answers import POLAR, Answer, AnswerWords
from orapo.facts.forms.items import (
    ANSWERING,
    BESIDE,
    DEGREE,
    DENYING,
    JUDGING,
    NAMING,
    PROBABLE,
    SIDE,
    turned,
)

_MEMBER: Final = re.compile(
    r"(?:(?<![^\n])|(?<=[|;,]))[ \t]*(?:[-*][ \t]+|\d{1,2}[.)][ \t]+)?(?P<key>[A-Za-z][A-Za-z _]{1,24}?)[ \t]*[:=][ \t]*"
    r"(?P<value>[^\s|;,][^\n|;,]*)"
)
_NEXT: Final = re.compile(r"[|;,][ \t]*[A-Za-z][A-Za-z _]{1,24}?[ \t]*[:=]|\n|\Z")
"""Where what an answer goes on with ends."""
_PARTS: Final = " \t\n|;,"
"""What may stand between the members of a record."""
_APART: Final = re.compile(
    r"(?:[\s|;,{}()\[\]*>#-]|\d{1,3}[.):]?(?=\s)|\w[\w ]{0,24}:[ \t]*(?=\n))*"
)
"""What may stand between a name and its answer: marks, and the heading of an entry ("item:")."""
_TITLE: Final = re.compile(r"(?:findings?|diagnos[ei]s)\Z")
"""Members that may be the report's sections as well."""
_ANSWER: Final = re.compile(
    r"(?:(?:the|final|my|model|ai|ground|gold|true|correct|expected|reference|expert|reader|radiologist|human|binary|overall|image|report|finding|label) ){0,2}"
    r"(?:answer|ans|result|res|status|conclusion|assessment|choice|chosen|choose|selected|selection|option|truth|gt|label|value|presence|existence"
    r"|prediction|output|verdict|decision|judge?ment|determination|opinion|evaluation|rating|reply|response|reading|interpretation|classification|class"
    r"|call|annotation|standard|pick|y)s?\Z"
    r"|(?:is |was )?(?:it |this )?(?:there|seen|visible|found|present|detected|identified|observed)(?: (?:in|on) (?:the )?(?:film|image|report|study|x-?ray|cxr))?\Z"
    r"|[a-z]+ says\Z",
    re.IGNORECASE,
)
"""Members that are called an answer; "acute: no", "comment: none" answer something else."""
_EARLIER: Final = re.compile(
    r".*\b(?:prior|previous|previously|before|earlier|last|old|older|baseline|yesterday|past|comparison|then)\b"
)
"""Members that answer for another time: "prior status", "present before"."""
_EXISTS: Final = re.compile(
    r"(?:not )?(?:present|detected|seen|identified|visible)|absent|positive|negative|uncertain|equivocal|indeterminate",
    re.IGNORECASE,
)
"""Values that say so themselves whether something is there."""
_LAST: Final = 3
"""The rank of members that answer where none other does."""


class _Member(NamedTuple):
    """A member of a record.

    Attributes:
        match: Where it stands.
        key: Its name, in lower case.
        value: What it says, to the next member or the line's end.
        said: What it answers; None if it is no answer.
        end: Where its value ends.
    """

    match: re.Match[str]
    key: str
    value: str
    said: Answer | None
    end: int


def paired(text: str, words: AnswerWords, is_name: IsName) -> Rewritten | None:
    """Return a text with the answer of every record behind its finding's name; None if it has no records.

    Args:
        text: With typography resolved.
        words: What answers are made of.
        is_name: Tells the bare names of findings.
    """
    members = _members(text, words)
    by_key: defaultdict[str, list[int]] = defaultdict(list)
    for place, member in enumerate(members):
        by_key[member.key].append(place)
    for key, names in by_key.items():
        if not _names(key, [members[place] for place in names], is_name):
            continue
        answers = _answers(text, members, names, by_key, is_name)
        if answers:
            return _written(
                text, members, dict(zip(names, zip(*answers, strict=True), strict=True))
            )
    return None


def _members(text: str, words: AnswerWords) -> list[_Member]:
    found = []
    for match in _MEMBER.finditer(text):
        key = " ".join(match["key"].replace("_", " ").lower().split())
        value, end = match["value"].strip(" \t\"'."), match.end()
        said = words.pure(value)
        if (
            said is not None
            and text[end : end + 1] not in ("", "\n")
            and not _MEMBER.match(text, end + 1)
        ):
            end = next(_NEXT.finditer(text, end)).start()  # "no, only scarring"
            value = text[match.start("value") : end].rstrip()
        if DENYING.match(key):
            value = turned(value)
            said = words.pure(value) if value else None
        found.append(_Member(match, key, value, said, end))
    return found


def _names(key: str, named: Sequence[_Member], is_name: IsName) -> bool:
    """Whether members hold the names of findings."""
    naming = NAMING.match(key) is not None
    if (is_name(key) and not naming) or any(one.said is not None for one in named):
        return False
    known = [is_name(called(one.value)) for one in named]
    return (all(known) and len(named) > 1) or (naming and any(known))


def _answers(
    text: str,
    members: Sequence[_Member],
    names: Sequence[int],
    by_key: dict[str, list[int]],
    is_name: IsName,
) -> list[list[int]]:
    """Return the places of what answers each name, of all members that do; the surest first."""
    found: list[tuple[int, list[int]]] = []
    for key, places in by_key.items():
        said = [members[place].said for place in places]
        aside = BESIDE.match(key) and not (DEGREE.match(key) or PROBABLE.match(key))
        if aside:
            continue
        if None in said or len(places) != len(names):
            continue
        if not ANSWERING.match(key) and not any(one in POLAR for one in said):
            continue
        if not _answers_its_name(key, [members[place] for place in places]):
            continue
        if is_name(key) or not _beside(text, members, names, places):
            continue
        named = members[names[0]].key
        if len(names) == 1 and (
            (_TITLE.match(named) and not ANSWERING.match(key))
            or not (ANSWERING.match(key) or JUDGING.fullmatch(key) or DENYING.match(key))
        ):
            continue
        found.append((_rank(key), places))
    found.sort(key=lambda one: one[0])
    return [places for rank, places in found if rank < _LAST] or [p for _, p in found[:1]]


def _answers_its_name(key: str, answers: Sequence[_Member]) -> bool:
    """Whether members answer what stands beside them, and no question of their own."""
    if DEGREE.match(key) or PROBABLE.match(key) or DENYING.match(key) or ANSWERING.match(key):
        return True
    if JUDGING.fullmatch(key) or _ANSWER.match(key):
        return True
    return (
        all(_EXISTS.fullmatch(one.value) for one in answers)
        and len({one.said for one in answers}) > 1
        and _EARLIER.match(key) is None
        and SIDE.match(key) is None
    )


def _rank(key: str) -> int:
    if ANSWERING.match(key):
        return 0
    if JUDGING.fullmatch(key) or DENYING.match(key):
        return 1
    return _LAST if DEGREE.match(key) or PROBABLE.match(key) else 2


def _beside(
    text: str, members: Sequence[_Member], names: Sequence[int], answers: Sequence[int]
) -> bool:
    """Whether there is one answer behind each name, before the next; or one before each name."""
    behind = all(name < answer for name, answer in zip(names, answers, strict=True))
    turns = zip(names, answers, strict=True) if behind else zip(answers, names, strict=True)
    places = [place for turn in turns for place in turn]
    if any(one >= other for one, other in pairwise(places)):
        return False
    return all(
        _APART.fullmatch(text, one.end, other.match.start("key"))
        for start, end in zip(places[::2], places[1::2], strict=True)
        for one, other in pairwise(members[start : end + 1])
    )


def _written(
    text: str, members: Sequence[_Member], answers: dict[int, tuple[int, ...]]
) -> Rewritten:
    """Return the text with each name's answer behind it; "unknown" where its answers do not say the same."""
    dropped = {place for places in answers.values() for place in places}
    writer = Rewriter(text)
    for place, member in enumerate(members):
        match = member.match
        if place in dropped:
            writer.keep_to(match.start("key"))
            end = member.end
            while end < len(text) and text[end] in _PARTS:
                end += 1
            writer.drop_to(end - (text[end - 1] == "\n"))
        elif place in answers:
            told = [members[answer] for answer in answers[place]]
            writer.keep_to(match.start("key"))
            writer.drop_to(match.start("value"))
            writer.keep_to(match.start("value") + len(match["value"].rstrip()))
            alike = len({one.said for one in told}) == 1
            writer.put(f": {told[0].value if alike else 'unknown'}")
    return writer.finish()


FLOWING: Final = re.compile(
    r"(?<![^\n])(?P<lead>[ \t]*(?:-[ \t]+)?)(?:\{(?P<flow>[^{}\n\"':]{1,30}:[ \t][^{}\n]{1,300})\}"
    r"|[a-z_]\w*[ ]?\{[ \t]*\n(?P<block>(?:[ \t]*\w+[ \t]*[:=][^\n{}]*\n){1,12})[ \t]*\})[ \t]*(?=\n|\Z)"
    r"|(?<=[\s\[(,])[A-Z]\w*\((?P<call>(?:name|label|finding|condition|present|status|value)[ ]?=[^()\n]{1,300})\),?"
)
"""Members of a record within brackets: "{name: Edema, present: no}", "Finding(name='Edema', present=False)"."""
_COMMA: Final = re.compile(r",[ \t]*(?=\w+[ \t]*[:=])")


def flowed(text: str) -> Rewritten:
    """Return a text with every member of such a record on a line of its own."""
    writer = Rewriter(text)
    for match in FLOWING.finditer(text):
        group = next(name for name in ("flow", "block", "call") if match[name] is not None)
        writer.keep_to(match.start())
        writer.put("\n- ", match.start(group))
        for comma in _COMMA.finditer(text, *match.span(group)):
            writer.keep_to(comma.start())
            writer.put("\n  ", comma.end())
        writer.keep_to(match.end(group))
        writer.put("\n" if group == "call" else "", match.end())
    return writer.finish()


NUMBERED: Final = re.compile(
    r"(?:(?<![^\n])|(?<=[/|;]))[ \t]*(?P<number>[A-Za-z]{0,8}[ -]?\d{0,4})[ \t]*:[ \t]*(?P<key>[A-Z][A-Za-z ]{1,24}?)[ \t]*:?=[ \t]*(?P<value>[^\n/|;=]+)"
)
"""A member behind its record's number: "12: Finding = Edema", and below it "12: Presence = No"."""


def unnumbered(text: str) -> Rewritten:
    """Return a text without the numbers of records, each member on a line of its own."""
    writer = Rewriter(text)
    for match in NUMBERED.finditer(text):
        key = match["key"].strip()
        if not (NAMING.match(key) or ANSWERING.match(key) or DENYING.match(key)):
            continue
        writer.keep_to(match.start())
        writer.put("" if text[match.start() - 1 : match.start()] in ("", "\n") else "\n")
        writer.drop_to(match.start("key"))
        writer.keep_to(match.end("key"))
        writer.put(": ", match.start("value"))
        writer.keep_to(match.end())
    return writer.finish()
