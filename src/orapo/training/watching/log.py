"""The log of a run: a line of figures a step, numbers only."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from orapo.training.surviving.json_lines import JsonLines


class LogFile(TrainerCallback):
    """Writes what TRL logs, step by step; numbers only, never a report's text."""

    def __init__(self, path: Path) -> None:
        self.lines = JsonLines(path)
        self.start = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start anew, or behind the lines before the checkpoint."""
        self.start = time.monotonic()
        if state.is_world_process_zero:
            self.start -= self.lines.cut(state.global_step).get("elapsed", 0)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Write a line; ``elapsed`` counts the seconds of training, without what a kill lost."""
        # a probe has its own file
        if state.is_world_process_zero and logs and "probe/macro_f1" not in logs:
            seconds = round(time.monotonic() - self.start, 2)
            numbers = {name: _number(value) for name, value in logs.items()}
            self.lines.add({"step": state.global_step, "elapsed": seconds, **numbers})


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None  # JSON has no other
