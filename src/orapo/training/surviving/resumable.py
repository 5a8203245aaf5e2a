"""Trainers whose runs end the same however often they are killed.

What transformers and TRL leave out of a checkpoint, or don't restore: a mark that it is whole
(`checkpoints`), weights of classes with other names on the disk (`weights`), the order of the data
after the first epoch (TRL's sampler draws each epoch from where the last one left its generator), the
oracle's memory, and what the loop holds in memory between two steps (`save_loop`): a generation that is
half used (``num_iterations`` or ``steps_per_generation`` above what one step takes), which can't be
sampled again with weights that have moved, the means that are logged over several steps, and the last
figures that warnings look at. They also take one more step if the last one was saved.

Whatever is kept in memory from one step to the next and can change a number has to go in here:
`tests/training/surviving/test_killed.py` fails if it doesn't.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from accelerate.utils import is_peft_model
from datasets import Dataset
from transformers import PreTrainedModel, Trainer, TrainerCallback
from trl import GRPOTrainer

from orapo.errors import OrapoError, RunFailedError
from orapo.models import whole
from orapo.models.adapters import check_adapter, check_safe
from orapo.models.finite import not_finite
from orapo.training import trl_contract
from orapo.training.config import OraPOConfig
from orapo.training.surviving import checkpoints, weights
from orapo.writing import finite_only, json_text, written_beside

LOOP_FILE: Final = "loop_state.json"

_SHAPE: Final = frozenset(
    (
        *("num_generations", "per_device_train_batch_size", "gradient_accumulation_steps"),
        *("steps_per_generation", "num_iterations"),
    )
)
"""Settings that say how rollouts lie in a generation."""
_SETTINGS: Final = (*sorted(_SHAPE), "method", "lesson", "rejected", "loss_type", "seed")
"""Settings that a checkpoint remembers: with others its run is another one."""

logger = logging.getLogger(__name__)


class StudyMemory(Protocol):
    """What is remembered of every study in a file of its own: the oracle's rates."""

    def save(self, folder: Path, position: int = 0) -> None:
        """Write it into a checkpoint, with the place within the generation in progress."""

    def load(self, folder: Path) -> int:
        """Read it back; return the place."""

    def forget_generation(self) -> None:
        """Take the next generation for another one than that of `load`."""


