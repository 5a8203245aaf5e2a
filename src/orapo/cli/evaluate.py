"""``orapo evaluate``: score generated reports against references, beside the trivial rows."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from orapo.cli.alone import alone
from orapo.cli.evaluation_screen import notes_on, show_evaluation
from orapo.errors import OrapoError
from orapo.labels import LabelValue, UncertainPolicy

if TYPE_CHECKING:
    from orapo.evaluation.inputs import Reference
    from orapo.facts import ReportFacts

_NEEDED = {False: "needs --train MANIFEST", True: "needs training reports"}


def add_to(app: typer.Typer) -> None:
    """Add ``evaluate`` to the command line."""
    app.command()(alone(evaluate))


def evaluate(
    predictions: Annotated[
        Path, typer.Argument(help="Generated reports: CSV or JSONL with study_id and report.")
    ],
    references: Annotated[
        Path,
        typer.Option(
            help="CSV or JSONL with study_id and the 14 label columns and/or report; or a manifest."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for metrics.json, per_label.csv, plots and report.html.")
    ],
    train: Annotated[
        Path | None,
        typer.Option(help="Manifest of the training studies, for the trivial rows that need them."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Evaluate this split of the references' manifest only, e.g. test."),
    ] = None,
    uncertain: Annotated[
        UncertainPolicy,
        typer.Option(
            metavar="POLICY",
            help="Uncertain (-1) counts as positive, negative (as in R2Gen) or ignore.",
        ),
    ] = UncertainPolicy.NEGATIVE,
    reference_labels: Annotated[
        Path | None,
        typer.Option(help="Labels of the references by somebody else: study_id, 14 columns."),
    ] = None,
    prediction_labels: Annotated[
        Path | None,
        typer.Option(help="Another labeler's labels of the generated reports, likewise."),
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing", help="Leave studies without a prediction out, not count as empty."
        ),
    ] = False,
    language: Annotated[
        bool | None,
        typer.Option(
            "--language/--no-language",
            help="BLEU, chrF, ROUGE-L and CIDEr too; by default where the extra is installed.",
        ),
    ] = None,
    radeval: Annotated[
        str | None,
        typer.Option(
            metavar="METRICS",
            help="Scores through RadEval, which fetches weights: all, or a comma-separated list of "
            "radgraph, f1chexbert, ratescore, radcliq, green, bertscore ...",
        ),
    ] = None,
    radeval_python: Annotated[
        str | None, typer.Option(metavar="PYTHON", help="The Python that RadEval is installed in.")
    ] = None,
    worst: Annotated[
        int, typer.Option(min=0, metavar="N", help="Studies with most errors, shown in the page.")
    ] = 20,
    radeval_timeout: Annotated[
        float | None, typer.Option(min=1, metavar="SECONDS", help="Stop RadEval after this time.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, metavar="N", help="Processes that read reports with FactS.")
    ] = 1,
    resamples: Annotated[int, typer.Option(min=1, metavar="N", help="Of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of random row and bootstrap.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print metrics.json instead of the table.")
    ] = False,
) -> None:
    """Score generated reports beside rows that know nothing.

    Writes tables, plots, metrics.json and report.html.

    A study without a prediction counts as an empty report. Intervals are 95 % bootstrap intervals
    over patients. Exit code 1 if a metric of --radeval could not be had; the rest is written.
    """
    # Imported here: scikit-learn and matplotlib would slow down every other command's start.
    from orapo.evaluation.clinical import clinical_scores
    from orapo.evaluation.inputs import (
        match_studies,
        read_earlier_given,
        read_labels,
        read_predictions,
        read_references,
        read_training,
        with_labels,
    )
    from orapo.evaluation.output import sample_studies, worst_studies, write_evaluation
    from orapo.evaluation.radeval import radeval_metrics
    from orapo.evaluation.rows import TRIVIAL_TITLES
    from orapo.evaluation.trivial import trivial_scores
    from orapo.facts import label_report
    from orapo.facts.parallel import map_reports

    asked = radeval_metrics(radeval) if radeval else []
    absent: list[str] = []
    if out.exists() and not out.is_dir():
        raise OrapoError(f"{out}: expected a folder, this is a file")
    reports = read_predictions(predictions)
    truth = read_references(references, split)
    _check_splits(reports, truth, predictions, references)
    reports, truth, missing, unknown = match_studies(
        reports, truth, allow_missing, str(predictions), str(references)
    )
    if reference_labels is not None:
        truth = with_labels(truth, read_labels(reference_labels), reference_labels)
    training = list(read_training(train).values()) if train else None

    labels = [reference.labels for reference in truth.values()]
    texts = [*reports.values(), *(one.report for one in truth.values() if one.report.strip())]
    facts = list(map_reports(label_report, texts, workers))
    read = dict(zip(reports, facts, strict=False))
    in_references = iter(facts[len(reports) :])
    stated = [next(in_references) if one.report.strip() else None for one in truth.values()]
    if prediction_labels is None:
        predicted = [report.labels for report in read.values()]
    else:
        theirs = read_labels(prediction_labels)
        lacking = [study for study in reports if study not in theirs and study not in missing]
        if lacking:
            raise OrapoError(
                f"{prediction_labels}: lacks {len(lacking)} of the predicted studies, the first "
                f"is {lacking[0]}"
            )
        predicted = [theirs.get(study, {}) for study in reports]
    scores = clinical_scores(predicted, labels, uncertain=uncertain)
    nearest, no_nearest = _nearest(training, truth)
    trivial = trivial_scores(
        labels,
        [study.labels for study in training] if training else None,
        _training_reports(training),
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
    metrics |= {
        "studies": len(truth),
        "missing_predictions": len(missing),
        "missing_rule": "left out" if allow_missing else "counted as empty reports",
        "predictions_without_reference": unknown,
        "empty_predictions": sum(not text.strip() for text in reports.values()) - len(missing),
        "prediction_labels": "read by FactS (rules)"
        if prediction_labels is None
        else f"given ({prediction_labels.name})",
        "reference_labels": _origins(truth),
        "seed": seed,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("orapo", "numpy", "scikit-learn")},
        },
    }
    earlier = read_earlier_given(predictions)
    metrics["detail"] = _detail(
        metrics,
        read,
        stated,
        predicted,
        truth,
        training,
        nearest,
        earlier,
        uncertain,
        resamples,
        seed,
    )
    shared = {study.study_id for study in training or ()} & truth.keys()
    notes = notes_on(metrics, len(shared))
    words, absence = _language(reports, truth, language, resamples, seed)
    if words is not None:
        metrics["detail"]["language"] = words
    if absence:
        notes.append(absence)
    if asked:
        scored, absent = _radeval(
            reports, truth, asked, radeval_python, radeval_timeout, resamples, seed
        )
        metrics["detail"]["radeval"] = scored
        notes += absent
    samples = sample_studies(reports, truth, predicted)
    bad = worst_studies(reports, truth, predicted, worst, uncertain)
    unreadable = {
        one.study_id for one in [*samples, *bad] if one.image is None and truth[one.study_id].images
    }
    if unreadable:
        notes.append(f"Studies of the page whose film can't be read: {len(unreadable)}.")
    command = shlex.join(["orapo", *sys.argv[1:]])
    write_evaluation(out, metrics, samples, bad, notes, uncertain, command)
    if as_json:
        typer.echo(json.dumps(metrics, indent=2))
        for note in absent:
            Console(stderr=True).print(note, markup=False, highlight=False, soft_wrap=True)
    else:
        show_evaluation(metrics, notes, out)
    if absent:
        raise typer.Exit(1)


def _detail(
    metrics: Mapping[str, Any],
    read: Mapping[str, ReportFacts],
    stated: Sequence[ReportFacts | None],
    predicted: Sequence[Mapping[str, LabelValue]],
    truth: Mapping[str, Reference],
    training: list[Reference] | None,
    nearest: Sequence[Mapping[str, LabelValue]] | None,
    earlier: frozenset[str],
    uncertain: UncertainPolicy,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Return all that has an interval, and what the reports are like."""
    from orapo.evaluation.bootstrap import Resampler
    from orapo.evaluation.clinical import label_matrix
    from orapo.evaluation.detail import Evaluated, detailed
    from orapo.evaluation.graded_figures import GRADED_FIGURES, graded_figures
    from orapo.evaluation.report_figures import FIGURES, report_figures, sameness
    from orapo.evaluation.rows import best_trivial
    from orapo.evaluation.trivial import constant_row
    from orapo.evaluation.wording import hedging, wording

    labels = [reference.labels for reference in truth.values()]
    kinds = sorted({kind for reference in truth.values() for kind in reference.groups})
    evaluated = Evaluated(
        predicted=label_matrix(predicted, "prediction"),
        reference=label_matrix(labels, "reference"),
        figures=report_figures(
            list(read.values()), labels, stated, [study in earlier for study in read]
        )
        | graded_figures([report.text for report in read.values()], list(truth.values())),
        patients=[reference.patient_id for reference in truth.values()],
        groups={kind: [one.groups.get(kind, "") for one in truth.values()] for kind in kinds},
    )
    best = best_trivial(metrics)
    row = None if best is None else constant_row(best, _training_reports(training))
    rows = nearest if best == "nearest_image" else None if row is None else [row] * len(labels)
    detail = detailed(
        evaluated,
        None if rows is None else label_matrix(rows, "trivial row"),
        uncertain=uncertain,
        resamples=resamples,
        seed=seed,
    )
    if rows is not None:
        detail["lift"]["over"] = best
    detail["figures"] = FIGURES | GRADED_FIGURES
    detail["sameness"] = sameness([report.text for report in read.values()])
    resampler = Resampler(evaluated.patients, resamples, seed)
    detail["wording"] = wording(predicted, labels, resampler)
    detail["hedging"] = hedging(list(read.values()), labels, resampler)
    return detail


