"""Paired comparison of systems on the same studies (Noreen 1989; Efron and Tibshirani 1993)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orapo.evaluation.bootstrap import LEVEL, Resampler, holm
from orapo.evaluation.clinical import label_matrix
from orapo.evaluation.counts import (
    Convention,
    Counts,
    Weights,
    convention_figures,
    conventions_named,
)
from orapo.evaluation.detail import mean_over_studies
from orapo.evaluation.figures.graded import graded_scores
from orapo.evaluation.figures.language import (
    MEANING,
    LanguageFigures,
    language_figures,
    language_statistics,
)
from orapo.evaluation.figures.wins import wins_by_label, wins_by_score
from orapo.evaluation.inputs import Reference
from orapo.evaluation.titles import figure_title
from orapo.facts import ReportFacts, label_report, score_reports
from orapo.labels import UncertainPolicy, any_known

Step = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is done, and how much there is (None: unknown)."""

_COMPARED: Final[Mapping[UncertainPolicy, tuple[str, ...]]] = {
    UncertainPolicy.NEGATIVE: (
        *("macro_uncertain_negative", "r2gen_macro"),
        *("micro_uncertain_negative", "example_uncertain_negative"),
    ),
    UncertainPolicy.POSITIVE: (
        *("macro_uncertain_positive", "r2gen_macro"),
        *("micro_uncertain_positive", "example_uncertain_positive"),
    ),
    UncertainPolicy.IGNORE: (
        *("macro_uncertain_ignored", "r2gen_macro"),
        "micro_uncertain_ignored",
    ),
}
"""The first one is the headline; R2Gen's, where uncertain is negative, stands beside each."""
LANGUAGE: Final = list(MEANING)


def compared(
    systems: Mapping[str, Mapping[str, str]],
    truth: Mapping[str, Reference],
    *,
    uncertain: UncertainPolicy,
    resamples: int,
    seed: int,
    language: bool = False,
    step: Step = lambda what, done, total: None,
) -> dict[str, Any]:
    """Compare every pair of systems in every figure.

    Args:
        systems: Name to generated reports, of the same studies in the same order as ``truth``.
        truth: The references.
        uncertain: What -1 counts as.
        resamples: Of the bootstrap, and swaps of the randomisation.
        seed: Of both.
        language: Compare words too (`orapo.evaluation.figures.language`).
        step: Told what is being done.

    Returns:
        ``comparisons`` with, for each pair and figure, both values (of FactS over the ``studies`` in
        which both systems have one), their difference with its
        paired bootstrap interval, the two-sided p of approximate randomisation, the same after
        Holm's correction over all of them, and a sentence; ``wins`` with, for each pair, wins and
        losses by study and by label (`orapo.evaluation.figures.wins`); ``not_english``, how many reports of
        each were not read: they have no FactS, and say nothing in all other figures; ``beside``, which published tables a
        figure may stand beside; ready for JSON.
    """
    conventions = conventions_named(_COMPARED[uncertain])
    patients = [reference.patient_id for reference in truth.values()]
    resampler = Resampler(patients, resamples, seed)
    references = [reference.labels for reference in truth.values()]
    matrix = label_matrix(references, "reference")
    texts = [reference.report for reference in truth.values()]
    parts: dict[str, _Scored] = {}
    not_english: dict[str, int] = {}
    for name, reports in systems.items():
        read: list[ReportFacts] = []
        for text in reports.values():
            read.append(label_report(text))
            step(f"FactS reads {name}", len(read), len(reports))
        not_english[name] = sum(not one.english for one in read)
        calls = label_matrix([report.labels for report in read], "prediction")
        counts = {
            policy: Counts.of(calls, matrix, policy)
            for policy in {convention.uncertain for convention in conventions}
        }
        # as in `orapo.evaluation.report_figures`: what was not read has no FactS, and is no zero
        scores = score_reports(
            [one if one.english else None for one in read],
            references,
            uncertain=UncertainPolicy.POSITIVE,
        )
        rewards = np.array(
            [
                score.reward if score is not None and any_known(labels) else np.nan
                for score, labels in zip(scores, references, strict=True)
            ]
        )
        step(f"graded score of {name}", 0, None)
        words = language_figures(list(reports.values()), texts) if language else None
        parts[name] = _Scored(counts, rewards, graded_scores(reports, truth), words)
    figures = [*(convention.name for convention in conventions), "facts_reward"]
    figures += ["graded_score"] if any(text.strip() for text in texts) else []
    figures += LANGUAGE if language else []
    comparisons, wins = [], []
    by_graded = "graded_score" in figures
    for a, b in combinations(systems, 2):
        step(f"{a} against {b}, {resamples:,} resamples and as many swaps", 0, None)
        comparisons += _pair(a, b, parts[a], parts[b], conventions, figures, resampler)
        one, other = parts[a], parts[b]
        by_study = (one.graded, other.graded) if by_graded else (one.rewards, other.rewards)
        wins.append(
            {
                "a": a,
                "b": b,
                "score": "graded score" if by_graded else "FactS reward",
                "studies": wins_by_score(*by_study, resampler),
                "labels": wins_by_label(one.counts[uncertain], other.counts[uncertain], resampler),
            }
        )
    known = [pair for pair in comparisons if pair["p"] is not None]
    for pair, p in zip(known, holm([pair["p"] for pair in known]), strict=True):
        pair["p_holm"] = p
    for pair in comparisons:
        pair["in_words"] = _in_words(pair, uncertain)
    return {
        "studies": len(truth),
        "patients": resampler.patients,
        "resampled": "patients" if any(patients) else "studies (no patient is known)",
        "uncertain": uncertain.value,
        "resamples": resamples,
        "seed": seed,
        "headline": figures[0],
        "beside": {one.name: one.beside for one in conventions if one.beside},
        "not_english": not_english,
        "comparisons": comparisons,
        "wins": wins,
    }


