"""From a recipe and a list of methods to trainings with equal budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import yaml

from orapo.ablation.methods import EXPERTS, METHODS, ON_CURVE, Changes
from orapo.data.manifest import read_manifest
from orapo.errors import OrapoError
from orapo.training.config import OraPOConfig
from orapo.training.recipe import RunConfig, read_recipe, without_gpu

_MOST_STEPS: Final = 20
"""With a budget of minutes: so many times the recipe's steps, at most."""
STEPS: Final = "steps"
"""In settings that were chosen elsewhere: the share of the recipe's steps."""
# What a run of fewer steps has fewer of.
_IN_STEPS: Final = ("warmup_steps",)
_IN_STEPS_OF_SCHEDULE: Final = ("num_decay_steps", "num_stable_steps")


class Budget(StrEnum):
    """What is equal for all methods."""

    ROLLOUTS = "rollouts"
    """Reports sampled; supervision has as many steps as the recipe, and samples none."""
    SAMPLES = "samples"
    """Studies visited."""
    MINUTES = "minutes"
    """Time of training."""


@dataclass(frozen=True)
class Job:
    """One training of the table: a method, a seed, a number of studies.

    Attributes:
        method: Key of `METHODS`.
        seed: Of the training; the data are the same for all.
        studies: Training studies.
        recipes: One a stage, each with its ``output_dir``.
        curve: Whether it is for the curve of data efficiency alone, not for the table.
        candidate: Number of the candidate if it is part of a search; else None.
    """

    method: str
    seed: int
    studies: int
    recipes: tuple[Mapping[str, Any], ...]
    curve: bool = False
    candidate: int | None = None

    @property
    def name(self) -> str:
        """Name of the job, and of its folder."""
        tail = "" if self.candidate is None else f"-candidate{self.candidate}"
        return f"{self.method}/seed{self.seed}-{self.studies}{tail}"


@dataclass(frozen=True)
class AblationPlan:
    """What to compare, on what, at which cost.

    Attributes:
        recipe: Fields of the recipe; its method is that of OraPO.
        out: Folder of everything.
        methods: Keys of `METHODS`, in the order of the table.
        seeds: Of each method of the paper.
        other_seeds: Of all other methods.
        budget: What is equal.
        minutes: Of each training, with the budget of minutes.
        curve: Numbers of studies for the curve of data efficiency.
        split: On which reports are scored.
        studies: Training studies of the recipe.
        missing: Methods that can't run here, and what they need.
        chosen: Fields that were chosen elsewhere, by method (`read_settings`).
    """

    recipe: Mapping[str, Any]
    out: Path
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    other_seeds: tuple[int, ...]
    budget: Budget = Budget.ROLLOUTS
    minutes: float = 0.0
    curve: tuple[int, ...] = ()
    split: str = "test"
    studies: int = 0
    missing: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, Changes] = field(default_factory=dict)

    def seeds_of(self, method: str) -> tuple[int, ...]:
        """Return the seeds of a method."""
        return self.seeds if METHODS[method].group == "paper" else self.other_seeds

    def jobs(self) -> list[Job]:
        """Return all trainings but those of searches' results, seed by seed.

        An ablation that is cut short then holds whole comparisons, of fewer seeds.
        """
        jobs = []
        for name in self.methods:
            method = METHODS[name]
            if method.changes is None:
                continue
            if method.tuned_from:
                jobs += [
                    self._job(name, self.other_seeds[0], [(changes, 1.0)], candidate=number)
                    for number, changes in enumerate(method.tuned_from)
                ]
                continue
            for seed in self.seeds_of(name):
                jobs.append(self._job(name, seed, self._stages(name), method.studies_share))
        jobs += [
            self._job(name, seed, self._stages(name), count=count)
            for count in self.curve
            for name in ON_CURVE
            if name in self.methods and count != self.studies
            for seed in self.seeds_of(name)
        ]
        return sorted(jobs, key=lambda job: (job.curve, job.seed))

    def tuned(self, method: str, best: int) -> list[Job]:
        """Return the trainings of a search's best candidate; the first seed's is done."""
        changes = METHODS[method].tuned_from[best]
        return [self._job(method, seed, [(changes, 1.0)]) for seed in self.other_seeds]

    def _stages(self, name: str) -> Sequence[tuple[Changes, float]]:
        """Return the trainings of a method, each with its changes and its share of the steps."""
        method = METHODS[name]
        chosen = dict(self.chosen.get(name, {}))
        share = float(chosen.pop(STEPS, 1.0))
        return method.stages or (({**(method.changes or {}), **chosen}, share),)

    def _job(
        self,
        method: str,
        seed: int,
        stages: Sequence[tuple[Changes, float]],
        share: float = 1.0,
        count: int | None = None,
        candidate: int | None = None,
    ) -> Job:
        studies = count or max(1, round(share * self.studies))
        job = Job(method, seed, studies, (), curve=count is not None, candidate=candidate)
        folder = self.out / "jobs" / job.name
        recipes: list[Mapping[str, Any]] = []
        for number, (changes, part) in enumerate(stages):
            last = number == len(stages) - 1
            recipe = self._recipe(changes, part, seed, studies)
            for name in set(EXPERTS) - set(METHODS[method].wants):
                recipe.pop(name, None)
            recipe["output_dir"] = str(folder if last else folder / f"stage{number + 1}")
            if recipes:
                recipe["model"] = recipes[-1]["output_dir"]
            recipes.append(recipe)
        return Job(method, seed, studies, tuple(recipes), job.curve, candidate)

    def _recipe(self, changes: Changes, part: float, seed: int, studies: int) -> dict[str, Any]:
        recipe = {**self.recipe, "seed": seed}
        recipe.pop("data_seed", None)  # each seed orders the same studies anew
        for name, value in changes.items():
            if name == "learning_rate":  # a factor
                recipe[name] = value * self.recipe[name]
            elif name == "reward_terms":
                recipe[name] = [*(self.recipe.get(name) or ()), *(one.lstrip("+") for one in value)]
            else:
                recipe[name] = value
        recipe["train_studies"] = studies
        if self.budget is Budget.MINUTES:
            recipe["max_minutes"] = min(part, 1.0) * self.minutes
            return _in_proportion(recipe, _MOST_STEPS)
        return _in_proportion(recipe, part)


