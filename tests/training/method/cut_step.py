"""The gradients of optimiser steps in float64, with rollouts that do not depend on how it is cut.

    python tests/training/cut_step.py FOLDER

As a script it is one of two processes; the first one writes what `every_cut` gives, and how many
forward passes each made.
"""

import json
import math
import sys
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from datasets import load_from_disk
from test_trainer import NAN, Recorder, disturb, float64_logps
from transformers import AutoModelForImageTextToText, AutoProcessor
from trl import GRPOTrainer

from orapo.training import OraPOConfig, OraPOTrainer

LENGTH = 12
# Rollouts a study, all rollouts, micro-batches where the step is accumulated, and further settings.
GROUPS = {
    "four studies of four": (4, 16, 4, {}),
    "three studies of six": (6, 18, 3, {}),  # the second lies across two processes
    "one study of sixteen": (16, 16, 4, {}),
    # reports and rejected answers need passes of their own, more of them in one of two processes
    "four studies of four at another temperature": (4, 16, 4, {"beta": 0.0, "temperature": 0.7}),
}
CUTS = ("at once", "accumulated")
PASSES: list[int] = []
"""Forward passes of this process, call by call."""
# Of as many rollouts as a group has.
REWARDS = {
    "s0": [0.0, 0.0, 0.5, 1.0, 0.25, 0.0, 0.5, 0.75, 1.0, 0.0, 0.5, 0.25, 1.0, 1.0, 0.0, 0.5],
    "s1": [0.5, 1.0, 0.25, 0.25, 0.75, 1.0, 0.5, 0.5, 1.0, 0.25, 1.0, 0.5, 0.75, 1.0, 1.0, 0.5],
    "s2": [0.0] * 16,
    "s3": [NAN, 0.0, 1.0, 0.5, 0.0, 0.25, NAN, 0.0, 0.5, 1.0, 0.0, 0.5, 0.25, 1.0, NAN, 0.5],
}


class Gradients(Recorder):
    """Those of every step, not of the last alone."""

    def __init__(self):
        self.steps = []

    def on_pre_optimizer_step(self, *args, **kwargs):
        super().on_pre_optimizer_step(*args, **kwargs)
        self.steps.append(self.gradients)


def rollout(study, place):
    """Ids of an answer of its own length, that some end and some are cut off."""
    generator = torch.Generator().manual_seed(1000 * int(study[1:]) + place)
    length = int(torch.randint(1, LENGTH + 1, (), generator=generator))
    ids = torch.randint(12, 330, (length,), generator=generator).tolist()
    return ids if length == LENGTH else [*ids, 1]


class CutTrainer(OraPOTrainer):
    """Takes its rollouts from `rollout`."""

    def _generate_and_score_completions(self, inputs):
        first = self.accelerator.process_index * len(inputs)
        self.rollouts = [
            rollout(row["study_id"], (first + i) % self.num_generations)
            for i, row in enumerate(inputs)
        ]
        return super()._generate_and_score_completions(inputs)

    def _generate_single_turn(self, *args, **kwargs):
        return self.rollouts, None


def facts(completions, completion_ids, study_id, **columns):
    if len(completions) == 1:
        return [0.75]  # of the radiologist's own report
    known = {
        (study, tuple(rollout(study, place))): reward
        for study, rewards in REWARDS.items()
        for place, reward in enumerate(rewards)
    }
    values = [known[key] for key in zip(study_id, map(tuple, completion_ids), strict=True)]
    return [None if value != value else value for value in values]


def counted_logps(self, model, input_ids, *args, batch_size=None, **kwargs):
    """`float64_logps`, with the number of TRL's forward passes noted."""
    PASSES.append(math.ceil(len(input_ids) / (batch_size or len(input_ids))))
    return float64_logps(self, model, input_ids, *args, batch_size=batch_size, **kwargs)


def step_gradients(folder, group, cut, iterations, processes):
    """Return the gradients of one step, or of the ``iterations`` steps of one generation."""
    count, rollouts, pieces, settings = GROUPS[group]
    if cut == "at once":
        pieces = 1
    processor = AutoProcessor.from_pretrained(folder / "base")
    model = AutoModelForImageTextToText.from_pretrained(folder / "base").double()
    args = OraPOConfig(
        str(folder / "run"),
        num_generations=count,
        per_device_train_batch_size=rollouts // processes // pieces,
        gradient_accumulation_steps=pieces,
        num_iterations=iterations,
        max_completion_length=LENGTH,
        max_steps=iterations,
        # Adam would make large what is rounding in a small gradient
        optim="sgd",
        learning_rate=1e-2,
        max_grad_norm=0.0,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        seed=3,
        **settings,
    )
    data = load_from_disk(folder / "data")
    trainer = CutTrainer(model, facts, args, train_dataset=data, processing_class=processor)
    gradients = Gradients()
    trainer.add_callback(gradients)
    disturb(model)
    trainer.train()
    assert len(gradients.steps) == iterations
    return gradients.steps


def every_cut(folder, processes):
    """Return the gradients by group, number of iterations and cut."""
    real = GRPOTrainer._get_per_token_logps_and_entropies
    GRPOTrainer._get_per_token_logps_and_entropies = counted_logps
    try:
        return {
            (group, iterations, cut): step_gradients(folder, group, cut, iterations, processes)
            for group in GROUPS
            for iterations in (1, 2)
            for cut in CUTS
        }
    finally:
        GRPOTrainer._get_per_token_logps_and_entropies = real


if __name__ == "__main__":
    found = every_cut(Path(sys.argv[1]), processes=2)
    passes = gather_object([PASSES])
    if PartialState().is_main_process:
        torch.save(found, Path(sys.argv[1]) / "two.pt")
        (Path(sys.argv[1]) / "passes.json").write_text(json.dumps(passes))
