"""JSON, tables and Markdown -> lines of plain text: ``field: answer``, ``- item``, sentences.

Language models answer in all of them. Nothing is parsed that would have to be whole: a text that was
cut off at its longest length is read up to there.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Final

from orapo.facts.rewriting import Rewriter, Rewritten

MARKED: Final = re.compile(r"[{}\[|*`~#\\>]|__(?=[A-Za-z])|---|===|___\n")
"""A text in which this finds nothing is plain."""

_JSON: Final = re.compile(r"[{\[]\s*(?=[\"'{\[}]|$)")
_TOKEN: Final = re.compile(
    r"""(?P<open>[{\[])|(?P<close>[}\]])|(?P<comma>,)|(?P<colon>:)
    |"(?P<text>(?:[^"\\]|\\.)*)(?:"|\Z)
    |'(?P<single>(?:[^'\\\n]|\\.|'(?=\w))*)'
    |(?P<word>[^\s,:{}\[\]"']+)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": " ", "r": "\n", "b": " ", "f": "\n"}
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
DEEPEST: Final = 40
"""Levels of JSON that are told apart."""

_NAMED: Final = re.compile(
    r"(?:name|label|finding|observation|condition|item|structure|key|pathology|question|title"
    r"|disease|diagnosis|abnormality|feature)s?\Z",
    re.IGNORECASE,
)
"""Keys of an object that hold what is asked."""
ANSWERING: Final = re.compile(
    r"(?:(?:is )?present|status|value|answer|presence|polarity|state|result|exists?|detected"
    r"|assertion|prediction|predicted|certainty|found|positive|response)\Z",
    re.IGNORECASE,
)
"""Keys of an object that hold the answer."""

_FENCE: Final = re.compile(r"[ \t]*(?:```|~~~)[ \t]*\w*[ \t]*")
_ROW: Final = re.compile(r"[ \t]*\|?(?=[^|\n]*\|)([^\n]*?)\|?[ \t]*$")
_RULE: Final = re.compile(r"[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*$")
_LINE: Final = re.compile(r"[ \t]*(?:[-=_*]{3,}|(?:[-*_] ){2,}[-*_])[ \t]*$")
_HEAD: Final = re.compile(r"[ \t]*(?:>[ \t]*)*(\#{1,6})[ \t]+")
_BOLD: Final = re.compile(r"[ \t]*(?:\*\*|__)[^*_\n]+(?:\*\*|__)[ \t]*")
_QUOTE: Final = re.compile(r"[ \t]*(?:>[ \t]?)+")
_MARKS: Final = re.compile(
    r"\*{1,3}(?=\S)|(?<=\S)\*{1,3}|__(?=[A-Za-z])|(?<=[A-Za-z.:)])__(?!_)|~~|`+|\\(?=[^\w\s])"
)
_COLUMN: Final = re.compile(
    r"(?:yes|no|present|absent|positive|negative|uncertain|possible|indeterminate|normal|abnormal"
    r"|not present|not seen|seen|equivocal|true|false|n/?a|unknown|not assessed)\Z",
    re.IGNORECASE,
)
_TICK: Final = re.compile(r"(?:\[?[xX]\]?|\[x\]|1|yes|y|true|\*|\+)\Z", re.IGNORECASE)
_HEADER_CELL: Final = re.compile(
    r"(?:finding|label|observation|structure|item|region|anatomy|category|pathology|condition|organ"
    r"|feature|abnormality|area|system|question|no\.?|#|name|disease|diagnosis|parameter)s?\Z",
    re.IGNORECASE,
)


def flatten(text: str) -> Rewritten:
    """Return a text without marks: every value of JSON, every row of a table on a line of its own."""
    writer = Rewriter(text)
    at = 0
    while True:
        found = _JSON.search(text, at)
        if found is None:
            break
        tokens, end = _json_values(text, found.start())
        if not tokens:
            at = max(end, found.end())
            continue
        _lines(writer, found.start())
        _write_json(writer, tokens)
        writer.drop_to(end)
        if not writer.ends_with("\n"):
            writer.put("\n")
        at = end
    _lines(writer, len(text))
    return writer.finish()


# JSON


def _json_values(text: str, start: int) -> tuple[list[re.Match[str]], int]:
    """Return the tokens of the JSON that begins here, none if it is none, and where it ends."""
    tokens: list[re.Match[str]] = []
    depth, colons, strings, end = 0, 0, 0, start
    for token in _TOKEN.finditer(text, start):
        if text[end : token.start()].strip():  # something that no JSON holds
            return [], end
        kind = token.lastgroup
        if (
            kind == "word"
            and not _is_value(token.group())
            and "\n" not in text[end : token.start()]
            and not (tokens and tokens[-1].lastgroup in ("open", "comma"))
        ):
            return [], end
        tokens.append(token)
        end = token.end()
        depth += (kind == "open") - (kind == "close")
        colons += kind == "colon"
        strings += kind in ("text", "single")
        if depth <= 0:
            break
    if len(tokens) < 2 or not (strings or (colons and text[start] == "{")):
        return [], end
    return tokens, end


def _is_value(word: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(?:\.\d+)?%?|true|false|null|none|nan", word, re.IGNORECASE))


def _write_json(writer: Rewriter, tokens: list[re.Match[str]]) -> None:
    """Write JSON as lines, an object's members below its name and deeper."""
    stack: list[str] = []
    index, total = 0, len(tokens)
    named: list[re.Match[str] | None] = []  # what an object without a name is about
    while index < total:
        token = tokens[index]
        kind = token.lastgroup
        if kind == "open":
            stack.append(token.group())
            named.append(None)
            about = _about(tokens, index) if token.group() == "{" else None
            if about is not None:
                name, answer = about
                _new_line(writer, len(stack) - 1)
                _put_value(writer, name, key=True)
                writer.put(": ")
                if answer is not None:
                    if answer.start() > name.start():
                        _put_value(writer, answer)
                    else:
                        writer.put(_plain(answer))
                named[-1] = name
        elif kind == "close":
            if stack:
                stack.pop()
                named.pop()
        elif kind in ("text", "single", "word"):
            key = index + 1 < total and tokens[index + 1].lastgroup == "colon"
            if key:
                value = tokens[index + 2] if index + 2 < total else None
                said = named[-1] if named else None
                if said is not None and value is not None and value.lastgroup != "open":
                    # the members beside name and answer: side, size, a comment
                    word = _plain(token)
                    if not (_NAMED.match(word) or ANSWERING.match(word)):
                        _put_more(writer, value)
                    index += 3
                    continue
                _new_line(writer, len(stack) - 1)
                _put_value(writer, token, key=True)
                writer.put(":")
                if value is not None and value.lastgroup not in ("open", "close", "comma"):
                    writer.put(" ")
                    _put_value(writer, value)
                    index += 3
                    continue
                index += 2
                continue
            _new_line(writer, len(stack) - 1, item=True)
            _put_value(writer, token)
        index += 1


def _about(
    tokens: list[re.Match[str]], start: int
) -> tuple[re.Match[str], re.Match[str] | None] | None:
    """Return the name and the answer of an object such as {"finding": "edema", "present": false}."""
    name: re.Match[str] | None = None
    answer: re.Match[str] | None = None
    depth = 0
    for index in range(start, min(start + 4 * DEEPEST, len(tokens) - 2)):
        token = tokens[index]
        depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        if depth <= 0:
            break
        if depth > 1 or tokens[index + 1].lastgroup != "colon":
            continue
        value = tokens[index + 2]
        if value.lastgroup in ("open", "close", "comma"):
            continue
        word = _plain(token)
        if name is None and _NAMED.match(word) and value.lastgroup != "word":
            name = value
        elif answer is None and ANSWERING.match(word):
            answer = value
    if name is None or answer is None:
        return None
    return name, answer


def _new_line(writer: Rewriter, depth: int, *, item: bool = False) -> None:
    writer.put("" if writer.ends_with("\n") else "\n")
    writer.put("  " * min(max(depth, 0), DEEPEST) + ("- " if item else ""))


def _content(token: re.Match[str]) -> tuple[int, int]:
    group = token.lastgroup
    assert group is not None
    return token.start(group), token.end(group)


def _plain(token: re.Match[str]) -> str:
    start, end = _content(token)
    return " ".join(token.string[start:end].replace("_", " ").split())


def _put_more(writer: Rewriter, token: re.Match[str]) -> None:
    """Add a further member's value to the answer."""
    word = _plain(token)
    if word and not _is_value(word):
        writer.put(", ")
        _put_value(writer, token)


def _put_value(writer: Rewriter, token: re.Match[str], *, key: bool = False) -> None:
    """Write a string's or a word's content, escapes resolved; Python's None is JSON's null."""
    start, end = _content(token)
    if token.lastgroup == "word" and token.group() == "None" and start >= writer.done:
        writer.drop_to(start)
        writer.put("null", end)
        return
    if start < writer.done:  # its place is behind us: an answer that stands before its name
        writer.put(_plain(token))
        return
    writer.drop_to(start)
    text = token.string
    if key:
        cuts = [m.start() for m in re.finditer(r"_", text[start:end])]
        camel = (
            [m.start() for m in _CAMEL.finditer(text[start:end])]
            if " " not in text[start:end]
            else []
        )
        for cut in sorted({*cuts, *camel}):
            writer.keep_to(start + cut)
            writer.put(" ", start + cut + (cut in cuts))
    else:
        for escape in _ESCAPED.finditer(text, start, end):
            writer.keep_to(escape.start())
            said = escape.group()[1:]
            if said.startswith("u") and len(said) == 5:
                char = chr(int(said[1:], 16))
                writer.put(char if char.isprintable() else " ", escape.end())
            else:
                writer.put(_ESCAPES.get(said, said), escape.end())
    writer.keep_to(end)


# Lines


def _lines(writer: Rewriter, end: int) -> None:
    """Write lines up to a place, tables and Markdown resolved."""
    text = writer.source
    header: list[tuple[int, int]] | None = None
    before_rule = False
    while writer.done < end:
        start = writer.done
        stop = text.find("\n", start, end)
        stop = end if stop < 0 else stop
        line = text[start:stop]
        following = text[stop + 1 : (text.find("\n", stop + 1) + 1 or len(text) + 1) - 1]
        if _RULE.fullmatch(line) and ("|" in line or before_rule):
            writer.drop_to(min(stop + 1, end))
            continue
        row = _ROW.fullmatch(line) if "|" in line else None
        cells = [] if row is None else _cells(text, start, line)
        if cells:
            before_rule = bool(_RULE.fullmatch(following)) and "|" in following
            if header is None and (before_rule or _is_header(text, cells)):
                header = cells
                writer.drop_to(min(stop + 1, end))
                continue
            if header is None and not _answers(text, line, cells):
                _apart(writer, cells)
            else:
                _row(writer, cells, header or [])
            writer.drop_to(stop)
        else:
            header, before_rule = None, False
            _line(writer, line, start, stop, following)
        if stop < end:
            writer.keep_to(stop + 1)
        else:
            break


def _cells(text: str, start: int, line: str) -> list[tuple[int, int]]:
    """Return where each cell of a row begins and ends, without white space and marks."""
    edges = [i for i, char in enumerate(line) if char == "|"]
    inner = edges if line.strip().startswith("|") else [-1, *edges]
    if not line.strip().endswith("|"):
        inner = [*inner, len(line)]
    cells = []
    for left, right in itertools.pairwise(inner):
        begin, stop = start + left + 1, start + right
        while begin < stop and (text[begin].isspace() or text[begin] in "*`_~"):
            begin += 1
        while stop > begin and (text[stop - 1].isspace() or text[stop - 1] in "*`~"):
            stop -= 1
        cells.append((begin, stop))
    return cells


def _is_header(text: str, cells: list[tuple[int, int]]) -> bool:
    return len(cells) > 1 and bool(_HEADER_CELL.match(text[slice(*cells[0])]))


def _answers(text: str, line: str, cells: list[tuple[int, int]]) -> bool:
    """Whether a row without a header is a field and its answer, and not sentences side by side."""
    if line.strip().startswith("|") and len(cells) <= 3:
        return True
    return len(cells) == 2 and _COLUMN.match(text[slice(*cells[1])]) is not None


def _apart(writer: Rewriter, cells: list[tuple[int, int]]) -> None:
    for number, (begin, stop) in enumerate(cells):
        if number:
            writer.put("\n")
        writer.drop_to(begin)
        writer.keep_to(stop)


def _row(writer: Rewriter, cells: list[tuple[int, int]], header: list[tuple[int, int]]) -> None:
    """Write a row as ``field: answer``; of ticked columns, the answer is the ticked one's name."""
    text = writer.source
    if len(cells) > 2 and re.fullmatch(r"\d{0,3}[.)]?", text[slice(*cells[0])]):
        cells, header = cells[1:], header[1:]
    field, answers = cells[0], cells[1:]
    names = [text[slice(*cell)] for cell in header[1:]]
    writer.drop_to(field[0])
    writer.keep_to(field[1])
    if not answers:
        return
    choices = [bool(_COLUMN.match(name)) for name in names]
    if len(names) > 1 and sum(choices) > 1:
        ticked = [
            name
            for name, choice, cell in zip(names, choices, answers, strict=False)
            if choice and _TICK.match(text[slice(*cell)])
        ]
        written = [text[slice(*cell)] for cell in answers]
        if ticked or not any(written):
            writer.put(": " + (ticked[0] if len(ticked) == 1 else "n/a"))
            return
    writer.put(": ")
    first = True
    for begin, stop in answers:
        if stop > begin:
            if not first:
                writer.put(", ")
            writer.drop_to(begin)
            writer.keep_to(stop)
            first = False


def _line(writer: Rewriter, line: str, start: int, stop: int, following: str) -> None:
    """Write a line without its marks."""
    if _FENCE.fullmatch(line) or _LINE.fullmatch(line):
        writer.drop_to(stop)
        return
    head = _HEAD.match(line)
    if head is not None:
        writer.drop_to(start + head.end())
        line = line.rstrip()
        closing = len(line) - len(line.rstrip("#"))
        _unmarked(writer, start + len(line) - closing)
        writer.drop_to(stop)
        _as_heading(writer, line)
        return
    quote = _QUOTE.match(line)
    if quote is not None:
        writer.drop_to(start + quote.end())
    _unmarked(writer, stop)
    if _BOLD.fullmatch(line) and following.strip() and not _BOLD.fullmatch(following):
        _as_heading(writer, line)


def _as_heading(writer: Rewriter, line: str) -> None:
    """End a heading with a colon: what stands below it answers it."""
    if line.rstrip("*_# \t")[-1:] not in ".:;!?":
        writer.put(":")


def _unmarked(writer: Rewriter, stop: int) -> None:
    bullet = re.compile(r"[ \t]*\*[ \t]").match(writer.source, writer.done, stop)
    if bullet:
        writer.keep_to(bullet.end())
    for mark in _marks(writer.source, writer.done, stop):
        writer.keep_to(mark.start())
        writer.drop_to(mark.end())
    writer.keep_to(stop)


def _marks(text: str, start: int, stop: int) -> Iterator[re.Match[str]]:
    return _MARKS.finditer(text, start, stop)
