"""Lines -> items: which lines belong together, and which field's answers stand below it.

What one sentence holds is found by `orapo.facts.forms.pairs`; what field and answer mean together is
`orapo.facts.fields`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from orapo.facts.forms.answers import POLAR, Answer, AnswerWords
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
from orapo.facts.forms.names import LEGEND
from orapo.facts.forms.neighbours import SAYS, WORDS_IN_LABEL, WORDS_IN_NAME, Neighbours
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
_STOPS: Final = ".!?:;,"
_EARLY: Final = 2
"""Lines that end before their width, without a stop, of which a text that was wrapped has fewer."""
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
        self._neighbours = Neighbours(words, self._pairs)

    def items(self, text: str) -> list[Item]:
        """Return the items of a clean text that speak of the film, in order."""
        found: list[Item] = []
        for start, end in reported_parts(text, self._names):
            found += self._part(text, start, end)
        found = self._neighbours.joined(text, found)
        if LEGEND.search(text):
            # beside the key of its answers a mere name has none
            found = [self._unanswered(text, item) for item in found]
        if "\n" in text and "[" in text:
            found = self._neighbours.ticked(text, found)
        return self._neighbours.answered(text, found) if "?" in text else found

    def _unanswered(self, text: str, item: Item) -> Item:
        """Return a line that is a mere name, or names, as a field without an answer."""
        if item.field is not None or item.answer is None or item.asked:
            return item
        names = [name.strip(" .") for name in text[slice(*item.answer)].split(",")]
        if any(len(name.split()) > WORDS_IN_LABEL or SAYS.search(name) for name in names):
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
        if block.named or len(text[block.start : block.end].split()) > WORDS_IN_NAME:
            return False
        if text[block.start : block.end].rstrip()[-1:] in ".!?;,":
            return False
        for deeper in blocks[index + 1 :]:
            if deeper.indent <= block.indent or deeper.after_blank:
                return False
            if deeper.indent > blocks[index + 1].indent:
                continue  # below an entry of its own
            name = self._pairs.name(text, deeper.start, deeper.end)
            if name is not None and (ANSWERING.match(name) or self._words.pure(name) in POLAR):
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
        if NAMING.match(name) and said in POLAR:
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
        return self._words.pure(text[slice(*parent.place)]) in POLAR

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
