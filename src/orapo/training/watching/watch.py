"""What one watches while a run trains, and the warnings that say in words what goes wrong."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from torch import Tensor
from transformers import ProgressCallback, TrainerCallback

from orapo.training.config import OraPOConfig
from orapo.training.surviving.json_lines import JsonLines

logger = logging.getLogger(__name__)

WARNINGS_FILE: Final = "warnings.jsonl"
WINDOW: Final = 20
"""Logged steps that a warning looks at."""


SATISFIED: Final = 5.0
"""Margin times tau at which a pair's gradient is below a hundredth of its largest."""


class PhaseClock:
    """Seconds by phase; a phase within another one is not counted in the outer one."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._inner = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time inside this block, without that of blocks in it, as ``name``."""
        start, outer, self._inner = time.perf_counter(), self._inner, 0.0
        try:
            yield
        finally:
            whole = time.perf_counter() - start
            self._seconds[name] += whole - self._inner
            self._inner = outer + whole

    def taken(self) -> dict[str, float]:
        """Return the seconds since the last call."""
        seconds = dict(self._seconds)
        self._seconds.clear()
        return seconds


def identical_share(ids: Tensor, mask: Tensor) -> float:
    """Return the share of N rollouts that say word for word what another of them says.

    Args:
        ids: (N, L) token ids.
        mask: (N, L) 1 for a token of the rollout.
    """
    texts = Counter(tuple(row[kept].tolist()) for row, kept in zip(ids, mask.bool(), strict=True))
    return sum(count for count in texts.values() if count > 1) / max(len(ids), 1)


class Window:
    """The last logged steps."""

    def __init__(self) -> None:
        self.logs: deque[Mapping[str, Any]] = deque(maxlen=WINDOW)
        self.first_entropy: float | None = None

    def add(self, logs: Mapping[str, Any]) -> None:
        """Take in the figures of a step."""
        self.logs.append(logs)
        if self.first_entropy is None:
            self.first_entropy = self.mean("entropy")

    def mean(self, name: str, least: int = WINDOW) -> float | None:
        """Return the mean of a figure; None while fewer than ``least`` steps hold it."""
        values = [logs[name] for logs in self.logs if logs.get(name) is not None]
        return fmean(values) if len(values) >= least else None


def _one_report(window: Window, config: OraPOConfig) -> str | None:
    share = window.mean("completions/identical")
    if share is None or share < 0.9:
        return None
    return (
        f"{share:.0%} of the rollouts say word for word what another one says: the policy collapses "
        "to a few reports. A higher temperature, a KL weight (beta) or a lower learning rate help."
    )


def _all_normal(window: Window, config: OraPOConfig) -> str | None:
    share = window.mean("facts/no_finding")
    if share is None or share < 0.9:
        return None
    return (
        f"{share:.0%} of the rollouts say that all is normal. Are that many of the studies? If not, "
        "facts_beta above 1 makes a missed finding cost more than an invented one."
    )


def _entropy_gone(window: Window, config: OraPOConfig) -> str | None:
    entropy, first = window.mean("entropy"), window.first_entropy
    if entropy is None or not first or entropy > 0.1 * first:
        return None
    return (
        f"The entropy is {entropy:.3f}, of {first:.3f} at the start: rollouts hardly differ any more, "
        "and what does not differ teaches GRPO nothing."
    )


def _weights_at_most(window: Window, config: OraPOConfig) -> str | None:
    weight, zeros = window.mean("oracle/weight"), window.mean("oracle/all_zero_groups")
    highest = config.w_max - 0.01 * (config.w_max - config.w_min)
    if weight is None or zeros is None or config.w_min == config.w_max or weight < highest:
        return None
    return (
        f"All weights are at w_max ({config.w_max}), {zeros:.0%} of the groups without any reward: "
        "exploration finds nothing. Do the rollouts hold facts at all (facts/unreadable)?"
    )


def _pairs_satisfied(window: Window, config: OraPOConfig) -> str | None:
    margin, zeros = window.mean("dpo/margin"), window.mean("oracle/all_zero_groups")
    if margin is None or zeros is None or config.dpo_tau * margin < SATISFIED or zeros < 0.2:
        return None
    return (
        f"{zeros:.0%} of the groups earn nothing, and yet the pairs are satisfied: their margin, "
        f"{margin:.2f} nats a token, times dpo_tau ({config.dpo_tau:g}) leaves the DPO term no gradient, "
        "long before a rollout says what the report says. A smaller dpo_tau helps."
    )


def _silent_reward(window: Window, config: OraPOConfig) -> str | None:
    if len(window.logs) < WINDOW:
        return None
    silent = [
        name.removeprefix("rewards/").removesuffix("/mean")
        for name in window.logs[-1]
        if name.startswith("rewards/")
        and name.endswith("/mean")
        and all(logs.get(name) is None for logs in window.logs)
    ]
    if not silent:
        return None
    return (
        f"The reward {', '.join(silent)} gave None for every rollout: it has no part in what is learned. "
        "Does the data set have the columns that it reads?"
    )


