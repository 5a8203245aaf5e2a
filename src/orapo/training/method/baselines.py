"""The baselines without rollouts: TRL's SFTTrainer on the reports, its DPOTrainer on pairs.

``method: sft`` is plain supervision by the radiologists' reports alone. ``method: dpo`` is pairs alone, with
the length-normalised loss of OraPO's oracle term (TRL's ``sigmoid_norm``, with tau as its beta). An
optimiser step has as many studies as one of the other methods with the same recipe: rollouts of a step
over K.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from datasets import Dataset
from transformers import PreTrainedModel, Trainer, TrainingArguments
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from orapo.errors import OrapoError
from orapo.generation.reports import end_tokens, placeholder_tokens
from orapo.models.placeholders import rows_of, take_out
from orapo.models.shared_films import encode_films_once
from orapo.training.config import OraPOConfig
from orapo.training.method.answers import check_answer, check_end
from orapo.training.method.pace import OwnPace
from orapo.training.surviving.resumable import WholeCheckpoints

_IGNORED: Final = -100
"""A label that no loss is computed for."""


class _LearnsAnswers(Trainer):
    """Looks at what a trainer of TRL makes of an answer."""

    def _check(self, ids: Sequence[int], text: str) -> None:
        """Check that an answer's tokens say what it says, and end.

        Raises:
            OrapoError: They don't.
        """
        tokenizer = self.processing_class.tokenizer
        ends = end_tokens(self.model.generation_config.eos_token_id)
        check_answer(tokenizer, ids, text)
        check_end(tokenizer, ids, ends | {tokenizer.eos_token_id})


class SupervisedTrainer(OwnPace, WholeCheckpoints, _LearnsAnswers, SFTTrainer):
    """SFTTrainer with checkpoints that are whole and a budget of minutes.

    Args:
        model: As SFTTrainer takes it.
        config: The run's; its ``vision_learning_rate`` and ``max_minutes`` count here too.
        train_dataset: Rows of `orapo.training.preparing.dataset.supervised_rows`.
        **kwargs: Anything else of SFTTrainer.
    """

    def __init__(
        self, model: Any, config: OraPOConfig, train_dataset: Dataset, **kwargs: Any
    ) -> None:
        _refuse_prefix_model(model, "sft")
        super().__init__(model, supervised_config(config), train_dataset=train_dataset, **kwargs)
        row = train_dataset[0]
        batch = self.data_collator([dict(row)])
        answer = batch["labels"][0]
        self._check(answer[answer != _IGNORED].tolist(), row["completion"][0]["content"])
        self.keep_pace(config)


class OfflineTrainer(OwnPace, WholeCheckpoints, _LearnsAnswers, DPOTrainer):
    """DPOTrainer with checkpoints that are whole, a budget of minutes, and no probability for placeholders.

    Args:
        model: As DPOTrainer takes it.
        config: The run's.
        train_dataset: Of `orapo.training.preparing.pairs.offline_pairs`.
        **kwargs: Anything else of DPOTrainer.
    """

    def __init__(
        self, model: Any, config: OraPOConfig, train_dataset: Dataset, **kwargs: Any
    ) -> None:
        _refuse_prefix_model(model, "dpo")
        adapter = kwargs.get("peft_config") is not None
        in_memory = isinstance(model, PreTrainedModel) and not adapter
        reference = copy.deepcopy(model) if in_memory else None
        super().__init__(
            model, reference, offline_config(config), train_dataset=train_dataset, **kwargs
        )
        row = train_dataset[0]
        batch = self.data_collator([dict(row)])
        for side, name in enumerate(("chosen", "rejected")):
            answer = batch["input_ids"][side][batch["completion_mask"][side] == 1]
            self._check(answer.tolist(), row[name][0]["content"])
        ends = self.model.generation_config.eos_token_id
        unwanted = placeholder_tokens(ends, self.processing_class.tokenizer, rows_of(self.model))
        for each in (self.model, self.ref_model):
            if each is not None:
                take_out(self.accelerator.unwrap_model(each), unwanted)
                encode_films_once(each)
        self.keep_pace(config)


def _refuse_prefix_model(model: Any, method: str) -> None:
    """Refuse PaliGemma, whose processor takes no answer without a film (transformers 5.23).

    Raises:
        OrapoError: It is one.
    """
    if getattr(getattr(model, "config", None), "model_type", "") == "paligemma":
        raise OrapoError(
            f"method {method}: TRL can't prepare answers with PaliGemma's processor, which takes none "
            "without a film; methods orapo and grpo train it"
        )


def supervised_config(config: OraPOConfig) -> SFTConfig:
    """Return what a recipe says about training, as SFTTrainer takes it."""
    return SFTConfig(**_shared_settings(config), max_length=None, completion_only_loss=True)


def offline_config(config: OraPOConfig) -> DPOConfig:
    """Return what a recipe says about training, as DPOTrainer takes it."""
    return DPOConfig(
        **_shared_settings(config),
        max_length=None,
        loss_type=["sigmoid_norm"],
        beta=config.dpo_tau,
    )


def _shared_settings(config: OraPOConfig) -> dict[str, Any]:
    """Return what every trainer of transformers takes, with studies for rollouts in a batch."""
    shared = {item.name for item in fields(TrainingArguments) if item.init}
    # of two names of one thing, transformers accepts one
    settings = {name: getattr(config, name) for name in shared if not name.startswith("_")}
    settings["per_device_train_batch_size"] = max(
        1, config.per_device_train_batch_size // config.num_generations
    )
    return settings
