"""The graded score's tables: concepts, weights and words, checked and made ready for use."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

FOLDER: Final = resources.files("orapo.facts.graded") / "lexicon"
FINDINGS_FILE: Final = "findings.toml"

Closeness = Literal["alike", "close", "loose"]
Significance = Literal["urgent", "actionable", "incidental", "expected", "nothing"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Concept(_Table):
    """A clinical concept; the fields are explained at the top of ``lexicon/concepts.toml``."""

    name: str
    findings: tuple[str, ...]
    words: tuple[str, ...] = ()
    weighs: Significance
    kind: Literal[
        "pleura", "lung", "airway", "heart", "mediastinum", "abdomen", "bone", "spine", "device",
        "implant", "diffuse",
    ]  # fmt: skip
    sign: bool = False
    part_of: tuple[str, ...] = ()
    claims: bool = False
    acute: bool = False
    snomed: str | None = None


class _Near(_Table):
    closeness: Closeness
    pairs: tuple[tuple[str, str], ...]


class _Concepts(_Table):
    concept: tuple[Concept, ...]
    near: tuple[_Near, ...]


class Penalties(_Table):
    """What part of a finding's weight is lost; see ``lexicon/weights.toml``."""

    wrong_side: float
    wrong_zone: float
    wrong_size: float
    wrong_measurement: float
    wrong_change: float
    unknowable_change: float
    wrong_position: float
    position_missing: float
    overcalled: float
    unstated: float


class Constants(_Table):
    """The score's own numbers."""

    normal: float
    uncertain: float
    asked: float
    denied: float
    lines: float
    beside: float


class AgeRule(_Table):
    """Concepts that weigh otherwise from an age on, or below it (years)."""

    from_: float = Field(default=0.0, alias="from")
    below: float = float("inf")
    weighs: Significance
    concepts: frozenset[str]


class AskedRule(_Table):
    """Words of an indication, and the concepts that they ask about."""

    words: tuple[str, ...]
    concepts: frozenset[str]


class Weights(_Table):
    """All of ``lexicon/weights.toml``."""

    significance: dict[Significance, float]
    size: dict[Literal["tiny", "small", "moderate", "large"], float]
    score: Constants
    penalty: Penalties
    near: dict[Closeness, float]
    age: tuple[AgeRule, ...]
    asked: tuple[AskedRule, ...]


class Window(_Table):
    """Where a tip lies well: centimetres above a landmark."""

    landmark: str
    from_: float = Field(alias="from")
    to: float


class _Words(_Table):
    side: dict[str, tuple[str, ...]]
    greater: dict[str, tuple[str, ...]]
    zone: dict[str, dict[str, tuple[str, ...]]]
    size: dict[str, tuple[str, ...]]
    form: dict[str, tuple[str, ...]]
    change: dict[str, tuple[str, ...]]
    position: dict[str, dict[str, tuple[str, ...]]]
    distance: dict[str, Window]
    percent: dict[str, dict[str, float]]


class Spoken:
    """Words of an attribute in a text, with the value that each says.

    A plain expression finds them, the longest words first; which value it was is asked only then,
    since Python passes over alternatives by their first letter only where they are no groups.

    Args:
        groups: ``value = words``, regular expressions of whole words.
    """

    def __init__(self, groups: Mapping[str, tuple[str, ...]]) -> None:
        parts = [(word, value) for value, words in groups.items() for word in words]
        parts.sort(key=lambda part: -len(part[0]))
        # a group's name must be an identifier, and may stand once
        named = [f"(?P<v{at}_{_name(value)}>{word})" for at, (word, value) in enumerate(parts)]
        self._which = _whole(named)
        self._any = _whole([opened for word, _ in parts for opened in _opened(word)])

    def finditer(
        self, text: str, start: int = 0, end: int = sys.maxsize
    ) -> Iterator[re.Match[str]]:
        """Yield the words in a part of a text; `value_of` says what they mean."""
        for found in self._any.finditer(text, start, end):
            which = self._which.match(text, found.start(), end)
            assert which is not None
            yield which


