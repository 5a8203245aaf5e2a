"""Everything of an evaluation that has an interval: conventions, labels, reports, subgroups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orapo.evaluation.bootstrap import (
    LEVEL,
    NO_FIGURE,
    RESAMPLES,
    Interval,
    Resampler,
    share_interval,
)
from orapo.evaluation.clinical import LabelMatrix, label_matrix
from orapo.evaluation.counts import (
    CONVENTIONS,
    SCORES,
    Convention,
    Counts,
    Weights,
    convention_figures,
    conventions_named,
    counts_by_policy,
    label_figures,
)
from orapo.evaluation.report_figures import why_absent
from orapo.labels import LABELS, LabelValue, UncertainPolicy

NO_SUPPORT: Final = "no label of it is positive in the references"
SMALLEST_GROUP: Final = 10
"""Studies below which a subgroup gets no row of its own."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an evaluation is made of, study by study, in one order.

    Attributes:
        predicted: (studies, 14) labels of the generated reports.
        reference: (studies, 14) labels of the references.
        figures: Figures of each report, (studies,) each.
        patients: The patient of each study; empty where unknown.
        groups: For each kind of subgroup (sex, age band ...) the group of each study; empty where
            unknown.
    """

    predicted: LabelMatrix
    reference: LabelMatrix
    figures: Mapping[str, NDArray[np.float64]]
    patients: Sequence[str]
    groups: Mapping[str, Sequence[str]]


def detailed(
    evaluated: Evaluated,
    best_trivial: LabelMatrix | None,
    *,
    uncertain: UncertainPolicy,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Return every figure with its interval, ready for JSON.

    Args:
        evaluated: The studies.
        best_trivial: Labels of the best trivial baseline, for the model's lift over it; None: no lift.
        uncertain: The policy of the per-label table and of the headline.
        resamples: Bootstrap resamples.
        seed: Of the resamples.
    """
    resampler = Resampler(evaluated.patients, resamples, seed)
    known = sum(1 for name in evaluated.patients if name)
    alone = resampler.patients < 2
    result: dict[str, Any] = {
        "method": {
            "interval": "none: it needs two patients or more"
            if alone
            else f"{LEVEL:.0%} percentile bootstrap",
            "resamples": resamples,
            "resampled": "patients" if known else "studies (no patient is known)",
            "patients": resampler.patients,
            "seed": seed,
        }
    }
    counts = counts_by_policy(evaluated.predicted, evaluated.reference)
    conventions = _intervals(
        resampler,
        lambda weights: np.stack(
            [
                figures[score]
                for convention in CONVENTIONS
                for figures in (
                    convention_figures(counts[convention.uncertain], convention, weights),
                )
                for score in SCORES
            ],
            axis=1,
        ),
        [(convention.name, score) for convention in CONVENTIONS for score in SCORES],
    )
    for convention in CONVENTIONS:
        row = conventions[convention.name]
        for figure in [row[score] for score in SCORES]:
            if figure["value"] is None:
                nothing = row["recall"]["value"] is None
                figure["reason"] = NO_SUPPORT if nothing else "nothing is claimed"
        row["meaning"] = _in_words(convention)
        row["beside"] = convention.beside or None
    result["conventions"] = conventions
    result["per_label"] = _label_intervals(counts[uncertain], resampler)
    means = resampler.interval(
        lambda weights: np.stack(
            [mean_over_studies(values, weights) for values in evaluated.figures.values()], axis=1
        )
    )
    by_name = dict(zip(evaluated.figures, means, strict=True))
    absent = {name for name, one in by_name.items() if one.value != one.value}
    result["reports"] = {
        name: one.as_dict() | ({"reason": why_absent(name)} if name in absent else {})
        for name, one in by_name.items()
    }
    headline = _headline(uncertain)
    result["headline"] = {
        "model": {
            figure: conventions[convention.name][score]
            for figure, convention, score in _headline_figures(uncertain)
        }
    }
    if best_trivial is not None:
        trivial = counts_by_policy(best_trivial, evaluated.reference)
        lift, *figures = resampler.interval(
            lambda weights: np.stack(
                [
                    convention_figures(counts[uncertain], headline, weights)["f1"]
                    - convention_figures(trivial[uncertain], headline, weights)["f1"],
                    *(
                        convention_figures(trivial[convention.uncertain], convention, weights)[
                            score
                        ]
                        for _, convention, score in _headline_figures(uncertain)
                    ),
                ],
                axis=1,
            )
        )
        result["lift"] = {**lift.as_dict(), "figure": headline.name}
        result["headline"]["best_trivial"] = {
            figure: interval.as_dict()
            for (figure, *_), interval in zip(_headline_figures(uncertain), figures, strict=True)
        }
    result["subgroups"] = _subgroups(evaluated, uncertain, resamples, seed)
    return result


