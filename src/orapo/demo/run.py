"""The demo from end to end; each stage is skipped when an earlier call has finished it."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.progress import Progress

from orapo.ablation.bars import stage_bars
from orapo.ablation.provenance import file_digest, read_record, surroundings, write_record
from orapo.ablation.trainings import WEIGHTS_FILE, Trained, run_trainings
from orapo.data.manifest import read_manifest
from orapo.data.phantom import PHANTOM_VERSION, write_phantom
from orapo.data.study import Study
from orapo.data.tables.reading import read_rows
from orapo.data.tables.writing import write_rows
from orapo.demo.output import UNCERTAIN, opening, typical, write_results
from orapo.demo.plan import METHODS, OURS, DemoPlan
from orapo.errors import OrapoError
from orapo.evaluation import clinical_scores, trivial_scores
from orapo.evaluation.detail import macro_f1_interval
from orapo.evaluation.figures.nearest import nearest_labels
from orapo.facts import label_report
from orapo.generation import Decoding, generate_reports, load_checkpoint
from orapo.models.base import seconds_of, tiny_base
from orapo.training.recipe import RunConfig
from orapo.training.run import quiet_libraries

DECODING = Decoding(max_new_tokens=96, batch_size=64)


@dataclass
class _Stages:
    """What each stage took in the call that did it, and which ones an earlier call did."""

    console: Console | None = None
    """Gets a line a stage where there is no terminal for progress bars."""
    seconds: dict[str, float] = field(default_factory=dict)
    taken_over: list[str] = field(default_factory=list)

    def add(self, name: str, seconds: float, taken_over: bool) -> None:
        self.seconds[name] = round(seconds, 1)
        if taken_over:
            self.taken_over.append(name)
        if self.console is not None:
            done = "taken over" if taken_over else f"done in {seconds:.0f} s"
            self.console.print(f"{name}: {done}", highlight=False)

    def as_dict(self) -> dict[str, Any]:
        return {
            "total_seconds": round(sum(self.seconds.values()), 1),
            "stage_seconds": self.seconds,
            "resumed": bool(self.taken_over),
            "stages_taken_over": self.taken_over,
        }


def run_demo(out: Path, plan: DemoPlan, console: Console) -> dict[str, Any]:
    """Run the demo.

    Args:
        out: Folder of everything it writes; called again, it goes on where it stopped.
        plan: What to do.
        console: Where progress is shown.

    Returns:
        The metrics, as written to ``out/metrics.json``. ``total_seconds`` is the sum of what the
        stages took when they were done; ``stages_taken_over`` names those of earlier calls.

    Raises:
        OrapoError: ``out`` can't be a folder, or holds another data set or finished demo.
        RunFailedError: A training failed.
    """
    quiet_libraries()
    stages = _Stages(None if console.is_terminal or console.quiet else console)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OrapoError(f"{out}: can't be the demo's folder ({error.strerror})") from None
    _refuse_other(out, plan)
    with stage_bars(console, title=28, bar=24) as progress:
        manifest = _phantom(out / "phantom", plan, progress, stages)
        base = _base(plan, progress, stages)
        arms = _train(plan, _recipes(out, plan, manifest, base), progress, stages)
        studies = read_manifest(manifest)
        test = [study for study in studies if study.split == "test"]
        train = [study for study in studies if study.split == "train"]
        folders = {"base": base, **{name: arm.folder for name, arm in arms.items()}}
        reports = {
            name: _reports(
                folder, out / f"predictions_{name}.jsonl", manifest, test, progress, stages
            )
            for name, folder in folders.items()
        }
    metrics = _metrics(plan, arms, reports, test, train)
    metrics |= stages.as_dict()
    write_results(out, plan, metrics, arms, reports, test)
    return metrics


def _refuse_other(out: Path, plan: DemoPlan) -> None:
    """Keep a finished demo of another seed or length from being overwritten."""
    try:
        finished = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        seed, steps = finished["seed"], finished["plan"]["steps"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if (seed, steps) != (plan.seed, plan.steps):
        raise OrapoError(
            f"{out}: holds a finished demo of seed {seed} with {steps} steps; give another --out"
        )


def _phantom(folder: Path, plan: DemoPlan, progress: Progress, stages: _Stages) -> Path:
    start, drawn = time.monotonic(), 0
    counts = {
        "train": plan.train_studies,
        "validate": plan.probe_studies,
        "test": plan.test_studies,
    }
    total = sum(counts.values())
    task = progress.add_task("Drawing the phantom", total=total)

    def show(done: int, _: int) -> None:
        nonlocal drawn
        drawn += 1
        progress.update(task, completed=done)

    manifest = write_phantom(folder, counts, plan.seed, plan.phantom, progress=show, overwrite=True)
    progress.update(task, completed=total)
    seconds = time.monotonic() - start
    # A complete phantom is reported at once, a new one film by film.
    made_of = {"manifest": file_digest(manifest), "phantom_version": PHANTOM_VERSION}
    record_file = folder.with_name("phantom.done.json")
    if drawn == total:
        write_record(record_file, made_of, seconds)
    record = read_record(record_file, made_of) or {"seconds": 0.0}
    stages.add("phantom", record["seconds"], drawn != total)
    return manifest


def _base(plan: DemoPlan, progress: Progress, stages: _Stages) -> Path:
    tasks: dict[str, Any] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(f"Base model: {what.lower()}", total=total)
        progress.update(tasks[what], completed=done)

    folder = tiny_base(plan.base, progress=show)
    if not tasks:
        stages.add("base", seconds_of(folder), taken_over=True)
        show(f"from {folder.parent}", 1, 1)
    else:
        stages.add("base", seconds_of(folder), taken_over=False)
    return folder


def _recipes(out: Path, plan: DemoPlan, manifest: Path, base: Path) -> dict[str, dict[str, Any]]:
    run = RunConfig(
        model=str(base),
        data=str(manifest),
        probe_split="validate",
        probe_every=plan.probe_every,
        probe_studies=plan.probe_studies,
        reward_terms=[f"repetition={plan.repetition_weight}"],
    )
    return {
        name: {**asdict(run), **plan.training_settings(output=str(out / name), **changes)}
        for name, changes in METHODS.items()
    }


def _train(
    plan: DemoPlan,
    recipes: Mapping[str, Mapping[str, Any]],
    progress: Progress,
    stages: _Stages,
) -> dict[str, Trained]:
    """Train two at a time: ours, which takes longest, and beside it the others one after the other."""
    arms = run_trainings({name: recipes[name] for name in [OURS, *METHODS]}, progress, together=2)
    others = sum(arm.seconds for name, arm in arms.items() if name != OURS)
    seconds = max(arms[OURS].seconds, others)
    stages.add("training", seconds, all(arm.taken_over for arm in arms.values()))
    return {name: arms[name] for name in METHODS}


def _reports(
    folder: Path,
    path: Path,
    manifest: Path,
    test: Sequence[Study],
    progress: Progress,
    stages: _Stages,
) -> dict[str, str]:
    stage = path.stem.replace("predictions", "reports")
    task = progress.add_task(f"Reports: {path.stem.removeprefix('predictions_')}", total=len(test))
    # Study ids are no key: every seed has the same ones.
    made_of = {
        "data": file_digest(manifest),
        "weights": file_digest(folder / WEIGHTS_FILE),
        "decoding": asdict(DECODING),
        **surroundings(),
    }
    record_file = path.with_suffix(".done.json")
    record = read_record(record_file, made_of)
    if record is not None and path.is_file():
        known = {row.values["study_id"]: row.values["report"] for row in read_rows(path)}
        if list(known) == [study.study_id for study in test]:
            progress.update(task, completed=len(test))
            stages.add(stage, record["seconds"], taken_over=True)
            return known
    record_file.unlink(missing_ok=True)
    start = time.monotonic()
    model, processor = load_checkpoint(folder, device="cpu")
    films = [[Image.open(image) for image in study.images] for study in test]
    reports: dict[str, str] = {}
    with write_rows(path, ("study_id", "report")) as write:
        written = generate_reports(model, processor, films, DECODING)
        for study, text in zip(test, written, strict=True):
            reports[study.study_id] = text
            write({"study_id": study.study_id, "report": text})
            progress.advance(task)
    seconds = time.monotonic() - start
    write_record(record_file, made_of, seconds)
    stages.add(stage, seconds, taken_over=False)
    return reports


def _metrics(
    plan: DemoPlan,
    arms: Mapping[str, Trained],
    reports: Mapping[str, Mapping[str, str]],
    test: Sequence[Study],
    train: Sequence[Study],
) -> dict[str, Any]:
    truth = [study.labels for study in test]
    patients = [study.patient_id or "" for study in test]
    metrics: dict[str, Any] = {}
    for name, texts in reports.items():
        labels = [label_report(text).labels for text in texts.values()]
        interval = macro_f1_interval(labels, truth, patients, uncertain=UNCERTAIN)
        metrics[name] = clinical_scores(labels, truth, uncertain=UNCERTAIN).as_dict() | {
            "macro_f1_interval": [interval.low, interval.high],
            "distinct_reports": len(set(texts.values())),
        }
    for name, arm in arms.items():
        share = {
            str(line["step"]): line["oracle/zero_reward_share"]
            for line in arm.log
            if line.get("oracle/zero_reward_share") is not None
        }
        probes = {str(probe["step"]): probe["macro_f1"] for probe in arm.probes}
        sampled = {"zero_reward_share": share, "rollouts": plan.rollouts} if share else {}
        metrics[name] |= {
            **sampled,
            "macro_f1_by_step": probes,
            "per_label_by_step": {str(probe["step"]): probe["per_label"] for probe in arm.probes},
            "seconds": arm.seconds,
        }
    trivial = trivial_scores(
        truth,
        [study.labels for study in train],
        [study.report for study in train],
        seed=plan.seed,
        uncertain=UNCERTAIN,
        nearest=nearest_labels(
            [(study.images[0], study.report) for study in train],
            [study.images[0] for study in test],
        ),
    )
    metrics |= {name: scores.as_dict() for name, scores in trivial.items()}
    return metrics | {
        "opening": opening(metrics, plan),
        "typical_study": typical(reports[OURS], test),
        "seed": plan.seed,
        # Nothing made with other versions is taken over, so these are those of every stage.
        "versions": surroundings()["versions"],
        "difficulty": plan.difficulty,
        "command": shlex.join(["orapo", *sys.argv[1:]]),
        "plan": {**asdict(plan), "base": plan.base.fingerprint},
    }