def _language(
    reports: Mapping[str, str],
    truth: Mapping[str, Reference],
    wanted: bool | None,
    resamples: int,
    seed: int,
) -> tuple[dict[str, Any] | None, str]:
    """Return the language metrics, and what to say where there are none."""
    from orapo.evaluation.bootstrap import Resampler
    from orapo.evaluation.language import language_detail, language_figures
    from orapo.evaluation.r2gen_language import r2gen_detail, r2gen_figures

    if wanted is False:
        return None, ""
    texts = _with_report(truth)
    if not texts:
        return None, "Language metrics absent: no reference has a report."
    generated = [reports[study] for study in texts]
    references = [one.report for one in texts.values()]
    resampler = Resampler([one.patient_id for one in texts.values()], resamples, seed)
    try:
        with Console(stderr=True).status("Language metrics"):
            own = language_detail(language_figures(generated, references), resampler)
            r2gen = r2gen_detail(r2gen_figures(generated, references), resampler)
    except OrapoError as error:
        if wanted:
            raise
        return None, f"Language metrics absent: {error}."
    return {"studies": len(texts), **own, "r2gen": r2gen}, ""


def _radeval(
    reports: Mapping[str, str],
    truth: Mapping[str, Reference],
    metrics: Sequence[str],
    python: str | None,
    timeout: float | None,
    resamples: int,
    seed: int,
) -> tuple[dict[str, Any], list[str]]:
    """Return RadEval's figures, and what to say of those that are absent."""
    from orapo.evaluation.bootstrap import Resampler
    from orapo.evaluation.radeval import radeval_detail, run_radeval

    texts = _with_report(truth)
    if not texts:
        return {}, ["RadEval absent: no reference has a report."]
    with Console(stderr=True).status("RadEval is scoring (its own process)"):
        result = run_radeval(
            [reports[study] for study in texts],
            [one.report for one in texts.values()],
            metrics,
            python,
            timeout,
        )
    resampler = Resampler([one.patient_id for one in texts.values()], resamples, seed)
    return radeval_detail(result, metrics, resampler)