class WholeCheckpoints(Trainer):
    """Saves checkpoints that are marked whole, and loads weights so that they are the checkpoint's.

    A mixin for transformers' Trainer and what is made of it.
    """

    def train(self, resume_from_checkpoint: str | bool | None = None, **kwargs: Any) -> Any:
        """Train as transformers does; True goes on from the last whole checkpoint.

        Raises:
            OrapoError: The checkpoint is torn, or there is none.
            RunFailedError: A checkpoint can't be written.
        """
        if resume_from_checkpoint is True:
            resume_from_checkpoint = str(checkpoints.last_checkpoint(Path(self.args.output_dir)))
        if resume_from_checkpoint:
            reason = whole.fault(Path(resume_from_checkpoint))
            if reason is not None:
                raise OrapoError(f"{resume_from_checkpoint}: not a whole checkpoint ({reason})")
        return super().train(resume_from_checkpoint=resume_from_checkpoint or None, **kwargs)

    # ---------------------------------------------------------------- saving

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save as the trainer does, and what else a run needs to go on; the mark comes last."""
        run = Path(self._get_output_dir(trial=trial))
        folder = checkpoints.checkpoint_folder(run, self.state.global_step)
        self._refuse_broken_weights()
        # what transformers writes down of it, as JSON
        self.state.log_history = finite_only(self.state.log_history)
        with checkpoints.saving(folder, run), self._no_rotation():
            if self.args.should_save:
                checkpoints.remove(folder)  # a torn one, of a run that was killed here
            self.accelerator.wait_for_everyone()
            super()._save_checkpoint(model, trial)
            self._save_beside(folder)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                whole.mark_whole(folder)
        self._rotate(folder)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save as transformers does, but no weights that are not numbers.

        Raises:
            RunFailedError: There are some.
        """
        if not _internal_call:  # else `_save_checkpoint` has looked
            self._refuse_broken_weights()
        super().save_model(output_dir, _internal_call)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log as the trainer does; where a gradient is not finite, look at the weights first.

        Raises:
            RunFailedError: They are not finite either: each further step would be in vain.
        """
        norm = logs.get("grad_norm")
        if norm is not None and not math.isfinite(float(norm)):  # with fp16 the scaler skips a step
            self._refuse_broken_weights()
        super().log(logs, start_time)

    def _refuse_broken_weights(self) -> None:
        broken = not_finite(self._policy())
        if self.args.world_size > 1:  # of sharded weights, and so that all stop together
            flag = torch.tensor([broken is not None], device=self.accelerator.device)
            if bool(self.accelerator.gather(flag).any()):
                broken = broken or "another process' share"
        if broken is not None:
            raise RunFailedError(
                f"step {self.state.global_step}: weights are no longer finite numbers, for example in "
                f"{broken}; {checkpoints.kept(Path(self.args.output_dir))}. A lower learning_rate or "
                "max_grad_norm helps, and bf16 where it is fp16"
            )

    def _save_beside(self, folder: Path) -> None:
        """Write what else belongs to a checkpoint."""

    def _rotate(self, newest: Path) -> None:
        if self.args.should_save:
            best = self.state.best_model_checkpoint
            kept = [newest, Path(best)] if best else [newest]
            checkpoints.rotate(newest.parent, self.args.save_total_limit, kept)

    @contextmanager
    def _no_rotation(self) -> Iterator[None]:
        # transformers would delete the checkpoint before while this one is not whole yet
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            yield
        finally:
            self.args.save_total_limit = limit

    # ---------------------------------------------------------------- going on

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Load the weights so that they are those of the checkpoint, or refuse."""
        if self._has_plain_weights():
            weights.restore_weights(self._policy(), Path(resume_from_checkpoint))
        else:
            if is_peft_model(self._policy()) and not self._is_sharded():
                check_safe(Path(resume_from_checkpoint))
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            self._check_adapter(resume_from_checkpoint)

    def _load_best_model(self) -> None:
        """The same for the best checkpoint, with ``load_best_model_at_end``."""
        if self._has_plain_weights():
            weights.restore_weights(self._policy(), Path(self.state.best_model_checkpoint))
        else:
            super()._load_best_model()
            self._check_adapter(self.state.best_model_checkpoint)

    def _check_adapter(self, folder: str) -> None:
        if is_peft_model(self._policy()) and not self._is_sharded():
            check_adapter(self._policy(), Path(folder))

    def _has_plain_weights(self) -> bool:
        # Adapters, FSDP and DeepSpeed save and load by one and the same names.
        return not self._is_sharded() and isinstance(self._policy(), PreTrainedModel)

    def _is_sharded(self) -> bool:
        return bool(self.is_fsdp_enabled or self.is_deepspeed_enabled)

    def _policy(self) -> Any:
        return self.accelerator.unwrap_model(self.model)


