"""Lines -> items: which lines belong together, and which field's answers stand below it.

What one sentence holds is found by `orapo.facts.forms.pairs`; what field and answer mean together is
`orapo.facts.fields`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from orapo.facts.forms.answers import Answer, AnswerWords
from orapo.facts.forms.blocks import Block, Parent, line_places
from orapo.facts.forms.items import (
    ANSWERING,
    BESIDE,
    DEGREE,
    NAMING,
    PROBABLE,
    SIDE,
    SIZE,
    Item,
    Place,
    stripped,
)
from orapo.facts.forms.names import LEGEND, LOOKED_FOR
from orapo.facts.forms.pairs import BOX, Pairs
from orapo.facts.forms.sections import HeadingNames, reported_parts
from orapo.facts.forms.sentences import WRAPPED_LINE, split_sentences

_MARKER: Final = re.compile(
    r"[ \t]*(?:(?:[-*+>•·#]+|(?i:step|item|point|line) ?\d{1,2}[.:)]|\(?\d{1,2}[.)]|\(?[a-z][)]|[a-h][.])[ \t]+)+|[ \t]*\d{1,2}[.)](?=[A-Za-z])|[ \t]*[-*](?=[A-Z])"
)
_NUMBER: Final = re.compile(
    r"(?:(?<=\s)|(?<=[.;])|(?<![\s\S]))(?:\(?(\d{1,2}|[a-h])(?:[.)]|:(?=\s)|\s?[-–](?=\s?[A-Z]))|\#(\d{1,2})[.:)]?)"
    r"\s*(?=[A-Za-z\[])"
)
_ENDS_OPEN: Final = re.compile(
    r"(?:[,;:(/-]|\b(?:and|or|of|the|a|an|with|without|no|in|on|at|to|for|from|by|is|are|was|were|be|has|have"
    r"|evidence|likely|possible|probable|small|large|mild|moderate|minimal|trace|focal|acute|new|left|right"
    r"|bilateral|pleural|pulmonary|cardiac|interval|not|nor|as|which|that|this|than|lower|upper|middle|mid"
    r"|may|cannot|could|seen|suggesting|represent|representing|versus|vs))\s*\Z",
    re.IGNORECASE,
)
"""What a line that goes on in the next one ends with."""
_ANSWERED_NO: Final = re.compile(r"(?P<name>\w+)[ \t]*[:=][ \t]*no\Z", re.IGNORECASE)
"""A field and its answer, which goes on nowhere."""
_BROAD: Final = frozenset(
    ("findings", "finding", "impression", "conclusion", "report", "opinion", "summary", "diagnosis", "interpretation", "chest",
     "lungs", "lung", "airways", "airway", "pleura", "pleural", "space", "spaces", "heart", "mediastinum", "hila", "hilum",
     "bones", "bone", "osseous", "skeleton", "structures", "thorax", "abdomen", "diaphragm", "silhouette", "tissues", "fields",
     "parenchyma", "side", "left", "right", "other", "is", "are", "shows", "show", "comment", "comments", "answer", "assistant",
     "cardiac", "cardiomediastinal", "vasculature", "wall", "devices", "lines", "tubes")
)  # fmt: skip
"""Names under which a sentence begins with "no", and ends in the next line."""
_WORD: Final = re.compile(r"[a-z']+")
_ANSWER_IS: Final = re.compile(r"(?:the |my )?answer(?: is)?", re.IGNORECASE)
_WORDS_IN_NAME: Final = 6
_WORDS_IN_LABEL: Final = 3
_SAYS: Final = re.compile(
    r"\b(?:no|not|without|is|are|normal|clear|seen|there|\d)\b", re.IGNORECASE
)
"""What a mere name does not hold."""
_POLAR: Final = (Answer.AFFIRMED, Answer.DENIED, Answer.DOUBTED)
_DEGREE: Final = re.compile(
    r"\W*(?:very )?(?:trace|tiny|small|minimal|mild|moderate|large|severe|slight|borderline|bilateral|left|right)"
    r"(?:,? (?:to|and|moderate|severe|large|small|left|right|bilateral|bibasilar|apical|basilar|stable|unchanged|sided|on|in|at|the|base|apex|lung|lobe|upper|lower|side)\b)*\W*",
    re.IGNORECASE,
)
"""Answers a question, for it says how much or where: "Edema? Mild."."""
_NAMED: Final = re.compile(rf"{NAMING.pattern}|(?:text|display|code)\Z", re.IGNORECASE)
_ANSWER_BELOW: Final = re.compile(r"[\s:]*(?:answer|result|status)?[\s:=-]*", re.IGNORECASE)
_STOPS: Final = ".!?:;,"
_EARLY: Final = 2
"""Lines that end before their width, without a stop, of which a text that was wrapped has fewer."""
_STATES: Final = 2
"""Boxes of one finding that make them a choice."""
_NEAR: Final = 4
"""Words on each side of a line's end in which a phrase is looked for."""
_NOUN_SIDE: Final = re.compile(r"\b(?:the|on)\s+(?:left|right)\s*\Z", re.IGNORECASE)
_GOES_ON: Final = re.compile(
    r"\s*(?:and|or|nor|of|with|but|which|that|is|are|was|were|in|on|at|to|for|from|than|as|by|has|have|seen|not)\b",
    re.IGNORECASE,
)


