"""Runs `orapo train`, kills it with SIGKILL at random points, resumes it: the driver of a test.

    python tests/training/surviving/killed_run.py RECIPE FOLDER --kills 20 --seed 0

Every process is forked from this one, which has imported all that takes long. A point is passed
whenever a training, generation or optimiser step begins or ends and whenever a file is written,
renamed or removed in the run's folder; the kill at a point where torch or safetensors write leaves
half of the file there, and half a line in a log.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import safetensors.torch
import torch
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from transformers import modeling_utils

from orapo import cli
from orapo.models.whole import whole_checkpoints
from orapo.training import OraPOTrainer
from orapo.training import run as _everything  # noqa: F401  (imported before the forks)
from orapo.training.surviving import json_lines

# Whatever a clock says differs between two runs.
CLOCKS = {
    *("elapsed", "seconds", "step_time"),
    *("train_runtime", "train_samples_per_second", "train_steps_per_second"),
    *(f"seconds/{phase}" for phase in ("generate", "reward", "oracle", "loss")),
}
EVENTS = ("os.rename", "os.remove", "os.mkdir", "shutil.rmtree")


class Points:
    """Counts the points that this process passes, and ends it at one of them."""

    def __init__(self, folder: Path, kill: tuple[str, int] | None, note: Path) -> None:
        self.folder, self.kill_at, self.note = str(folder), kill, note
        self.passed = {"any": 0, "torn": 0}

    def here(self, *kinds: str) -> bool:
        kinds = ("any", *kinds)
        for kind in kinds:
            self.passed[kind] += 1
        return any((kind, self.passed[kind]) == self.kill_at for kind in kinds)

    def kill(self, name: str) -> None:
        self.note.write_text(name)
        os.kill(os.getpid(), signal.SIGKILL)

    def point(self, name: str) -> None:
        if self.here():
            self.kill(name)

    def around(self, owner: object, name: str) -> None:
        real = getattr(owner, name)

        def wrapped(*args, **kwargs):
            self.point(f"before {name}")
            result = real(*args, **kwargs)
            self.point(f"after {name}")
            return result

        setattr(owner, name, wrapped)

    def tearing(self, owner: object, name: str) -> None:
        """Of a function whose second argument is the file that it writes."""
        real = getattr(owner, name)

        def wrapped(value, file, *args, **kwargs):
            result = real(value, file, *args, **kwargs)
            if self.here("torn"):
                os.truncate(file, os.path.getsize(file) // 2)
                self.kill(f"torn {Path(file).name}")
            return result

        setattr(owner, name, wrapped)

    def install(self) -> None:
        self.around(OraPOTrainer, "training_step")
        self.around(OraPOTrainer, "_generate_and_score_completions")
        self.around(OraPOTrainer, "_save_checkpoint")
        self.tearing(torch, "save")
        self.tearing(safetensors.torch, "save_file")
        self.tearing(modeling_utils, "safe_save_file")
        register_optimizer_step_pre_hook(lambda *_: self.point("before the optimiser's step"))
        register_optimizer_step_post_hook(lambda *_: self.point("after the optimiser's step"))
        add = json_lines.JsonLines.add

        def half_a_line(lines, record):
            if self.here("torn"):
                text = json.dumps(record)
                with lines.path.open("a") as file:
                    file.write(text[: len(text) // 2])
                self.kill(f"torn {lines.path.name}")
            add(lines, record)

        json_lines.JsonLines.add = half_a_line
        sys.addaudithook(self.audit)

    def audit(self, event: str, args: tuple) -> None:
        if event == "open":
            writes = isinstance(args[1], str) and set(args[1]) & set("wax+")
        else:
            writes = event in EVENTS
        if writes and isinstance(args[0], str | os.PathLike):
            path = os.fspath(args[0])
            if isinstance(path, str) and path.startswith(self.folder):
                self.point(f"{event} {Path(path).name}")


def attempt(recipe: Path, folder: Path, kill: tuple[str, int] | None) -> tuple[int | None, str]:
    """Train, or go on with it, in a process of its own.

    Args:
        recipe: As of `orapo train --config`.
        folder: The run's.
        kill: At which point of which kind to kill it: of any, or of those that leave half a file.

    Returns:
        The signal that ended it, or None; and where that was, or how many points it passed (JSON).
    """
    note = folder.with_suffix(".note")
    process = os.fork()
    if process == 0:
        code = 1
        said = os.open(folder.with_suffix(".txt"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 1)
        os.dup2(said, 2)
        try:
            points = Points(folder, kill, note)
            points.install()
            sys.argv = ["orapo", "train", "--quiet", "--config", str(recipe)]
            sys.argv += ["--output_dir", str(folder)]
            if whole_checkpoints(folder):
                sys.argv.append("--resume")
            try:
                cli.main()
            except SystemExit as end:
                code = end.code or 0
            note.write_text(json.dumps(points.passed))
        finally:
            os._exit(code)
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status), note.read_text()
    if os.WEXITSTATUS(status) != 0:
        raise SystemExit(f"{folder.with_suffix('.txt')}: ended with {os.WEXITSTATUS(status)}")
    return None, note.read_text()


def without_clocks(path: Path) -> list[dict]:
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [{key: value for key, value in line.items() if key not in CLOCKS} for line in lines]


def outcome(folder: Path) -> dict:
    """What a run leaves: every bit of it that does not come from a clock."""
    last = whole_checkpoints(folder)[-1]
    state = json.loads((last / "trainer_state.json").read_text())
    history = [
        {key: value for key, value in line.items() if key not in CLOCKS}
        for line in state.pop("log_history")
    ]
    files = [folder / "model.safetensors", last / "model.safetensors", last / "oracle_state.json"]
    files += [last / name for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth")]
    files += sorted(last.glob("generation_*.pt"))
    return {
        "checkpoints": [path.name for path in whole_checkpoints(folder)],
        "log": without_clocks(folder / "metrics.jsonl"),
        "probe": without_clocks(folder / "probe.jsonl"),
        "warnings": without_clocks(folder / "warnings.jsonl"),
        "state": state,
        "history": history,
        "files": {
            f"{path.parent.name}/{path.name}" if path.parent == last else path.name: _digest(path)
            for path in files
        },
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    total = json.loads(attempt(options.recipe, options.folder / "unbroken", None)[1])
    expected = outcome(options.folder / "unbroken")
    kills, runs, equal = [], 0, 0
    while len(kills) < options.kills:
        folder = options.folder / f"killed-{runs}"
        while True:
            kind = ("any", "torn")[len(kills) % 2]
            kill = (kind, rng.randint(1, total[kind] // 2)) if len(kills) < options.kills else None
            ended_by, where = attempt(options.recipe, folder, kill)
            if ended_by is None:
                break
            assert ended_by == signal.SIGKILL, ended_by
            kills.append(where)
        runs += 1
        got = outcome(folder)
        equal += got == expected
        for name in expected:
            if got[name] != expected[name]:
                print(f"{folder.name}: {name} differs", file=sys.stderr)
    print(json.dumps({"points": total, "kills": kills, "runs": runs, "equal": equal}))


if __name__ == "__main__":
    main()
