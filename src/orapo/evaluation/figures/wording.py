"""Calibration of words: how often the reference is positive after "is", "likely", "possible", "no".

A report has no score, so its certainty is in its words. They are calibrated if a stronger word is
followed more often by a positive reference than a weaker one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from orapo.evaluation.bootstrap import Resampler, share_interval
from orapo.evaluation.counts import Weights
from orapo.facts.fact import Fact, Polarity, ReportFacts
from orapo.labels import LABELS, NO_FINDING, UNCERTAIN, LabelValue

CALLS: Final[Mapping[str, LabelValue]] = {
    "positive": 1,
    "uncertain": -1,
    "negative": 0,
    "blank": None,
}
"""Name of a call to its value."""

_ASSERTING: Final = {
    "consistent with": r"(?:consistent|compatible) with|c/w",
    "likely": r"(?<!less )(?<!not )likely",
    "suggests": r"suggest(?:s|ed|ing|ive)?",
}
_HEDGING: Final = {
    "probable": r"probabl[ey]|presum(?:ed|abl[ey])|favou?r(?:s|ed|ing)?",
    "suspected": r"suspect(?:ed)?|suspicio(?:n|us)|concern(?:ing)?|worrisome",
    "may, could": r"may|might|could",
    "possible": r"possibl[ey]|possibility|potential(?:ly)?|perhaps|questionable|question|equivocal",
    "not excluded": r"(?:exclude|rule out|excluded|ruled out)",
    "unlikely": r"unlikely|(?:less|not) likely",
}
# "Atelectasis or scar" hedges both, if nothing else does.
_ALTERNATIVE: Final = {"or, versus": r"or|versus|vs"}
PHRASES: Final = (*_ASSERTING, *_HEDGING, *_ALTERNATIVE)
"""Hedging phrases, the surest first. Those of the first three make a finding present for FactS, the
others uncertain. The order is that of common usage; no scale of words to shares is agreed on."""


def _compiled(phrases: Mapping[str, str]) -> dict[str, re.Pattern[str]]:
    return {
        name: re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE) for name, pattern in phrases.items()
    }


_ASSERTING_PATTERNS: Final = _compiled(_ASSERTING)
_HEDGING_PATTERNS: Final = _compiled(_HEDGING)
_ALTERNATIVE_PATTERNS: Final = _compiled(_ALTERNATIVE)


class _Cell(NamedTuple):
    """A label of a study that was called with a certain wording."""

    wording: str
    study: int
    truth: LabelValue


def wording(
    predicted: Sequence[Mapping[str, LabelValue]],
    reference: Sequence[Mapping[str, LabelValue]],
    resampler: Resampler,
) -> dict[str, dict[str, Any]]:
    """Say how often the reference is positive after each call of a prediction.

    Args:
        predicted: Labels of the generated reports.
        reference: Labels of the same studies.
        resampler: Of these studies, for the intervals.

    Returns:
        For ``positive``, ``uncertain``, ``negative`` and ``blank`` calls the number of ``cells``
        (13 labels, No Finding apart), and the share in which the reference is positive and in which
        it is uncertain, each with its interval; None where there is no such cell.
    """
    names = {value: name for name, value in CALLS.items()}
    cells = [
        _Cell(names[call.get(label)], study, truth.get(label))
        for study, (call, truth) in enumerate(zip(predicted, reference, strict=True))
        for label in LABELS
        if label != NO_FINDING
    ]
    return _table(tuple(CALLS), cells, resampler)


def hedging(
    reports: Sequence[ReportFacts],
    reference: Sequence[Mapping[str, LabelValue]],
    resampler: Resampler,
) -> dict[str, dict[str, Any]]:
    """Say how often the reference is positive after each hedging phrase.

    A finding belongs to the phrase of its sentence that stands nearest. One that is present despite
    the phrase ("likely pneumonia") takes only a phrase before it, without another finding between.
    A label that is also said without a phrase counts to none.

    Args:
        reports: What FactS read from the generated reports.
        reference: Labels of the same studies.
        resampler: Of these studies, for the intervals.

    Returns:
        As `wording`, for those of `PHRASES` that occur, with the ``call`` that a phrase is part of.
    """
    cells = []
    for study, (report, truth) in enumerate(zip(reports, reference, strict=True)):
        for label in LABELS:
            call = report.labels.get(label)
            if label == NO_FINDING or call not in (1, -1):
                continue
            facts = [
                report.facts[index]
                for index in report.evidence.get(label, ())
                if report.facts[index].labels.get(label) == call
            ]
            phrases = [phrase for fact in facts if (phrase := _phrase(fact, call, report))]
            if phrases and len(phrases) == len(facts):
                cells.append(_Cell(phrases[0], study, truth.get(label)))
    used = {cell.wording for cell in cells}
    table = _table([phrase for phrase in PHRASES if phrase in used], cells, resampler)
    return {
        phrase: {"call": "positive" if phrase in _ASSERTING else "uncertain", **row}
        for phrase, row in table.items()
    }


def _phrase(fact: Fact, call: LabelValue, report: ReportFacts) -> str | None:
    """Return the phrase that makes a call of a fact less sure, None if there is none.

    Some findings are uncertain for a label without any ("vascular congestion" for Edema).
    """
    sentence = report.sentences[fact.sentence]
    if call == UNCERTAIN and fact.polarity is Polarity.UNCERTAIN:
        for patterns in (_HEDGING_PATTERNS, _ALTERNATIVE_PATTERNS):
            near = [
                (min(abs(fact.start - place.end()), abs(place.start() - fact.end)), name)
                for name, pattern in patterns.items()
                for place in pattern.finditer(report.text, sentence.start, sentence.end)
            ]
            if near:
                return min(near)[1]
        return None
    if call == UNCERTAIN:
        return None
    between = max(
        (other.end for other in report.facts if other.end <= fact.start), default=sentence.start
    )
    before = [
        (-place.end(), name)
        for name, pattern in _ASSERTING_PATTERNS.items()
        for place in pattern.finditer(report.text, max(between, sentence.start), fact.start)
    ]
    return min(before)[1] if before else None


def _table(
    names: Sequence[str], cells: Sequence[_Cell], resampler: Resampler
) -> dict[str, dict[str, Any]]:
    """Count cells by study, so that the studies of a patient are drawn together."""
    if not names:
        return {}
    column = {name: index for index, name in enumerate(names)}
    total, positive, uncertain = np.zeros((3, resampler.studies, len(names)))
    for cell in cells:
        place = (cell.study, column[cell.wording])
        total[place] += 1
        positive[place] += cell.truth == 1
        uncertain[place] += cell.truth == -1

    def shares(weights: Weights) -> NDArray[np.float64]:
        count = weights @ total
        return np.concatenate(
            [
                np.divide(weights @ part, count, out=np.full(count.shape, np.nan), where=count > 0)
                for part in (positive, uncertain)
            ],
            axis=1,
        )

    intervals = resampler.interval(shares)
    table = {}
    for name, index in column.items():
        patients = resampler.patients_of(total[:, index] > 0)
        told, hedged = (
            share_interval(intervals[place], patients) if patients else None
            for place in (index, len(names) + index)
        )
        table[name] = {
            "cells": int(total[:, index].sum()),
            "reference_positive": told and told.as_dict(),
            "reference_uncertain": hedged and hedged.as_dict(),
        }
    return table
