"""RL-only learning on real pixels: 1,000 paediatric chest films of PneumoniaMNIST, the tiny model.

    python benchmarks/pneumonia.py --data pneumonia_train.npz [--test OTHER.npz] --json OUT

A file holds ``images`` (N, 28, 28) grey and ``labels`` (N,), 0 normal, 1 pneumonia (Yang et al. 2023,
doi 10.1038/s41597-022-01721-8, CC BY 4.0; Kermany et al. 2018). A small generator turns a label into a
report; 1,000 films train, 300 others are for choosing, and ``--test``, or what is left over, is looked at
once. A report calls pneumonia where FactS reads it as present or possible.

The base has never seen a real film: it has learned to name shapes on drawn films of adults, and the
language of reports beside drawn films of other patients (docs/method.md).
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from sklearn.metrics import balanced_accuracy_score, f1_score

from orapo.ablation.plan import Budget, read_plan
from orapo.ablation.run import PREDICTIONS, Options, run_ablation
from orapo.data.tables.writing import write_rows
from orapo.errors import OrapoError
from orapo.evaluation.bootstrap import Resampler
from orapo.evaluation.inputs import read_predictions
from orapo.facts import label_report
from orapo.labels import POSITIVE, UNCERTAIN
from orapo.models.base import tiny_base
from orapo.training.run import quiet_libraries

METHODS: Final = ("base", "grpo_facts", "orapo", "orapo_both", "sft")
TRAIN: Final = 1000
VALIDATE: Final = 300
SIDE: Final = 64
Pixels = NDArray[np.uint8]

PNEUMONIA: Final = (
    "There is a hazy opacity in the {side} lung, consistent with pneumonia.",
    "Patchy opacity in the {side} lung, concerning for pneumonia.",
    "Pneumonia is seen in the {side} lung.",
    "There is {side} lung pneumonia.",
)
NORMAL: Final = (
    "The lungs are clear.",
    "No focal opacity or consolidation.",
    "The lungs are clear. No evidence of pneumonia.",
    "No acute cardiopulmonary process.",
)
BESIDE: Final = (
    "The heart is normal in size.",
    "No pleural effusion.",
    "No pneumothorax.",
    "No effusion is identified.",
)
SIDES: Final = ("right", "left")


def report(label: int, rng: np.random.Generator) -> str:
    """Write what a radiologist could have said; the side is chance, since no label tells it."""
    main = (PNEUMONIA if label else NORMAL)[rng.integers(4)].format(side=SIDES[rng.integers(2)])
    beside = [BESIDE[place] for place in rng.permutation(4)[: rng.integers(0, 3)]]
    parts = [main, *beside]
    return " ".join(parts[place] for place in rng.permutation(len(parts)))


def read(path: Path) -> tuple[Pixels, NDArray[np.int64]]:
    """Read a file.

    Raises:
        OrapoError: It is none of this kind.
    """
    try:
        with np.load(path) as file:
            images, labels = file["images"], file["labels"].reshape(-1)
    except (OSError, KeyError, ValueError) as error:
        raise OrapoError(f"{path}: expected an npz with images and labels ({error})") from None
    if images.ndim != 3 or len(images) != len(labels) or not set(np.unique(labels)) <= {0, 1}:
        raise OrapoError(f"{path}: expected N grey images and N labels, 0 or 1")
    return images, labels.astype(np.int64)


def write_manifest(
    folder: Path, parts: Mapping[str, tuple[Pixels, NDArray[np.int64]]], seed: int
) -> Path:
    """Write films as PNG files, and the manifest."""
    rng = np.random.default_rng([seed, 1])
    manifest = folder / "manifest.jsonl"
    (folder / "films").mkdir(parents=True, exist_ok=True)
    with write_rows(manifest, ("study_id", "images", "report", "split", "source")) as write:
        for split, (images, labels) in parts.items():
            for number, (pixels, label) in enumerate(zip(images, labels, strict=True)):
                name = f"{split}{number:05d}"
                film = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
                film.save(folder / "films" / f"{name}.png")
                write(
                    {
                        "study_id": name,
                        "images": [f"films/{name}.png"],
                        "report": report(int(label), rng),
                        "split": split,
                        "source": "PneumoniaMNIST",
                    }
                )
    return manifest


def recipe(manifest: Path, base: Path, steps: int, tau: float) -> dict[str, Any]:
    """The demo's setting, on these films.

    The base never says "pneumonia", so that the reports lie far from all that it would write. With
    a high tau the pairs are satisfied (a margin of 2 nats a token at 5) long before a rollout says it.
    """
    return {
        "model": str(base),
        "data": str(manifest),
        "output_dir": "unused",
        "probe_split": "validate",
        "probe_every": max(1, steps // 5),
        "probe_studies": VALIDATE,
        "reward_terms": ["repetition=0.5"],
        "max_steps": steps,
        "per_device_train_batch_size": 32,
        "num_generations": 4,
        "max_completion_length": 64,
        "learning_rate": 1e-3,
        "vision_learning_rate": 3e-4,
        "lr_scheduler_type": "warmup_stable_decay",
        "lr_scheduler_kwargs": {"num_decay_steps": steps // 2},
        "warmup_steps": 10,
        "beta": 0.0,
        "facts_beta": 1.0,
        "dpo_tau": tau,
        "gradient_checkpointing": False,
        "report_to": "none",
        "logging_steps": 1,
        "save_steps": 100,
        "save_total_limit": 1,
    }


def figures(called: Sequence[bool], truth: NDArray[np.int64], seed: int) -> dict[str, Any]:
    """Balanced accuracy with its bootstrap interval, and F1 of pneumonia."""
    calls = np.array(called)
    hits = [(calls == truth) & (truth == label) for label in (0, 1)]
    of = [truth == label for label in (0, 1)]

    def balanced(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        shares = [(weights @ hit) / (weights @ kind) for hit, kind in zip(hits, of, strict=True)]
        mean: NDArray[np.float64] = sum(shares) / 2
        return mean

    (interval,) = Resampler([""] * len(truth), 1000, seed).interval(balanced)
    return {
        "balanced_accuracy": float(balanced_accuracy_score(truth, calls)),
        "interval": [interval.low, interval.high],
        "f1": float(f1_score(truth, calls, zero_division=0)),
        "sensitivity": float(hits[1].sum() / of[1].sum()),
        "specificity": float(hits[0].sum() / of[0].sum()),
    }


def calls_pneumonia(text: str) -> bool:
    """Say whether a report has it, surely or possibly."""
    return label_report(text).labels["Pneumonia"] in (POSITIVE, UNCERTAIN)


def main() -> None:
    """Train, write about the test films, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("pneumonia"))
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tau", type=float, default=2.0, help="temperature of the preference")
    asked = parser.parse_args()
    quiet_libraries()
    images, labels = read(asked.data)
    order = np.random.default_rng([asked.seed, 0]).permutation(len(labels))
    cuts = (order[:TRAIN], order[TRAIN : TRAIN + VALIDATE], order[TRAIN + VALIDATE :])
    train, validate, rest = ((images[places], labels[places]) for places in cuts)
    test = rest if asked.test is None else read(asked.test)
    manifest = write_manifest(
        asked.work, {"train": train, "validate": validate, "test": test}, asked.seed
    )
    path = asked.work / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(manifest, tiny_base(), asked.steps, asked.tau)))
    plan = read_plan(
        path,
        asked.work / "ablation",
        methods=METHODS,
        seeds=1,
        other_seeds=1,
        budget=Budget.ROLLOUTS,
        minutes=0.0,
        curve=(),
        split="test",
    )
    together = min(2, os.cpu_count() or 1)
    found = run_ablation(plan, Options(together=together), Console(stderr=True))
    truth = test[1]
    rows: dict[str, Any] = {}
    for name in METHODS:
        folder = plan.out / "jobs" / (name if name == "base" else f"{name}/seed0-{TRAIN}")
        texts = list(read_predictions(folder / PREDICTIONS).values())
        rows[name] = figures([calls_pneumonia(text) for text in texts], truth, asked.seed)
        rows[name] |= {key: found.rows[name][key] for key in ("rollouts", "seconds")}
    share = float(train[1].mean())
    draws = np.random.default_rng(asked.seed).random(len(truth)) < share
    rows["all_positive"] = figures([True] * len(truth), truth, asked.seed)
    rows["all_negative"] = figures([False] * len(truth), truth, asked.seed)
    rows["prevalence_random"] = figures(list(draws), truth, asked.seed)
    result = {
        "rows": rows,
        "films": {"train": len(train[1]), "validate": len(validate[1]), "test": len(truth)},
        "test_file": asked.test.name if asked.test else "what is left of --data",
        "steps": asked.steps,
        "tau": asked.tau,
        "seed": asked.seed,
        "base_has_seen": "drawn films only: shapes on normal ones, and those of other patients",
        "versions": {name: version(name) for name in ("torch", "transformers", "trl")},
        "command": shlex.join(["python", *sys.argv]),
    }
    asked.json.write_text(json.dumps(result, indent=1))
    print("| | balanced accuracy | 95 % | F1 | sensitivity | specificity | rollouts | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        low, high = row["interval"]
        shown = (f"{row[key]:.3f}" for key in ("f1", "sensitivity", "specificity"))
        spent = f"{row.get('rollouts', '')} | {row.get('seconds', '')}"
        print(
            f"| {name} | {row['balanced_accuracy']:.3f} | {low:.3f} to {high:.3f} | "
            + " | ".join(shown)
            + f" | {spent} |"
        )


if __name__ == "__main__":
    try:
        main()
    except OrapoError as error:
        sys.exit(f"pneumonia: {error}")
