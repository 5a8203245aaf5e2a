"""The demo from end to end; each stage is skipped when an earlier call has finished it."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from orapo.data.manifest import read_manifest
from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.data.study import Study
from orapo.data.tables import read_rows, write_rows
from orapo.demo.arms import ArmResult, train_arms
from orapo.demo.plan import METHODS, DemoPlan
from orapo.evaluation import clinical_scores, trivial_scores
from orapo.evaluation.plots import label_f1_curves, per_label_bars, zero_reward_curve
from orapo.evaluation.report import ExampleStudy, write_report
from orapo.evaluation.rows import result_rows
from orapo.facts import label_report
from orapo.generation import Decoding, generate_reports, load_checkpoint
from orapo.labels import LABELS, UncertainPolicy
from orapo.models.base import tiny_base
from orapo.training.run import RunConfig, quiet_libraries

UNCERTAIN = UncertainPolicy.POSITIVE
"""The demo's convention in reward and table alike; every result names it."""
RARE = ("Lung Lesion", "Fracture")
EXAMPLES = 6
PACKAGES = ("orapo", "torch", "transformers", "trl", "numpy")


def run_demo(out: Path, plan: DemoPlan, console: Console) -> dict[str, Any]:
    """Run the demo.

    Args:
        out: Folder of everything it writes; called again, it goes on where it stopped.
        plan: What to do.
        console: Where progress is shown.

    Returns:
        The metrics, as written to ``out/metrics.json``.
    """
    quiet_libraries()
    start = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description:<28}"), BarColumn(bar_width=24))
    with Progress(*columns, MofNCompleteColumn(), TimeElapsedColumn(), console=console) as progress:
        manifest = _phantom(out / "phantom", plan, progress)
        base = _base(plan, progress)
        arms = train_arms(_recipes(out, plan, manifest, base), progress)
        studies = read_manifest(manifest)
        test = [study for study in studies if study.split == "test"]
        train = [study for study in studies if study.split == "train"]
        folders = {"base": base, **{name: arm.folder for name, arm in arms.items()}}
        reports = {
            name: _reports(folder, out / f"predictions_{name}.jsonl", test, progress)
            for name, folder in folders.items()
        }
    metrics = _metrics(plan, arms, reports, test, train)
    metrics["total_seconds"] = round(time.monotonic() - start, 1)
    _write_results(out, metrics, arms, reports, test)
    return metrics


def _phantom(folder: Path, plan: DemoPlan, progress: Progress) -> Path:
    counts = {
        "train": plan.train_studies,
        "validate": plan.probe_studies,
        "test": plan.test_studies,
    }
    task = progress.add_task("Drawing the phantom", total=sum(counts.values()))
    manifest = write_phantom(
        folder,
        counts,
        plan.seed,
        PhantomConfig(),
        progress=lambda done, _: progress.update(task, completed=done),
    )
    progress.update(task, completed=sum(counts.values()))
    return manifest


def _base(plan: DemoPlan, progress: Progress) -> Path:
    tasks: dict[str, Any] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(f"Base model: {what.lower()}", total=total)
        progress.update(tasks[what], completed=done)

    folder = tiny_base(plan.base, progress=show)
    if not tasks:
        show("from the cache", 1, 1)
    return folder


def _recipes(
    out: Path, plan: DemoPlan, manifest: Path, base: Path
) -> dict[str, tuple[RunConfig, dict[str, Any]]]:
    run = RunConfig(
        model=str(base),
        data=str(manifest),
        probe_split="validate",
        probe_every=plan.probe_every,
        probe_studies=plan.probe_studies,
        repetition_weight=plan.repetition_weight,
    )
    return {
        name: (run, plan.training_settings(method, str(out / name)))
        for name, method in METHODS.items()
    }


def _reports(folder: Path, path: Path, test: Sequence[Study], progress: Progress) -> dict[str, str]:
    task = progress.add_task(f"Reports: {path.stem.removeprefix('predictions_')}", total=len(test))
    # A checkpoint that is newer than its reports makes them stale.
    if path.is_file() and path.stat().st_mtime > (folder / "model.safetensors").stat().st_mtime:
        known = {row.values["study_id"]: row.values["report"] for row in read_rows(path)}
        if list(known) == [study.study_id for study in test]:
            progress.update(task, completed=len(test))
            return known
    model, processor = load_checkpoint(folder, device="cpu")
    films = [[Image.open(image) for image in study.images] for study in test]
    decoding = Decoding(max_new_tokens=96, batch_size=64)
    reports: dict[str, str] = {}
    with write_rows(path, ("study_id", "report")) as write:
        written = generate_reports(model, processor, films, decoding)
        for study, text in zip(test, written, strict=True):
            reports[study.study_id] = text
            write({"study_id": study.study_id, "report": text})
            progress.advance(task)
    return reports


