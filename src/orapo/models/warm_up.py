"""The steps of a warm-up on the CPU: killed at any of them, the next call goes on, to the same weights."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from orapo.writing import write_bytes

SAVE_EVERY: Final = 100
"""Steps between two states kept."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, steps done and steps in all."""


class Kept:
    """Where a making is: weights, optimiser and the order of what comes, every so many steps.

    Two processes that make the same base write the same there.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._since = time.monotonic()
        self._state = self._read()

    def _read(self) -> dict[str, Any] | None:
        try:
            state = torch.load(self._path, weights_only=True)
        except Exception:  # a torn pickle raises whatever its bytes lead to
            return None  # there is none, or none that can be read: from the beginning
        if not isinstance(state, dict):
            return None
        self._since -= state["seconds"]
        return state

    def seconds(self) -> float:
        """Return what the making has taken so far, the calls before included."""
        return time.monotonic() - self._since

    def is_past(self, stage: str) -> bool:
        """Whether the making is in a later stage than this one."""
        return self._state is not None and self._state["stage"] != stage

    def restore(self, stage: str, parts: Sequence[Any], rng: np.random.Generator) -> int:
        """Return the step to go on with, 0 from the beginning; all is then as it was there."""
        if self._state is None or self._state["stage"] != stage:
            return 0
        for part, values in zip(parts, self._state["parts"], strict=True):
            part.load_state_dict(values)
        rng.bit_generator.state = self._state["rng"]
        step, self._state = self._state["step"], None
        return int(step)

    def save(self, stage: str, step: int, parts: Sequence[Any], rng: np.random.Generator) -> None:
        """Keep the state after a step."""
        state = {
            "stage": stage,
            "step": step,
            "seconds": self.seconds(),
            "parts": [part.state_dict() for part in parts],
            "rng": rng.bit_generator.state,
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_bytes(self._path, buffer.getvalue())

    def forget(self) -> None:
        """Remove the file: the base is made."""
        self._path.unlink(missing_ok=True)


def steps(
    groups: Sequence[tuple[list[Tensor], float]],
    total: int,
    stage: str,
    modules: Sequence[torch.nn.Module],
    rng: np.random.Generator,
    kept: Kept,
    progress: Progress,
) -> Iterator[int]:
    """Yield step numbers; after each, take an optimiser step with the gradients it left.

    Args:
        groups: Parameters and their peak learning rate.
        total: Steps.
        stage: What the progress bar says.
        modules: What is trained.
        rng: That the steps draw from.
        kept: Where an earlier call was, and where this one is.
        progress: Called after each step.
    """
    parameters = [parameter for group, _ in groups for parameter in group]
    optimizer = torch.optim.AdamW([{"params": group} for group, _ in groups], weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        [peak for _, peak in groups],
        total_steps=total,
        pct_start=0.1,
        cycle_momentum=False,
    )
    parts = (*modules, optimizer, schedule)
    for step in range(kept.restore(stage, parts, rng), total):
        yield step
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if (step + 1) % SAVE_EVERY == 0:
            kept.save(stage, step + 1, parts, rng)
        progress(stage, step + 1, total)
