"""All that ``metrics.json`` holds, from two sides that have the same studies."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any, Final

from orapo.errors import OrapoError
from orapo.evaluation.bootstrap import Resampler
from orapo.evaluation.clinical import clinical_scores, label_matrix
from orapo.evaluation.detail import Evaluated, detailed
from orapo.evaluation.figures.graded import GRADED_FIGURES, graded_figures
from orapo.evaluation.figures.nearest import MOST_FILMS, nearest_labels
from orapo.evaluation.figures.wording import hedging, wording
from orapo.evaluation.inputs import Reference
from orapo.evaluation.report_figures import FIGURES, report_figures, sameness
from orapo.evaluation.rows import TRIVIAL_TITLES, best_trivial
from orapo.evaluation.trivial import constant_row, trivial_scores
from orapo.facts import ReportFacts, label_report
from orapo.facts.parallel import map_reports
from orapo.labels import LabelValue, UncertainPolicy

Labels = Mapping[str, LabelValue]
Step = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is done, and how much there is (None: unknown)."""

_NEEDED: Final = {False: "needs --train MANIFEST", True: "needs training reports"}


def _silent(what: str, done: int, total: int | None) -> None:
    pass


@dataclass(frozen=True)
class Evaluation:
    """Generated reports beside references of the same studies, in one order.

    Attributes:
        reports: Study to generated report; empty where there is none.
        truth: Study to reference.
        read: What FactS read from each generated report.
        stated: What it read from each reference report; None where there is no report.
        predicted: The labels of the generated reports that are scored: FactS' or given ones.
        training: Training studies, for the trivial baselines that need them.
        earlier: Studies for which the model was given an earlier one.
        uncertain: What -1 counts as.
        resamples: Of the bootstrap.
        seed: Of the bootstrap and of the random row.
    """

    reports: Mapping[str, str]
    truth: Mapping[str, Reference]
    read: Sequence[ReportFacts]
    stated: Sequence[ReportFacts | None]
    predicted: Sequence[Labels]
    training: Sequence[Reference] | None
    earlier: frozenset[str]
    uncertain: UncertainPolicy
    resamples: int
    seed: int

    @property
    def labels(self) -> list[Labels]:
        """The references' labels."""
        return [reference.labels for reference in self.truth.values()]

    @cached_property
    def figures(self) -> dict[str, Any]:
        """The figures of each report (`orapo.evaluation.report_figures`)."""
        given = [study in self.earlier for study in self.reports]
        texts, references = list(self.reports.values()), list(self.truth.values())
        return report_figures(self.read, self.labels, self.stated, given) | graded_figures(
            texts, references
        )

    @property
    def training_reports(self) -> list[str] | None:
        """The training reports; None if there is none with text."""
        reports = [study.report for study in self.training or ()]
        return reports if any(text.strip() for text in reports) else None

    def with_report(self) -> dict[str, Reference]:
        """Return the references that have a report."""
        return {study: one for study, one in self.truth.items() if one.report.strip()}

    def resampler(self, references: Mapping[str, Reference] | None = None) -> Resampler:
        """Return the resamples of the patients of some references, of all by default."""
        chosen = self.truth if references is None else references
        patients = [one.patient_id for one in chosen.values()]
        return Resampler(patients, self.resamples, self.seed)


def read_texts(
    reports: Mapping[str, str],
    truth: Mapping[str, Reference],
    workers: int,
    step: Step = _silent,
) -> tuple[list[ReportFacts], list[ReportFacts | None]]:
    """Read both sides' texts with FactS.

    Args:
        reports: Study to generated report.
        truth: Study to reference.
        workers: Processes.
        step: Told of each report that was read.

    Returns:
        What was read from the generated reports, and from those references that have a report.
    """
    texts = [*reports.values(), *(one.report for one in truth.values() if one.report.strip())]
    facts = []
    for one in map_reports(label_report, texts, workers):
        facts.append(one)
        step("FactS reads the reports", len(facts), len(texts))
    in_references = iter(facts[len(reports) :])
    stated = [next(in_references) if one.report.strip() else None for one in truth.values()]
    return facts[: len(reports)], stated


def evaluation_metrics(evaluation: Evaluation, step: Step = _silent) -> dict[str, Any]:
    """Return the scores of the model and of the trivial baselines, and every figure with its interval.

    Args:
        evaluation: Both sides.
        step: Told what is being done.
    """
    uncertain, labels, seed = evaluation.uncertain, evaluation.labels, evaluation.seed
    scores = clinical_scores(evaluation.predicted, labels, uncertain=uncertain)
    nearest, no_nearest = _nearest(evaluation, step)
    step("trivial baselines", 0, None)
    training = evaluation.training
    trivial = trivial_scores(
        labels,
        [study.labels for study in training] if training else None,
        evaluation.training_reports,
        seed,
        uncertain,
        nearest,
    )
    metrics: dict[str, Any] = {"model": scores.as_dict()}
    metrics |= {name: row.as_dict() for name, row in trivial.items()}
    absent_rows = {
        name: no_nearest if training and name == "nearest_image" else _NEEDED[bool(training)]
        for name in TRIVIAL_TITLES
        if name not in metrics
    }
    if absent_rows:
        metrics["absent_rows"] = absent_rows
    origins = Counter(reference.origin for reference in evaluation.truth.values())
    metrics |= {
        "uncertain": uncertain.value,
        "studies": len(evaluation.truth),
        "reference_labels": dict(sorted(origins.items())),
        "seed": seed,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("orapo", "numpy", "scikit-learn")},
        },
    }
    step("graded score", 0, None)
    _ = evaluation.figures  # computed once
    step(f"intervals, {evaluation.resamples:,} resamples", 0, None)
    metrics["detail"] = _detail(evaluation, best_trivial(metrics), nearest)
    return metrics


