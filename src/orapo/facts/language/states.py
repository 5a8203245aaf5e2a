"""What is said of structures: "heart size is normal", "the mediastinum may be widened".

A structure of the lexicon knows for each state (normal, enlarged ...) the finding and the polarity
that it means; here the states that a sentence says of it become statements.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from orapo.facts.fact import Polarity
from orapo.facts.language.schema import Structure
from orapo.facts.language.vocabulary import Item


@dataclass(slots=True)
class Draft:
    """A statement about a finding, by the indices of its first and last token."""

    finding: str
    polarity: Polarity
    first: int
    last: int
    item: int
    modifiers: list[Item] = field(default_factory=list)
    dropped: bool = False


class Scope(NamedTuple):
    """What a cue does to the findings it reaches."""

    denies: bool = False
    hedges: bool = False
    silent: bool = False


DENIED: Final = Scope(denies=True)
HEDGED: Final = Scope(hedges=True)
NOT_STATED: Final = Scope(silent=True)
_BEHIND: Final = 6
"""Words behind a structure among which its measurement is looked for."""


_SAYING: Final = frozenset(
    ("there", "is", "are", "was", "were", "i", "see", "find", "we", "the", "a", "this", "it", "film", "image", "picture",
     "x", "ray", "xray", "patient", "any", "show", "shows", "reveal", "reveals", "demonstrate", "demonstrates", "seen",
     "present", "noted", "identified", "evident", "visible", "detected", "found", "be", "can", "today", "at", "all",
     "appear", "appears", "look", "looks", "completely", "overall", "considered")
)  # fmt: skip
"""Beside a state they only say that it is so: "I see no abnormality.", "The film is normal."""


def speaks_of_all(tokens: Sequence[str], first: int, last: int) -> bool:
    """Whether a sentence says a state of all that is on the film, and of nothing else.

    Args:
        tokens: The sentence.
        first: The state's first token.
        last: Its last.
    """
    return _SAYING.issuperset(tokens[:first]) and _SAYING.issuperset(tokens[last + 1 :])


class Subject:
    """The structures that a state is said of, and the states said of them so far."""

    __slots__ = ("given_before", "modifiers", "states", "structures")

    def __init__(self) -> None:
        self.structures: list[Item] = []
        self.states: list[tuple[Item, Scope | None]] = []
        self.modifiers: list[Item] = []  # the severity of the states
        self.given_before = False

    def is_behind(self, drafts: Sequence[Draft]) -> bool:
        """Whether a finding stands between the structures with their states and the words now read.

        "The heart is normal, the effusion is larger": what comes is not said of the heart.
        """
        if not drafts or not self.states:
            return False
        return drafts[-1].first > max(self.structures[-1].last, self.states[-1][0].last)


def measured_state(item: Item, tokens: Sequence[str]) -> str | None:
    """Return what a measurement behind a structure says of it: "cardiothoracic ratio 0.62"; None for none."""
    if item.data.limit is None:
        return None
    behind = tokens[item.last + 1 : item.last + 1 + _BEHIND]
    number = next((float(token) for token in behind if token[0].isdigit()), math.nan)
    share = number / 100 if 1 < number <= 100 else number
    if not 0.2 < share < 1:
        return None
    return "enlarged" if share > item.data.limit else "normal"


def state_structure(item: Item, subject: Subject, tokens: Sequence[str]) -> Iterator[Draft]:
    """Yield what the states of a subject say of one of its structures.

    Args:
        item: The structure.
        subject: What is said of it and of those that it is named with.
        tokens: Those of the sentence.
    """
    structure: Structure = item.data
    known = [(state, scope) for state, scope in subject.states if state.data in structure.states]
    if len(known) > 1:  # what is said of its size beats "stable"
        known = [pair for pair in known if pair[0].data != "stable"] or known[-1:]
    by_finding: dict[str, list[tuple[Item, Scope | None]]] = {}
    for pair in known:
        by_finding.setdefault(structure.states[pair[0].data][0], []).append(pair)
    for name, said in by_finding.items():
        polarity = _stated_polarity(structure, said, tokens)
        if polarity is None:
            continue
        # states come in the order of their places
        first, last = min(item.first, said[0][0].first), max(item.last, said[-1][0].last)
        modifiers = list(subject.modifiers)
        if item.place is not None and item.place.side is not None:
            modifiers.append(item)
        yield Draft(name, polarity, first, last, -1, modifiers)


def _stated_polarity(
    structure: Structure, said: list[tuple[Item, Scope | None]], tokens: Sequence[str]
) -> Polarity | None:
    """Return what the states said of one structure mean for one finding; the last one counts."""
    polarity: Polarity | None = None
    for state, scope in said:
        before, (_, polarity) = polarity, structure.states[state.data]
        if scope is not None:
            if scope.silent or (scope.denies and polarity is Polarity.ABSENT):
                polarity = before
            elif scope.denies:
                polarity = Polarity.ABSENT
            elif polarity is Polarity.PRESENT:
                polarity = Polarity.UNCERTAIN
        if before is not None and polarity is not before and _alternative(state, tokens):
            polarity = Polarity.UNCERTAIN  # "normal or mildly enlarged"
    return polarity


def _alternative(state: Item, tokens: Sequence[str]) -> bool:
    """Whether "or" or "to" stands before a state."""
    return not {"or", "to"}.isdisjoint(tokens[max(0, state.first - 3) : state.first])
