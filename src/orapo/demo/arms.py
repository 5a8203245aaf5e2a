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

from orapo.errors import OrapoError
from orapo.evaluation.rows import row_title
from orapo.training.run import LOG_FILE, PROBE_FILE, RunConfig, recipe_text

DONE_FILE = "done.json"
RECIPE_FILE = "recipe.yaml"
STDERR_FILE = "stderr.txt"
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class ArmResult:
    """What a finished training left behind."""

    folder: Path
    log: list[dict[str, Any]]
    probes: list[dict[str, Any]]
    seconds: float


def train_arms(
    arms: Mapping[str, tuple[RunConfig, dict[str, Any]]], progress: Progress
) -> dict[str, ArmResult]:
    """Train all arms at the same time, each with one thread.

    An arm that a previous call finished with the same recipe is taken as it is; one that was
    interrupted starts anew.

    Args:
        arms: Name to run and settings; the output folder is in the settings.
        progress: Gets one task an arm.

    Raises:
        OrapoError: A training failed; what it said is in the file that the message names.
    """
    running: dict[str, tuple[subprocess.Popen[bytes], float]] = {}
    tasks = {}
    try:
        for name, (run, settings) in arms.items():
            folder = Path(settings["output_dir"])
            recipe = recipe_text(run, settings)
            tasks[name] = progress.add_task(
                f"Training {row_title(name)}", total=settings["max_steps"]
            )
            if _is_done(folder, recipe):
                continue
            folder.mkdir(parents=True, exist_ok=True)
            (folder / DONE_FILE).unlink(missing_ok=True)
            (folder / LOG_FILE).unlink(missing_ok=True)
            (folder / RECIPE_FILE).write_text(recipe)
            running[name] = (_start(folder), time.monotonic())
        while running:
            time.sleep(_POLL_SECONDS)
            for name, (process, start) in list(running.items()):
                folder = Path(arms[name][1]["output_dir"])
                progress.update(tasks[name], completed=_last_step(folder))
                if process.poll() is None:
                    continue
                del running[name]
                if process.returncode != 0:
                    raise OrapoError(
                        f"the training {row_title(name)} failed (exit code {process.returncode}); "
                        f"see {folder / STDERR_FILE}"
                    )
                seconds = round(time.monotonic() - start, 1)
                done = {"recipe": (folder / RECIPE_FILE).read_text(), "seconds": seconds}
                (folder / DONE_FILE).write_text(json.dumps(done))
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, _ in running.values():
            process.wait()
    for name, task in tasks.items():
        progress.update(task, completed=arms[name][1]["max_steps"])
    return {name: _result(Path(settings["output_dir"])) for name, (_, settings) in arms.items()}


def _start(folder: Path) -> subprocess.Popen[bytes]:
    # One thread each: two processes with two threads each on two cores are many times slower.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", "orapo", "train", "--quiet", "--config"]
    with (folder / STDERR_FILE).open("wb") as errors:
        return subprocess.Popen(
            [*command, str(folder / RECIPE_FILE)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )


def _is_done(folder: Path, recipe: str) -> bool:
    try:
        return json.loads((folder / DONE_FILE).read_text())["recipe"] == recipe
    except (OSError, ValueError, KeyError):
        return False


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


def _result(folder: Path) -> ArmResult:
    done = json.loads((folder / DONE_FILE).read_text())
    return ArmResult(
        folder, _read_lines(folder / LOG_FILE), _read_lines(folder / PROBE_FILE), done["seconds"]
    )
