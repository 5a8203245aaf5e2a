"""What orapo reads and writes of TRL's private side, behind names (tested range: TRL 1.16).

The private methods of TRL that orapo overrides are in `orapo.training.method.trainer`,
`method.scoring` and `surviving.resumable`; the attributes and functions beneath them are reached through
this module alone.
`tests/contract/test_trl_contract.py` fails loudly when one of these assumptions stops to hold, an
overridden method included.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Any, Final

import torch
import trl
from torch import Tensor
from transformers import PreTrainedModel
from trl import GRPOConfig, GRPOTrainer
from trl.trainer import grpo_trainer
from trl.trainer.utils import (
    add_fused_lm_head,
    get_callable_name,
    is_async_callable,
    pad,
    split_pixel_values_by_grid,
    unsplit_pixel_values_by_grid,
    use_adapter,
)

from orapo.errors import OrapoError

__all__ = [
    "TemperatureSwitch",
    "accumulation_steps",
    "as_reference",
    "callable_name",
    "causal_answers",
    "end_tokens",
    "environments",
    "generation",
    "generation_position",
    "image_tokens",
    "is_async_callable",
    "log_metric",
    "mean_loss",
    "pad",
    "reads_prefix",
    "reference_model",
    "refuse_colocate",
    "resume_generation",
    "resume_generation_buffer",
    "resume_means",
    "running_means",
    "samples_with_vllm",
    "select_vision",
    "silence_report_text",
    "silent_reward_log",
    "skip_epochs",
    "suppress_tokens",
    "template_options",
    "tokenizer",
    "vision_fields",
    "wrap_sync",
]

# The keyword arguments by which TRL hands the images of a batch to
# `_get_per_token_logps_and_entropies`; they bear the same names in the batch.
VISION_FIELDS: Final = (
    "pixel_values",
    "image_grid_thw",
    "num_images",
    "pixel_attention_mask",
    "spatial_shapes",
    "num_tiles",
    "image_sizes",
    "token_type_ids",
    "mm_token_type_ids",
    "image_position_ids",
)
TOKEN_TYPE_FIELDS: Final = ("token_type_ids", "mm_token_type_ids")


# vLLM clamps a bias to [-100, 100]; the lowest leaves a token no chance.
_VLLM_LOWEST: Final = -100.0


callable_name = get_callable_name


def tokenizer(trainer: GRPOTrainer) -> Any:
    """Return the tokenizer, also where the processing class is a processor."""
    return trainer._tokenizer


def end_tokens(trainer: GRPOTrainer) -> set[int]:
    """Return every token that ends a rollout."""
    return set(trainer.eos_token_ids)


def image_tokens(trainer: GRPOTrainer) -> set[int]:
    """Return the placeholders of images and videos that the model's config names."""
    config = trainer.model.config
    names = (getattr(config, f"{kind}_token_id", None) for kind in ("image", "video"))
    return {token for token in names if token is not None}


def template_options(trainer: GRPOTrainer) -> dict[str, Any]:
    """Return the further arguments of the chat template."""
    return dict(trainer.chat_template_kwargs)


def environments(trainer: GRPOTrainer) -> list[Any] | None:
    """Return the environments that the rollouts of the last generation acted in."""
    return trainer.environments


def accumulation_steps(trainer: GRPOTrainer) -> int:
    """Return the micro-batches of the present optimiser step (fewer at an epoch's end)."""
    return trainer.current_gradient_accumulation_steps


def log_metric(trainer: GRPOTrainer, name: str, value: float) -> None:
    """Add a value to TRL's means over the steps between two logs."""
    trainer._metrics["train"][name].append(value)


def generation_position(trainer: GRPOTrainer) -> int:
    """Return how many micro-batches the present generation has given; 0 if it is used up."""
    position: int = trainer._step % (trainer.args.steps_per_generation * trainer.num_iterations)
    return position


def resume_generation(trainer: GRPOTrainer, position: int) -> None:
    """Go on at ``position`` of a generation; without its buffer TRL samples its prompts anew.

    TRL would count from 0, use the generation in full again and every later one at the wrong place.
    """
    trainer._step = position


def generation(trainer: GRPOTrainer) -> list[dict[str, Any]]:
    """Return the micro-batches of the present generation, as TRL shuffled and split it."""
    buffered: list[dict[str, Any]] = trainer._buffered_inputs
    return buffered


def resume_generation_buffer(trainer: GRPOTrainer, micro_batches: list[dict[str, Any]]) -> None:
    """Let TRL take the rest of a generation from what `generation` gave."""
    trainer._buffered_inputs = micro_batches


