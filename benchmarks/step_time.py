"""How long a step of OraPO takes beside one of TRL's own GRPOTrainer, and how much memory.

    python benchmarks/step_time.py --base FOLDER [--after FOLDER] [--json OUT]

Both train the same tiny model on the same phantom films with FactS as the reward, in turns in one
process, generation included. The learning rate is 0 and each turn begins with the same seed: so both
have the same rollouts in every turn, and the share of zero rewards stays that of the checkpoint.
``--base`` is a model before training (many zeros); ``--after`` one that training has taught (few).
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
from orapo.training.dataset import training_dataset
from orapo.training.run import quiet_libraries

STUDIES, ROLLOUTS = 16, 4


class Clock(TrainerCallback):
    """Seconds of every step, the first of a turn apart (it warms up)."""

    def __init__(self):
        self.steps = []

    def on_step_begin(self, args, state, control, **kwargs):
        self.start = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step > 1:
            self.steps.append(time.perf_counter() - self.start)


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


def trainer(kind, checkpoint, manifest, folder, steps, beta):
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
        made = GRPOTrainer(model, reward, GRPOConfig(**settings(folder, steps, beta)), **common)
    made.remove_callback(PrinterCallback)
    return made


def alternate(checkpoint, manifest, folder, turns, steps, beta):
    trainers, clocks = {}, {}
    for kind in ("grpo", "orapo"):
        trainers[kind] = trainer(kind, checkpoint, manifest, folder, steps, beta)
        clocks[kind] = Clock()
        trainers[kind].add_callback(clocks[kind])
    facts = 0.0
    for turn in range(turns):
        for kind in ("grpo", "orapo") if turn % 2 else ("orapo", "grpo"):
            set_seed(turn)
            TimedReward.seconds = 0.0
            trainers[kind].train()
            facts += TimedReward.seconds if kind == "orapo" else 0.0
    log = [line for line in trainers["orapo"].state.log_history if "oracle/weight" in line]
    lengths = {
        kind: statistics.mean(
            line["completions/mean_length"]
            for line in each.state.log_history
            if "completions/mean_length" in line
        )
        for kind, each in trainers.items()
    }
    medians = {kind: statistics.median(clock.steps) for kind, clock in clocks.items()}
    pairs = zip(clocks["orapo"].steps, clocks["grpo"].steps, strict=True)
    total = sum(clocks["orapo"].steps)
    return {
        "zero_share": statistics.mean(line["oracle/zero_reward_share"] for line in log),
        "mean_length": lengths,
        "seconds": medians,
        "ratio": statistics.median(ours / theirs for ours, theirs in pairs),
        # the warm-up steps are in the reward's seconds, not in the total
        "facts_share": facts / (total * steps / (steps - 1)),
    }


def peak_memory(kind, checkpoint, manifest, beta):
    """Peak resident memory, in MiB, of a process that trains with one of the two."""
    command = [sys.executable, __file__, "--memory-of", kind, "--beta", str(beta)]
    command += ["--base", str(checkpoint), "--phantom", str(manifest)]
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
    options = parser.parse_args()
    quiet_libraries()
    warnings.simplefilter("ignore", FutureWarning)
    with tempfile.TemporaryDirectory() as folder:
        if options.memory_of:
            trainer(
                options.memory_of, options.base, options.phantom, folder, 4, options.beta
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
                kind: peak_memory(kind, checkpoint, manifest, options.beta)
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
