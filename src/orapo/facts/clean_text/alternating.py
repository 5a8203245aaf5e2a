"""Lists that are made of names and answers in turn, and of nothing else, written out as fields.

"(Yes) edema, (No) fracture", "1. Edema" above "Yes", "For edema, the answer is absent.": whatever marks and joins
them, where every word is a finding's name, an answer or a word that says nothing, each name has the answer
beside it. Whether that stands before or behind it, the list's first word says. (Answers of more words, or in marks that are
the same throughout, are for `orapo.facts.clean_text.uniform`.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from orapo.facts.clean_text.rewriting import Rewriter, Rewritten
from orapo.facts.clean_text.uniform import IsName, called
from orapo.facts.forms.answers import AnswerWords
from orapo.facts.forms.blocks import line_places
from orapo.facts.forms.items import Place

_PIECE: Final = re.compile(
    r"(?P<number>(?:\b(?P<of>finding|item|label|question|query|row|line|step|point|entry|no|case)s?\.?[ ]?)?[#(\[]?(?<![\w.])(?P<ordinal>\d{1,2}|[a-h])[.):\]](?!\d)|\#\d{1,2}\b)"
    r"|(?P<sign>[✓✔✅✗✘❌☑☒☐]|\[[ xX+-]?\]|\([ xX+-]\)|(?<=[\s:|=>(\[,;'\"_-])\?(?![^\W_])|(?<![\w+])\+(?![\w+])"
    r"|(?<=[:=|>,;?][ \t])-(?=[ \t]*(?:[;,|.\n]|\Z))|(?<![^\n])[ \t]*-[ \t]*(?=\n|\Z))"
    r"|(?P<word>[A-Za-z][\w'/-]*[A-Za-z]|[A-Za-z])|(?P<digit>(?<![^\W_])(?<!\.)-?[01](?![^\W_])(?!\.\d))|(?P<other>[^\W_])",
    re.IGNORECASE,
)
"""What a list may be made of: the number of an entry, a word, a sign, a digit that answers; and what is none of these."""
_EMPTY: Final = re.compile(r"[|&\t][ ]*[|&\t]|&[ ]*(?:\\\\)?[ ]*\Z")
"""A row of a table with an empty cell, in which an answer's place says what it is."""
_SAYS_NOTHING: Final = re.compile(
    r"(?:is|are)(?: there| the)?(?: any| evidence of| signs? of)?|for|regarding|concerning|as for|with regard to|status|result|presence of|evidence of|signs? of"
    r"|the (?:answer|finding|result|status|assessment|verdict|prediction|label)(?: is|'s)?|answer|question|[qa](?=[ \t]*:)|label|class|value|the|was|found to be",
    re.IGNORECASE,
)
_NORMAL: Final = re.compile(r"no findings?", re.IGNORECASE)
_HARD: Final = frozenset(
    ("yes", "true", "false", "y", "n", "positive", "negative", "present", "absent", "seen", "identified", "detected", "there", "evident",
     "evidence", "none", "✓", "✔", "✅", "✗", "✘", "❌", "☑", "☒", "☐", "[x]", "(x)", "[]", "+", "-", "(+)", "(-)", "[+]", "[-]", "0", "1")
)  # fmt: skip
"""Answers that sentences do not put before a finding or behind it alone."""
_STOPS: Final = ".:!?;,*_|)]}>-"
_ENDS: Final = re.compile(r"\n|[.;](?=\s|\Z)")
_MOST_WORDS: Final = 5
_MOST_ALIKE: Final = 3
"""Fewer turns than these may be a sentence, if nothing but a space parts them."""
_LONGEST: Final = 2_000
"""Characters of a line that may be an entry."""


class _Piece(NamedTuple):
    """A name or an answer, and where it stands.

    Attributes:
        place: Where.
        named: Whether it is a name.
        said: What it says.
        ordinal: Whether it is a number, that of an entry or one that answers.
    """

    place: Place
    named: bool
    said: str
    ordinal: bool = False


def alternating(text: str, words: AnswerWords, is_name: IsName) -> Rewritten | None:
    """Return a text with its lists of names and answers as fields, each on a line; None if it has none.

    Args:
        text: With typography resolved.
        words: What answers are made of.
        is_name: Tells the names of findings.
    """
    writer: Rewriter | None = None
    for place, pieces in _runs(text, words, is_name):
        pairs = _pairs(text, pieces)
        if not pairs or not _stands_alone(text, place):
            continue
        writer = writer or Rewriter(text)
        writer.keep_to(place[0])
        for name, answer in pairs:
            writer.put("\n", max(writer.done, min(name.place[0], answer.place[0])))
            writer.drop_to(name.place[0])
            written = called(text[slice(*name.place)])
            writer.put(written, name.place[1])
            writer.put(f": {answer.said}", max(name.place[1], answer.place[1]))
        writer.put("\n", place[1])
    return None if writer is None else writer.finish()


def _stands_alone(text: str, place: Place) -> bool:
    """Whether lines are no part of a sentence that was wrapped."""
    before = text[max(0, place[0] - _LONGEST) : place[0]].rstrip(" \t")
    line = before[:-1].rpartition("\n")[2].rstrip()
    if line and line[-1] not in _STOPS and len(line.split()) > _MOST_WORDS:
        return False
    return not text[place[1] : place[1] + 2].lstrip("\r\n")[:1].islower()


