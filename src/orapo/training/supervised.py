"""Plain supervision, the rival that stands beside every policy gradient: TRL's SFTTrainer on reports.

``method: sft`` trains on the radiologists' reports alone. An optimiser step has as many studies as one
of the other methods with the same recipe: rollouts of a step over K.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from datasets import Dataset
from transformers import TrainingArguments
from trl import SFTConfig, SFTTrainer

from orapo.training.config import OraPOConfig
from orapo.training.pace import OwnPace
from orapo.training.resumable import WholeCheckpoints


def supervised_config(config: OraPOConfig) -> SFTConfig:
    """Return what a recipe says about training, as SFTTrainer takes it."""
    shared = {item.name for item in fields(TrainingArguments) if item.init}
    settings = {name: getattr(config, name) for name in shared}
    # of two names of one thing, transformers accepts one
    settings = {name: value for name, value in settings.items() if not name.startswith("_")}
    settings["per_device_train_batch_size"] = max(
        1, config.per_device_train_batch_size // config.num_generations
    )
    return SFTConfig(**settings, max_length=None, completion_only_loss=True)


class SupervisedTrainer(OwnPace, WholeCheckpoints, SFTTrainer):
    """SFTTrainer with checkpoints that are whole and a budget of minutes.

    Args:
        model: As SFTTrainer takes it.
        config: The run's; its ``vision_learning_rate`` and ``max_minutes`` count here too.
        train_dataset: Rows of `supervised_rows`.
        **kwargs: Anything else of SFTTrainer.
    """

    def __init__(
        self, model: Any, config: OraPOConfig, train_dataset: Dataset, **kwargs: Any
    ) -> None:
        super().__init__(model, supervised_config(config), train_dataset=train_dataset, **kwargs)
        self.keep_pace(config)


def supervised_rows(dataset: Dataset) -> Dataset:
    """Add to a training data set what is to be written, as a conversation's answer."""
    answers: Sequence[Any] = [
        [{"role": "assistant", "content": text}] for text in dataset.with_format(None)["report"]
    ]
    transform = dataset.format["format_kwargs"]["transform"]
    rows = dataset.with_format(None).add_column("completion", list(answers))
    rows.set_transform(transform)
    return rows
