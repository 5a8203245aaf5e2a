"""Simulated experts of known taste, for tests and benchmarks where no rater is at hand.

A rater has a utility for reports, and chooses by the model of Bradley and Terry (1952) with ties
after Davidson (1970): with pi = exp(utility / temperature) of each side,

    P(left) : P(right) : P(tie) = pi_left : pi_right : ties * sqrt(pi_left * pi_right).

So it is known how well anyone could predict such a rater: `best_accuracy`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from orapo.facts import RepetitionPenalty, label_report, score_report
from orapo.labels import LabelValue, UncertainPolicy
from orapo.preferences.judgements import Judgement
from orapo.preferences.records import CHOICES, Choice, Pair

Labels = Mapping[str, LabelValue]
Taste = Callable[[str, Labels], float]
"""Report and the study's true labels -> utility, about 0 to 1."""
_START: Final = datetime(2026, 1, 5, 8, tzinfo=UTC)
_FOREIGN: Final = 4
_NOTHING: Final = "No acute disease."
_USUAL_WORDS: Final = 40
"""A report of so many words is half as good as an empty one to a rater who looks at style."""


def facts_taste(facts_beta: float) -> Taste:
    """Return the taste that is FactS with that beta: above 1 for recall, below 1 for precision."""

    def utility(text: str, labels: Labels) -> float:
        score = score_report(
            label_report(text), labels, facts_beta=facts_beta, uncertain=UncertainPolicy.POSITIVE
        )
        return 0.0 if score is None else score.reward

    return utility


def style_taste(text: str, labels: Labels) -> float:
    """Like short reports without repetition; the film's truth is not looked at."""
    words = len(text.split())
    repeated = -RepetitionPenalty()([text])[0]
    return 1 / (1 + words / _USUAL_WORDS) - repeated


def no_taste(text: str, labels: Labels) -> float:
    """Find all reports the same: choices are left to chance."""
    return 0.0


TASTES: Final[Mapping[str, Taste]] = {
    "recall": facts_taste(2.0),
    "precision": facts_taste(0.5),
    "style": style_taste,
    "careless": no_taste,
}
"""Tastes by name."""


@dataclass(frozen=True)
class SimulatedRater:
    """An expert of known taste.

    Attributes:
        name: Of the rater.
        taste: The utility.
        temperature: Utility that is worth a factor e in the odds of two sides; near 0, the better
            side always wins.
        ties: Davidson's nu: how often equal reports are called a tie, ties / (2 + ties).
        left_bias: Utility that the left side has for being on the left.
        words_per_second: Speed of reading, on average.
    """

    name: str
    taste: Taste
    temperature: float = 0.1
    ties: float = 0.5
    left_bias: float = 0.0
    words_per_second: float = 4.0

    def probabilities(self, pair: Pair, labels: Labels) -> NDArray[np.float64]:
        """Return the probabilities of left, right and tie, (3,)."""
        left = (self.taste(pair.left, labels) + self.left_bias) / self.temperature
        right = self.taste(pair.right, labels) / self.temperature
        middle = (left + right) / 2  # taken off, so that no exponential overflows
        odds = np.array([left - middle, right - middle, 0.0])
        odds[2] = math.log(self.ties) if self.ties else -math.inf
        weights = np.exp(odds - odds.max())
        return cast("NDArray[np.float64]", weights / weights.sum())


def simulated_system(
    reports: Mapping[str, str], left_out: float, foreign: float, samples: int = 1, seed: int = 0
) -> dict[str, list[str]]:
    """Return reports as a system of known faults would write them.

    Args:
        reports: Study id to the right report.
        left_out: Share of its sentences that are missing.
        foreign: Four times over, the chance of a sentence out of another study's report.
        samples: How many a study.
        seed: Of the draws.
    """
    draw = random.Random(seed)
    sentences = {
        study: [sentence.text.strip() for sentence in label_report(text).sentences]
        for study, text in reports.items()
    }
    every = [sentence for each in sentences.values() for sentence in each]

    def written(study: str) -> str:
        kept = [one for one in sentences[study] if draw.random() >= left_out]
        kept += [draw.choice(every) for _ in range(_FOREIGN) if draw.random() < foreign]
        draw.shuffle(kept)
        return " ".join(kept) or _NOTHING

    return {study: [written(study) for _ in range(samples)] for study in reports}


def simulated_raters(**settings: float) -> list[SimulatedRater]:
    """Return a rater of each taste, named after it.

    Args:
        settings: Of `SimulatedRater`, the same for all.
    """
    return [SimulatedRater(name, taste, **settings) for name, taste in TASTES.items()]


def simulate(
    pairs: Iterable[Pair],
    truth: Mapping[str, Labels],
    raters: Sequence[SimulatedRater],
    seed: int = 0,
) -> list[Judgement]:
    """Let raters judge all pairs, in the order of showing.

    Args:
        pairs: The sheet.
        truth: Study id to true labels.
        raters: Who judges. What one of them says does not depend on who else is there.
        seed: Of their choices and of their times.

    Returns:
        The judgements, rater by rater.
    """
    shown = list(pairs)
    judgements = []
    for rater in raters:
        generator = np.random.default_rng([seed, *rater.name.encode()])
        time = _START
        for pair in shown:
            chances = rater.probabilities(pair, truth[pair.study_id])
            choice = CHOICES[int(generator.choice(3, p=chances))]
            words = len(f"{pair.left} {pair.right}".split())
            seconds = words / rater.words_per_second * math.exp(0.3 * generator.standard_normal())
            time += timedelta(seconds=seconds)
            judgements.append(
                Judgement(pair.pair, rater.name, cast(Choice, choice), "", round(seconds, 1), time)
            )
    return judgements


def best_accuracy(
    pairs: Iterable[Pair], truth: Mapping[str, Labels], rater: SimulatedRater, *, ties: bool = False
) -> float:
    """Return the accuracy that nobody can beat in predicting a rater (Bayes).

    Args:
        pairs: The pairs that are judged.
        truth: Study id to true labels.
        rater: Who judges.
        ties: Whether ties count as an answer of their own. By default judgements that are ties are
            left out, as in the accuracy of a reward model that only orders reports.

    Returns:
        The expected share that is predicted right by whoever knows the rater's probabilities.
    """
    chances = np.array([rater.probabilities(pair, truth[pair.study_id]) for pair in pairs])
    if ties:
        return float(chances.max(axis=1).mean())
    decided = chances[:, :2]
    return float(decided.max(axis=1).sum() / decided.sum())