def _runs(text: str, words: AnswerWords, is_name: IsName) -> Iterator[tuple[Place, list[_Piece]]]:
    """Yield the stretches of lines in which nothing but names and answers says anything."""
    start, end = 0, 0
    run: list[_Piece] = []
    for place in line_places(text, 0, len(text)):
        if not text[slice(*place)].strip():
            continue
        pieces = None
        if place[1] - place[0] <= _LONGEST:
            pieces = _pieces(text, place, words, is_name)
        if pieces:
            start = start if run else place[0]
            run += pieces
            end = place[1]
        elif pieces is None and run:
            yield (start, end), run
            run = []
    if run:
        yield (start, end), run


def _pieces(text: str, place: Place, words: AnswerWords, is_name: IsName) -> list[_Piece] | None:
    """Return the names and answers of a line; None if it holds another word."""
    found: list[_Piece] = []
    at = place[0]
    if _EMPTY.search(text, *place):
        return None
    while match := _PIECE.search(text, at, place[1]):
        at = match.end()
        if match["number"]:
            if (match["ordinal"] or "").isdigit() and not match["of"]:
                found.append(_Piece(match.span(), False, match["ordinal"], True))
            continue
        if match["sign"] or match["digit"]:
            found.append(_Piece(match.span(), False, match.group().strip()))
            continue
        if not match["word"]:
            return None
        start = match.start()
        normal = _NORMAL.match(text, start, place[1])
        if normal is not None:
            found.append(_Piece(normal.span(), True, normal.group()))
            at = normal.end()
            continue
        piece = _longest(text, start, place[1], words, is_name)
        said = _SAYS_NOTHING.match(text, start, place[1])
        nothing = (
            said.end()
            if said is not None and not text[said.end() : said.end() + 1].isalnum()
            else start
        )
        if piece is not None and piece.place[1] >= nothing:
            found.append(piece)
            at = piece.place[1]
        elif nothing > start:
            at = nothing
        else:
            return None
    return found


_NO_NAME: Final = re.compile(
    r"\b(?:is|are|was|were|yes|no|not|true|false|present|absent|positive|negative)\b|\b(?:the|of)\Z",
    re.IGNORECASE,
)
"""What stands in no name, though all else of a text names a finding."""
_OF_SENTENCES: Final = re.compile(
    r"(?:there|it|they|i|we|does|do|did|has|have)\b|(?:not|without|never|nothing|non|no (?:evidence|signs?) of|without evidence)\Z",
    re.IGNORECASE,
)
"""How answers begin that go on: no list is made of them."""
_WORD: Final = re.compile(r"[A-Za-z](?:[\w'/-]*[A-Za-z0-9])?")
_SPACE: Final = re.compile(r"[ \t]+")


def _longest(text: str, start: int, end: int, words: AnswerWords, is_name: IsName) -> _Piece | None:
    """Return the longest name or answer that begins at a word."""
    ends: list[int] = []
    at = start
    while len(ends) < _MOST_WORDS and (word := _WORD.match(text, at, end)):
        ends.append(word.end())
        space = _SPACE.match(text, word.end(), end)
        if space is None:
            break
        at = space.end()
    for stop in reversed(ends):
        said = text[start:stop]
        if _NO_NAME.search(said) is None and is_name(called(said)):
            return _Piece((start, stop), True, said)
        if _OF_SENTENCES.match(said) is None and words.pure(said) is not None:
            return _Piece((start, stop), False, said)
    return None


def _pairs(text: str, pieces: list[_Piece]) -> list[tuple[_Piece, _Piece]]:
    """Return names with their answers, where they take turns and an answer stands there that sentences have not."""
    for turns in _readings(pieces):
        if _take_turns(text, turns):
            pairs = list(zip(turns[::2], turns[1::2], strict=True))
            return pairs if turns[0].named else [(name, answer) for answer, name in pairs]
    return []


def _readings(pieces: list[_Piece]) -> Iterator[list[_Piece]]:
    """Yield the pieces without the numbers of entries; and with zeros and ones as answers."""
    yield [piece for piece in pieces if not piece.ordinal]
    numbers = [piece.said for piece in pieces if piece.ordinal]
    counted = pieces[0].ordinal and numbers == [str(number) for number in range(len(numbers))]
    if "0" in numbers and not counted:  # "0) Edema 1) Effusion"
        answering = [piece for piece in pieces if not piece.ordinal or piece.said in ("0", "1")]
        yield answering
        yield answering[1:]  # "1. Edema is 1."


def _take_turns(text: str, pieces: list[_Piece]) -> bool:
    if len(pieces) < 4 or len(pieces) % 2:
        return False
    first = pieces[0].named
    if any(piece.named is (first if at % 2 else not first) for at, piece in enumerate(pieces)):
        return False
    names = {piece.said.lower() for piece in pieces if piece.named}
    answers = [piece.said.lower().split() for piece in pieces if not piece.named]
    if len(names) < len(answers) or not any(_HARD.intersection(said) for said in answers):
        return False  # "Pneumothorax: no pneumothorax identified"
    gaps = [text[one.place[1] : other.place[0]] for one, other in pairwise(pieces)]
    within, apart = gaps[::2], gaps[1::2]
    if any(map(_ENDS.search, within)) and not all(map(_ENDS.search, apart)):
        return False  # "Evidence of edema. No evidence of a fracture is seen."
    # "Nodule: no nodules are seen"
    return len(apart) >= _MOST_ALIKE or all(gap.strip(" \t") for gap in apart)
