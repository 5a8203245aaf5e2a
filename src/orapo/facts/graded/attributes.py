"""Attributes of facts: side, zone, size, measurement, change and device position, with their spans.

They are read from a sentence around the facts that `orapo.facts` found in it. A word belongs to the
nearest fact of its clause: fewest commas, conjunctions and the like between them, then fewest letters.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from orapo.facts.graded.levels import levels_in
from orapo.facts.graded.tables import Tables, value_of

TIP: Final = "device tip"
"""The concept of a tip whose device is not named."""


class Attribute(NamedTuple):
    """What is said of a fact besides its name.

    Attributes:
        name: ``side``, ``greater`` (the side with more of it), ``zone``, ``level`` (of a rib or vertebra), ``size``, ``measure`` (cm), ``distance`` (cm above a landmark),
            ``form``, ``change``, ``position`` or ``verdict`` ("in good position": said, not meant by a landmark).
        value: ``left``; ``height:upper``; ``2.0`` (steps of the scale); ``1.5``; ``larger``; ``low``.
        start: First character of its words; in the report for a fact's, in the sentence here.
        end: One past their last.
    """

    name: str
    value: str
    start: int
    end: int


class Mention(NamedTuple):
    """A fact's place in its sentence, and what it is about."""

    start: int
    end: int
    concept: str
    kind: str
    denied: bool


_PART: Final = re.compile(
    r"[,;:()]|\b(?:and|but|with|without|which|however|while|although|or|versus|vs|there)\b"
)
OF_A_CHANGE: Final = re.compile(
    r"\s+(?:interval\s+)?(?:increas|decreas|improv|wors|progress|larger|smaller|more|less|resol|clear|reduc|diminish)"
)
"""Behind a word for a size it says how much something has changed, not how large it is."""
ADJECTIVE: Final = 3
"""Letters by which a finding that follows a word is nearer to it than one before."""
LONGEST_LIST: Final = 16
"""Findings of a list that a change at its end is said of."""
_BEHIND: Final = re.compile(
    r"(?:\b(?:in|at|of|on|within|involving|along|over|overlying|throughout|near|to|towards?|from|is|are|was|were|has|have|appears?|remains?)"
    r"(?: (?:the|a|an|both|its|size|slightly|now|mildly))*\s*)$"
)
"""Before a word, it makes the word speak of what stands before it."""
_ON_A_SIDE: Final = re.compile(r" (?:in size )?on the (?:left|right)\b(?! (?:is|are|there))")
"""Behind a word, it makes the word speak of what stands before it too: "small on the left"."""
_NUMBER: Final = re.compile(
    r"(?<![\d.])(\d{1,3}(?:\.\d+)?)(?:\s*(?:x|×|by|-|–|to)\s*(\d{1,3}(?:\.\d+)?)){0,2}\s*-?\s*(mm|cm|millimet(?:er|re)s?|centimet(?:er|re)s?)(?!\w)"
)
_SMALL: Final = re.compile(r"\bsub-?centimet(?:er|re)\b")
_PERCENT: Final = re.compile(
    r"(?<![\d.])(\d{1,3})(?:\s*(?:-|–|to)\s*(\d{1,3}))?\s*(?:%|per ?cent\b)"
)
_AWAY: Final = re.compile(
    r"\s*(?:(?:above|proximal to|superior to|cranial to|cephalad to|from|over)|(below|beyond|past|distal to|inferior to|caudal to|deep to))"
    r"\s+(?:the\s+)?(?:(?:top|level) of (?:the )?)?(\w+(?:-\w+)?)"
)
_MOVE: Final = re.compile(
    r"\b(?:withdraw\w*|retract\w*|advanc\w*|pull\w*)\b(?:(?!\b(?:now|tip|terminat\w*|ends?|lies?|is|so)\b)[^.;]){0,30}$"
)
_BEFORE: Final = re.compile(
    r"(?:\b(?:previously|formerly|prior(?:ly)?|earlier|(?<!ranging )(?<!measuring )(?<!varying )from|against|compared (?:with|to)|compared|versus|vs\.?)"
    r"(?: (?:measur\w+|approximately|about|around|a|the|of|at|prior|previous|size|\w{1,12}day|then))*\s*)$"
)
"""Before a number, it was so on an earlier film."""
_THEN: Final = re.compile(
    r"\s*(?:previously|formerly|before|earlier|on (?:the )?(?:prior|previous|earlier|last)|in (?:the )?(?:prior|previous)|yesterday)\b(?!\s*\d)"
)
_GROWN: Final = 1.1
"""By a tenth and more a finding has grown."""
_LIST: Final = re.compile(r"^[\s\w-]{0,40}?(?:,| and | or |, and )[\s\w-]{0,30}$")
_VERB: Final = re.compile(r"\b(?:is|are|was|were|has|have|shows?|with)\b")
_SIDED_KINDS: Final = frozenset(
    {"pleura", "lung", "diffuse", "bone", "spine", "device", "mediastinum", "implant"}
)
_PART_OF_A_NAME: Final = frozenset({"larger", "smaller", "chronic"})
_BONES: Final = frozenset({"bone"})
_ZONED_KINDS: Final = frozenset({"pleura", "lung", "diffuse", "bone"})
_SPARED: Final = re.compile(
    r"\bspar(?:es|ed|ing)(?: of)?(?: the)?(?: (?:lung|left|right|both))? ?$"
)
"""Before a place: it is free."""
_NO_SIDE: Final = re.compile(
    r" (?:internal jugular vein|axillary vein|lung|hemithorax|(?:upper|middle|lower) lobe)"
)
"""Behind a side: of where a tip has strayed, not of the tube."""
_TIPS: Final = ("central venous catheter", "enteric tube", "endotracheal tube")
"""Whose landmarks a tip without a name is looked for at, in this order."""
_VERDICTS: Final = (
    "right_bronchus", "left_bronchus", "bronchus", "wrong", "low", "high", "right"
)  # fmt: skip