def _metrics(
    plan: DemoPlan,
    arms: Mapping[str, ArmResult],
    reports: Mapping[str, Mapping[str, str]],
    test: Sequence[Study],
    train: Sequence[Study],
) -> dict[str, Any]:
    truth = [study.labels for study in test]
    metrics: dict[str, Any] = {}
    for name, texts in reports.items():
        labels = [label_report(text).labels for text in texts.values()]
        metrics[name] = clinical_scores(labels, truth, uncertain=UNCERTAIN).as_dict()
        metrics[name]["distinct_reports"] = len(set(texts.values()))
    for name, arm in arms.items():
        share = {
            str(line["step"]): line["oracle/zero_reward_share"]
            for line in arm.log
            if line.get("oracle/zero_reward_share") is not None
        }
        probes = {str(probe["step"]): probe["macro_f1"] for probe in arm.probes}
        metrics[name] |= {
            "zero_reward_share": share,
            "macro_f1_by_step": probes,
            "rollouts": plan.rollouts,
            "seconds": arm.seconds,
        }
    trivial = trivial_scores(
        truth,
        [study.labels for study in train],
        [study.report for study in train],
        seed=plan.seed,
        uncertain=UNCERTAIN,
    )
    metrics |= {name: scores.as_dict() for name, scores in trivial.items()}
    return metrics | {
        "seed": plan.seed,
        "versions": {name: version(name) for name in PACKAGES},
        "command": shlex.join(["orapo", *sys.argv[1:]]),
        "plan": {**asdict(plan), "base": plan.base.fingerprint},
    }


def _write_results(
    out: Path,
    metrics: Mapping[str, Any],
    arms: Mapping[str, ArmResult],
    reports: Mapping[str, Mapping[str, str]],
    test: Sequence[Study],
) -> None:
    part = out / ".metrics.json.part"
    part.write_text(json.dumps(metrics, indent=1))
    part.replace(out / "metrics.json")
    _write_ablation(out / "ablation.csv", metrics)
    shares = {
        name: [(int(step), share) for step, share in metrics[name]["zero_reward_share"].items()]
        for name in arms
    }
    drawn = [name for name in LABELS if metrics["orapo"]["per_label"][name]["support"]]
    curves = {
        name: {
            label: [(probe["step"], probe["per_label"][label]) for probe in arm.probes]
            for label in drawn
        }
        for name, arm in arms.items()
    }
    plots = {
        "Share of rollouts without any reward": out / "zero_reward_share.png",
        "Per-label F1 on held-out studies": out / "label_f1.png",
        "Per-label F1 at the end": out / "per_label.png",
    }
    zero, by_step, bars = plots.values()
    zero_reward_curve(shares, zero)
    label_f1_curves(curves, by_step, RARE)
    per_label_bars({name: metrics[name]["per_label"] for name in ("base", *arms)}, bars)
    examples = [
        ExampleStudy(
            study.study_id,
            study.images[0],
            study.report,
            study.labels,
            {name: texts[study.study_id] for name, texts in reports.items()},
        )
        for study in _examples(test)
    ]
    notes = (
        "Synthetic films and reports: this page shows that the line works and what it learned, "
        "not how it does on patients.",
        "One seed. FactS is reward and yardstick here, against the drawn truth as reference.",
    )
    write_report(
        out / "report.html",
        metrics,
        plots,
        examples,
        notes,
        title="orapo demo: GRPO + FactS against OraPO on phantom films",
        uncertain=UNCERTAIN,
    )


def _examples(test: Sequence[Study]) -> list[Study]:
    """The first studies that show something, rare findings first; one normal study."""
    rare = [s for s in test if any(s.labels[name] in (1, -1) for name in RARE)]
    normal = [s for s in test if s.labels["No Finding"] == 1]
    other = [s for s in test if s not in rare and s not in normal]
    return [*rare[:2], *other[: EXAMPLES - 3], *normal[:1]]


def _write_ablation(path: Path, metrics: Mapping[str, Any]) -> None:
    columns = ("method", "macro_f1", "macro_precision", "macro_recall", "micro_f1")
    extra = ("r2gen_macro_f1", "rollouts", "seconds")
    with write_rows(path, (*columns, *extra, *LABELS)) as write:
        for name, row in result_rows(metrics).items():
            figures = {key: row[key] for key in (*columns[1:], *extra) if key in row}
            per_label = {label: row["per_label"][label]["f1"] for label in LABELS}
            write({"method": name, **figures, **per_label})
