"""How long a step of OraPO takes beside one of TRL's own GRPOTrainer, and how much memory.

    python benchmarks/step_time.py --base FOLDER [--after FOLDER] [--json OUT]

Both train the same tiny model on the same phantom films with FactS as the reward, in turns in one
process, generation included. The learning rate is 0, each turn begins with the same seed, and TRL's
side is given the tokens that ours suppresses: so both have the same rollouts in every turn, and the
share of zero rewards stays that of the checkpoint. Where the rollouts' mean lengths differ by more
than 2 %, there is no ratio but an error.

``--base`` is a model before training (many zeros); ``--after`` one that training has taught (few).
Every turn has new trainers: ``first`` sees its studies for the first time, ``later`` is the same
trainer's second pass over them, whose reports the reference model has met. Seconds are the clock's;
``processor`` those that the process computed, which other work on the machine lengthens less.
Memory is the peak of a process that trains with one of them alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from transformers import PrinterCallback, TrainerCallback, set_seed
from trl import GRPOConfig, GRPOTrainer

from orapo import FactSReward, OraPOConfig, OraPOTrainer
from orapo.data.manifest import read_manifest
from orapo.data.phantom import write_phantom
from orapo.demo.plan import DemoPlan
from orapo.generation import load_checkpoint
from orapo.training.preparing.dataset import training_dataset
from orapo.training.run import quiet_libraries

STUDIES, ROLLOUTS = 16, 4


class Clock(TrainerCallback):
    """What every step took, the first of a training apart (it warms up)."""

    def __init__(self):
        self.steps = []

    def on_step_begin(self, args, state, control, **kwargs):
        self.start = self._now()

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step > 1:
            taken = (end - start for start, end in zip(self.start, self._now(), strict=True))
            self.steps.append(dict(zip(("seconds", "processor", "facts"), taken, strict=True)))

    @staticmethod
    def _now():
        return time.perf_counter(), time.process_time(), TimedReward.seconds


def settings(folder, steps, beta):
    return {
        "output_dir": str(folder),
        "max_steps": steps,
        "per_device_train_batch_size": STUDIES * ROLLOUTS,
        "num_generations": ROLLOUTS,
        "max_completion_length": 64,
        "learning_rate": 0.0,
        "temperature": 1.0,
        "beta": beta,
        "loss_type": "dr_grpo",
        "scale_rewards": "none",
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": "none",
        "logging_steps": 1,
        "save_strategy": "no",
        "disable_tqdm": True,
    }


class TimedReward(FactSReward):
    """FactS, and the seconds that it took."""

    seconds = 0.0

    def __call__(self, *args, **kwargs):
        start = time.perf_counter()
        try:
            return super().__call__(*args, **kwargs)
        finally:
            TimedReward.seconds += time.perf_counter() - start


def trainer(kind, checkpoint, manifest, folder, steps, beta, suppressed=None):
    model, processor = load_checkpoint(str(checkpoint), device="cpu")
    studies = [study for study in read_manifest(manifest) if study.split == "train"]
    common = {
        "train_dataset": training_dataset(studies),
        "processing_class": processor,
    }
    # A class of its own would give the reward another name, and another oracle.
    reward = TimedReward(facts_beta=0.5)
    if kind == "orapo":
        config = OraPOConfig(**settings(folder, steps, beta), method="orapo")
        made = OraPOTrainer(model, reward, config, **common)
    else:
        # TRL suppresses the image token alone; other placeholders are no part of a report.
        same = {"generation_kwargs": {"suppress_tokens": suppressed}}
        made = GRPOTrainer(
            model, reward, GRPOConfig(**settings(folder, steps, beta), **same), **common
        )
    made.remove_callback(PrinterCallback)
    return made


def alternate(checkpoint, manifest, folder, turns, steps, beta):
    taken = {"grpo": [], "first": [], "later": []}
    logs = {kind: [] for kind in taken}
    for turn in range(turns):
        made = {"orapo": trainer("orapo", checkpoint, manifest, folder, steps, beta)}
        suppressed = made["orapo"].generation_kwargs["suppress_tokens"]
        made["grpo"] = trainer("grpo", checkpoint, manifest, folder, steps, beta, suppressed)
        for kind in ("grpo", "first", "later") if turn % 2 else ("first", "later", "grpo"):
            each = made["grpo" if kind == "grpo" else "orapo"]
            clock = Clock()
            each.add_callback(clock)
            set_seed(turn)
            each.train()
            each.remove_callback(clock)
            taken[kind] += clock.steps
            logs[kind] += [
                line for line in each.state.log_history if "completions/mean_length" in line
            ]
    lengths = {
        kind: statistics.mean(line["completions/mean_length"] for line in lines)
        for kind, lines in logs.items()
    }
    if max(lengths.values()) > 1.02 * min(lengths.values()):
        sys.exit(f"no comparison: rollouts of different mean length, {lengths}")
    result = {
        "suppressed": suppressed,
        "zero_share": statistics.mean(line["oracle/zero_reward_share"] for line in logs["first"]),
        "mean_length": lengths,
    }
    for name in ("seconds", "processor"):
        steps_of = {kind: [step[name] for step in each] for kind, each in taken.items()}
        result[name] = {kind: statistics.median(each) for kind, each in steps_of.items()}
        result[f"{name}_ratio"] = {
            kind: statistics.median(
                ours / theirs for ours, theirs in zip(steps_of[kind], steps_of["grpo"], strict=True)
            )
            for kind in ("first", "later")
        }
    result["facts_share"] = {
        kind: sum(step["facts"] for step in each) / sum(step["seconds"] for step in each)
        for kind, each in taken.items()
    }
    return result


def peak_memory(kind, checkpoint, manifest, beta, suppressed):
    """Peak resident memory, in MiB, of a process that trains with one of the two."""
    command = [sys.executable, __file__, "--memory-of", kind, "--beta", str(beta)]
    command += ["--base", str(checkpoint), "--phantom", str(manifest)]
    command += ["--suppressed", *map(str, suppressed)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--after", type=Path)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--beta", type=float, default=0.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory-of", choices=("grpo", "orapo"))
    parser.add_argument("--phantom", type=Path)
    parser.add_argument("--suppressed", type=int, nargs="*")
    options = parser.parse_args()
    quiet_libraries()
    warnings.simplefilter("ignore", FutureWarning)
    with tempfile.TemporaryDirectory() as folder:
        if options.memory_of:
            trainer(
                options.memory_of,
                options.base,
                options.phantom,
                folder,
                4,
                options.beta,
                options.suppressed,
            ).train()
            # not ru_maxrss, which a child inherits from the process that started it
            status = Path("/proc/self/status").read_text().splitlines()
            print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
            return
        manifest = write_phantom(Path(folder) / "phantom", {"train": 128}, 0, DemoPlan().phantom)
        results = {"threads": os.environ.get("OMP_NUM_THREADS", "all"), "beta": options.beta}
        for name, checkpoint in (("base", options.base), ("after", options.after)):
            if checkpoint is None:
                continue
            result = alternate(
                checkpoint, manifest, folder, options.turns, options.steps, options.beta
            )
            memory = {
                kind: peak_memory(kind, checkpoint, manifest, options.beta, result["suppressed"])
                for kind in ("grpo", "orapo")
            }
            result["peak_mib"] = memory
            result["memory_ratio"] = memory["orapo"] / memory["grpo"]
            results[name] = result
            print(name, json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
