"""Lists of one shape: in every entry a finding's name, the same marks and an answer, written out as fields.

"[1] Edema - No", "Edema | yes; Fracture | no", "PleuralEffusion,0": whatever the marks are, they are the same from
entry to entry, and what stands behind them answers. A list of one shape says so itself, so that its marks
need not be known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple

from orapo.facts.clean_text.rewriting import Rewriter, Rewritten
from orapo.facts.forms.answers import AnswerWords
from orapo.facts.forms.blocks import line_places
from orapo.facts.forms.items import HUMP, Place

IsName = Callable[[str], bool]
"""Whether a text is the bare name of a finding, and no word more."""

_LINE: Final = re.compile(
    r"(?P<lead>[^A-Za-z\n]{0,12}(?:(?:finding|item|label|question|query|row|line|step|point|entry|no)\.?[ ]?\#?\d{1,2}[^A-Za-z\n]{1,6})?"
    r"(?:\(?[a-z][.)][ ])?)(?P<body>[A-Za-z][^\n]{2,120})\Z",
    re.IGNORECASE,
)
_GAP: Final = re.compile(r"[^\w'&/-]+|(?<=[A-Za-z])[-/](?=[A-Za-z])|(?<=[A-Za-z])-+(?=\W|\d|\Z)")
_BEHIND: Final = re.compile(
    r"(?P<close>[\]\">)'`*_}]*)(?P<sep>[ ]?\t[ ]?|[ \t]*(?:(?:[:=|>~.,;?•/]|[-–—]+(?=[ \t>]))+[ \t]*)*)"
    r"(?:(?P<sign>[\[(][ xX+-]?[\])]|[+-]{1,3})|(?P<open>[({\[<\"'`*_]*)(?P<said>[^\s({\[<\"'`*_].*?))"
    r"(?P<shut>[)}\]>\"'`*_.,;| \t]*)\Z"
)
_NAME_LINE: Final = re.compile(
    r"(?P<lead>[^A-Za-z\n]{0,12})(?P<name>[A-Za-z][\w '/-]{2,60})(?P<close>[\]\">)'`*_}]*)[ \t]*[:?=][ \t]*\Z"
)
_KNOWN_LEAD: Final = re.compile(
    r"[ \t]*(?:(?:[-*+>•·]+|\(?\d{1,2}[.)])[ \t]+)?(?:\[[ xX]?\][ \t]+)?\Z"
)
"""What layout knows as the mark of an entry, or as white space."""
_PARTS_NONE: Final = re.compile(r"[\s=*_-]*")
"""A line that parts no list: empty, or a rule."""
_NUMBER: Final = re.compile(r"\d+|(?<![A-Za-z])[A-Za-z](?=[.)])")
_MOST_GAPS: Final = 6
_WORDS_IN_ANSWER: Final = 6
_FEW_ANSWERS: Final = 3
_PAIRED: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"[ \t]*::?[ \t]*",
        r"[ \t]*(?:={1,2}>?|-{1,2}>)[ \t]*",
        r"[ \t]*\|[ \t]*",
        r"\?[ \t]*",
        r"[ \t]+[-–—]+[ \t]+",
        r"[ \t]*\.{3,}[ \t]*",
        r"\t+",
        r",[ \t]*",
        r";[ \t]*",
    )
)
"""What may stand between name and answer in lists within a line."""
_MARK: Final = r"(?:(?<![\w.])(?:\(?\d{1,2}[.)]|\[\d{1,2}\]|\#\d{1,2}|(?:finding|item|label)[ ]?\#?\d{1,2}[:.)]?))?[\s*•>(\[-]*"
_JOINT: Final = r"[\s,;./|•*>-]*" + _MARK
_ENDS_ANSWER: Final = re.compile(_JOINT + r"\Z", re.IGNORECASE)
_ENDS_NUMBER: Final = re.compile(r"[\s,;./|]+\Z")
_BEGINS_NAME: Final = re.compile(_JOINT, re.IGNORECASE)
_OPENED: Final = {")": "(", "]": "[", "}": "{", ">": "<"} | {mark: mark for mark in "\"'`*_"}
"""What opens what a mark closes."""
_SIMPLE: Final = re.compile(r"[^()\[\]{}<>|\t:=?]*(?:[ ]\([^()/|]{3,30}\))?")
"""An answer without an answer's marks in it."""
_WORDS: Final = re.compile(r"[A-Za-z',. -]+(?:\([A-Za-z ]+\))?")
_NAME: Final = re.compile(r"[\w '&/*`_-]+")
_WORD: Final = re.compile(r"[A-Za-z][\w'-]*")
_MOST_WORDS_IN_NAME: Final = 4
_LONGEST_LIST: Final = 2000