@dataclass(frozen=True)
class _Scored:
    """One system, study by study."""

    counts: Mapping[UncertainPolicy, Counts]
    rewards: NDArray[np.float64]
    graded: NDArray[np.float64]
    words: LanguageFigures | None


def _pair(
    a: str,
    b: str,
    first: _Scored,
    second: _Scored,
    conventions: tuple[Convention, ...],
    figures: list[str],
    resampler: Resampler,
) -> list[dict[str, Any]]:
    joined = {
        policy: Counts(
            *(
                np.concatenate([getattr(mine, part), getattr(second.counts[policy], part)])
                for part in ("tp", "fp", "fn")
            )
        )
        for policy, mine in first.counts.items()
    }
    # paired: a system that was read on the easy studies alone would win by those
    rewards = np.concatenate(
        [
            np.where(np.isnan(other), np.nan, own)
            for own, other in ((first.rewards, second.rewards), (second.rewards, first.rewards))
        ]
    )
    graded = np.concatenate([first.graded, second.graded])
    words = None
    if first.words is not None and second.words is not None:
        words = first.words.beside(second.words)

    def of(weights_a: Weights, weights_b: Weights) -> NDArray[np.float64]:
        """Figures of a system that is A for some studies and B for others."""
        weights = np.concatenate([weights_a, weights_b], axis=1)
        columns = [
            convention_figures(joined[one.uncertain], one, weights)["f1"] for one in conventions
        ]
        columns.append(mean_over_studies(rewards, weights))
        if "graded_score" in figures:
            columns.append(mean_over_studies(graded, weights))
        table = np.stack(columns, axis=1)
        if words is not None:
            table = np.concatenate([table, language_statistics(words, weights)], axis=1)
        return table

    def difference(weights: Weights) -> NDArray[np.float64]:
        none = np.zeros_like(weights)
        return of(weights, none) - of(none, weights)

    count = len(first.rewards)
    studies = {
        "facts_reward": int((~np.isnan(rewards[:count])).sum()),
        "graded_score": int((~np.isnan(first.graded)).sum()),
    }
    whole = resampler.whole()
    values_a = of(whole, np.zeros_like(whole))[0]
    values_b = of(np.zeros_like(whole), whole)[0]
    observed = values_a - values_b
    intervals = resampler.interval(difference)
    swapped = resampler.swapped(lambda kept, rest: of(kept, rest) - of(rest, kept))
    # the observed arrangement is one of those that chance could have made
    extreme = (np.abs(swapped) >= np.abs(observed) - 1e-12).sum(axis=0)
    p = (extreme + 1) / (len(swapped) + 1)
    return [
        {
            "a": a,
            "b": b,
            "figure": figure,
            "studies": studies.get(figure, count),
            "value_a": _number(values_a[column]),
            "value_b": _number(values_b[column]),
            "difference": _number(observed[column]),
            "interval": [_number(intervals[column].low), _number(intervals[column].high)],
            # chance can't be told from one patient, nor of a figure that does not exist
            "p": float(p[column])
            if resampler.patients > 1 and not np.isnan(observed[column])
            else None,
            "p_holm": None,
        }
        for column, figure in enumerate(figures)
    ]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _in_words(pair: Mapping[str, Any], uncertain: UncertainPolicy) -> str:
    figure = figure_title(pair["figure"], uncertain=uncertain.value)
    if pair["figure"] not in LANGUAGE and not figure.startswith(("R2", "FactS")):
        figure = figure[0].lower() + figure[1:]  # within a sentence, but for names
    if pair["figure"] in ("facts_reward", "graded_score"):
        figure = f"mean {figure}"
    difference = pair["difference"]
    if difference is None:
        return f"{figure} does not exist for {pair['a']} and {pair['b']} on these studies."
    if pair["p"] is None:
        return f"{pair['a']} and {pair['b']} can't be compared on one patient."
    if difference == 0:
        return f"{pair['a']} and {pair['b']} have the same {figure}."
    higher, lower = (pair["a"], pair["b"]) if difference > 0 else (pair["b"], pair["a"])
    low, high = sorted(bound if difference > 0 else -bound for bound in pair["interval"])
    said = (
        f"{higher}'s {figure} is higher than {lower}'s by {abs(difference):.3f}, "
        f"{LEVEL * 100:.0f} % interval {low:z.3f} to {high:z.3f}, p = {pair['p']:.4f} "
        f"({pair['p_holm']:.4f} after Holm's correction)"
    )
    if pair["p_holm"] <= 1 - LEVEL:
        return f"{said}."
    return f"{said}: that may be chance; no difference could be shown."
