"""The model of a run: loaded as its recipe says, with the adapter and the film size that it names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from torch import nn
from torch.optim import Optimizer
from trl import get_peft_config, get_quantization_config

from orapo.errors import MissingExtraError, OrapoError
from orapo.generation import load_checkpoint
from orapo.generation.model import is_adapter

if TYPE_CHECKING:
    from orapo.training.config import OraPOConfig
    from orapo.training.recipe import RunConfig

_TOWERS: Final = {"vision_model", "visual", "vision_tower"}
"""What the supported classes call it."""


def load_policy(run: RunConfig, config: OraPOConfig) -> tuple[Any, Any, Any]:
    """Load what a run trains.

    Args:
        run: The model's name and how it is loaded.
        config: Says on which device.

    Returns:
        Model, processor, and the adapter's configuration (None trains all weights).

    Raises:
        MissingExtraError: Quantised loading without bitsandbytes.
        OrapoError: There is no such model, or it is an adapter itself.
    """
    folder = Path(run.model)
    if is_adapter(folder):
        # Merged, it would be trained as if it were its base, and the new adapter would name that.
        raise OrapoError(
            f"{folder}: holds an adapter, training begins from a whole model; "
            "--resume goes on with the run that made it"
        )
    options: dict[str, Any] = {}
    if run.attn_implementation:
        options["attn_implementation"] = run.attn_implementation
    dtype = run.dtype or "auto"
    if run.load_in_4bit or run.load_in_8bit:
        if find_spec("bitsandbytes") is None:
            raise MissingExtraError("loading in 4 or 8 bits", "quantization")
        dtype = "bfloat16" if dtype == "auto" else dtype
        options["quantization_config"] = get_quantization_config(replace(run, dtype=dtype))
        # bitsandbytes packs the weights on the device where they stay.
        options["device_map"] = {"": config.device}
    model, processor = load_checkpoint(
        # absolute, so that an adapter finds its model from wherever it is used
        folder.resolve() if folder.is_dir() else run.model,
        # The trainer moves it: with FSDP and DeepSpeed, only its share of it.
        device="cpu",
        dtype=dtype,
        revision=None if folder.is_dir() else run.model_revision,
        options=options,
    )
    limit_pixels(processor, run.min_pixels, run.max_pixels)
    return model, processor, lora_config(run)


def load_config(run: RunConfig) -> Any:
    """Load the model's config alone.

    Raises:
        OrapoError: There is none.
    """
    from transformers import AutoConfig

    return _read(AutoConfig, run)


def load_processor(run: RunConfig) -> Any:
    """Load the model's processor alone, with the recipe's film size.

    Raises:
        OrapoError: There is none.
    """
    from transformers import AutoProcessor

    processor = _read(AutoProcessor, run)
    limit_pixels(processor, run.min_pixels, run.max_pixels)
    return processor


def _read(kind: Any, run: RunConfig) -> Any:
    folder = Path(run.model)
    revision = {} if folder.is_dir() else {"revision": run.model_revision}
    try:
        return kind.from_pretrained(run.model, **revision)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise OrapoError(f"{run.model}: its configuration can't be loaded ({reason})") from None


def lora_config(run: RunConfig) -> Any:
    """Return the adapter's configuration; None trains all weights."""
    adapter = get_peft_config(run)
    if adapter is not None and not (run.lora_target_modules or run.lora_target_parameters):
        adapter.target_modules = "all-linear"  # PEFT knows no other default of these models
    return adapter


def vision_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights of the vision tower; the connector to the text model is not part of it."""
    return [
        parameter
        for name, parameter in model.named_parameters()
        if _TOWERS & set(parts := name.split(".")) and not any("merger" in part for part in parts)
    ]


@contextmanager
def tower_at_its_own_pace(trainer: Any, rate: float | None) -> Iterator[None]:
    """Inside, let a trainer make its optimiser; the vision tower then has its own learning rate.

    Args:
        trainer: Of transformers.
        rate: The tower's peak; None leaves it as the others, 0 freezes it.

    Raises:
        OrapoError: The model has no tower that is known.
    """
    if rate is None:
        yield
        return
    tower = vision_parameters(trainer.model)
    if not tower:
        raise OrapoError("vision_learning_rate: the model has no vision tower that is known")
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


def limit_pixels(processor: Any, fewest: int = 0, most: int = 0) -> None:
    """Set between which sizes a processor brings films; it is saved with the processor.

    Args:
        processor: Of a vision-language model.
        fewest: Pixels (width times height) at least; 0 leaves it as it is.
        most: Pixels at most; 0 leaves it as it is. Where a model knows the length of the longer edge
            only (Idefics3, SmolVLM), that of a square of so many pixels.

    Raises:
        OrapoError: The processor has no size to set.
    """
    if not (fewest or most):
        return
    images = processor.image_processor
    size = dict(images.size)
    given = {key for key, value in size.items() if value is not None}
    if {"shortest_edge", "longest_edge"} <= given:  # Qwen: pixels, in spite of the names
        size = {
            "shortest_edge": fewest or min(size["shortest_edge"], most),
            "longest_edge": most or max(size["longest_edge"], fewest),
        }
    elif "longest_edge" in given and most:
        size = {"longest_edge": math.isqrt(most)}
    else:
        raise OrapoError(
            f"{type(images).__name__} takes no min_pixels or max_pixels; its sizes are "
            f"{', '.join(sorted(given))}"
        )
    images.size = type(images.size)(**size) if not isinstance(images.size, dict) else size
