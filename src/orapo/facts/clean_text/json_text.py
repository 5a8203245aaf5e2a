"""JSON and Python literals -> lines of plain text: ``field: answer``, ``- item``, deeper ones below."""

from __future__ import annotations

import re
from typing import Final

from orapo.facts.clean_text.json_records import (
    CODED,
    DEEPEST,
    PAIR,
    answers,
    columns_at,
    named_and_answered,
    pair_at,
)
from orapo.facts.clean_text.json_tokens import CONTENT, VALUE, Token, content, kind_of, plain
from orapo.facts.clean_text.rewriting import Rewriter
from orapo.facts.forms.items import ANSWERING, DENYING, HUMP, JUDGING, NAMING, turned

_ESCAPED: Final = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": " ", "r": "\n", "b": " ", "f": "\n"}


def write_json(writer: Rewriter, tokens: list[Token]) -> None:
    """Write JSON as lines, an object's members below its name and deeper."""
    about: list[Token | None] = []  # what each open object is about, if one of its members says so
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.lastgroup == "open":
            opens = token.group() == "{"
            columns = columns_at(tokens, index) if opens else None
            if columns is not None:
                for name, answer in columns.pairs:
                    _new_line(writer, len(about))
                    _put_value(writer, name)
                    writer.put(f": {plain(answer)}")
                index = columns.end
                continue
            pair = None if opens else pair_at(tokens, index)
            if pair is not None:  # ["edema", "yes"], one of several
                _new_line(writer, len(about) - 1, item=True)
                _put_value(writer, pair[0], key=True)
                writer.put(f": {plain(pair[1])}")
                index += PAIR
                continue
            named = named_and_answered(tokens, index) if opens else None
            about.append(None if named is None else named[0])
            if named is not None:
                _new_line(writer, len(about) - 1)
                _put_value(writer, named[0], key=True)
                writer.put(": ")
                if named[2]:
                    writer.put(turned(plain(named[1])))
                else:
                    _put_value(writer, named[1])
        elif token.lastgroup == "close":
            del about[-1:]
        elif kind_of(tokens, index + 1) == "colon":
            index = _member(writer, tokens, index, about)
            continue
        elif token.lastgroup in CONTENT:
            _new_line(writer, len(about) - 1, item=True)
            _put_value(writer, token)
        index += 1


def _member(writer: Rewriter, tokens: list[Token], index: int, about: list[Token | None]) -> int:
    """Write a member of an object, and return where the next token stands."""
    key = tokens[index]
    simple = kind_of(tokens, index + 2) in CONTENT
    if about and about[-1] is not None and simple:
        # beside name and answer: side, size, a comment
        word = plain(key)
        more = plain(tokens[index + 2])
        if (
            tokens[index + 2] is not about[-1]
            and not (NAMING.match(word) or ANSWERING.match(word) or DENYING.match(word))
            and VALUE.fullmatch(more) is None
        ):
            writer.put(", ")
            _put_value(writer, tokens[index + 2])
        return index + 3
    if about and about[-1] is not None and not simple and CODED.match(plain(key)):
        return _closed(tokens, index + 2)  # the name is written already
    _new_line(writer, len(about) - 1)
    if simple and DENYING.match(plain(key)) and (said := turned(plain(tokens[index + 2]))):
        writer.put(f"present: {said}", tokens[index + 2].end())
        return index + 3
    if simple and len(about) > 1 and JUDGING.fullmatch(plain(key)) and answers(tokens[index + 2]):
        writer.put("answer", key.end())  # {"edema": {"conclusion": "no"}}
    else:
        _put_value(writer, key, key=True)
    writer.put(":")
    if not simple:
        return index + 2
    writer.put(" ")
    _put_value(writer, tokens[index + 2])
    return index + 3


def _closed(tokens: list[Token], start: int) -> int:
    """Return where the next token behind the object that begins here stands."""
    depth = 0
    for index in range(start, len(tokens)):
        depth += (tokens[index].lastgroup == "open") - (tokens[index].lastgroup == "close")
        if depth <= 0:
            return index + 1
    return len(tokens)


def _new_line(writer: Rewriter, depth: int, *, item: bool = False) -> None:
    writer.put("" if writer.ends_with("\n") else "\n")
    writer.put("  " * min(max(depth, 0), DEEPEST) + ("- " if item else ""))


def _put_value(writer: Rewriter, token: Token, *, key: bool = False) -> None:
    """Write a string's or a word's content, escapes resolved; Python's None is JSON's null."""
    start, end = content(token)
    if start < writer.done:  # its place is behind us: an answer that stands before its name
        writer.put(plain(token))
        return
    writer.drop_to(start)
    text = token.string
    if token.lastgroup == "word" and token.group() == "None":
        writer.put("null", end)
    elif key and " " not in text[start:end]:
        for hump in HUMP.finditer(text, start, end):
            writer.keep_to(hump.start())
            writer.put(" ", hump.start())
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
