"""Learning from experts, with simulated ones of known taste: preferences, reward models, RLHF.

    orapo demo --out demo                    # phantom, and a policy to begin with
    python benchmarks/experts.py --demo demo --out experts --json experts.json [--seeds 3] [--stage ...]

Four simulated raters judge 500 pairs of the policy's own rollouts on training studies (and, to measure, 1,500
on test studies): recall-minded (FactS with b = 2), precision-minded (b = 0.5), style-minded (short, nothing
twice) and careless (`orapo.preferences.simulated`). Stages:

``raters``   who is flagged by `orapo preferences check`
``models``   accuracy of a reward model of each taste on the test studies, beside the best possible
``rlhf``     a run for each taste from the demo's policy, with its guard and without
``hybrid``   orapo+rlhf, rlhf, dpo at equal rollouts from the demo's base, for the recall-minded taste

Everything runs through the command line, as a user would run it; what is there already is not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import yaml

from orapo.data.manifest import read_manifest
from orapo.demo.plan import OURS
from orapo.evaluation import clinical_scores
from orapo.evaluation.inputs import read_predictions
from orapo.facts import label_report
from orapo.labels import UncertainPolicy
from orapo.preferences.sheet import read_sheet_folder
from orapo.preferences.simulated import TASTES, best_accuracy, simulate, simulated_raters

STAGES: Final = ("raters", "models", "rlhf", "hybrid")
PAIRS: Final = 500
TEST_PAIRS: Final = 1500
TASTED: Final = ("recall", "precision", "style")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo", type=Path, required=True, help="output of orapo demo")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--stage", action="append", choices=STAGES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=240, help="of a run of stage rlhf")
    parser.add_argument("--hybrid-steps", type=int, default=500)
    options = parser.parse_args()
    bench = Bench(options.demo, options.out, options.json)
    bench.judge()
    for stage in options.stage or STAGES:
        if stage == "rlhf":
            bench.rlhf(options.steps)
        elif stage == "hybrid":
            bench.hybrid(options.hybrid_steps, options.seeds)
        else:
            getattr(bench, stage)()
    return 0


def orapo(*words: object) -> str:
    """Run a command; its standard output."""
    command = [sys.executable, "-m", "orapo", *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    ended = subprocess.run(command, text=True, capture_output=True, env=environment, check=False)
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)}\n{ended.stderr[-2000:]}")
    return ended.stdout


class Bench:
    """The files of a run of this benchmark."""

    def __init__(self, demo: Path, out: Path, result: Path) -> None:
        self.demo, self.out, self.result = demo, out, result
        self.manifest = demo / "phantom" / "manifest.jsonl"
        self.policy = demo / OURS
        studies = read_manifest(self.manifest)
        self.truth = {study.study_id: study.labels for study in studies}
        self.test = [study for study in studies if study.split == "test"]
        self.found: dict[str, Any] = json.loads(result.read_text()) if result.is_file() else {}
        out.mkdir(parents=True, exist_ok=True)

    def note(self, stage: str, found: Any) -> None:
        self.found[stage] = found
        self.result.write_text(json.dumps(self.found, indent=1))
        print(stage, json.dumps(found, indent=1), flush=True)

    # ------------------------------------------------------------ judging

    def judge(self) -> None:
        """Let the raters judge pairs of training and of test studies."""
        for split, count in (("train", PAIRS), ("test", TEST_PAIRS)):
            folder = self.out / split
            rollouts = self.out / f"rollouts_{split}.jsonl"
            if not rollouts.is_file():
                given = ("--data", self.manifest, "--split", split, "--model", self.policy)
                orapo("generate", *given, "--out", rollouts, "--samples", 4, "--temperature", 1,
                      "--max-new-tokens", 64, "--batch-size", 64)  # fmt: skip
            if not folder.is_dir():
                orapo("preferences", "make", "--systems", f"policy={rollouts}", "--references",
                      self.manifest, "--split", split, "--pairs", count, "--out", folder)  # fmt: skip
            pairs, _ = read_sheet_folder(folder)
            for rater in simulated_raters():
                said = folder / f"{rater.name}.jsonl"
                if not said.is_file():
                    judged = simulate(pairs.values(), self.truth, [rater])
                    said.write_text("".join(json.dumps(_line(one)) + "\n" for one in judged))
                    orapo("preferences", "convert", folder, "--judgements", said, "--out",
                          folder / f"preferences_{rater.name}.jsonl")  # fmt: skip

    def raters(self) -> None:
        """Who is flagged."""
        files = [self.out / "train" / f"{name}.jsonl" for name in TASTES]
        words = [word for file in files for word in ("--judgements", file)]
        check = json.loads(orapo("preferences", "check", self.out / "train", *words, "--out",
                                 self.out / "check", "--json"))  # fmt: skip
        self.note("raters", check.get("raters", check))

    def models(self) -> None:
        """Accuracy on test studies, and the best possible."""
        pairs, _ = read_sheet_folder(self.out / "test")
        found = {}
        for rater in simulated_raters():
            check = self.reward_model(rater.name)
            best = best_accuracy(pairs.values(), self.truth, rater)
            found[rater.name] = {
                "accuracy": check["accuracy"],
                "best_possible": best,
                "facts_accuracy": check["facts_accuracy"],
                "calibration_error": check["calibration"]["error"],
            }
        self.note("models", found)

    def reward_model(self, taste: str) -> dict[str, Any]:
        """Train a reward model of a taste, and check it on the test studies."""
        folder = self.out / "models" / taste
        if not (folder / "reward_model.json").is_file():
            orapo("reward-model", "train", "--preferences", self.judged("train", taste),
                  "--references", self.manifest, "--out", folder, "--quiet")  # fmt: skip
        said = orapo("reward-model", "check", folder, "--preferences", self.judged("test", taste),
                     "--references", self.manifest, "--out", folder / "test", "--json")  # fmt: skip
        return dict(json.loads(said))

    def judged(self, split: str, taste: str) -> Path:
        return self.out / split / f"preferences_{taste}.jsonl"

    # ------------------------------------------------------------ training

    def rlhf(self, steps: int) -> None:
        """From the demo's policy, for each taste, with the guard and without."""
        found: dict[str, Any] = {"before": self.measured(self.policy)}
        for taste in TASTED:
            self.reward_model(taste)
            for name, loss in (("guarded", 0.02), ("unguarded", 0.0)):
                run = self.train(
                    f"rlhf-{taste}-{name}",
                    {"method": "rlhf", "model": str(self.policy), "max_steps": steps,
                     "max_f1_loss": loss, "learned_weight": 1.0, "learning_rate": 3e-4,
                     "vision_learning_rate": 1e-4, "probe_every": max(1, steps // 24)},
                    taste,
                )  # fmt: skip
                found[f"{taste}, {name}"] = self.measured(run)
        self.note("rlhf", found)

    def hybrid(self, steps: int, seeds: int) -> None:
        """The hybrid, RLHF and DPO from the base, at equal rollouts."""
        base = yaml.safe_load((self.demo / OURS / "recipe.yaml").read_text())["model"]
        self.reward_model("recall")
        found: dict[str, Any] = {"before": self.measured(Path(base))}
        for method in ("orapo", "orapo+rlhf", "rlhf", "dpo"):
            for seed in range(seeds):
                changes = {"method": method, "model": base, "max_steps": steps, "seed": seed}
                changes |= {"max_f1_loss": 0.0, "learned_weight": 0.25}
                name = f"hybrid-{method.replace('+', '-')}-{seed}"
                found[f"{method}, seed {seed}"] = self.measured(self.train(name, changes, "recall"))
        self.note("hybrid", found)

    def train(self, name: str, changes: Mapping[str, Any], taste: str) -> Path:
        """Run a training unless it is done; its folder."""
        folder = self.out / "runs" / name
        if (folder / "model.safetensors").is_file():
            return folder
        recipe = yaml.safe_load((self.demo / OURS / "recipe.yaml").read_text())
        steps = int(changes["max_steps"])
        recipe |= {"output_dir": str(folder), "probe_studies": 128, "probe_every": steps // 5}
        recipe |= {"dpo_tau": 1.0, "lr_scheduler_kwargs": {"num_decay_steps": steps // 2}}
        recipe |= changes
        if "rlhf" in changes["method"]:
            recipe["reward_model"] = str(self.out / "models" / taste)
        if changes["method"] in ("dpo", "orapo+rlhf"):
            recipe["preferences"] = str(self.judged("train", taste))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "asked.yaml").write_text(yaml.safe_dump(recipe))
        orapo("train", "--quiet", "--config", folder / "asked.yaml")
        return folder

    def measured(self, model: Path) -> dict[str, float]:
        """FactS macro-F1 and every taste's mean utility of greedy reports on the test studies."""
        out = self.out / "reports" / f"{model.parent.name}-{model.name}.jsonl"
        if not out.is_file():
            out.parent.mkdir(exist_ok=True)
            orapo("generate", "--data", self.manifest, "--split", "test", "--model", model,
                  "--out", out, "--max-new-tokens", 64, "--batch-size", 64)  # fmt: skip
        texts = read_predictions(out)
        reports = [texts[study.study_id] for study in self.test]
        scores = clinical_scores(
            [label_report(text).labels for text in reports],
            [study.labels for study in self.test],
            uncertain=UncertainPolicy.POSITIVE,
        )
        figures = {
            "macro_f1": scores.macro_f1,
            "precision": scores.macro_precision,
            "recall": scores.macro_recall,
        }
        for name in TASTED:
            figures[f"{name}_utility"] = fmean(
                TASTES[name](text, study.labels)
                for text, study in zip(reports, self.test, strict=True)
            )
        return {name: round(value, 4) for name, value in figures.items()}


def _line(one: Any) -> dict[str, Any]:
    time = one.judged_at.isoformat() if one.judged_at else ""
    return {"pair": one.pair, "rater": one.rater, "choice": one.choice, "reason": one.reason,
            "seconds": one.seconds, "judged_at": time}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
