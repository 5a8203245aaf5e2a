"""How fast weights move: the vision tower's own learning rate, and a rate that falls with the budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from torch import nn
from torch.optim import Optimizer
from transformers import Trainer

from orapo.errors import OrapoError
from orapo.training.config import OraPOConfig
from orapo.training.method.budget import Budget

_TOWERS: Final = {"vision_model", "visual", "vision_tower"}
"""What the supported classes call it."""


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


def vision_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights of the vision tower; the connector to the text model is not part of it."""
    return [
        parameter
        for name, parameter in model.named_parameters()
        if _TOWERS & set(parts := name.split(".")) and not any("merger" in part for part in parts)
    ]


def trained_tower(model: nn.Module, rate: float) -> list[nn.Parameter]:
    """Return the weights of the vision tower, for which a rate of their own is asked.

    Args:
        model: With its adapter; its weights are not looked at.
        rate: 0 freezes the tower.

    Raises:
        OrapoError: The model has no tower that is known, or none of its weights is trained.
    """
    tower = vision_parameters(model)
    if not tower:
        raise OrapoError("vision_learning_rate: the model has no vision tower that is known")
    if rate and not any(parameter.requires_grad for parameter in tower):
        raise OrapoError(
            f"vision_learning_rate {rate:g}: no weight of the vision tower is trained, since the adapter is elsewhere; "
            "leave it out, or let lora_target_modules name layers of the tower"
        )
    return tower


@contextmanager
def tower_at_its_own_pace(trainer: Any, rate: float | None) -> Iterator[None]:
    """Inside, let a trainer make its optimiser; the vision tower then has its own learning rate.

    Args:
        trainer: Of transformers.
        rate: The tower's peak; None leaves it as the others, 0 freezes it.

    Raises:
        OrapoError: The model has no tower that is known, or none of its weights is trained.
    """
    if rate is None:
        yield
        return
    tower = trained_tower(trainer.model, rate)
    if rate == 0:
        for parameter in tower:
            parameter.requires_grad_(False)
    yield
    if rate:
        own_learning_rate(trainer.optimizer, tower, rate)


def own_learning_rate(
    optimizer: Optimizer, parameters: Iterable[nn.Parameter], rate: float
) -> None:
    """Move parameters of an optimiser into groups of their own, with another learning rate.

    Args:
        optimizer: Before its first step.
        parameters: Some of its parameters.
        rate: Their peak; a schedule scales it like that of the others.
    """
    moved = {id(parameter) for parameter in parameters}
    for group in list(optimizer.param_groups):
        apart = [parameter for parameter in group["params"] if id(parameter) in moved]
        if apart:
            group["params"] = [one for one in group["params"] if id(one) not in moved]
            optimizer.add_param_group({**group, "params": apart, "lr": rate})
