"""JSON and Python literals -> lines of plain text: ``field: answer``, ``- item``, deeper ones below.

Nothing is parsed that would have to be whole: what was cut off at its longest length is read up to there.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from orapo.facts.clean_text.rewriting import Rewriter
from orapo.facts.forms.items import ANSWERING, BESIDE, DEGREE, DENYING, HUMP, NAMING, turned

JSON: Final = re.compile(r"[{\[]\s*(?=[\"'{\[}]|$)")
"""Where JSON may begin."""
_TOKEN: Final = re.compile(
    r"""(?P<open>[{\[])|(?P<close>[}\]])|(?P<comma>,)|(?P<colon>:)
    |"(?P<text>(?:[^"\\]|\\.)*)(?:"|\Z)
    |'(?P<single>(?:[^'\\\n]|\\.|'(?=\w))*)'
    |(?P<word>[^\s,:{}\[\]"']+)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": " ", "r": "\n", "b": " ", "f": "\n"}
_CODED: Final = re.compile(r"(?:text|code|display|concept|description|type)\Z", re.IGNORECASE)
_CODED_VALUE: Final = re.compile(
    r"value ?(?:codeable ?concept|coding|concept)?\Z|interpretation\Z|presence\Z|(?:verification )?status\Z",
    re.IGNORECASE,
)
"""Members that hold the answer as a concept's object."""
_JUDGING: Final = re.compile(
    r"assessment|conclusions?|impression|output|interpretation|determination|judge?ment|reading|opinion|findings?|classification|call",
    re.IGNORECASE,
)
"""Members that hold the answer, and elsewhere name a section."""
_NOTHING: Final = re.compile(r"none|no|absent|nil|not present|0", re.IGNORECASE)
"""A degree that says that there is nothing."""
_SCORED: Final = re.compile(r"(?:score|probability|prob)\Z", re.IGNORECASE)
"""Members that name a finding, and that answer, where no other one does."""
_LETTERS: Final = re.compile(r"[A-Za-z]{2}")
_GENERIC: Final = re.compile(
    r"(?:clinical |medical |radiology )?(?:finding|observation|entity|problem|disease|disorder|sign|symptom|condition|concept|pathology)s?\Z",
    re.IGNORECASE,
)
"""What kind of thing is named, not which."""
_OF_THE_RECORD: Final = re.compile(
    r"(?:final|preliminary|registered|amended|corrected|completed?|active|done|success|ok)\Z",
    re.IGNORECASE,
)
"""What a record's status is, not a finding's."""
_CONTENT: Final = ("text", "single", "word")
DEEPEST: Final = 40
"""Levels of JSON that are told apart."""

_ANSWER: Final = re.compile(
    r"-?\d+(?:\.\d+)?%?|true|false|null|none|yes|no|present|absent|positive|negative|uncertain|y|n",
    re.IGNORECASE,
)
"""What a column of answers holds."""
_VALUE: Final = re.compile(r"-?\d+(?:\.\d+)?%?|true|false|null|none|nan", re.IGNORECASE)

Token = re.Match[str]


def json_tokens(text: str, start: int) -> tuple[list[Token], int]:
    """Return the tokens of the JSON that begins here, none if it is none, and where it ends."""
    tokens: list[Token] = []
    depth, colons, strings, end = 0, 0, 0, start
    for token in _TOKEN.finditer(text, start):
        if text[end : token.start()].strip():  # something that no JSON holds
            return [], end
        kind = token.lastgroup
        if (
            kind == "word"
            and _VALUE.fullmatch(token.group()) is None
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


def write_json(writer: Rewriter, tokens: list[Token]) -> None:
    """Write JSON as lines, an object's members below its name and deeper."""
    about: list[Token | None] = []  # what each open object is about, if one of its members says so
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.lastgroup == "open":
            opens = token.group() == "{"
            columns = _columns(tokens, index) if opens else None
            if columns is not None:
                for name, answer in columns.pairs:
                    _new_line(writer, len(about))
                    _put_value(writer, name)
                    writer.put(f": {_plain(answer)}")
                index = columns.end
                continue
            pair = None if opens else _pair(tokens, index)
            if pair is not None:  # ["edema", "yes"], one of several
                _new_line(writer, len(about) - 1, item=True)
                _put_value(writer, pair[0], key=True)
                writer.put(f": {_plain(pair[1])}")
                index += _PAIR
                continue
            named = _about(tokens, index) if opens else None
            about.append(None if named is None else named[0])
            if named is not None:
                _new_line(writer, len(about) - 1)
                _put_value(writer, named[0], key=True)
                writer.put(": ")
                if named[2]:
                    writer.put(turned(_plain(named[1])))
                else:
                    _put_value(writer, named[1])
        elif token.lastgroup == "close":
            del about[-1:]
        elif _kind(tokens, index + 1) == "colon":
            index = _member(writer, tokens, index, about)
            continue
        elif token.lastgroup in _CONTENT:
            _new_line(writer, len(about) - 1, item=True)
            _put_value(writer, token)
        index += 1


def _member(writer: Rewriter, tokens: list[Token], index: int, about: list[Token | None]) -> int:
    """Write a member of an object, and return where the next token stands."""
    key = tokens[index]
    simple = _kind(tokens, index + 2) in _CONTENT
    if about and about[-1] is not None and simple:
        # beside name and answer: side, size, a comment
        word = _plain(key)
        more = _plain(tokens[index + 2])
        if (
            tokens[index + 2] is not about[-1]
            and not (NAMING.match(word) or ANSWERING.match(word) or DENYING.match(word))
            and _VALUE.fullmatch(more) is None
        ):
            writer.put(", ")
            _put_value(writer, tokens[index + 2])
        return index + 3
    if about and about[-1] is not None and not simple and _CODED.match(_plain(key)):
        return _closed(tokens, index + 2)  # the name is written already
    _new_line(writer, len(about) - 1)
    if simple and DENYING.match(_plain(key)) and (said := turned(_plain(tokens[index + 2]))):
        writer.put(f"present: {said}", tokens[index + 2].end())
        return index + 3
    if (
        simple
        and len(about) > 1
        and _JUDGING.fullmatch(_plain(key))
        and _answers(tokens[index + 2])
    ):
        writer.put("answer", key.end())  # {"edema": {"conclusion": "no"}}
    else:
        _put_value(writer, key, key=True)
    writer.put(":")
    if not simple:
        return index + 2
    writer.put(" ")
    _put_value(writer, tokens[index + 2])
    return index + 3


_PAIR: Final = 5
"""Tokens of a list of two."""


def _pair(tokens: list[Token], start: int) -> tuple[Token, Token] | None:
    """Return the name and the answer of a list of two that stands in another list: ["edema", "yes"]."""
    held = tokens[start + 1 : start + _PAIR]
    kinds = [token.lastgroup for token in held]
    if kinds[1:2] != ["comma"] or kinds[3:] != ["close"]:
        return None
    if start == 0 or tokens[start - 1].group() not in ("[", ","):
        return None
    for name, answer in ((held[0], held[2]), (held[2], held[0])):
        named = name.lastgroup in ("text", "single") and not _ANSWER.fullmatch(_plain(name))
        if named and answer.lastgroup in _CONTENT and _answers(answer):
            return name, answer
    return None


def _answers(token: Token) -> bool:
    said = _plain(token)
    return bool(_ANSWER.fullmatch(said) or _POLAR.fullmatch(said))


def _kind(tokens: list[Token], index: int) -> str | None:
    return tokens[index].lastgroup if index < len(tokens) else None


class _Columns(NamedTuple):
    pairs: list[tuple[Token, Token]]
    end: int


def _columns(tokens: list[Token], start: int) -> _Columns | None:
    """Return the rows of {"finding": ["edema"], "present": [false]}, and where it ends."""
    lists: list[list[Token]] = []
    named: list[Token] = []
    index = start + 1
    while _kind(tokens, index) != "close":
        if lists and _kind(tokens, index) == "comma":
            index += 1
        if _kind(tokens, index + 1) != "colon" or _kind(tokens, index + 2) != "open":
            return None
        naming = NAMING.match(_plain(tokens[index])) is not None
        index += 3
        held: list[Token] = []
        while _kind(tokens, index) in (*_CONTENT, "comma"):
            if tokens[index].lastgroup != "comma":
                held.append(tokens[index])
            index += 1
        if _kind(tokens, index) != "close" or (lists and len(held) != len(lists[0])):
            return None
        lists.append(held)
        named = held if naming and not named else named
        index += 1
    answers = next((one for one in lists if one is not named and _all_answer(one)), None)
    if not named or not answers or any(name.lastgroup == "word" for name in named):
        return None
    return _Columns(list(zip(named, answers, strict=True)), index + 1)


_POLAR: Final = re.compile(
    r"(?:not |un)?(?:present|detected|seen|identified|visible|found|observed)|absent|positive|negative",
    re.IGNORECASE,
)
"""A value that says so itself whether something is there, whatever its key."""


def _all_answer(tokens: list[Token]) -> bool:
    return all(_ANSWER.fullmatch(_plain(token)) for token in tokens)


def _about(tokens: list[Token], start: int) -> tuple[Token, Token, bool] | None:
    """Return what {"finding": "edema", "present": false} names and answers, and if that is turned."""
    name: Token | None = None
    answer: Token | None = None
    denial: Token | None = None
    coded: Token | None = None
    scored: Token | None = None
    spare: Token | None = None  # answers, under a key that is not known
    nested: Token | None = None
    detailed, depth = False, 0
    for index in range(start, min(start + 4 * DEEPEST, len(tokens) - 2)):
        token = tokens[index]
        depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        if depth <= 0:
            break
        if tokens[index + 1].lastgroup != "colon":
            continue
        value = tokens[index + 2]
        if value.group() == "[" and _kind(tokens, index + 4) == "close":
            value = tokens[index + 3]  # {"finding": "edema", "values": ["no"]}
        if depth > 1:
            if depth == _WITHIN and detailed and nested is None and _is_answer(token, value):
                nested = value  # {"finding": "edema", "details": {"present": "no"}}
            continue
        detailed = value.lastgroup == "open" and _DETAILS.fullmatch(_plain(token)) is not None
        if value.lastgroup == "open":
            called = HUMP.sub(" ", _plain(token))
            if _CODED.match(called):
                coded = coded or _coded(tokens, index + 2)  # {"code": {"text": "edema"}}
            elif _CODED_VALUE.match(called) and answer is None:
                answer = _coded(tokens, index + 2)  # {"value": {"text": "absent"}}
        if value.lastgroup in ("open", "close", "comma"):
            continue
        word = " ".join(HUMP.sub(" ", _plain(token)).split())
        if NAMING.match(word) and _GENERIC.match(_plain(value)):
            continue  # {"text": "edema", "label": "FINDING"}
        told = _POLAR.fullmatch(_plain(value)) is not None
        if told and answer is None and NAMING.match(word):
            answer = value  # {"finding": "edema", "label": "present"}
        elif name is None and NAMING.match(word) and value.lastgroup != "word":
            name = value
        elif (
            name is not None
            and answer is None
            and NAMING.match(word)
            and value.lastgroup == "word"
            and _VALUE.fullmatch(_plain(value))
        ):
            answer = value  # {"class": "edema", "label": 0}
        elif answer is None and ANSWERING.match(word):
            if _OF_THE_RECORD.match(_plain(value)) is None:
                answer = value
        elif denial is None and DENYING.match(word) and turned(_plain(value)):
            denial = value
        elif _CODED.match(word) and value.lastgroup != "word":
            coded = coded or value
        elif (DEGREE.match(word) and _NOTHING.fullmatch(_plain(value))) or _SCORED.match(word):
            scored = scored or value
        elif told and not BESIDE.match(word):
            spare = spare or value
    name = name or coded
    if name is None:
        return None
    if answer is None and denial is not None:
        return name, denial, True
    answer = answer or spare or nested or scored
    return None if answer is None else (name, answer, False)


_WITHIN: Final = 2
_DETAILS: Final = re.compile(
    r"details?|assessment|results?|analysis|evaluation|status|attributes|properties|output|prediction|classification",
    re.IGNORECASE,
)
"""Members that hold an object with the answer."""


def _is_answer(key: Token, value: Token) -> bool:
    said = _plain(key)
    return (
        value.lastgroup in _CONTENT
        and _answers(value)
        and (ANSWERING.match(said) or _JUDGING.fullmatch(said)) is not None
    )


def _coded(tokens: list[Token], start: int) -> Token | None:
    """Return the text of a concept's object, its code where it has none."""
    code: Token | None = None
    for index in range(start, min(start + 4 * DEEPEST, len(tokens) - 2)):
        if tokens[index].lastgroup == "close":
            break
        named = (
            tokens[index].lastgroup in ("text", "single") and tokens[index + 1].lastgroup == "colon"
        )
        if (
            named
            and _CODED.match(_plain(tokens[index]))
            and tokens[index + 2].lastgroup in ("text", "single")
            and _LETTERS.search(_plain(tokens[index + 2]))
        ):
            if _plain(tokens[index]).lower() != "code":
                return tokens[index + 2]
            code = code or tokens[index + 2]
    return code


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


def _content(token: Token) -> tuple[int, int]:
    group = token.lastgroup
    assert group is not None
    return token.start(group), token.end(group)


def _plain(token: Token) -> str:
    start, end = _content(token)
    return " ".join(token.string[start:end].replace("_", " ").split())


def _put_value(writer: Rewriter, token: Token, *, key: bool = False) -> None:
    """Write a string's or a word's content, escapes resolved; Python's None is JSON's null."""
    start, end = _content(token)
    if start < writer.done:  # its place is behind us: an answer that stands before its name
        writer.put(_plain(token))
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
