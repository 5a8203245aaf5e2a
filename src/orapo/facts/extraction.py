"""One sentence -> its statements, with their place, side and severity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from orapo.facts.fact import Polarity
from orapo.facts.labelling import stronger
from orapo.facts.reader import Draft, SentenceReader
from orapo.facts.schema import TOKEN, Kind
from orapo.facts.vocabulary import Item, Place, Vocabulary
from orapo.labels import LabelValue


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

    Attributes:
        stated: The labels that it speaks of, each with the strongest value it gives them.
        weakly: The same of findings that give way to any other fact about the label.
        abnormal: Whether it states something that no label stands for.
        silent: Whether it states nothing.
        doubts_previous: It takes back what the sentence before it says ("This may be artifact.").
    """

    __slots__ = (
        "_drafts", "_mentions", "_text", "_tokens", "abnormal", "doubts_previous", "silent",
        "stated", "weakly",
    )  # fmt: skip

    def __init__(
        self,
        text: str = "",
        tokens: Sequence[str] = (),
        drafts: Sequence[Draft] = (),
        vocabulary: Vocabulary | None = None,
        doubts_previous: bool = False,
    ) -> None:
        self._text, self._tokens, self._drafts = text, tokens, drafts
        self._mentions: tuple[Mention, ...] | None = None
        self.doubts_previous = doubts_previous
        self.silent = not drafts
        self.abnormal = False
        self.stated: dict[str, LabelValue] = {}
        self.weakly: dict[str, LabelValue] = {}
        if vocabulary is None:
            return
        no_finding = vocabulary.label_set.no_finding
        for draft in drafts:
            weak = vocabulary.findings[draft.finding].weak
            for label, value in vocabulary.effects[draft.finding, draft.polarity].items():
                if label == no_finding:
                    self.abnormal = True
                else:
                    said = self.weakly if label in weak else self.stated
                    said[label] = stronger(said[label], value) if label in said else value

    @property
    def mentions(self) -> tuple[Mention, ...]:
        """Its statements in the order of their places; worked out when first asked for."""
        if self._mentions is None:
            spans = [match.span() for match in TOKEN.finditer(lower(self._text))]
            mentions = []
            for draft in self._drafts:
                start, end = spans[draft.first][0], spans[draft.last][1]
                qualities = _qualities(draft.modifiers, self._tokens)
                mentions.append(Mention(draft.finding, draft.polarity, start, end, *qualities))
            mentions.sort(key=lambda mention: mention.start)
            self._mentions = tuple(mentions)
        return self._mentions


NOTHING: Final = Reading()


def lower(text: str) -> str:
    """Return the text in lower case, of the same length (some capitals have longer ones)."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def read_sentence(text: str, vocabulary: Vocabulary) -> Reading:
    """Read the statements of one sentence.

    Args:
        text: The sentence.
        vocabulary: The compiled lexicon.

    Returns:
        What it states.
    """
    tokens = vocabulary.canonical_forms(TOKEN.findall(lower(text)))
    items = vocabulary.find(tokens)
    if not items:
        return NOTHING
    reader = SentenceReader(tokens, items, vocabulary)
    reader.run()
    drafts = reader.drafts + reader.states
    if reader.some_dropped:
        drafts = [draft for draft in drafts if not draft.dropped]
    doubts_previous = not drafts and reader.doubts_previous()
    return Reading(text, tokens, drafts, vocabulary, doubts_previous)


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