class ResumableTrainer(WholeCheckpoints, GRPOTrainer):
    """A GRPOTrainer whose runs end the same however often they are killed.

    Attributes:
        oracle: What is remembered of every study. `OraPOTrainer` also has a ``watch`` and a ``budget``,
            whose ``saved`` goes into a checkpoint, and comes back by ``restore``.
    """

    args: OraPOConfig
    oracle: StudyMemory
    _sampler: Any = None

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log as TRL does, and the mean loss at the end over the whole run."""
        if "train_loss" in logs:
            logs["train_loss"] = trl_contract.mean_loss(self)
        super().log(logs, start_time)

    def _save_beside(self, folder: Path) -> None:
        save_loop(self, folder)
        if self.args.should_save:
            self.oracle.save(folder, trl_contract.generation_position(self))

    @cached_property
    def texts(self) -> str | None:
        """A digest of prompts and reports, made once for all checkpoints; None for data without them."""
        data, columns = self.train_dataset, ("prompt", self.args.report_column)
        if not isinstance(data, Dataset) or not set(columns) <= set(data.column_names):
            return None
        plain = data.with_format(None)
        return hashlib.sha256(json_text([plain[name][:] for name in columns]).encode()).hexdigest()

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        """Return TRL's sampler, and keep it."""
        self._sampler = super()._get_train_sampler(dataset)
        return self._sampler

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Load as TRL does, and all that lies beside."""
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        folder = Path(checkpoint)
        self.add_callback(_GoesOn(self, folder))
        self._rotate(folder)  # a kill may have kept it from being done
        position = self.oracle.load(folder)
        changed = changed_settings(self, folder)
        if changed:
            logger.warning(
                "%s: trained with other settings (%s); going on, but not to the same end",
                folder,
                ", ".join(sorted(changed)),
            )
        if position and changed & _SHAPE:
            logger.warning("its half-used generation is of another shape and is left out")
            position = 0
        trl_contract.skip_epochs(self._sampler, int(self.state.epoch or 0))
        if self.args.ignore_data_skip:  # the run goes on with other studies
            self.oracle.forget_generation()
            return
        trl_contract.resume_generation(self, position)
        if position == 0 or load_generation(self, folder):
            self.oracle.forget_generation()

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        """As transformers', but no step beyond the last: a run may be killed after that."""
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*args, **kwargs)


class _GoesOn(TrainerCallback):
    """Restores what the loop empties when it begins; once."""

    def __init__(self, trainer: ResumableTrainer, folder: Path) -> None:
        self._trainer = trainer
        self._folder = folder

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        self._trainer.model.train()  # the log of a run without a step left would be evaluation's
        load_figures(self._trainer, self._folder)
        self._trainer.remove_callback(self)


def save_loop(trainer: Any, folder: Path) -> None:
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
        state["settings"] = _settings(trainer)
        with written_beside(folder / LOOP_FILE, shared=True) as part:
            part.write_text(json_text(finite_only(state)), encoding="utf-8")


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
    losses = [_number(loss) for loss in means.pop("loss")]
    means["total_loss"] = _number(means["total_loss"])
    means["metrics"] = {
        name: [_number(value) for value in values] for name, values in means["metrics"].items()
    }
    # with another number of processes every one takes the mean: the mean over them is the same
    own = len(losses) == trainer.args.world_size
    loss = losses[trainer.args.process_index] if own else sum(losses) / len(losses)
    trl_contract.resume_means(trainer, loss=loss, **means)


def changed_settings(trainer: Any, folder: Path) -> set[str]:
    """Return which of what makes a run is not as it was when a checkpoint was saved."""
    known = _read(folder).get("settings", {})  # earlier versions have none
    present = _settings(trainer)
    return {name for name, value in known.items() if present.get(name, value) != value}


def _settings(trainer: Any) -> dict[str, Any]:
    found = {name: getattr(trainer.args, name) for name in _SETTINGS}
    # the reference is what is loaded, not what was saved
    found["model"] = trainer.model.config.name_or_path
    if trainer.texts is not None:
        found["prompts and reports"] = trainer.texts
    return found


def _studies(trainer: Any) -> str | None:
    """Return a digest of the studies in their order; None for data without their ids."""
    data, column = trainer.train_dataset, trainer.args.study_column
    if not isinstance(data, Dataset) or column not in data.column_names:
        return None
    ids = [str(study_id) for study_id in data.with_format(None)[column]]  # reads no film
    return hashlib.sha256(json_text(ids).encode()).hexdigest()


def _number(value: float | None) -> float:
    return math.nan if value is None else value  # which JSON has no word for


def _generation_file(process: int) -> str:
    return f"generation_{process}.pt"


def _read(folder: Path) -> dict[str, Any]:
    path = folder / LOOP_FILE
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        return dict(state)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError):
        raise OrapoError(f"{path}: broken; take an earlier checkpoint") from None