def _in_proportion(recipe: dict[str, Any], factor: float) -> dict[str, Any]:
    """Give a recipe another number of steps, and its schedule of the learning rate with them."""
    if factor == 1:
        return recipe
    recipe["max_steps"] = max(1, round(recipe["max_steps"] * factor))
    for name in _IN_STEPS:
        if recipe.get(name):
            recipe[name] = max(1, round(recipe[name] * factor))
    schedule = dict(recipe.get("lr_scheduler_kwargs") or {})
    for name in _IN_STEPS_OF_SCHEDULE:
        if name in schedule:
            schedule[name] = max(1, round(schedule[name] * factor))
    if schedule:
        recipe["lr_scheduler_kwargs"] = schedule
    return recipe


def read_settings(path: Path, methods: Sequence[str]) -> dict[str, Changes]:
    """Read what was chosen for methods elsewhere, on other data.

    Args:
        path: YAML: a method to its fields. As in `METHODS`, ``learning_rate`` is a factor of the recipe's;
            ``steps`` is a share of its steps, at most 1.
        methods: Keys of `METHODS` that are compared.

    Raises:
        OrapoError: The file can't be read, or names what can't be set.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OrapoError(f"{path}: can't be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise OrapoError(f"{path}: is no YAML") from None
    if not isinstance(content, dict) or not all(isinstance(one, dict) for one in content.values()):
        raise OrapoError(f"{path}: expected methods, each with its fields")
    known = {STEPS, *RunConfig.__dataclass_fields__, *OraPOConfig.__dataclass_fields__}
    for name, fields in content.items():
        if name not in methods:
            raise OrapoError(f"{path}: {name} is none of the methods {', '.join(methods)}")
        if METHODS[name].changes is None or METHODS[name].stages or METHODS[name].tuned_from:
            raise OrapoError(f"{path}: {name} is no single training, it has no settings")
        for field_name in fields:
            if field_name not in known:
                raise OrapoError(f"{path}: {name}: no field {field_name!r}")
        if not 0 < float(fields.get(STEPS, 1)) <= 1:
            raise OrapoError(
                f"{path}: {name}: steps is a share of the recipe's, above 0, at most 1"
            )
    return content


def read_plan(
    config: Path,
    out: Path,
    *,
    methods: Sequence[str],
    seeds: int,
    other_seeds: int,
    budget: Budget,
    minutes: float,
    curve: Sequence[int],
    split: str,
    settings: Path | None = None,
) -> AblationPlan:
    """Make the plan of an ablation, and check it as a whole before anything is trained.

    Args:
        config: The recipe of OraPO on the data set; ``max_steps`` says how long.
        out: Folder of everything.
        methods: Keys of `METHODS`.
        seeds: How many of each method of the paper.
        other_seeds: How many of all others.
        budget: What is equal.
        minutes: Of each training, with that budget.
        curve: Numbers of studies.
        split: On which reports are scored.
        settings: Of `read_settings`; None: there are none.

    Raises:
        OrapoError: The recipe or the settings can't be used, or does not fit the data.
    """
    chosen = read_settings(settings, methods) if settings is not None else {}
    run, training = read_recipe(["--config", str(config), *without_gpu()])
    recipe: dict[str, Any] = {**yaml.safe_load(config.read_text(encoding="utf-8"))}
    if without_gpu():
        recipe["use_cpu"] = True
        recipe["bf16"] = False
    _check(config, recipe, run, training, budget, minutes)
    splits = [study.split for study in read_manifest(Path(run.data))]
    for needed in (run.train_split, split):
        if needed not in splits:
            there = ", ".join(sorted(set(splits)))
            raise OrapoError(f"{run.data}: no study of split {needed!r}; it has {there}")
    studies = run.train_studies or splits.count(run.train_split)
    if curve and not set(ON_CURVE) & set(methods):
        raise OrapoError(f"--curve is of {', '.join(ON_CURVE)}; --methods names none of them")
    for count in curve:
        if not 0 < count <= studies:
            raise OrapoError(f"--curve {count}: there are {studies} training studies")
    if any(METHODS[name].tuned_from for name in methods) and not (
        run.probe_split and run.probe_every
    ):
        raise OrapoError(
            f"{config}: a search takes the best on validation studies; the recipe needs probe_split "
            "and probe_every"
        )
    needs = {name: METHODS[name].needs for name in methods}
    elsewhere = {"radeval"} if run.radeval_python else set()  # in an environment of its own
    missing = {
        name: one
        for name, one in needs.items()
        if one and one not in elsewhere and find_spec(one) is None
    }
    for name in methods:
        for wanted in METHODS[name].wants:
            if not recipe.get(wanted):
                missing[name] = f"{wanted} in the recipe"
        if run.use_peft and METHODS[name].stages:  # of the first stage an adapter would be left
            missing[name] = "use_peft: false in the recipe, since a stage begins from a whole model"
    if not set(methods) - set(missing):
        needed = "; ".join(f"{METHODS[name].title} needs {one}" for name, one in missing.items())
        raise OrapoError(f"{config}: none of the methods can run: {needed}")
    return AblationPlan(
        recipe,
        out,
        tuple(name for name in methods if name not in missing),
        tuple(range(seeds)),
        tuple(range(other_seeds)),
        budget,
        minutes,
        tuple(curve),
        split,
        studies,
        missing,
        chosen,
    )


def _check(
    config: Path,
    recipe: Mapping[str, Any],
    run: RunConfig,
    settings: OraPOConfig,
    budget: Budget,
    minutes: float,
) -> None:
    if settings.method != "orapo":
        raise OrapoError(f"{config}: expected the recipe of OraPO, not of {settings.method}")
    if not recipe.get("max_steps", -1) > 0:
        raise OrapoError(f"{config}: max_steps is needed, so that all methods have as many")
    for name in ("per_device_train_batch_size", "learning_rate"):
        if name not in recipe:
            raise OrapoError(f"{config}: {name} is needed")
    if (budget is Budget.MINUTES) is not (minutes > 0):
        raise OrapoError("--minutes is for --budget minutes, and that needs it")
