"""Facts of a report, marked one by one: right, right but for its side or size, false, missed, denied.

The sentences that they stand in get the mark of their worst fact, so that no green sentence hides a
wrong side: what is marked is marked by one score, and FactS' labels mark only what that one leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from orapo.evaluation.pages.verdicts import AnyVerdict, Piece, ReferenceVerdict
from orapo.facts import Verdict
from orapo.facts.graded import Category, GradedError, GradedReader, GradedReport, graded_score
from orapo.facts.graded.reading import default_reader
from orapo.facts.graded.reward import study_context
from orapo.facts.graded.score import GradedScore, Matched


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
_LOST: Final[Mapping[Category, FactVerdict]] = {
    Category.FALSE_FINDING: FactVerdict.FALSE,
    Category.MISSED_FINDING: FactVerdict.MISSED,
    Category.CONTRADICTION: FactVerdict.CONTRADICTED,
}


_WORST_FIRST: Final = (
    FactVerdict.CONTRADICTED,
    FactVerdict.FALSE,
    FactVerdict.MISSED,
    FactVerdict.PARTLY,
    FactVerdict.RIGHT,
)
IN_REPORT: Final[Mapping[FactVerdict, AnyVerdict]] = {
    FactVerdict.RIGHT: Verdict.ENTAILED,
    FactVerdict.PARTLY: FactVerdict.PARTLY,
    FactVerdict.FALSE: Verdict.FALSE_ALARM,
    FactVerdict.CONTRADICTED: Verdict.CONTRADICTION,
}
"""The mark of a report's sentence, by that of its worst fact."""
IN_REFERENCE: Final[Mapping[FactVerdict, AnyVerdict]] = {
    FactVerdict.RIGHT: ReferenceVerdict.FOUND,
    FactVerdict.PARTLY: FactVerdict.PARTLY,
    FactVerdict.MISSED: ReferenceVerdict.MISSED,
    FactVerdict.CONTRADICTED: ReferenceVerdict.MISSED,
}
"""The same of a reference's sentence."""


class FactMark(NamedTuple):
    """One finding and what became of it.

    Attributes:
        verdict: Which of the five.
        finding: The concept.
        words: What is wrong, e.g. ``"wrong location: right for left"``; empty if nothing is.
        quotes: The sentences it stands in, of the report, or of the reference for what is missed.
    """

    verdict: FactVerdict
    finding: str
    words: str
    quotes: tuple[str, ...]


class Placed(NamedTuple):
    """A mark on a sentence.

    Attributes:
        at: Where the sentence begins.
        verdict: What became of a finding in it.
        words: As `FactMark.words`, with the finding.
    """

    at: int
    verdict: FactVerdict
    words: str


class GradedView(NamedTuple):
    """A report's facts, marked.

    Attributes:
        score: The graded score.
        marks: The findings: those of the report, then what it lacks.
        counts: (verdict, how many), in the order of `FactVerdict`.
        errors: What is wrong, in the order of its weight.
        placed: The marks on the report's sentences.
        reference_placed: The marks on the reference's.
    """

    score: float
    marks: tuple[FactMark, ...]
    counts: tuple[tuple[FactVerdict, int], ...]
    errors: tuple[GradedError, ...]
    placed: tuple[Placed, ...]
    reference_placed: tuple[Placed, ...]