def skip_epochs(sampler: Any, epochs: int) -> None:
    """Let a sampler go on as if it had been through ``epochs`` already.

    Each pass draws its order from the generator that the pass before left; a resumed run would see
    the first epoch's order again.
    """
    if sampler is not None and sampler.shuffle:
        for _ in range(epochs):
            torch.randperm(sampler.num_samples, generator=sampler.generator)


def running_means(trainer: GRPOTrainer) -> dict[str, Any]:
    """Return what transformers and TRL have added up since the last log, and over the run.

    Returns:
        ``loss``, a tensor (of this process alone); ``total_loss``, ``last_logged`` (a step) and
        ``metrics``, the same on every process that logs.
    """
    return {
        "loss": trainer._tr_loss,
        "total_loss": trainer._total_loss_scalar,
        "last_logged": trainer._globalstep_last_logged,
        "metrics": dict(trainer._metrics["train"]),
    }


def resume_means(
    trainer: GRPOTrainer,
    loss: float,
    total_loss: float,
    last_logged: int,
    metrics: dict[str, list[float]],
) -> None:
    """Go on with what `running_means` gave."""
    trainer._tr_loss.fill_(loss)
    trainer._total_loss_scalar = total_loss
    trainer._globalstep_last_logged = last_logged
    trainer._metrics["train"].update(metrics)


def mean_loss(trainer: GRPOTrainer) -> float:
    """Return the mean loss of all steps, those before a resume too (transformers' is without)."""
    mean: float = trainer._total_loss_scalar / max(trainer.state.global_step, 0.001)
    return mean


def silent_reward_log() -> dict[str, Any]:
    """Return the means of logging that TRL hands to reward functions, leading nowhere.

    What a reward function has to say about a reference report is no metric of the rollouts.
    """
    return {"log_metric": lambda name, value: None, "log_extra": lambda column, values: None}


def samples_with_vllm(trainer: GRPOTrainer) -> bool:
    """Say whether vLLM samples."""
    return bool(trainer.use_vllm)


def refuse_colocate() -> None:
    """Refuse vLLM in the trainer's own process for a vision-language model.

    Raises:
        OrapoError: Always, with this range of TRL.
    """
    raise OrapoError(
        f"vllm_mode colocate: TRL {trl.__version__} hands vLLM prompts whose image tokens are there already, "
        "and the films, for which vLLM puts in others: the rollouts would be about nothing (TRL issue 6294); "
        "use vllm_mode: server, or use_vllm: false"
    )


def wrap_sync(trainer: GRPOTrainer, wrap: Callable[[Callable[[], Any]], Callable[[], Any]]) -> None:
    """Put something around what hands the policy's weights to vLLM."""
    engine = trainer.vllm_generation
    engine.sync_weights = wrap(engine.sync_weights)


def suppress_tokens(trainer: GRPOTrainer, tokens: Set[int]) -> None:
    """Keep ``tokens`` from being sampled, beside those that are suppressed already.

    Args:
        trainer: A trainer after ``__init__``.
        tokens: Token ids.
    """
    if trainer.use_vllm:
        # TRL hands these to vLLM's `SamplingParams` (or to the server), which know no
        # `suppress_tokens`. The user's own biases stay.
        given = trainer.vllm_generation.generation_kwargs
        bias = {**(given.get("logit_bias") or {}), **dict.fromkeys(sorted(tokens), _VLLM_LOWEST)}
        trainer.vllm_generation.generation_kwargs = {**given, "logit_bias": bias}
        return
    suppressed = sorted({*(trainer.generation_kwargs.get("suppress_tokens") or ()), *tokens})
    trainer.generation_kwargs["suppress_tokens"] = suppressed
    trainer.generation_config.suppress_tokens = suppressed


