"""Which pairs of reports are worth an expert's time, and how they are shown without saying whose.

An expert's judgement tells most where FactS is silent (near ties), or where another reward says the
opposite. A share is drawn at random, so that what is learned holds over the whole range.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Final, NamedTuple

from orapo.errors import OrapoError
from orapo.preferences.candidates import FACTS, Candidate, plain_text
from orapo.preferences.records import Pair, PairKey

NEAR_TIE: Final = "near tie"
DISAGREE: Final = "rewards disagree"
RANDOM: Final = "random"
_NEAR: Final = 0.05
"""FactS that two reports of a near tie differ by at most, where there are enough such pairs."""
_APART: Final = 20
"""Pairs shown between one and its repetition, at least (a third of the sheet, if that is less)."""


CandidatePair = tuple[Candidate, Candidate]


@dataclass(frozen=True, slots=True)
class PairingOptions:
    """How pairs are chosen.

    Attributes:
        pairs: How many different pairs.
        repeat_share: Of these, the share that is shown a second time, on top.
        random_share: Of these, the share drawn at random; the rest is half near ties, half pairs
            on which the rewards disagree.
        seed: Of all draws.
    """

    pairs: int = 300
    repeat_share: float = 0.1
    random_share: float = 0.3
    seed: int = 0


class ChosenPair(NamedTuple):
    """Two reports of a study, not yet on a side."""

    first: Candidate
    second: Candidate
    why: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """What raters see, what they must not see, and what there was to choose from.

    Attributes:
        pairs: In the order of showing.
        keys: Likewise.
        counts: Of what was found and chosen.
    """

    pairs: list[Pair]
    keys: list[PairKey]
    counts: dict[str, Any] = field(default_factory=dict)


def make_sheet(
    studies: Mapping[str, Sequence[Candidate]],
    images: Mapping[str, tuple[Path, ...]],
    patients: Mapping[str, str],
    options: PairingOptions,
    second: str,
) -> Sheet:
    """Choose pairs, put their reports on sides, repeat some, and shuffle.

    Args:
        studies: Study id to its reports.
        images: Study id to films.
        patients: Study id to patient; empty if unknown.
        options: How.
        second: Name of the reward beside FactS.

    Raises:
        OrapoError: No study has two different reports.
    """
    draw = random.Random(options.seed)
    possible = [
        (one, other)
        for reports in studies.values()
        for one, other in combinations(reports, 2)
        if plain_text(one.text) != plain_text(other.text)
    ]
    if not possible:
        raise OrapoError(
            "no study has two different reports to compare: give a second system, a file with "
            "several samples a study, or --with-radiologist"
        )
    chosen = choose_pairs(possible, second, options, draw)
    sided = _on_sides(chosen, draw)
    shown = _with_repeats(sided, options.repeat_share, draw)
    width = max(4, len(str(len(shown))))
    names = [f"p{number:0{width}}" for number in range(1, len(shown) + 1)]
    place = {index: names[at] for at, (index, again, _) in enumerate(shown) if not again}
    pairs, keys = [], []
    for name, (index, again, swapped) in zip(names, shown, strict=True):
        left, right, why = sided[index]
        if swapped:
            left, right = right, left
        study = left.study_id
        pairs.append(Pair(name, study, images.get(study, ()), left.text, right.text))
        keys.append(
            PairKey(
                pair=name,
                study_id=study,
                patient_id=patients.get(study, ""),
                left_source=left.source,
                right_source=right.source,
                repeats=place[index] if again else None,
                why=why,
                left_scores=dict(left.scores),
                right_scores=dict(right.scores),
            )
        )
    kinds = [one.why for one in chosen]
    counts = {
        "possible_pairs": len(possible),
        "pairs": len(chosen),
        "repeated": len(shown) - len(chosen),
        "studies": len({one.first.study_id for one in chosen}),
        "why": {kind: kinds.count(kind) for kind in (NEAR_TIE, DISAGREE, RANDOM)},
    }
    return Sheet(pairs, keys, counts)


def choose_pairs(
    possible: Sequence[tuple[Candidate, Candidate]],
    second: str,
    options: PairingOptions,
    draw: random.Random,
) -> list[ChosenPair]:
    """Choose pairs: near ties, pairs on which the rewards disagree, and some at random.

    Of each kind the pairs of systems take turns, and a study comes again only when no other has a
    pair of the kind left to give. Where too few pairs are of a kind, more are drawn at random.

    Args:
        possible: All pairs of different texts.
        second: Name of the reward beside FactS.
        options: How many of what.
        draw: Random numbers.
    """
    total = min(options.pairs, len(possible))
    shuffled = draw.sample(list(possible), len(possible))
    at_random = round(total * options.random_share)
    while True:
        chosen = _choose(shuffled, second, total, at_random)
        if len(chosen) == total:
            return chosen
        # too few pairs are of a kind: begin again, for what is drawn last is no random sample
        at_random = min(total, at_random + total - len(chosen))


def _choose(
    shuffled: Sequence[CandidatePair], second: str, total: int, at_random: int
) -> list[ChosenPair]:
    informative = total - at_random
    used: dict[str, int] = {}
    taken: set[int] = set()
    # first of all those at random: they stand for all pairs, and systems are compared on them
    return [
        ChosenPair(one, other, why)
        for why, ranked, wanted in (
            (RANDOM, shuffled, at_random),
            (DISAGREE, _disagreement(shuffled, second), informative // 2),
            (NEAR_TIE, _near_ties(shuffled, informative), informative - informative // 2),
        )
        for one, other in _take(ranked, wanted, used, taken)
    ]


def _take(
    ranked: Sequence[CandidatePair], wanted: int, used: dict[str, int], taken: set[int]
) -> Iterator[CandidatePair]:
    """Yield the best pairs that are not taken, in turns over systems, few of one study."""
    groups: dict[tuple[str, ...], list[CandidatePair]] = {}
    for pair in ranked:
        if id(pair) not in taken:
            groups.setdefault(_systems(pair), []).append(pair)
    most = 1
    while wanted and any(groups.values()):
        advanced = False
        for name in sorted(groups):
            place = next(
                (
                    at
                    for at, pair in enumerate(groups[name])
                    if used.get(pair[0].study_id, 0) < most
                ),
                None,
            )
            if place is None or not wanted:
                continue
            pair = groups[name].pop(place)
            used[pair[0].study_id] = used.get(pair[0].study_id, 0) + 1
            taken.add(id(pair))
            wanted -= 1
            advanced = True
            yield pair
        most += not advanced


def _systems(pair: CandidatePair) -> tuple[str, ...]:
    return tuple(sorted(one.source for one in pair))


def _known(pair: CandidatePair, reward: str) -> bool:
    return all(reward in one.scores for one in pair)


def _difference(pair: CandidatePair, reward: str) -> float:
    return pair[0].scores[reward] - pair[1].scores[reward]


def _distance(pair: CandidatePair) -> float:
    return round(abs(_difference(pair, FACTS)), 3)


def _near_ties(pairs: Iterable[CandidatePair], wanted: int) -> list[CandidatePair]:
    """Return the pairs that FactS hardly tells apart, the closest first."""
    ties = sorted((pair for pair in pairs if _known(pair, FACTS)), key=_distance)
    limit = max(_NEAR, _distance(ties[min(wanted, len(ties)) - 1])) if ties and wanted else 0.0
    return [pair for pair in ties if _distance(pair) <= limit]


def _disagreement(pairs: Iterable[CandidatePair], second: str) -> list[CandidatePair]:
    """Return the pairs that the two rewards order the opposite way, the starkest first."""
    known = [pair for pair in pairs if _known(pair, FACTS) and _known(pair, second)]
    opposed = [p for p in known if _difference(p, FACTS) * _difference(p, second) < 0]
    # each reward in units of its own usual difference; else the one of larger numbers decides
    usual = {
        name: sum(abs(_difference(pair, name)) for pair in known) / max(1, len(known)) or 1.0
        for name in (FACTS, second)
    }
    return sorted(
        opposed,
        key=lambda pair: -min(abs(_difference(pair, name)) / usual[name] for name in usual),
    )


def _on_sides(chosen: Sequence[ChosenPair], draw: random.Random) -> list[ChosenPair]:
    """Put each pair of systems as often one way round as the other."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, pair in enumerate(chosen):
        groups.setdefault(_systems(pair[:2]), []).append(index)
    sided = list(chosen)
    for (first, _), indices in sorted(groups.items()):
        ways = [at % 2 == 0 for at in range(len(indices))]
        if len(indices) % 2 and draw.random() < 0.5:
            ways = [not way for way in ways]
        draw.shuffle(ways)
        for index, first_left in zip(indices, ways, strict=True):
            one, other, why = chosen[index]
            is_first = one.source == first
            if one.source == other.source:  # of one system, either may be called the first
                is_first = True
            sided[index] = (
                ChosenPair(one, other, why)
                if is_first == first_left
                else ChosenPair(other, one, why)
            )
    return sided


def _with_repeats(
    sided: Sequence[ChosenPair], share: float, draw: random.Random
) -> list[tuple[int, bool, bool]]:
    """Shuffle the pairs and show some of them again, well after the first time.

    Returns:
        The order of showing: index of the pair, whether it is a repetition, whether its sides are
        swapped.
    """
    order = draw.sample(range(len(sided)), len(sided))
    apart = min(_APART, len(order) // 3)
    again = min(round(len(order) * share), len(order) - apart)
    places: list[tuple[float, int, bool, bool]] = [
        (float(at), index, False, False) for at, index in enumerate(order)
    ]
    swaps = [number % 2 == 0 for number in range(again)]
    draw.shuffle(swaps)
    for at, swapped in zip(draw.sample(range(len(order) - apart), again), swaps, strict=True):
        places.append((draw.uniform(at + apart, len(order)), order[at], True, swapped))
    return [(index, repeated, swapped) for _, index, repeated, swapped in sorted(places)]
