"""`orapo train` that writes down what only the inside of a run shows; a part of gpu_check.

python benchmarks/on_gpu/watched_train.py FILE.json STOP_AFTER ARGUMENTS-OF-ORAPO-TRAIN...

STOP_AFTER is the step in which the process sends itself SIGTERM; 0: none.
"""

import json
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import torch
from accelerate import DistributedType, PartialState
from transformers import TrainerCallback
from trl.trainer import utils as trl_utils

from orapo import cli
from orapo.training import OraPOTrainer


def whole(weight):
    """A copy of a weight, gathered where this process holds a part of it."""
    if hasattr(weight, "full_tensor"):
        return weight.detach().full_tensor().clone()
    if hasattr(weight, "ds_id"):
        import deepspeed

        with deepspeed.zero.GatheredParameters([weight]):
            return weight.detach().clone()
    return weight.detach().clone()


def first_query(model):
    return next(
        weight
        for name, weight in model.named_parameters()
        if "visual" not in name and name.endswith("q_proj.weight")
    )


class Inside(TrainerCallback):
    """Looks at a trainer while it trains.

    Attributes:
        seen: What is written down.
    """

    def __init__(self, trainer, seen):
        self.trainer = trainer
        self.seen = seen

    def on_train_begin(self, args, state, control, **kwargs):
        trainer, accelerator = self.trainer, self.trainer.accelerator
        plugin = getattr(accelerator.state, "deepspeed_plugin", None)
        modules = [type(module).__name__ for module in trainer.model.modules()]
        self.seen |= {
            "engine": accelerator.distributed_type.value,
            "zero_stage": plugin.zero_stage if plugin else None,
            "fsdp": bool(trainer.is_fsdp_enabled),
            "four_bit_layers": modules.count("Linear4bit"),
        }

    def on_step_end(self, args, state, control, **kwargs):
        reference = self.trainer.ref_model
        if reference is None:
            return
        unwrap = self.trainer.accelerator.unwrap_model
        policy, kept = (whole(first_query(unwrap(one))) for one in (self.trainer.model, reference))
        apart = (policy.float() - kept.to(policy.device).float()).abs().max()
        self.seen["reference_apart"] = float(apart)


def watch_head(seen):
    """Note what TRL's fused head gets for its weight, and how large it is."""
    real = trl_utils._ChunkedLogProbFunction

    class Watched:
        @staticmethod
        def apply(hidden, weight, *rest):
            kind = [type(weight).__name__, *weight.shape]
            if kind not in seen["head"]:
                seen["head"].append(kind)
            return real.apply(hidden, weight, *rest)

    trl_utils._ChunkedLogProbFunction = Watched


def without_compiler():
    """Keep DeepSpeed, without a GPU, from compiling its own collectives for minutes; gloo has them."""
    if find_spec("deepspeed") is None or torch.cuda.is_available():
        return
    import deepspeed.comm.torch  # noqa: F401

    # the package's attribute of that name is torch itself
    sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None


def sharded_on_cpus():
    """Let accelerate spread weights without a GPU, as torch itself can; it has FSDP for devices alone."""
    if os.environ.get("ACCELERATE_USE_FSDP") != "true" or torch.cuda.is_available():
        return
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    PartialState._prepare_backend = lambda *args, **kwargs: ("gloo", DistributedType.MULTI_GPU)


def main():
    without_compiler()
    sharded_on_cpus()
    file, stop_after = Path(sys.argv[1]), int(sys.argv[2])
    seen = {"head": []}
    watch_head(seen)
    train, step = OraPOTrainer.train, OraPOTrainer.training_step

    def watched(self, *args, **kwargs):
        self.add_callback(Inside(self, seen))
        try:
            return train(self, *args, **kwargs)
        finally:
            if torch.cuda.is_available():
                seen["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
            file.write_text(json.dumps(seen), encoding="utf-8")

    def stopped(self, *args, **kwargs):
        result = step(self, *args, **kwargs)
        # once: a second signal ends a process at once, and a step can have several micro-batches
        if self.state.global_step + 1 == stop_after and not seen.get("stopped"):
            seen["stopped"] = True
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    OraPOTrainer.train, OraPOTrainer.training_step = watched, stopped
    sys.argv = ["orapo", "train", *sys.argv[3:]]
    cli.main()


if __name__ == "__main__":
    main()
