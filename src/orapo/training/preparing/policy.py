"""The model of a run: loaded as its recipe says, with the adapter and the film size that it names."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trl import get_peft_config, get_quantization_config

from orapo.errors import MissingExtraError, OrapoError
from orapo.generation import load_checkpoint
from orapo.generation.model import is_adapter
from orapo.models.chat_templates import prepare_processor
from orapo.models.plain_decoding import decode_plainly
from orapo.training.config import OraPOConfig
from orapo.training.preparing.estimate import meta_model
from orapo.training.recipe import RunConfig


def load_policy(run: RunConfig, config: OraPOConfig) -> tuple[Any, Any, Any]:
    """Load what a run trains.

    Args:
        run: The model's name and how it is loaded.
        config: Says on which device.

    Returns:
        Model, processor, and the adapter's configuration (None trains all weights).

    Raises:
        MissingExtraError: Quantised loading without bitsandbytes.
        OrapoError: There is no such model, it is an adapter itself, or the recipe's would not be what is
            saved of it.
    """
    folder = Path(run.model)
    _refuse_adapter(folder)
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
    adapter = lora_config(run)
    _check_adapter(model, adapter)
    return model, processor, adapter


def empty_policy(run: RunConfig, config: Any, processor: Any) -> tuple[Any, Any]:
    """Return what `load_policy` does, of a model whose weights take no memory and have no values.

    Args:
        run: The model's name.
        config: Of `load_config`.
        processor: Of `load_processor`.

    Returns:
        Model, and the adapter's configuration.

    Raises:
        OrapoError: The recipe's model would not be what is saved of it.
    """
    from transformers import GenerationConfig

    model = meta_model(config)
    revision = {} if Path(run.model).is_dir() else {"revision": run.model_revision}
    with suppress(OSError):  # without such a file what the model's config says counts
        model.generation_config = GenerationConfig.from_pretrained(run.model, **revision)
    decode_plainly(model, processor.tokenizer)
    adapter = lora_config(run)
    _check_adapter(model, adapter)
    return model, adapter


def _refuse_adapter(folder: Path) -> None:
    """Refuse to train an adapter further.

    Raises:
        OrapoError: The folder holds one.
    """
    if is_adapter(folder):
        # Merged, it would be trained as if it were its base, and the new adapter would name that.
        raise OrapoError(
            f"{folder}: holds an adapter, training begins from a whole model; "
            "--resume goes on with the run that made it"
        )


def _check_adapter(model: Any, adapter: Any) -> None:
    """Refuse LoRA on no layer, and on embeddings whose weights are the head's too: merging would put it into both.

    Raises:
        OrapoError: It is asked for.
    """
    if adapter is None:
        return
    from peft.tuners.tuners_utils import check_target_module_exists

    wanted = adapter.target_modules
    if wanted and wanted != "all-linear" and not adapter.target_parameters:
        names = (name for name, _ in model.named_modules())
        if not any(check_target_module_exists(adapter, name) for name in names):
            said = wanted if isinstance(wanted, str) else ", ".join(sorted(wanted))
            raise OrapoError(f"lora_target_modules: the model has no layer that {said} names")
    words, head = model.get_input_embeddings(), model.get_output_embeddings()
    if head is None or words.weight is not head.weight:
        return
    (name,) = [name for name, module in model.named_modules() if module is words]
    if check_target_module_exists(adapter, name):
        raise OrapoError(
            f"lora_target_modules: the embeddings ({name}) share their weights with the head, so that the adapter, "
            "merged, would change both and write other reports than those that were trained; leave them out, or "
            "train them whole by lora_modules_to_save"
        )


def lost_steps(run: RunConfig, config: OraPOConfig, dtype: Any, engine: str) -> str | None:
    """Say of a run of all weights if most of its steps would be lost in rounding.

    bfloat16 holds eight bits of a number: what changes a weight by less than a part in 512 leaves it as it was.

    Args:
        run: Whether an adapter is trained, whose weights PEFT keeps in float32.
        config: Its learning rate.
        dtype: Of the weights.
        engine: That spreads them, and keeps a copy of them in float32; empty: none.
    """
    import torch

    if run.use_peft or engine or dtype not in (torch.bfloat16, torch.float16):
        return None
    return (
        f"all weights are trained in {str(dtype).removeprefix('torch.')}, in which most of them can't hold a step of "
        f"learning_rate {config.learning_rate:g}: it is rounded away, and the run learns less than it seems; dtype: "
        "float32 (with bf16: true for the arithmetic) keeps every step, and so do an adapter (use_peft: true), "
        "DeepSpeed and FSDP"
    )


def load_config(run: RunConfig) -> Any:
    """Load the model's config alone.

    Raises:
        OrapoError: There is none, or it is an adapter's.
    """
    from transformers import AutoConfig

    _refuse_adapter(Path(run.model))
    return _read(AutoConfig, run)


def load_processor(run: RunConfig, limited: bool = True) -> Any:
    """Load the model's processor alone.

    Args:
        run: Names the model.
        limited: Whether with the recipe's film size.

    Raises:
        OrapoError: There is none, or it takes no film size.
    """
    from transformers import AutoProcessor

    processor = prepare_processor(_read(AutoProcessor, run), run.model)
    if limited:
        limit_pixels(processor, run.min_pixels, run.max_pixels)
    return processor


def _read(kind: Any, run: RunConfig) -> Any:
    folder = Path(run.model)
    revision = {} if folder.is_dir() else {"revision": run.model_revision}
    try:
        # said, since transformers asks on the terminal where it is not, and runs the code upon a "y"
        return kind.from_pretrained(run.model, trust_remote_code=False, **revision)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise OrapoError(f"{run.model}: its configuration can't be loaded ({reason})") from None


def lora_config(run: RunConfig) -> Any:
    """Return the adapter's configuration; None trains all weights."""
    adapter = get_peft_config(run)
    if adapter is not None and not (run.lora_target_modules or run.lora_target_parameters):
        adapter.target_modules = "all-linear"  # PEFT knows no other default of these models
    return adapter


