"""`orapo reward`: FactS of predicted reports against references, one row a study."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from orapo.data.tables import id_cell, read_rows, text_cell, write_rows
from orapo.errors import OrapoError
from orapo.labels import LABELS, LabelValue, UncertainPolicy, parse_label

COLUMNS = (
    "study_id",
    "reward",
    "precision",
    "recall",
    "tp",
    "fp",
    "fn",
    "contradictions",
    "readable",
)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reward")(reward)


def reward(
    predictions: Annotated[
        Path, typer.Option(help="Table with study_id and report (CSV, JSONL, Parquet).")
    ],
    references: Annotated[
        Path, typer.Option(help="Table with study_id and the 14 label columns, or report.")
    ],
    out: Annotated[Path, typer.Option(help="Where to write one row a study.")],
    facts_beta: Annotated[
        float, typer.Option(help="Above 1, missing costs more than inventing.")
    ] = 1.0,
    uncertain: Annotated[
        UncertainPolicy, typer.Option(help="What uncertain counts as, on both sides.")
    ] = UncertainPolicy.POSITIVE,
    as_json: Annotated[bool, typer.Option("--json", help="Summary as JSON on stdout.")] = False,
) -> None:
    """Score predicted reports against references with FactS."""
    from orapo.facts import score_report

    if not facts_beta > 0:
        raise OrapoError(f"--facts-beta must be above 0, not {facts_beta}")
    truth = _read_references(references)
    reports = _read_reports(predictions)
    _same_studies(predictions, references, list(reports), list(truth))
    console = Console(stderr=True)
    scores = []
    with write_rows(out, COLUMNS) as write:
        for study_id, text in track(
            reports.items(), "Scoring", console=console, disable=not console.is_terminal
        ):
            score = score_report(text, truth[study_id], facts_beta=facts_beta, uncertain=uncertain)
            # Nothing to score is an empty row, not a zero.
            values: dict[str, Any] = asdict(score) if score is not None else {}
            values.pop("explanation", None)
            write({"study_id": study_id, **values})
            if score is not None:
                scores.append(score)
    count = max(len(scores), 1)
    summary = {
        "studies": len(reports),
        "scored": len(scores),
        "mean_reward": sum(s.reward for s in scores) / count,
        "zero_reward_share": sum(s.reward == 0 for s in scores) / count,
        "unreadable": sum(not s.readable for s in scores),
        "contradictions": sum(s.contradictions for s in scores),
        "facts_beta": facts_beta,
        "uncertain": uncertain.value,
        "out": str(out),
    }
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
        return
    table = Table("", "value", title="FactS reward")
    for name, value in summary.items():
        table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
    Console().print(table)


def _read_reports(path: Path) -> dict[str, str]:
    reports: dict[str, str] = {}
    for row in read_rows(path, required=("study_id", "report")):
        study_id = id_cell(path, row, "study_id")
        if study_id in reports:
            raise OrapoError(f"{path}, line {row.line}: study_id {study_id} stands twice")
        reports[study_id] = text_cell(path, row, "report")
    return reports


def _read_references(path: Path) -> dict[str, dict[str, LabelValue]]:
    """Labels by study: from the 14 columns where the table has them, else read from ``report``."""
    from orapo.facts import label_report

    references: dict[str, dict[str, LabelValue]] = {}
    for row in read_rows(path, required=("study_id",)):
        study_id = id_cell(path, row, "study_id")
        if study_id in references:
            raise OrapoError(f"{path}, line {row.line}: study_id {study_id} stands twice")
        nested = row.values.get("labels")
        cells = nested if isinstance(nested, dict) else row.values
        present = [name for name in LABELS if name in cells]
        if len(present) == len(LABELS):
            try:
                references[study_id] = {name: parse_label(cells[name]) for name in LABELS}
            except ValueError as error:
                raise OrapoError(f"{path}, line {row.line}: {error}") from None
        elif present:
            missing = sorted(set(LABELS) - set(present))
            raise OrapoError(f"{path}, line {row.line}: lacks the label(s) {', '.join(missing)}")
        elif "report" in row.values:
            references[study_id] = dict(label_report(text_cell(path, row, "report")).labels)
        else:
            raise OrapoError(f"{path}: needs the 14 label columns or a column report")
    return references


def _same_studies(
    predictions: Path, references: Path, predicted: list[str], known: list[str]
) -> None:
    for path, ids, other in (
        (references, set(known), predicted),
        (predictions, set(predicted), known),
    ):
        missing = [study_id for study_id in other if study_id not in ids]
        if missing:
            raise OrapoError(f"{path}: lacks {len(missing)} studies, the first is {missing[0]}")
