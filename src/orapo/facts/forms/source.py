"""A report and its clean text, and where in the report each stretch of that text stood."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from orapo.facts.fact import Sentence
from orapo.facts.forms.answers import AnswerWords
from orapo.facts.forms.documents import WRITTEN, shown
from orapo.facts.forms.markup import MARKED, flatten
from orapo.facts.forms.plain import ZERO
from orapo.facts.forms.rewriting import Rewriter, Rewritten
from orapo.facts.forms.typography import GARBLED, PLAIN, clean, ungarbled

_SNAKE: Final = re.compile(r"(?<=[A-Za-z])_(?=[A-Za-z])")
_BRACKETED: Final = re.compile(r"\[([A-Za-z][^\[\]{}\"\n:]{1,60}:[^\[\]{}\"\n]{1,60})\]")
_HUMPS: Final = re.compile(r"\b(?:[A-Z][a-z]{2,}){2,}(?=[\"']?[ \t]*(?:[:=|]|->))")
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_BRACKETED_SIGN: Final = re.compile(r"(?:(?<![^\n])|(?<=[,;] ))[ \t]*\(([+-])\)[ \t]*(?=[A-Za-z])")
_SIGN_AHEAD: Final = re.compile(r"(?:(?<![^\n])|(?<=[,;] ))[ \t]*\(?(\+|[-–])\)?[ \t]*(?=[A-Za-z])")
"""A plus or a minus before what it answers; lines with a minus alone are a list."""
_PAIR: Final = re.compile(r"\(\s*['\"]([^'\"\n]{2,60})['\"]\s*[,:]\s*['\"]?([\w.-]+)['\"]?\s*\),?")
_COUNTED_LINE: Final = re.compile(
    r"(?<![^\n])([A-Za-z][A-Za-z /-]{2,40}) ([01])(?=[ \t]*(?:\n|\Z))"
)
_COUNTED: Final = re.compile(_COUNTED_LINE.pattern + r"[ \t]*\n" + _COUNTED_LINE.pattern)
_BRACKETED_ANSWER: Final = re.compile(
    r"(?<=[A-Za-z] )\[(yes|no|present|absent|positive|negative|true|false|y|n)\]", re.IGNORECASE
)
_SPACED: Final = re.compile(r"\b([Nn]) o (?=[A-Za-z])")
_WITH_ZERO: Final = re.compile(r"\b(?:[A-Za-z]+0)+[A-Za-z]*\b")
_SIGN: Final = re.compile(
    r"(?<=[A-Za-z)])[ \t]*[:=]?[ \t]*(\+{1,3}|[-–—])(?=[ \t]*(?:[,;.|\n]|\Z))"
)
"""A plus or a minus as an answer; a minus is one only where a plus is."""


def _without_zero(word: str, known: frozenset[str]) -> str:
    """Return a word with letters in place of zeros, if it is a word then."""
    written = word.replace("0", "O" if word.isupper() and len(word) > 2 else "o")
    return written if written.lower() in known else word


class Source:
    """A report and its clean text.

    Args:
        report: As given.
        known: Words of the lexicon; None for a report that is known to be clean.
        words: What answers are made of.
    """

    __slots__ = ("_layers", "disguised", "report", "text")

    def __init__(
        self,
        report: str,
        known: frozenset[str] | None = None,
        words: AnswerWords | None = None,
    ) -> None:
        self.report = self.text = report
        self.disguised = False
        self._layers: list[Rewritten] = []
        if known is None or words is None:
            return
        if GARBLED.search(report):
            self._layers.append(ungarbled(report))
            self.text = self._layers[-1].text
        if PLAIN.search(self.text):
            typed, self.disguised = clean(self.text, known)
            self._layers.append(typed)
            self.text = typed.text
        if "\\" in self.text and WRITTEN.search(self.text):
            self._layers.append(shown(self.text))
            self.text = self._layers[-1].text
        if "0" in self.text and ZERO.search(self.text):
            read = _WITH_ZERO.sub(lambda word: _without_zero(word.group(), known), self.text)
            self.disguised = self.disguised or read != self.text
            self.text = read
        if "_" in self.text:  # names of fields in JSON and YAML
            self.text = _SNAKE.sub(" ", self.text)
        if _HUMPS.search(self.text):
            self._part(_HUMPS)
        if "(" in self.text and _PAIR.search(self.text):
            self._rewrite(_PAIR, lambda match: f"\n{match[1]}: {match[2]}\n")
        if _COUNTED.search(self.text):
            self._rewrite(_COUNTED_LINE, lambda match: f"{match[1]}: {match[2]}")
        if "n o " in self.text.lower():
            self._rewrite(_SPACED, lambda match: "No " if match[1] == "N" else "no ")
            self.disguised = self.disguised or "n o " not in self.text.lower()
        if "[" in self.text:  # "[Effusion: no] [Edema: yes]": of the same length, each on a line
            self.text = _BRACKETED.sub(r"\n\1\n", self.text)
            self.text = _BRACKETED_ANSWER.sub(r"(\1)", self.text)  # "Effusion [no]"
        if "(+)" in self.text or "(-)" in self.text:
            self._rewrite(_BRACKETED_SIGN, lambda match: f"[{match[1]}] ")
        if "+" in self.text:
            self._sign()
            if {match[1][0] == "+" for match in _SIGN_AHEAD.finditer(self.text)} == {True, False}:
                self._rewrite(_SIGN_AHEAD, lambda match: "[+] " if match[1][0] == "+" else "[-] ")
        if MARKED.search(self.text):
            marked = flatten(self.text, words)
            self._layers.append(marked)
            self.text = marked.text

    def _rewrite(self, found: re.Pattern[str], written: Callable[[re.Match[str]], str]) -> None:
        rewriter = Rewriter(self.text)
        for match in found.finditer(self.text):
            rewriter.keep_to(match.start())
            rewriter.put(written(match), match.end())
        self._layers.append(rewriter.finish())
        self.text = self._layers[-1].text

    def _part(self, words: re.Pattern[str]) -> None:
        """Part the words of names that are written in one: "LungOpacity: yes"."""
        rewriter = Rewriter(self.text)
        for match in words.finditer(self.text):
            for hump in _HUMP.finditer(self.text, match.start() + 1, match.end()):
                rewriter.keep_to(hump.start())
                rewriter.put(" ")
        self._layers.append(rewriter.finish())
        self.text = self._layers[-1].text

    def _sign(self) -> None:
        """Put signs that are answers in brackets: "Edema: -, effusion: +"."""
        signs = list(_SIGN.finditer(self.text))
        if len({match[1][0] == "+" for match in signs}) < 2:
            return
        rewriter = Rewriter(self.text)
        for match in signs:
            rewriter.keep_to(match.start(1))
            rewriter.put("(+)" if match[1][0] == "+" else "(-)", match.end(1))
        self._layers.append(rewriter.finish())
        self.text = self._layers[-1].text

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Return where a stretch of the clean text stands in the report."""
        for layer in reversed(self._layers):
            start, end = layer.origin(start, end)
        return start, end

    def sentence(self, start: int, end: int) -> Sentence:
        """Return the sentence that a stretch of the clean text was."""
        start, end = self.origin(start, end)
        return Sentence(self.report[start:end], start, end)
