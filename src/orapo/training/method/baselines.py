"""The baselines without rollouts: TRL's SFTTrainer on the reports, its DPOTrainer on pairs.

``method: sft`` is plain supervision by the radiologists' reports alone. ``method: dpo`` is pairs alone, with
the length-normalised loss of OraPO's oracle term (TRL's ``sigmoid_norm``, with tau as its beta). An
optimiser step has as many studies as one of the other methods with the same recipe: rollouts of a step
over K.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from datasets import Dataset
from transformers import PreTrainedModel, TrainingArguments
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
from trl.trainer.dpo_trainer import DataCollatorForVisionPreference
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

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


def check_supervised(
    row: Mapping[str, Any], model: Any, processor: Any, collator: Any = None
) -> None:
    """Check that SFTTrainer can learn what a row's report says.

    Args:
        row: Of `orapo.training.preparing.dataset.supervised_rows`.
        model: With its configurations; its weights are not looked at.
        processor: Its processor.
        collator: The trainer's; None: such a one is made.

    Raises:
        OrapoError: It can't.
    """
    _refuse_prefix_model(model, "sft")
    if collator is None:
        collator = DataCollatorForVisionLanguageModeling(
            _padding(processor), completion_only_loss=True
        )
    answer = collator([dict(row)])["labels"][0]
    _check(answer[answer != _IGNORED].tolist(), row["completion"], model, processor)


def check_pair(row: Mapping[str, Any], model: Any, processor: Any, collator: Any = None) -> None:
    """Check that DPOTrainer can learn what both reports of a row say; arguments as of `check_supervised`.

    Raises:
        OrapoError: It can't.
    """
    _refuse_prefix_model(model, "dpo")
    if collator is None:
        collator = DataCollatorForVisionPreference(_padding(processor))
    batch = collator([dict(row)])
    for side, name in enumerate(("chosen", "rejected")):
        answer = batch["input_ids"][side][batch["completion_mask"][side] == 1]
        _check(answer.tolist(), row[name], model, processor)


def _padding(processor: Any) -> Any:
    """Return a processor that can pad, as TRL's trainers see to it."""
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    return processor


def _check(
    ids: Sequence[int], answer: Sequence[Mapping[str, str]], model: Any, processor: Any
) -> None:
    """Check that an answer's tokens say what it says, and end.

    Raises:
        OrapoError: They don't.
    """
    tokenizer = processor.tokenizer
    check_answer(tokenizer, ids, answer[0]["content"])
    ends = end_tokens(model.generation_config.eos_token_id)
    check_end(tokenizer, ids, ends | {tokenizer.eos_token_id})


class SupervisedTrainer(OwnPace, WholeCheckpoints, SFTTrainer):
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
        check_supervised(train_dataset[0], self.model, self.processing_class, self.data_collator)
        self.keep_pace(config)


class OfflineTrainer(OwnPace, WholeCheckpoints, DPOTrainer):
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
        check_pair(train_dataset[0], self.model, self.processing_class, self.data_collator)
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
