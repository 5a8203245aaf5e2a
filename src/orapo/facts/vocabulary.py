"""The lexicon: TOML files read, checked and compiled into one token trie.

The words themselves are data in ``lexicon/*.toml``; this module knows only their shape. A phrase
may hold choices, ``{a|b}`` or ``{a |}``; a user's own file (``--lexicon``) adds findings and
structures, or more phrases for known ones.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, auto
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orapo.errors import OrapoError
from orapo.facts.fact import Polarity
from orapo.labels import LABELS, NO_FINDING, LabelValue

TOKEN: Final = re.compile(
    r"[swrhc]/[opw]\b|w/|[^\W\d_]+(?:'[^\W\d_]+)?|\d+(?:\.\d+)?|_+|[,;:?&/+()–—]|--+|(?<=\s)-(?=\s)"
)
"""A token of lower-cased text; the hyphen inside a word parts it like a space."""

MIN_FUZZY: Final = 8
"""Words of this length or more are recognised with one letter wrong."""


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
    needs: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()
    otherwise: str | None = None

    def effects(self, polarity: Polarity) -> dict[str, LabelValue]:
        """Return what a fact of this polarity says about labels (No Finding 0 = not normal)."""
        table: Mapping[Polarity, tuple[dict[str, LabelValue] | None, int]] = {
            Polarity.PRESENT: (self.present, 1),
            Polarity.UNCERTAIN: (self.uncertain, -1),
            Polarity.ABSENT: (self.absent, 0),
        }
        special, value = table[polarity]
        effects = dict(special) if special is not None else dict.fromkeys(self.labels, value)
        if not effects and polarity is not Polarity.ABSENT and not self.normal_variant:
            effects[NO_FINDING] = 0
        return effects


class Structure(_Schema):
    """A part of the body and, for each state it can be in, the finding and polarity that it means."""

    name: str = Field(min_length=1)
    phrases: tuple[str, ...] = ()
    adjectives: tuple[str, ...] = ()
    states: dict[str, tuple[str, Polarity]] = Field(default_factory=dict)


class _Modifiers(_Schema):
    severity: dict[str, list[str]] = Field(default_factory=dict)
    laterality: dict[str, list[str]] = Field(default_factory=dict)
    location: dict[str, list[str]] = Field(default_factory=dict)
    states: dict[str, list[str]] = Field(default_factory=dict)
    sections: dict[str, list[str]] = Field(default_factory=dict)


class _LexiconFile(_Modifiers):
    finding: tuple[Finding, ...] = ()
    structure: tuple[Structure, ...] = ()
    cues: dict[str, list[str]] = Field(default_factory=dict)
    spelling: dict[str, list[str]] = Field(default_factory=dict)
    real_words: tuple[str, ...] = ()


class Place(NamedTuple):
    """A word for a place or a side."""

    located: bool
    side: str | None


class Entry(NamedTuple):
    """What a phrase of the trie means."""

    kind: Kind
    data: Any
    """Finding, Structure, name of the state, normalised severity or Place; else None."""
    assertive: bool
    """After a comma or "and" it begins a statement of its own."""
    severity: str | None = None
    """The severity that the phrase says besides ("large", a state too; "trace effusion")."""
    place: Place | None = None
    """The place or side that the phrase says besides ("clavicle", "bibasilar atelectasis")."""


class Item(NamedTuple):
    """A phrase found in a sentence; ``first`` to ``last`` are its token indices, both inclusive."""

    kind: Kind
    data: Any
    first: int
    last: int
    assertive: bool
    severity: str | None
    place: Place | None


Trie = dict[str | None, Any]


@dataclass
class Vocabulary:
    """The compiled lexicon.

    Attributes:
        findings: By name.
        effects: For each finding's name and polarity, what it says about labels.
        skipped_sections: Headings (lower case) whose text is not read.
        read_sections: Headings whose text is read.
    """

    findings: dict[str, Finding]
    effects: dict[tuple[str, Polarity], dict[str, LabelValue]]
    skipped_sections: frozenset[str]
    read_sections: frozenset[str]
    _root: Trie
    _canonical: dict[str, str]
    _fuzzy: dict[str, str]
    _seen: dict[str, str] = field(default_factory=dict)

    def canonical(self, token: str) -> str:
        """Return the singular, rightly spelled form of a token, as the trie knows it."""
        known = self._canonical.get(token)
        if known is not None:
            return known
        if token[0] == "_":
            return "xxxx"
        if token.endswith("'s"):
            return self.canonical(token[:-2])
        if len(token) < MIN_FUZZY or len(token) > 24:
            return token
        seen = self._seen.get(token)
        if seen is None:
            seen = self._nearest(token)
            if len(self._seen) < 100_000:
                self._seen[token] = seen
        return seen

    def _nearest(self, token: str) -> str:
        for key in (token, *_deletions(token)):
            target = self._fuzzy.get(key)
            if target is not None and _one_letter_wrong(token, target):
                return target
        return token

    def find(self, tokens: list[str]) -> list[Item]:
        """Return the longest known phrases, left to right, in canonical tokens."""
        root = self._root
        items: list[Item] = []
        total = len(tokens)
        index = 0
        while index < total:
            node = root.get(tokens[index])
            if node is None:
                index += 1
                continue
            end = index + 1
            best: Entry | None = node.get(None)
            last = index
            while end < total:
                node = node.get(tokens[end])
                if node is None:
                    break
                entry = node.get(None)
                if entry is not None:
                    best, last = entry, end
                end += 1
            if best is None:
                index += 1
                continue
            kind, data, assertive, severity, place = best
            items.append(Item(kind, data, index, last, assertive, severity, place))
            index = last + 1
        return items


def _one_letter_wrong(token: str, word: str) -> bool:
    """Whether one letter is wrong, missing, too many, or swapped with the next; not the first."""
    start = 0
    while start < min(len(token), len(word)) and token[start] == word[start]:
        start += 1
    if not start:
        return False
    rest, other = token[start:], word[start:]
    if len(rest) == len(other):
        return rest[1:] == other[1:] or rest[:2] == other[1::-1] and rest[2:] == other[2:]
    return rest[1:] == other or rest == other[1:]


def _deletions(word: str) -> Iterator[str]:
    for index in range(1, len(word)):
        yield word[:index] + word[index + 1 :]


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


def _read_file(name: str, text: str) -> _LexiconFile:
    try:
        return _LexiconFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise OrapoError(f"{name}: not a TOML file ({error})") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise OrapoError(f"{name}: {place}: {first['msg']}") from None


class _Compiler:
    """Collects the files' phrases, then builds the trie."""

    def __init__(self) -> None:
        self.findings: dict[str, Finding] = {}
        self.structures: dict[str, Structure] = {}
        self.phrases: dict[str, tuple[Kind, Any]] = {}
        self.assertive: set[str] = set()
        self.spelling: dict[str, str] = {}
        self.real_words: set[str] = set()
        self.sections: dict[str, set[str]] = {"skipped": set(), "read": set()}
        self.modifiers: list[tuple[Kind, Any, str]] = []

    def add(self, name: str, file: _LexiconFile) -> None:
        for word, variants in file.spelling.items():
            self.spelling.update(dict.fromkeys(variants, word))
        self.real_words.update(file.real_words)
        try:
            for finding in file.finding:
                self._add_finding(finding)
            for structure in file.structure:
                self._add_structure(structure)
            self._add_modifiers(file)
            for cue, phrases in file.cues.items():
                try:
                    kind = Kind[cue.upper()]
                except KeyError:
                    raise ValueError(f"cues.{cue} is not a kind of cue") from None
                for text in _expanded(phrases):
                    if kind is Kind.ASSERTIVE:
                        self.assertive.add(text)
                    else:
                        self.modifiers.append((kind, None, text))
        except ValueError as error:
            raise OrapoError(f"{name}: {error}") from None

    def _add_finding(self, finding: Finding) -> None:
        unknown = {
            label
            for labels in (finding.labels, finding.present, finding.uncertain, finding.absent)
            for label in labels or ()
        } - set(LABELS)
        if unknown:
            raise ValueError(f"finding {finding.name!r} has the unknown label {min(unknown)!r}")
        old = self.findings.get(finding.name)
        if old is not None:  # a user's file adds phrases; what it leaves out stays
            changes = finding.model_dump(exclude_unset=True, exclude={"name", "phrases"})
            finding = old.model_copy(
                update={**changes, "phrases": (*old.phrases, *finding.phrases)}
            )
        self.findings[finding.name] = finding

    def _add_structure(self, structure: Structure) -> None:
        old = self.structures.get(structure.name)
        if old is not None:
            structure = Structure(
                name=old.name,
                phrases=(*old.phrases, *structure.phrases),
                adjectives=(*old.adjectives, *structure.adjectives),
                states={**old.states, **structure.states},
            )
        self.structures[structure.name] = structure

    def _add_modifiers(self, file: _LexiconFile) -> None:
        for word, phrases in file.severity.items():
            self.modifiers += [(Kind.SEVERITY, word, text) for text in _expanded(phrases)]
        sides = {text: side for side, words in file.laterality.items() for text in _expanded(words)}
        places = {text for words in file.location.values() for text in _expanded(words)}
        for text in sides.keys() | places:
            self.modifiers.append((Kind.PLACE, Place(text in places, sides.get(text)), text))
        for state, phrases in file.states.items():
            self.modifiers += [(Kind.STATE, state, text) for text in _expanded(phrases)]
        for kind, phrases in file.sections.items():
            if kind not in self.sections:
                raise ValueError(f"sections.{kind} is not skipped or read")
            self.sections[kind].update(phrases)

    def compile(self) -> Vocabulary:
        phrases: dict[str, tuple[Kind, Any]] = {}
        for kind, data, text in self.modifiers:
            phrases[text] = (kind, data)
        for structure in self.structures.values():
            for finding, _ in structure.states.values():
                if finding not in self.findings:
                    raise OrapoError(
                        f"lexicon: structure {structure.name!r}: no finding {finding!r}"
                    )
            for kind, texts in (
                (Kind.ADJECTIVE, structure.adjectives),
                (Kind.STRUCTURE, structure.phrases),
            ):
                phrases.update(dict.fromkeys(_expanded(texts), (kind, structure)))
        for entry in self.findings.values():
            if entry.otherwise is not None and entry.otherwise not in self.findings:
                raise OrapoError(f"lexicon: finding {entry.name!r}: no finding {entry.otherwise!r}")
            phrases.update(dict.fromkeys(_expanded(entry.phrases), (Kind.FINDING, entry)))

        # the spaces let a phrase be a lone hyphen
        words = {text: TOKEN.findall(f" {text} ") for text in (*phrases, *self.assertive)}
        canonical = _canonical_forms(
            {token for each in words.values() for token in each}, self.spelling
        )
        modifiers = {
            kind: {
                tuple(canonical.get(token, token) for token in words[text]): data
                for each, data, text in self.modifiers
                if each is kind
            }
            for kind in (Kind.SEVERITY, Kind.PLACE)
        }
        root: Trie = {}
        assertive = {tuple(canonical.get(t, t) for t in words[text]) for text in self.assertive}
        for text, (kind, data) in phrases.items():
            tokens = tuple(canonical.get(token, token) for token in words[text])
            stands_alone = (
                tokens in assertive
                or kind in (Kind.SEVERITY, Kind.HEDGE_NEXT, Kind.HEDGE_EITHER)
                or (kind is Kind.STATE and data == "stable")
            )
            severity, place = (
                _said_within(tokens, modifiers[each], whole=kind is not Kind.FINDING)
                for each in (Kind.SEVERITY, Kind.PLACE)
            )
            if kind is Kind.STRUCTURE:
                side = _said_within(tokens, modifiers[Kind.PLACE], whole=False)
                place = Place(True, side.side if side else None)
            _insert(root, tokens, Entry(kind, data, stands_alone, severity, place))
        for tokens in assertive:
            _insert(root, tokens, Entry(Kind.ASSERTIVE, None, True), replace=False)

        fuzzy: dict[str, str] = {}
        targets = {
            canonical.get(token, token)
            for text, (kind, _) in phrases.items()
            if kind in (Kind.FINDING, Kind.STRUCTURE)
            for token in words[text]
        }
        for word in sorted(targets):
            if len(word) >= MIN_FUZZY and word.isalpha():
                for key in (word, *_deletions(word)):
                    fuzzy.setdefault(key, word)
        findings = {
            name: entry.model_copy(
                update={
                    "needs": frozenset(canonical.get(word, word) for word in entry.needs),
                    "unless": frozenset(canonical.get(word, word) for word in entry.unless),
                }
            )
            for name, entry in self.findings.items()
        }
        _relink(root, findings)
        effects = {
            (name, polarity): entry.effects(polarity)
            for name, entry in findings.items()
            for polarity in Polarity
        }
        return Vocabulary(
            findings,
            effects,
            frozenset(self.sections["skipped"]),
            frozenset(self.sections["read"]),
            root,
            {word: word for word in self.real_words} | canonical,
            fuzzy,
        )


