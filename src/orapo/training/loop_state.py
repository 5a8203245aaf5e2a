"""What the training loop holds in memory between two steps, and a kill would take with it.

transformers saves weights, optimiser and random states. Beside them live a generation that is half
used (``num_iterations`` or ``steps_per_generation`` above what one step takes), which can't be
sampled again with weights that have moved, the means that are logged over several steps, and the
last figures that warnings look at.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any, Final

import torch
from datasets import Dataset

from orapo.errors import OrapoError
from orapo.training import trl_contract

FILE_NAME: Final = "loop_state.json"

logger = logging.getLogger(__name__)


def save(trainer: Any, folder: Path) -> None:
    """Write the state into a checkpoint's folder; every process calls it.

    Raises:
        OSError, RuntimeError: The disk is full.
    """
    args = trainer.args
    means = trl_contract.running_means(trainer)
    means["loss"] = trainer.accelerator.gather(means["loss"]).flatten().tolist()
    if trl_contract.generation_position(trainer):
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(trl_contract.generation(trainer), folder / _generation_file(args.process_index))
    if args.should_save:
        state = {"version": 1, "processes": args.world_size, "means": means}
        state["watch"] = trainer.watch.saved()
        state["budget"] = trainer.budget.saved()
        state["studies"] = _studies(trainer)
        part = folder / f".{FILE_NAME}.part"
        part.write_text(json.dumps(state), encoding="utf-8")
        os.replace(part, folder / FILE_NAME)


def load_generation(trainer: Any, folder: Path) -> bool:
    """Give the trainer the half-used generation of a checkpoint.

    Returns:
        Whether it is there; False if the checkpoint is of an earlier version or of another number of
        processes, so that its prompts are sampled anew.
    """
    if _read(folder).get("processes") != trainer.args.world_size:
        logger.warning(
            "%s: not of %d process(es); its half-used generation is sampled anew",
            folder,
            trainer.args.world_size,
        )
        return False
    path = folder / _generation_file(trainer.args.process_index)
    device = trainer.accelerator.device
    if device.type == "cpu":  # torch knows no "cpu:0"
        device = torch.device("cpu")
    try:
        generation = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError) as error:
        raise OrapoError(f"{path}: can't be read ({type(error).__name__})") from None
    trl_contract.resume_generation_buffer(trainer, generation)
    return True


def load_figures(trainer: Any, folder: Path) -> None:
    """Go on with the figures of the checkpoint's run; call it when the loop has begun."""
    state = _read(folder)
    if "means" not in state:
        return
    if state["studies"] != _studies(trainer):
        logger.warning(
            "%s: trained on other studies, or in another order; going on, but not to the same end",
            folder,
        )
    trainer.watch.restore(state["watch"])
    if "budget" in state:  # earlier versions had none
        trainer.budget.restore(state["budget"])
    means = state["means"]
    losses = means.pop("loss")
    # with another number of processes every one takes the mean: the mean over them is the same
    own = len(losses) == trainer.args.world_size
    loss = losses[trainer.args.process_index] if own else sum(losses) / len(losses)
    trl_contract.resume_means(trainer, loss=loss, **means)


def _studies(trainer: Any) -> str | None:
    """Return a digest of the studies in their order; None for data without their ids."""
    data, column = trainer.train_dataset, trainer.args.study_column
    if not isinstance(data, Dataset) or column not in data.column_names:
        return None
    ids = [str(study_id) for study_id in data.with_format(None)[column]]  # reads no film
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest()


def _generation_file(process: int) -> str:
    return f"generation_{process}.pt"


def _read(folder: Path) -> dict[str, Any]:
    path = folder / FILE_NAME
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        return dict(state)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError):
        raise OrapoError(f"{path}: broken; take an earlier checkpoint") from None
