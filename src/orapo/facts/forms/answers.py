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


POLAR: Final = (Answer.AFFIRMED, Answer.DENIED, Answer.DOUBTED)
"""Answers that say something."""
_TRIM: Final = " \t\r\n.,;:!\"'*`/|"
_BARE: Final = frozenset(("yes", "no", "none", "true", "false", "y", "n", "nil"))
"""Answers that need no separator before them at the end of a line ("effusion no")."""
_LETTERS: Final = {
    "p": Answer.AFFIRMED,
    "t": Answer.AFFIRMED,
    "on": Answer.AFFIRMED,
    "a": Answer.DENIED,
    "off": Answer.DENIED,
    "in": Answer.AFFIRMED,
    "out": Answer.DENIED,
    "f": Answer.DENIED,
}
"""Present and absent, true and false, INI's on and off, a tube that is in or out: alone they answer, in a sentence they are words."""
_SCORE: Final = r"(?:(?:probability|prob\.?|likelihood|score|p)\s*[:=]?\s*)?"
_CHANCE: Final = r"(?:\s+(?:probability|likelihood|chance|prob\.?))?\Z"
_NUMBER: Final = re.compile(
    _SCORE + r"(?:[<>~≈≤≥]=?\s?)?(?:0?\.\d+|1\.0+|\d+(?:\.\d+)?\s?%)" + _CHANCE
)
"""A probability alone states nothing: it may be a size as well."""
_PROBABILITY: Final = re.compile(
    _SCORE
    + r"(?P<bound>[<>~≈≤≥]=?\s?)?(?P<number>\d*\.\d+|\d+(?=\s?%))\s?(?P<percent>%)?"
    + _CHANCE
)
_LESS: Final = 0.001
"""How much less than a bound counts as: "< 50 %" is no half."""
_SURE: Final = re.compile(
    r"(?P<said>[a-z][a-z ]{0,30}?)\s*[,;]?\s*[(\[]?\s*(?:(?:confidence|certainty|score|probability|p)\s*[:=]?\s*)?"
    r"(?:0?\.\d+|1\.0+|\d{1,3}(?:\.\d+)?\s?%)(?:\s*(?:confidence|certainty|confident|certain|sure))?[)\]]?\Z"
)
"""An answer, and how sure it is."""
_GRADED: Final = re.compile(
    r"(?:\d(?:\s?/\s?\d)?\s*[-–—:=]\s*|\d(?:\s?/\s?\d)?\s*(?=\()|(?=\[))[(\[]?(?P<word>[A-Za-z][A-Za-z ]{1,40})[)\]]?\Z"
)
_SCORED: Final = re.compile(
    _SCORE + r"\d*\.?\d+\s?%?\s*(?:[-=]*>|[-–—:=,;|/(])\s*(?P<word>[A-Za-z][A-Za-z ]{1,40})\)?\Z",
    re.IGNORECASE,
)
"""A probability and what it means: "0.98 -> positive", "3% (absent)"."""
_MEMBER: Final = re.compile(
    r"(?:presence|present|status|value|label|result|answer|finding|state)\s*[:=]\s*(?P<value>[^:=]+)\Z|(?:score|label|class)\s*[:=]?\s*(?P<digit>[01])\Z"
)
_CONDITIONAL: Final = re.compile(
    r"(?:yes|no|true|false|[01yn]|present|absent|positive|negative) (?:if|when) .*\b(?:(?:yes|no|true|false|[01yn]|present|absent|positive|negative)(?: (?:otherwise|if not|if [a-z ]{1,60}))?|otherwise|else \w+)\W*\Z"
)
"""What an answer would mean, and no answer: "true if seen, false otherwise"."""
_GRADE: Final = re.compile(r"\d\Z")
_CHOICES: Final = re.compile(r"\s*[/|]\s*|\s+or\s+")
_OPPOSITES: Final = frozenset(
    frozenset(pair.split())
    for pair in ("yes no", "y n", "present absent", "positive negative", "true false", "pos neg")
)
_TICKED: Final = re.compile(r"\[[ xX]?\]|\([ xX]\)")
_LONGEST_CHOICE: Final = 60
_MOST_PADDED: Final = 6
_PADDING: Final = frozenset(
    ("i", "think", "believe", "abnormalities", "labels", "conditions", "diagnoses", "pathologies", "known", "the", "this", "that", "it", "finding", "findings", "abnormality", "definitely", "certainly", "appears", "appear", "seems", "to", "be", "clearly", "currently", "now", "is", "are", "was", "were", "been", "has", "have", "all", "both", "each", "also", "again", "today", "still", "here", "clinically", "radiographically")
)  # fmt: skip
"""Words that an answer says no more with."""


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
            rf"[\s\"'*(]*(?:(?:the|my) answer is:?\s+)?({written})(?![\w\]]|\.\d)"
            if written
            else r"(?!)",
            re.IGNORECASE,
        )

    def pure(self, text: str) -> Answer | None:
        """Return what a text says that is an answer and no more; None if it is none."""
        stripped = text.strip(_TRIM).lower()
        known = self._kinds.get(" ".join(stripped.split())) or self._kinds.get(text.strip().lower())
        known = known or _LETTERS.get(stripped)
        if known is not None or not stripped:
            return known
        if _NUMBER.match(stripped):
            return Answer.BLANK
        member = _MEMBER.match(stripped)
        if member is not None:  # "present = 0"
            return self.pure(member["value"] or member["digit"])
        if _CONDITIONAL.match(stripped):
            return Answer.BLANK
        sure = _SURE.match(stripped)
        if sure is not None:  # "yes (90%)"
            return self._kinds.get(" ".join(sure["said"].split()))
        return self._choice(text) or self._graded(text) or self._padded(stripped)

    def _graded(self, text: str) -> Answer | None:
        """Return what the word says beside a grade or in brackets ("3 - definite", "[None]")."""
        match = _GRADED.match(text.strip(" \t.,;")) or _SCORED.match(text.strip(" \t.,;"))
        if match is None:
            return None
        said = " ".join(match["word"].lower().split())
        return self._kinds.get(said) or self._padded(said)

    def _choice(self, text: str) -> Answer | None:
        """Return what several answers say of which one was to be chosen: one answer, or nothing."""
        if len(text) > _LONGEST_CHOICE:
            return None
        boxes = len(_TICKED.findall(text))
        if boxes > 1 and all(map(self.pure, _TICKED.split(text)[1:])):
            return Answer.BLANK  # all ticked, or none
        parts = _CHOICES.split(text.strip(_TRIM + "[]<>()").lower())
        if len(parts) == 1 and frozenset(parts[0].split()) in _OPPOSITES:
            return Answer.BLANK  # "Yes No", of which one was to be crossed out
        if len(parts) < 2:
            return None
        said = [
            self._kinds.get(part.strip(_TRIM)) or _LETTERS.get(part.strip(_TRIM)) for part in parts
        ]
        if None in said:
            return None
        return said[0] if len(set(said)) == 1 else Answer.BLANK

    def _padded(self, text: str) -> Answer | None:
        """Return what an answer says among words that add nothing ("known present", "all negative")."""
        words = text.replace("almost certainly", "certainly").split()  # "almost gone" is there
        if not 1 < len(words) <= _MOST_PADDED:
            return None
        rest = [word for word in words if word not in _PADDING]
        if len(rest) == len(words):
            return None
        return self._kinds.get(" ".join(rest))

    def probability(self, text: str) -> float | None:
        """Return the number, from 0 to 1, that an answer gives and no more ("0.97", "3 %", "p = 0.1")."""
        match = _PROBABILITY.match(text.strip(_TRIM + "()").lower())
        if match is None:
            return None
        number = float(match["number"]) / (100 if match["percent"] else 1)
        if (match["bound"] or "")[:1] == "<":
            number = max(0.0, number - _LESS)
        return number if number <= 1 else None

    def grade(self, text: str) -> int | None:
        """Return the grade that an answer gives and no more ("0", "2")."""
        stripped = text.strip(_TRIM)
        return int(stripped) if _GRADE.match(stripped) else None

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
