"""Fields and answers within a sentence or a line: with a colon, a dash, in brackets, boxes or columns."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Final

from orapo.facts.forms.answers import Answer, AnswerWords
from orapo.facts.forms.items import SIDE, Item, Place, stripped
from orapo.facts.forms.names import GROUP, LISTED, LOOKED_FOR, OPTIONS

_UNMARKED: Final = re.compile(
    r"[-–—\t]|  |[,;](?:[01]|0?\.\d+|true|false|yes|no|present|absent|positive|negative)[ \t]*(?:\n|\Z)|\b(?:no|yes|none|true|false|y|n|nil)[\s.,;]*(?:[;,]|\Z)",
    re.IGNORECASE,
)
"""A line in which this finds nothing has no answer without a colon."""
BOX: Final = re.compile(r"\[(?P<in>[ xX+\-]?)\]|(?<![\w)])\((?P<round>[ xX])\)(?![\w(])")
_NAME: Final = r"[^\s:=.!?;\[\]|][^:=!?;\n|]{0,78}?"
_FIELD: Final = re.compile(rf"(?P<name>{_NAME})[ \t]*(?P<sep>:=|=>|->|:|=|[.]{{3,}})(?!\d\d\b)")
_SEPARATOR: Final = re.compile(r":=|=>|->|:(?!\d\d\b)|=")
_ASIDE: Final = re.compile(r"\(([^()]{0,30})\)")
_GOES_ON: Final = re.compile(
    r"[.!?]\s|(?<!answer )\b(?:there|is|are|was|were|be|has|have|had|shows?|reveals?|demonstrates?|and|or|with|but|in|on|of|by|to|that|which)\s*\Z",
    re.IGNORECASE,
)
"""A text that is no field's name: a sentence, or one that is not at its end."""
_STATED: Final = re.compile(
    r"\b(?:trace|tiny|small|minimal|mild|moderate|large|severe|massive|huge|enlarged|increased|decreased|worsened|worsening|improved|improving|stable|unchanged"
    r"|left|right|bilateral|bibasilar|bibasal|basal|normal|clear)\b",
    re.IGNORECASE,
)
"""What a name in a list says how it is with, so that no answer behind the list is its own."""
_ENTRY_END: Final = re.compile(r"[ ]*(?:[,;]|\.?\s*\Z)")
_WORDS_IN_NAME: Final = 9
_LAST_NAME: Final = re.compile(r"\s([A-Z][A-Za-z/]*(?: [a-z]+){0,3})\s*\Z")
"""A name with a capital before a colon: "Edema: mild Fracture: no"."""
_PAIRS: Final = re.compile(
    r"([A-Za-z](?:[A-Za-z /]*?[A-Za-z/])?)\s+(yes|no|none|absent|present|positive|negative)\b[ ,;./|]*",
    re.IGNORECASE,
)
_AHEAD: Final = re.compile(r"([A-Za-z]+(?: [a-z]+)?)[ \t]+[-–—]+[ \t]+(?=\S)")
_DASH: Final = re.compile(r"[ \t]+[-–—]+[ \t]+")
_ALL_DENIED: Final = re.compile(
    r"(?P<mark>[ ]?[:,–—-])?[ ]+(?P<verb>(?:is|are|was|were|has been|have been|have all been|are all|were all|all)[ ]+)?"
    r"(?P<answer>(?:all |both )?(?:ruled out|excluded|absent|negative|negated|false"
    r"|not(?: (?:seen|present|identified|detected|found|visible|visualized|evident|noted))?))[\s.!]*\Z"
)
"""Behind a list of names: none of them is there."""
_NAMES: Final = re.compile(r"[A-Za-z][A-Za-z,/&' -]{4,400}\Z")
_PARTS: Final = re.compile(r"[,/&]|\b(?:and|or)\b")
_CLAUSE: Final = re.compile(
    r"\b(?:no|not|without|nor|neither|but|is|are|was|were|has|have|with|which|that|there|except|unchanged|seen|noted|present)\b",
    re.IGNORECASE,
)
"""What a list of mere names does not hold."""
_NUMBERED: Final = re.compile(r"(?:p|prob|probability|likelihood|score)\.?", re.IGNORECASE)
"""What a number is called that answers."""
_PRESENT: Final = re.compile(r"\b(?:present|seen|identified|noted|visible|evident)[ ]?(?=;)")
_LONGEST_LIST: Final = 450
_LONGEST_LINE: Final = 120
"""Characters of a field without a colon, and of its answer."""