class _Entry(NamedTuple):
    """A name and its answer, and the marks around them.

    Attributes:
        lead: Where what stands before the name does.
        name: Where the name stands.
        said: Where the answer stands.
        end: Where the entry ends.
        marks: What stands before and behind the name, between both and before the answer; the same in
            every entry of a list.
        signed: Whether the answer is a sign or a box.
    """

    lead: Place
    name: Place
    said: Place
    end: int
    marks: tuple[str, str, str, str]
    signed: bool


def uniform(text: str, words: AnswerWords, is_name: IsName) -> Rewritten | None:
    """Return a text with its lists of one shape as fields, each on a line; None if it has none.

    Args:
        text: With typography resolved.
        words: What answers are made of.
        is_name: Tells the names of findings.
    """
    if '":' in text:
        return None  # JSON, whose members are read as such
    return _Lists(text, words, is_name).written()


class _Lists:
    """The lists of one text."""

    def __init__(self, text: str, words: AnswerWords, is_name: IsName) -> None:
        self._text, self._words, self._is_name = text, words, is_name
        self._lines = list(line_places(text, 0, len(text)))

    def written(self) -> Rewritten | None:
        """Return the text with its lists as fields; None if it has none."""
        writer = Rewriter(self._text)
        entries = {entry.lead[0]: entry for entry in self._listed()}
        changed = bool(entries)
        for place in self._lines:
            if place[0] < writer.done:
                continue  # the answer of the line before it
            entry = entries.get(place[0])
            if entry is not None:
                self._write(writer, entry)
            else:
                changed |= self._write_pairs(writer, place)
        return writer.finish() if changed else None

    # Entries that are lines

    def _listed(self) -> Iterator[_Entry]:
        """Yield the entries of all lists of lines."""
        run: list[_Entry] = []
        above = before = ""  # the line before the list, and the one before this
        end = 0
        for place, following in zip(self._lines, [*self._lines[1:], None], strict=True):
            line = self._text[slice(*place)]
            if place[0] < end or (run and _PARTS_NONE.fullmatch(line)):
                continue  # an answer below its name; an empty line
            entry = self._entry(place)
            if entry is None and following is not None:
                entry = self._stacked(place, following)
            if run and (
                entry is None or entry.marks != run[0].marks or entry.signed != run[0].signed
            ):
                yield from self._if_list(run, above)
                run = []
            if entry is not None:
                above = above if run else before
                run.append(entry)
                end = entry.end
            before = line
        yield from self._if_list(run, above)

    def _if_list(self, entries: list[_Entry], above: str) -> list[_Entry]:
        """Return entries of one shape if they are a list that layout can't read as it stands."""
        separator = entries[0].marks[2] if entries else ""
        if separator in (",", ";", "\t") and above.count(separator) == 1:
            return []  # a table's rows, below the names of its columns
        if len(entries) < 2 or all(map(self._is_field, entries)):
            return []
        said = [self._text[slice(*entry.said)] for entry in entries]
        if entries[0].signed:
            signs = {sign.strip("[]()")[:1].lower() for sign in said}
            return entries if signs & {"+", "x"} and len(signs) > 1 else []
        return entries if self._all_answer(said) else []

    def _entry(self, place: Place) -> _Entry | None:
        """Return what a line is, if it is a name, marks and an answer."""
        line = self._text[slice(*place)]
        match = _LINE.match(line)
        name = -1 if match is None else self._name_ends(match["body"])
        if match is None or name < 0:
            return None
        body, lead = match["body"], match["lead"].strip()
        behind = _BEHIND.match(body, name)
        if behind is None or not any(behind[mark] for mark in ("sep", "close", "open", "sign")):
            return None
        separator, opening, said = behind["sep"], behind["open"] or "", behind["said"] or ""
        start, end = behind.span("said" if said else "sign")
        if said.count("(") > said.count(")") and behind["shut"][:1] == ")":
            said, end = said + ")", end + 1  # "yes (high confidence)"
        if any(line.count(mark) > 1 for mark in "|\t,;" if mark in separator):
            return None  # a row of a table
        prose = " " in said and not opening and not separator.strip(" ")
        if not _SIMPLE.fullmatch(said) or (prose and self._words.leading(said) is None):
            return None
        if opening and _OPENED.get(body[end:].lstrip(".,; ")[:1]) != opening[-1]:
            return None
        if not lead.endswith((")", "]", "}")):
            lead = lead.lstrip("([{")  # all of the list stands in brackets
        at = place[0] + match.start("body")
        between = "\t" if "\t" in separator else separator.strip() or " "
        return _Entry(
            (place[0], at),
            (at, at + name),
            (at + start, at + end),
            place[1],
            (_NUMBER.sub("N", lead), behind["close"], between, opening),
            not said,
        )

    def _name_ends(self, body: str) -> int:
        """Return where the finding's name ends that a line begins with; -1 if it begins with none."""
        end = -1
        for gap in islice(_GAP.finditer(body), _MOST_GAPS + 1):
            if end >= 0 and not body[end : gap.start()].strip(" -/&"):
                break  # marks alone
            if self._names(body[: gap.start()]):
                end = gap.start()
            elif end >= 0:
                break
            if gap.group() not in (" ", "-", "/"):
                break
        return end

    def _stacked(self, above: Place, below: Place) -> _Entry | None:
        """Return a name and the answer in the line below it, behind a mark that layout does not know."""
        match = _NAME_LINE.match(self._text, *above)
        answer = self._text[slice(*below)].strip()
        if match is None or self._words.pure(answer) is None or not self._names(match["name"]):
            return None
        lead = (above[0], match.start("name"))
        if _KNOWN_LEAD.match(self._text, *lead) and not match["close"]:
            return None
        start = self._text.index(answer, below[0])
        marks = (_NUMBER.sub("N", match["lead"]).strip(), match["close"], "\n", "")
        said = (start, start + len(answer))
        return _Entry(lead, match.span("name"), said, below[1], marks, signed=False)

    def _is_field(self, entry: _Entry) -> bool:
        """Whether an entry is written as layout knows fields already."""
        lead, close, separator, opening = entry.marks
        if close or opening or separator != ":" or "#" in lead:
            return False
        unwrapped = not self._text[entry.said[1] : entry.end].rstrip().endswith((")", "]", "}"))
        return unwrapped and _KNOWN_LEAD.match(self._text, *entry.lead) is not None

    def _write(self, writer: Rewriter, entry: _Entry) -> None:
        writer.keep_to(entry.lead[0])
        if _KNOWN_LEAD.match(self._text, *entry.lead):
            writer.keep_to(entry.lead[1])
        else:
            lead = self._text[slice(*entry.lead)]
            writer.put(lead[: len(lead) - len(lead.lstrip())] + "- ", entry.lead[1])
        self._write_name(writer, entry.name)
        writer.put(": ", entry.said[0])
        sign = self._text[entry.said[0]]
        if entry.signed and sign in "+-":
            writer.put(f"({sign})", entry.said[1])
        writer.keep_to(entry.said[1])
        writer.drop_to(entry.end)

    # Entries within a line

    def _write_pairs(self, writer: Rewriter, place: Place) -> bool:
        """Write a line's names and answers as fields; return whether it is made of them."""
        if place[1] - place[0] > _LONGEST_LIST:
            return False
        for separator in _PAIRED:
            cuts = [match.span() for match in separator.finditer(self._text, *place)]
            pairs = self._pairs(place, cuts) if len(cuts) > 1 else []
            said = [self._text[slice(*answer)] for _, answer in pairs]
            if len(pairs) < 2 or not self._all_answer(said):
                continue
            writer.keep_to(place[0])
            for name, answer in pairs:
                writer.put("\n", name[0])
                self._write_name(writer, name)
                writer.put(": ", answer[0])
                writer.keep_to(answer[1])
            writer.put("\n", pairs[-1][1][1])
            writer.keep_to(place[1])
            return True
        return False

    def _pairs(self, place: Place, cuts: Sequence[Place]) -> list[tuple[Place, Place]]:
        """Return names and answers that a separator parts; none if they are none."""
        edges = [place[0], *chain.from_iterable(cuts), place[1]]
        pieces = list(zip(edges[::2], edges[1::2], strict=True))
        first = _BEGINS_NAME.match(self._text, *pieces[0])
        name: Place = (first.end() if first else place[0], pieces[0][1])
        if not self._names(self._text[slice(*name)]):
            return []
        if len(pieces) % 2 == 0 and all(self._names(self._text[a:b]) for a, b in pieces[::2]):
            return list(zip(pieces[::2], pieces[1::2], strict=True))  # "edema, yes, fracture, no"
        found = []
        for piece in pieces[1:-1]:
            parted = self._parted(piece)
            if parted is None:
                return []
            answer, following = parted
            found.append((name, answer))
            name = following
        start, end = pieces[-1]
        stop = self._text.find(". ", start, end)
        end = self._unwrapped(start, end if stop < 0 else stop)
        return [*found, (name, (start, end))] if start < end else []

    def _parted(self, piece: Place) -> tuple[Place, Place] | None:
        """Return an answer and the next name, which stand between two separators: "no; 2. Edema"."""
        starts = [match.start() for match in _WORD.finditer(self._text, *piece)]
        for start in starts[-_MOST_WORDS_IN_NAME:]:
            name = self._text[start : piece[1]].strip()
            if start == piece[0] or not _NAME.fullmatch(name) or not self._names(name):
                continue
            for joint in (_ENDS_ANSWER, _ENDS_NUMBER):
                ended = joint.search(self._text, piece[0], start)
                end = self._unwrapped(piece[0], ended.start() if ended else start)
                if end > piece[0]:
                    return (piece[0], end), (start, piece[1])
            return None
        return None

    def _unwrapped(self, start: int, end: int) -> int:
        """Return where an answer ends without the marks behind it, but for a bracket of its own ("[x]")."""
        while end > start and self._text[end - 1] in " \t.,;|)]}":
            opening = _OPENED.get(self._text[end - 1])
            if opening and opening in self._text[start:end]:
                break
            end -= 1
        return end

    # Both

    def _names(self, text: str) -> bool:
        return self._is_name(called(text).strip())

    def _all_answer(self, said: Sequence[str]) -> bool:
        """Whether texts are answers: each by itself, or because the same few stand in a whole list."""
        pure = [self._words.pure(one) is not None for one in said]
        if all(pure):
            return True
        if len(said) < _FEW_ANSWERS or any(
            len(one.split()) > _WORDS_IN_ANSWER or self._names(one) for one in said
        ):
            return False
        few = len({one.lower() for one in said}) <= _FEW_ANSWERS < len(said)
        return any(pure) or (few and all(map(_WORDS.fullmatch, said)))

    def _write_name(self, writer: Rewriter, name: Place) -> None:
        said = self._text[slice(*name)]
        written = called(said)
        if written != said:
            writer.put(written, name[1])
        writer.keep_to(name[1])


def called(name: str) -> str:
    """Return a name in one word as the words that it is made of ("PleuralEffusion", "pleural_effusion")."""
    return HUMP.sub(" ", name).replace("_", " ").replace("-", " ")
