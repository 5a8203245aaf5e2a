"""The shape of a lexicon file: findings, structures, cues and modifiers, and their phrases.

The fields are explained at the top of ``lexicon/heart.toml`` and in the other files.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum, auto
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orapo.errors import OrapoError
from orapo.facts.fact import Polarity
from orapo.labels import NEGATIVE, POSITIVE, UNCERTAIN, LabelSet, LabelValue

TOKEN: Final = re.compile(
    r"(?=[^ .])(?:[a-z]+(?=[ ,.])"  # no other rule; passes over what is most of the text, faster
    r"|[swrhc]/[opw]\b|w/|[^\W\d_]+(?:'[^\W\d_]+)?|\d+(?:\.\d+)?|_+"
    r"|[,;:?&/+()–—]|--+|(?<=\s)-(?=\s))"
)
"""A token of lower-cased text; the hyphen inside a word parts it like a space."""

MOST_CHOICES: Final = 5_000
"""Phrases that one entry with braces may stand for."""


VALUE_OF: Final[Mapping[Polarity, LabelValue]] = {
    Polarity.PRESENT: POSITIVE,
    Polarity.UNCERTAIN: UNCERTAIN,
    Polarity.ABSENT: NEGATIVE,
}
"""The value that a fact gives a label unless its finding says otherwise."""


class Kind(IntEnum):
    """What a phrase does in a sentence."""

    FINDING = auto()
    STRUCTURE = auto()
    ADJECTIVE = auto()
    STATE = auto()
    SEVERITY = auto()
    PLACE = auto()
    DENY_NEXT = auto()
    DENY_PREVIOUS = auto()
    DENY_EITHER = auto()
    HEDGE_NEXT = auto()
    HEDGE_PREVIOUS = auto()
    HEDGE_EITHER = auto()
    NOT_STATED_NEXT = auto()
    NOT_STATED_PREVIOUS = auto()
    NOT_STATED_SENTENCE = auto()
    NEUTRAL = auto()
    NEW_STATEMENT = auto()
    VERB = auto()
    ASSERTIVE = auto()
    COMMA = auto()
    AND = auto()
    OR = auto()
    VERSUS = auto()
    WITH = auto()


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Finding(_Schema):
    """One finding of the lexicon; the fields are explained at the top of ``lexicon/heart.toml``."""

    name: str = Field(min_length=1)
    phrases: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    present: dict[str, LabelValue] | None = None
    uncertain: dict[str, LabelValue] | None = None
    absent: dict[str, LabelValue] | None = None
    weak: tuple[str, ...] = ()
    normal_variant: bool = False
    sign: bool = False
    needs: frozenset[str] = frozenset()  # "" if it may also stand alone
    unless: frozenset[str] = frozenset()
    otherwise: str | None = None

    def effects(self, polarity: Polarity, no_finding: str | None) -> dict[str, LabelValue]:
        """Return what a fact of this polarity says about labels.

        Args:
            polarity: The fact's.
            no_finding: The label that a finding without labels of its own sets to 0 (not normal).
        """
        special: dict[str, LabelValue] | None = getattr(self, polarity.value)
        effects: dict[str, LabelValue] = dict.fromkeys(self.labels, VALUE_OF[polarity])
        if special is not None:
            effects = dict(special)
        if (
            no_finding is not None
            and not effects
            and polarity is not Polarity.ABSENT
            and not self.normal_variant
        ):
            effects[no_finding] = 0
        return effects


class Structure(_Schema):
    """A part of the body and, for each state it can be in, the finding and polarity that it means."""

    name: str = Field(min_length=1)
    phrases: tuple[str, ...] = ()
    adjectives: tuple[str, ...] = ()
    limit: float | None = None
    states: dict[str, tuple[str, Polarity]] = Field(default_factory=dict)


class Grammar(_Schema):
    """Small words of the language, in canonical form; see ``lexicon/language.toml``."""

    prepositions: frozenset[str] = frozenset()
    comparisons: frozenset[str] = frozenset()
    articles: frozenset[str] = frozenset()
    pronouns: frozenset[str] = frozenset()
    predicates: frozenset[str] = frozenset()
    perceived: frozenset[str] = frozenset()


class Normal(_Schema):
    """How a text says that all is normal by a name alone; see ``lexicon/language.toml``."""

    finding: str | None = None
    """The finding whose absence it means."""
    names: frozenset[str] = frozenset()
    """Fields that mean it when they are answered with yes ("No Finding")."""


class Carriers(_Schema):
    """Which findings of the lexicon carry a label of another label set."""

    same_as: str | None = None
    """A CheXpert label: all that bears on it bears on this label in the same way."""
    findings: tuple[str, ...] = ()
    """Findings by name; each gives the label its polarity."""


class LabelSetTable(_Schema):
    """Another label set; see ``lexicon/sets/nih14.toml``, which explains the fields."""

    name: str = Field(min_length=1)
    labels: dict[str, Carriers] = Field(min_length=1)
    no_finding: str | None = None
    beside: frozenset[str] = frozenset()
    vocabulary: Literal["chest", "none"] = "chest"

    def label_set(self) -> LabelSet:
        """Return the labels in the table's order, ``no_finding`` first.

        Raises:
            ValueError: ``no_finding`` or ``beside`` don't fit the labels.
        """
        if self.no_finding in self.labels:
            raise ValueError(f"label_set: no finding carries {self.no_finding!r}; it is derived")
        if unknown := self.beside - set(self.labels):
            raise ValueError(f"label_set.beside has the unknown label {min(unknown)!r}")
        first = () if self.no_finding is None else (self.no_finding,)
        return LabelSet(self.name, (*first, *self.labels), self.no_finding, self.beside)


class _Modifiers(_Schema):
    severity: dict[str, list[str]] = Field(default_factory=dict)
    laterality: dict[str, list[str]] = Field(default_factory=dict)
    location: dict[str, list[str]] = Field(default_factory=dict)
    states: dict[str, list[str]] = Field(default_factory=dict)
    sections: dict[str, list[str]] = Field(default_factory=dict)


class LexiconFile(_Modifiers):
    """One TOML file."""

    finding: tuple[Finding, ...] = ()
    structure: tuple[Structure, ...] = ()
    cues: dict[str, list[str]] = Field(default_factory=dict)
    spelling: dict[str, list[str]] = Field(default_factory=dict)
    grammar: Grammar = Grammar()
    answers: dict[str, list[str]] = Field(default_factory=dict)
    normal: Normal = Normal()
    harmless: dict[str, list[str]] = Field(default_factory=dict)
    foreign: dict[str, list[str]] = Field(default_factory=dict)
    real_words: tuple[str, ...] = ()
    label_set: LabelSetTable | None = None


def read_file(name: str, text: str) -> LexiconFile:
    """Read and check a lexicon file.

    Raises:
        OrapoError: The text is not TOML or breaks the schema; ``name`` says which file.
    """
    try:
        return LexiconFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise OrapoError(f"{name}: not a TOML file ({error})") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise OrapoError(f"{name}: {place}: {first['msg']}") from None


def expand(phrase: str) -> list[str]:
    """Write out the choices of a phrase: ``"{a|b} c"`` is ``["a c", "b c"]``.

    Raises:
        ValueError: A brace has no partner.
    """
    written, rest = _alternatives(phrase, 0, top=True)
    if rest != len(phrase):
        raise ValueError("a closing brace without an opening one")
    return list(dict.fromkeys(" ".join(text.split()) for text in written))


def _alternatives(phrase: str, at: int, *, top: bool) -> tuple[list[str], int]:
    done: list[str] = []
    current = [""]
    while at < len(phrase):
        char = phrase[at]
        if char == "{":
            inner, at = _alternatives(phrase, at + 1, top=False)
            if at >= len(phrase):
                raise ValueError("an opening brace without a closing one")
            if len(current) * len(inner) > MOST_CHOICES:
                raise ValueError(f"a phrase with more than {MOST_CHOICES} choices")
            current = [head + tail for head in current for tail in inner]
        elif char == "}":
            break
        elif char == "|" and not top:
            done += current
            current = [""]
        else:
            current = [text + char for text in current]
        at += 1
    return done + current, at


def expanded(phrases: Iterable[str]) -> Iterator[str]:
    """Yield the phrases in lower case with their choices written out.

    Raises:
        ValueError: A phrase has no words or an unpaired brace.
    """
    for phrase in phrases:
        for text in expand(phrase.lower()):
            if not TOKEN.search(f" {text} "):
                raise ValueError(f"the phrase {phrase!r} has no words")
            yield text
