"""What a run may spend, in rollouts or in minutes, so that methods can be compared at equal cost.

Methods differ in what a step takes. With a budget the run ends when it is spent, and the learning rate
falls with the share that is spent, so that it has come to its end then, in whatever step that is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from accelerate.utils import gather_object
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback

from orapo.training.config import OraPOConfig


class Budget(TrainerCallback):
    """Counts what a run has spent and ends it when the budget is.

    Args:
        config: Its ``max_rollouts`` and ``max_minutes``; 0 for no limit.

    Attributes:
        rollouts: Reports sampled so far, over all processes.
        seconds: Time spent before this process began, by the checkpoint that it goes on from.
    """

    def __init__(self, config: OraPOConfig) -> None:
        self._max_rollouts = config.max_rollouts
        self._max_seconds = 60 * config.max_minutes
        self.rollouts = 0
        self.seconds = 0.0
        self._since: float | None = None

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self._since = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the run in the same step on every process."""
        share = self.share()
        if self._max_seconds and args.world_size > 1:  # their clocks differ
            share = max(gather_object([share]))
        if share >= 1:
            control.should_training_stop = True

    def share(self) -> float:
        """Return the share of the budget that is spent; 0 without one."""
        shares = [0.0]
        if self._max_rollouts:
            shares.append(self.rollouts / self._max_rollouts)
        if self._max_seconds:
            shares.append(self._spent() / self._max_seconds)
        return max(shares)

    def _spent(self) -> float:
        return self.seconds + (0.0 if self._since is None else time.monotonic() - self._since)

    def saved(self) -> dict[str, Any]:
        """Return what has been spent, for a checkpoint."""
        return {"rollouts": self.rollouts, "seconds": self._spent()}

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from what `saved` gave."""
        self.rollouts, self.seconds = int(saved["rollouts"]), float(saved["seconds"])
        self._since = time.monotonic()

    def follow(self, schedule: LambdaLR, total_steps: int) -> None:
        """Let a learning rate fall with the budget where that is spent faster than the steps.

        Args:
            schedule: As transformers makes it for ``total_steps``.
            total_steps: At the end of which the schedule ends.
        """

        def with_budget(by_step: Callable[[int], float]) -> Callable[[int], float]:
            return lambda step: by_step(max(step, int(self.share() * total_steps)))

        schedule.lr_lambdas = [with_budget(by_step) for by_step in schedule.lr_lambdas]
