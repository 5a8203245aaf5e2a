"""Facts of a report, marked one by one: right, right but for its side or size, false, missed, denied.

What the page of an evaluation shows beside FactS' verdicts on sentences, so that no green mark hides a
wrong side.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from orapo.evaluation.pages.verdicts import Piece, ReferenceVerdict
from orapo.facts import Verdict
from orapo.facts.graded import Category, GradedError, GradedReader, GradedReport, graded_score
from orapo.facts.graded.reading import default_reader
from orapo.facts.graded.reward import study_context
from orapo.facts.graded.score import GradedScore


class FactVerdict(StrEnum):
    """What became of one finding."""

    RIGHT = "fact_right"
    PARTLY = "partly_right"
    FALSE = "fact_false"
    MISSED = "fact_missed"
    CONTRADICTED = "fact_contradicted"


TITLES: Final = {
    FactVerdict.RIGHT: ("✓", "right"),
    FactVerdict.PARTLY: ("≈", "partly right"),
    FactVerdict.FALSE: ("✗", "false"),
    FactVerdict.MISSED: ("…", "missed"),
    FactVerdict.CONTRADICTED: ("≠", "contradicted"),
}
_LOST: Final = {
    Category.FALSE_FINDING: FactVerdict.FALSE,
    Category.MISSED_FINDING: FactVerdict.MISSED,
    Category.CONTRADICTION: FactVerdict.CONTRADICTED,
}


class FactMark(NamedTuple):
    """One finding and what became of it.

    Attributes:
        verdict: Which of the five.
        finding: The concept.
        words: What is wrong, e.g. ``"wrong location: right for left"``; empty if nothing is.
        quote: The sentence it stands in, of the report, or of the reference for what is missed.
    """

    verdict: FactVerdict
    finding: str
    words: str
    quote: str


class GradedView(NamedTuple):
    """A report's facts, marked.

    Attributes:
        score: The graded score.
        marks: The findings: those of the report, then what it lacks.
        counts: (verdict, how many), in the order of `FactVerdict`.
        partly: Spans of the report's mentions about which something is wrong.
        reference_partly: Spans of the reference's mentions that these are matched with.
    """

    score: float
    marks: tuple[FactMark, ...]
    counts: tuple[tuple[FactVerdict, int], ...]
    partly: tuple[tuple[int, int], ...]
    reference_partly: tuple[tuple[int, int], ...]


def graded_view(
    text: str,
    reference: str,
    age: float | None = None,
    indication: str = "",
    reader: GradedReader | None = None,
) -> GradedView | None:
    """Mark the facts of a report; None where one of the texts can't be read.

    Args:
        text: The report.
        reference: The radiologist's.
        age: Of the patient, in years, where known.
        indication: Why the film was asked for, where known.
        reader: Another than the one that all of this process share, which keeps what it has read.
    """
    reader = reader or default_reader()
    report, truth = reader.read(text), reader.read(reference)
    context = study_context(age, indication, reader.tables, reference)
    score = graded_score(report, truth, context, reader.tables)
    if score is None:
        return None
    matched = _matched(score, report)
    marks = [*matched, *_rest(score, report, truth)]
    counts = tuple((each, sum(mark.verdict is each for mark in marks)) for each in FactVerdict)
    partly = tuple(
        error.span
        for error in score.errors
        if error.category is not Category.MISSED_FINDING
        and error.category is not Category.IMPRECISE
        and error.sentence is not None
        and error.reference_sentence is not None
    )
    theirs = tuple(
        (truth.facts[index].start, truth.facts[index].end)
        for mark, found in zip(matched, score.findings, strict=True)
        if mark.verdict is FactVerdict.PARTLY
        for index in found.reference_facts
    )
    return GradedView(score.score, tuple(marks), counts, partly, theirs)


def with_partly(pieces: Sequence[Piece], spans: Sequence[tuple[int, int]]) -> tuple[Piece, ...]:
    """Take the green from sentences whose finding is right and whose side, size or place is not.

    Args:
        pieces: Of a report or a reference.
        spans: `GradedView.partly` or `GradedView.reference_partly`.
    """
    if not spans:
        return tuple(pieces)
    changed: list[Piece] = []
    start = 0
    for piece in pieces:
        end = start + len(piece.text)
        wrong = any(start <= place < end for place, _ in spans)
        if wrong and piece.verdict in (Verdict.ENTAILED, ReferenceVerdict.FOUND):
            piece = piece._replace(verdict=FactVerdict.PARTLY)
        changed.append(piece)
        start = end
    return tuple(changed)


def _matched(score: GradedScore, report: GradedReport) -> list[FactMark]:
    marks = []
    for found in score.findings:
        places = {(report.facts[index].start, report.facts[index].end) for index in found.facts}
        wrong = [
            f"{error.category.value}: {error.detail}"
            for error in score.errors
            if error.reference_sentence is not None
            and error.category not in _LOST
            and error.finding == found.finding
            and error.span in places
        ]
        verdict = FactVerdict.PARTLY if wrong else FactVerdict.RIGHT
        quote = report.sentences[report.facts[found.facts[0]].sentence].text
        marks.append(FactMark(verdict, found.finding, "; ".join(wrong), quote))
    return marks


def _rest(score: GradedScore, report: GradedReport, truth: GradedReport) -> list[FactMark]:
    """What was matched with nothing: false, missed, denied; one side of two left out or too many."""
    told: list[tuple[GradedError, FactVerdict]] = []
    for error in score.errors:
        if error.category in _LOST:
            told.append((error, _LOST[error.category]))
        elif error.category is Category.WRONG_LOCATION and error.reference_sentence is None:
            told.append((error, FactVerdict.FALSE))
        elif error.category is Category.WRONG_LOCATION and error.sentence is None:
            told.append((error, FactVerdict.MISSED))
    return [FactMark(verdict, e.finding, e.detail, _quote(e, report, truth)) for e, verdict in told]


def _quote(error: GradedError, report: GradedReport, truth: GradedReport) -> str:
    if error.sentence is not None:
        return report.sentences[error.sentence].text
    assert error.reference_sentence is not None
    return truth.sentences[error.reference_sentence].text
