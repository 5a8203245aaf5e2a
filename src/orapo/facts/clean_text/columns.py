"""Columns told by where they stand: a header of answers, and a mark below one of them, as fields.

A header "Finding   Yes  No", and an X below one of the two, says by its place alone what is meant. Where a mark
stands between two columns, or below more than one, nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from orapo.facts.clean_text.rewriting import Rewriter, Rewritten
from orapo.facts.forms.answers import Answer, AnswerWords
from orapo.facts.forms.blocks import line_places
from orapo.facts.forms.items import NAMING, Place

_ANSWER: Final = (
    r"(?:yes|no|present|absent|positive|negative|pos|neg|true|false|y|n|normal|abnormal|seen"
    r"|not (?:present|seen))"
)
HEADER: Final = re.compile(
    rf"\b{_ANSWER}[ \t]+{_ANSWER}(?:[ \t]+[A-Za-z/]+){{0,3}}[ \t]*\n", re.IGNORECASE
)
"""A text in which this finds nothing has no such columns."""
_CELL: Final = re.compile(r"[^\s|]+(?: [^\s|]+)*")
"""What stands between tabs, or two and more spaces."""
_WORD: Final = re.compile(r"[^\s|]+")
_MARK: Final = re.compile(
    r"(?<!\S)(?:[\[(][ \t]{0,3}(?P<boxed>[^\s\w]\ufe0f?|[xX])?[ \t]{0,3}[\])]|(?P<bare>[xXvV*+•●✓✔☑☒✅✗✘❌×■◉⦿☐□○◯_.\-–—01]\ufe0f?))(?!\S)"
)
_MARKED: Final = frozenset("1xXvV*+•●✓✔☑☒✅✗✘❌×■◉⦿")
"""What marks the column that it stands in; the other marks leave it empty."""
_TICKS: Final = _MARKED | {"☐", "□", "○", "◯"}
_RULE: Final = re.compile(r"[ \t]*[-=_]{2,}(?:[ \t]+[-=_]{2,})*[ \t]*")
_NUMBER: Final = re.compile(r"(?:\#|no\.?|\(?\d{1,2}[.)]?)[ \t]+(?=\S)", re.IGNORECASE)
_ENDS: Final = re.compile(r"[:!?]|\.(?:\s|\Z)")
"""What a mere name does not hold."""
_TAB: Final = 8
_SLACK: Final = 2
"""Characters that a mark may stand beside its title."""


class _Title(NamedTuple):
    """An answer in the header, and the stretch of the page below which its marks stand."""

    said: str
    left: int
    right: int


class _Header(NamedTuple):
    """The answers of a header; with single tabs between them columns are counted, not measured."""

    titles: list[_Title]
    counted: bool


def in_columns(text: str, words: AnswerWords) -> Rewritten | None:
    """Return a text in which what is marked below an answer has that answer; None if it has no such rows.

    Args:
        text: As given: other letters in a mark's place would move the columns.
        words: What answers are made of.
    """
    writer, changed, apart = Rewriter(text), False, False
    header: _Header | None = None
    for place in line_places(text, 0, len(text)):
        line = text[slice(*place)]
        if not line.strip():
            apart = True
            continue
        if (found := _header(line, words)) is not None and _heads_marks(text, place, words):
            header, apart = found, False
            writer.keep_to(place[0])
            writer.drop_to(place[1])
            continue
        if header is None or _RULE.fullmatch(line):
            continue
        marks = list(_MARK.finditer(line))
        name = _name(line[: marks[0].start()] if marks else line)
        if name is None or (not marks and (apart or _answered(line, words))):
            header = header if marks or not apart else None
            continue
        said = _ticked(line, marks, header)
        apart, changed = False, True
        writer.keep_to(place[0])
        writer.drop_to(place[0] + name[0])
        writer.keep_to(place[0] + name[1])
        more = line[marks[-1].end() :].strip() if marks else ""
        writer.put(f": {said}", place[1] - len(more.rstrip()) if more else place[1])
        if more:
            writer.put(", ")
        writer.keep_to(place[1])
    return writer.finish() if changed else None


LISTS: Final = re.compile(
    r"(?<![^\n])[^\n:=]{0,40}[:=][ \t]*\[?(?P<names>[A-Za-z\"'][^\n\[\]:=]*)\]?[;,]?[ \t]*\n(?P<title>[^\n:=]{0,40})[:=][ \t]*\[?(?P<said>[^\n\[\]:=]*)\]?[ \t]*(?=\n|\Z)"
)
"""Names in one line and as many answers in the next: "Labels: edema, fracture" above "Values: 0, 1"."""
_TITLED: Final = re.compile(
    r"\W*(?:\w+ )?(?:labels?|findings?|classes|conditions?)\W[^\n]*\n\W*(?:\w+ )?(?:values?|answers?|predictions?|scores?)\W",
    re.IGNORECASE,
)
"""Of a single name its list has to say what it is."""
_ANSWERS: Final = re.compile(
    r"\W*(?:(?!new|prior|previous|old)\w+[ _])?(?:labels?|values?|answers?|predictions?|scores?|results?|status(?:es)?|presence|present|positive|outputs?|truth"
    r"|responses?|y|preds?|states?|targets?|vector|flags?|classes|probabilit(?:y|ies)|y[ _]\w+)\W*\Z|\W*\Z",
    re.IGNORECASE,
)
"""What a list of answers is called; "Urgent: yes, no" answers something else."""
_FEW: Final = 2
_ENTRY: Final = re.compile(r"[^,]+")
_QUOTES: Final = " \t\"'"


def in_lists(text: str, words: AnswerWords) -> Rewritten | None:
    """Return a text in which a list of names and one of answers below it are fields; None if there are none."""
    writer, changed = Rewriter(text), False
    for match in LISTS.finditer(text):
        names = list(_ENTRY.finditer(text, *match.span("names")))
        said = [one.strip(_QUOTES) for one in match["said"].split(",")]
        if (
            len(names) != len(said)
            or (len(names) < _FEW and not _TITLED.match(match[0]))
            or None in map(words.pure, said)
            or not _ANSWERS.match(match["title"].strip())
        ):
            continue
        if any(words.pure(name.group().strip(_QUOTES)) is not None for name in names):
            continue
        changed = True
        writer.keep_to(match.start())
        for name, answer in zip(names, said, strict=True):
            writer.put("\n" if name is not names[0] else "")
            start = name.end() - len(name.group().lstrip(_QUOTES))
            writer.drop_to(start)
            writer.keep_to(start + len(name.group().strip(_QUOTES)))
            writer.put(f": {answer}")
        writer.drop_to(match.end())
    return writer.finish() if changed else None


_NUMBERED: Final = re.compile(
    r"(?<![^\n])[ \t]*(?:Q|A)?(?P<number>\d{1,2})[.):][ \t]+(?P<body>[^\n]*\S)", re.IGNORECASE
)
_APART: Final = re.compile(r"\s*(?:[^\n]{0,30}:?\s*\n)?\s*", re.IGNORECASE)
NUMBERED_TWICE: Final = re.compile(r"\n[ \t]*(?:A)?1[.):][ \t]+[^\n]{0,30}\n[ \t]*A?2[.):]")
"""A text in which this finds nothing has no numbered answers below a list of questions."""


def in_turn(text: str, words: AnswerWords) -> Rewritten | None:
    """Return a text in which a numbered list and the numbered answers to it are fields; None if there are none.

    "1. Edema?" and "2. Fracture?", and below them "1. No" and "2. Yes".
    """
    lists: list[list[re.Match[str]]] = []
    for entry in _NUMBERED.finditer(text):
        if entry["number"] == "1":
            lists.append([])
        if not lists or int(entry["number"]) != len(lists[-1]) + 1:
            return None
        lists[-1].append(entry)
    if len(lists) != _FEW or len(lists[0]) != len(lists[1]) or len(lists[0]) < _FEW:
        return None
    said = [words.pure(entry["body"]) for entry in lists[1]]
    if None in said or any(words.pure(entry["body"]) for entry in lists[0]):
        return None
    apart = _APART.fullmatch(text, lists[0][-1].end(), lists[1][0].start())
    if apart is None or not _ANSWERS.match(apart.group().strip()):
        return None
    writer = Rewriter(text)
    for asked, answer in zip(*lists, strict=True):
        name = asked["body"].rstrip(" ?:.")
        writer.keep_to(asked.start("body") + len(name))
        writer.put(f": {answer['body']}", asked.end())
    writer.drop_to(lists[1][-1].end())
    return writer.finish()


def _header(line: str, words: AnswerWords) -> _Header | None:
    """Return the answers of a header; None if a line is none."""
    if ":" in line or not HEADER.search(line + "\n"):
        return None
    titles = []
    for cell in _CELL.finditer(line):
        whole = words.pure(cell.group()) not in (None, Answer.BLANK)
        for match in [cell] if whole else _WORD.finditer(line, *cell.span()):
            if words.pure(match.group()) is not None:
                titles.append(_title(line, match))
    said = {words.pure(title.said) for title in titles}
    if not {Answer.AFFIRMED, Answer.DENIED} <= said:
        return None
    return _Header(titles, "\t" in line and "\t\t" not in line.strip())


def _heads_marks(text: str, place: Place, words: AnswerWords) -> bool:
    """Whether a header names its first column, or has a mark below it: prose has wide gaps, too."""
    line = text[slice(*place)]
    first = _CELL.search(line)
    if first is not None and NAMING.match(first.group()):
        return True
    for below in line_places(text, place[1], len(text)):
        row = text[slice(*below)]
        if row.strip() and _header(row, words) is not None:
            return False
        if any((mark["boxed"] or mark["bare"] or "")[:1] in _TICKS for mark in _MARK.finditer(row)):
            return True
    return False


def _title(line: str, match: re.Match[str]) -> _Title:
    left = _column(line, match.start())
    return _Title(match.group(), left, left + len(match.group()))


def _column(line: str, at: int) -> int:
    """Return the column of a page in which a character stands."""
    return len(line[:at].expandtabs(_TAB))


def _name(lead: str) -> Place | None:
    """Return where the name stands in what is before the marks; None if there is none."""
    number = _NUMBER.match(lead.lstrip())
    start = len(lead) - len(lead.lstrip()) + (number.end() if number else 0)
    name = lead[start:].rstrip(" \t:.")
    if not any(map(str.isalpha, name)) or _ENDS.search(name):
        return None
    return start, start + len(name)


def _answered(line: str, words: AnswerWords) -> bool:
    """Whether a row says its answer itself, in a cell of its own."""
    cells = _CELL.findall(line)
    return len(cells) > 1 and words.pure(cells[-1]) is not None


def _ticked(line: str, marks: Sequence[re.Match[str]], header: _Header) -> str:
    """Return the answer below which a row's one mark stands; that nothing is said if it is not told."""
    titles = header.titles
    ticks = [mark for mark in marks if (mark["boxed"] or mark["bare"] or "")[:1] in _MARKED]
    if len(ticks) != 1:
        return "n/a"
    tick = ticks[0]
    if len(marks) == len(titles):
        return titles[list(marks).index(tick)].said
    if header.counted:
        number = line.count("\t", 0, tick.start())
        return titles[number - 1].said if 0 < number <= len(titles) else "n/a"
    middle = _column(line, tick.start()) + len(tick.group()) / 2
    beside = [max(title.left - middle, middle - title.right, 0) for title in titles]
    nearest = min(beside)
    told = nearest <= _SLACK and beside.count(nearest) == 1
    return titles[beside.index(nearest)].said if told else "n/a"