@dataclass(frozen=True)
class Words:
    """Words of attributes, made ready for use."""

    side: Spoken
    greater: Spoken
    zones: Mapping[str, Spoken]
    size: Spoken
    form: Spoken
    change: Spoken
    positions: Mapping[str, Spoken]
    distance: Mapping[str, Window]
    percent: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Tables:
    """Everything that the graded score knows."""

    concepts: Mapping[str, Concept]
    by_finding: Mapping[str, tuple[tuple[re.Pattern[str] | None, Concept], ...]]
    near: Mapping[tuple[str, str], Closeness]
    near_to: Mapping[str, tuple[str, ...]]
    parts_elsewhere: frozenset[str]
    weights: Weights
    words: Words
    asked: tuple[tuple[re.Pattern[str], frozenset[str]], ...]


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


def _whole(words: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)")


def _opened(word: str) -> Iterator[str]:
    """Yield what a word may begin with, group by group: "(?:has |have )?grown" is three.

    Python's expressions pass over an alternative by its first letter, but not by a group's.
    """
    if not word.startswith("(?:"):
        yield word
        return
    depth, start = 0, 3
    choices: list[str] = []
    for at, char in enumerate(word):
        depth += (char == "(") - (char == ")")
        if depth == 0 or (char == "|" and depth == 1):
            choices.append(word[start:at])
            start = at + 1
        if depth == 0:
            break
    behind = word[start:]
    if behind[:1] in ("*", "+", "{"):
        yield word
        return
    if behind.startswith("?"):
        choices.append("")
        behind = behind[1:]
    for choice in choices:
        yield from _opened(choice + behind)


def _name(value: str) -> str:
    return value.replace(".", "p").replace(" ", "_")


def value_of(match: re.Match[str]) -> str:
    """Return the value that a match of a compiled group of words says."""
    assert match.lastgroup is not None
    return match.lastgroup.partition("_")[2]


def _words_in(words: tuple[str, ...]) -> re.Pattern[str]:
    alternatives = "|".join(re.escape(word).replace(r"\ ", r"[\s-]+") for word in words)
    return re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)")


@lru_cache(maxsize=1)
def load_tables() -> Tables:
    """Read and check the package's tables."""
    made = _Concepts.model_validate(_load("concepts.toml"))
    concepts = {concept.name: concept for concept in made.concept}
    by_finding: dict[str, list[tuple[re.Pattern[str] | None, Concept]]] = {}
    for concept in made.concept:
        pattern = _words_in(concept.words) if concept.words else None
        for finding in concept.findings:
            by_finding.setdefault(finding, []).append((pattern, concept))
    near: dict[tuple[str, str], Closeness] = {}
    for group in made.near:
        for one, other in group.pairs:
            for name in (one, other):
                if name not in concepts:
                    raise ValueError(f"concepts.toml: near: no concept {name!r}")
            near[one, other] = near[other, one] = group.closeness
    if lost := {whole for each in made.concept for whole in each.part_of} - concepts.keys():
        raise ValueError(f"concepts.toml: part_of: no concept {min(lost)!r}")
    weights = Weights.model_validate(_load("weights.toml"))
    named = [rule.concepts for rule in weights.age] + [rule.concepts for rule in weights.asked]
    if unknown := frozenset().union(*named) - concepts.keys():
        raise ValueError(f"weights.toml: no concept {min(unknown)!r}")
    words = _Words.model_validate(_load("attributes.toml"))
    return Tables(
        concepts=concepts,
        by_finding={name: tuple(entries) for name, entries in by_finding.items()},
        near=near,
        near_to={name: (name, *(other for one, other in near if one == name)) for name in concepts},
        parts_elsewhere=frozenset(
            each.name
            for each in made.concept
            if each.kind == "mediastinum"
            and any(concepts[whole].kind != each.kind for whole in each.part_of)
        ),
        weights=weights,
        words=Words(
            side=Spoken(words.side),
            greater=Spoken(words.greater),
            zones={row: Spoken(values) for row, values in words.zone.items()},
            size=Spoken(words.size),
            form=Spoken(words.form),
            change=Spoken(words.change),
            positions={kind: Spoken(values) for kind, values in words.position.items()},
            distance=words.distance,
            percent=words.percent,
        ),
        asked=tuple((_words_in(rule.words), rule.concepts) for rule in weights.asked),
    )
