"""How scores become choices: Bradley and Terry's model with Davidson's ties.

Of two reports with scores s_l and s_r, and d = s_l - s_r,

    P(left) : P(right) : P(tie)  =  exp(d / 2) : exp(-d / 2) : nu

(Bradley and Terry 1952; Davidson 1970). Without ties it is the sigmoid of d.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from orapo.preferences import Preference

LEFT, RIGHT, TIE = range(3)
_NUMBER: Final = {"left": LEFT, "right": RIGHT, "tie": TIE}

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def choice_numbers(preferences: Sequence[Preference]) -> Integers:
    """Return choices as numbers: 0 left, 1 right, 2 tie; (N,)."""
    return np.array([_NUMBER[one.choice] for one in preferences], dtype=np.int64)


def log_probabilities(difference: Floats, log_tie: float) -> Floats:
    """Return log P(left), log P(right), log P(tie).

    Args:
        difference: (N,) d.
        log_tie: log nu; minus infinity if there are no ties.

    Returns:
        (N, 3).
    """
    logits = np.stack([difference / 2, -difference / 2, np.full_like(difference, log_tie)], axis=1)
    found: Floats = log_softmax(logits, axis=1)
    return found


def fit_linear(
    features: Floats, choices: Integers, strength: float, weights: Floats | None = None
) -> tuple[Floats, float]:
    """Fit the weights of a linear score to choices: d = features @ w, and nu.

    Args:
        features: (N, D) of the left report less those of the right one.
        choices: (N,) 0, 1, 2.
        strength: Of the quadratic penalty on the weights, a judgement.
        weights: (N,) of the judgements; None: all alike.

    Returns:
        (D,) weights, and log nu: minus infinity where nobody chose a tie.
    """
    share = np.full(len(choices), 1 / len(choices)) if weights is None else weights / weights.sum()
    target = np.eye(3)[choices]
    ties = bool((choices == TIE).any())

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weight, log_tie = parameters[:-1], parameters[-1] if ties else -np.inf
        logged = log_probabilities(features @ weight, log_tie)
        chosen = logged[np.arange(len(choices)), choices]
        error = share[:, None] * (np.exp(logged) - target)  # of the three logits
        slope = features.T @ (error[:, LEFT] - error[:, RIGHT]) / 2 + strength * weight
        value = float(-share @ chosen + strength / 2 * weight @ weight)
        return value, np.append(slope, error[:, TIE].sum() if ties else 0.0)

    found = minimize(loss, np.zeros(features.shape[1] + 1), jac=True, method="L-BFGS-B")
    return found.x[:-1], float(found.x[-1]) if ties else -np.inf
