"""One sentence -> its statements, with their place, side and severity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple

from orapo.facts.fact import Polarity
from orapo.facts.labelling import stronger
from orapo.facts.language.english import is_english
from orapo.facts.language.phrases import WITH
from orapo.facts.language.pointing import (
    affirms_previous,
    denies_all,
    denies_previous,
    doubts_previous,
)
from orapo.facts.language.reach import EXCEPTING
from orapo.facts.language.reader import SentenceReader
from orapo.facts.language.schema import TOKEN, Kind
from orapo.facts.language.states import Draft
from orapo.facts.language.vocabulary import Item, Place, Says, Vocabulary
from orapo.labels import LabelValue


class How(Enum):
    """How a stretch of text is read."""

    STATED = "stated"
    """As it stands."""
    JOINED = "joined"
    """As it stands; a state before what it is said of ("normal", "heart size")."""
    DENIED = "denied"
    """A field that is answered with no: what it names is not there; "heart normal: no" is abnormal."""
    DOUBTED = "doubted"
    """What it affirms is uncertain."""
    ABSENT = "absent"
    """A list of what is not there."""
    STILL = "still"
    """As it stands, and what another film showed is there now."""
    NORMAL = "normal"
    """It says that all is normal, whatever its words."""
    NOTHING = "nothing"
    """It says nothing of the film ("Pneumothorax: not assessed")."""
    UNREAD = "unread"
    """It says something that is not understood ("Effusion: Grade II", "No Finding: no")."""


# Looking up a member of an enum is slow before Python 3.12.
STATED: Final = How.STATED
ABSENT: Final = How.ABSENT
STILL: Final = How.STILL
NOTHING: Final = How.NOTHING
_NORMAL: Final = How.NORMAL
_UNREAD: Final = How.UNREAD
_NEW_STATEMENT: Final = Kind.NEW_STATEMENT


_POLARITY: Final[Mapping[How, Mapping[Polarity, Polarity]]] = {
    How.DENIED: {
        Polarity.PRESENT: Polarity.ABSENT,
        Polarity.UNCERTAIN: Polarity.ABSENT,
    },
    How.DOUBTED: {Polarity.PRESENT: Polarity.UNCERTAIN},
    How.ABSENT: {Polarity.PRESENT: Polarity.ABSENT, Polarity.UNCERTAIN: Polarity.ABSENT},
}


class Mention(NamedTuple):
    """A statement about a finding; ``start`` and ``end`` are places in the sentence."""

    finding: str
    polarity: Polarity
    start: int
    end: int
    location: str | None
    laterality: str | None
    severity: str | None


class Reading:
    """What one sentence states.

    It keeps what labels are made of and no more: thousands of readings are kept, and what makes
    them up would cost more time in memory management than reading a sentence again does.

    Attributes:
        stated: The labels that it speaks of, each with the strongest value it gives them.
        weakly: The same of findings that give way to any other fact about the label.
        denied: Labels that some fact of it gives 0.
        abnormal: Whether it states something that no label stands for.
        silent: Whether it states nothing.
        speaks: Whether it states more than that there is no device.
        unread: Whether it has words that may assert something that was not read.
        doubts_previous: It takes back what the sentence before it says ("This may be artifact.").
        denies_previous: It denies that ("This has cleared.").
        affirms_previous: It says that what another film showed is there now ("It is unchanged.").
        denies_all: It denies all that was said before it ("None of these is present.").
    """

    __slots__ = (
        "_but", "_how", "_mentions", "_text", "_vocabulary", "abnormal", "affirms_previous", "denied", "denies_all", "denies_previous",
        "doubts_previous", "silent", "speaks", "stated", "unread", "weakly",
    )  # fmt: skip

    def __init__(
        self,
        text: str,
        vocabulary: Vocabulary,
        drafts: Sequence[Draft],
        doubts_previous: bool,
        how: How = How.STATED,
        but: frozenset[str] = frozenset(),
        unread: bool = False,
        denies_previous: bool = False,
        denies_all: bool = False,
        affirms_previous: bool = False,
    ) -> None:
        self._text, self._vocabulary = text, vocabulary
        self._how, self._but = how, but
        self.unread = unread
        self.denies_previous = denies_previous
        self.denies_all = denies_all
        self.affirms_previous = affirms_previous
        self._mentions: tuple[Mention, ...] | None = None
        self.doubts_previous = doubts_previous
        self.silent = not drafts
        # what one statement says is shared, and never changed; most sentences have one
        self.speaks, self.abnormal, self.stated, self.weakly, self.denied = (
            vocabulary.says[drafts[0].finding, drafts[0].polarity]
            if len(drafts) == 1
            else _all_said(vocabulary, drafts)
        )

    @property
    def mentions(self) -> tuple[Mention, ...]:
        """Its statements in the order of their places; worked out when first asked for."""
        if self._mentions is None:
            parts = _read(self._text, self._vocabulary, self._how, self._but)
            spans = [match.span() for match in TOKEN.finditer(lower(self._text))]
            mentions = []
            for draft in parts.drafts:
                start, end = 0, len(self._text)
                if draft.last < len(spans):
                    start, end = spans[draft.first][0], spans[draft.last][1]
                qualities = _qualities(draft.modifiers, parts.tokens)
                mentions.append(Mention(draft.finding, draft.polarity, start, end, *qualities))
            mentions.sort(key=lambda mention: mention.start)
            self._mentions = tuple(mentions)
        return self._mentions

    def without(self, labels: frozenset[str]) -> Reading:
        """Return what it states apart from statements that bear on these labels alone."""
        parts = _read(self._text, self._vocabulary, self._how, labels)
        return Reading(self._text, self._vocabulary, parts.drafts, parts.doubts, self._how, labels)


def _all_said(vocabulary: Vocabulary, drafts: Sequence[Draft]) -> Says:
    if not drafts:
        return _NOTHING_SAID
    speaks = abnormal = False
    denied: list[str] = []
    stated: dict[str, LabelValue] = {}
    weakly: dict[str, LabelValue] = {}
    for draft in drafts:
        said = vocabulary.says[draft.finding, draft.polarity]
        speaks, abnormal = speaks or said.speaks, abnormal or said.abnormal
        denied += said.denied
        for label, value in said.stated.items():
            stated[label] = stronger(stated[label], value) if label in stated else value
        for label, value in said.weakly.items():
            weakly[label] = stronger(weakly[label], value) if label in weakly else value
    return Says(speaks, abnormal, stated, weakly, tuple(dict.fromkeys(denied)))


_NOTHING_SAID: Final = Says(False, False, {}, {}, ())


def lower(text: str) -> str:
    """Return the text in lower case, of the same length (some capitals have longer ones)."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def read_sentence(text: str, vocabulary: Vocabulary, how: How = How.STATED) -> Reading:
    """Read the statements of one sentence.

    Args:
        text: The sentence.
        vocabulary: The compiled lexicon.
        how: How it is meant, where more than its own words say so.

    Returns:
        What it states.
    """
    parts = _read(text, vocabulary, how)
    unread = how is _UNREAD or parts.foreign
    reading = Reading(
        text,
        vocabulary,
        parts.drafts,
        parts.doubts,
        how,
        unread=unread,
        denies_previous=parts.denies,
        denies_all=parts.denies_all,
        affirms_previous=parts.affirms,
    )
    if how is STATED and not (
        parts.foreign or parts.doubts or parts.denies or parts.denies_all or parts.affirms
    ):
        if reading.silent:
            reading.unread = not vocabulary.harmless(parts.tokens)
        elif parts.unfinished:
            reading.unread = True
        elif parts.turns:
            reading.unread = _adds(reading, parts, vocabulary)
    return reading


