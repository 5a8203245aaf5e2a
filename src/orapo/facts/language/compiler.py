"""The package's lexicon and a user's own, joined and compiled into a `Vocabulary`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from orapo.errors import OrapoError
from orapo.facts.fact import Polarity
from orapo.facts.forms.answers import Answer, AnswerWords
from orapo.facts.forms.sections import HeadingNames, SectionKind
from orapo.facts.language.schema import (
    TOKEN,
    VALUE_OF,
    Finding,
    Grammar,
    Kind,
    LabelSetTable,
    LexiconFile,
    Normal,
    Structure,
    expanded,
    read_file,
)
from orapo.facts.language.vocabulary import MIN_FUZZY, Entry, Place, Trie, Vocabulary
from orapo.facts.spelling import deletions
from orapo.labels import CHEXPERT, LabelSet, LabelValue


class _Compiler:
    """Collects the files' phrases, then builds the trie."""

    def __init__(self) -> None:
        self.findings: dict[str, Finding] = {}
        self.structures: dict[str, Structure] = {}
        self.named: dict[str, str] = {}  # phrase -> finding
        self.parts: dict[str, tuple[Kind, str]] = {}  # phrase -> structure
        self.assertive: set[str] = set()
        self.spelling: dict[str, str] = {}
        self.real_words: set[str] = set()
        self.grammar: dict[str, frozenset[str]] = {}
        self.sections: dict[str, set[str]] = {}
        self.answers: dict[str, list[str]] = {kind.value: [] for kind in Answer}
        self.normal = Normal()
        self.harmless: dict[str, set[str]] = {"words": set(), "frames": set()}
        self.foreign: set[str] = set()
        self.modifiers: list[tuple[Kind, Any, str]] = []
        self.label_set: LabelSet = CHEXPERT

    def add(self, name: str, file: LexiconFile) -> None:
        for word, variants in file.spelling.items():
            self.spelling.update(dict.fromkeys(variants, word))
        self.real_words.update(file.real_words)
        for language in file.foreign.values():
            self.foreign.update(language)
        if file.normal.names:
            self.normal = file.normal
        for group, words in file.grammar:
            self.grammar[group] = self.grammar.get(group, frozenset()) | words
        try:
            if file.label_set is not None:
                self._carry(file.label_set)
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
                for text in expanded(phrases):
                    if kind is Kind.ASSERTIVE:
                        self.assertive.add(text)
                    else:
                        self.modifiers += [(kind, None, each) for each in _contracted(text)]
        except ValueError as error:
            raise OrapoError(f"{name}: {error}") from None

    def _add_finding(self, finding: Finding) -> None:
        unknown = {
            label
            for labels in (finding.labels, finding.present, finding.uncertain, finding.absent)
            for label in labels or ()
        } - set(self.label_set.labels)
        if unknown:
            raise ValueError(f"finding {finding.name!r} has the unknown label {min(unknown)!r}")
        old = self.findings.get(finding.name)
        if old is not None:  # a user's file adds phrases; what it leaves out stays
            changes = finding.model_dump(exclude_unset=True, exclude={"name", "phrases"})
            finding = old.model_copy(
                update={**changes, "phrases": (*old.phrases, *finding.phrases)}
            )
        self.named.update(dict.fromkeys(expanded(finding.phrases), finding.name))
        self.findings[finding.name] = finding

    def _carry(self, table: LabelSetTable) -> None:
        """Let the findings known so far bear on the labels of another set."""
        self.label_set = table.label_set()
        for label, carriers in table.labels.items():
            if carriers.same_as not in (None, *CHEXPERT.findings):
                raise ValueError(
                    f"label_set.labels.{label}: {carriers.same_as!r} is no label of CheXpert"
                )
            if missing := set(carriers.findings) - set(self.findings):
                raise ValueError(f"label_set.labels.{label}: no finding {min(missing)!r}")
        for name, finding in self.findings.items():
            said: dict[str, dict[str, LabelValue]] = {}
            for polarity in Polarity:
                old = finding.effects(polarity, None)
                value = VALUE_OF[polarity]
                said[polarity.value] = {
                    label: value if name in carriers.findings else old[carriers.same_as or ""]
                    for label, carriers in table.labels.items()
                    if name in carriers.findings or carriers.same_as in old
                }
            weak = (label for label, each in table.labels.items() if each.same_as in finding.weak)
            self.findings[name] = finding.model_copy(
                update={**said, "labels": (), "weak": tuple(weak)}
            )

    def _add_structure(self, structure: Structure) -> None:
        old = self.structures.get(structure.name)
        if old is not None:
            structure = Structure(
                name=old.name,
                phrases=(*old.phrases, *structure.phrases),
                adjectives=(*old.adjectives, *structure.adjectives),
                limit=old.limit if structure.limit is None else structure.limit,
                states={**old.states, **structure.states},
            )
        for kind, texts in (
            (Kind.ADJECTIVE, structure.adjectives),
            (Kind.STRUCTURE, structure.phrases),
        ):
            self.parts.update(dict.fromkeys(expanded(texts), (kind, structure.name)))
        self.structures[structure.name] = structure

    def _add_modifiers(self, file: LexiconFile) -> None:
        for word, phrases in file.severity.items():
            self.modifiers += [(Kind.SEVERITY, word, text) for text in expanded(phrases)]
        sides = {text: side for side, words in file.laterality.items() for text in expanded(words)}
        places = {text for words in file.location.values() for text in expanded(words)}
        for text in sides.keys() | places:
            self.modifiers.append((Kind.PLACE, Place(text in places, sides.get(text)), text))
        for state, phrases in file.states.items():
            self.modifiers += [(Kind.STATE, state, text) for text in expanded(phrases)]
        for kind, phrases in file.sections.items():
            # a lexicon of a user's own names them by what becomes of them
            section = {"skipped": "history", "read": "findings"}.get(kind, kind)
            if section not in tuple(SectionKind):
                raise ValueError(f"sections.{kind} is no kind of section")
            self.sections.setdefault(section, set()).update(phrases)
        for kind, phrases in file.answers.items():
            if kind not in self.answers:
                raise ValueError(f"answers.{kind} is no kind of answer")
            self.answers[kind] += phrases
        for kind, phrases in file.harmless.items():
            if kind not in self.harmless:
                raise ValueError(f"harmless.{kind} is not words or frames")
            self.harmless[kind].update(phrases)

    def _normal_names(self) -> frozenset[str]:
        if self.normal.finding not in self.findings:
            return frozenset()
        own = self.label_set.no_finding
        return self.normal.names | (frozenset() if own is None else {own.lower()})

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
        for entry in self.findings.values():
            if entry.otherwise is not None and entry.otherwise not in self.findings:
                raise OrapoError(f"lexicon: finding {entry.name!r}: no finding {entry.otherwise!r}")
        for text, (kind, name) in self.parts.items():
            phrases[text] = (kind, self.structures[name])
        for text, name in self.named.items():
            phrases[text] = (Kind.FINDING, self.findings[name])

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
                for key in (word, *deletions(word, first=1)):
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
            (name, polarity): entry.effects(polarity, self.label_set.no_finding)
            for name, entry in findings.items()
            for polarity in Polarity
        }
        known = {*canonical, *canonical.values()}
        for grammatical in self.grammar.values():
            known |= grammatical
        return Vocabulary(
            findings,
            Grammar(
                **{
                    group: frozenset(canonical.get(word, word) for word in words)
                    for group, words in self.grammar.items()
                }
            ),
            effects,
            HeadingNames({kind: frozenset(names) for kind, names in self.sections.items()}),
            AnswerWords(self.answers),
            self._normal_names(),
            self.normal.finding if self.normal.finding in findings else None,
            frozenset(known),
            frozenset(self.foreign),
            self.label_set,
            root,
            frozenset(known) | {canonical.get(word, word) for word in self.harmless["words"]},
            frozenset(canonical.get(word, word) for word in self.harmless["frames"]),
            {word: word for word in self.real_words} | canonical,
            fuzzy,
        )


