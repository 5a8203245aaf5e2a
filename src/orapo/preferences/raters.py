"""One rater at a time: agreement, speed and drift, and who seems not to have looked.

A rater with an unusual taste disagrees with the others, but not with oneself; and the choices depend
on something in the reports, if only on their length. So carelessness is said only of a rater whose
agreement with the others is near chance, whose agreement with oneself on pairs shown twice is not
clearly above it, and whose choices go with none of the rewards nor with length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Final

import numpy as np

from orapo.evaluation.bootstrap import Resampler, holm, share_interval
from orapo.evaluation.counts import Weights
from orapo.preferences.agreement import (
    ORDER,
    Array,
    Ratings,
    kappa_with_others,
    position_bias,
    self_agreement,
    unswapped,
)
from orapo.preferences.judgements import Judgement
from orapo.preferences.records import Pair, PairKey

THIRDS: Final = 3
FEWEST: Final = 20
"""Judgements of a rater, below which nobody is flagged."""
NEAR_CHANCE: Final = 0.05
"""Kappa with the others whose interval reaches down to this is near chance."""
CLEAR: Final = 0.001
"""p of the agreement with oneself against chance, or (Holm) of a choice that goes with a reward or
with length, below which a rater is not careless."""
WORDS: Final = "words"
"""Name of the length among what choices may go with."""
ONE_ANSWER: Final = 0.9
"""Share of one answer (left, right or tie) from which on it is always the same."""
ONE_SIDE: Final = 0.75
"""Share of left among decided answers from which on, or of right likewise, one side is preferred."""
TOO_FAST: Final = 15.0
"""Words a second that nobody reads; people read 4 (Brysbaert 2019)."""
TOO_OFTEN: Final = 0.2
"""Share of answers that may be too fast."""


@dataclass(frozen=True, slots=True)
class Session:
    """Everything that is looked at.

    Attributes:
        judgements: Of all raters, each rater's in the order of judging.
        pairs: The sheet.
        keys: Its key.
        ratings: The judgements as a table of different pairs.
        resamples: Of the bootstrap.
        seed: Of it.
    """

    judgements: Sequence[Judgement]
    pairs: Mapping[str, Pair]
    keys: Mapping[str, PairKey]
    ratings: Ratings
    resamples: int
    seed: int


def rater_figures(session: Session) -> dict[str, dict[str, Any]]:
    """Return all figures of each rater, and the flags with their reasons."""
    figures = {rater: _figures(session, at) for at, rater in enumerate(session.ratings.raters)}
    tested = [name for name, one in figures.items() if one["position"]["p"] is not None]
    corrected = holm([figures[name]["position"]["p"] for name in tested])
    for name, p in zip(tested, corrected, strict=True):
        figures[name]["position"]["p_holm"] = p
    for one in figures.values():
        one["flags"] = flags(one)
    return figures


def _figures(session: Session, at: int) -> dict[str, Any]:
    rater = session.ratings.raters[at]
    mine = [one for one in session.judgements if one.rater == rater]
    known = [one for one in mine if one.seconds is not None]
    speeds = [_words(session.pairs[one.pair]) / max(one.seconds or 0, 1e-3) for one in known]
    return {
        "judgements": len(mine),
        "choices": {name: sum(one.choice == name for one in mine) for name in ORDER},
        "self_agreement": self_agreement(mine, session.pairs, session.keys),
        "position": position_bias(mine),
        "with_others": kappa_with_others(session.ratings, at, session.resamples, session.seed),
        "with_rewards": _with_rewards(session, mine),
        "goes_with": _goes_with(session, mine),
        "median_seconds": median(one.seconds or 0.0 for one in known) if known else None,
        "timed": len(known),
        "too_fast": sum(speed > TOO_FAST for speed in speeds),
        "drift": _drift(session, at, mine),
    }


def _words(pair: Pair) -> int:
    return len(pair.left.split()) + len(pair.right.split())


def _with_rewards(session: Session, mine: Sequence[Judgement]) -> dict[str, dict[str, Any]]:
    """Return for each reward the share of decided judgements that prefer what it scores higher.

    Repetitions are left out, and pairs that the reward scores the same.
    """
    agreed: dict[str, list[tuple[float, str]]] = {}
    for one in mine:
        key = session.keys[one.pair]
        if one.choice == "tie" or key.repeats is not None:
            continue
        for name in key.left_scores.keys() & key.right_scores.keys():
            gap = key.left_scores[name] - key.right_scores[name]
            if gap:
                right = (gap > 0) == (one.choice == "left")
                agreed.setdefault(name, []).append((float(right), key.patient_id))
    found = {}
    for name, each in sorted(agreed.items()):
        values = np.array([value for value, _ in each])
        interval = mean_interval(values, [patient for _, patient in each], session)
        found[name] = {"pairs": len(each), **interval}
    return found


def _goes_with(session: Session, mine: Sequence[Judgement]) -> dict[str, dict[str, Any]]:
    """Return how far choices go with the difference of each reward and of the length.

    Returns:
        Name to ``rho``, Spearman's rank correlation of the choice (left, tie, right) with the left
        report's figure minus the right one's, ``p`` and ``p_holm``; what is the same on both sides
        of all pairs is left out. Repetitions are left out.
    """
    from scipy.stats import spearmanr

    gaps: dict[str, list[tuple[float, int]]] = {}
    for one in mine:
        key, pair = session.keys[one.pair], session.pairs[one.pair]
        if key.repeats is not None:
            continue
        left: dict[str, float] = {**key.left_scores, WORDS: len(pair.left.split())}
        right: dict[str, float] = {**key.right_scores, WORDS: len(pair.right.split())}
        for name in left.keys() & right.keys():
            gaps.setdefault(name, []).append((left[name] - right[name], -ORDER[one.choice]))
    found: dict[str, dict[str, Any]] = {}
    for name, each in sorted(gaps.items()):
        differences, choices = zip(*each, strict=True)
        if len(set(differences)) > 1 and len(set(choices)) > 1 and len(each) > 2:
            test = spearmanr(differences, choices)
            found[name] = {"rho": float(test.statistic), "p": float(test.pvalue)}
    for one_test, p in zip(
        found.values(), holm([each["p"] for each in found.values()]), strict=True
    ):
        one_test["p_holm"] = p
    return found


def mean_interval(values: Array, patients: Sequence[str], session: Session) -> dict[str, Any]:
    """Return a mean of values in 0 ... 1 over judgements, with its interval over patients."""
    if not len(values):
        return {"value": None, "low": None, "high": None}

    def mean(weights: Weights) -> Array:
        return weights @ values / weights.sum(axis=1)

    resampler = Resampler(patients, session.resamples, session.seed)
    return share_interval(resampler.interval(mean)[0], resampler.patients).as_dict()


def _drift(session: Session, at: int, mine: Sequence[Judgement]) -> dict[str, Any]:
    """Return agreement with the others and seconds by thirds of the session."""
    codes = session.ratings.codes
    column = {name: place for place, name in enumerate(session.ratings.pairs)}
    others = [row for row in range(len(codes)) if row != at]
    first = [one for one in mine if session.keys[one.pair].repeats is None]
    cuts = [round(len(first) * part / THIRDS) for part in range(THIRDS + 1)]
    parts: list[dict[str, Any]] = []
    values, patients, thirds = [], [], []
    for third, (start, end) in enumerate(pairwise(cuts)):
        seconds = []
        for one in first[start:end]:
            if one.seconds is not None:
                seconds.append(one.seconds)
            pair, choice = unswapped(one, session.pairs, session.keys)
            theirs = [code for row in others if (code := codes[row, column[pair]]) >= 0]
            if theirs:
                values.append(sum(code == ORDER[choice] for code in theirs) / len(theirs))
                patients.append(session.keys[pair].patient_id)
                thirds.append(third)
        parts.append(
            {
                "judgements": end - start,
                "median_seconds": median(seconds) if seconds else None,
                "equal_to_others": None,
            }
        )
    members = np.array([[third == part for part in range(THIRDS)] for third in thirds], dtype=float)
    change: dict[str, Any] = {"value": None, "low": None, "high": None}
    if len(values) and members.any(axis=0).all():

        def means(weights: Weights) -> Array:
            with np.errstate(invalid="ignore"):
                each = weights @ (members * np.array(values)[:, None]) / (weights @ members)
            return np.concatenate([each, each[:, -1:] - each[:, :1]], axis=1)

        intervals = Resampler(patients, session.resamples, session.seed).interval(means)
        for part, interval in zip(parts, intervals, strict=False):
            part["equal_to_others"] = interval.as_dict()
        change = intervals[-1].as_dict()
    return {"thirds": parts, "change_in_agreement": change}


def flags(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what speaks against a rater: kind and reason of each flag."""
    judged = figures["judgements"]
    if judged < FEWEST:
        return []
    found = []
    if reason := _careless(figures):
        found.append({"kind": "careless", "reason": reason})
    if figures["timed"] and figures["too_fast"] > TOO_OFTEN * figures["timed"]:
        reason = (
            f"{figures['too_fast']} of {figures['timed']} answers came faster than both reports can "
            f"be read ({TOO_FAST:.0f} words a second)"
        )
        found.append({"kind": "too fast", "reason": reason})
    answer = max(figures["choices"], key=lambda name: figures["choices"][name])
    if figures["choices"][answer] >= ONE_ANSWER * judged:
        reason = f'{figures["choices"][answer]} of {judged} answers are "{answer}"'
        found.append({"kind": "one answer", "reason": reason})
    side = figures["position"]
    if side["p"] is not None and side["p_holm"] < CLEAR:
        name, part = max(
            ("left", side["value"]), ("right", 1 - side["value"]), key=lambda one: one[1]
        )
        if part >= ONE_SIDE:
            reason = f"{part:.0%} of {side['decided']} decided answers are for the {name} side"
            found.append({"kind": "one side", "reason": reason})
    return found


