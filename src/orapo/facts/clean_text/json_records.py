"""Which members of an object of JSON name a finding, and which of them answers."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from orapo.facts.clean_text.json_tokens import CONTENT, VALUE, Token, kind_of, plain
from orapo.facts.forms.items import (
    ANSWERING,
    BESIDE,
    DEGREE,
    DENYING,
    HUMP,
    JUDGING,
    NAMING,
    turned,
)
from orapo.facts.forms.names import EARLIER

CODED: Final = re.compile(r"(?:text|code|display|concept|description|type)\Z", re.IGNORECASE)
_CODED_VALUE: Final = re.compile(
    r"value ?(?:codeable ?concept|coding|concept)?\Z|interpretation\Z|presence\Z|(?:verification )?status\Z",
    re.IGNORECASE,
)
"""Members that hold the answer as a concept's object."""
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
DEEPEST: Final = 40
"""Levels of JSON that are told apart."""

_ANSWER: Final = re.compile(
    r"-?\d+(?:\.\d+)?%?|true|false|null|none|yes|no|present|absent|positive|negative|uncertain|y|n",
    re.IGNORECASE,
)
"""What a column of answers holds."""

PAIR: Final = 5
"""Tokens of a list of two."""


def pair_at(tokens: list[Token], start: int) -> tuple[Token, Token] | None:
    """Return the name and the answer of a list of two that stands in another list: ["edema", "yes"]."""
    held = tokens[start + 1 : start + PAIR]
    kinds = [token.lastgroup for token in held]
    if kinds[1:2] != ["comma"] or kinds[3:] != ["close"]:
        return None
    if start == 0 or tokens[start - 1].group() not in ("[", ","):
        return None
    for name, answer in ((held[0], held[2]), (held[2], held[0])):
        named = name.lastgroup in ("text", "single") and not _ANSWER.fullmatch(plain(name))
        if named and answer.lastgroup in CONTENT and answers(answer):
            return name, answer
    return None


def answers(token: Token) -> bool:
    """Whether a value says itself whether something is there."""
    said = plain(token)
    return bool(_ANSWER.fullmatch(said) or _POLAR.fullmatch(said))


class Columns(NamedTuple):
    """The rows of an object of lists, each a name and its answer, and where the object ends."""

    pairs: list[tuple[Token, Token]]
    end: int


def columns_at(tokens: list[Token], start: int) -> Columns | None:
    """Return the rows of {"finding": ["edema"], "present": [false]}, and where it ends."""
    lists: list[list[Token]] = []
    named: list[Token] = []
    index = start + 1
    while kind_of(tokens, index) != "close":
        if lists and kind_of(tokens, index) == "comma":
            index += 1
        if kind_of(tokens, index + 1) != "colon" or kind_of(tokens, index + 2) != "open":
            return None
        naming = NAMING.match(plain(tokens[index])) is not None
        index += 3
        held: list[Token] = []
        while kind_of(tokens, index) in (*CONTENT, "comma"):
            if tokens[index].lastgroup != "comma":
                held.append(tokens[index])
            index += 1
        if kind_of(tokens, index) != "close" or (lists and len(held) != len(lists[0])):
            return None
        lists.append(held)
        named = held if naming and not named else named
        index += 1
    answers = next((one for one in lists if one is not named and _all_answer(one)), None)
    if not named or not answers or any(name.lastgroup == "word" for name in named):
        return None
    return Columns(list(zip(named, answers, strict=True)), index + 1)


_POLAR: Final = re.compile(
    r"(?:not |un)?(?:present|detected|seen|identified|visible|found|observed)|absent|positive|negative"
    r"|uncertain|equivocal|indeterminate|possible",
    re.IGNORECASE,
)
"""A value that says so itself whether something is there, whatever its key."""


def _all_answer(tokens: list[Token]) -> bool:
    return all(_ANSWER.fullmatch(plain(token)) for token in tokens)


def named_and_answered(tokens: list[Token], start: int) -> tuple[Token, Token, bool] | None:
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
        if value.group() == "[" and kind_of(tokens, index + 4) == "close":
            value = tokens[index + 3]  # {"finding": "edema", "values": ["no"]}
        if depth > 1:
            if depth == _WITHIN and detailed and nested is None and _is_answer(token, value):
                nested = value  # {"finding": "edema", "details": {"present": "no"}}
            continue
        detailed = value.lastgroup == "open" and _DETAILS.fullmatch(plain(token)) is not None
        if value.lastgroup == "open":
            called = HUMP.sub(" ", plain(token))
            if CODED.match(called):
                coded = coded or _coded(tokens, index + 2)  # {"code": {"text": "edema"}}
            elif _CODED_VALUE.match(called) and answer is None:
                answer = _coded(tokens, index + 2)  # {"value": {"text": "absent"}}
        if value.lastgroup in ("open", "close", "comma"):
            continue
        word = " ".join(HUMP.sub(" ", plain(token)).split())
        if NAMING.match(word) and _GENERIC.match(plain(value)):
            continue  # {"text": "edema", "label": "FINDING"}
        told = _POLAR.fullmatch(plain(value)) is not None
        if told and answer is None and NAMING.match(word):
            answer = value  # {"finding": "edema", "label": "present"}
        elif name is None and NAMING.match(word) and value.lastgroup != "word":
            name = value
        elif (
            name is not None
            and answer is None
            and NAMING.match(word)
            and value.lastgroup == "word"
            and VALUE.fullmatch(plain(value))
        ):
            answer = value  # {"class": "edema", "label": 0}
        elif answer is None and ANSWERING.match(word):
            if _OF_THE_RECORD.match(plain(value)) is None:
                answer = value
        elif denial is None and DENYING.match(word) and turned(plain(value)):
            denial = value
        elif CODED.match(word) and value.lastgroup != "word":
            coded = coded or value
        elif (DEGREE.match(word) and _NOTHING.fullmatch(plain(value))) or _SCORED.match(word):
            scored = scored or value
        elif told and not (BESIDE.match(word) or EARLIER.match(word)):
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
    r"details?|assessment|results?|analysis|evaluation|status|attributes|properties|output|prediction|classification"
    r"|probabilit(?:y|ies)|probs?|likelihoods?|scores|distribution|confidences?|logits|softmax",
    re.IGNORECASE,
)
"""Members that hold an object with the answer."""


def _is_answer(key: Token, value: Token) -> bool:
    said = plain(key)
    return (
        value.lastgroup in CONTENT
        and answers(value)
        and (ANSWERING.match(said) or JUDGING.fullmatch(said)) is not None
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
            and CODED.match(plain(tokens[index]))
            and tokens[index + 2].lastgroup in ("text", "single")
            and _LETTERS.search(plain(tokens[index + 2]))
        ):
            if plain(tokens[index]).lower() != "code":
                return tokens[index + 2]
            code = code or tokens[index + 2]
    return code
