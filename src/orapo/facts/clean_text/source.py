"""A report and its clean text, and where in the report each stretch of that text stood."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from orapo.facts.clean_text.alternating import alternating
from orapo.facts.clean_text.columns import (
    HEADER,
    LISTS,
    NUMBERED_TWICE,
    in_columns,
    in_lists,
    in_turn,
)
from orapo.facts.clean_text.documents import (
    BRACKETED,
    ESCAPED,
    EXPORTED,
    FRAMED,
    QUERY,
    QUERYING,
    QUOTED,
    WRITTEN,
    exported,
    shown,
    unboxed,
    unbracketed,
    unescaped,
    unframed,
    unqueried,
    unquoted,
)
from orapo.facts.clean_text.elements import ESCAPED_TWICE, SELECTED, chosen, unescaped_twice
from orapo.facts.clean_text.hl7 import MESSAGE, message
from orapo.facts.clean_text.lines import unfolded
from orapo.facts.clean_text.markup import MARKED, flatten
from orapo.facts.clean_text.plain import ZERO
from orapo.facts.clean_text.records import (
    FLOWING,
    NUMBERED,
    flowed,
    paired,
    unnumbered,
)
from orapo.facts.clean_text.rewriting import Rewritten, substituted
from orapo.facts.clean_text.shorthand import spelled_out
from orapo.facts.clean_text.typography import (
    COLOURED,
    DECIMAL_COMMA,
    GARBLED,
    PLAIN,
    clean,
    uncoloured,
    ungarbled,
    with_points,
)
from orapo.facts.clean_text.uniform import IsName, uniform
from orapo.facts.clean_text.weighed import CODED, WEIGHED, answered, decoded
from orapo.facts.fact import Sentence
from orapo.facts.forms.answers import AnswerWords

_SNAKE: Final = re.compile(r"(?<=[A-Za-z])_(?=[A-Za-z])")
_TOKENS: Final = re.compile(r"\s*[a-z]+(?:_[a-z]+)*(?:[,;\s]+[a-z]+(?:_[a-z]+)*)+[.\s]*")
_BETWEEN: Final = re.compile(r"[,;\s]+(?=[a-z])")
"""A list of labels, each in one word, some of them denied: "no_edema, pleural_effusion"."""
_WITH_ZERO: Final = re.compile(r"\b(?:[A-Za-z]+0)+[A-Za-z]*\b")
_SPACED: Final = re.compile(r"\b([Nn])[ -]o (?=[A-Za-z])")


class Known(NamedTuple):
    """What is known of the language that a report is written in.

    Attributes:
        words: Those of the lexicon.
        answers: What answers are made of.
        is_name: Tells the bare names of findings.
    """

    words: frozenset[str]
    answers: AnswerWords
    is_name: IsName


_Rewrite = Callable[[str, Known], Rewritten | None]


class _Step(NamedTuple):
    """A rewriting, and what a text holds that it is for.

    Attributes:
        marks: Of which the text has one; none: any text.
        pattern: That is found in it; None: nothing is looked for.
        rewrite: From the text, and what is known; None where nothing changes.
    """

    marks: tuple[str, ...]
    pattern: re.Pattern[str] | None
    rewrite: _Rewrite


def _alone(rewrite: Callable[[str], Rewritten | None]) -> _Rewrite:
    return lambda text, known: rewrite(text)


def _answering(rewrite: Callable[[str, AnswerWords], Rewritten | None]) -> _Rewrite:
    return lambda text, known: rewrite(text, known.answers)


def _naming(rewrite: Callable[[str, AnswerWords, IsName], Rewritten | None]) -> _Rewrite:
    return lambda text, known: rewrite(text, known.answers, known.is_name)


_DOCUMENTS: Final = (
    _Step(("\n",), HEADER, _answering(in_columns)),
    _Step(("\\u",), ESCAPED, _alone(unescaped)),
    _Step(FRAMED, None, _alone(unframed)),
    _Step(QUERYING, QUERY, _alone(unqueried)),
    _Step(("\\boxed{",), None, _alone(unboxed)),
    _Step(('\\"',), QUOTED, _alone(unquoted)),
    _Step(("{|", '")'), EXPORTED, _alone(exported)),
    _Step(("&",), ESCAPED_TWICE, _alone(unescaped_twice)),
    _Step(("[/",), BRACKETED, _alone(unbracketed)),
    _Step(("<",), SELECTED, _alone(chosen)),
    _Step(("OBX|",), MESSAGE, _alone(message)),
    _Step((), CODED, _alone(decoded)),
    _Step((), WEIGHED, _alone(answered)),
)
"""What a report was wrapped into, in this order: marks by their place first, before anything moves."""
_TYPED: Final = (
    _Step(("\\",), WRITTEN, _alone(shown)),
    _Step((",",), DECIMAL_COMMA, _alone(with_points)),
)
"""What needs characters that are clean."""
_RECORDS: Final = (
    _Step(("\n",), NUMBERED_TWICE, _answering(in_turn)),
    _Step(("\n",), LISTS, _answering(in_lists)),
    _Step(("{", "="), FLOWING, _alone(flowed)),
    _Step(("=",), NUMBERED, _alone(unnumbered)),
)
"""Names and answers that stand apart, once words are words."""
_PAIRED: Final = (_Step((":", "="), None, _naming(paired)),)
_LISTED: Final = (
    *_PAIRED,
    _Step((), None, _naming(alternating)),
    _Step((), None, _naming(uniform)),
)
"""Records and lists that say by their shape what answers what; of JSON once it is fields."""


def _without_zero(word: str, known: frozenset[str]) -> str:
    """Return a word with letters in place of zeros, if it is a word then."""
    written = word.replace("0", "O" if word.isupper() and len(word) > 2 else "o")
    return written if written.lower() in known else word


class Source:
    """A report and its clean text.

    Args:
        report: As given.
        known: Of its language; None for a report that is clean.
    """

    __slots__ = ("_layers", "disguised", "report", "text")

    def __init__(self, report: str, known: Known | None = None) -> None:
        self.report = self.text = report
        self.disguised = False
        self._layers: list[Rewritten] = []
        if known is None:
            return
        if not report.isascii():
            if GARBLED.search(report):
                self._add(ungarbled(report))
            if COLOURED.search(self.text):
                self._add(uncoloured(self.text))
        self._take(_DOCUMENTS, known)
        if PLAIN.search(self.text):
            typed, self.disguised = clean(self.text, known.words)
            self._add(typed)
        self._take(_TYPED, known)
        if "0" in self.text and ZERO.search(self.text):
            read = _WITH_ZERO.sub(lambda word: _without_zero(word.group(), known.words), self.text)
            self.disguised = self.disguised or read != self.text
            self.text = read
        if "o " in self.text and _SPACED.search(self.text):
            self.disguised = True
            self._add(substituted(self.text, _SPACED, lambda match: f"{match[1]}o "))
        if "no_" in self.text and _TOKENS.fullmatch(self.text):
            self._add(substituted(self.text, _BETWEEN, lambda match: "\n"))
        if "_" in self.text:  # names of fields in JSON and YAML
            self.text = _SNAKE.sub(" ", self.text)
        self._take(_RECORDS, known)
        in_json = '":' in self.text and "{" in self.text
        if not in_json:
            self._take(_LISTED, known)
        for step in unfolded(self.text, known.answers):
            self._add(step)
        for step in spelled_out(self.text):
            self._add(step)
        if MARKED.search(self.text):
            self._add(flatten(self.text, known.answers))
        if in_json:
            self._take(_PAIRED, known)

    def _take(self, steps: Sequence[_Step], known: Known) -> None:
        """Rewrite the text by those of some steps that it has something for."""
        for step in steps:
            if step.marks and not any(mark in self.text for mark in step.marks):
                continue
            if step.pattern is None or step.pattern.search(self.text):
                layer = step.rewrite(self.text, known)
                if layer is not None:
                    self._add(layer)

    def _add(self, layer: Rewritten) -> None:
        self._layers.append(layer)
        self.text = layer.text

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Return where a stretch of the clean text stands in the report."""
        for layer in reversed(self._layers):
            start, end = layer.origin(start, end)
        return start, end

    def sentence(self, start: int, end: int) -> Sentence:
        """Return the sentence that a stretch of the clean text was."""
        start, end = self.origin(start, end)
        return Sentence(self.report[start:end], start, end)
