"""The files of an evaluation: metrics.json, tables, plots, and the page with every study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orapo.data.tables.writing import write_rows
from orapo.evaluation.metrics import Evaluation
from orapo.evaluation.pages.report import write_report
from orapo.evaluation.pages.shown_studies import ShownStudy, Step
from orapo.evaluation.plots.results import per_label_bars, trade_off, wording_shares
from orapo.evaluation.rows import best_trivial, result_rows
from orapo.labels import UncertainPolicy
from orapo.writing import json_text, write_text


def shown_studies(evaluation: Evaluation, *, films: bool = True) -> list[ShownStudy]:
    """Return every study for the page.

    Args:
        evaluation: Both sides.
        films: Whether the first film of each stands beside the texts.
    """
    return [
        ShownStudy(
            study_id=name,
            image=reference.images[0] if films and reference.images else None,
            reference_text=reference.report,
            reference_labels=reference.labels,
            generated={"model": evaluation.reports[name]},
            generated_labels={"model": labels},
            age=reference.age,
            indication=reference.indication,
        )
        for (name, reference), labels in zip(
            evaluation.truth.items(), evaluation.predicted, strict=True
        )
    ]


def write_evaluation(
    out: Path,
    metrics: Mapping[str, Any],
    studies: Sequence[ShownStudy],
    notes: Sequence[str],
    uncertain: UncertainPolicy,
    command: str,
    *,
    warnings: Sequence[str] = (),
    step: Step = lambda what, done, total: None,
) -> int:
    """Write all files into ``out``; metrics.json last, so that it says that the rest is whole.

    Args:
        out: The folder.
        metrics: What metrics.json holds; the same for the same input and seed.
        studies: All studies.
        notes: Sentences for the reader.
        uncertain: What -1 counts as.
        command: How the evaluation was called; it stands in the page alone, for it holds paths.
        warnings: What nobody may overlook, above all else in the page.
        step: Told of each study and film.

    Returns:
        How many films can't be read.
    """
    rows = result_rows(metrics)
    detail = metrics.get("detail", {})
    scores = ("precision", "recall", "f1", "f1_low", "f1_high", "support", "predicted")
    columns = ("row", "label", *scores, "uncertain")
    with write_rows(out / "per_label.csv", columns) as write:
        for name, row in rows.items():
            known = detail.get("per_label", {}) if name == "model" else {}
            for label, score in row["per_label"].items():
                f1 = known.get(label, {}).get("f1", {})
                ends = {"f1_low": f1.get("low"), "f1_high": f1.get("high")}
                policy = {"uncertain": uncertain.value}
                write({"row": name, "label": label, **score, **ends, **policy})
    shown = [name for name in ("model", best_trivial(metrics)) if name]
    cross = "; cross: 95 % intervals" if detail else ""
    plots = {
        "F1 of each label": out / "per_label.svg",
        f"Precision against recall (macro; small: labels{cross})": out / "trade_off.svg",
    }
    bars, points = plots.values()
    intervals = {"model": detail["per_label"]} if detail else {}
    per_label_bars({name: rows[name]["per_label"] for name in shown}, bars, intervals)
    trade_off(rows, "model", points, {"model": detail["headline"]["model"]} if detail else {})
    if detail:
        plots["How often each wording comes true"] = out / "wording.svg"
        wording_shares(detail["wording"], detail["hedging"], out / "wording.svg")
    unreadable = write_report(
        out / "report.html",
        {**metrics, "command": command},
        plots,
        studies,
        notes,
        uncertain=uncertain,
        warnings=warnings,
        data=out / "report.json",
        step=step,
    )
    write_text(out / "metrics.json", json_text(metrics, indent=2) + "\n")
    return unreadable