def _adds(reading: Reading, parts: _Parts, vocabulary: Vocabulary) -> bool:
    """Whether a sentence goes on with something that was not read ("clear, but with a black hole").

    Only where nothing positive was read of it: a finding rules out No Finding anyhow.
    """
    beside = vocabulary.label_set.beside
    if reading.abnormal or any(v and name not in beside for name, v in reading.stated.items()):
        return False
    turns = [item for item in parts.items if item.kind is _NEW_STATEMENT or item.kind is WITH]
    ends = [*(item.first for item in turns), len(parts.tokens)]
    for turn, end in zip(turns, ends[1:], strict=True):
        begin = turn.last + 1
        if any(begin <= draft.last and draft.first < end for draft in parts.drafts):
            continue
        rest = [token for token in parts.tokens[begin:end] if token != "xxxx"]
        excepted = parts.tokens[turn.first] in EXCEPTING
        if rest and not vocabulary.harmless(rest, excepted=excepted):
            return True
    return False


class _Parts(NamedTuple):
    """What is made of a sentence; ``doubts`` to ``denies_all``: what it says of the ones before it."""

    tokens: list[str]
    items: Sequence[Item]
    drafts: Sequence[Draft]
    doubts: bool
    denies: bool
    denies_all: bool = False
    foreign: bool = False
    affirms: bool = False
    unfinished: bool = False  # it ends with a denial of what it did not name
    turns: bool = False  # it goes on behind "but", "with" ...


