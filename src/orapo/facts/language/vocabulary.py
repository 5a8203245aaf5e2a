"""The compiled lexicon: a token trie in which the longest known phrases of a sentence are found.

The words themselves are data in ``lexicon/*.toml``; `orapo.facts.language.schema` knows their shape and
`orapo.facts.language.compiler` builds the trie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any, Final, NamedTuple, cast

from orapo.facts.fact import Polarity
from orapo.facts.forms.answers import AnswerWords
from orapo.facts.forms.sections import HeadingNames
from orapo.facts.language.schema import Finding, Grammar, Kind
from orapo.facts.spelling import deletions, one_letter_wrong
from orapo.labels import NEGATIVE, LabelSet, LabelValue

_DENIES: Final = frozenset((Kind.DENY_NEXT, Kind.DENY_EITHER))
_DISQUIETING: Final = frozenset(
    (
        "abnormal",
        "bad",
        "worrisome",
        "alarming",
        "horrible",
        "bulky",
        "twice",
        "something",
        "lytic",
        "destruction",
        "destructive",
        "sclerotic",
        "narrowing",
        "stenosis",
        "dilatation",
        "perforation",
    )
)
"""Words that no sentence has that asserts nothing."""
MIN_FUZZY: Final = 8
"""Words of this length or more are recognised with one letter wrong."""


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


class Item:
    """A phrase found in a sentence; ``first`` to ``last`` are its token indices, both inclusive.

    The other attributes are those of the trie's `Entry`.
    """

    # Thousands a second are made and read often, which slots do faster than a tuple's names.
    __slots__ = ("assertive", "data", "first", "kind", "last", "place", "severity")

    def __init__(self, entry: Entry, first: int, last: int) -> None:
        self.kind, self.data, self.assertive, self.severity, self.place = entry
        self.first, self.last = first, last


class Says(NamedTuple):
    """What a statement says; see `orapo.facts.language.extraction.Reading`."""

    speaks: bool
    abnormal: bool
    stated: Mapping[str, LabelValue]
    weakly: Mapping[str, LabelValue]
    denied: tuple[str, ...]


Trie = dict[str | None, Any]


@dataclass
class Vocabulary:
    """The compiled lexicon.

    Attributes:
        findings: By name.
        grammar: Small words: prepositions, articles ...
        effects: For each finding's name and polarity, what it says about labels.
        headings: What headings of sections are called.
        answers: What answers of fields are made of.
        normal_names: Fields that say with "yes" that all is normal (lower case).
        normal_finding: The finding whose absence that means.
        words: All its words.
        foreign: Words of other languages that English does not have.
        says: For each finding's name and polarity, what a statement of it makes of a sentence.
        label_set: The labels that the findings bear on.
    """

    findings: dict[str, Finding]
    grammar: Grammar
    effects: dict[tuple[str, Polarity], dict[str, LabelValue]]
    headings: HeadingNames
    answers: AnswerWords
    normal_names: frozenset[str]
    normal_finding: str | None
    words: frozenset[str]
    foreign: frozenset[str]
    label_set: LabelSet
    root: InitVar[Trie]
    _harmless: frozenset[str]
    _frames: frozenset[str]
    _canonical: dict[str, str]
    _fuzzy: dict[str, str]
    _seen: dict[str, str] = field(default_factory=dict)

    def __post_init__(self, root: Trie) -> None:
        self._nodes = _nodes(root, {}, {})
        self.says = {key: self._says(*key) for key in self.effects}

    def _says(self, name: str, polarity: Polarity) -> Says:
        beside, no_finding = self.label_set.beside, self.label_set.no_finding
        effects, weak = self.effects[name, polarity], self.findings[name].weak
        no_device = bool(effects) and all(
            not value and label in beside for label, value in effects.items()
        )
        said = {label: value for label, value in effects.items() if label != no_finding}
        return Says(
            speaks=not no_device,
            abnormal=no_finding in effects,
            stated={label: value for label, value in said.items() if label not in weak},
            weakly={label: value for label, value in said.items() if label in weak},
            denied=tuple(label for label, value in said.items() if value == NEGATIVE),
        )

    def canonical_forms(self, tokens: list[str]) -> list[str]:
        """Return the canonical form of each token; see `canonical`."""
        try:  # most sentences have no other words than the lexicon's
            return list(map(self._canonical.__getitem__, tokens))
        except KeyError:
            return list(map(self.canonical, tokens))

    def canonical(self, token: str) -> str:
        """Return the singular, rightly spelled form of a token, as the trie knows it."""
        known = self._canonical.get(token)
        if known is not None:
            return known
        if token[0] == "_":
            return "xxxx"
        if len(token) == 4 and token[:2] in ("19", "20") and token.isdecimal():
            return "2000"
        if token.endswith("'s"):
            return self.canonical(token[:-2])
        if len(token) < MIN_FUZZY - 1 or len(token) > 24:  # a letter may be missing
            return token
        seen = self._seen.get(token)
        if seen is None:
            seen = self._nearest(token)
            if len(self._seen) < 100_000:
                self._seen[token] = seen
        return seen

    def _nearest(self, token: str) -> str:
        singular = (token, token[:-1]) if token[-1] == "s" else (token,)
        for word in singular:
            if word in self._canonical:
                return self._canonical[word]
            for key in (word, *deletions(word, first=1)):
                target = self._fuzzy.get(key)
                if target is not None and word[0] == target[0] and one_letter_wrong(word, target):
                    return target
        return token

    def is_device(self, finding: Finding) -> bool:
        """Whether a finding is no disease and leaves No Finding standing, as a catheter does."""
        return bool(finding.labels) and self.label_set.beside.issuperset(finding.labels)

    def harmless(self, tokens: list[str], *, excepted: bool = False) -> bool:
        """Whether words in which no finding was read assert none that is not known.

        They don't where all of them are known to name no disease, where they deny, or where they
        speak of the examination, the patient or the report itself.

        Args:
            tokens: In canonical form.
            excepted: They are what is not normal, so that knowing all of them excuses nothing
                ("normal except for a foreign body").
        """
        known, frames = self._harmless, self._frames
        if not _DISQUIETING.isdisjoint(tokens):
            return self._begins_with_denial(tokens)
        strange = False
        for token in tokens:
            if token in frames:
                return True
            if token not in known and len(token) > 3 and token.isalpha():
                strange = True
        if excepted:
            return False
        if not strange:
            # "the lungs are not clear"
            kinds = {
                (item.kind, item.data if item.kind is Kind.STATE else None)
                for item in self.find(tokens)
            }
            denied = any(kind in _DENIES for kind, _ in kinds)
            return not (denied and (Kind.STATE, "normal") in kinds)
        return self._begins_with_denial(tokens)

    def _begins_with_denial(self, tokens: list[str]) -> bool:
        items = self.find(tokens)
        return bool(items) and items[0].first <= 1 and items[0].kind in _DENIES

    def one_phrase(self, before: list[str], after: list[str]) -> bool:
        """Whether a known phrase begins in some words and goes on in those behind them."""
        items = self.find(self.canonical_forms([*before, *after]))
        return any(item.first < len(before) <= item.last for item in items)

    def find(self, tokens: list[str]) -> list[Item]:
        """Return the longest known phrases, left to right, in canonical tokens."""
        root = self._nodes
        items: list[Item] = []
        total = len(tokens)
        index = 0
        while index < total:
            node = root.get(tokens[index])
            if node is None:
                index += 1
                continue
            best, children = node
            last = index
            end = index + 1
            while children is not None and end < total:
                node = children.get(tokens[end])
                if node is None:
                    break
                entry, children = node
                if entry is not None:
                    best, last = entry, end
                end += 1
            if best is None:
                index += 1
                continue
            items.append(Item(best, index, last))
            index = last + 1
        return items


def _nodes(trie: Trie, nodes: dict[Any, Any], entries: dict[Any, Entry]) -> dict[str, Any]:
    """Turn the trie into one that is read with a single look-up a token: (entry, children).

    Equal branches are one ("... on the prior", behind whichever verb): a third of the memory, which
    the processor's cache then holds.

    Args:
        trie: The trie.
        nodes: All nodes so far, by what they are made of.
        entries: All entries so far, likewise.
    """
    made: dict[str, Any] = {}
    for token, child in trie.items():
        if token is None:
            continue
        entry = child.get(None)
        if entry is not None:
            data = entry.data if isinstance(entry.data, str | Place) else id(entry.data)
            place = entry.place and (entry.place.located, entry.place.side)
            entry = entries.setdefault(
                (entry.kind, data, entry.assertive, entry.severity, place), entry
            )
        made[token] = (entry, _nodes(child, nodes, entries) or None)
    key = tuple((token, id(entry), id(children)) for token, (entry, children) in made.items())
    return cast("dict[str, Any]", nodes.setdefault(key, made))