def _constant_reward(window: Window, config: OraPOConfig) -> str | None:
    share = window.mean("frac_reward_zero_std")
    if share is None or share < 0.99:
        return None
    return "In nearly every group all rollouts have the same reward: GRPO learns nothing from them."


_CHECKS: Final = {
    "one_report": _one_report,
    "all_normal": _all_normal,
    "entropy_gone": _entropy_gone,
    "weights_at_most": _weights_at_most,
    "constant_reward": _constant_reward,
    "pairs_satisfied": _pairs_satisfied,
    "silent_reward": _silent_reward,
}


class Watch(TrainerCallback):
    """Says in words what goes wrong, and stops a run whose judge fails too often.

    A warning is given once for as long as it lasts.

    Args:
        config: The run's; above ``max_unknown`` it is stopped with a checkpoint.

    Attributes:
        folder: Where ``warnings.jsonl`` is written; None: warnings go to the log alone.
        reward: Name of the reward whose unknown values stop a run.
        stopped: Why the run was stopped; None if it was not.
    """

    def __init__(self, config: OraPOConfig) -> None:
        self._config = config
        self.folder: Path | None = None
        self.reward = "facts"
        self._window = Window()
        self._lasting: set[str] = set()
        self._probes: list[tuple[float, float]] = []  # reward, macro-F1
        self.stopped: str | None = None

    def saved(self) -> dict[str, Any]:
        """Return what has been seen so far, for a checkpoint.

        After a stop the last steps are left out: a run that goes on is given another chance.
        """
        return {
            "logs": [] if self.stopped else list(self._window.logs),
            "first_entropy": self._window.first_entropy,
            "lasting": sorted(self._lasting),
            "probes": self._probes,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `saved` gave."""
        self._window.logs.extend(saved["logs"])
        self._window.first_entropy = saved["first_entropy"]
        self._lasting = set(saved["lasting"])
        self._probes = [(reward, macro_f1) for reward, macro_f1 in saved["probes"]]

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Drop the warnings after the checkpoint that the run goes on from: they come again."""
        if self.folder is not None and state.is_world_process_zero:
            JsonLines(self.folder / WARNINGS_FILE).cut(state.global_step)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Look at the figures of a step, or of a probe."""
        if not logs:
            return
        if "probe/macro_f1" in logs:
            self._say(state, "reward_hacking", self._hacking(logs["probe/macro_f1"]))
        if "oracle/zero_reward_share" not in logs:
            return
        self._window.add(logs)
        for kind, check in _CHECKS.items():
            self._say(state, kind, check(self._window, self._config))
        unknown = self._window.mean("oracle/unknown_rewards", least=min(5, state.max_steps))
        if unknown is not None and unknown > self._config.max_unknown and self.stopped is None:
            self.stopped = (
                f"{unknown:.0%} of the last values of reward {self.reward!r} are unknown (None), more "
                f"than max_unknown ({self._config.max_unknown:.0%}) allows"
            )
            self._say(state, "unknown", self.stopped)
            control.should_save = control.should_training_stop = True

    def _hacking(self, macro_f1: float) -> str | None:
        """Whether the reward rose over two probes in a row while the held-out F1 fell."""
        reward = self._window.mean("rewards/facts/mean", least=1)
        if reward is None:
            return None
        self._probes.append((reward, macro_f1))
        if len(self._probes) < 3:
            return None
        (first, high), (second, middle), (third, low) = self._probes[-3:]
        if not (first < second < third and high > middle > low and high - low > 0.02):
            return None
        return (
            f"The reward rises ({first:.3f} to {third:.3f}) while the macro-F1 of held-out studies "
            f"falls ({high:.3f} to {low:.3f}): the policy learns to please the reward."
        )

    def _say(self, state: Any, kind: str, text: str | None) -> None:
        if text is None:
            self._lasting.discard(kind)
        elif kind not in self._lasting and state.is_world_process_zero:
            self._lasting.add(kind)
            logger.warning("step %d: %s", state.global_step, text)
            if self.folder is not None:
                record = {"step": state.global_step, "kind": kind, "text": text}
                JsonLines(self.folder / WARNINGS_FILE).add(record)


class Bar(ProgressCallback):
    """The progress bar, with the three figures that matter in place of all of them."""

    def __init__(self) -> None:
        super().__init__()
        self._figures: dict[str, str] = {}

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Show reward, share of zero rewards and the held-out F1 of the last probe."""
        shown = {
            "rewards/facts/mean": ("FactS", "{:.2f}"),
            "oracle/zero_reward_share": ("zeros", "{:.0%}"),
            "probe/macro_f1": ("held-out F1", "{:.2f}"),
        }
        for name, (title, form) in shown.items():
            if logs and logs.get(name) is not None:
                self._figures[title] = form.format(logs[name])
        if self.training_bar is not None:
            self.training_bar.set_postfix(self._figures, refresh=False)
