"""The files of an evaluation: metrics.json, tables, plots, and the page with the studies it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orapo.data.images import read_image
from orapo.data.table_writing import write_rows
from orapo.errors import OrapoError
from orapo.evaluation.inputs import Reference
from orapo.evaluation.plots import per_label_bars, trade_off, wording_shares
from orapo.evaluation.report import ExampleStudy, write_report
from orapo.evaluation.rows import best_trivial, result_rows
from orapo.evaluation.verdicts import label_outcome
from orapo.labels import LabelValue, UncertainPolicy
from orapo.writing import json_text, write_text

if TYPE_CHECKING:
    from PIL import Image

SAMPLE_FILMS: Final = 8


def sample_studies(
    reports: Mapping[str, str],
    truth: Mapping[str, Reference],
    predicted: Sequence[Mapping[str, LabelValue]],
) -> list[ExampleStudy]:
    """Take studies at even distances over the sorted ids: no picking of good or bad ones."""
    labels = dict(zip(truth, predicted, strict=True))
    studies = [name for name, one in truth.items() if one.images or one.report]
    step = max(1, len(studies) // SAMPLE_FILMS)
    return [_shown(name, reports, truth, labels) for name in studies[::step][:SAMPLE_FILMS]]


def worst_studies(
    reports: Mapping[str, str],
    truth: Mapping[str, Reference],
    predicted: Sequence[Mapping[str, LabelValue]],
    count: int,
    uncertain: UncertainPolicy,
) -> list[ExampleStudy]:
    """Take the studies with most wrong labels, missed and false alarms together; none without."""
    labels = dict(zip(truth, predicted, strict=True))
    wrong = {}
    for name, reference in truth.items():
        outcome = label_outcome(labels[name], reference.labels, uncertain=uncertain)
        wrong[name] = len(outcome.missed) + len(outcome.false_alarms)
    worst = sorted((name for name in wrong if wrong[name]), key=lambda name: (-wrong[name], name))
    return [_shown(name, reports, truth, labels) for name in worst[:count]]


def _shown(
    name: str,
    reports: Mapping[str, str],
    truth: Mapping[str, Reference],
    labels: Mapping[str, Mapping[str, LabelValue]],
) -> ExampleStudy:
    return ExampleStudy(
        study_id=name,
        image=_film(truth[name].images),
        reference_text=truth[name].report,
        reference_labels=truth[name].labels,
        generated={"model": reports[name]},
        generated_labels={"model": labels[name]},
    )


def _film(images: Sequence[Path]) -> Image.Image | None:
    """Return the first film; None if it can't be read, for the scores do not need it."""
    try:
        return read_image(images[0]) if images else None
    except OrapoError:
        return None


def write_evaluation(
    out: Path,
    metrics: Mapping[str, Any],
    samples: Sequence[ExampleStudy],
    worst: Sequence[ExampleStudy],
    notes: Sequence[str],
    uncertain: UncertainPolicy,
    command: str,
    *,
    warnings: Sequence[str] = (),
) -> None:
    """Write all files into ``out``; metrics.json last, so that it says that the rest is whole.

    Args:
        out: The folder.
        metrics: What metrics.json holds; the same for the same input and seed.
        samples: Studies of the page, at even distances.
        worst: Those with most errors.
        notes: Sentences for the reader.
        uncertain: What -1 counts as.
        command: How the evaluation was called; it stands in the page alone, for it holds paths.
        warnings: What nobody may overlook, above all else in the page.
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
    plots = {
        "F1 of each label": out / "per_label.png",
        "Precision against recall": out / "trade_off.png",
    }
    bars, points = plots.values()
    intervals = {"model": detail["per_label"]} if detail else {}
    per_label_bars({name: rows[name]["per_label"] for name in shown}, bars, intervals)
    trade_off(rows, "model", points, {"model": detail["headline"]["model"]} if detail else {})
    if detail:
        plots["How often each wording comes true"] = out / "wording.png"
        wording_shares(detail["wording"], detail["hedging"], out / "wording.png")
    write_report(
        out / "report.html",
        {**metrics, "command": command},
        plots,
        samples,
        [*notes, "Sample studies are taken at even distances over the sorted study ids."],
        worst=worst,
        uncertain=uncertain,
        warnings=warnings,
    )
    write_text(out / "metrics.json", json_text(metrics, indent=2) + "\n")
