"""The headline table: the paper's regime (a base that sees a little, few studies), every method at its best.

    python benchmarks/phantom_headline.py --out DIR [--together 2] [options of orapo ablate]

First as many settings for each method (`SETTINGS`), one seed, on the validation split of another phantom
(seed 5); then the best of each on the test split of the benchmark's phantom (seed 7): level easy, 100 and
400 studies, five seeds, the sighted base, 1,250 steps, equal rollouts (supervision: as many steps). OraPO
is in the paper's form: w from 0.05 to 0.15, a first visit has no past.

Each step is an `orapo ablate`, so that this can be interrupted at any time and goes on when it is called
again with the same options; settings whose results lie in ``benchmarks/headline`` are taken over, with the commit that
made them. 20 trainings of the search and 50 of the tables: about eight hours on two
free cores. Further options go to the tables' `orapo ablate`, e.g. `--labeler`. `--studies`, `--seeds`,
`--steps` and `--tries` (settings of each method) make it smaller.

Written: DIR/search/N (one ablation a setting), DIR/chosen.yaml (what was chosen, and the validation macro-F1 of every
setting in the comment above it), DIR/studies-100 and DIR/studies-400 (`ablation.md`, `report.html`).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import yaml
from phantom_ablation import RECIPE, SEED, plan_of, run_ablation, write_recipe

KEPT: Final = Path(__file__).parent / "headline"
SEARCH_SEED: Final = 5
SEARCH_STUDIES: Final = 100
# Learning rates are factors of the recipe's (1e-3), `steps` a share of its steps: SFT stopped early.
_PAPER: Final = {"zrr_first": "own"}
SETTINGS: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "grpo_facts": (
        {"learning_rate": 1.0},
        {"learning_rate": 0.3},
        {"learning_rate": 0.3, "scale_rewards": "group"},
        {"learning_rate": 0.3, "beta": 0.02, "temperature": 1.2},
    ),
    "grpo_sft": (
        {"learning_rate": 1.0},
        {"learning_rate": 0.3},
        {"learning_rate": 1.0, "w_min": 0.15, "w_max": 0.5},
        {"learning_rate": 0.3, "w_min": 0.15, "w_max": 0.5},
    ),
    "orapo": (
        {**_PAPER, "learning_rate": 1.0},
        {**_PAPER, "learning_rate": 0.3},
        {**_PAPER, "learning_rate": 1.0, "dpo_tau": 0.5},
        {**_PAPER, "learning_rate": 1.0, "dpo_tau": 5.0},
    ),
    "sft": (
        {"learning_rate": 1.0},
        {"learning_rate": 0.3},
        {"learning_rate": 1.0, "steps": 0.25},
        {"learning_rate": 0.3, "steps": 0.5},
    ),
    "orapo_both": (
        {"learning_rate": 1.0},
        {"learning_rate": 0.3},
        {"learning_rate": 1.0, "dpo_tau": 0.5},
        {"learning_rate": 1.0, "dpo_tau": 5.0},
    ),
}


def main() -> int:
    """Search, choose, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--studies", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1250)
    parser.add_argument("--sight", type=float, default=0.3)
    parser.add_argument("--tries", type=int, default=_tries(), help="settings of each method")
    parser.add_argument("--together", default="2", help="trainings at a time")
    options, ablate = parser.parse_known_args()
    methods = ["--methods", ",".join(SETTINGS), "--together", options.together]
    chosen = options.out / "chosen.yaml"
    if not chosen.is_file():
        recipe = _recipe(options, "search", SEARCH_SEED, SEARCH_STUDIES)
        once = [*methods, "--seeds", "1", "--other-seeds", "1", "--split", "validate"]
        for number in range(options.tries):
            out = recipe.parent / str(number)
            out.mkdir(exist_ok=True)
            if _taken_over(out, number, options):
                continue
            settings = out / "settings.yaml"
            settings.write_text(yaml.safe_dump({name: s[number] for name, s in SETTINGS.items()}))
            if code := run_ablation(recipe, out, *once, "--settings", str(settings)):
                return code
        _choose(recipe.parent, chosen, options.tries)
    seeds = ["--seeds", str(options.seeds), "--other-seeds", str(options.seeds)]
    for studies in options.studies:
        recipe = _recipe(options, f"studies-{studies}", SEED, studies)
        table = [*methods, *seeds, "--settings", str(chosen), *ablate]
        if code := run_ablation(recipe, recipe.parent, *table):
            return code
    return 0


def _tries() -> int:
    (tries,) = {len(settings) for settings in SETTINGS.values()}  # the same for every method
    return tries


def _taken_over(out: Path, number: int, options: argparse.Namespace) -> bool:
    """Whether a setting's results are among those that earlier calls have left in the repository."""
    kept = KEPT / f"search-{number}.json"
    if (out / "ablation.json").is_file() or not kept.is_file():
        return False
    found = json.loads(kept.read_text(encoding="utf-8"))
    same = found["settings"]["chosen"] == {name: each[number] for name, each in SETTINGS.items()}
    if not same or (options.steps, options.sight) != (1250, 0.3):
        return False
    shutil.copyfile(kept, out / "ablation.json")
    print(f"setting {number}: taken over, as commit {found['made']['commit']} made it")
    return True


def _recipe(options: argparse.Namespace, name: str, seed: int, studies: int) -> Path:
    recipe: Path = options.out / name / RECIPE
    if not recipe.is_file():
        plan = plan_of(seed, "easy", options.steps, options.sight)
        write_recipe(recipe, plan, train_studies=studies)
    return recipe


def _choose(search: Path, chosen: Path, tries: int) -> None:
    """Write each method's best setting; the first of equal ones."""
    found = [
        json.loads((search / str(number) / "ablation.json").read_text())["rows"]
        for number in range(tries)
    ]
    best, lines = {}, []
    for name, settings in SETTINGS.items():
        scores = [rows[name]["macro_f1"] for rows in found]
        best[name] = settings[scores.index(max(scores))]
        shown = ", ".join(
            f"{score:.3f} with {one}" for score, one in zip(scores, settings[:tries], strict=True)
        )
        lines.append(f"# {name}: {shown}\n")
    chosen.write_text("".join(lines) + yaml.safe_dump(best, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
