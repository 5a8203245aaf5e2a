"""A guard of runs with a learned reward: it ends them when the policy learns to please the reward.

A reward model is right where its judges looked. A policy that is pushed on finds reports that it likes
and a reader would not (Gao et al. 2023). FactS and the labels of held-out studies are the check: when
the learned reward still rises there and the macro-F1 falls, the run ends, with the best weights so far.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

from orapo.training.config import OraPOConfig

BEST_FILE: Final = "guard_best.safetensors"
SMOOTHED: Final = 3
"""Probes of a hundred studies differ by some hundredths for no reason; their means do less."""


class Guard(TrainerCallback):
    """Ends a run that goes beyond its KL budget, or whose rewards part ways on held-out studies.

    Args:
        config: Its ``max_f1_loss`` and ``max_kl``.
        probes: File of the probes; what an interrupted run has seen is read from there.
        say: Called with a line for the user when the run is ended.

    Attributes:
        whole: Whether a process holds all weights (not with FSDP and ZeRO-3): only then are those of
            the best probe kept, in a file beside the probes, and put back.
        ended: Why the run was ended; None if it was not.
    """

    def __init__(
        self, config: OraPOConfig, probes: Path, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self._max_loss = config.max_f1_loss
        self._max_kl = config.max_kl
        self._probes = probes
        self._best = probes.with_name(BEST_FILE)
        self._say = say
        self._parted = False
        self.whole = True
        self.ended: str | None = None

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Look at the KL divergence of a step."""
        kl = (logs or {}).get("kl")
        if self._max_kl and kl is not None and kl > self._max_kl:
            self._end(f"the KL divergence is {kl:.3f}, above max_kl ({self._max_kl:g})")
            control.should_training_stop = True

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the run if the last probe said so."""
        if self._parted:
            control.should_training_stop = True

    def on_train_end(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        """Put the best weights back where the rewards parted."""
        if self._parted and self._best.is_file():
            best = load_file(self._best)
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    if name in best:
                        parameter.copy_(best[name])
        if state.global_step >= state.max_steps or self._parted:
            self._best.unlink(missing_ok=True)

    def probed(self, model: Any) -> None:
        """Take in a probe that was just written to the file."""
        if not self._max_loss:
            return
        probes = [json.loads(line) for line in self._probes.read_text().splitlines()]
        if len(probes) == 1:  # of an earlier run
            self._best.unlink(missing_ok=True)
        smooth = smoothed([one["macro_f1"] for one in probes])
        highest, learned = max(smooth), [one["learned"] for one in probes]
        if smooth[-1] >= highest - self._max_loss:
            kept = [
                one
                for one, f1 in zip(learned, smooth, strict=True)
                if f1 >= highest - self._max_loss
            ]
            if learned[-1] >= max(kept):
                self._keep(model)
            return
        if learned[-1] <= learned[0]:  # both fall: that is no hacking
            return
        self._parted = True
        back = "; the weights are those of the best probe" if self._best.is_file() else ""
        self._end(
            f"held-out macro-F1 is {smooth[-1]:.3f} and was {highest:.3f} (means of "
            f"{SMOOTHED} probes), while the learned reward went from {learned[0]:.2f} to "
            f"{learned[-1]:.2f}{back}"
        )

    def _keep(self, model: Any) -> None:
        if not self.whole:
            return
        weights = {
            name: parameter.detach().cpu().contiguous().clone()
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }
        part = self._best.with_suffix(".part")
        save_file(weights, part)
        os.replace(part, self._best)

    def _end(self, reason: str) -> None:
        if self.ended is None:
            self.ended = reason
            self._say(f"the run is ended by its guard: {reason}")


def smoothed(values: Sequence[float]) -> list[float]:
    """Return, at each place, the mean of the last `SMOOTHED` values or of as many as there are."""
    return [fmean(values[max(0, end - SMOOTHED) : end]) for end in range(1, len(values) + 1)]
