"""A guard of runs with a learned reward: it steps in when the policy learns to please the reward.

A reward model is right where its judges looked. A policy that is pushed on finds reports that it likes
and a reader would not (Gao et al. 2023). FactS and the labels of held-out studies are the check: when
the learned reward rises there and the macro-F1 falls, the run goes back to its best weights and on from
there with half the weight of the learned reward (a search along the weight, as constrained RLHF does it
by a multiplier, Moskovitz et al. 2024); when that was of no use `HALVINGS` times, it ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import torch
from accelerate.utils import broadcast, broadcast_object_list
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

from orapo.training.config import OraPOConfig
from orapo.training.rewards.learned import LearnedReward
from orapo.writing import written_beside

BEST_FILE: Final = "guard_best.safetensors"
SMOOTHED: Final = 3
"""Probes of a hundred studies differ by some hundredths for no reason; their means do less."""
PATIENCE: Final = 2
"""Probes in a row beyond the limit until the run goes back: an optimiser that begins may stumble."""
HALVINGS: Final = 4
"""Of the learned reward's weight, until the run ends."""


class Course:
    """What is to be done after each probe, from the probes alone: the same after an interruption.

    Args:
        max_loss: Macro-F1 below the highest mean so far that is borne.

    Attributes:
        factor: Of the learned reward's weight; 0 when the run is to end.
        inside: Whether the last probe's mean lies within the limit.
        keep: Whether the last probe has the best weights so far: the highest learned reward of those
            within the limit.
        back: Whether the best weights are to be put back.
        story: The figures of the last probe, for people.
    """

    def __init__(self, max_loss: float) -> None:
        self._max_loss = max_loss
        self._first: float | None = None
        self._window: list[float] = []
        self._seen: list[tuple[float, float]] = []
        self._strikes = 0
        self.factor = 1.0
        self.inside, self.keep, self.back = True, False, False
        self.story = ""

    def take(self, macro_f1: float, learned: float) -> None:
        """Take in a probe."""
        if self._first is None:
            self._first = learned
        self._window = [*self._window, macro_f1][-SMOOTHED:]
        mean = fmean(self._window)
        highest = max([mean, *(f1 for f1, _ in self._seen)])
        self._seen.append((mean, learned))
        self.story = (
            f"held-out macro-F1 is {mean:.3f} and was {highest:.3f} (means of {SMOOTHED} probes), "
            f"while the learned reward went from {self._first:.2f} to {learned:.2f}"
        )
        limit = highest - self._max_loss
        self.inside = mean >= limit
        self.keep = self.inside and learned >= max(other for f1, other in self._seen if f1 >= limit)
        # Where both fall there is no hacking.
        self._strikes = 0 if self.inside or learned <= self._first else self._strikes + 1
        self.back = self._strikes >= PATIENCE
        if self.back:
            self._strikes, self._window = 0, []
            self.factor = 0.0 if self.factor <= 0.5**HALVINGS else self.factor / 2

    @classmethod
    def of(cls, probes: Iterable[Mapping[str, Any]], max_loss: float) -> Course:
        """Return the course after probes with ``macro_f1`` and ``learned``."""
        course = cls(max_loss)
        for one in probes:
            course.take(one["macro_f1"], one["learned"])
        return course


class Guard(TrainerCallback):
    """Holds a run within its KL budget, and its rewards together on held-out studies.

    Of several processes the first one decides, and all do what it says.

    Args:
        config: Its ``max_f1_loss`` and ``max_kl``.
        probes: File of the probes; what an interrupted run has seen is read from there.
        every: Steps between probes.
        learned: Its ``factor`` is set.
        say: Called with a line for the user when the guard steps in.

    Attributes:
        whole: Whether a process holds all weights (not with FSDP and ZeRO-3): only then are those of
            the best probe kept, in a file beside the probes, and put back. Else the run ends where it
            would go back.
        ended: Why the run was ended; None if it was not.
    """

    def __init__(
        self,
        config: OraPOConfig,
        probes: Path,
        every: int,
        learned: LearnedReward,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._max_loss = config.max_f1_loss
        self._max_kl = config.max_kl
        self._probes = probes
        self._best = probes.with_name(BEST_FILE)
        self._every = every
        self._learned = learned
        self._say = say
        self._course = Course(self._max_loss)
        self.whole = True
        self.ended: str | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take over what an interrupted run has seen."""
        if state.global_step and self._max_loss and state.is_world_process_zero:
            self._course = Course.of(self._lines(), self._max_loss)
        self._learned.factor = self._agreed(self._course.factor)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Look at the KL divergence of a step."""
        kl = (logs or {}).get("kl")
        if self._max_kl and kl is not None and kl > self._max_kl:
            self._end(f"the KL divergence is {kl:.3f}, above max_kl ({self._max_kl:g})")
            control.should_training_stop = True

    def probed(self, model: Any) -> None:
        """Take in a probe that was just written to the file, in the first process."""
        if not self._max_loss:
            return
        lines = self._lines()
        if len(lines) == 1:  # of an earlier run
            self._best.unlink(missing_ok=True)
            self._course = Course(self._max_loss)
        self._course.take(lines[-1]["macro_f1"], lines[-1]["learned"])
        if self._course.keep:
            self._keep(model)

    def on_step_end(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        """Go back or end the run if a probe of this step said so."""
        if not self._max_loss or state.global_step % self._every:
            return
        course = self._course
        back, factor, story = self._agreed((course.back, course.factor, course.story))
        if not back:
            return
        self._learned.factor = factor
        returned = self._put_back(model)
        if not factor or not returned:
            whose = "; the weights are those of the best probe" if returned else ""
            self._end(f"{story}{whose}")
            control.should_training_stop = True
        else:
            self._say(
                f"step {state.global_step}: {story}; the guard goes back to the best weights and on "
                f"with {factor:g} of learned_weight"
            )

    def on_train_end(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        """Put the best weights back where the last ones lie beyond the limit."""
        over = self.ended is not None or state.global_step >= state.max_steps
        if self._agreed(over and not self._course.inside):
            self._put_back(model)
        if over and state.is_world_process_zero:
            self._best.unlink(missing_ok=True)

    def _lines(self) -> list[dict[str, Any]]:
        text = self._probes.read_text(encoding="utf-8") if self._probes.is_file() else ""
        return [json.loads(line) for line in text.splitlines()]

    def _agreed(self, said: Any) -> Any:
        """Return what the first process says."""
        told = [said]
        broadcast_object_list(told)
        return told[0]

    def _keep(self, model: Any) -> None:
        if not self.whole:
            return
        weights = {
            name: parameter.detach().cpu().contiguous().clone()
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }
        with written_beside(self._best, shared=True) as part:
            save_file(weights, part)

    def _put_back(self, model: Any) -> bool:
        """Put the best weights into the model of every process; whether there are any."""
        if not self._agreed(self.whole and self._best.is_file()):
            return False
        best = load_file(self._best) if self._best.is_file() else {}
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.requires_grad:
                    if name in best:
                        parameter.copy_(best[name])
                    broadcast(parameter.data)
        return True

    def _end(self, reason: str) -> None:
        if self.ended is None:
            self.ended = reason
            self._say(f"the run is ended by its guard: {reason}")
