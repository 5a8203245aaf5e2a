"""A report and its clean text, and where in the report each stretch of that text stood."""

from __future__ import annotations

import re
from typing import Final

from orapo.facts.fact import Sentence
from orapo.facts.forms.answers import AnswerWords
from orapo.facts.forms.markup import MARKED, flatten
from orapo.facts.forms.rewriting import Rewriter, Rewritten
from orapo.facts.forms.typography import PLAIN, clean

_SNAKE: Final = re.compile(r"(?<=[A-Za-z])_(?=[A-Za-z])")
_BRACKETED: Final = re.compile(r"\[([A-Za-z][^\[\]{}\"\n:]{1,60}:[^\[\]{}\"\n]{1,60})\]")
_SIGN: Final = re.compile(
    r"(?<=[A-Za-z)])[ \t]*[:=]?[ \t]*(\+{1,3}|[-–—])(?=[ \t]*(?:[,;.|\n]|\Z))"
)
"""A plus or a minus as an answer; a minus is one only where a plus is."""


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
        if PLAIN.search(report):
            typed, self.disguised = clean(report, known)
            self._layers.append(typed)
            self.text = typed.text
        if "_" in self.text:  # names of fields in JSON and YAML
            self.text = _SNAKE.sub(" ", self.text)
        if "[" in self.text:  # "[Effusion: no] [Edema: yes]": of the same length, each on a line
            self.text = _BRACKETED.sub(r"\n\1\n", self.text)
        if "+" in self.text:
            self._sign()
        if MARKED.search(self.text):
            marked = flatten(self.text, words)
            self._layers.append(marked)
            self.text = marked.text

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
