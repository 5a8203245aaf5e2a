"""What spreads a model over GPUs, and what samples from it: refused where it would not do what is asked.

accelerate leaves FSDP and DeepSpeed out without a word where it can't run them; vLLM beside TRL would write about
something else than the films.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import trl
from accelerate import DistributedType
from PIL import Image
from transformers.utils import strtobool

from orapo.data.films.images import read_image
from orapo.errors import OrapoError
from orapo.models.clean_base import refuse_sharded
from orapo.training.config import OraPOConfig
from orapo.training.preparing.policy import load_processor
from orapo.training.recipe import RunConfig
from orapo.training.trl_contract import refuse_colocate

_TILES: Final = ("do_image_splitting", "crop_to_patches", "image_grid_pinpoints")
"""What processors have that can cut a film into tiles: Idefics3, SmolVLM, LFM2-VL; InternVL; LLaVA-Next. On or off:
a processor's own default (InternVL's) is not told by that of its image processor."""


def check_engine(config: OraPOConfig) -> None:
    """Refuse a run in which every process would hold all weights though they were to be spread.

    Args:
        config: The run's, which may ask for FSDP or DeepSpeed itself; else accelerate's launcher does.

    Raises:
        OrapoError: It is asked for, and accelerate would train without it; or one process sees several
            GPUs, which TRL's trainers refuse when all is loaded.
    """
    if config.n_gpu > 1:
        raise OrapoError(
            f"{config.n_gpu} GPUs are to be seen, and one process trains on one; start it by accelerate launch "
            "(docs/gpus.md), or let it see one alone: CUDA_VISIBLE_DEVICES=0"
        )
    kind = config.distributed_state.distributed_type if config.distributed_state else None
    engine = engine_asked_for(config)
    if engine == "FSDP" and kind in (DistributedType.NO, DistributedType.MULTI_CPU):
        raise OrapoError(_said(engine, "in processes with a GPU each, which its launcher starts"))
    if engine == "DeepSpeed" and config.use_cpu:
        raise OrapoError(_said(engine, "where use_cpu is not asked for"))


def engine_asked_for(config: OraPOConfig) -> str:
    """Return which engine is to spread weights or gradients: ``FSDP``, ``DeepSpeed``, or empty."""
    if _launched("FSDP") or config.fsdp:
        return "FSDP"
    return "DeepSpeed" if _launched("DEEPSPEED") or config.deepspeed else ""


def _launched(engine: str) -> bool:
    return bool(strtobool(os.environ.get(f"ACCELERATE_USE_{engine}", "false")))


def _said(engine: str, where: str) -> str:
    return (
        f"{engine} is asked for (by accelerate's file or in the recipe), but accelerate {version('accelerate')} "
        f"has it only {where}: every process would train all weights, each for itself in memory; leave it out, "
        "or train on GPUs by accelerate launch"
    )


def check_vllm(
    run: RunConfig, config: OraPOConfig, films: Iterable[Path], sharded: bool = False
) -> None:
    """Refuse a recipe whose rollouts vLLM would write about something else than the films.

    Args:
        run: The model, and the recipe's film size.
        config: Whether and how vLLM samples.
        films: All that are shown.
        sharded: Whether a process holds a part of each weight alone (FSDP, ZeRO-3).

    Raises:
        OrapoError: The mode, the engine, the model's processor or a film's size can't be used with vLLM.
    """
    if not config.use_vllm:
        return
    if config.vllm_mode == "colocate":
        refuse_colocate()
    if sharded and run.use_peft:
        refuse_sharded()
    images = load_processor(run).image_processor
    tiles = any(hasattr(images, name) for name in _TILES)
    if tiles or getattr(images, "do_pan_and_scan", False):  # Gemma 3, where it is told to
        raise OrapoError(
            f"use_vllm: {type(images).__name__} lays a film out as tiles, and it was never shown that a vLLM server "
            f"tiles as TRL {trl.__version__} expects; use_vllm: false samples with transformers"
        )
    if run.load_in_4bit or run.load_in_8bit:
        raise OrapoError(
            "use_vllm with load_in_4bit or load_in_8bit: TRL merges the adapter into the quantised weights "
            "and back for every step, which changes them; load them whole, or sample without vLLM"
        )
    if run.min_pixels or run.max_pixels:
        _check_sizes(run, images, films)


def _check_sizes(run: RunConfig, limited: Any, films: Iterable[Path]) -> None:
    """Check that the server, which does not know min_pixels and max_pixels, sees films alike.

    Raises:
        OrapoError: It would make more or fewer image tokens of one.
    """
    plain = load_processor(run, limited=False).image_processor
    known: set[tuple[int, int]] = set()
    for path in films:
        size = read_image(path).size
        if size in known:
            continue
        known.add(size)
        blank = Image.new("RGB", size)
        ours, theirs = (
            images([[blank]], return_tensors="pt")["pixel_values"].shape
            for images in (limited, plain)
        )
        if ours != theirs:
            raise OrapoError(
                f"{path}: a film of {size[0]} x {size[1]} pixels; the vLLM server does not know the recipe's "
                f"min_pixels {run.min_pixels} and max_pixels {run.max_pixels} and would see it at another "
                "size; bring the films to theirs first (orapo data convert --image-size)"
            )
