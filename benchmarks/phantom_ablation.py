"""The phantom benchmark of `orapo ablate`: data set, base model and recipe, then the ablation.

    python benchmarks/phantom_ablation.py --out DIR [--difficulty easy] [--steps N] [options of orapo ablate]

The recipe is that of `orapo demo` (`orapo.demo.plan`) with the fields that stand here. All seeds train
on the same 1,024 studies (phantom of seed 7) and are scored on the same 256 test studies; what is chosen
is chosen on the validation split. Called again it goes on.
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
    parser.add_argument("--tau", type=float, default=1.0, help="dpo_tau")
    options, ablate = parser.parse_known_args()
    # A report of the harder levels is longer than the demo's.
    words = 64 if options.difficulty == "easy" else 96
    decay = round(0.56 * options.steps)
    plan = replace(
        DemoPlan(seed=SEED, difficulty=options.difficulty, steps=options.steps, decay_steps=decay),
        probe_every=max(1, options.steps // 8),
    )
    recipe = options.out / RECIPE
    if not recipe.is_file():
        write_recipe(recipe, plan, dpo_tau=options.tau, max_completion_length=words)
    command = [sys.executable, "-m", "orapo", "ablate", "--config", str(recipe)]
    return subprocess.run([*command, "--out", str(options.out), *ablate], check=False).returncode


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
    content = yaml.safe_dump({**run, **settings, **fields}, sort_keys=False)
    recipe.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
