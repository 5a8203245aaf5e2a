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
from rich import box
from rich.console import Console
from rich.table import Table

from orapo.errors import OrapoError
from orapo.labels import LabelValue, UncertainPolicy

if TYPE_CHECKING:
    from orapo.evaluation.inputs import Reference
    from orapo.facts import ReportFacts


def add_to(app: typer.Typer) -> None:
    """Add ``evaluate`` to the command line."""
    app.command()(evaluate)


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
            help="BLEU, ROUGE-L and CIDEr too; by default where the extra is installed.",
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
    resamples: Annotated[int, typer.Option(min=1, metavar="N", help="Of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of random row and bootstrap.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print metrics.json instead of the table.")
    ] = False,
) -> None:
    """Score generated reports: tables, plot, metrics.json and report.html, with trivial rows.

    A study without a prediction counts as an empty report. Intervals are 95 % bootstrap intervals
    over patients.
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
    from orapo.evaluation.trivial import trivial_scores
    from orapo.facts import label_report

    asked = radeval_metrics(radeval) if radeval else []
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
    read = {study: label_report(text) for study, text in reports.items()}
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
    nearest = _nearest(training, truth)
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
        predicted,
        truth,
        training,
        nearest,
        earlier,
        uncertain,
        resamples,
        seed,
    )
    notes = _notes(metrics, truth, training)
    words, absence = _language(reports, truth, language, resamples, seed)
    if words is not None:
        metrics["detail"]["language"] = words
    if absence:
        notes.append(absence)
    if asked:
        scored, said = _radeval(reports, truth, asked, radeval_python, resamples, seed)
        metrics["detail"]["radeval"] = scored
        notes += said
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
        return
    console = Console()
    console.print(_table(metrics))
    console.print(_report_table(metrics["detail"]))
    for note in notes:
        console.print(note, style="dim", markup=False, highlight=False)
    console.print(
        f"Written: {out / 'report.html'}, metrics.json, per_label.csv and the plots",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _detail(
    metrics: Mapping[str, Any],
    read: Mapping[str, ReportFacts],
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
    from orapo.evaluation.report_figures import FIGURES, report_figures, sameness
    from orapo.evaluation.rows import best_trivial
    from orapo.evaluation.trivial import constant_row
    from orapo.evaluation.wording import hedging, wording
    from orapo.facts import label_report

    labels = [reference.labels for reference in truth.values()]
    texts = [
        label_report(reference.report) if reference.report.strip() else None
        for reference in truth.values()
    ]
    kinds = sorted({kind for reference in truth.values() for kind in reference.groups})
    evaluated = Evaluated(
        predicted=label_matrix(predicted, "prediction"),
        reference=label_matrix(labels, "reference"),
        figures=report_figures(
            list(read.values()), labels, texts, [study in earlier for study in read]
        ),
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
    detail["figures"] = FIGURES
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

    if wanted is False:
        return None, ""
    texts = _with_report(truth)
    if not texts:
        return None, "Language metrics absent: no reference has a report."
    try:
        figures = language_figures(
            [reports[study] for study in texts], [one.report for one in texts.values()]
        )
    except OrapoError as error:
        if wanted:
            raise
        return None, f"Language metrics absent: {error}."
    resampler = Resampler([one.patient_id for one in texts.values()], resamples, seed)
    return {"studies": len(texts), **language_detail(figures, resampler)}, ""


def _radeval(
    reports: Mapping[str, str],
    truth: Mapping[str, Reference],
    metrics: Sequence[str],
    python: str | None,
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
) -> list[Mapping[str, LabelValue]] | None:
    """Return the labels of the retrieval row, with a progress bar while films are read."""
    from rich.progress import Progress

    from orapo.evaluation.nearest import MOST_FILMS, nearest_labels

    known = [(one.images[0], one.report) for one in training or () if one.images and one.report]
    films = [one.images[0] if one.images else None for one in truth.values()]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        total = min(len(known), MOST_FILMS) + sum(film is not None for film in films)
        task = progress.add_task("Nearest training films", total=total, visible=bool(known))
        return nearest_labels(known, films, lambda: progress.advance(task))


def _training_reports(training: list[Reference] | None) -> list[str] | None:
    reports = [study.report for study in training or ()]
    return reports if any(text.strip() for text in reports) else None


def _origins(truth: Mapping[str, Reference]) -> dict[str, int]:
    return dict(sorted(Counter(reference.origin for reference in truth.values()).items()))


def _notes(
    metrics: Mapping[str, Any],
    truth: Mapping[str, Reference],
    training: list[Reference] | None,
) -> list[str]:
    from orapo.evaluation.rows import TRIVIAL_TITLES

    notes = []
    absent = [title for name, title in TRIVIAL_TITLES.items() if name not in metrics]
    if absent:
        needed = "training reports and films" if training else "--train MANIFEST"
        notes.append(f"Absent rows: {', '.join(absent)} (they need {needed}).")
    shared = {study.study_id for study in training or ()} & truth.keys()
    if shared:
        notes.append(f"Warning: studies that are both training and reference: {len(shared)}.")
    if not metrics["model"]["macro_labels"]:
        notes.append("Warning: no label is positive in the references; the macro figures are 0.")
    if metrics["missing_predictions"]:
        notes.append(
            f"Studies without a prediction: {metrics['missing_predictions']}, "
            f"{metrics['missing_rule']}."
        )
    if metrics["predictions_without_reference"]:
        unknown = metrics["predictions_without_reference"]
        notes.append(f"Predictions without a reference, left out: {unknown}.")
    lift = metrics["detail"].get("lift")
    if lift:
        notes.append(
            f"Macro-F1 over the best trivial row ({TRIVIAL_TITLES[lift['over']]}): "
            f"{lift['value']:+.3f}, 95 % interval {lift['low']:+.3f} to {lift['high']:+.3f}."
        )
    if metrics["empty_predictions"]:
        notes.append(f"Generated reports that are empty: {metrics['empty_predictions']}.")
    read = metrics["reference_labels"].get("facts", 0)
    if read:
        notes.append(f"References whose labels FactS read from their report: {read}.")
    return notes


def _report_table(detail: Mapping[str, Any]) -> Table:
    table = Table(title="Of each report, with 95 % intervals", box=box.SIMPLE_HEAD)
    table.add_column("")
    table.add_column("mean", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, figure in detail["reports"].items():
        if figure["value"] is not None:
            interval = f"{figure['low']:.3f} to {figure['high']:.3f}"
            table.add_row(name.replace("_", " "), f"{figure['value']:.3f}", interval)
    for part in ("language", "radeval"):
        for name, figure in detail.get(part, {}).get("figures", {}).items():
            known = figure["low"] is not None
            interval = f"{figure['low']:.3f} to {figure['high']:.3f}" if known else ""
            table.add_row(name.replace("_", " "), f"{figure['value']:.3f}", interval)
    for name, share in detail["sameness"].items():
        table.add_row(name.replace("_", " "), f"{share:.3f}", "")
    return table


def _table(metrics: Mapping[str, Any]) -> Table:
    from orapo.evaluation.rows import TRIVIAL_TITLES, result_rows, row_title

    model = metrics["model"]
    table = Table(
        title=f"{model['studies']} studies, {len(model['macro_labels'])} labels with support",
        caption=f"Uncertain {model['convention']['uncertain']}.",
        box=box.SIMPLE_HEAD,  # without rules between columns it fits 80 characters
    )
    table.add_column("", min_width=10)
    for heading in ("Macro F1", "Precision", "Recall", "Micro F1", "R2Gen F1"):
        table.add_column(heading, justify="right")
    figures = ("macro_f1", "macro_precision", "macro_recall", "micro_f1", "r2gen_macro_f1")
    rows = result_rows(metrics)
    for name, row in rows.items():
        trivial = name in TRIVIAL_TITLES
        table.add_row(
            row_title(name),
            *(f"{row[figure]:.3f}" for figure in figures),
            style="dim" if trivial else "bold",
        )
        if name == "model":
            table.add_section()
    return table