class Layout:
    """Finds the items of reports.

    Args:
        names: What headings are called.
        words: What answers are made of.
        one_phrase: Tells whether a phrase of the lexicon begins in some words and goes on in those
            behind them.
    """

    def __init__(
        self,
        names: HeadingNames,
        words: AnswerWords,
        one_phrase: Callable[[list[str], list[str]], bool],
    ) -> None:
        self._names, self._words, self._one_phrase = names, words, one_phrase
        self._pairs = Pairs(words)

    def items(self, text: str) -> list[Item]:
        """Return the items of a clean text that speak of the film, in order."""
        found: list[Item] = []
        for start, end in reported_parts(text, self._names):
            found += self._part(text, start, end)
        found = self._joined(text, found)
        if LEGEND.search(text):
            # beside the key of its answers a mere name has none
            found = [self._unanswered(text, item) for item in found]
        if "\n" in text and "[" in text:
            found = self._ticked(text, found)
        return self._answered(text, found) if "?" in text else found

    def _unanswered(self, text: str, item: Item) -> Item:
        """Return a line that is a mere name, or names, as a field without an answer."""
        if item.field is not None or item.answer is None or item.asked:
            return item
        names = [name.strip(" .") for name in text[slice(*item.answer)].split(",")]
        if any(len(name.split()) > _WORDS_IN_LABEL or _SAYS.search(name) for name in names):
            return item
        return item._replace(answer=None, field=item.answer)

    # Lines

    def _part(self, text: str, start: int, end: int) -> Iterator[Item]:
        parents: list[Parent] = []
        blocks = list(self._blocks(text, start, end))
        for index, block in enumerate(blocks):
            if block.after_blank:
                # a heading's own lines end at an empty one, but for those deeper or in a list
                parents = [
                    p
                    for p in parents
                    if block.indent > p.indent
                    or (not p.used and (block.marked or self._is_polar(text, p)))
                ]
            while parents and not self._below(block, parents[-1]):
                parents.pop()
            if self._heads(text, blocks, index):
                place = stripped(text, block.start, block.end)
                parents.append(Parent(place, block))
                yield Item(block.start, block.end, place, None)
                continue
            yield from self._block(text, block, parents)

    def _heads(self, text: str, blocks: list[Block], index: int) -> bool:
        """Whether a line is a mere name and a field below it, and deeper, says what holds of it."""
        block = blocks[index]
        if block.named or len(text[block.start : block.end].split()) > _WORDS_IN_NAME:
            return False
        if text[block.start : block.end].rstrip()[-1:] in ".!?;,":
            return False
        for deeper in blocks[index + 1 :]:
            if deeper.indent <= block.indent or deeper.after_blank:
                return False
            if deeper.indent > blocks[index + 1].indent:
                continue  # below an entry of its own
            name = self._pairs.name(text, deeper.start, deeper.end)
            if name is not None and (ANSWERING.match(name) or self._words.pure(name) in _POLAR):
                return True
        return False

    def _below(self, block: Block, parent: Parent) -> bool:
        bulleted = block.marked and not block.numbered
        if (
            block.indent > parent.indent
            or (block.marked and not parent.marked)
            or (bulleted and parent.numbered and block.indent == parent.indent)
        ):
            parent.listed = parent.listed or block.marked
            return True
        return (
            not parent.listed  # prose behind a list is no entry of it
            and not block.named
            and not block.marked
            and block.indent == parent.indent
            and not parent.marked
        )

    def _blocks(self, text: str, start: int, end: int) -> Iterator[Block]:
        """Yield the stretches of lines that belong together."""
        current: Block | None = None
        blank = False
        places = list(line_places(text, start, end))
        wrapped = _is_wrapped([text[slice(*place)].strip() for place in places])
        for line_start, line_end in places:
            line = text[line_start:line_end]
            if not line.strip():
                if current is not None:
                    yield current
                current, blank = None, True
                continue
            marker = _MARKER.match(line)
            body = line_start + (marker.end() if marker else len(line) - len(line.lstrip()))
            named = self._pairs.begin_line(text, body, line_end)
            boxed = BOX.match(text, body, line_end) is not None
            indent = len(line) - len(line.lstrip())
            if (
                current is not None
                and not (marker or named or boxed)
                and self._goes_on(text, current, body, line_end, wrapped)
            ):
                prose = current.prose or ". " in line
                current = current._replace(end=line_end, prose=prose)
                continue
            if current is not None:
                yield current
            fielded = named or boxed
            prose = ". " in line
            numbered = marker is not None and any(map(str.isdigit, marker.group()))
            current = Block(
                body, line_end, indent, marker is not None, fielded, blank, prose, numbered
            )
            blank = False
        if current is not None:
            yield current

    def _goes_on(self, text: str, block: Block, start: int, end: int, wrapped: bool) -> bool:
        """Whether a line goes on with the sentence of the line before it."""
        before = text[text.rfind("\n", 0, block.end) + 1 : block.end]
        stripped = before.rstrip()
        answered = _ANSWERED_NO.search(stripped)
        if stripped.endswith(":") or (answered and answered["name"].lower() not in _BROAD):
            return False
        if _ENDS_OPEN.search(stripped) and not _NOUN_SIDE.search(stripped):
            return True
        if stripped.endswith((".", "!", "?")):
            return True  # the sentences are parted later
        if (wrapped and len(stripped) >= WRAPPED_LINE) or _GOES_ON.match(text, start):
            return True
        first = text[start : start + 1]
        if not first.islower():
            return False
        near = (
            _WORD.findall(stripped.lower())[-_NEAR:],
            _WORD.findall(text[start:end].lower())[:_NEAR],
        )
        if self._one_phrase(*near):
            return True
        # prose has sentences that end and begin within its lines; a list has not
        return block.prose or ". " in text[start:end]

    # Fields

    def _block(self, text: str, block: Block, parents: list[Parent]) -> Iterator[Item]:
        above = parents[-1] if parents else None
        if above is not None and not self._is_polar(text, above):
            above = None
        for start, end in self._numbered(text, block.start, block.end):
            for span in split_sentences(text[start:end]):
                begin, stop = start + span.start, start + span.end
                items = list(self._pairs.of_sentence(text, begin, stop))
                for item in items:
                    if item.field is not None and item.answer is None and not item.asked:
                        if above is not None:
                            # {"absent": {"edema": {}}}: an entry, and so is what stands below it
                            parents.append(Parent(above.place, block))
                            yield item._replace(field=above.place, answer=item.field)
                            continue
                        parents.append(Parent(item.field, block))
                        yield item
                        continue
                    yield self._of_parent(text, item, parents)

    def _of_parent(self, text: str, item: Item, parents: list[Parent]) -> Item:
        """Return an item as the answer of the field that it stands below."""
        if not parents:
            return item
        parent = parents[-1]
        answered, parent.used = parent.used, True
        if item.field is None:
            return item._replace(field=parent.place)
        name = text[slice(*item.field)].strip()
        if ANSWERING.match(name):
            return item._replace(field=parent.place, start=min(item.start, item.end))
        said = None if item.answer is None else self._words.pure(text[slice(*item.answer)])
        if NAMING.match(name) and said in _POLAR:
            return item._replace(field=parent.place)  # {"edema": {"label": "present"}}
        if SIDE.match(name) or SIZE.match(name):
            return item.of(parent.place)
        if NAMING.match(name) and self._is_polar(text, parent):
            return item._replace(field=parent.place)  # {"absent": [{"name": "edema"}]}
        if (
            PROBABLE.match(name) or (DEGREE.match(name) and said is not Answer.BLANK)
        ) and not answered:
            return item._replace(field=parent.place)
        if BESIDE.match(name):
            return item._replace(field=None, answer=None)
        return item

    def _is_polar(self, text: str, parent: Parent) -> bool:
        """Whether a field's name answers for all that stands below it ("absent")."""
        return self._words.pure(text[slice(*parent.place)]) in _POLAR

    def _numbered(self, text: str, start: int, end: int) -> Iterator[Place]:
        """Yield the entries of a list that is numbered within a line ("1.No effusion 2.Edema")."""
        before = re.search(r"(\d{1,2}|\b[a-h])[.)\-:][ \t]*\Z", text[max(0, start - 6) : start])
        wanted, cuts = _ordinal(before[1]) + 1 if before else 1, [start]
        lettered = before is not None and before[1].isalpha()
        for match in _NUMBER.finditer(text, start, end):
            number = match[1] or match[2]
            if wanted == 1:
                lettered = number.isalpha()
            if _ordinal(number) == wanted and number.isalpha() == lettered:
                if match.start() > start:
                    yield cuts[-1], match.start()
                cuts.append(match.end())
                wanted += 1
        yield cuts[-1], end

    # Neighbours

    def _joined(self, text: str, items: list[Item]) -> list[Item]:
        """Join what is named with the answer that is the next item."""
        done: list[Item] = []
        for item in items:
            if done and self._answers_before(text, done[-1], item):
                before = done.pop()
                named = before.answer or before.field
                assert named is not None
                field = self._pairs.about(text, *stripped(text, *named))
                item = Item(before.start, item.end, field, item.answer)
            done.append(item)
        return done

    def _ticked(self, text: str, items: list[Item]) -> list[Item]:
        """Read boxes of two states of a finding: "[x] Edema present", "[ ] Edema absent"."""
        states = [self._state(text, item) for item in items]
        names = Counter(state.name for state in states if state is not None)
        done: list[Item] = []
        for item, state in zip(items, states, strict=True):
            if state is None or names[state.name] < _STATES:
                done.append(item)
            elif state.ticked:
                done.append(item._replace(field=state.field, answer=state.answer))
        return done

    def _state(self, text: str, item: Item) -> _State | None:
        """Return the name and the state that a box stands for; None if it stands for no state."""
        if item.field is None or item.answer is None:
            return None
        box = BOX.fullmatch(text, *item.answer)
        start, end = item.field
        named = text[start:end]
        cut = max(named.rfind(" "), named.rfind("\t"), named.rfind(":"))
        if named[:cut].lower().endswith((" not", ":not")):
            cut = named.rfind(" ", 0, cut)
        if box is None or cut <= 0 or self._words.pure(named[cut:]) is None:
            return None
        ticked = (box["in"] or box["round"] or "").strip(" -") != ""
        field = stripped(text, start, start + cut)
        return _State(text[slice(*field)].lower(), field, (start + cut + 1, end), ticked)

    def _answered(self, text: str, items: list[Item]) -> list[Item]:
        """Join each question with its answer, if the next item begins with one."""
        done: list[Item] = []
        rest = list(reversed(items))
        while rest:
            item = rest.pop()
            following = rest[-1] if rest else None
            answer = None if following is None else following.answer
            named = None if following is None else following.field
            if named is not None and _ANSWER_IS.fullmatch(text[slice(*named)]) is None:
                answer = None
            if not item.asked or item.answer is None or following is None or answer is None:
                done.append(item)
                continue
            field = stripped(text, *item.answer)
            lead = self._words.leading(text[slice(*answer)])
            if lead is not None and following.asked:
                # "Edema? No; effusion? Yes"
                cut = answer[0] + lead[1]
                if text[cut : cut + 1] in (",", ";", "."):
                    place = stripped(text, cut, answer[1], "?")
                    done.append(Item(item.start, cut, field, (answer[0], cut)))
                    rest[-1] = Item(place[0], following.end, None, place, True)
                    continue
            said = text[slice(*answer)]
            if not following.asked and (self._words.answers(said) or _DEGREE.fullmatch(said)):
                rest.pop()
                item = Item(item.start, following.end, field, answer)
            done.append(item)
        return done

    def _answers_before(self, text: str, before: Item, item: Item) -> bool:
        """Whether an item is the answer of the one before it, which names what it is about."""
        if before.answer is None and before.field is not None and item.answer is not None:
            # "Edema:", and below it "Answer: no"
            return (
                item.field is None
                and self._words.pure(text[slice(*item.answer)]) is not None
                and _ANSWER_BELOW.fullmatch(text, before.field[1], item.start) is not None
            )
        if before.answer is None or item.answer is None:
            return False
        if before.field is None and (
            item.field is None or ANSWERING.match(text[slice(*item.field)])
        ):
            named = text[before.start : before.end]
            if LOOKED_FOR.match(named) and len(named.split()) <= _WORDS_IN_NAME + 2:
                # "Check for edema. Result: none."
                return self._words.pure(text[slice(*item.answer)]) is not None
        if before.field is not None and item.field is not None:
            # "name: edema", "present: no", as XML writes them
            return bool(
                ANSWERING.match(text[slice(*item.field)].strip())
                and _NAMED.match(text[slice(*before.field)].strip())
            )
        if before.field is None and item.field is not None:
            # "Edema", and below it "status: absent"
            named = text[before.start : before.end].rstrip()
            if (
                len(named.split()) <= _WORDS_IN_LABEL
                and not _SAYS.search(named)
                and ANSWERING.match(text[slice(*item.field)].strip())
                and self._words.pure(text[slice(*item.answer)]) in _POLAR
            ):
                return True  # "Edema. Verdict: no."
            return bool(
                ANSWERING.match(text[slice(*item.field)].strip())
                and "\n" in text[before.end : item.start + 1]
                and named[-1:] not in ".!?"
                and len(named.split()) <= _WORDS_IN_NAME
            )
        # a line without a full stop, and below it an answer and no more
        return (
            before.field is None
            and item.field is None
            and "\n" in text[before.end : item.start]
            and text[before.start : before.end].rstrip()[-1:] not in ".!?"
            and self._words.pure(text[slice(*item.answer)]) is not None
        )


def _is_wrapped(lines: Sequence[str]) -> bool:
    """Whether lines end where the next word had no room, and not where a statement ends."""
    width = max(map(len, lines), default=0)
    early = 0
    for line, following in pairwise(lines):
        word = following.partition(" ")[0]
        early += bool(line and word and line[-1] not in _STOPS and len(line) + len(word) < width)
    return early < _EARLY


def _ordinal(number: str) -> int:
    return int(number) if number.isdecimal() else ord(number) - ord("a") + 1


class _State(NamedTuple):
    name: str
    field: Place
    answer: Place
    ticked: bool
