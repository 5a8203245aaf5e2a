"""How fast weights move: the vision tower's own learning rate, and a rate that falls with the budget."""

from __future__ import annotations

from typing import Any

from transformers import Trainer

from orapo.training.budget import Budget
from orapo.training.config import OraPOConfig
from orapo.training.policy import tower_at_its_own_pace


class OwnPace(Trainer):
    """Takes ``vision_learning_rate`` and the budget into account.

    A mixin for transformers' Trainer and what is made of it; call `keep_pace` when that is set up.

    Attributes:
        budget: What the run has spent.
    """

    budget: Budget
    _vision_rate: float | None = None

    def keep_pace(self, config: OraPOConfig) -> None:
        """Begin to count, and remember the tower's rate."""
        self._vision_rate = config.vision_learning_rate
        self.budget = Budget(config)
        self.add_callback(self.budget)

    def create_optimizer(self, model: Any = None) -> Any:
        """As transformers', with a learning rate of its own for the vision tower."""
        with tower_at_its_own_pace(self, self._vision_rate):
            return super().create_optimizer(model)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """As transformers', but falling with the budget where that is spent faster."""
        schedule = super().create_scheduler(num_training_steps, optimizer)
        self.budget.follow(schedule, num_training_steps)
        return schedule