def _offered(images: Any) -> str:
    """Say what an image processor has in the place of a film's least and most pixels."""
    size = dict(images.size)
    square = f"{size.get('width')} x {size.get('height')}"
    where = "in the checkpoint's preprocessor_config.json (or processor_config.json)"
    if hasattr(images, "max_image_tokens"):  # LFM2-VL
        return (
            f"it makes at most {images.max_image_tokens} tokens of a film, or of each of at most "
            f"{images.max_tiles} tiles of {images.tile_size} pixels; set max_image_tokens, max_tiles or "
            f"do_image_splitting {where}"
        )
    if hasattr(images, "max_patches"):  # InternVL
        return (
            f"it cuts a film into {images.min_patches} to {images.max_patches} tiles of {square} pixels; set "
            f"max_patches {where}"
        )
    if hasattr(images, "image_grid_pinpoints"):  # LLaVA-Next
        return (
            f"it brings a film to one of the sizes {images.image_grid_pinpoints}; set image_grid_pinpoints "
            f"{where} and in config.json"
        )
    if size.get("height") and size.get("width"):  # Gemma 3, PaliGemma
        return f"every film becomes {square} pixels, whatever its size, and has as many tokens; leave it out"
    crop = dict(getattr(images, "crop_size", None) or {})
    if crop.get("height"):  # LLaVA
        return f"of every film the middle of {crop['width']} x {crop['height']} pixels is shown; leave it out"
    return f"its sizes are {', '.join(sorted(key for key, value in size.items() if value))}"


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
            f"{type(images).__name__} takes no {'max_pixels' if most else 'min_pixels'}: {_offered(images)}"
        )
    images.size = type(images.size)(**size) if not isinstance(images.size, dict) else size
