"""One sentence -> its statements, with their place, side and severity."""

from __future__ import annotations

from typing import NamedTuple

from orapo.facts.fact import Polarity
from orapo.facts.reader import SentenceReader
from orapo.facts.schema import TOKEN, Kind
from orapo.facts.vocabulary import Item, Place, Vocabulary


class Mention(NamedTuple):
    """A statement about a finding; ``start`` and ``end`` are places in the sentence."""

    finding: str
    polarity: Polarity
    start: int
    end: int
    location: str | None
    laterality: str | None
    severity: str | None


class Reading(NamedTuple):
    """What one sentence states."""

    mentions: tuple[Mention, ...] = ()
    doubts_previous: bool = False
    """It takes back what the sentence before it says ("This may be artifact.")."""


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
        Its mentions in the order of their places, and whether it doubts the sentence before it.
    """
    matches = list(TOKEN.finditer(lower(text)))
    if not matches:
        return Reading()
    tokens = vocabulary.canonical_forms([match.group() for match in matches])
    items = vocabulary.find(tokens)
    if not items:
        return Reading()
    reading = SentenceReader(tokens, items, vocabulary)
    reading.run()
    mentions = []
    for draft in (*reading.drafts, *reading.states):
        if draft.dropped:
            continue
        location, laterality, severity = _qualities(draft.modifiers, tokens)
        start, end = matches[draft.first].start(), matches[draft.last].end()
        mentions.append(
            Mention(draft.finding, draft.polarity, start, end, location, laterality, severity)
        )
    if len(mentions) > 1 and reading.states:
        mentions.sort(key=lambda mention: mention.start)
    return Reading(tuple(mentions), not mentions and reading.doubts_previous())


def _qualities(
    modifiers: list[Item], tokens: list[str]
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
