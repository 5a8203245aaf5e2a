"""Studies as a page shows them: both texts, a verdict on each sentence and fact; ready for JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orapo.evaluation.pages.graded_marks import (
    IN_REFERENCE,
    IN_REPORT,
    FactVerdict,
    GradedView,
    graded_view,
    marked_by_facts,
    of_the_reference,
)
from orapo.evaluation.pages.verdicts import (
    LabelOutcome,
    Piece,
    generated_pieces,
    label_outcome,
    reference_pieces,
)
from orapo.evaluation.rows import row_title
from orapo.facts import ReportFacts, label_report, score_reports
from orapo.facts.graded import Category, GradedError, read_graded
from orapo.labels import LABELS, NO_FINDING, LabelValue, UncertainPolicy, any_known

if TYPE_CHECKING:
    from PIL import Image

Step = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is done, and how much there is (None: unknown)."""
KINDS: Final = ("missed", "false alarm", "contradiction", "uncertain")
"""Kinds of error of a label that studies are filtered by."""
FACT_KINDS: Final = tuple(category.value for category in Category)
"""Kinds of error of a fact that studies are filtered by: those of the graded score."""


@dataclass(frozen=True, slots=True)
class ShownStudy:
    """A study with its film and the reports of one or more systems.

    Attributes:
        study_id: The study.
        image: Its film, as an image or an image file; None shows the texts alone.
        reference_text: The radiologist's report; may be empty.
        reference_labels: The labels that the generated reports are judged by.
        generated: Name of the system (a row of the metrics) to its report, in the order shown.
        generated_labels: Name of the system to the labels that its report is scored by, where they
            are another labeler's; else FactS'.
        age: Of the patient, in years, where known; the graded score weighs by it.
        indication: Why the film was asked for, likewise.
    """

    study_id: str
    image: Image.Image | Path | None
    reference_text: str
    reference_labels: Mapping[str, LabelValue]
    generated: Mapping[str, str]
    generated_labels: Mapping[str, Mapping[str, LabelValue]] = field(default_factory=dict)
    age: float | None = None
    indication: str = ""


def study_views(
    studies: Sequence[ShownStudy],
    uncertain: UncertainPolicy,
    step: Step = lambda what, done, total: None,
) -> list[dict[str, Any]]:
    """Read and compare the texts of studies.

    Args:
        studies: The studies.
        uncertain: What -1 counts as in verdicts and outcomes. FactS' reward and the graded score
            are those of ``per_study.csv``, whose convention for it is their own.
        step: Told of each study.

    Returns:
        A dict per study, as ``report.json`` holds it.
    """
    views = []
    for study in studies:
        views.append(_study(study, uncertain))
        step("facts of each study, marked", len(views), len(studies))
    return views


def _study(study: ShownStudy, uncertain: UncertainPolicy) -> dict[str, Any]:
    reference = label_report(study.reference_text)
    reports = [
        _report(name, label_report(text), reference, study, uncertain)
        for name, text in study.generated.items()
    ]
    _mark_differences(reports)
    return {
        "study_id": study.study_id,
        "film": None,
        "reference_labels": [
            f"{name} (uncertain)" if study.reference_labels[name] == -1 else name
            for name in LABELS
            if study.reference_labels.get(name) in (1, -1)
        ],
        "reference": study.reference_text,
        "reports": reports,
        **({"difference": _difference(reports)} if len(reports) > 1 else {}),
    }


def _report(
    name: str,
    generated: ReportFacts,
    reference: ReportFacts,
    study: ShownStudy,
    uncertain: UncertainPolicy,
) -> dict[str, Any]:
    labels = study.generated_labels.get(name, generated.labels)
    graded = graded_view(
        generated.text, reference.text, study.age, study.indication, silence=generated.english
    )
    pieces = generated_pieces(generated, study.reference_labels, uncertain=uncertain)
    theirs = reference_pieces(reference, labels, uncertain=uncertain)
    if graded is not None:
        pieces = marked_by_facts(pieces, graded.placed, IN_REPORT)
        theirs = marked_by_facts(theirs, graded.reference_placed, IN_REFERENCE)
    if not generated.english:  # what was not read has missed nothing
        theirs = tuple(piece._replace(verdict=None) for piece in theirs)
    outcome = label_outcome(
        labels, study.reference_labels, denied=generated.denied, uncertain=uncertain
    )
    return {
        "system": name,
        "title": row_title(name),
        "unread": _unread(generated),
        "pieces": _pieces(pieces),
        "reference": _pieces(theirs),
        "outcome": asdict(outcome),
        "wrong_labels": len(outcome.missed) + len(outcome.false_alarms),
        "cases": list(_cases(outcome)),
        "facts_reward": _facts_reward(generated, study.reference_labels),
        **_facts(graded, generated, reference.text),
        "errors": _errors(graded, generated, reference),
    }


def _unread(generated: ReportFacts) -> str:
    """Why nothing was read; empty if something was."""
    if not generated.english:
        return "not English"
    return "" if generated.readable else "no fact could be read"


def _facts_reward(generated: ReportFacts, reference: Mapping[str, LabelValue]) -> float | None:
    """As `orapo.evaluation.report_figures` counts it, study by study."""
    (score,) = score_reports(
        [generated if generated.english else None],
        [reference],
        uncertain=UncertainPolicy.POSITIVE,
    )
    return score.reward if score is not None and any_known(reference) else None


