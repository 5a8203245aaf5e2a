"""The graded score's tables: concepts, weights and words, checked and made ready for use."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
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


@dataclass(frozen=True)
class Words:
    """Compiled words of attributes: one expression a group, the group's name being the value."""

    side: re.Pattern[str]
    greater: re.Pattern[str]
    zones: Mapping[str, re.Pattern[str]]
    size: re.Pattern[str]
    form: re.Pattern[str]
    change: re.Pattern[str]
    positions: Mapping[str, re.Pattern[str]]
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


def _one_of(groups: Mapping[str, tuple[str, ...]]) -> re.Pattern[str]:
    """Compile ``value = words`` to one expression with a group a value; the longest words first."""
    parts = [(word, value) for value, words in groups.items() for word in words]
    parts.sort(key=lambda part: -len(part[0]))
    starts = [_first_letters(word) for word, _ in parts]
    # the search passes over what no word begins with
    ahead = "" if "" in starts else f"(?=[{''.join(sorted(set().union(*starts)))}])"
    # a group's name must be an identifier, and may stand once
    return re.compile(
        ahead
        + r"(?<![\w])(?:"
        + "|".join(
            f"(?P<v{index}_{_name(value)}>{word})" for index, (word, value) in enumerate(parts)
        )
        + r")(?![\w])"
    )


def _first_letters(word: str) -> str:
    """Return the letters and digits that one must begin with; empty where that is not plain."""
    if word.startswith("(?:"):
        depth, start, found = 0, 3, ""
        for at, char in enumerate(word):
            depth += (char == "(") - (char == ")")
            if depth == 0 or (char == "|" and depth == 1):
                letters = _first_letters(word[start:at])
                if not letters:
                    return ""
                found, start = found + letters, at + 1
            if depth == 0:
                break
        if word[start : start + 1] != "?":
            return found
        behind = _first_letters(word[start + 1 :])
        return found + behind if behind else ""
    if not word[:1].isalnum():
        return ""
    if word[1:2] in ("?", "*"):
        behind = _first_letters(word[2:])
        return word[0] + behind if behind else ""
    return word[0]


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
            side=_one_of(words.side),
            greater=_one_of(words.greater),
            zones={row: _one_of(values) for row, values in words.zone.items()},
            size=_one_of(words.size),
            form=_one_of(words.form),
            change=_one_of(words.change),
            positions={kind: _one_of(values) for kind, values in words.position.items()},
            distance=words.distance,
            percent=words.percent,
        ),
        asked=tuple((_words_in(rule.words), rule.concepts) for rule in weights.asked),
    )