def read_attributes(
    text: str, mentions: Sequence[Mention], tables: Tables
) -> list[tuple[Attribute, ...]]:
    """Return the attributes of each mention.

    Args:
        text: The sentence in lower case.
        mentions: The facts that were read in it, in the order of their places.
        tables: The graded score's.

    Returns:
        One tuple a mention; spans count characters of the sentence.
    """
    found: list[list[Attribute]] = [[] for _ in mentions]
    if not mentions:
        return []
    words = tables.words
    owner = _Owner(text, mentions)
    for match in words.side.finditer(text):
        at = owner.of(match.start(), match.end(), _SIDED_KINDS)
        if at is not None and not (
            mentions[at].concept in (TIP, *_TIPS) and _NO_SIDE.match(text, match.end())
        ):
            found[at].append(Attribute("side", value_of(match), *match.span()))
    sided = "left" in text or "right" in text
    for match in words.greater.finditer(text) if sided else ():
        at = owner.of(match.start(), match.end(), _SIDED_KINDS)
        if at is not None:
            found[at].append(Attribute("greater", value_of(match), *match.span()))
    for row, pattern in words.zones.items():
        for match in pattern.finditer(text):
            at = owner.of(match.start(), match.end(), _ZONED_KINDS)
            if at is None or _SPARED.search(text, max(0, match.start() - 30), match.start()):
                continue
            if (row == "bone") == (mentions[at].kind == "bone"):
                found[at].append(Attribute("zone", f"{row}:{value_of(match)}", *match.span()))
    if any(mention.kind == "bone" for mention in mentions):
        for level in levels_in(text):
            at = owner.of(level.start, level.end, _BONES)
            if at is not None:
                value = f"{level.bone}:{level.number}"
                found[at].append(Attribute("level", value, level.start, level.end))
    for match in words.size.finditer(text):
        if OF_A_CHANGE.match(text, match.end()):
            continue  # "slightly increased"
        at = owner.of(match.start(), match.end())
        if at is not None and mentions[at].kind not in ("device", "implant"):
            value = value_of(match).replace("p", ".")
            found[at].append(Attribute("size", value, *match.span()))
    pleural = any(mention.kind == "pleura" for mention in mentions)
    for match in words.form.finditer(text) if pleural else ():
        at = owner.of(match.start(), match.end())
        if at is not None and mentions[at].kind == "pleura":
            found[at].append(Attribute("form", value_of(match), *match.span()))
    for match in words.change.finditer(text):
        value = value_of(match)
        for at in owner.list_of(match.start(), match.end()):
            inside = mentions[at].start <= match.start() < mentions[at].end
            if inside and value in _PART_OF_A_NAME:
                continue  # "decreased lung volumes" is no change, "chronic lung disease" none
            if value != "acute":
                found[at].append(Attribute("change", value, *match.span()))
            elif mentions[at].kind == "bone":
                found[at].append(Attribute("change", "new", *match.span()))
    earlier: dict[int, float] = {}
    for length, landmark, before, start, end in _numbers(text):
        at = owner.of(start, end)
        if at is None:
            continue
        if landmark and mentions[at].kind == "device":
            found[at].append(Attribute("distance", f"{length:g} {landmark}", start, end))
        elif before:
            earlier[at] = length
        else:
            found[at].append(Attribute("measure", f"{length:g}", start, end))
    if "%" in text or "percent" in text or "per cent" in text:
        for match in _PERCENT.finditer(text):
            at = owner.of(*match.span())
            steps = None if at is None else words.percent.get(mentions[at].concept)
            if at is not None and steps is not None:
                share = float(match[2] or match[1])
                size = next((step for step, most in steps.items() if share <= most), None)
                if size is not None:
                    found[at].append(Attribute("size", size, *match.span()))
    for at, length in earlier.items():
        found[at] += _change_since(length, found[at])
    devices = [at for at, mention in enumerate(mentions) if mention.kind == "device"]
    for place, at in enumerate(devices):
        if mentions[at].denied:
            continue
        # the words from one device to the next are its own, and those before the first are the first's
        start = mentions[at].start if place else 0
        named = (each for each in devices[place + 1 :] if mentions[each].concept != TIP)
        following = next(named, None)
        end = len(text) if following is None else mentions[following].start
        found[at] += _positions(text, mentions[at], start, end, tables)
    return [tuple(each) for each in found]


