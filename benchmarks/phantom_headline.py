"""The headline table: the paper's regime (a base that sees a little, few studies), every method at its best.

    python benchmarks/phantom_headline.py --out DIR [--together 2] [options of orapo ablate]

First as many settings for each method (`SETTINGS`), one seed, on the validation split of another phantom
(seed 5); then the best of each on the test split of the benchmark's phantom (seed 7): level easy, 100 and
400 studies, five seeds, the sighted base, 1,250 steps, equal rollouts (supervision: as many steps). OraPO
is in the paper's form: w from 0.05 to 0.15, a first visit has no past.

Each step is an `orapo ablate`, so that this can be interrupted at any time and goes on when it is called
again with the same options; what lies in ``benchmarks/headline`` (a method under a setting) is taken over, with the
commit that made it. 20 trainings of the search and 50 of the tables: about eight hours on two
free cores. Further options go to the tables' `orapo ablate`, e.g. `--labeler`. `--studies`, `--seeds`,
`--steps` and `--tries` (settings of each method) make it smaller.

Written: DIR/search/N (one ablation a setting), DIR/chosen.yaml (what was chosen, and the validation macro-F1 of every
setting in the comment above it), DIR/studies-100 and DIR/studies-400 (`ablation.md`, `report.html`).
"""

from __future__ import annotations

import argparse
import json
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
        {"learning_rate": 0.3, "scale_rewards": "group"},
        {"learning_rate": 1.0, "scale_rewards": "group"},
    ),
    "orapo": (
        {**_PAPER, "learning_rate": 1.0},
        {**_PAPER, "learning_rate": 0.3},
        {**_PAPER, "learning_rate": 0.3, "scale_rewards": "group"},
        {**_PAPER, "learning_rate": 1.0, "scale_rewards": "group"},
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
        {"learning_rate": 0.3, "scale_rewards": "group"},
        {"learning_rate": 1.0, "scale_rewards": "group"},
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
    together = ["--together", options.together]
    chosen = options.out / "chosen.yaml"
    if not chosen.is_file():
        recipe = _recipe(options, "search", SEARCH_SEED, SEARCH_STUDIES)
        once = [*together, "--seeds", "1", "--other-seeds", "1", "--split", "validate"]
        for number in range(options.tries):
            out = recipe.parent / str(number)
            out.mkdir(exist_ok=True)
            kept = _kept(number, options)
            left = {name: each[number] for name, each in SETTINGS.items() if name not in kept}
            if not left:
                continue
            settings = out / "settings.yaml"
            settings.write_text(yaml.safe_dump(left))
            search = [*once, "--methods", ",".join(left), "--settings", str(settings)]
            if code := run_ablation(recipe, out, *search):
                return code
        _choose(recipe.parent, chosen, options)
    seeds = ["--seeds", str(options.seeds), "--other-seeds", str(options.seeds)]
    for studies in options.studies:
        recipe = _recipe(options, f"studies-{studies}", SEED, studies)
        methods = ["--methods", ",".join(SETTINGS)]
        table = [*methods, *together, *seeds, "--settings", str(chosen), *ablate]
        if code := run_ablation(recipe, recipe.parent, *table):
            return code
    return 0


def _tries() -> int:
    (tries,) = {len(settings) for settings in SETTINGS.values()}  # the same for every method
    return tries


def _kept(number: int, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return the rows of a setting that earlier calls have left in the repository, by method."""
    kept = KEPT / f"search-{number}.json"
    if not kept.is_file() or (options.steps, options.sight) != (1250, 0.3):
        return {}
    found = json.loads(kept.read_text(encoding="utf-8"))
    rows = {
        name: row
        for name, row in found["rows"].items()
        if found["settings"]["chosen"][name] == SETTINGS[name][number]
    }
    print(f"setting {number}: {', '.join(rows)} as commit {found['made']['commit']} made them")
    return rows


def _recipe(options: argparse.Namespace, name: str, seed: int, studies: int) -> Path:
    recipe: Path = options.out / name / RECIPE
    if not recipe.is_file():
        plan = plan_of(seed, "easy", options.steps, options.sight)
        write_recipe(recipe, plan, train_studies=studies)
    return recipe


def _choose(search: Path, chosen: Path, options: argparse.Namespace) -> None:
    """Write each method's best setting; the first of equal ones."""
    found = [
        {**_made(search / str(number)), **_kept(number, options)} for number in range(options.tries)
    ]
    best, lines = {}, []
    for name, settings in SETTINGS.items():
        scores = [rows[name]["macro_f1"] for rows in found]
        best[name] = settings[scores.index(max(scores))]
        shown = ", ".join(
            f"{score:.3f} with {one}"
            for score, one in zip(scores, settings[: options.tries], strict=True)
        )
        lines.append(f"# {name}: {shown}\n")
    chosen.write_text("".join(lines) + yaml.safe_dump(best, sort_keys=False), encoding="utf-8")


def _made(out: Path) -> dict[str, dict[str, Any]]:
    path = out / "ablation.json"
    return json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else {}


if __name__ == "__main__":
    sys.exit(main())