_CONTRACTED: Final = re.compile(
    r"\b(?P<verb>is|are|was|were|has|have|had|does|do|did|could|would|should) not\b|\b(?:cannot|can not)\b"
)


def _contracted(phrase: str) -> Iterator[str]:
    """Yield a phrase, and the same as it is spoken ("is not seen", "isn't seen")."""
    yield phrase
    spoken = _CONTRACTED.sub(lambda match: f"{match['verb'] or 'ca'}n't", phrase)
    if spoken != phrase:
        yield spoken


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


def _insert(root: Trie, tokens: tuple[str, ...], entry: Entry, *, replace: bool = True) -> None:
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


SETS: Final = "sets"
"""Folder of the label sets that come with the package."""
ORGANLESS: Final = frozenset({"language.toml", "languages.toml", "modifiers.toml"})
"""Files that hold for any report; the others name what is in a chest."""


@lru_cache(maxsize=8)
def load_vocabulary(extra: Path | None = None) -> Vocabulary:
    """Read the package's lexicon and, on top of it, a user's own file.

    Args:
        extra: A TOML file of the same schema, or the bare name of a label set that comes with the
            package (``nih14``).

    Raises:
        OrapoError: The user's file is missing or breaks the schema.
    """
    folder = resources.files("orapo.facts") / "lexicon"
    own = None if extra is None else read_file(str(extra), _text_of(extra, folder / SETS))
    organless = own is not None and own.label_set is not None and own.label_set.vocabulary == "none"
    compiler = _Compiler()
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml") and (not organless or file.name in ORGANLESS):
            compiler.add(file.name, read_file(file.name, file.read_text(encoding="utf-8")))
    if own is not None:
        compiler.add(str(extra), own)
    return compiler.compile()


def _text_of(extra: Path, sets: Traversable) -> str:
    shipped = sets / f"{extra}.toml"
    if len(extra.parts) == 1 and not extra.exists() and shipped.is_file():
        return shipped.read_text(encoding="utf-8")
    try:
        return extra.read_text(encoding="utf-8")
    except FileNotFoundError:
        names = ", ".join(sorted(file.name.removesuffix(".toml") for file in sets.iterdir()))
        raise OrapoError(f"{extra}: no such lexicon file (label sets by name: {names})") from None
    except OSError as error:
        raise OrapoError(f"{extra}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise OrapoError(f"{extra}: not UTF-8 text") from None