def _read(text: str, vocabulary: Vocabulary, how: How, but: frozenset[str] = frozenset()) -> _Parts:
    words = TOKEN.findall(lower(text))
    tokens = vocabulary.canonical_forms(words)
    if not vocabulary.foreign.isdisjoint(words) and not is_english(text.lower(), vocabulary):
        return _Parts(tokens, (), (), False, False, foreign=True)
    if how is NOTHING or how is _UNREAD:
        return _Parts(tokens, (), (), False, False)
    if how is _NORMAL and vocabulary.normal_finding is not None:
        normal = Draft(vocabulary.normal_finding, Polarity.ABSENT, 0, len(tokens) - 1, -1)
        return _Parts(tokens, (), (normal,), False, False)
    items = vocabulary.find(tokens)
    if not items:
        return _Parts(tokens, (), (), False, False)
    reader = SentenceReader(tokens, items, vocabulary)
    reader.run()
    drafts = reader.drafts + reader.states
    if reader.some_dropped and how is not ABSENT and how is not STILL:
        drafts = [draft for draft in drafts if not draft.dropped]
    if how is not STATED and how in _POLARITY:
        turned = _POLARITY[how]
        # "no effusion: none" confirms a denial; "heart normal: no" turns a state
        was_normal = [draft for draft in reader.states if draft.polarity is Polarity.ABSENT]
        for draft in drafts:
            draft.polarity = turned.get(draft.polarity, draft.polarity)
        if how is How.DENIED:
            for draft in was_normal:
                draft.polarity = Polarity.PRESENT
    if but:
        effects = vocabulary.effects
        drafts = [
            draft
            for draft in drafts
            if not (said := effects[draft.finding, draft.polarity]) or not but.issuperset(said)
        ]
    if drafts:
        return _Parts(
            tokens,
            items,
            drafts,
            False,
            False,
            unfinished=reader.unfinished,
            turns=reader.turns,
        )
    return _Parts(
        tokens,
        items,
        drafts,
        doubts_previous(reader),
        denies_previous(reader),
        denies_all(reader),
        affirms=affirms_previous(reader),
    )


def _qualities(
    modifiers: Sequence[Item], tokens: Sequence[str]
) -> tuple[str | None, str | None, str | None]:
    """Return location, laterality and severity as the words beside a finding say them."""
    severity: str | None = None
    sides: set[str] = set()
    run: list[Item] = []
    runs: list[list[Item]] = []
    for item in modifiers:
        severity = severity or item.severity
        place: Place | None = item.place
        if place is None:
            continue
        if place.side is not None:
            sides.add(place.side)
        if item.kind is Kind.FINDING:
            continue
        if not run or run[-1].last + 1 != item.first:
            run = []
            runs.append(run)
        run.append(item)
    location = None
    for run in runs:
        if any(item.place and item.place.located for item in run):
            location = " ".join(tokens[run[0].first : run[-1].last + 1])
            break
    laterality = None
    if sides:
        laterality = sides.pop() if len(sides) == 1 else "bilateral"
    return location, laterality, severity