def vision_fields(batch: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of ``batch`` that describe its images."""
    return {name: batch[name] for name in VISION_FIELDS if batch.get(name) is not None}


def select_vision(
    fields: dict[str, Any], rows: Sequence[int], prompt_width: int, answer_width: int
) -> dict[str, Any]:
    """Pick the images of ``rows`` (repeats allowed) for the same prompts with other answers.

    Args:
        fields: As ``vision_fields`` gives them, for B rows.
        rows: Indices into the B rows.
        prompt_width: Tokens of the (left-padded) prompts.
        answer_width: Tokens of the new (right-padded) answers.

    Returns:
        The same fields for ``len(rows)`` rows.
    """
    split = split_pixel_values_by_grid(fields)
    picked: dict[str, Any] = {}
    for name, value in split.items():
        if isinstance(value, Tensor):
            picked[name] = value[torch.as_tensor(rows, dtype=torch.long, device=value.device)]
        else:
            picked[name] = [value[row] for row in rows]
    for name in TOKEN_TYPE_FIELDS:
        if name in picked:  # an answer holds no image: its token types are 0
            prompt = picked[name][:, :prompt_width]
            picked[name] = torch.cat([prompt, prompt.new_zeros(len(rows), answer_width)], dim=1)
    return unsplit_pixel_values_by_grid(picked)


def reads_prefix(trainer: GRPOTrainer) -> bool:
    """Say whether a token's type of 0 lets it see all others of that type, as PaliGemma's prefix does."""
    return bool(trainer.model.config.model_type == "paligemma")


def causal_answers(token_type_ids: Tensor, kept: int) -> Tensor:
    """Return PaliGemma's token types with those of the answers at 1.

    TRL gives an answer's tokens the type 0, which is that of the prefix: each would see the tokens that it
    is to foretell.

    Args:
        token_type_ids: (N, P + kept).
        kept: Tokens of the answers.
    """
    prompt = token_type_ids[:, :-kept]
    return torch.cat([prompt, token_type_ids.new_ones(len(prompt), kept)], dim=1)


@contextmanager
def reference_model(args: GRPOConfig, needed: bool, copy: PreTrainedModel | None) -> Iterator[None]:
    """Make ``GRPOTrainer.__init__`` build a reference model, also where the KL weight is 0.

    TRL builds one only for a KL weight above 0, and reloads it by name, which fails for a model
    that lives in memory only and forgets what it was trained to since. All the rest (dropout, fused
    head, DeepSpeed, FSDP, device) is TRL's own preparation of it.

    Args:
        args: Its ``beta`` is restored on leaving; set ``trainer.beta`` from it afterwards.
        needed: False leaves everything to TRL.
        copy: The reference if the policy is a model in memory; ``None`` lets TRL load or, with an
            adapter, derive it.
    """
    if not needed:
        yield
        return
    beta, loader = args.beta, grpo_trainer.create_model_from_path
    args.beta = beta or 1.0
    if copy is not None:
        grpo_trainer.create_model_from_path = lambda *_, **__: copy
    try:
        yield
    finally:
        args.beta = beta
        grpo_trainer.create_model_from_path = loader


@contextmanager
def as_reference(policy: Any, reference: PreTrainedModel | None) -> Iterator[Any]:
    """Give the model to compute reference log-probabilities with.

    Args:
        policy: The unwrapped policy.
        reference: TRL's ``ref_model``; ``None`` with an adapter, which is switched off instead (or
            to TRL's copy "ref", if training went on from an existing adapter).
    """
    if reference is not None:
        yield reference
    else:
        adapter = "ref" if "ref" in policy.peft_config else None
        with use_adapter(policy, adapter_name=adapter):
            yield policy


class TemperatureSwitch:
    """Lets a model with TRL's fused head score at temperature 1 as well.

    TRL divides the logits by the sampling temperature wherever it computes log-probabilities; the
    DPO term wants none (docs/method.md).

    Args:
        model: A model that already carries TRL's fused head at ``temperature``.
        temperature: The sampling temperature.
        outputs: Fields that the head computes, as in ``add_fused_lm_head``.
    """

    def __init__(self, model: Any, temperature: float, outputs: tuple[str, ...]) -> None:
        self._plain = False
        if temperature == 1.0:
            return
        tempered = model.forward
        del model.forward  # uncovers the class's own forward
        add_fused_lm_head(model, temperature=1.0, outputs=outputs)
        untempered = model.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            return (untempered if self._plain else tempered)(*args, **kwargs)

        # `generate` reads the signature of the forward function
        forward.__signature__ = inspect.signature(tempered)  # type: ignore[attr-defined]
        model.forward = forward

    @contextmanager
    def off(self) -> Iterator[None]:
        """Score at temperature 1 inside this block."""
        self._plain = True
        try:
            yield
        finally:
            self._plain = False


class _NoReportText(logging.Filter):
    """Drops TRL's warning that prints whole data set rows, report text included."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "All reward functions returned None for the following kwargs" not in str(record.msg)


def silence_report_text() -> None:
    """Keep report texts and study ids out of the log (TRL warns with them; we count instead)."""
    logger = grpo_trainer.logger.logger
    if not any(isinstance(item, _NoReportText) for item in logger.filters):
        logger.addFilter(_NoReportText())
