"""What judgements are worth: figures of all raters and systems, ready for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from orapo.errors import MissingExtraError
from orapo.preferences.agreement import krippendorff_alpha, pairwise_kappa, ratings_table
from orapo.preferences.judgements import Judgement, Judgements
from orapo.preferences.pairing import RANDOM
from orapo.preferences.raters import Session, mean_interval, rater_figures
from orapo.preferences.records import Pair, PairKey

_POINTS = {"left": 1.0, "tie": 0.5, "right": 0.0}


def check_judgements(
    judgements: Judgements,
    pairs: Mapping[str, Pair],
    keys: Mapping[str, PairKey],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Return everything that ``check.json`` holds.

    Args:
        judgements: Of all raters.
        pairs: The sheet.
        keys: Its key.
        resamples: Of the bootstrap over patients.
        seed: Of it.
    """
    ratings = ratings_table(judgements.given, pairs, keys)
    session = Session(judgements.given, pairs, keys, ratings, resamples, seed)
    raters = rater_figures(session)
    notes = []
    alpha: dict[str, Any] = {"value": None, "without": {}}
    try:
        alpha["value"] = krippendorff_alpha(ratings)
        if len(ratings.raters) > 2:
            alpha["without"] = {one: krippendorff_alpha(ratings, one) for one in ratings.raters}
    except MissingExtraError as error:
        notes.append(f"{error}; left out.")
    flagged = [name for name, figures in raters.items() if figures["flags"]]
    systems = win_rates(judgements.given, session, RANDOM)
    if not systems["each"]:
        systems = win_rates(judgements.given, session, "all")
        if systems["each"]:
            notes.append(
                "No judged pair was drawn at random: systems are compared on pairs that were chosen "
                "because rewards can't tell them apart or disagree, which favours the worse system."
            )
    trusted = [one for one in judgements.given if one.rater not in flagged]
    if judgements.unjudged:
        notes.append(f"Rows of filled sheets without a choice: {judgements.unjudged}.")
    if judgements.revised:
        notes.append(f"Judgements that the rater changed later: {judgements.revised}.")
    if len(raters) == 1:
        notes.append("One rater: there is nobody to agree with.")
    if not any(one["self_agreement"]["repeated"] for one in raters.values()):
        notes.append("No pair was judged twice by a rater: agreement with oneself is unknown.")
    if not any(key.patient_id for key in keys.values()):
        notes.append("No patient is known: each pair is resampled by itself.")
    return {
        "judgements": len(judgements.given),
        "pairs": len(ratings.pairs),
        "shown": len(pairs),
        "studies": len({pairs[name].study_id for name in ratings.pairs}),
        "raters": raters,
        "flagged": flagged,
        "kappa": pairwise_kappa(ratings, resamples, seed),
        "alpha": alpha,
        "systems": systems,
        "systems_without_flagged": win_rates(trusted, session, systems["pairs_used"])
        if flagged and trusted
        else None,
        "systems_all_pairs": win_rates(judgements.given, session, "all"),
        "unjudged": judgements.unjudged,
        "revised": judgements.revised,
        "resamples": resamples,
        "seed": seed,
        "notes": notes,
    }


def win_rates(judgements: Sequence[Judgement], session: Session, pairs_used: str) -> dict[str, Any]:
    """Return how often each system is preferred, a tie counting half, with intervals by patient.

    Pairs of one system's own reports, and repetitions, are left out.

    Args:
        judgements: The judgements.
        session: Sheet and key.
        pairs_used: ``random`` takes the pairs drawn at random alone. The others were chosen by what
            rewards say of them: where a reward that likes the better system disagrees with FactS,
            FactS likes the worse one. ``all`` takes those too.

    Returns:
        ``each``: system to ``value, low, high, judgements`` against all others; ``pairs``: the same
        of the first against the second of two systems; ``pairs_used``.
    """
    points: dict[tuple[str, ...], list[tuple[float, str]]] = {}
    for one in judgements:
        key = session.keys[one.pair]
        left, right = key.left_source, key.right_source
        if left == right or key.repeats is not None:
            continue
        if pairs_used == RANDOM and key.why != RANDOM:
            continue
        won = _POINTS[one.choice]
        points.setdefault((left,), []).append((won, key.patient_id or key.study_id))
        points.setdefault((right,), []).append((1 - won, key.patient_id or key.study_id))
        pair = (left, right) if left < right else (right, left)
        points.setdefault(pair, []).append(
            (won if pair[0] == left else 1 - won, key.patient_id or key.study_id)
        )
    found = {
        name: {
            "judgements": len(each),
            **mean_interval(
                np.array([won for won, _ in each]), [patient for _, patient in each], session
            ),
        }
        for name, each in points.items()
    }
    order = sorted((name for name in found if len(name) == 1), key=lambda n: -found[n]["value"])
    return {
        "pairs_used": pairs_used,
        "each": {name[0]: found[name] for name in order},
        "pairs": [
            {"systems": list(name), **found[name]} for name in sorted(found) if len(name) == 2
        ],
    }


def in_words(figures: Mapping[str, Any], percent: bool = False) -> str:
    """Return a figure with its interval, for tables; a dash if it is unknown."""
    value = figures["value"]
    if value is None or math.isnan(value):
        return "-"
    form = "z.0%" if percent else "z.2f"
    if figures["low"] is None:
        return format(value, form)
    low, high = format(figures["low"], form), format(figures["high"], form)
    return f"{value:{form}} ({low.rstrip('%')} to {high})"