def _with_report(truth: Mapping[str, Reference]) -> dict[str, Reference]:
    return {study: one for study, one in truth.items() if one.report.strip()}


def _check_splits(
    reports: Mapping[str, str],
    truth: Mapping[str, Reference],
    predictions: Path,
    references: Path,
) -> None:
    """Say which option is missing when a whole manifest stands beside one split's predictions."""
    splits = {reference.split for reference in truth.values()}
    predicted = {truth[study].split for study in reports if study in truth}
    if len(predicted) == 1 and len(splits) > 1 and truth.keys() > reports.keys():
        raise OrapoError(
            f"{references}: holds the splits {', '.join(sorted(splits))}, but {predictions} has "
            f"reports for {predicted.pop()!r} only; choose it with --split"
        )


def _nearest(
    training: list[Reference] | None, truth: Mapping[str, Reference]
) -> tuple[list[Mapping[str, LabelValue]] | None, str]:
    """Return the labels of the retrieval row, with a progress bar, or why there are none."""
    from rich.progress import Progress

    from orapo.evaluation.nearest import MOST_FILMS, nearest_labels

    known = [
        (one.images[0], one.report) for one in training or () if one.images and one.report.strip()
    ]
    films = [one.images[0] if one.images else None for one in truth.values()]
    if not known:
        return None, "no training study has a film and a report"
    if not any(films):
        return None, "no reference has a film"
    with Progress(console=Console(stderr=True), transient=True) as progress:
        total = min(len(known), MOST_FILMS) + sum(film is not None for film in films)
        task = progress.add_task("Nearest training films", total=total)
        labels = nearest_labels(known, films, lambda: progress.advance(task))
    return labels, "the films can't be read"


def _training_reports(training: list[Reference] | None) -> list[str] | None:
    reports = [study.report for study in training or ()]
    return reports if any(text.strip() for text in reports) else None


def _origins(truth: Mapping[str, Reference]) -> dict[str, int]:
    return dict(sorted(Counter(reference.origin for reference in truth.values()).items()))