class _Owner:
    """Which mention a word belongs to: one of the two that it stands between."""

    def __init__(self, text: str, mentions: Sequence[Mention]) -> None:
        self.text, self.mentions = text, mentions
        self.starts = [mention.start for mention in mentions]
        parts = [match.span() for match in _PART.finditer(text)]
        self.part_starts = [start for start, _ in parts]
        self.part_ends = [end for _, end in parts]

    def of(self, start: int, end: int, kinds: frozenset[str] | None = None) -> int | None:
        mentions = self.mentions
        after = bisect_right(self.starts, start)
        before = after - 1
        if before >= 0 and start < mentions[before].end:
            best = before
        elif before < 0:
            best = after
        elif after == len(mentions):
            best = before
        else:
            # "in the left lung" speaks of what stands before it, "left effusion" of what follows
            behind = (
                _BEHIND.search(self.text, max(0, start - 30), start) is not None
                or _ON_A_SIDE.match(self.text, end) is not None
            )
            back = self._parts(mentions[before].end, start), start - mentions[before].end
            ahead = self._parts(end, mentions[after].start), mentions[after].start - end
            if behind:
                best = before if back <= (ahead[0] + 1, ahead[1]) else after
            else:
                best = before if (back[0], back[1] + ADJECTIVE) < ahead else after
        return best if kinds is None or mentions[best].kind in kinds else None

    def _parts(self, start: int, end: int) -> int:
        """Count what parts a sentence (commas, conjunctions) between two places."""
        return max(0, bisect_right(self.part_ends, end) - bisect_left(self.part_starts, start))

    def list_of(self, start: int, end: int) -> list[int]:
        """The owner, and those named with it in one list before a verb ("A and B are unchanged")."""
        at = self.of(start, end)
        if at is None:
            return []
        owners = [at]
        mentions = self.mentions
        if mentions[at].end <= start and _VERB.search(self.text, mentions[at].end, end):
            while (
                at > 0
                and len(owners) < LONGEST_LIST
                and _joined(self.text[mentions[at - 1].end : mentions[at].start])
            ):
                at -= 1
                owners.append(at)
        return owners