def _said_within(
    tokens: tuple[str, ...], modifiers: Mapping[tuple[str, ...], Any], *, whole: bool
) -> Any:
    """Return what a phrase says as a severity or place besides: all of it, or one word of it."""
    if whole:
        return modifiers.get(tokens)
    return next((modifiers[(token,)] for token in tokens if (token,) in modifiers), None)


def _relink(node: Trie, findings: Mapping[str, Finding]) -> None:
    for key, child in node.items():
        if key is not None:
            _relink(child, findings)
        elif child.kind is Kind.FINDING:
            node[None] = child._replace(data=findings[child.data.name])


def _expanded(phrases: Iterable[str]) -> Iterator[str]:
    for phrase in phrases:
        yield from expand(phrase.lower())


def _insert(root: Trie, tokens: tuple[str, ...], entry: Entry, *, replace: bool = True) -> None:
    if not tokens:
        raise OrapoError("lexicon: a phrase has no words")
    node = root
    for token in tokens:
        node = node.setdefault(token, {})
    if replace or None not in node:
        node[None] = entry


def _canonical_forms(vocabulary: set[str], spelling: Mapping[str, str]) -> dict[str, str]:
    """Map every word of the vocabulary, its plurals and its misspellings to one form."""
    forms: dict[str, str] = {}
    for word in vocabulary:
        if len(word) >= 3 and word.isalpha():
            for plural in _plurals(word):
                forms[plural] = word
    canonical = {word: forms.get(word, word) for word in vocabulary}
    canonical |= {plural: canonical[word] for plural, word in forms.items()}
    canonical |= {wrong: canonical.get(right, right) for wrong, right in spelling.items()}
    # two steps at most: a plural of a misspelling's target
    return {word: canonical.get(target, target) for word, target in canonical.items()}


def _plurals(word: str) -> Iterator[str]:
    yield word + "s"
    if word.endswith("y"):
        yield word[:-1] + "ies"
    elif word.endswith("is"):
        yield word[:-2] + "es"
    elif word.endswith(("s", "x", "ch", "sh")):
        yield word + "es"


@lru_cache(maxsize=8)
def load_vocabulary(extra: Path | None = None) -> Vocabulary:
    """Read the package's lexicon and, on top of it, a user's own file.

    Args:
        extra: A TOML file of the same schema.

    Raises:
        OrapoError: The user's file is missing or breaks the schema.
    """
    compiler = _Compiler()
    folder = resources.files("orapo.facts") / "lexicon"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            compiler.add(file.name, _read_file(file.name, file.read_text(encoding="utf-8")))
    if extra is not None:
        try:
            text = extra.read_text(encoding="utf-8")
        except OSError as error:
            raise OrapoError(f"{extra}: can't be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise OrapoError(f"{extra}: not UTF-8 text") from None
        compiler.add(str(extra), _read_file(str(extra), text))
    return compiler.compile()
