"""The phantom benchmark of `orapo ablate`: data set, base model and recipe, then the ablation.

    python benchmarks/phantom_ablation.py --out DIR [--difficulty easy] [--steps N] [--sight 0.3]
        [--studies N] [--phantom 7] [options of orapo ablate]

The recipe is that of `orapo demo` (`orapo.demo.plan`) with the fields that stand here. All seeds train
on the same 1,024 studies (phantom of seed 7) and are scored on the same 256 test studies; what is chosen
is chosen on the validation split. The base is the blind one unless `--sight` says otherwise. Called again it
goes on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console

from orapo.data.phantom import DIFFICULTIES, write_phantom
from orapo.demo.plan import DemoPlan
from orapo.models.base import tiny_base

RECIPE: Final = "recipe.yaml"
SEED: Final = 7
"""Of the phantom; settings were chosen on others (0, 1 and 5)."""
_STUDIES: Final = {"train": 1024, "validate": 128, "test": 256}


def main() -> int:
    """Make what is missing and run the ablation; all further options are those of `orapo ablate`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--difficulty", choices=list(DIFFICULTIES), default="easy")
    parser.add_argument("--steps", type=int, default=1250)
    parser.add_argument("--tau", type=float, default=2.0, help="dpo_tau")
    parser.add_argument("--sight", type=float, default=0.0, help="share of true pairs of the base")
    parser.add_argument("--phantom", type=int, default=SEED, help="seed of the phantom")
    parser.add_argument("--studies", type=int, default=_STUDIES["train"], help="to train on")
    options, ablate = parser.parse_known_args()
    recipe = options.out / RECIPE
    if not recipe.is_file():
        plan = plan_of(options.phantom, options.difficulty, options.steps, options.sight)
        write_recipe(recipe, plan, dpo_tau=options.tau, train_studies=options.studies)
    return run_ablation(recipe, options.out, *ablate)


def run_ablation(recipe: Path, out: Path, *options: str) -> int:
    """Run `orapo ablate` and return its exit code."""
    command = [sys.executable, "-m", "orapo", "ablate", "--config", str(recipe), "--out", str(out)]
    return subprocess.run([*command, *options], check=False).returncode


def plan_of(seed: int, difficulty: str, steps: int, sight: float) -> DemoPlan:
    """Return the demo's plan for a phantom, a number of steps and a base."""
    plan = DemoPlan(seed=seed, difficulty=difficulty, steps=steps, decay_steps=round(0.56 * steps))
    base = replace(plan.base, sight=sight)
    return replace(plan, base=base, probe_every=max(1, steps // 8))


def write_recipe(recipe: Path, plan: DemoPlan, **fields: Any) -> None:
    """Write the recipe, and before it the phantom and the base that it names."""
    with Console(stderr=True).status("Making the base model and the phantom (about three minutes)"):
        base = tiny_base(plan.base)
        manifest = write_phantom(
            recipe.parent / "phantom", _STUDIES, plan.seed, plan.phantom, overwrite=True
        )
    run = {
        "model": str(base),
        "data": str(manifest.resolve()),
        "probe_split": "validate",
        "probe_every": plan.probe_every,
        "probe_studies": _STUDIES["validate"],
        "reward_terms": [f"repetition={plan.repetition_weight}"],
    }
    settings = plan.training_settings("orapo", str(recipe.parent / "unused"))
    # A report of the harder levels is longer than the demo's.
    settings["max_completion_length"] = 64 if plan.difficulty == "easy" else 96
    content = yaml.safe_dump({**run, **settings, **fields}, sort_keys=False)
    recipe.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
