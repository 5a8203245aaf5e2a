"""How well scores agree with radiologists: the graded score, FactS, word overlap and BLEU in one run.

    python benchmarks/radiologists.py RADPREF.json [--robustness]

RADPREF.json holds studies with a reference, two candidate reports (C1, C2) and ratings from 1 to 5 by
several radiologists (RadPref of the CRIMSON project, MIT licence; not part of this repository):
``[{reference, reports: {C1, C2}, ratings: {C1: [...], C2: [...]}}]``, ``age`` and ``indication`` if known.
Printed for each score: Kendall's tau-b with the mean rating over all reports (95 % bootstrap interval
over studies), and of the pairs that the mean rating tells apart how many it orders rightly, ties and
orders wrongly. The last row is one radiologist against the mean of the others.

With ``--robustness``: tau-b when each constant of ``weights.toml`` is a quarter smaller and larger, and
what choosing the best of those moves on a random half of the studies gives on the other half.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from orapo import FactSReward, GradedFactSReward
from orapo.facts.graded.reading import default_reader
from orapo.facts.graded.reward import study_context
from orapo.facts.graded.score import graded_score
from orapo.facts.graded.tables import load_tables

SIDES = ("C1", "C2")
RESAMPLES = 1000


def word_overlap(reports, report):
    """F1 of the sets of words."""
    scores = []
    for one, other in zip(reports, report, strict=True):
        mine, theirs = (set(text.lower().split()) for text in (one, other))
        scores.append(2 * len(mine & theirs) / max(1, len(mine) + len(theirs)))
    return scores


def bleu(reports, report):
    """Sentence BLEU of sacrebleu (extra `language`)."""
    from sacrebleu.metrics import BLEU

    metric = BLEU(effective_order=True, lowercase=True)
    return [
        metric.sentence_score(one, [other]).score
        for one, other in zip(reports, report, strict=True)
    ]


def scored(reward, rows):
    """(studies, 2) scores; NaN where there is none."""
    references = [row["reference"] for row in rows]
    columns = [reward([row["reports"][side] for row in rows], report=references) for side in SIDES]
    return np.array(columns, dtype=float).T


def tau(scores, ratings, index):
    one, other = scores[index].ravel(), ratings[index].ravel()
    known = ~np.isnan(one)
    return kendalltau(one[known], other[known]).statistic


def agreement(scores, ratings):
    """tau-b, its interval, and the pairs."""
    rng = np.random.default_rng(0)
    index = np.arange(len(ratings))
    drawn = [tau(scores, ratings, rng.choice(index, len(index))) for _ in range(RESAMPLES)]
    gaps = ratings[:, 0] - ratings[:, 1]
    known = np.nan_to_num(scores)
    agree = (known[:, 0] - known[:, 1]) * gaps
    apart = gaps != 0
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    pairs = [(agree > 0).sum(), (apart & (known[:, 0] == known[:, 1])).sum(), (agree < 0).sum()]
    return tau(scores, ratings, index), low, high, pairs


def one_against_the_others(rows):
    """Mean tau-b of each radiologist with the mean of the others."""
    raters = np.array([[row["ratings"][side] for side in SIDES] for row in rows], dtype=float)
    count = raters.shape[2]
    taus = [
        kendalltau(
            raters[:, :, rater].ravel(), np.delete(raters, rater, axis=2).mean(axis=2).ravel()
        ).statistic
        for rater in range(count)
    ]
    return min(taus), max(taus)


def moved(tables):
    """Yield the tables with each constant a quarter smaller and larger."""
    weights = tables.weights
    for group in ("significance", "size", "near"):
        for name, value in getattr(weights, group).items():
            for factor in (0.75, 1.25):
                changed = {**getattr(weights, group), name: value * factor}
                yield f"{group}.{name}", factor, weights.model_copy(update={group: changed})
    for group in ("score", "penalty"):
        part = getattr(weights, group)
        for name in type(part).model_fields:
            for factor in (0.75, 1.25):
                changed = part.model_copy(update={name: getattr(part, name) * factor})
                yield f"{group}.{name}", factor, weights.model_copy(update={group: changed})


def robustness(rows, ratings):
    """Print tau-b for each moved constant, and the best move of one half on the other half."""
    from dataclasses import replace

    reader, tables = default_reader(), load_tables()

    def with_weights(weights):
        changed = replace(tables, weights=weights)
        values = np.full((len(rows), 2), np.nan)
        for at, row in enumerate(rows):
            context = study_context(None, None, changed, row["reference"])
            for by, side in enumerate(SIDES):
                texts = reader.read(row["reports"][side]), reader.read(row["reference"])
                score = graded_score(*texts, context, changed)
                values[at, by] = np.nan if score is None else score.score
        return values

    index = np.arange(len(rows))
    variants = {("as it is", 1.0): with_weights(tables.weights)}
    for name, factor, weights in moved(tables):
        variants[name, factor] = with_weights(weights)
    names = list(dict.fromkeys(name for name, _ in variants))
    for name in names[1:]:
        lower, higher = (tau(variants[name, factor], ratings, index) for factor in (0.75, 1.25))
        print(f"  {name:32s} x 0.75: {lower:.3f}   x 1.25: {higher:.3f}")
    everything = [tau(values, ratings, index) for values in variants.values()]
    print(f"  over all moves: {min(everything):.3f} to {max(everything):.3f}")
    rng = np.random.default_rng(0)
    gains, halves = [], []
    for _ in range(200):
        order = rng.permutation(index)
        train, test = order[: len(index) // 2], order[len(index) // 2 :]
        best = max(variants, key=lambda key: tau(variants[key], ratings, train))
        as_it_is = tau(variants["as it is", 1.0], ratings, test)
        halves.append(as_it_is)
        gains.append(tau(variants[best], ratings, test) - as_it_is)
    print(f"  tau-b of random halves, as it is: {np.mean(halves):.3f} (sd {np.std(halves):.3f})")
    print(f"  the best move of one half gives on the other: {np.mean(gains):+.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", type=Path)
    parser.add_argument("--robustness", action="store_true")
    options = parser.parse_args()
    rows = json.loads(options.studies.read_text(encoding="utf-8"))
    ratings = np.array(
        [[np.mean(row["ratings"][side]) for side in SIDES] for row in rows], dtype=float
    )
    with_context = GradedFactSReward()

    def in_context(reports, report):
        return with_context(
            reports,
            report=report,
            age=[row.get("age") for row in rows],
            indication=[row.get("indication") for row in rows],
        )

    rewards = {
        "graded": GradedFactSReward(),
        "graded, age and indication": in_context,
        "FactS": FactSReward(),
        "word overlap": word_overlap,
        "BLEU": bleu,
    }
    print(f"{len(rows)} studies, {2 * len(rows)} reports")
    for name, reward in rewards.items():
        try:
            value, low, high, pairs = agreement(scored(reward, rows), ratings)
        except ImportError as error:
            print(f"  {name:28s} absent ({error.name} is not installed)")
            continue
        print(
            f"  {name:28s} tau-b {value:.3f} ({low:.2f} to {high:.2f})"
            f"   right {pairs[0]}, tied {pairs[1]}, wrong {pairs[2]}"
        )
    low, high = one_against_the_others(rows)
    print(f"  {'a radiologist and the others':28s} tau-b {low:.3f} to {high:.3f}")
    if options.robustness:
        robustness(rows, ratings)


if __name__ == "__main__":
    main()
