"""An ablation from end to end: trainings, reports, figures; called again, it goes on."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress

from orapo.ablation.bars import stage_bars
from orapo.ablation.methods import METHODS, ON_CURVE
from orapo.ablation.plan import AblationPlan, Job
from orapo.ablation.provenance import surroundings
from orapo.ablation.reports import (
    PREDICTIONS,
    SECOND,
    Commands,
    write_predictions,
    write_second_labels,
)
from orapo.ablation.results import Comparison, Run
from orapo.ablation.trainings import Trained, run_trainings
from orapo.data.manifest import read_manifest
from orapo.data.study import Study, drawn
from orapo.data.target import Target, check_target, study_labels, target_text
from orapo.errors import OrapoError, RunFailedError
from orapo.evaluation import ClinicalScores, trivial_scores
from orapo.evaluation.figures.nearest import nearest_labels
from orapo.evaluation.inputs import read_labels, read_predictions
from orapo.facts import label_report
from orapo.labels import UncertainPolicy
from orapo.writing import json_text, write_text

TUNING: Final = "tuning.json"
FAILURES: Final = "failures.json"


@dataclass(frozen=True)
class Options:
    """How an ablation is run, which changes nothing of what it finds.

    Attributes:
        together: Trainings at a time.
        devices: GPUs, one a training.
        labeler: A command that is given a table of reports and the name of a table of labels to
            write: another labeler's reading. None: FactS alone.
        resamples: Of the bootstrap.
    """

    together: int = 1
    devices: tuple[str, ...] = ()
    labeler: str | None = None
    resamples: int = 1000


@dataclass(frozen=True)
class Ablation:
    """What was found.

    Attributes:
        rows: By method: `Comparison.row`, and ``against`` with its differences from others.
        trivial: The trivial baselines.
        curve: Of data efficiency: method to number of studies to figures.
        runs: All runs by method, without those of the curve.
        settings: What it was made with.
    """

    rows: Mapping[str, dict[str, Any]]
    trivial: Mapping[str, dict[str, Any]]
    curve: Mapping[str, Mapping[int, dict[str, Any]]]
    runs: Mapping[str, Sequence[Run]]
    settings: Mapping[str, Any]


def run_ablation(plan: AblationPlan, options: Options, console: Console) -> Ablation:
    """Train, write and compare.

    Args:
        plan: What.
        options: How.
        console: Where progress is shown.

    Raises:
        OrapoError: The output folder can't be made.
        RunFailedError: Nothing could be trained.
    """
    try:
        plan.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OrapoError(f"{plan.out}: can't be the output folder ({error.strerror})") from None
    failures: dict[str, str] = {}
    with stage_bars(console, title=44, bar=20) as progress:
        done = _train(plan, options, progress, failures)
        written = _write_reports(plan, options, done, progress, failures)
    (plan.out / FAILURES).unlink(missing_ok=True)  # an earlier call's
    if failures:
        write_text(plan.out / FAILURES, json_text(failures, indent=1))
        for name, why in failures.items():
            console.print(f"orapo: {name}: {why}", markup=False, highlight=False)
    return _compare(plan, options, written, failures)


# ---------------------------------------------------------------- training


@dataclass(frozen=True)
class _Done:
    """A job and what its training left; the base has none."""

    method: str
    seed: int
    studies: int
    model: str
    folder: Path
    curve: bool = False
    rollouts: int = 0
    trained: Trained | None = None
    seconds: float = 0.0


def _train(
    plan: AblationPlan, options: Options, progress: Progress, failures: dict[str, str]
) -> list[_Done]:
    jobs = plan.jobs()
    results = _run_jobs(jobs, options, progress, failures)
    done = [_as_done(job, results) for job in jobs if job.name in results and job.candidate is None]
    later: list[Job] = []
    found: dict[str, Any] = {}
    for method in plan.methods:
        candidates = [job for job in jobs if job.method == method and job.candidate is not None]
        scores = {
            job.candidate: results[job.name].probes[-1]["macro_f1"]
            for job in candidates
            if job.name in results and results[job.name].probes
        }
        if not scores:
            continue
        best = max(scores, key=lambda number: (scores[number], -(number or 0)))
        found[method] = {
            "validation_macro_f1": {str(number): score for number, score in scores.items()},
            "best": best,
            "candidates": [dict(one) for one in METHODS[method].tuned_from],
        }
        first, *others = plan.tuned(method, int(best or 0))
        taken = next(job for job in candidates if job.candidate == best)
        done.append(
            _as_done(replace(first, recipes=taken.recipes), {first.name: results[taken.name]})
        )
        later += others
    if found:
        write_text(plan.out / TUNING, json_text(found, indent=1))
    results = _run_jobs(later, options, progress, failures)
    return done + [_as_done(job, results) for job in later if job.name in results]


def _run_jobs(
    jobs: Sequence[Job], options: Options, progress: Progress, failures: dict[str, str]
) -> dict[str, Trained]:
    recipes: dict[str, Mapping[str, Any]] = {}
    after: dict[str, str] = {}
    for job in jobs:
        names = [f"{job.name}/stage{n + 1}" for n in range(len(job.recipes) - 1)] + [job.name]
        for number, (name, recipe) in enumerate(zip(names, job.recipes, strict=True)):
            recipes[name] = recipe
            if number:
                after[name] = names[number - 1]

    ended: dict[str, str] = {}

    def failed(name: str, error: RunFailedError) -> None:
        ended[name] = str(error)

    if not recipes:
        return {}
    trained = run_trainings(
        recipes,
        progress,
        together=options.together,
        after=after,
        title=lambda name: name,
        devices=options.devices,
        failed=failed,
    )
    # in the order of the plan, whichever of the trainings side by side failed first
    failures.update({name: ended[name] for name in recipes if name in ended})
    if not trained:
        raise RunFailedError("no training ended well: " + "; ".join(failures.values()))
    for job in jobs:  # the seconds of all stages
        stages = [one for name, one in trained.items() if name.startswith(f"{job.name}/stage")]
        if job.name in trained and stages:
            seconds = sum(one.seconds for one in stages) + trained[job.name].seconds
            trained[job.name] = replace(trained[job.name], seconds=seconds)
    return trained


def _as_done(job: Job, results: Mapping[str, Trained]) -> _Done:
    trained = results[job.name]
    sampled = [int(line["rollouts"]) for line in trained.log if line.get("rollouts")]
    return _Done(
        job.method,
        job.seed,
        job.studies,
        str(trained.folder),
        trained.folder,
        job.curve,
        sampled[-1] if sampled else 0,
        trained,
        trained.seconds,
    )


# ---------------------------------------------------------------- reports


def _write_reports(
    plan: AblationPlan,
    options: Options,
    done: Sequence[_Done],
    progress: Progress,
    failures: dict[str, str],
) -> list[_Done]:
    """Let every model write about the test studies, and another labeler read that."""
    everything = list(done)
    if "base" in plan.methods:
        folder = plan.out / "jobs" / "base"
        everything.append(_Done("base", 0, 0, str(plan.recipe["model"]), folder))
    for name in plan.methods:
        source = METHODS[name].of
        everything += [
            replace(one, method=name, folder=plan.out / "jobs" / name / f"seed{one.seed}")
            for one in done
            if source is not None
            and one.method == source
            and not one.curve
            and one.seed in plan.seeds_of(name)
        ]
    task = progress.add_task("Writing reports", total=len(everything))
    commands = Commands()

    def write(one: _Done) -> str | None:
        """Return why it failed, or None."""
        one.folder.mkdir(parents=True, exist_ok=True)
        try:
            decoding = METHODS[one.method].decoding
            write_predictions(one.folder, one.model, plan.recipe, plan.split, decoding, commands)
        except RunFailedError as error:
            return str(error)
        if options.labeler is not None:
            write_second_labels(one.folder, options.labeler, commands)
        progress.advance(task)
        return None

    # each in a process of its own; these threads wait
    with ThreadPoolExecutor(options.together) as pool:
        try:
            ended = list(zip(everything, pool.map(write, everything), strict=True))
        except BaseException:  # else leaving the pool would wait until they have written all
            commands.end()
            raise
    written = [one for one, error in ended if error is None]
    # in the order of the plan, whichever thread failed first
    failures |= {f"{one.method}/seed{one.seed}": error for one, error in ended if error is not None}
    if not written:
        raise RunFailedError("no model wrote its reports: " + "; ".join(failures.values()))
    return written


# ---------------------------------------------------------------- comparing


def baselines(
    recipe: Mapping[str, Any],
    train: Sequence[Study],
    test: Sequence[Study],
    target: Target,
    uncertain: UncertainPolicy,
) -> dict[str, ClinicalScores]:
    """Return what no model is needed for; a baseline knows the studies that the methods have seen.

    Args:
        recipe: Of the methods.
        train: All studies of the training split.
        test: The studies that the methods are compared on.
        target: Which sections the methods write.
        uncertain: What -1 counts as.
    """
    shown = drawn(train, recipe.get("train_studies") or 0, recipe.get("studies_seed") or 0)
    return trivial_scores(
        [study_labels(study, target) for study in test],
        [study_labels(study, target) for study in shown],
        [target_text(study, target) for study in shown],
        uncertain=uncertain,
        nearest=nearest_labels(
            [(study.images[0], target_text(study, target)) for study in shown],
            [study.images[0] for study in test],
        ),
    )


def _compare(
    plan: AblationPlan, options: Options, written: Sequence[_Done], failures: Mapping[str, str]
) -> Ablation:
    studies = read_manifest(Path(plan.recipe["data"]))
    target = check_target(plan.recipe.get("target") or "sections")
    test = [study for study in studies if study.split == plan.split]
    split = plan.recipe.get("train_split") or "train"
    train = [study for study in studies if study.split == split]
    uncertain = UncertainPolicy(plan.recipe.get("uncertain") or "positive")
    comparison = Comparison(
        [study_labels(study, target) for study in test],
        [study.patient_id for study in test],
        [study_labels(study, target) for study in train],
        uncertain=uncertain,
        resamples=options.resamples,
    )
    runs = [_as_run(one, test, options) for one in written]
    by_method = {
        name: found
        for name in plan.methods
        if (found := [run for run in runs if run.method == name and not run.curve])
    }
    rows = {name: comparison.row(found) for name, found in by_method.items()}
    for baseline in ("grpo_facts", "orapo"):
        if baseline in by_method:
            for name, difference in comparison.differences(by_method, baseline).items():
                rows[name].setdefault("against", {})[baseline] = difference
    curve: dict[str, dict[int, dict[str, Any]]] = {}
    for name in ON_CURVE:
        for count in sorted({run.studies for run in runs if run.method == name}):
            found = [run for run in runs if run.method == name and run.studies == count]
            curve.setdefault(name, {})[count] = comparison.row(found)
    trivial = baselines(plan.recipe, train, test, target, uncertain)
    settings = {
        "recipe": dict(plan.recipe),
        "methods": list(plan.methods),
        "missing": dict(plan.missing),
        "chosen": {name: dict(fields) for name, fields in plan.chosen.items()},
        "failures": dict(failures),
        "seeds": list(plan.seeds),
        "other_seeds": list(plan.other_seeds),
        "budget": plan.budget.value,
        "minutes": plan.minutes,
        "split": plan.split,
        "test_studies": len(test),
        "training_studies": plan.studies,
        "uncertain": uncertain.value,
        "resamples": options.resamples,
        "rare_labels": comparison.rare,
        "groups": {kind: len(places) for kind, places in comparison.groups().items()},
        "labeler": options.labeler,
        "versions": surroundings()["versions"],
        "command": shlex.join(["orapo", *sys.argv[1:]]),
    }
    return Ablation(
        rows, {name: one.as_dict() for name, one in trivial.items()}, curve, by_method, settings
    )


def _as_run(one: _Done, test: Sequence[Study], options: Options) -> Run:
    texts = read_predictions(one.folder / PREDICTIONS)
    lost = [study.study_id for study in test if study.study_id not in texts]
    if lost:
        raise OrapoError(
            f"{one.folder / PREDICTIONS}: lacks {len(lost)} of {len(test)} studies, e.g. {lost[0]}"
        )
    second = None
    if options.labeler is not None:
        labels = read_labels(one.folder / SECOND)
        second = [labels[study.study_id] for study in test]
    return Run(
        one.method,
        one.seed,
        one.studies,
        [label_report(texts[study.study_id]).labels for study in test],
        one.curve,
        one.rollouts,
        one.seconds,
        one.trained.log if one.trained else (),
        one.trained.probes if one.trained else (),
        second,
    )


def as_json(found: Ablation) -> dict[str, Any]:
    """Return an ablation for JSON."""
    return {
        "rows": dict(found.rows),
        "trivial": dict(found.trivial),
        "curve": {
            name: {str(count): row for count, row in rows.items()}
            for name, rows in found.curve.items()
        },
        "settings": dict(found.settings),
    }
