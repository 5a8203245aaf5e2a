"""Steps of gpu_check that call `orapo train` as a user does: engines, 4 bits, a kill, probes.

The checkpoint has the paper's widths and two layers: what is asked here does not depend on the depth.
"""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import torch
import yaml
from on_gpu.shape import LORA_TARGET, phantom, train_studies, write_model
from on_gpu.verdict import Findings, Skipped

from orapo.generation import load_checkpoint
from orapo.models.whole import whole_checkpoints

ROOT = Path(__file__).resolve().parents[2]
WATCHED = Path(__file__).with_name("watched_train.py")
ENGINES = {
    "zero2": lambda seen: seen["zero_stage"] == 2,
    "zero3": lambda seen: seen["zero_stage"] == 3,
    "fsdp": lambda seen: seen["fsdp"],
}


def write_recipe(scale, folder, **fields):
    """Write model, films and a recipe; return the recipe's path."""
    manifest = phantom(scale, folder, {"train": 16, "test": 2})
    model = write_model(scale, train_studies(manifest), folder / "model")
    settings = {
        "model": str(model),
        "data": str(manifest),
        "output_dir": str(folder / "run"),
        "dtype": "bfloat16",
        "num_generations": 8,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "max_completion_length": 16,
        "max_steps": 2,
        # float32 weights move by any rate, bfloat16 ones only where a step is not rounded off
        "learning_rate": 1e-3,
        "bf16": scale.device == "cuda",
        "use_cpu": scale.device == "cpu",
        "gradient_checkpointing": True,
        "report_to": "none",
        "logging_steps": 1,
        "save_strategy": "steps",
        "save_steps": 1,
        "disable_tqdm": True,
        "seed": 0,
        **fields,
    }
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return recipe


LORA = {
    "use_peft": True,
    "lora_r": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.0,
    "lora_target_modules": [LORA_TARGET],
}


def engine_file(scale, engine, folder):
    """The recipes' accelerate file, for one process."""
    file = ROOT / "recipes" / "accelerate" / f"{engine}.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    settings |= {"num_processes": 1}
    if scale.device == "cpu":
        settings |= {"mixed_precision": "no"}
    own = folder / "accelerate.yaml"
    own.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return own


def train(recipe, *words, launcher=None, stop_after=0):
    """Run `orapo train`; return the exit code and what was seen inside."""
    seen = recipe.with_name("seen.json")
    seen.unlink(missing_ok=True)
    start = ["-m", "accelerate.commands.launch", "--config_file", str(launcher)] if launcher else []
    command = [sys.executable, *start, str(WATCHED), str(seen), str(stop_after)]
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    ended = subprocess.run(
        [*command, "--config", str(recipe), *words],
        env={
            **os.environ,
            "DS_ACCELERATOR": "cuda" if torch.cuda.is_available() else "cpu",
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        },
    )
    inside = json.loads(seen.read_text(encoding="utf-8")) if seen.is_file() else {}
    return ended.returncode, inside


def need_engine(scale, engine):
    """Skip an engine that is not there; return the fields of a recipe for it."""
    if scale.device == "cpu" and torch.cuda.is_available():
        raise Skipped("without a GPU: only where there is none")
    # FSDP has its own checkpointing; and accelerate leaves it and DeepSpeed out where the CPU is asked for
    return {"gradient_checkpointing": engine != "fsdp", "use_cpu": False}


def logged(run):
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if "loss" in line]


def check_log(found, run, steps):
    log = logged(run)
    found.figures["loss"] = [line["loss"] for line in log]
    found.demand(
        [line["step"] for line in log] == list(range(1, steps + 1)),
        f"metrics.jsonl has the steps {[line['step'] for line in log]}, not 1 to {steps}",
    )
    found.demand(
        all(line["loss"] is not None and math.isfinite(line["loss"]) for line in log),
        "a loss is not finite",
    )


