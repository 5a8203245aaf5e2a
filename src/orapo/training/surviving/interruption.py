"""Stopping a run in good order: SIGTERM (a queue's preemption) and SIGINT (Ctrl-C).

The step in progress is finished, a checkpoint is saved, and `Interrupted` leaves the loop. All
processes stop after the same step, whichever of them got the signal: one that stopped alone would
leave the others waiting for it forever.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, Self

import torch
from transformers import TrainerCallback

from orapo.training.surviving.checkpoints import checkpoint_folder

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_ONE_STOP: Final = 2.0
"""Seconds in which signals count as one: a process that another has started gets Ctrl-C from the
terminal, and then SIGTERM, or the same again, from the one that has started it."""


class Interrupted(Exception):  # noqa: N818  (it is no error)
    """A run was stopped by a signal, after saving.

    Attributes:
        signum: The signal; a shell expects the exit code 128 + signum.
        checkpoint: What to go on from.
    """

    def __init__(self, signum: int, checkpoint: Path) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}; saved: {checkpoint}")
        self.signum = signum
        self.checkpoint = checkpoint


class StopOnSignal(TrainerCallback):
    """Inside ``with``, lets a signal end a training after the step in progress.

    The same signal again ends the process at once; under a launcher of several processes, and of the
    other signal, only after two seconds. Add it as the last callback, and enter it around ``train``.

    Args:
        say: Called with a line for the user when a signal comes.
    """

    def __init__(self, say: Callable[[str], None] = lambda line: None) -> None:
        self._say = say
        self._signum = 0
        self._since = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for signum in SIGNALS:
            self._before[signum] = signal.signal(signum, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self._signum:
            self._signum, self._since = signum, now
            if int(os.environ.get("WORLD_SIZE", "1")) == 1:
                # The system itself ends the process then, whatever library holds it up.
                signal.signal(signum, signal.SIG_DFL)
            self._say(
                f"{signal.Signals(signum).name}: finishing this step and saving; "
                "a second one stops at once"
            )
        elif now - self._since > _ONE_STOP:
            signal.signal(signum, signal.SIG_DFL)
            signal.raise_signal(signum)

    def _agreed(self, args: Any) -> int:
        """Return the signal that any of the processes got, 0 for none."""
        if args.world_size == 1:
            return self._signum
        flag = torch.tensor(self._signum, device=args.device)
        torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
        return int(flag)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ask for a checkpoint if a signal has come."""
        if self._agreed(args):
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the loop once it is saved; also if the signal came while it was.

        Raises:
            Interrupted: A signal has come.
        """
        signum = self._agreed(args)
        if signum:
            raise Interrupted(signum, checkpoint_folder(Path(args.output_dir), state.global_step))