def _field_at(text: str, start: int, end: int) -> re.Match[str] | None:
    """Return the field's name that stands here; a colon within brackets ends none."""
    match = _FIELD.match(text, start, end)
    if match is None or len(match["name"].split()) > _WORDS_IN_NAME:
        return None
    aside = match["sep"] == ":" and match["name"].rfind(" (") > match["name"].rfind(")")
    return None if aside else match


class Pairs:
    """Finds the fields and answers of one sentence.

    Args:
        words: What answers are made of.
    """

    def __init__(self, words: AnswerWords) -> None:
        self._words = words

    def begin_line(self, text: str, start: int, end: int) -> bool:
        """Whether a line begins with a field, or is one."""
        match = _field_at(text, start, end)
        if match is not None and ". " not in match["name"]:
            return True
        ahead = _AHEAD.match(text, start, end)
        if ahead is not None and self._answers_list(ahead[1]):
            return True
        plain = _UNMARKED.search(text, start, end) is None
        return not plain and self._trailing(text, start, end) is not None

    def about(self, text: str, start: int, end: int) -> Place:
        """Return what a name is about: without how it was looked for, and without the answers to choose from."""
        asked = None if LISTED.match(text, start, end) else LOOKED_FOR.match(text, start, end)
        begin = start if asked is None or asked.end() >= end else asked.end()
        options = OPTIONS.search(text, begin, end)
        if options is not None and self._words.pure(options["said"]) is Answer.BLANK:
            end = options.start()
        while end > begin and text[end - 1] in " .":
            end -= 1
        return begin, end

    def name(self, text: str, start: int, end: int) -> str | None:
        """Return the name of the field that a line begins with."""
        match = _field_at(text, start, end)
        return None if match is None else match["name"].strip()

    def of_sentence(self, text: str, start: int, end: int) -> Iterator[Item]:
        """Yield what a sentence is: fields and answers, a question, or itself."""
        boxes = (
            list(BOX.finditer(text, start, end))
            if "[" in text[start:end] or "(" in text[start:end]
            else []
        )
        if boxes:
            found = list(self._boxes(text, start, end, boxes))
            if found:
                yield from found
                return
        if ")" in text[start:end] and ":" not in text[start:end]:
            found = list(self._in_parentheses(text, start, end))
            if found:
                yield from found
                return
        part = text.rfind("; ", start, end)
        denied = self._denied(text, start, end) or (
            self._denied(
                text, part + 2, end, fewest=1 if _PRESENT.search(text, start, part + 1) else 2
            )
            if part > 0
            else None
        )
        if denied is not None:
            if denied.start > start:  # "Edema is present; fracture and effusion are not"
                yield from self.of_sentence(text, start, part)
            yield denied
            return
        match = _field_at(text, start, end)
        if match is not None and match["sep"] == ":" and ")" in text[match.end() : end]:
            found = list(self._in_parentheses(text, match.end(), end))
            if len(found) > 1:  # "Key findings: edema (+), effusion (-)"
                yield from found
                return
        if match is not None:
            yield from self._chain(text, match, start, end)
            return
        if _UNMARKED.search(text, start, end) is not None:
            trailing = list(self._dashed(text, start, end))
            if trailing:
                yield from trailing
                return
        asked = text[start:end].rstrip(" )\"'").endswith("?") or text[start] == "?"
        yield Item(start, end, None, (start, end), asked)

    def _boxes(self, text: str, start: int, end: int, boxes: list[re.Match[str]]) -> Iterator[Item]:
        """Yield the fields of check boxes, which stand before their names or behind them."""
        ahead = text[start : boxes[0].start()].strip(" \t-*•")
        edges = [*(box.start() for box in boxes), end]
        after = [
            stripped(text, box.end(), edge) for box, edge in zip(boxes, edges[1:], strict=True)
        ]
        if not ahead and all(a < b for a, b in after):
            for box, place in zip(boxes, after, strict=True):
                yield Item(box.start(), place[1], place, box.span())
            return
        named = _FIELD.match(text, start, boxes[0].start())
        if (
            named
            and len(boxes) == 1
            and after[0][0] < after[0][1]
            and not self._words.pure(text[slice(*after[0])])
        ):
            return  # "Lungs: [x] no consolidation": a mark before what is said
        options = [self._words.pure(text[a:b]) for a, b in after]
        if ahead and all(a < b for a, b in after) and all(options):
            # "Effusion: [ ] yes [x] no"
            field = named.span("name") if named else stripped(text, start, boxes[0].start())
            ticked = [
                place
                for box, place in zip(boxes, after, strict=True)
                if (box["in"] or box["round"] or "").strip(" -")
            ]
            if len(ticked) == 1:
                yield Item(start, end, field, ticked[0])
            return
        if ahead:
            begin = start
            for box in boxes:
                place = stripped(text, begin, box.start())
                if place[0] < place[1]:
                    yield Item(place[0], box.end(), place, box.span())
                begin = box.end()

    def _denied(self, text: str, start: int, end: int, fewest: int = 2) -> Item | None:
        """Return the field of "Edema, fracture and effusion are ruled out", if it is mere names."""
        if end - start > _LONGEST_LIST:
            return None
        match = _ALL_DENIED.search(text, start, end)
        if match is None:
            return None
        names = text[start : match.start()]
        parts = [part.strip() for part in _PARTS.split(names) if part.strip()]
        if len(parts) < fewest or not _NAMES.match(names) or _CLAUSE.search(names):
            return None
        plural = match["verb"] is not None and match["verb"].split()[0] not in ("is", "was", "has")
        several = match["answer"].startswith(("all ", "both "))
        titles = match["mark"] != "," and all(part[0].isupper() for part in parts)
        if not (plural or several or titles or fewest == 1):
            return None
        return Item(start, end, (start, match.start()), match.span("answer"))

    def _in_parentheses(self, text: str, start: int, end: int) -> Iterator[Item]:
        """Yield the fields of "Pneumothorax (no), effusion (yes)"."""
        begin, answered = start, False
        found = []
        for match in _ASIDE.finditer(text, start, end):
            if match.start() < begin:
                continue
            whole = self._words.pure(match.group())
            if whole is None and self._words.pure(match[1]) is None:
                entry = _ENTRY_END.match(text, match.end(), end)
                if entry is not None:  # "edema (mild), effusion (none)"
                    place = stripped(text, begin, match.end())
                    found.append(Item(place[0], match.end(), None, (place[0], match.end())))
                    begin = entry.end()
                continue
            place = stripped(text, begin, match.start())
            answer = match.span(1) if whole is None else match.span()
            found.append(Item(place[0], match.end(), place, answer))
            begin, answered = match.end(), True
        if not answered or text[begin:end].strip(" .,;"):
            return
        yield from found

    def _chain(self, text: str, match: re.Match[str], start: int, end: int) -> Iterator[Item]:
        """Yield the fields of one sentence ("Effusion: no, edema: yes")."""
        field = subject = self.about(text, *match.span("name"))
        begin = match.end()
        while True:
            following = self._next_field(text, begin, end)
            if following is None:
                answer = stripped(text, begin, end, "?")
                if answer[0] >= answer[1]:  # a dash alone is an answer that says nothing
                    answer = (begin, end) if text[begin:end].strip() else (0, 0)
                last = Item(field[0], end, field, answer if answer[1] else None)
                yield last if field == subject else last.of(subject)
                return
            answer, next_field, rest = following
            sided = SIDE.match(text[slice(*next_field)]) is not None
            if answer[0] < answer[1] or not sided:
                item = Item(
                    field[0],
                    max(field[1], answer[1]),
                    field,
                    answer if answer[0] < answer[1] else None,
                )
                yield item if field == subject else item.of(subject)
            field, begin = next_field, rest
            if not sided:
                subject = field

    def _next_field(self, text: str, begin: int, end: int) -> tuple[Place, Place, int] | None:
        """Return the answer that ends before the next field, that field, and where its own begins."""
        match = _SEPARATOR.search(text, begin, end)
        if match is None:
            return None
        middle = text[begin : match.start()]
        lead = self._words.leading(middle)
        rest = "" if lead is None else middle[lead[1] :].lstrip(" \t")
        listed = "," in rest or ";" in rest
        if lead is not None and rest and (not rest[0].islower() or not listed):
            cut = begin + lead[1]
        else:
            comma = max(middle.rfind(","), middle.rfind(";"))
            if comma < 0:
                named = _LAST_NAME.search(middle)
                if named is None:
                    return None
                comma = named.start(1)
            cut = begin + comma
        answer = stripped(text, begin, cut)
        name = stripped(text, cut, match.start())
        if not text[begin : name[0]].strip() and _NUMBERED.fullmatch(text, *name):
            return None  # "Edema: p = 0.97"
        if name[0] >= name[1] or len(text[slice(*name)].split()) > 5:
            return None
        return answer, name, match.end()

    def _dashed(self, text: str, start: int, end: int) -> Iterator[Item]:
        """Yield the fields of "Effusion - no; edema - present (left)", if all of it is such fields."""
        columns = list(self._columns(text, start, end))
        if columns:
            yield from columns
            return
        ahead = _AHEAD.match(text, start, end)
        if ahead is not None and self._answers_list(ahead[1]):
            yield Item(
                start, end, ahead.span(1), stripped(text, ahead.end(), end)
            )  # "Absent - edema"
            return
        whole = self._trailing(text, start, end)
        if whole is not None and not re.search(r"[;,]\s", text[start : whole[0][1]]):
            yield Item(start, end, *whole)
            return
        for parts in (";", ","):
            edges = [
                start,
                *(start + m.start() + 1 for m in re.finditer(parts, text[start:end])),
                end,
            ]
            found = [
                (a, b, self._trailing(text, *stripped(text, a, b)))
                for a, b in itertools.pairwise(edges)
                if text[a:b].strip(" .,;")
            ]
            if parts == ";" and len(found) > 1 and any(place is not None for _, _, place in found):
                # "Atelectasis - left base; effusion - none"
                found = [
                    (a, b, place or self._described(text, *stripped(text, a, b)))
                    for a, b, place in found
                ]
            remark = found[1:] and found[0][2] and not any(place for _, _, place in found[1:])
            if remark and found[0][2] is not None and _DASH.search(text, start, found[0][1]):
                # "Edema - no; the film is rotated": an answer, and a remark
                yield Item(start, found[0][1] - 1, *found[0][2])
                yield Item(found[1][0], end, None, stripped(text, found[1][0], end))
                return
            if len(found) > 1 and all(place is not None for _, _, place in found):
                for a, b, place in found:
                    if place is not None:
                        yield Item(stripped(text, a, b)[0], max(place[1][1], b - 1), *place)
                return
        if apart := self._apart(text, found):
            yield from apart
        elif whole is not None and "; " not in text[start : whole[0][1]]:
            yield Item(start, end, *whole)

    def _apart(
        self, text: str, parts: list[tuple[int, int, tuple[Place, Place] | None]]
    ) -> list[Item]:
        """Return sentences and fields of "Large effusion, pneumothorax none", where each says how it is."""
        items: list[Item] = []
        for at, (start, end, place) in enumerate(parts):
            begin, stop = stripped(text, start, end)
            before = parts[at - 1] if at else None
            if place is not None:
                alone = before is None or before[2] is not None
                if not alone and before is not None and not _STATED.search(text, *before[:2]):
                    return []  # "Edema, effusion none"
                items.append(Item(begin, max(place[1][1], end - 1), *place))
            elif items and items[-1].field is None and items[-1].answer is not None:
                first = items[-1].start
                items[-1] = Item(first, end, None, (first, stop))
            else:
                items.append(Item(begin, end, None, (begin, stop)))
        fields = sum(item.field is not None for item in items)
        return items if 0 < fields < len(items) else []

    def _answers_list(self, name: str) -> bool:
        """Whether a name answers for what stands behind it: "Absent", "Significant negatives"."""
        return self._words.pure(name) is not None or GROUP.match(name) is not None

    def _described(self, text: str, start: int, end: int) -> tuple[Place, Place] | None:
        """Return field and answer of a part with one dash between them, whatever it answers."""
        dashes = list(_DASH.finditer(text, start, end))
        if len(dashes) != 1 or dashes[0].start() == start or dashes[0].end() == end:
            return None
        return (start, dashes[0].start()), (dashes[0].end(), end)

    def _columns(self, text: str, start: int, end: int) -> Iterator[Item]:
        """Yield the fields of several columns ("Effusion    no    Edema    yes")."""
        gaps = list(re.finditer(r"\t+|[ ]{2,}", text[start:end].rstrip()))
        edges = [start, *(start + gap.end() for gap in gaps), end]
        cells = [stripped(text, a, b) for a, b in itertools.pairwise(edges)]
        if len(cells) >= 4 and len(cells) % 2 == 0:
            pairs = list(zip(cells[::2], cells[1::2], strict=True))
            if all(self._words.pure(text[slice(*answer)]) for _, answer in pairs):
                for field, answer in pairs:
                    yield Item(field[0], answer[1], field, answer)
                return
        at, found = start, []
        while (match := _PAIRS.match(text, at, end)) is not None:
            found.append(Item(match.start(1), match.end(2), match.span(1), match.span(2)))
            at = match.end()
        if (
            at == end
            and len(found) > 1
            and not any(
                "no" in text[slice(*item.field)].lower().split() for item in found if item.field
            )
        ):
            yield from found

    def _trailing(self, text: str, start: int, end: int) -> tuple[Place, Place] | None:
        """Return field and answer of a line without a colon ("Effusion - no", "Effusion    no")."""
        stop = end
        while stop > start and (text[stop - 1].isspace() or text[stop - 1] in ".,;"):
            stop -= 1
        # an answer is a few words
        start, head = max(start, stop - _LONGEST_LINE), start
        line = text[start:stop]
        for match in re.finditer(r"[ \t]+[-–—]+[ \t]*|\t+|[ ]{2,}|[,;][ ]*|[ ]+", line):
            gap = match.group()
            answer = line[match.end() :]
            prose = gap not in (",", ";") and gap.strip(" \t") in ("", ",", ";")
            if prose and "\t" not in gap and len(gap) < 3 and not self._words.bare(answer):
                continue  # prose: "effusion present", "pneumothorax, none seen"
            how = self._words.pure(
                re.sub(r"\s*\([^()]*\)\Z", "", answer) if gap.strip() else answer
            )
            if how is None:
                continue
            place = stripped(text, head, start + match.start())
            if prose and _GOES_ON.search(text, *place):
                return None  # a wrapped line: "The heart is normal. There is no"
            if SIDE.match(text[slice(*place)].rpartition(",")[2].strip()):
                continue  # "small right effusion, left none"
            if place[0] < place[1] and place[1] - place[0] <= _LONGEST_LINE:
                return place, (start + match.end(), stop)
        return None
