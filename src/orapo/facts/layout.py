"""Report text -> the items it is made of: sentences, and fields with their answers.

Templates, tables, check boxes, lists, questions and JSON all say ``field: answer``. Here it is found out
what is a field and what its answer is; what the two mean together is `orapo.facts.fields`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from orapo.facts.answers import AnswerWords
from orapo.facts.sections import BARE_HEADING, HeadingNames, reported_parts
from orapo.facts.sentences import WRAPPED_LINE, split_sentences

Place = tuple[int, int]
"""First character and one past the last."""


class Item(NamedTuple):
    """A sentence, or a field and its answer.

    Attributes:
        start: First character of all of it.
        end: One past its last.
        field: The field's name; None for a sentence.
        answer: The answer or the sentence; None for a field without an answer.
        asked: Whether it is a question that nothing answers.
    """

    start: int
    end: int
    field: Place | None
    answer: Place | None
    asked: bool = False


_SIMPLE: Final = re.compile(r"[A-Za-z0-9 .,;'/%+&\"-]*\Z")
_HINTS: Final = (
    *(" -", "- ", "   ", " yes", " true", " false", " nil", "&amp", "&nbsp", "&#"),
    *(f" {answer}{mark}" for answer in ("no", "none") for mark in ".,;"),
)
"""A text of simple characters in which none of these and of the next stands is sentences alone."""
_PERHAPS: Final = (
    *(" one", "the left ", "the right ", "1.", "1)", "2.", "2)", " and no", " but no", "findings "),
    *("impression", "indication", "history ", "comparison ", "technique ", "conclusion "),
)
_LOOKED_INTO: Final = re.compile(
    r"\b[Tt]he (?:left|right) (?:persist|remain|is |has )|1[.)](?=[A-Za-z])"
    r"|2[.)](?:(?<=[a-z]2.)|(?<=[a-z] 2.))| one (?:on|in|at|is|remains|persists|has)\b| one[.,;]"
    r"| (?:and|but) (?:no|not) (?:left|right)|" + BARE_HEADING.pattern
)
_LAST_ANSWER: Final = (" no", " yes", " none", " nil", " true", " false")
_UNMARKED: Final = re.compile(
    r"[-–—\t]|  |[,;](?:[01]|true|false|yes|no|present|absent|positive|negative)[ \t]*(?:\n|\Z)|\b(?:no|yes|none|true|false|y|n|nil)[\s.,;]*(?:[;,]|\Z)",
    re.IGNORECASE,
)
"""A line in which this finds nothing has no answer without a colon."""
_MARKER: Final = re.compile(
    r"[ \t]*(?:(?:[-*+>•·#]+|\(?\d{1,2}[.)]|\(?[a-z][)]|[a-h][.])[ \t]+)+|[ \t]*\d{1,2}[.)](?=[A-Za-z])|[ \t]*[-*](?=[A-Z])"
)
_BOX: Final = re.compile(r"\[(?P<in>[ xX+\-]?)\]|(?<![\w)])\((?P<round>[ xX])\)(?![\w(])")
_NAME: Final = r"[^\s:=.!?;\[\]|][^:=!?;\n|]{0,78}?"
_FIELD: Final = re.compile(rf"(?P<name>{_NAME})[ \t]*(?P<sep>:=|=>|->|:|=|[.]{{3,}})(?!\d\d\b)")
_NUMBER: Final = re.compile(r"(?:(?<=\s)|(?<=[.;])|(?<![\s\S]))\(?(\d{1,2})[.)]\s*(?=[A-Za-z\[])")
_ENDS_OPEN: Final = re.compile(
    r"(?:[,;:(/-]|\b(?:and|or|of|the|a|an|with|without|no|in|on|at|to|for|from|by|is|are|was|were|be|has|have"
    r"|evidence|likely|possible|probable|small|large|mild|moderate|minimal|trace|focal|acute|new|left|right"
    r"|bilateral|pleural|pulmonary|cardiac|interval|not|nor|as|which|that|this|than|lower|upper|middle|mid"
    r"|may|cannot|could|seen|suggesting|represent|representing|versus|vs))\s*\Z",
    re.IGNORECASE,
)
"""What a line that goes on in the next one ends with."""
_NOUN_SIDE: Final = re.compile(r"\b(?:the|on)\s+(?:left|right)\s*\Z", re.IGNORECASE)
_GOES_ON: Final = re.compile(
    r"\s*(?:and|or|nor|of|with|but|which|that|is|are|was|were|in|on|at|to|for|from|than|as|by|has|have|seen|not)\b",
    re.IGNORECASE,
)
_META: Final = re.compile(
    r"(?:(?:is |currently )?present|status|value|answer|presence|polarity|state|result|exists?|detected|assertion"
    r"|prediction|certainty|found|response)\Z",
    re.IGNORECASE,
)
"""Members of a field that answer it."""
_NAMING: Final = re.compile(
    r"(?:name|label|finding|observation|condition|item|structure|pathology|disease|abnormality|title)\Z",
    re.IGNORECASE,
)
"""Members that say what the others are about."""
_BESIDE: Final = re.compile(
    r"(?:side|laterality|location|position|severity|size|degree|confidence|probability|score|code|id|grade|count"
    r"|measurement|zone|lobe|date|time|view|views|age|sex|gender|evidence|uncertainty)\Z",
    re.IGNORECASE,
)
"""Members of a field that say more about it, and nothing alone."""
_WORDS_IN_NAME: Final = 9
_LAST_NAME: Final = re.compile(r"\s([A-Z][A-Za-z/]*(?: [a-z]+){0,3})\s*\Z")
"""A name with a capital before a colon: "Edema: mild Fracture: no"."""
_PAIRS: Final = re.compile(
    r"([A-Za-z][A-Za-z /]*?)\s+(yes|no|none|absent|present|positive|negative)\b[ ,;.]*",
    re.IGNORECASE,
)
_AHEAD: Final = re.compile(r"([A-Za-z]+(?: [a-z]+)?)[ \t]+[-–—]+[ \t]+(?=\S)")
_LONGEST_LINE: Final = 120
"""Characters of a field without a colon, and of its answer."""


class Layout:
    """Finds the items of reports.

    Args:
        names: What headings are called.
        words: What answers are made of.
        follow: Pairs of words that follow each other within a phrase of the lexicon.
    """

    def __init__(
        self, names: HeadingNames, words: AnswerWords, follow: frozenset[tuple[str, str]]
    ) -> None:
        self._names, self._words, self._follow = names, words, follow

    def items(self, text: str) -> list[Item]:
        """Return the items of a clean text that speak of the film, in order."""
        found: list[Item] = []
        for start, end in reported_parts(text, self._names):
            found += self._part(text, start, end)
        if any(item.field is not None for item in found):
            found = self._named(text, found)
        if "\n" in text:
            found = self._alone(text, found)
        return self._answered(text, found) if "?" in text else found

    # Lines

    def _part(self, text: str, start: int, end: int) -> Iterator[Item]:
        parents: list[_Parent] = []
        for block in self._blocks(text, start, end):
            if block.after_blank:
                # a heading's own lines end at an empty one, but for those deeper or in a list
                parents = [
                    p for p in parents if block.indent > p.indent or (block.marked and not p.used)
                ]
            while parents and not self._below(block, parents[-1]):
                parents.pop()
            yield from self._block(text, block, parents)

    def _below(self, block: _Block, parent: _Parent) -> bool:
        if block.indent > parent.indent or (block.marked and not parent.marked):
            parent.listed = parent.listed or block.marked
            return True
        return (
            not parent.listed  # prose behind a list is no entry of it
            and not block.named
            and not block.marked
            and block.indent == parent.indent
            and not parent.marked
        )

    def _blocks(self, text: str, start: int, end: int) -> Iterator[_Block]:
        """Yield the stretches of lines that belong together."""
        current: _Block | None = None
        blank = False
        for line_start, line_end in _line_places(text, start, end):
            line = text[line_start:line_end]
            if not line.strip():
                if current is not None:
                    yield current
                current, blank = None, True
                continue
            marker = _MARKER.match(line)
            body = line_start + (marker.end() if marker else len(line) - len(line.lstrip()))
            named = self._is_field_line(text, body, line_end)
            boxed = _BOX.match(text, body, line_end) is not None
            indent = len(line) - len(line.lstrip())
            if (
                current is not None
                and not (marker or named or boxed)
                and self._goes_on(text, current, body, line_end)
            ):
                prose = current.prose or ". " in line
                current = current._replace(end=line_end, prose=prose)
                continue
            if current is not None:
                yield current
            fielded = named or boxed
            prose = ". " in line
            current = _Block(body, line_end, indent, marker is not None, fielded, blank, prose)
            blank = False
        if current is not None:
            yield current

    def _is_field_line(self, text: str, start: int, end: int) -> bool:
        match = _FIELD.match(text, start, end)
        if (
            match is not None
            and len(match["name"].split()) <= _WORDS_IN_NAME
            and ". " not in match["name"]
        ):
            return True
        plain = _UNMARKED.search(text, start, end) is None
        return not plain and self._trailing(text, start, end) is not None

    def _goes_on(self, text: str, block: _Block, start: int, end: int) -> bool:
        """Whether a line goes on with the sentence of the line before it."""
        before = text[text.rfind("\n", 0, block.end) + 1 : block.end]
        stripped = before.rstrip()
        if stripped.endswith(":"):
            return False
        if _ENDS_OPEN.search(stripped) and not _NOUN_SIDE.search(stripped):
            return True
        if stripped.endswith((".", "!", "?")):
            return True  # the sentences are parted later
        if len(stripped) >= WRAPPED_LINE or _GOES_ON.match(text, start):
            return True
        first = text[start : start + 1]
        if not first.islower():
            return False
        words = (
            re.findall(r"[a-z']+", stripped.lower())[-1:],
            re.findall(r"[a-z']+", text[start:end].lower())[:1],
        )
        if words[0] and words[1] and (words[0][0], words[1][0]) in self._follow:
            return True
        # prose has sentences that end and begin within its lines; a list has not
        return block.prose or ". " in text[start:end]

    # Fields

    def _block(self, text: str, block: _Block, parents: list[_Parent]) -> Iterator[Item]:
        for start, end in self._numbered(text, block.start, block.end):
            for span in split_sentences(text[start:end]):
                begin, stop = start + span.start, start + span.end
                items = list(self._sentence(text, begin, stop))
                for item in items:
                    if item.field is not None and item.answer is None and not item.asked:
                        parents.append(_Parent(item.field, block.indent, block.marked))
                        yield item
                        continue
                    yield self._of_parent(text, item, parents)

    def _of_parent(self, text: str, item: Item, parents: list[_Parent]) -> Item:
        """Return an item as the answer of the field that it stands below."""
        if not parents:
            return item
        parent = parents[-1]
        parent.used = True
        if item.field is None:
            return item._replace(field=parent.place)
        name = text[slice(*item.field)].strip()
        if _META.match(name):
            return item._replace(field=parent.place, start=min(item.start, item.end))
        if _BESIDE.match(name):
            return item._replace(field=None, answer=None)
        return item

    def _numbered(self, text: str, start: int, end: int) -> Iterator[Place]:
        """Yield the entries of a list that is numbered within a line ("1.No effusion 2.Edema")."""
        before = re.search(r"(\d{1,2})[.)][ \t]*\Z", text[max(0, start - 6) : start])
        wanted, cuts = int(before[1]) + 1 if before else 1, [start]
        for match in _NUMBER.finditer(text, start, end):
            if int(match[1]) == wanted:
                if match.start() > start:
                    yield cuts[-1], match.start()
                cuts.append(match.end())
                wanted += 1
        yield cuts[-1], end

    def _sentence(self, text: str, start: int, end: int) -> Iterator[Item]:
        """Yield what a sentence is: fields and answers, a question, or itself."""
        boxes = (
            list(_BOX.finditer(text, start, end))
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
        match = _FIELD.match(text, start, end)
        if match is not None and len(match["name"].split()) <= _WORDS_IN_NAME:
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
            _stripped(text, box.end(), edge) for box, edge in zip(boxes, edges[1:], strict=True)
        ]
        if not ahead and all(a < b for a, b in after):
            for box, place in zip(boxes, after, strict=True):
                yield Item(box.start(), place[1], place, box.span())
            return
        named = _FIELD.match(text, start, boxes[0].start())
        options = [self._words.pure(text[a:b]) for a, b in after]
        if ahead and all(a < b for a, b in after) and all(options):
            # "Effusion: [ ] yes [x] no"
            field = named.span("name") if named else _stripped(text, start, boxes[0].start())
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
                place = _stripped(text, begin, box.start())
                if place[0] < place[1]:
                    yield Item(place[0], box.end(), place, box.span())
                begin = box.end()

    def _in_parentheses(self, text: str, start: int, end: int) -> Iterator[Item]:
        """Yield the fields of "Pneumothorax (no), effusion (yes)"."""
        begin = start
        found = []
        for match in re.compile(r"\(([^()]{0,30})\)").finditer(text, start, end):
            whole = self._words.pure(match.group())
            if whole is None and self._words.pure(match[1]) is None:
                continue
            place = _stripped(text, begin, match.start())
            answer = match.span(1) if whole is None else match.span()
            found.append(Item(place[0], match.end(), place, answer))
            begin = match.end()
        if not found or text[begin:end].strip(" .,;"):
            return
        yield from found

    def _chain(self, text: str, match: re.Match[str], start: int, end: int) -> Iterator[Item]:
        """Yield the fields of one sentence ("Effusion: no, edema: yes")."""
        field = match.span("name")
        begin = match.end()
        while True:
            following = self._next_field(text, begin, end)
            if following is None:
                answer = _stripped(text, begin, end, "?")
                if answer[0] >= answer[1]:  # a dash alone is an answer that says nothing
                    answer = (begin, end) if text[begin:end].strip() else (0, 0)
                yield Item(field[0], end, field, answer if answer[1] else None)
                return
            answer, next_field, rest = following
            yield Item(
                field[0], max(field[1], answer[1]), field, answer if answer[0] < answer[1] else None
            )
            field, begin = next_field, rest

    def _next_field(self, text: str, begin: int, end: int) -> tuple[Place, Place, int] | None:
        """Return the answer that ends before the next field, that field, and where its own begins."""
        match = re.compile(r":=|=>|->|:(?!\d\d\b)|=").search(text, begin, end)
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
        answer = _stripped(text, begin, cut)
        name = _stripped(text, cut, match.start())
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
        if ahead is not None and self._words.pure(ahead[1]) is not None:
            yield Item(
                start, end, ahead.span(1), _stripped(text, ahead.end(), end)
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
                (a, b, self._trailing(text, *_stripped(text, a, b)))
                for a, b in itertools.pairwise(edges)
                if text[a:b].strip(" .,;")
            ]
            if len(found) > 1 and all(place is not None for _, _, place in found):
                for a, b, place in found:
                    if place is not None:
                        yield Item(_stripped(text, a, b)[0], max(place[1][1], b - 1), *place)
                return
        if whole is not None:
            yield Item(start, end, *whole)

    def _columns(self, text: str, start: int, end: int) -> Iterator[Item]:
        """Yield the fields of several columns ("Effusion    no    Edema    yes")."""
        gaps = list(re.finditer(r"\t+|[ ]{2,}", text[start:end].rstrip()))
        edges = [start, *(start + gap.end() for gap in gaps), end]
        cells = [_stripped(text, a, b) for a, b in itertools.pairwise(edges)]
        if len(cells) >= 4 and len(cells) % 2 == 0:
            pairs = list(zip(cells[::2], cells[1::2], strict=True))
            if all(self._words.pure(text[slice(*answer)]) for _, answer in pairs):
                for field, answer in pairs:
                    yield Item(field[0], answer[1], field, answer)
                return
        at, found = start, []
        for match in _PAIRS.finditer(text, start, end):
            if match.start() != at:
                return
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
            how = self._words.pure(
                re.sub(r"\s*\([^()]*\)\Z", "", answer) if gap.strip() else answer
            )
            if how is None:
                continue
            prose = gap not in (",", ";") and gap.strip(" \t") in ("", ",", ";")
            if prose and "\t" not in gap and len(gap) < 3 and not self._words.bare(answer):
                continue  # prose: "effusion present", "pneumothorax, none seen"
            place = _stripped(text, head, start + match.start())
            if place[0] < place[1] and place[1] - place[0] <= _LONGEST_LINE:
                return place, (start + match.end(), stop)
        return None

    # Questions

    def _answered(self, text: str, items: list[Item]) -> list[Item]:
        """Join each question with its answer, if the next item begins with one."""
        done: list[Item] = []
        rest = list(reversed(items))
        while rest:
            item = rest.pop()
            following = rest[-1] if rest else None
            answer = None if following is None or following.field is not None else following.answer
            if not item.asked or item.answer is None or following is None or answer is None:
                done.append(item)
                continue
            field = _stripped(text, *item.answer)
            lead = self._words.leading(text[slice(*answer)])
            if lead is not None and following.asked:
                # "Edema? No; effusion? Yes"
                cut = answer[0] + lead[1]
                if text[cut : cut + 1] in (",", ";", "."):
                    place = _stripped(text, cut, answer[1], "?")
                    done.append(Item(item.start, cut, field, (answer[0], cut)))
                    rest[-1] = Item(place[0], following.end, None, place, True)
                    continue
            if not following.asked and self._words.answers(text[slice(*answer)]):
                rest.pop()
                item = Item(item.start, following.end, field, answer)
            done.append(item)
        return done

    def _alone(self, text: str, items: list[Item]) -> list[Item]:
        """Join a line without a full stop with the line below it that is an answer and no more."""
        done: list[Item] = []
        for item in items:
            before = done[-1] if done else None
            if (
                before is not None
                and before.field is None
                and before.answer is not None
                and item.field is None
                and item.answer is not None
                and "\n" in text[before.end : item.start]
                and text[before.start : before.end].rstrip()[-1:] not in ".!?"
                and self._words.pure(text[slice(*item.answer)]) is not None
            ):
                done[-1] = Item(before.start, item.end, before.answer, item.answer)
            else:
                done.append(item)
        return done

    def _named(self, text: str, items: list[Item]) -> list[Item]:
        """Join "name: edema" with the "present: no" behind it, as XML writes them."""
        done: list[Item] = []
        for item in items:
            before = done[-1] if done else None
            if (
                before is not None
                and before.field is not None
                and before.answer is not None
                and item.field is not None
                and item.answer is not None
                and _META.match(text[slice(*item.field)].strip())
                and _NAMING.match(text[slice(*before.field)].strip())
            ):
                done[-1] = Item(before.start, item.end, before.answer, item.answer)
            else:
                done.append(item)
        return done


def is_plain(text: str, lowered: str) -> bool:
    """Whether a report is sentences alone, without headings, fields, lists and questions.

    Most are, and are then read without a step more than that takes.

    Args:
        text: The report.
        lowered: The same in lower case.
    """
    if _SIMPLE.match(text) is None:
        return False
    for hint in _HINTS:
        if hint in lowered:
            return False
    for hint in _PERHAPS:
        if hint in lowered and _LOOKED_INTO.search(text):
            return False
    return not lowered.endswith(_LAST_ANSWER)


class _Block(NamedTuple):
    start: int
    end: int
    indent: int
    marked: bool
    named: bool
    after_blank: bool
    prose: bool


class _Parent:
    """A field whose answers stand on the lines below it."""

    __slots__ = ("indent", "listed", "marked", "place", "used")

    def __init__(self, place: Place, indent: int, marked: bool) -> None:
        self.place, self.indent, self.marked = place, indent, marked
        self.used = self.listed = False


def _line_places(text: str, start: int, end: int) -> Iterator[Place]:
    while start <= end:
        stop = text.find("\n", start, end)
        stop = end if stop < 0 else stop
        yield start, stop
        start = stop + 1


def _stripped(text: str, start: int, end: int, kept: str = "") -> Place:
    """Return a place without the white space and the marks around it, but for those ``kept``."""
    while start < end and (text[start].isspace() or text[start] in ",;.-–—•\"'"):
        if text[start] == "-" and text[start + 1 : start + 2].isdigit():
            break  # -1 is uncertain
        start += 1
    while end > start and (
        text[end - 1].isspace() or (text[end - 1] in ",;:?\"'–—=" and text[end - 1] not in kept)
    ):
        end -= 1
    return start, end
