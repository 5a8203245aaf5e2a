"""Step time, tokens a second and memory of the paper's model on one GPU, OraPO beside TRL's GRPO.

    python benchmarks/gpu_step.py [--turns 3] [--steps 4] [--json OUT]
    python benchmarks/gpu_step.py --estimate      # what `orapo train --dry-run` says of the same
    python benchmarks/gpu_step.py --tiny          # the same script on the CPU, to see that it runs

The model has the shape of Qwen2.5-VL-3B with random weights: no download, the same arithmetic. LoRA
on the text model, bfloat16, gradient checkpointing, K = 8, one study a step, films of 512 px, 256 new
tokens, HF generation. A random model writes gibberish that ends nowhere, so every rollout has all its
tokens and a reward of zero, and OraPO all its pairs: its dearest case. Each turn is a process of
its own; the two kinds take turns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from on_gpu.shape import (
    LORA_TARGET,
    REAL,
    TINY,
    adapter,
    build_config,
    build_processor,
    phantom,
    random_model,
    train_studies,
)
from transformers import PrinterCallback, TrainerCallback, set_seed
from trl import GRPOConfig, GRPOTrainer

from orapo import FactSReward, OraPOConfig, OraPOTrainer
from orapo.training.preparing.dataset import training_dataset
from orapo.training.preparing.dry_run import Hardware, dry_run
from orapo.training.preparing.estimate import GIB
from orapo.training.recipe import RunConfig
from orapo.training.run import quiet_libraries


def parts(options, folder):
    """Studies, processor and scale."""
    scale = TINY if options.tiny else REAL
    manifest = phantom(scale, folder)
    studies = train_studies(manifest)
    return scale, manifest, studies, build_processor(scale, studies)


def settings(options, folder):
    return {
        "output_dir": str(folder),
        "max_steps": options.steps + 1,  # the first warms up
        "per_device_train_batch_size": 8,
        "gradient_accumulation_steps": 1,
        "num_generations": 8,
        "max_completion_length": options.new_tokens,
        "learning_rate": 1e-5,
        "temperature": 1.0,
        "beta": options.beta,
        "loss_type": "dr_grpo",
        "scale_rewards": "none",
        "use_cpu": options.tiny,
        "bf16": True,
        "gradient_checkpointing": True,
        "report_to": "none",
        "logging_steps": 1,
        "save_strategy": "no",
        "disable_tqdm": True,
        "seed": 0,
    }


class Clock(TrainerCallback):
    """Seconds of every step but the first."""

    def __init__(self):
        self.steps = []

    def on_step_begin(self, args, state, control, **kwargs):
        _wait()
        self.start = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        _wait()
        if state.global_step > 1:
            self.steps.append(time.perf_counter() - self.start)


def _wait():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def one_turn(kind, options, folder):
    """Train with one of the two and print its figures as the last line."""
    scale, _, studies, processor = parts(options, folder)
    model = random_model(scale, processor)
    set_seed(0)  # of the adapter
    common = {
        "train_dataset": training_dataset(studies),
        "processing_class": processor,
        "peft_config": adapter(),
    }
    values = settings(options, folder)
    if kind == "orapo":
        trainer = OraPOTrainer(model, FactSReward(), OraPOConfig(**values), **common)
    else:
        # as OraPO does; TRL suppresses the image token alone, and others break the forward pass
        special = {
            *processor.tokenizer.all_special_ids,
            model.config.image_token_id,
            model.config.video_token_id,
        }
        values["generation_kwargs"] = {
            "suppress_tokens": sorted(special - {processor.tokenizer.eos_token_id})
        }
        trainer = GRPOTrainer(model, FactSReward(), GRPOConfig(**values), **common)
    trainer.remove_callback(PrinterCallback)
    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    log = [line for line in trainer.state.log_history if "completions/mean_length" in line][1:]
    tokens = 8 * statistics.mean(line["completions/mean_length"] for line in log)
    found = {
        "seconds": statistics.median(clock.steps),
        "tokens": tokens,
        "generate": statistics.median(line["seconds/generate"] for line in log)
        if kind == "orapo"
        else None,
        "peak_gib": torch.cuda.max_memory_allocated() / GIB if not options.tiny else None,
        "reserved_gib": torch.cuda.max_memory_reserved() / GIB if not options.tiny else None,
    }
    print(json.dumps(found))


def estimate(options, folder):
    """Say what the dry run says of these settings, on a card of 22 GiB (A10)."""
    scale, manifest, studies, processor = parts(options, folder)
    model = Path(folder) / "model"
    build_config(scale, processor).save_pretrained(model)
    processor.save_pretrained(model)
    run = RunConfig(
        str(model), str(manifest), use_peft=True, lora_target_modules=LORA_TARGET, dtype="bfloat16"
    )
    values = OraPOConfig(**{**settings(options, folder), "use_cpu": True})
    return dry_run(run, values, studies, Hardware(22 * GIB, "A10"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--beta", type=float, default=0.04)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--estimate", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--turn-of", choices=("grpo", "orapo"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.new_tokens = (TINY if options.tiny else REAL).answer
    quiet_libraries()
    if not options.tiny and not options.estimate and not torch.cuda.is_available():
        sys.exit("no GPU here; --tiny runs the same script on the CPU")
    with tempfile.TemporaryDirectory() as folder:
        if options.estimate:
            found = estimate(options, folder)
            for part in found.parts:
                print(f"{part.name:36} {part.bytes / GIB:6.2f} GiB  {part.when}")
            print(f"{'at the fullest moment':36} {found.peak / GIB:6.2f} GiB")
            print(f"prompt: {found.prompt_tokens} tokens, {found.image_tokens} of them film")
            return
        if options.turn_of:
            one_turn(options.turn_of, options, folder)
            return
        turns = {"grpo": [], "orapo": []}
        for turn in range(options.turns):
            for kind in ("grpo", "orapo") if turn % 2 else ("orapo", "grpo"):
                command = [sys.executable, __file__, *sys.argv[1:], "--turn-of", kind]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                turns[kind].append(json.loads(done.stdout.splitlines()[-1]))
                print(kind, json.dumps(turns[kind][-1]), flush=True)
    tokens = {kind: statistics.mean(t["tokens"] for t in each) for kind, each in turns.items()}
    if max(tokens.values()) > 1.02 * min(tokens.values()):
        sys.exit(f"no comparison: rollouts of different length, tokens a step: {tokens}")
    seconds = {kind: statistics.median(t["seconds"] for t in each) for kind, each in turns.items()}
    ours = turns["orapo"]
    result = {
        "device": "cpu" if options.tiny else torch.cuda.get_device_name(),
        "beta": options.beta,
        "seconds": seconds,
        "ratio": seconds["orapo"] / seconds["grpo"],
        "generated_tokens_a_second": statistics.median(t["tokens"] / t["generate"] for t in ours),
        "turns": turns,
    }
    print(json.dumps({key: value for key, value in result.items() if key != "turns"}, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
