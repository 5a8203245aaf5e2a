"""Training both methods side by side: one process and one core each, two progress bars."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import Progress

from orapo.demo.provenance import file_digest, read_record, surroundings, write_record
from orapo.errors import RunFailedError
from orapo.evaluation.rows import row_title
from orapo.training.checkpoints import all_checkpoints, remove, whole_checkpoints
from orapo.training.run import LOG_FILE, PROBE_FILE, RunConfig, recipe_text

DONE_FILE = "done.json"
STARTED_FILE = "started.json"
RECIPE_FILE = "recipe.yaml"
STDERR_FILE = "stderr.txt"
WEIGHTS_FILE = "model.safetensors"
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class ArmResult:
    """What a finished training left behind; ``taken_over`` if an earlier call ran it."""

    folder: Path
    log: list[dict[str, Any]]
    probes: list[dict[str, Any]]
    seconds: float
    taken_over: bool = False


def train_arms(
    arms: Mapping[str, tuple[RunConfig, dict[str, Any]]], progress: Progress
) -> dict[str, ArmResult]:
    """Train all arms at the same time, each with one thread.

    An arm that a previous call finished with the same recipe, data, base, code and versions is
    taken as it is; one that was interrupted goes on from its last checkpoint, to the same result.

    Args:
        arms: Name to run and settings; the output folder is in the settings.
        progress: Gets one task an arm.

    Raises:
        RunFailedError: A training failed; what it said is in the file that the message names.
    """
    folders = {name: Path(settings["output_dir"]) for name, (_, settings) in arms.items()}
    made_of = {name: _made_of(*arm) for name, arm in arms.items()}
    records: dict[str, dict[str, Any]] = {}
    taken_over = []
    running: dict[str, tuple[subprocess.Popen[bytes], float]] = {}  # and, in effect, since when
    tasks = {}
    try:
        for name, (run, settings) in arms.items():
            folder = folders[name]
            tasks[name] = progress.add_task(
                f"Training {row_title(name)}", total=settings["max_steps"]
            )
            record = _finished(folder, made_of[name])
            if record is not None:
                records[name] = record
                taken_over.append(name)
                continue
            folder.mkdir(parents=True, exist_ok=True)
            (folder / DONE_FILE).unlink(missing_ok=True)
            spent = _seconds_of_interrupted(folder, made_of[name])
            if spent is None:
                _begin_anew(folder, made_of[name])
            (folder / RECIPE_FILE).write_text(recipe_text(run, settings))
            start = time.monotonic() - (spent or 0.0)
            running[name] = (_start(folder, resume=spent is not None), start)
        while running:
            time.sleep(_POLL_SECONDS)
            for name, (process, start) in list(running.items()):
                run, folder = arms[name][0], folders[name]
                progress.update(tasks[name], completed=_last_step(folder))
                if process.poll() is None:
                    continue
                del running[name]
                if process.returncode != 0:
                    raise RunFailedError(
                        f"the training {row_title(name)} failed (exit code {process.returncode}), "
                        f"{folder / STDERR_FILE} says why; kept: "
                        + ", ".join([run.data, run.model, *(str(folders[k]) for k in records)])
                    )
                write_record(folder / DONE_FILE, made_of[name], time.monotonic() - start)
                records[name] = {"seconds": round(time.monotonic() - start, 1)}
                for checkpoint in all_checkpoints(folder):
                    remove(checkpoint)
    finally:
        for process, _ in running.values():
            process.terminate()  # each finishes its step and saves a checkpoint
        for process, _ in running.values():
            process.wait()
    for name, task in tasks.items():
        progress.update(task, completed=arms[name][1]["max_steps"])
    return {
        name: ArmResult(
            folder,
            _read_lines(folder / LOG_FILE),
            _read_lines(folder / PROBE_FILE),
            records[name]["seconds"],
            taken_over=name in taken_over,
        )
        for name, folder in folders.items()
    }


def _begin_anew(folder: Path, made_of: dict[str, Any]) -> None:
    for checkpoint in all_checkpoints(folder):
        remove(checkpoint)
    (folder / LOG_FILE).unlink(missing_ok=True)
    write_record(folder / STARTED_FILE, made_of, 0)


def _seconds_of_interrupted(folder: Path, made_of: dict[str, Any]) -> float | None:
    """Return the seconds spent until the checkpoint to go on from; None if there is none."""
    checkpoints = whole_checkpoints(folder)
    if not checkpoints or read_record(folder / STARTED_FILE, made_of) is None:
        return None
    step = int(checkpoints[-1].name.rpartition("-")[2])
    return max(
        (line["elapsed"] for line in _read_lines(folder / LOG_FILE) if line["step"] <= step),
        default=0.0,
    )


def _start(folder: Path, resume: bool) -> subprocess.Popen[bytes]:
    # One thread each: two processes with two threads each on two cores are many times slower.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", "orapo", "train", "--quiet", "--config"]
    with (folder / STDERR_FILE).open("wb") as errors:
        return subprocess.Popen(
            [*command, str(folder / RECIPE_FILE), *(["--resume"] if resume else [])],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )


def _made_of(run: RunConfig, settings: dict[str, Any]) -> dict[str, Any]:
    files = {"data": Path(run.data), "base": Path(run.model) / WEIGHTS_FILE}
    digests = {name: file_digest(path) for name, path in files.items() if path.is_file()}
    return {"recipe": recipe_text(run, settings), **digests, **surroundings()}


def _finished(folder: Path, made_of: dict[str, Any]) -> dict[str, Any] | None:
    whole = all((folder / name).is_file() for name in (WEIGHTS_FILE, LOG_FILE, PROBE_FILE))
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
