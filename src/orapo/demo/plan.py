"""What the demo does, in numbers: data, base model, training, evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from orapo.data.phantom import DIFFICULTIES, PhantomConfig
from orapo.models.base import BaseRecipe

METHODS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        # tuned: the best of four settings (benchmarks/results/training.md)
        "grpo_facts": {"method": "grpo", "learning_rate": 0.3, "scale_rewards": "group"},
        "sft": {"method": "sft"},
        "orapo_both": {"method": "orapo", "lesson": "both"},
    }
)
"""Row of the result to what it changes in the recipe, and in nothing else; ``learning_rate`` is a factor."""
OURS: Final = "orapo_both"
"""The row that the demo is about."""
SIGHT: Final = 0.3
"""Of the base: it sees a little, as a pretrained model does (`orapo.models.base`)."""


@dataclass(frozen=True)
class DemoPlan:
    """Settings of a demo; the figures in the docs come from the defaults.

    Attributes:
        seed: Of the phantom, the trainings and the random baseline.
        difficulty: Level of the phantom (docs/phantom.md); every result names it.
        train_studies: Studies to train on.
        test_studies: Held-out studies of the table.
        probe_studies: Held-out studies (of another split) scored during training.
        probe_every: Steps between those scores.
        steps: Optimiser steps of each method.
        studies_per_step: Studies a step.
        rollouts_per_study: K; supervision samples none.
        facts_beta: b of FactS; below 1 a false alarm costs more than a miss.
        repetition_weight: Weight of the repetition term.
        learning_rate: Constant after ten steps of warm-up, then falling to zero.
        vision_learning_rate: The same of the vision tower, which is trained already and forgets
            at the text model's learning rate.
        decay_steps: Last steps, in which it falls. While it is constant the held-out figures swing
            from probe to probe; what a run ends with is steadier where it falls.
        kl: Weight of the KL term.
        base: How the base model is made.
    """

    seed: int = 0
    difficulty: str = "easy"
    train_studies: int = 100
    test_studies: int = 256
    probe_studies: int = 128
    probe_every: int = 150
    steps: int = 900
    studies_per_step: int = 8
    rollouts_per_study: int = 4
    facts_beta: float = 0.5
    repetition_weight: float = 0.5
    learning_rate: float = 1e-3
    vision_learning_rate: float = 3e-4
    decay_steps: int = 500
    kl: float = 0.0
    base: BaseRecipe = field(default_factory=lambda: BaseRecipe(sight=SIGHT))

    @property
    def phantom(self) -> PhantomConfig:
        """What the films and reports are like."""
        return PhantomConfig(difficulty=DIFFICULTIES[self.difficulty])

    @property
    def rollouts(self) -> int:
        """Rollouts of each method."""
        return self.steps * self.studies_per_step * self.rollouts_per_study

    @property
    def short(self) -> bool:
        """Whether the steps are too few for any method to learn much."""
        return self.steps < DemoPlan.steps

    @classmethod
    def quick(cls, seed: int = 0) -> DemoPlan:
        """The short demo for CI: the same line, fewer steps."""
        return cls(
            seed=seed,
            test_studies=128,
            probe_studies=48,
            probe_every=170,
            steps=340,
            decay_steps=170,
            # in so few steps a slower text model ends higher, and its tower can keep up
            learning_rate=5e-4,
            vision_learning_rate=5e-4,
            rollouts_per_study=2,  # what matters in so few steps is the number of studies seen
            base=BaseRecipe(
                films=250,
                shape_pictures=6000,
                reports=3000,
                patch_steps=1200,
                joint_steps=550,
                sight=SIGHT,
            ),
        )

    def training_settings(
        self, method: str, output: str, learning_rate: float = 1.0, **changes: Any
    ) -> dict[str, Any]:
        """Return fields of ``OraPOConfig``.

        Args:
            method: Its method.
            output: Folder of the training.
            learning_rate: Factor of the plan's, for the text model.
            changes: Further fields.
        """
        return {
            "output_dir": output,
            "method": method,
            "max_steps": self.steps,
            "per_device_train_batch_size": self.studies_per_step * self.rollouts_per_study,
            "gradient_accumulation_steps": 1,
            "num_generations": self.rollouts_per_study,
            "max_completion_length": 64,
            "learning_rate": learning_rate * self.learning_rate,
            "vision_learning_rate": self.vision_learning_rate,
            "lr_scheduler_type": "warmup_stable_decay",
            "lr_scheduler_kwargs": {"num_decay_steps": self.decay_steps},
            "warmup_steps": 10,
            "temperature": 1.0,
            "beta": self.kl,
            "facts_beta": self.facts_beta,
            "seed": self.seed,
            "use_cpu": True,
            "bf16": False,
            "gradient_checkpointing": False,
            "report_to": "none",
            "logging_steps": 1,
            "save_steps": 50,
            "save_total_limit": 1,
            **changes,
        }
