"""What answers a field: yes, no, perhaps, or nothing at all; the words are data (``language.toml``)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final


class Answer(Enum):
    """What an answer says of its field."""

    DENIED = "denied"
    AFFIRMED = "affirmed"
    DOUBTED = "doubtful"
    BLANK = "blank"
    """Nothing: not assessed, unknown."""


_TRIM: Final = " \t\r\n.,;:!\"'*`"
_BARE: Final = frozenset(("yes", "no", "none", "true", "false", "y", "n", "nil"))
"""Answers that need no separator before them at the end of a line ("effusion no")."""
_LETTERS: Final = {
    "p": Answer.AFFIRMED,
    "t": Answer.AFFIRMED,
    "a": Answer.DENIED,
    "f": Answer.DENIED,
}
"""Present and absent, true and false: alone they answer, in a sentence they are words."""
_NUMBER: Final = re.compile(r"(?:0?\.\d+|\d+(?:\.\d+)?\s?%)\Z")
"""A probability states nothing."""


class AnswerWords:
    """The answers that are known.

    Args:
        words: Of each kind of `Answer`, in lower case.
    """

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        self._kinds = {
            " ".join(word.split()): Answer(kind) for kind, each in words.items() for word in each
        }
        longest_first = sorted(self._kinds, key=len, reverse=True)
        written = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in longest_first)
        self._leading = re.compile(
            rf"[\s\"'*(]*(?:(?:the|my) answer is:?\s+)?({written})(?![\w\]])"
            if written
            else r"(?!)",
            re.IGNORECASE,
        )

    def pure(self, text: str) -> Answer | None:
        """Return what a text says that is an answer and no more; None if it is none."""
        stripped = text.strip(_TRIM).lower()
        known = self._kinds.get(" ".join(stripped.split())) or self._kinds.get(text.strip().lower())
        known = known or _LETTERS.get(stripped)
        if known is None and _NUMBER.match(stripped):
            return Answer.BLANK
        return known

    def bare(self, text: str) -> bool:
        """Whether an answer can be nothing else, wherever it stands."""
        return text.strip(_TRIM).lower() in _BARE

    def leading(self, text: str) -> tuple[Answer, int] | None:
        """Return what the answer at a text's beginning says, and where it ends."""
        match = self._leading.match(text)
        if match is None:
            return None
        return self._kinds[" ".join(match[1].lower().split())], match.end()

    def answers(self, text: str) -> bool:
        """Whether a sentence answers the question before it ("Yes, mildly.")."""
        lead = self.leading(text)
        if lead is None:
            return False
        rest = text[lead[1] :].strip()
        return not rest or rest[0] in ",.;:!-–—(" or self.pure(text) is not None
