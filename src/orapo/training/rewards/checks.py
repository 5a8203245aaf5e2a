"""How good a reward model is on judgements that it was not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.special import expit

from orapo.evaluation.bootstrap import Interval, Resampler
from orapo.preferences import Preference
from orapo.training.rewards.choices import (
    LEFT,
    TIE,
    Floats,
    Integers,
    choice_numbers,
    log_probabilities,
)
from orapo.writing import replacing

_BINS: Final = 10


def check_choices(
    preferences: Sequence[Preference],
    difference: Floats,
    log_tie: float,
    facts_difference: Floats,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare scores with judgements.

    Args:
        preferences: N judgements, not used in fitting.
        difference: (N,) d, the model's score of the left report less that of the right one.
        log_tie: Of the model.
        facts_difference: (N,) the same of FactS (b = 1); NaN where it is not known.
        seed: Of the intervals' draws.

    Returns:
        For JSON. Accuracy is that of decided pairs, no difference counting one half; intervals are
        drawn by patient. ``agreement_with_facts`` is the share of pairs, of those on which FactS is
        not undecided, that both put in the same order.
    """
    choices = choice_numbers(preferences)
    patients = [one.patient_id or one.study_id for one in preferences]
    draws = Resampler(patients, seed=seed)
    decided = choices != TIE
    right = _right(difference, choices)
    facts_known = ~np.isnan(facts_difference)
    facts_right = _right(np.nan_to_num(facts_difference), choices)
    ordered = facts_known & (facts_difference != 0)
    same = (np.sign(difference) == np.sign(np.nan_to_num(facts_difference))).astype(float)
    logged = log_probabilities(difference, log_tie)
    raters = {}
    for rater in sorted({one.rater for one in preferences}):
        theirs = np.array([one.rater == rater for one in preferences])
        raters[rater] = {
            "judgements": int(theirs.sum()),
            "accuracy": _share(draws, right, decided & theirs).as_dict(),
            "facts_accuracy": _share(draws, facts_right, decided & theirs & facts_known).as_dict(),
        }
    return {
        "judgements": len(choices),
        "decided": int(decided.sum()),
        "accuracy": _share(draws, right, decided).as_dict(),
        "facts_accuracy": _share(draws, facts_right, decided & facts_known).as_dict(),
        "agreement_with_facts": _share(draws, same, ordered).as_dict(),
        "log_loss": float(-logged[np.arange(len(choices)), choices].mean()),
        "ties": {
            "said": float((~decided).mean()),
            "expected": float(np.exp(logged[:, TIE]).mean()),
        },
        "calibration": _calibration(difference[decided], choices[decided]),
        "raters": raters,
    }


def _right(difference: Floats, choices: Integers) -> Floats:
    """Return 1 where a sign agrees with a choice, 0 where not, one half without a difference."""
    wanted = np.where(choices == LEFT, 1.0, -1.0)
    found: Floats = (1 + np.sign(difference) * wanted) / 2
    return found


def _share(draws: Resampler, values: Floats, rows: Any) -> Interval:
    """Return the mean of some rows' values, with its interval; NaN if there is none."""
    if not rows.any():
        return Interval(np.nan, np.nan, np.nan)
    kept = rows.astype(float)

    def mean(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Floats = weights @ (kept * values) / (weights @ kept)
        return found

    return draws.interval(mean)[0]


def _calibration(difference: Floats, choices: Integers) -> dict[str, Any]:
    """Return how often the left report was chosen where its chance was said to be so high.

    Bins hold equally many pairs. The error is the mean distance of both, weighted by the pairs.
    """
    if not len(choices):
        return {"bins": [], "error": None}
    chance = expit(difference)
    chosen = (choices == LEFT).astype(float)
    places = np.array_split(np.argsort(chance, kind="stable"), min(_BINS, len(chance)))
    bins = [
        {
            "expected": float(chance[place].mean()),
            "observed": float(chosen[place].mean()),
            "pairs": len(place),
        }
        for place in places
    ]
    apart = sum(abs(one["expected"] - one["observed"]) * one["pairs"] for one in bins)
    return {"bins": bins, "error": apart / len(chance)}


def calibration_plot(path: Path, check: dict[str, Any]) -> None:
    """Draw expected against observed shares into a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    bins = check["calibration"]["bins"]
    figure, axes = plt.subplots(figsize=(5, 4.6), dpi=150, layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", label="as it should be")
    axes.plot(
        [one["expected"] for one in bins],
        [one["observed"] for one in bins],
        marker="o",
        label="held-out judgements",
    )
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="chance of the left report, by the model",
        ylabel="share that chose it",
        title=f"Calibration on {check['decided']} decided judgements",
    )
    axes.legend(loc="upper left", frameon=False)
    with replacing(path) as part:
        figure.savefig(part, format="png")
    plt.close(figure)