def _careless(figures: Mapping[str, Any]) -> str:
    """Return why a rater seems not to look at the reports; empty if that can't be said."""
    mine, others, goes_with = (
        figures[name] for name in ("self_agreement", "with_others", "goes_with")
    )
    alone = others["value"] is None
    if alone and mine["repeated"] < FEWEST:
        return ""
    known = not alone and others["low"] is not None
    if known and (others["low"] > NEAR_CHANCE or others["high"] < -NEAR_CHANCE):
        return ""
    if mine["p"] is not None and mine["p"] < CLEAR:
        return ""
    if any(each["p_holm"] < CLEAR for each in goes_with.values()):
        return ""
    said = []
    if not alone:
        said.append(
            f"kappa with the others is near chance, {others['value']:.2f} ({others['low']:.2f} to "
            f"{others['high']:.2f})"
        )
    if mine["value"] is None:
        said.append("no pair was judged twice")
    else:
        said.append(
            f"says the same again of {mine['agreed']} of {mine['repeated']} repeated pairs, "
            f"{mine['value']:.0%} ({mine['low']:.0%} to {mine['high']:.0%}), where chance gives "
            f"{mine['chance']:.0%}"
        )
    said.append(f"choices go with none of {', '.join(goes_with) or 'the rewards'}")
    return "; ".join(said)