def graded_view(
    text: str,
    reference: str,
    age: float | None = None,
    indication: str = "",
    reader: GradedReader | None = None,
    *,
    silence: bool = False,
) -> GradedView | None:
    """Mark the facts of a report; None where one of the texts can't be read.

    Args:
        text: The report.
        reference: The radiologist's.
        age: Of the patient, in years, where known.
        indication: Why the film was asked for, where known.
        reader: Another than the one that all of this process share, which keeps what it has read.
        silence: Whether a report from which nothing can be read says nothing and misses all findings,
            as `orapo evaluate` counts it.
    """
    reader = reader or default_reader()
    report, truth = reader.read(text), reader.read(reference)
    if silence and not report.readable:
        report = report._replace(readable=True)
    context = study_context(age, indication, reader.tables, reference)
    score = graded_score(report, truth, context, reader.tables)
    if score is None:
        return None
    told: list[FactMark] = []
    placed: list[Placed] = []
    reference_placed: list[Placed] = []

    def mark(
        verdict: FactVerdict, finding: str, words: str, here: Iterable[int], there: Iterable[int]
    ) -> None:
        mine, theirs = sorted(set(here)), sorted(set(there))
        of, sentences = (report, mine) if mine else (truth, theirs)
        quotes = tuple(of.sentences[sentence].text for sentence in sentences)
        told.append(FactMark(verdict, finding, words, quotes))
        said = f"{finding}: {words or TITLES[verdict][1]}"
        placed.extend(Placed(report.sentences[one].start, verdict, said) for one in mine)
        reference_placed.extend(Placed(truth.sentences[one].start, verdict, said) for one in theirs)

    for found in score.findings:
        wrong = _wrong_about(found, score, report)
        mark(
            FactVerdict.PARTLY if wrong else FactVerdict.RIGHT,
            found.finding,
            "; ".join(wrong),
            (report.facts[index].sentence for index in found.facts),
            (truth.facts[index].sentence for index in found.reference_facts),
        )
    for error, verdict in _unmatched(score):
        if of_the_reference(error):  # what denies it, if anything does, stands in the report
            sentences = {truth.facts[index].sentence for index in error.mentions}
            denial = () if error.sentence is None else (error.sentence,)
            mark(verdict, error.finding, error.detail, denial, sentences)
        else:
            sentences = {report.facts[index].sentence for index in error.mentions}
            mark(verdict, error.finding, error.detail, sentences, ())
    counts = tuple((each, sum(one.verdict is each for one in told)) for each in FactVerdict)
    return GradedView(
        score.score, tuple(told), counts, score.errors, tuple(placed), tuple(reference_placed)
    )


def of_the_reference(error: GradedError) -> bool:
    """Whether an error's span and mentions are the reference's: that of what is missed or denied."""
    if error.reference_sentence is None:
        return False
    return error.sentence is None or error.category in _LOST


def marked_by_facts(
    pieces: Sequence[Piece],
    placed: Sequence[Placed],
    shown: Mapping[FactVerdict, AnyVerdict],
) -> tuple[Piece, ...]:
    """Give each sentence the mark of its worst fact; one without any keeps the mark of its labels.

    Args:
        pieces: Of a report or a reference.
        placed: `GradedView.placed` or `GradedView.reference_placed`.
        shown: `IN_REPORT` or `IN_REFERENCE`.
    """
    changed: list[Piece] = []
    start = 0
    for piece in pieces:
        end = start + len(piece.text)
        mine = [one for one in placed if start <= one.at < end]
        if mine:
            worst = min((one.verdict for one in mine), key=_WORST_FIRST.index)
            why = tuple(dict.fromkeys(one.words for one in mine))
            piece = piece._replace(verdict=shown[worst], why=why)
        changed.append(piece)
        start = end
    return tuple(changed)


def _wrong_about(found: Matched, score: GradedScore, report: GradedReport) -> list[str]:
    """What is wrong about a finding that is there, in words."""
    return [
        f"{error.category.value}: {error.detail}"
        for error in score.errors
        if error.reference_sentence is not None
        and error.category not in _LOST
        and error.finding == found.finding
        and error.mentions == found.facts
    ]


def _unmatched(score: GradedScore) -> list[tuple[GradedError, FactVerdict]]:
    """What was matched with nothing: false, missed, denied; one side of two left out or too many."""
    told: list[tuple[GradedError, FactVerdict]] = []
    for error in score.errors:
        if error.category in _LOST:
            told.append((error, _LOST[error.category]))
        elif error.category is Category.WRONG_LOCATION and error.reference_sentence is None:
            told.append((error, FactVerdict.FALSE))
        elif error.category is Category.WRONG_LOCATION and error.sentence is None:
            told.append((error, FactVerdict.MISSED))
    return told
