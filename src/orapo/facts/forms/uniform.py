"""Lists of one shape: in every entry a finding's name, the same marks and an answer, written out as fields.

"[1] Edema - No", "Edema | yes; Fracture | no", "PleuralEffusion,0": whatever the marks are, they are the same from
entry to entry, and what stands behind them answers. A list of one shape says so itself, so that its marks
need not be known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from orapo.facts.forms.answers import AnswerWords
from orapo.facts.forms.items import HUMP, Place
from orapo.facts.forms.rewriting import Rewriter, Rewritten

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
_OPENED: Final = {")": "(", "]": "[", "}": "{", ">": "<"} | dict(
    zip("\"'`*_", "\"'`*_", strict=True)
)
_SIMPLE: Final = re.compile(r"[^()\[\]{}<>|\t:=?]*(?:[ ]\([^()/|]{3,30}\))?")
"""An answer without an answer's marks in it."""
_WORDS: Final = re.compile(r"[A-Za-z',. -]+(?:\([A-Za-z ]+\))?")
_NAME: Final = re.compile(r"[\w '&/*`_-]+")
_WORD: Final = re.compile(r"[A-Za-z][\w'-]*")
_MOST_WORDS_IN_NAME: Final = 4
_LONGEST_LIST: Final = 2000


class _Entry(NamedTuple):
    """A name and its answer, by their places in the text, and the marks around them."""

    lead: Place
    name: Place
    said: Place
    end: int
    shape: tuple[str, ...]
    sign: str


def uniform(text: str, words: AnswerWords, is_name: IsName) -> Rewritten | None:
    """Return a text with its lists of one shape as fields, each on a line; None if it has none.

    Args:
        text: With typography resolved.
        words: What answers are made of.
        is_name: Tells the names of findings.
    """
    if '":' in text:
        return None  # JSON
    lines: list[Place] = []
    start = 0
    for line in text.splitlines(keepends=True):
        lines.append((start, start + len(line.rstrip("\r\n"))))
        start += len(line)
    entries = [_entry(text, place, words, is_name) for place in lines]
    below: set[int] = set()
    for number in range(len(lines) - 1):
        if entries[number] is None and number not in below:
            stacked = _stacked(text, lines[number], lines[number + 1], words, is_name)
            if stacked is not None:
                entries[number] = stacked
                below.add(number + 1)
    listed: dict[int, _Entry] = {}
    run: list[int] = []
    for number, entry in enumerate([*entries, None]):
        if entry is not None and (not run or entry.shape == _shape(entries, run)):
            run.append(number)
            continue
        if number in below:
            continue
        if entry is None and number < len(entries) and _PARTS_NONE.fullmatch(text, *lines[number]):
            continue
        found = [one for at in run if (one := entries[at]) is not None]
        headed = bool(run) and run[0] > 0 and _heads(text[slice(*lines[run[0] - 1])], found[0])
        if (
            not headed
            and _is_list(text, found, words, is_name)
            and not all(_is_field(text, one) for one in found)
        ):
            listed.update((at, one) for at in run if (one := entries[at]) is not None)
        run = [number] if entry is not None else []
    writer = Rewriter(text)
    changed = False
    for number, place in enumerate(lines):
        one = listed.get(number)
        if one is not None:
            _write(writer, one, is_name)
            changed = True
        elif number not in below and (entries[number] is None or len(lines) == 1):
            changed |= _write_pairs(writer, place, words, is_name)
    return writer.finish() if changed else None


def _heads(line: str, below: _Entry) -> bool:
    """Whether a line names the columns of a table of which an entry would be a row."""
    return below.shape[2] in (",", ";", "\t") and line.count(below.shape[2]) == 1


def _shape(entries: Sequence[_Entry | None], run: Sequence[int]) -> tuple[str, ...]:
    first = entries[run[0]]
    assert first is not None
    return first.shape


def _called(name: str) -> str:
    return HUMP.sub(" ", name).replace("_", " ").replace("-", " ")