def macro_f1_interval(
    predicted: Sequence[Mapping[str, LabelValue]],
    reference: Sequence[Mapping[str, LabelValue]],
    patients: Sequence[str],
    *,
    uncertain: UncertainPolicy,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return the macro-F1 over the labels with support, with its interval over patients.

    Args:
        predicted: Labels of the generated reports.
        reference: Labels of the same studies.
        patients: Whose study each is; empty where unknown.
        uncertain: What -1 counts as.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """
    matrices = label_matrix(predicted, "prediction"), label_matrix(reference, "reference")
    counts = counts_by_policy(*matrices)[uncertain]
    headline = _headline(uncertain)
    (interval,) = Resampler(patients, resamples, seed).interval(
        lambda weights: convention_figures(counts, headline, weights)["f1"]
    )
    return interval


def _headline(uncertain: UncertainPolicy) -> Convention:
    words = {
        UncertainPolicy.NEGATIVE: "macro_uncertain_negative",
        UncertainPolicy.POSITIVE: "macro_uncertain_positive",
        UncertainPolicy.IGNORE: "macro_uncertain_ignored",
    }
    return next(one for one in CONVENTIONS if one.name == words[uncertain])


def _headline_figures(uncertain: UncertainPolicy) -> list[tuple[str, Convention, str]]:
    """Return the figures of a row of the headline's table: key, convention, score."""
    macro = _headline(uncertain)
    micro, r2gen = conventions_named((macro.name.replace("macro", "micro"), "r2gen_macro"))
    return [
        *((f"macro_{score}", macro, score) for score in SCORES),
        ("micro_f1", micro, "f1"),
        ("r2gen_macro_f1", r2gen, "f1"),
    ]


def _intervals(
    resampler: Resampler, statistic: Any, names: Sequence[tuple[str, str]]
) -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = {}
    intervals: list[Interval] = resampler.interval(statistic)
    for (row, column), interval in zip(names, intervals, strict=True):
        table.setdefault(row, {})[column] = interval.as_dict()
    return table


def _label_intervals(counts: Counts, resampler: Resampler) -> dict[str, dict[str, Any]]:
    """Return the figures of each label; where all studies agree, for as many patients as have it."""
    intervals = resampler.interval(
        lambda weights: np.concatenate(
            [label_figures(counts, weights)[score] for score in SCORES], axis=1
        )
    )
    called, true = counts.tp + counts.fp > 0, counts.tp + counts.fn > 0
    of = {"precision": called, "recall": true, "f1": called | true}
    places = [(score, column) for score in SCORES for column in range(len(LABELS))]
    # 0 of 0 is no figure; an F1 needs positive references
    claimed, positive = np.any(called, axis=0).tolist(), np.any(true, axis=0).tolist()
    there: dict[str, list[bool]] = {"precision": claimed, "recall": positive, "f1": positive}
    table: dict[str, dict[str, Any]] = {label: {} for label in LABELS}
    for (score, column), interval in zip(places, intervals, strict=True):
        if not there[score][column]:
            why = "never claimed" if score == "precision" else "no reference is positive"
            table[LABELS[column]][score] = {**NO_FIGURE.as_dict(), "reason": why}
            continue
        patients = resampler.patients_of(of[score][:, column])
        table[LABELS[column]][score] = share_interval(interval, patients).as_dict()
    return table


def mean_over_studies(values: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    """Weighted mean over the studies to which a figure applies; NaN if there are none."""
    applies = ~np.isnan(values)
    total = weights @ applies.astype(np.float64)
    sums = weights @ np.where(applies, values, 0.0)
    mean: NDArray[np.float64] = np.divide(
        sums, total, out=np.full(len(weights), np.nan), where=total > 0
    )
    return mean


def _in_words(convention: Convention) -> str:
    parts = [
        f"{convention.average.value} average",
        f"{len(convention.labels)} labels",
        f"uncertain counts as {convention.uncertain.value}"
        if convention.uncertain is not UncertainPolicy.IGNORE
        else "cells uncertain in the reference left out, uncertain predictions positive",
        "blank negative",
    ]
    if convention.supported_only:
        parts.append("labels without support in the references left out")
    text = "; ".join(parts)
    return f"{text} ({convention.meaning})" if convention.meaning else text


def _subgroups(
    evaluated: Evaluated, uncertain: UncertainPolicy, resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = {}
    headline = _headline(uncertain)
    for kind, groups in evaluated.groups.items():
        names = np.array(groups, dtype=str)
        for name in sorted({str(group) for group in names} - {""}):
            rows = np.flatnonzero(names == name).tolist()
            entry: dict[str, Any] = {"studies": len(rows)}
            if len(rows) >= SMALLEST_GROUP:
                part = Resampler([evaluated.patients[row] for row in rows], resamples, seed)
                policies = counts_by_policy(evaluated.predicted[rows], evaluated.reference[rows])
                counts, reward = policies[uncertain], evaluated.figures["facts_reward"][rows]
                both = partial(_macro_and_reward, counts, headline, reward)
                macro, facts = part.interval(both)
                entry |= {"macro_f1": macro.as_dict(), "facts_reward": facts.as_dict()}
            table.setdefault(kind, {})[name] = entry
    return table


def _macro_and_reward(
    counts: Counts, headline: Convention, reward: NDArray[np.float64], weights: Weights
) -> NDArray[np.float64]:
    return np.stack(
        [convention_figures(counts, headline, weights)["f1"], mean_over_studies(reward, weights)],
        axis=1,
    )


def age_band(age: float | None) -> str:
    """Return the band of an age in years, as tables of the field have them; empty if unknown."""
    if age is None:
        return ""
    for upper, name in ((18, "under 18"), (40, "18 to 39"), (65, "40 to 64"), (80, "65 to 79")):
        if age < upper:
            return name
    return "80 and over"
