"""``orapo evaluate``: score generated reports against references, beside the trivial baselines."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from orapo.cli.parts import table_options as tables
from orapo.cli.parts.alone import alone
from orapo.cli.parts.evaluation_screen import notes_on, show_evaluation
from orapo.cli.parts.progress import steps
from orapo.data.tables.columns import Wanted
from orapo.errors import OrapoError
from orapo.labels import DEFAULT_UNCERTAIN, LabelValue, UncertainPolicy
from orapo.writing import json_text

if TYPE_CHECKING:
    from orapo.evaluation.inputs import Reference
    from orapo.evaluation.matching import Matched


class ConventionName(StrEnum):
    """The conventions of `orapo.evaluation.rexrank`, as choices of an option."""

    REXRANK = "rexrank"
    REXRANK_FINDINGS = "rexrank-findings"


def add_to(app: typer.Typer) -> None:
    """Add ``evaluate`` to the command line."""
    app.command()(alone(evaluate))


def evaluate(
    predictions: Annotated[
        Path, typer.Argument(help="Table of generated reports: study_id and report; - is stdin.")
    ],
    references: Annotated[
        Path,
        typer.Option(
            help="Table of study_id and the 14 label columns and/or report; or a manifest."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(help="Folder for metrics.json, per_study.csv, report.html and more."),
    ],
    train: Annotated[
        Path | None,
        typer.Option(
            help="Manifest of the training studies, for the trivial baselines that need them."
        ),
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
    ] = DEFAULT_UNCERTAIN,
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
    partial: tables.Partial = False,
    texts: Annotated[
        bool, typer.Option("--texts", help="Put both texts of each study into per_study.csv.")
    ] = False,
    language: Annotated[
        bool | None,
        typer.Option(
            "--language/--no-language",
            help="BLEU, chrF, ROUGE-L and CIDEr too; by default where the extra is installed.",
        ),
    ] = None,
    convention: Annotated[
        ConventionName | None,
        typer.Option(
            help="ReXrank's sections (findings and impression, or findings alone), metrics and files."
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
    films: Annotated[
        bool, typer.Option("--films/--no-films", help="Show each study's film in the page.")
    ] = True,
    radeval_timeout: Annotated[
        float | None, typer.Option(min=1, metavar="SECONDS", help="Stop RadEval after this time.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, metavar="N", help="Processes that read reports with FactS.")
    ] = 1,
    resamples: Annotated[int, typer.Option(min=1, metavar="N", help="Of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of all random draws.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print metrics.json instead of the table.")
    ] = False,
    id_column: tables.IdColumn = None,
    text_column: tables.TextColumn = None,
    findings_column: tables.FindingsColumn = None,
    impression_column: tables.ImpressionColumn = None,
    reference_id_column: tables.ReferenceIdColumn = None,
    reference_text_column: tables.ReferenceTextColumn = None,
) -> None:
    """Score generated reports beside trivial baselines.

    Writes tables, plots, metrics.json and report.html.

    A study without a prediction counts as an empty report, or is left out with --allow-missing; ids
    that don't match are listed, above 20 % of a side refused without --partial. Intervals are 95 % bootstrap intervals
    over patients. Exit code 1 if a metric of --radeval could not be computed; the rest is written.
    """
    # Imported here: scikit-learn and matplotlib would slow down every other command's start.
    from orapo.data.tables.standard_streams import from_input
    from orapo.evaluation.figures.radeval import radeval_metrics
    from orapo.evaluation.inputs import read_earlier_given, read_labels
    from orapo.evaluation.matching import (
        is_silent,
        silent_warning,
        unreadable_warning,
        with_labels,
        without_unread,
    )
    from orapo.evaluation.metrics import (
        Evaluation,
        evaluation_metrics,
        language_metrics,
        radeval_figures,
        read_texts,
    )
    from orapo.evaluation.pages.output import shown_studies, write_evaluation
    from orapo.evaluation.pages.per_study import write_per_study
    from orapo.evaluation.rexrank import Convention, Rexrank

    follow = Rexrank(Convention(convention.value)) if convention else None
    asked: list[str] = []
    if radeval:
        asked = follow.asked(radeval) if follow else radeval_metrics(radeval)
    absent: list[str] = []
    if out.exists() and not out.is_dir():
        raise OrapoError(f"{out}: expected a folder, this is a file")
    predictions, references = from_input(predictions), from_input(references)
    train, reference_labels, prediction_labels = (
        None if path is None else from_input(path)
        for path in (train, reference_labels, prediction_labels)
    )
    say = tables.Said()
    names = tables.both_sides(
        [predictions], references, id_column, text_column, findings_column, impression_column,
        reference_id_column, reference_text_column, say,
    )  # fmt: skip
    if follow:
        names = follow.columns(predictions, references, names)
    with steps() as step:
        matched, training = _read_sides(
            predictions, references, train, split, allow_missing, partial, names
        )
        if reference_labels is None:
            matched = without_unread(matched, str(references), partial)
        if follow:
            matched = follow.taken(matched)
        reports, truth = matched.reports, matched.truth
        if reference_labels is not None:
            given = read_labels(reference_labels, Wanted(say=say))
            truth = with_labels(truth, given, reference_labels)
        read, stated = read_texts(reports, truth, workers, step)
        predicted: list[Mapping[str, LabelValue]] = [report.labels for report in read]
        if prediction_labels is not None:
            predicted = _given(
                read_labels(prediction_labels, Wanted(say=say)),
                prediction_labels,
                reports,
                matched.missing,
            )
        evaluation = Evaluation(
            reports, truth, read, stated, predicted, training,
            read_earlier_given(predictions, names[0]), uncertain, resamples, seed,
        )  # fmt: skip
        scores = evaluation_metrics(evaluation, step)
        unmatched = matched.unmatched
        metrics: dict[str, Any] = {
            **scores,
            "missing_predictions": len(matched.missing),
            "missing_rule": "left out" if allow_missing else "counted as empty reports",
            "predictions_without_reference": len(unmatched.predictions) + unmatched.elsewhere,
            "unmatched": unmatched.as_dict(),
            "references_left_out": dict(matched.left_out),
            "references_without_labels": sum(map(is_silent, truth.values())),
            "empty_predictions": sum(not text.strip() for text in reports.values())
            - len(matched.missing),
            "predictions_not_english": sum(not report.english for report in evaluation.read),
            "prediction_labels": "read by FactS (rules)"
            if prediction_labels is None
            else f"given ({prediction_labels.name})",
        }
        shared = {study.study_id for study in training or ()} & truth.keys()
        notes = [*say.sentences, *notes_on(metrics, len(shared))]
        step("language metrics", 0, None)
        words, absence = language_metrics(evaluation, language)
        if words is not None:
            metrics["detail"]["language"] = words
        if absence:
            notes.append(absence)
        if follow:
            step("ReXrank's metrics", 0, None)
            rexrank, absent = follow.scored(
                evaluation.resampler(), asked, radeval_python, radeval_timeout
            )
            metrics["detail"]["rexrank"] = rexrank
            notes += [*follow.notes(rexrank), *absent]
        elif asked:
            step("RadEval is scoring (its own process)", 0, None)
            scored, absent = radeval_figures(evaluation, asked, radeval_python, radeval_timeout)
            metrics["detail"]["radeval"] = scored
            notes += absent
        step("plots and page", 0, None)
        said = (
            matched.warning,
            silent_warning(truth, str(references)),
            unreadable_warning(reports, [one.readable for one in read], str(predictions)),
            _the_same(reports, truth),
        )
        warnings = [text for text in said if text]
        write_per_study(out / "per_study.csv", evaluation, matched.missing, texts=texts)
        if follow:
            follow.write(out, metrics["detail"]["rexrank"])
        command = shlex.join(["orapo", *sys.argv[1:]])
        studies = shown_studies(evaluation, films=films)
        unreadable = write_evaluation(
            out, metrics, studies, notes, uncertain, command, warnings=warnings, step=step
        )
        if unreadable:
            notes.append(f"Studies of the page whose film can't be read: {unreadable}.")
    for warning in warnings:
        tables.warn(warning)
    if as_json:
        typer.echo(json_text(metrics, indent=2))
        for note in absent:
            Console(stderr=True).print(note, markup=False, highlight=False, soft_wrap=True)
    else:
        show_evaluation(metrics, [note for note in notes if note not in say.sentences], out)
    if absent:
        raise typer.Exit(1)


def _read_sides(
    predictions: Path,
    references: Path,
    train: Path | None,
    split: str | None,
    allow_missing: bool,
    partial: bool,
    names: tuple[Wanted, Wanted],
) -> tuple[Matched, list[Reference] | None]:
    """Read both sides, bring them to the same studies, and read the training studies."""
    from orapo.evaluation.inputs import (
        ids_of_other_splits,
        read_predictions,
        read_references,
        read_training,
    )
    from orapo.evaluation.matching import match_studies

    reports = read_predictions(predictions, names[0])
    truth = read_references(references, split, names[1])
    _check_splits(reports, truth, predictions, references)
    matched = match_studies(
        reports,
        truth,
        allow_missing,
        str(predictions),
        str(references),
        partial=partial,
        other_splits=lambda: ids_of_other_splits(references, split),
    )
    return matched, list(read_training(train, names[1]).values()) if train else None


def _given(
    labels: Mapping[str, Mapping[str, LabelValue]],
    path: Path,
    reports: Mapping[str, str],
    missing: Collection[str],
) -> list[Mapping[str, LabelValue]]:
    """Return another labeler's labels of the generated reports."""
    from orapo.evaluation.matching import refuse_lacking

    refuse_lacking([study for study in reports if study not in missing], labels, path, "predicted")
    return [labels.get(study, {}) for study in reports]


def _the_same(reports: Mapping[str, str], truth: Mapping[str, Reference]) -> str:
    """Say that the generated reports are the references: a table was given twice, most likely."""
    texts = [(reports[study].split(), one.report.split()) for study, one in truth.items()]
    if any(mine for mine, _ in texts) and all(mine == theirs for mine, theirs in texts):
        return (
            "Every generated report is word for word its reference; is the column of the generated "
            "reports another (--text-column, --reference-text-column)?"
        )
    return ""


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