def _entry(text: str, place: Place, words: AnswerWords, is_name: IsName) -> _Entry | None:
    """Return what a line is, if it is a name, marks and an answer."""
    line = text[slice(*place)]
    match = _LINE.match(line)
    if match is None:
        return None
    body, offset = match["body"], place[0] + match.start("body")
    best = -1
    for number, gap in enumerate(_GAP.finditer(body)):
        if number > _MOST_GAPS or (best >= 0 and body[best : gap.start()].strip(" -/&") == ""):
            break
        if is_name(_called(body[: gap.start()])):
            best = gap.start()
        elif best >= 0:
            break
        if gap.group() not in (" ", "-", "/"):
            break
    if best < 0:
        return None
    behind = _BEHIND.match(body, best)
    if behind is None or not (behind["sep"] or behind["close"] or behind["open"] or behind["sign"]):
        return None
    group = "sign" if behind["sign"] else "said"
    separator = behind["sep"]
    said, end = behind["said"] or "", behind.end(group)
    if said.count("(") > said.count(")") and behind["shut"][:1] == ")":
        said, end = said + ")", end + 1  # "yes (high confidence)"
    if any(line.count(mark) > 1 for mark in "|\t,;" if mark in separator):
        return None  # a row of a table
    opening = behind["open"] or ""
    glued = said and not opening and not separator.strip(" ") and " " in said
    if not _SIMPLE.fullmatch(said) or (glued and words.leading(said) is None):
        return None
    if opening and _OPENED.get(body[end:].lstrip(".,; ")[:1]) != opening[-1]:
        return None
    shape = (
        _NUMBER.sub("N", match["lead"])
        .strip()
        .lstrip("([{" if not match["lead"].strip().endswith(("]", ")", "}")) else ""),
        behind["close"],
        "\t" if "\t" in separator else separator.strip() or " ",
        opening,
        "sign" if behind["sign"] else "said",
    )
    return _Entry(
        (place[0], offset),
        (offset, offset + best),
        (offset + behind.start(group), offset + end),
        place[1],
        shape,
        behind["sign"] or "",
    )


def _stacked(
    text: str, above: Place, below: Place, words: AnswerWords, is_name: IsName
) -> _Entry | None:
    """Return a name and the answer in the line below it, behind a mark that layout does not know."""
    match = _NAME_LINE.match(text, *above)
    answer = text[slice(*below)].strip()
    if match is None or words.pure(answer) is None or not is_name(_called(match["name"])):
        return None
    lead = (above[0], match.start("name"))
    if _KNOWN_LEAD.match(text, *lead) and not match["close"]:
        return None
    start = text.index(answer, below[0])
    shape = (_NUMBER.sub("N", match["lead"]).strip(), match["close"], "below", "", "said")
    return _Entry(lead, match.span("name"), (start, start + len(answer)), below[1], shape, "")


def _is_list(text: str, entries: Sequence[_Entry], words: AnswerWords, is_name: IsName) -> bool:
    """Whether entries of one shape are names and their answers."""
    if len(entries) < 2:
        return False
    if entries[0].sign:
        signs = {one.sign.strip("[]()")[:1].lower() for one in entries}
        return bool(signs & {"+", "x"}) and len(signs) > 1
    said = [text[slice(*one.said)] for one in entries]
    return _all_answer(said, words, is_name)


def _all_answer(said: Sequence[str], words: AnswerWords, is_name: IsName) -> bool:
    """Whether texts are answers: each by itself, or because the same few stand in a whole list."""
    pure = [words.pure(one) is not None for one in said]
    if all(pure):
        return True
    if len(said) < _FEW_ANSWERS or any(
        len(one.split()) > _WORDS_IN_ANSWER or is_name(_called(one)) for one in said
    ):
        return False
    few = len({one.lower() for one in said}) <= _FEW_ANSWERS < len(said)
    few = few and all(map(_WORDS.fullmatch, said))
    return any(pure) or few


def _is_field(text: str, entry: _Entry) -> bool:
    """Whether an entry is written as layout knows fields already."""
    lead, close, separator, opening, _ = entry.shape
    plain = not close and not opening and separator == ":" and "#" not in lead
    rest = text[entry.said[1] : entry.end].rstrip()
    return (
        plain
        and not rest.endswith((")", "]", "}"))
        and _KNOWN_LEAD.match(text, *entry.lead) is not None
    )


