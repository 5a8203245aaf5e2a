"""Figures of single reports: FactS, what is invented and missed, repetition, sides, earlier films.

Each is a number a study (NaN where it does not apply), so that means, subgroups and intervals are
made of them like of everything else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orapo.facts import RepetitionPenalty, ReportFacts, score_reports
from orapo.facts.comparison import EARLIER_FILMS
from orapo.facts.fact import Fact, Polarity
from orapo.facts.graded import Category
from orapo.labels import LABELS, NO_FINDING, LabelValue, UncertainPolicy, any_known

FIGURES: Final = {
    "facts_reward": "FactS (b = 1, uncertain positive) against the reference labels",
    "hallucinated": "labels claimed that the reference does not have",
    "missed": "labels of the reference that are not claimed",
    "contradicted": "labels of the reference that the report denies",
    "unreadable": "share of reports from which no fact could be read",
    "repetition": "share of a report's facts that say nothing new",
    "words": "words of a report",
    "normal_false_alarm": "share of normal studies whose report claims an abnormality",
    "side_agreement": "matched findings with a side on both texts: share with the same side",
    "severity_agreement": "matched findings with a severity on both texts: share with the same one",
    "earlier_films": "share of reports that compare with an earlier film",
    "invented_comparisons": "share of reports that do so though the model was given no earlier study",
}


def graded_name(category: Category) -> str:
    """Return the name of the figure that counts a category's errors of the graded score."""
    return f"graded_{category.value.replace(' ', '_')}"


UNITS: Final = {
    **dict.fromkeys(("hallucinated", "missed", "contradicted"), "labels per report"),
    **dict.fromkeys(("unreadable", "earlier_films", "invented_comparisons"), "% of reports"),
    "facts_reward": "from 0 to 1",
    "repetition": "% of facts",
    "words": "words per report",
    "normal_false_alarm": "% of normal studies",
    **dict.fromkeys(("side_agreement", "severity_agreement"), "% of findings"),
    "graded_score": "from -1 to 1",
    **{graded_name(category): "errors per report" for category in Category},
}
"""What each figure counts. Shares are numbers from 0 to 1 in ``metrics.json``, and % for people."""
ABSENT: Final = {
    **dict.fromkeys(FIGURES, "no study"),
    "facts_reward": "no reference has a label that could be scored, or no report is English",
    "repetition": "no fact could be read from any report",
    "normal_false_alarm": "no reference is normal, or no report of one could be read",
    "earlier_films": "no report is English",
    "side_agreement": "no matched finding has a side in both texts",
    "severity_agreement": "no matched finding has a severity in both texts",
    "invented_comparisons": "the model was given an earlier study each time, or no report is English",
}
"""Why there is no such figure, of those that do not need a reference text."""


def why_absent(name: str) -> str:
    """Return why there is no such figure."""
    return ABSENT.get(
        name, "no study has a reference text that can be read, or no report is English"
    )


def in_units(name: str, value: float) -> str:
    """Return a figure for people: a share in %, a count with two places."""
    unit = UNITS.get(name, "")
    if unit.startswith("%"):
        return f"{100 * value:.1f} %"
    return f"{value:.3f}" if unit.startswith("from") else f"{value:.2f}"


def report_figures(
    reports: Sequence[ReportFacts],
    references: Sequence[Mapping[str, LabelValue]],
    reference_texts: Sequence[ReportFacts | None],
    earlier_given: Sequence[bool] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return the figures of `FIGURES`, (studies,) each.

    A report that is not English, and a study whose labels give nothing to score, have no FactS.

    Args:
        reports: What was read from the generated reports.
        references: The studies' labels.
        reference_texts: What was read from the reference reports; None where there is none.
        earlier_given: Whether the model was given an earlier study of the patient, for each report;
            by default it never was.
    """
    given = [False] * len(reports) if earlier_given is None else earlier_given
    scores = score_reports(
        [report if report.english else None for report in reports],
        references,
        uncertain=UncertainPolicy.POSITIVE,
    )
    repeated = RepetitionPenalty()
    columns: dict[str, list[float]] = {name: [] for name in FIGURES}
    for report, labels, text, score, earlier in zip(
        reports, references, reference_texts, scores, given, strict=True
    ):
        claims = [
            name for name in LABELS if name != NO_FINDING and report.labels.get(name) in (1, -1)
        ]
        # a reference of which nothing is known is not a normal one, a report that was not read not good
        known = any_known(labels)
        normal = known and report.readable
        normal = normal and not any(labels.get(n) in (1, -1) for n in LABELS if n != NO_FINDING)
        sides, severities = _agreement(report, text)
        compares = EARLIER_FILMS.search(report.text) is not None
        for name, value in (
            ("facts_reward", score.reward if score and known else np.nan),
            ("hallucinated", score.fp - score.contradictions if score and known else np.nan),
            ("missed", score.fn if score and known else np.nan),
            ("contradicted", score.contradictions if score and known else np.nan),
            ("unreadable", not report.readable),
            ("repetition", abs(repeated([report.text])[0]) if report.facts else np.nan),
            ("words", len(report.text.split())),
            ("normal_false_alarm", bool(claims) if normal else np.nan),
            ("side_agreement", sides),
            ("severity_agreement", severities),
            ("earlier_films", compares if report.english else np.nan),
            ("invented_comparisons", np.nan if earlier or not report.english else compares),
        ):
            columns[name].append(float(value))
    return {name: np.array(values) for name, values in columns.items()}


def _agreement(report: ReportFacts, reference: ReportFacts | None) -> tuple[float, float]:
    """Share of findings that both texts state with the same side, and with the same severity."""
    if reference is None:
        return np.nan, np.nan
    here, there = _stated(report), _stated(reference)
    sides: list[bool] = []
    severities: list[bool] = []
    for finding in here.keys() & there.keys():
        for agree, mine, theirs in (
            (sides, _said(here[finding], "laterality"), _said(there[finding], "laterality")),
            (severities, _said(here[finding], "severity"), _said(there[finding], "severity")),
        ):
            if mine and theirs:
                agree.append(mine == theirs)
    return _share(sides), _share(severities)


def _stated(report: ReportFacts) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = {}
    for fact in report.facts:
        if fact.polarity is not Polarity.ABSENT:
            found.setdefault(fact.finding, []).append(fact)
    return found


def _said(facts: Sequence[Fact], quality: str) -> frozenset[str]:
    return frozenset(value for fact in facts if (value := getattr(fact, quality)) is not None)


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else np.nan


def sameness(texts: Sequence[str]) -> dict[str, float | None]:
    """Return how alike the reports are: collapse shows here before it shows in a score.

    Returns:
        ``distinct_share`` of all reports, and ``most_common_share``, the share of the commonest;
        reports that differ in white space only are the same. None where there is one report.
    """
    if len(texts) < 2:
        return {"distinct_share": None, "most_common_share": None}
    counts = Counter(" ".join(text.split()) for text in texts)
    total = max(1, len(texts))
    return {
        "distinct_share": len(counts) / total,
        "most_common_share": max(counts.values(), default=0) / total,
    }