def sharded(scale, folder, engine):
    """All weights under an engine: save, resume; equal keys, a reference that stays, a whole head."""
    recipe = write_recipe(scale, folder, **need_engine(scale, engine))
    found = Findings()
    launcher = engine_file(scale, engine, folder)
    code, seen = train(recipe, launcher=launcher)
    if code:
        found.demand(False, f"training ended with code {code}")
        return found.verdict()
    found.figures |= seen
    found.demand(ENGINES[engine](seen), f"it was not {engine} that trained: {seen['engine']}")
    found.demand(seen.get("reference_apart", 0) > 0, "policy and reference are equal after a step")
    head = [scale.text["vocab_size"], scale.text["hidden_size"]]
    found.demand(
        seen["head"] and all(kind[0] != "DTensor" and kind[1:] == head for kind in seen["head"]),
        f"TRL's fused head got {seen['head']}, not a whole plain weight of {head}",
    )
    run, model = folder / "run", folder / "model"
    found.demand(whole_checkpoints(run), "no whole checkpoint")
    check_log(found, run, 2)
    through, base = weights(run), weights(model)
    found.demand(
        through.keys() == base.keys(), "the saved weights have other names than the base's"
    )
    (run / "checkpoint-2").rename(folder / "gone")
    code, _ = train(recipe, "--resume", launcher=launcher)
    found.demand(code == 0, f"resuming ended with code {code}")
    if code == 0:
        again = weights(run)
        found.demand(again.keys() == base.keys(), "resumed, the saved weights have other names")
        apart, moved = difference(through, again), difference(base, again)
        found.figures |= {"resumed and unbroken": apart, "moved": moved}
        found.demand(moved > 0, "no weight moved")
        # a GPU's sums differ in their last bits from run to run
        most = 0 if scale.device == "cpu" else 0.5 * moved
        found.demand(apart <= most, f"resumed weights are {apart:.2g} from the unbroken run's")
    return found.verdict()


def weights(folder):
    return load_checkpoint(folder, device="cpu")[0].state_dict()


def difference(first, second):
    """The mean distance of two models' weights."""
    total = sum((first[name].float() - second[name].float()).abs().sum() for name in first)
    return float(total) / sum(weight.numel() for weight in first.values())


def probed(scale, folder, engine):
    """A probe before and after one step: where one process writes alone, it waits for ever."""
    probe = {"max_steps": 1, "save_strategy": "no", "probe_split": "test", "probe_every": 1}
    recipe = write_recipe(scale, folder, **probe, **need_engine(scale, engine))
    found = Findings()
    code, seen = train(recipe, launcher=engine_file(scale, engine, folder))
    found.demand(code == 0, f"training ended with code {code}")
    if code == 0:
        found.demand(ENGINES[engine](seen), f"it was not {engine} that trained: {seen['engine']}")
        lines = (folder / "run" / "probe.jsonl").read_text(encoding="utf-8").splitlines()
        steps = [json.loads(line)["step"] for line in lines]
        found.demand(steps == [0, 1], f"probe.jsonl has the steps {steps}, not 0 and 1")
        found.figures["seconds of a probe"] = [json.loads(line)["seconds"] for line in lines]
    return found.verdict()


def stopped(scale, folder):
    """SIGTERM in step 2 of 4: a whole checkpoint, code 143, and the rest after --resume."""
    found = Findings()
    recipe = write_recipe(scale, folder, max_steps=4, save_steps=100, **LORA)
    run = folder / "run"
    code, _ = train(recipe, stop_after=2)
    found.demand(code == 143, f"ended with code {code}, not 143")
    saved = [one.name for one in whole_checkpoints(run)]
    found.demand(saved == ["checkpoint-2"], f"whole checkpoints: {saved}")
    if not found.wrong:
        code, _ = train(recipe, "--resume")
        found.demand(code == 0, f"resuming ended with code {code}")
        check_log(found, run, 4)
        found.demand((run / "adapter_model.safetensors").is_file(), "no adapter was saved")
    return found.verdict()


def four_bits(scale, folder):
    """The base in 4 bits, LoRA on it."""
    if scale.device == "cpu":
        raise Skipped("on a GPU alone")
    found = Findings()
    recipe = write_recipe(scale, folder, load_in_4bit=True, **LORA)
    code, seen = train(recipe)
    found.demand(code == 0, f"training ended with code {code}")
    if code == 0:
        found.figures |= seen
        found.demand(seen["four_bit_layers"] > 0, "no layer is in 4 bits")
        check_log(found, folder / "run", 2)
    return found.verdict()
