"""Trainings side by side: a process and a progress bar each, and what is done is not done again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from rich.progress import Progress

from orapo.ablation.provenance import file_digest, read_record, surroundings, write_record
from orapo.errors import RunFailedError
from orapo.evaluation.rows import row_title
from orapo.locking import locked
from orapo.models.whole import all_checkpoints, fault, whole_checkpoints
from orapo.signals import ends_with_this_process
from orapo.training.run import LOG_FILE, PROBE_FILE
from orapo.training.surviving.checkpoints import remove
from orapo.writing import open_own, write_text

DONE_FILE = "done.json"
STARTED_FILE = "started.json"
RECIPE_FILE = "recipe.yaml"
STDERR_FILE = "stderr.txt"
WEIGHTS_FILE = "model.safetensors"
_POLL_SECONDS = 0.5


def weight_files(model: Path) -> list[Path]:
    """Return the files of a model's weights: one, several parts, or a LoRA adapter's."""
    whole = model / WEIGHTS_FILE
    return [whole] if whole.is_file() else sorted(model.glob("*.safetensors"))


Recipe = Mapping[str, Any]
"""Fields of RunConfig and of OraPOConfig, as ``orapo train --config`` reads them."""


@dataclass(frozen=True)
class Trained:
    """What a finished training left behind; ``taken_over`` if an earlier call ran it."""

    folder: Path
    log: list[dict[str, Any]]
    probes: list[dict[str, Any]]
    seconds: float
    taken_over: bool = False


def run_trainings(
    recipes: Mapping[str, Recipe],
    progress: Progress,
    *,
    together: int | None = None,
    after: Mapping[str, str] | None = None,
    title: Callable[[str], str] = row_title,
    devices: Sequence[str] = (),
    failed: Callable[[str, RunFailedError], None] | None = None,
) -> dict[str, Trained]:
    """Run trainings, several at the same time, each in a process of its own.

    One that a previous call finished with the same recipe, data, model, code and versions is taken as
    it is; one that was interrupted goes on from its last checkpoint, to the same result.

    Args:
        recipes: By name; each with its own ``output_dir``.
        progress: Gets one task a training.
        together: How many at a time; None: all. They share the processor's cores;
            ``OMP_NUM_THREADS``, if it is smaller, says how many threads each has.
        after: Name to the name of the training whose model it begins with; that comes first.
        title: What the progress bar calls a training.
        devices: The GPUs to use, one each; none: what there is, for all.
        failed: Called with the name and the error of a training that failed, and the others go on;
            None: it is raised.

    Returns:
        What those left that did not fail, in the order of ``recipes``.

    Raises:
        RunFailedError: A training failed; what it said is in the file that the message names.
    """
    pool = _Pool(recipes, after or {}, progress, title, list(devices))
    pool.run(together or len(recipes), failed)
    return {name: pool.results[name] for name in recipes if name in pool.results}


class _Running(NamedTuple):
    process: subprocess.Popen[bytes]
    since: float
    """On the clock, as if it had never been interrupted."""
    made_of: dict[str, Any]
    device: str | None


class _Pool:
    """Trainings that wait, run and are done."""

    def __init__(
        self,
        recipes: Mapping[str, Recipe],
        after: Mapping[str, str],
        progress: Progress,
        title: Callable[[str], str],
        devices: list[str],
    ) -> None:
        self._recipes = recipes
        self._after = after
        self._progress = progress
        self._free = devices
        self._threads = 1
        self._waiting = list(recipes)
        self._running: dict[str, _Running] = {}
        self.results: dict[str, Trained] = {}
        self._lost: set[str] = set()
        self._tasks = {
            name: progress.add_task(f"Training {title(name)}", total=recipe["max_steps"])
            for name, recipe in recipes.items()
        }
        self._title = title

    def run(self, together: int, failed: Callable[[str, RunFailedError], None] | None) -> None:
        """Run all."""
        together = min(together, len(self._free)) if self._free else together
        # Two processes with two threads each on two cores are many times slower than with one.
        # Who calls knows what else runs here, so a smaller number in the environment stands.
        cores = max(1, (os.cpu_count() or 1) // max(1, together))
        own = os.environ.get("OMP_NUM_THREADS", "")
        self._threads = min(cores, int(own)) if own.isdecimal() and int(own) else cores
        try:
            while self._waiting or self._running:
                for name in list(self._waiting):
                    if len(self._running) < together and self._may_start(name):
                        self._waiting.remove(name)
                        self._begin(name)
                time.sleep(_POLL_SECONDS if self._running else 0)
                for name in list(self._running):
                    self._look_after(name, failed)
        finally:
            for one in self._running.values():
                one.process.terminate()  # each finishes its step and saves a checkpoint
            for one in self._running.values():
                one.process.wait()

    def _may_start(self, name: str) -> bool:
        before = self._after.get(name)
        if before in self._lost:  # what it would begin with will never be there
            self._waiting.remove(name)
            self._lost.add(name)
            return False
        return before is None or before in self.results

    def _begin(self, name: str) -> None:
        recipe = self._recipes[name]
        folder, made_of = Path(recipe["output_dir"]), _made_of(recipe)
        with locked(folder):  # the training of a call that was killed may still be saving there
            pass
        record = _finished(folder, made_of)
        if record is not None:
            self._done(name, record["seconds"], taken_over=True)
            return
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DONE_FILE).unlink(missing_ok=True)
        spent = _seconds_of_interrupted(folder, made_of)
        if spent is None:
            _begin_anew(folder, made_of)
        write_text(folder / RECIPE_FILE, yaml.safe_dump(dict(recipe), sort_keys=False))
        device = self._free.pop(0) if self._free else None
        process = _start(folder, spent is not None, self._threads, device)
        since = time.monotonic() - (spent or 0.0)
        self._running[name] = _Running(process, since, made_of, device)

    def _look_after(self, name: str, failed: Callable[[str, RunFailedError], None] | None) -> None:
        one = self._running[name]
        recipe = self._recipes[name]
        folder = Path(recipe["output_dir"])
        self._progress.update(self._tasks[name], completed=_last_step(folder))
        if one.process.poll() is None:
            return
        del self._running[name]
        if one.device is not None:
            self._free.append(one.device)
        if one.process.returncode == 0:
            seconds = time.monotonic() - one.since
            write_record(folder / DONE_FILE, one.made_of, seconds)
            self._done(name, round(seconds, 1))
            for checkpoint in all_checkpoints(folder):
                remove(checkpoint)
            return
        done = (str(each.folder) for each in self.results.values())
        kept = [recipe["data"], recipe["model"], *done]
        error = RunFailedError(
            f"the training {self._title(name)} failed (exit code {one.process.returncode}), "
            f"{folder / STDERR_FILE} says why; kept: " + ", ".join(kept)
        )
        if failed is None:
            raise error
        self._lost.add(name)
        failed(name, error)

    def _done(self, name: str, seconds: float, taken_over: bool = False) -> None:
        recipe = self._recipes[name]
        folder = Path(recipe["output_dir"])
        self._progress.update(self._tasks[name], completed=recipe["max_steps"])
        self.results[name] = Trained(
            folder,
            _read_lines(folder / LOG_FILE),
            _read_lines(folder / PROBE_FILE),
            seconds,
            taken_over,
        )


def _begin_anew(folder: Path, made_of: dict[str, Any]) -> None:
    for checkpoint in all_checkpoints(folder):
        remove(checkpoint)
    (folder / LOG_FILE).unlink(missing_ok=True)
    write_record(folder / STARTED_FILE, made_of, 0)


def _seconds_of_interrupted(folder: Path, made_of: dict[str, Any]) -> float | None:
    """Return the seconds spent until the checkpoint to go on from; None if there is none."""
    checkpoints = [one for one in whole_checkpoints(folder) if fault(one) is None]
    if not checkpoints or read_record(folder / STARTED_FILE, made_of) is None:
        return None
    step = int(checkpoints[-1].name.rpartition("-")[2])
    return max(
        (line["elapsed"] for line in _read_lines(folder / LOG_FILE) if line["step"] <= step),
        default=0.0,
    )


def _start(folder: Path, resume: bool, threads: int, device: str | None) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **ends_with_this_process(), "TOKENIZERS_PARALLELISM": "false"}
    environment["OMP_NUM_THREADS"] = str(threads)
    if device is not None:
        environment["CUDA_VISIBLE_DEVICES"] = device
    command = [sys.executable, "-m", "orapo", "train", "--quiet", "--config"]
    with os.fdopen(open_own(folder / STDERR_FILE, anew=True), "wb") as errors:
        return subprocess.Popen(
            [*command, str(folder / RECIPE_FILE), *(["--resume"] if resume else [])],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )


def _made_of(recipe: Recipe) -> dict[str, Any]:
    files = {"data": Path(recipe["data"])}
    if recipe.get("preferences"):
        files["preferences"] = Path(recipe["preferences"])
    if recipe.get("reward_model"):
        files["reward_model"] = Path(recipe["reward_model"]) / "reward_model.json"
    digests = {name: file_digest(path) for name, path in files.items() if path.is_file()}
    if base := weight_files(Path(recipe["model"])):
        digests["base"] = "+".join(map(file_digest, base))
    return {"recipe": dict(recipe), **digests, **surroundings()}


def _finished(folder: Path, made_of: dict[str, Any]) -> dict[str, Any] | None:
    whole = weight_files(folder) and all(
        (folder / name).is_file() for name in (LOG_FILE, PROBE_FILE)
    )
    return read_record(folder / DONE_FILE, made_of) if whole else None


def _last_step(folder: Path) -> int:
    lines = _read_lines(folder / LOG_FILE)
    return int(lines[-1]["step"]) if lines else 0


def _read_lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    # The last line may be half written while the training runs.
    lines = path.read_text().splitlines()
    records = []
    for line in lines:
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records
