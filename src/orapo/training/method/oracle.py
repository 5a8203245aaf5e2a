"""The oracle's memory of every study: its smoothed zero-reward rate, its report's log-probability."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Final

import torch
from torch import Tensor

from orapo.errors import OrapoError
from orapo.losses import ema
from orapo.writing import json_text, written_beside

FILE_NAME = "oracle_state.json"
RUNNING_GROUPS: Final = 64
"""Groups that the run's rate looks back over, and after which it counts in full."""


class OracleState:
    """Smoothed ZRR (zt_i) by study id (docs/method.md).

    It follows the study, not its position in a batch, and is the same on every process, because
    every process updates it with the gathered rewards.

    Beside it stands the run's own rate: the mean over the groups so far, and from `RUNNING_GROUPS` on
    a moving one. A study that was never visited begins with it (`update`).

    A run that stops with a generation half used, and goes on without it, samples the same prompts
    once more. Their visit is counted already, so the state also holds whom the present generation
    counted.

    Attributes:
        reference_logps: Summed log-probability of a study's report under the reference model, by
            study id. It belongs to the state because a batch of other studies would round it
            otherwise, and a resumed run would part from an unbroken one.
    """

    def __init__(self) -> None:
        self.reference_logps: dict[str, float] = {}
        self._smoothed: dict[str, float] = {}
        self._run_rate, self._run_groups = 0.0, 0
        self._counted: set[str] = set()  # in the last generation
        self._repeated: set[str] = set()  # counted before the run was resumed

    def __len__(self) -> int:
        return len(self._smoothed)

    def __contains__(self, study_id: str) -> bool:
        return study_id in self._smoothed

    def __getitem__(self, study_id: str) -> float:
        return self._smoothed[study_id]

    def update(
        self, study_ids: Sequence[str], zrr: Tensor, alpha: float, first: str = "running"
    ) -> Tensor:
        """Take in one generation and return the smoothed rates after it.

        With ``first="running"`` the past of a study's first visit is the run's rate before this
        generation. Its weight is ``alpha`` shrunk by what the rate rests on: by
        n / `RUNNING_GROUPS` while there are only n groups before. With ``own``, the paper's rule, a first visit has
        no past.

        Args:
            study_ids: B study ids. A study that stands twice is updated twice, in order. One that
                the generation in progress counted before `load` keeps its rate.
            zrr: (B,) float zero-reward rates; NaN leaves the study as it was.
            alpha: Weight of the past (a).
            first: ``running`` or ``own``.

        Returns:
            (B,) float, dtype and device of ``zrr``; NaN for a study of which nothing is known yet.
        """
        smoothed = []
        counted = set()
        seen = []  # rates of groups that were not counted before
        prior, trust = self._run_rate, min(1.0, self._run_groups / RUNNING_GROUPS)
        for study_id, current in zip(study_ids, zrr.double().cpu(), strict=True):
            if study_id in self._repeated:
                current = torch.full_like(current, math.nan)
                counted.add(study_id)
            past, weight = self._smoothed.get(study_id, math.nan), alpha
            if math.isnan(past) and first == "running" and not math.isnan(current):
                past, weight = prior, alpha * trust
            value = float(ema(torch.tensor(past, dtype=torch.float64), current, weight))
            if not math.isnan(current):
                self._smoothed[study_id] = value
                counted.add(study_id)
                seen.append(float(current))
            smoothed.append(value)
        for rate in seen:
            self._run_groups += 1
            self._run_rate += (rate - self._run_rate) / min(self._run_groups, RUNNING_GROUPS)
        self._counted, self._repeated = counted, set()
        return torch.tensor(smoothed, dtype=zrr.dtype, device=zrr.device)

    def save(self, folder: Path, position: int = 0) -> None:
        """Write the state into a checkpoint's folder, atomically.

        Args:
            folder: The checkpoint.
            position: Micro-batches that the generation in progress has given; 0 if it is used up.
        """
        state = {
            "version": 4,
            "smoothed_zrr": self._smoothed,
            "run_rate": self._run_rate,
            "run_groups": self._run_groups,
            "reference_logps": self.reference_logps,
            "position": position,
            "counted": sorted(self._counted) if position else [],
        }
        with written_beside(folder / FILE_NAME, shared=True) as part:
            part.write_text(json_text(state))

    def load(self, folder: Path) -> int:
        """Read the state back from a checkpoint's folder.

        Returns:
            ``position``, as it was saved.

        Raises:
            OrapoError: The file is missing or broken: going on with an empty memory would change
                the weights of every study silently.
        """
        path = folder / FILE_NAME
        try:
            state = json.loads(path.read_text())
            self._smoothed = {str(k): float(v) for k, v in state["smoothed_zrr"].items()}
            known = state.get("reference_logps", {})  # earlier versions computed them anew
            self.reference_logps = {str(k): float(v) for k, v in known.items()}
            # earlier versions kept no rate of the run: the studies' own are the nearest to it
            mean = fmean(self._smoothed.values()) if self._smoothed else 0.0
            self._run_rate = float(state.get("run_rate", mean))
            self._run_groups = int(state.get("run_groups", len(self._smoothed)))
            # version 1 knew nothing of generations in progress
            self._counted = {str(name) for name in state.get("counted", ())}
            self._repeated = set(self._counted)
            return int(state.get("position", 0))
        except FileNotFoundError:
            raise OrapoError(f"{path}: not there; the checkpoint is not one of orapo") from None
        except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            raise OrapoError(f"{path}: broken; take an earlier checkpoint") from None

    def forget_generation(self) -> None:
        """Count every study of the next generation: it is another one than that of `load`."""
        self._repeated = set()