def _joined(between: str) -> bool:
    return _LIST.match(between) is not None and not _VERB.search(between)


def _numbers(text: str) -> Iterator[tuple[float, str, bool, int, int]]:
    """Yield measurements: centimetres, what they are above (or empty), whether of an earlier film."""
    if "m" not in text:
        return
    for match in _SMALL.finditer(text):
        yield 0.8, "", False, *match.span()
    for match in _NUMBER.finditer(text):
        values = [float(value) for value in re.findall(r"\d+(?:\.\d+)?", match.group())]
        scale = 0.1 if match[3].startswith(("mi", "mm")) else 1.0
        away = _AWAY.match(text, match.end())
        if _MOVE.search(text, max(0, match.start() - 60), match.start()) and (
            away is None or away[2] == "current"
        ):
            continue  # how far to move a tube
        if away is not None:
            far = -values[0] if away[1] else values[0]
            yield far * scale, away[2].replace("-", ""), False, match.start(), away.end()
            continue
        before = _BEFORE.search(text, max(0, match.start() - 40), match.start()) is not None
        if before and len(values) == 2 and " to " in match.group():  # "from 3 to 5 cm"
            yield values[0] * scale, "", True, *match.span()
            yield values[1] * scale, "", False, *match.span()
        else:
            before = before or _THEN.match(text, match.end()) is not None
            yield max(values) * scale, "", before, *match.span()


def _change_since(before: float, said: Sequence[Attribute]) -> Iterator[Attribute]:
    """Yield the change that two measurements mean ("9 mm, previously 6 mm")."""
    now = next((each for each in said if each.name == "measure"), None)
    if now is not None and not any(each.name == "change" for each in said):
        length = float(now.value)
        grown, shrunk = length >= before * _GROWN, before >= length * _GROWN
        change = "larger" if grown else "smaller" if shrunk else "unchanged"
        yield Attribute("change", change, now.start, now.end)


def _positions(
    text: str, mention: Mention, start: int, end: int, tables: Tables
) -> Iterator[Attribute]:
    """Yield the verdict on where a device lies: said, or meant by its landmark."""
    found: dict[str, Attribute] = {}
    said = False
    near = text[max(0, mention.start - 20) : mention.end + 20]
    kinds = _TIPS if mention.concept == TIP else (mention.concept,)
    for kind in (*kinds, "verdict"):
        pattern = tables.words.positions.get(kind)
        if pattern is None:
            continue
        for match in pattern.finditer(text, start, end):
            value = value_of(match)
            if (
                kind == "central venous catheter"
                and match.start() < mention.end
                and mention.start < match.end()
            ):
                continue  # "the tip of the jugular line" says where it goes in
            if value == "low" and kind != "verdict" and "dialysis" in near:
                value = "right"  # a dialysis catheter may end in the atrium
            said = said or kind == "verdict"
            found.setdefault(value, Attribute("position", value, *match.span()))
        if found and kind in _TIPS and mention.concept == TIP:
            break
    for value in _VERDICTS:
        if value in found:
            yield found[value]
            if said:
                yield found[value]._replace(name="verdict")
            return
