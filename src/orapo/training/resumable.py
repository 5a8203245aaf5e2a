"""Trainers whose runs end the same however often they are killed.

What transformers and TRL leave out of a checkpoint, or don't restore: a mark that it is whole
(`checkpoints`), weights of classes with other names on the disk (`resume`), the order of the data
after the first epoch, a half-used generation and the running figures of the log (`loop_state`), and
the oracle's memory (`oracle`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate.utils import is_peft_model
from transformers import PreTrainedModel, Trainer, TrainerCallback
from trl import GRPOTrainer

from orapo.errors import OrapoError
from orapo.training import checkpoints, loop_state, resume, trl_contract
from orapo.training.budget import Budget
from orapo.training.config import OraPOConfig
from orapo.training.oracle import OracleState
from orapo.training.watch import Watch


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
            reason = checkpoints.fault(Path(resume_from_checkpoint))
            if reason is not None:
                raise OrapoError(f"{resume_from_checkpoint}: not a whole checkpoint ({reason})")
        return super().train(resume_from_checkpoint=resume_from_checkpoint or None, **kwargs)

    # ---------------------------------------------------------------- saving

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save as the trainer does, and what else a run needs to go on; the mark comes last."""
        run = Path(self._get_output_dir(trial=trial))
        folder = checkpoints.checkpoint_folder(run, self.state.global_step)
        with checkpoints.saving(folder, run), self._no_rotation():
            if self.args.should_save:
                checkpoints.remove(folder)  # a torn one, of a run that was killed here
            self.accelerator.wait_for_everyone()
            super()._save_checkpoint(model, trial)
            self._save_beside(folder)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                checkpoints.mark_whole(folder)
        self._rotate(folder)

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
            resume.restore_weights(self._policy(), Path(resume_from_checkpoint))
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            self._check_adapter(resume_from_checkpoint)

    def _load_best_model(self) -> None:
        """The same for the best checkpoint, with ``load_best_model_at_end``."""
        if self._has_plain_weights():
            resume.restore_weights(self._policy(), Path(self.state.best_model_checkpoint))
        else:
            super()._load_best_model()
            self._check_adapter(self.state.best_model_checkpoint)

    def _check_adapter(self, folder: str) -> None:
        if is_peft_model(self._policy()) and not self._is_sharded():
            resume.check_adapter(self._policy(), Path(folder))

    def _has_plain_weights(self) -> bool:
        # Adapters, FSDP and DeepSpeed save and load by one and the same names.
        return not self._is_sharded() and isinstance(self._policy(), PreTrainedModel)

    def _is_sharded(self) -> bool:
        return bool(self.is_fsdp_enabled or self.is_deepspeed_enabled)

    def _policy(self) -> Any:
        return self.accelerator.unwrap_model(self.model)


class ResumableTrainer(WholeCheckpoints, GRPOTrainer):
    """A GRPOTrainer whose runs end the same however often they are killed."""

    args: OraPOConfig
    oracle: OracleState
    watch: Watch
    budget: Budget
    _sampler: Any = None

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log as TRL does, and the mean loss at the end over the whole run."""
        if "train_loss" in logs:
            logs["train_loss"] = trl_contract.mean_loss(self)
        super().log(logs, start_time)

    def _save_beside(self, folder: Path) -> None:
        loop_state.save(self, folder)
        if self.args.should_save:
            self.oracle.save(folder, trl_contract.generation_position(self))

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
        trl_contract.skip_epochs(self._sampler, int(self.state.epoch or 0))
        if self.args.ignore_data_skip:  # the run goes on with other studies
            self.oracle.forget_generation()
            return
        trl_contract.resume_generation(self, position)
        if position == 0 or loop_state.load_generation(self, folder):
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
        loop_state.load_figures(self._trainer, self._folder)
        self._trainer.remove_callback(self)