def _facts(graded: GradedView | None, generated: ReportFacts, reference: str) -> dict[str, Any]:
    if graded is None:
        # as in `orapo.evaluation.figures.graded`: a report that says nothing counts 0, and one in
        # another language was not read
        (truth,) = read_graded([reference])
        score = 0.0 if truth.readable and generated.english else None
        return {"graded_score": score, "counts": None, "facts": []}
    return {
        "graded_score": graded.score,
        "counts": {verdict.value: count for verdict, count in graded.counts},
        "facts": [
            {
                "verdict": mark.verdict.value,
                "finding": mark.finding,
                "words": mark.words,
                "quote": mark.quotes[0],
            }
            for mark in graded.marks
        ],
    }


def _errors(
    graded: GradedView | None, generated: ReportFacts, reference: ReportFacts
) -> list[dict[str, Any]]:
    """What is wrong by the graded score, the gravest first, with the labels that it is about."""
    if graded is None or not graded.errors:
        return []

    def about(error: GradedError) -> list[str]:
        facts = (reference if of_the_reference(error) else generated).facts
        start, end = error.span
        found = {
            name for fact in facts if fact.start < end and start < fact.end for name in fact.labels
        }
        return [name for name in LABELS if name in found and name != NO_FINDING]

    return [
        {
            "category": error.category.value,
            "finding": error.finding,
            "weight": round(error.weight, 4),
            "labels": about(error),
        }
        for error in graded.errors
    ]


def _cases(outcome: LabelOutcome) -> Iterator[str]:
    """Yield ``kind:label`` pairs, which the filters look for."""
    for kind, labels in {
        "found": outcome.found,
        "missed": outcome.missed,
        "false alarm": outcome.false_alarms,
        "contradiction": outcome.contradicted,
        "uncertain": outcome.one_sided,
    }.items():
        yield from (f"{kind}:{label}" for label in labels)


def _pieces(pieces: Iterable[Piece]) -> list[dict[str, Any]]:
    made = []
    for piece in pieces:
        view: dict[str, Any] = {"text": piece.text}
        if piece.verdict is not None:
            view["verdict"] = piece.verdict.value
        if piece.why:
            view["why"] = list(piece.why)
        if piece.evidence:
            view["evidence"] = [
                {
                    "fact": one.fact,
                    "labels": list(one.labels),
                    "verdict": None if one.verdict is None else one.verdict.value,
                }
                for one in piece.evidence
            ]
        made.append(view)
    return made


def _mark_differences(reports: Sequence[dict[str, Any]]) -> None:
    """Mark sentences and facts that not all systems have, each with what came of it."""
    if len(reports) < 2:
        return
    said = [
        {one["fact"] for piece in report["pieces"] for one in piece.get("evidence", ())}
        for report in reports
    ]
    came = [{(one["finding"], one["verdict"]) for one in report["facts"]} for report in reports]
    shared, alike = set.intersection(*said), set.intersection(*came)
    for report in reports:
        for piece in report["pieces"]:
            if any(one["fact"] not in shared for one in piece.get("evidence", ())):
                piece["differs"] = True
        for fact in report["facts"]:
            if (fact["finding"], fact["verdict"]) not in alike:
                fact["differs"] = True


def _difference(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How far apart the systems are: by the graded score, else by FactS; then by labels."""
    for figure in ("graded_score", "facts_reward"):
        known = [report[figure] for report in reports if report[figure] is not None]
        if len(known) == len(reports):
            break
    cases = [set(report["cases"]) for report in reports]
    return {
        "figure": figure if len(known) == len(reports) else None,
        "spread": max(known) - min(known) if len(known) == len(reports) else None,
        "labels": sorted(
            {case.partition(":")[2] for case in set.union(*cases) - set.intersection(*cases)}
        ),
    }


def index_of(views: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a list of studies is filtered and sorted by, small enough to read at once.

    Args:
        views: As `study_views` makes them.

    Returns:
        ``systems`` (titles), ``score`` (the name of the figure), ``graded`` (whether it is the graded
        score), ``unread`` (whether any report could not be read), ``labels`` that something happened
        to, ``kinds`` of wrong facts that occur, and ``studies``: id, spread of the scores, labels that
        differ, and for each system its place, score, wrong labels, cases, counts of facts, wrong facts
        (kind, finding, weight, labels, both by their place) and why nothing was read.
    """
    reports = [report for view in views for report in view["reports"]]
    graded = any(report["graded_score"] is not None for report in reports)
    score = "graded_score" if graded else "facts_reward"
    systems = dict.fromkeys(report["system"] for report in reports)
    places = {name: place for place, name in enumerate(systems)}
    errors = [error for report in reports for error in report["errors"]]
    concerned = {case.partition(":")[2] for report in reports for case in report["cases"]}
    concerned |= {name for error in errors for name in error["labels"]}
    labels = [name for name in LABELS if name in concerned]
    label_at = {name: place for place, name in enumerate(labels)}
    occurring = {error["category"] for error in errors}
    kinds = [kind for kind in FACT_KINDS if kind in occurring]
    kind_at = {kind: place for place, kind in enumerate(kinds)}
    return {
        "systems": [row_title(name) for name in systems],
        "score": "graded score" if graded else "FactS reward",
        "graded": graded,
        "unread": any(report["unread"] for report in reports),
        "labels": labels,
        "kinds": kinds,
        "studies": [
            [
                view["study_id"],
                view.get("difference", {}).get("spread"),
                len(view.get("difference", {}).get("labels", ())),
                [
                    [
                        places[report["system"]],
                        report[score],
                        report["wrong_labels"],
                        report["cases"],
                        [report["counts"][each.value] for each in FactVerdict]
                        if report["counts"]
                        else None,
                        [
                            [
                                kind_at[error["category"]],
                                error["finding"],
                                error["weight"],
                                [label_at[name] for name in error["labels"]],
                            ]
                            for error in report["errors"]
                        ],
                        report["unread"],
                    ]
                    for report in view["reports"]
                ],
            ]
            for view in views
        ],
    }