def _detail(
    evaluation: Evaluation, best: str | None, nearest: Sequence[Labels] | None
) -> dict[str, Any]:
    """Return all that has an interval, and what the reports are like."""
    labels, truth = evaluation.labels, evaluation.truth
    kinds = sorted({kind for reference in truth.values() for kind in reference.groups})
    evaluated = Evaluated(
        predicted=label_matrix(evaluation.predicted, "prediction"),
        reference=label_matrix(labels, "reference"),
        figures=evaluation.figures,
        patients=[reference.patient_id for reference in truth.values()],
        groups={kind: [one.groups.get(kind, "") for one in truth.values()] for kind in kinds},
    )
    row = None if best is None else constant_row(best, evaluation.training_reports)
    rows = nearest if best == "nearest_image" else None if row is None else [row] * len(labels)
    detail = detailed(
        evaluated,
        None if rows is None else label_matrix(rows, "trivial baseline"),
        uncertain=evaluation.uncertain,
        resamples=evaluation.resamples,
        seed=evaluation.seed,
    )
    if rows is not None:
        detail["lift"]["over"] = best
    detail["figures"] = FIGURES | GRADED_FIGURES
    detail["sameness"] = sameness(list(evaluation.reports.values()))
    resampler = evaluation.resampler()
    detail["wording"] = wording(evaluation.predicted, labels, resampler)
    detail["hedging"] = hedging(list(evaluation.read), labels, resampler)
    return detail


def language_metrics(
    evaluation: Evaluation, wanted: bool | None
) -> tuple[dict[str, Any] | None, str]:
    """Return the language metrics, and what to say where there are none.

    Args:
        evaluation: Both sides.
        wanted: False leaves them out; None takes them where the extra is installed.

    Raises:
        OrapoError: They are wanted, and the extra is not installed.
    """
    from orapo.evaluation.figures.language import language_detail, language_figures
    from orapo.evaluation.figures.r2gen_language import r2gen_detail, r2gen_figures

    if wanted is False:
        return None, ""
    texts = evaluation.with_report()
    if not texts:
        return None, "Language metrics absent: no reference has a report."
    generated = [evaluation.reports[study] for study in texts]
    references = [one.report for one in texts.values()]
    resampler = evaluation.resampler(texts)
    try:
        own = language_detail(language_figures(generated, references), resampler)
        r2gen = r2gen_detail(r2gen_figures(generated, references), resampler)
    except OrapoError as error:
        if wanted:
            raise
        return None, f"Language metrics absent: {error}."
    return {"studies": len(texts), **own, "r2gen": r2gen}, ""


def radeval_figures(
    evaluation: Evaluation, metrics: Sequence[str], python: str | None, timeout: float | None
) -> tuple[dict[str, Any], list[str]]:
    """Return RadEval's figures, and what to say of those that are absent.

    Args:
        evaluation: Both sides.
        metrics: Which of RadEval's.
        python: The Python that has it; None: this one.
        timeout: Seconds after which it is stopped.
    """
    from orapo.evaluation.figures.radeval import radeval_detail, run_radeval

    texts = evaluation.with_report()
    if not texts:
        return {}, ["RadEval absent: no reference has a report."]
    result = run_radeval(
        [evaluation.reports[study] for study in texts],
        [one.report for one in texts.values()],
        metrics,
        python,
        timeout,
    )
    return radeval_detail(result, metrics, evaluation.resampler(texts))


def _nearest(evaluation: Evaluation, step: Step) -> tuple[list[Labels] | None, str]:
    """Return the labels of the retrieval row, or why there are none."""
    known = [
        (one.images[0], one.report)
        for one in evaluation.training or ()
        if one.images and one.report.strip()
    ]
    films = [one.images[0] if one.images else None for one in evaluation.truth.values()]
    if not known:
        return None, "no training study has a film and a report"
    if not any(films):
        return None, "no reference has a film"
    total = min(len(known), MOST_FILMS) + sum(film is not None for film in films)
    seen = 0

    def one_more() -> None:
        nonlocal seen
        seen += 1
        step("nearest training films", seen, total)

    return nearest_labels(known, films, one_more), "the films can't be read"
