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
from peft import LoraConfig
from transformers import (
    AutoModelForImageTextToText,
    GenerationConfig,
    PrinterCallback,
    Qwen2_5_VLConfig,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    TrainerCallback,
    set_seed,
)
from trl import GRPOConfig, GRPOTrainer

from orapo import FactSReward, OraPOConfig, OraPOTrainer
from orapo.data.manifest import read_manifest
from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.models.tiny import build_tokenizer
from orapo.training.preparing.dataset import training_dataset
from orapo.training.preparing.dry_run import Hardware, dry_run
from orapo.training.preparing.estimate import GIB
from orapo.training.recipe import RunConfig
from orapo.training.run import quiet_libraries

# The values of the published config.json of Qwen2.5-VL-3B-Instruct.
TEXT = {
    "vocab_size": 151936,
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128000,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 1e6,
        "mrope_section": [16, 24, 24],
    },
}
VISION = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "out_hidden_size": 2048,
    "patch_size": 14,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
}
TINY_TEXT = {
    **TEXT,
    "vocab_size": 2048,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3]},
}
TINY_VISION = {
    **VISION,
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_heads": 2,
    "out_hidden_size": 32,
    "fullatt_block_indexes": [1],
}
SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|image_pad|>", "<|video_pad|>"),
)
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LORA_TARGET = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"


def build(options, studies):
    """Config and processor; the vocabulary is filled up with words that mean nothing."""
    text = TINY_TEXT if options.tiny else TEXT
    reports = [study.report for study in studies]
    tokenizer = build_tokenizer(
        reports * 20, 1024, special=SPECIAL, pad="<|endoftext|>", end="<|im_end|>"
    )
    tokenizer.add_tokens([f"w{i}" for i in range(text["vocab_size"] - len(tokenizer))])
    side = options.pixels**2
    processor = Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(min_pixels=side, max_pixels=side),
        tokenizer,
        Qwen2VLVideoProcessor(),
        chat_template=TEMPLATE,
    )
    find = tokenizer.convert_tokens_to_ids
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = Qwen2_5_VLConfig(
        text_config={**text, **ids, "bos_token_id": None},
        vision_config=TINY_VISION if options.tiny else VISION,
        image_token_id=find("<|image_pad|>"),
        video_token_id=find("<|video_pad|>"),
        vision_start_token_id=find("<|vision_start|>"),
        vision_end_token_id=find("<|vision_end|>"),
        tie_word_embeddings=True,
        dtype="bfloat16",
    )
    return config, processor, ids


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
    manifest = phantom(options, folder)
    studies = [study for study in read_manifest(manifest) if study.split == "train"]
    config, processor, ids = build(options, studies)
    set_seed(0)
    device = "cpu" if options.tiny else "cuda"
    with torch.device(device):
        model = AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    model.generation_config = GenerationConfig(bos_token_id=None, **ids)
    common = {
        "train_dataset": training_dataset(studies),
        "processing_class": processor,
        "peft_config": LoraConfig(
            r=16, lora_alpha=32, target_modules=LORA_TARGET, task_type="CAUSAL_LM"
        ),
    }
    values = settings(options, folder)
    if kind == "orapo":
        trainer = OraPOTrainer(model, FactSReward(), OraPOConfig(**values), **common)
    else:
        # as OraPO does; TRL suppresses the image token alone, and others break the forward pass
        special = {
            *processor.tokenizer.all_special_ids,
            config.image_token_id,
            config.video_token_id,
        }
        values["generation_kwargs"] = {"suppress_tokens": sorted(special - {ids["eos_token_id"]})}
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


def phantom(options, folder):
    size = PhantomConfig(size=options.pixels)
    return write_phantom(Path(folder) / "phantom", {"train": 16}, 0, size)


def estimate(options, folder):
    """Say what the dry run says of these settings, on a card of 22 GiB (A10)."""
    manifest = phantom(options, folder)
    studies = [study for study in read_manifest(manifest) if study.split == "train"]
    config, processor, _ = build(options, studies)
    model = Path(folder) / "model"
    config.save_pretrained(model)
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
    options.pixels, options.new_tokens = (56, 8) if options.tiny else (512, 256)
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