def _write(writer: Rewriter, entry: _Entry, is_name: IsName) -> None:
    text = writer.source
    lead = text[slice(*entry.lead)]
    writer.keep_to(entry.lead[0])
    if _KNOWN_LEAD.match(text, *entry.lead) and text[entry.lead[0] : entry.lead[1]].strip() != "[":
        writer.keep_to(entry.lead[1])
    else:
        writer.put(lead[: len(lead) - len(lead.lstrip())] + "- ", entry.lead[1])
    _write_name(writer, entry.name)
    writer.put(": ", entry.said[0])
    if entry.sign[:1] in ("+", "-"):
        writer.put(f"({entry.sign[0]})", entry.said[1])
    writer.keep_to(entry.said[1])
    writer.drop_to(entry.end)


def _write_name(writer: Rewriter, name: Place) -> None:
    written = _called(writer.source[slice(*name)])
    if written != writer.source[slice(*name)]:
        writer.put(written, name[1])
    writer.keep_to(name[1])


# Lists within a line


def _write_pairs(writer: Rewriter, place: Place, words: AnswerWords, is_name: IsName) -> bool:
    """Write a line's names and answers as fields; return whether it is made of them."""
    if place[1] - place[0] > _LONGEST_LIST:
        return False
    for separator in _PAIRED:
        cuts = [match.span() for match in separator.finditer(writer.source, *place)]
        if len(cuts) < 2:
            continue
        pairs = list(_pairs(writer.source, place, cuts, words, is_name))
        said = [writer.source[slice(*answer)] for _, answer in pairs]
        if len(pairs) < 2 or not _all_answer(said, words, is_name):
            continue
        writer.keep_to(place[0])
        for name, answer in pairs:
            writer.put("\n", name[0])
            _write_name(writer, name)
            writer.put(": ", answer[0])
            writer.keep_to(answer[1])
        writer.put("\n", pairs[-1][1][1])
        writer.keep_to(place[1])
        return True
    return False


def _pairs(
    text: str, place: Place, cuts: Sequence[Place], words: AnswerWords, is_name: IsName
) -> Iterator[tuple[Place, Place]]:
    """Yield names and answers that a separator parts; fewer than two if they are none."""
    edges = [place[0], *(edge for cut in cuts for edge in cut), place[1]]
    pieces = list(zip(edges[::2], edges[1::2], strict=True))
    first = _BEGINS_NAME.match(text, *pieces[0])
    name: Place = (first.end() if first else pieces[0][0], pieces[0][1])
    if not is_name(_called(text[slice(*name)])):
        return
    if len(pieces) % 2 == 0 and all(is_name(_called(text[a:b].strip())) for a, b in pieces[::2]):
        yield from zip(pieces[::2], pieces[1::2], strict=True)  # "edema, yes, fracture, no"
        return
    found = []
    for piece in pieces[1:-1]:
        parted = _parted(text, piece, is_name)
        if parted is None:
            return
        answer, following = parted
        found.append((name, answer))
        name = following
    stop = text.find(". ", *pieces[-1])
    end = pieces[-1][1] if stop < 0 else stop
    end = _unwrapped(text, pieces[-1][0], end)
    found.append((name, (pieces[-1][0], end)))
    if all(a < b for _, (a, b) in found):
        yield from found


def _parted(text: str, piece: Place, is_name: IsName) -> tuple[Place, Place] | None:
    """Return an answer and the next name, which stand between two separators: "no; 2. Edema"."""
    starts = [match.start() for match in _WORD.finditer(text, *piece)]
    for start in starts[-_MOST_WORDS_IN_NAME:]:
        name = text[start : piece[1]].strip()
        if start == piece[0] or not _NAME.fullmatch(name) or not is_name(_called(name)):
            continue
        for joint in (_ENDS_ANSWER, _ENDS_NUMBER):
            ended = joint.search(text, piece[0], start)
            end = _unwrapped(text, piece[0], ended.start() if ended else start)
            if end > piece[0]:
                return (piece[0], end), (start, piece[1])
        return None
    return None


def _unwrapped(text: str, start: int, end: int) -> int:
    """Return where an answer ends without the marks behind it, but for a bracket of its own ("[x]")."""
    while end > start and text[end - 1] in " \t.,;|)]}":
        opening = _OPENED.get(text[end - 1])
        if opening and opening in text[start:end]:
            break
        end -= 1
    return end
