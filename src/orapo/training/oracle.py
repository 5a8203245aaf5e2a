"""The oracle's memory: the smoothed zero-reward rate of every study, kept over the whole run."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from orapo.errors import OrapoError
from orapo.losses import ema

FILE_NAME = "oracle_state.json"


class OracleState:
    """Smoothed ZRR (zt_i) by study id (DESIGN 1.3).

    It follows the study, not its position in a batch, and is the same on every process, because
    every process updates it with the gathered rewards.
    """

    def __init__(self) -> None:
        self._smoothed: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._smoothed)

    def __contains__(self, study_id: str) -> bool:
        return study_id in self._smoothed

    def __getitem__(self, study_id: str) -> float:
        return self._smoothed[study_id]

    def update(self, study_ids: Sequence[str], zrr: Tensor, alpha: float) -> Tensor:
        """Take in one generation and return the smoothed rates after it.

        Args:
            study_ids: B study ids. A study that stands twice is updated twice, in order.
            zrr: (B,) float zero-reward rates; NaN leaves the study as it was.
            alpha: Weight of the past (a).

        Returns:
            (B,) float, dtype and device of ``zrr``; NaN for a study of which nothing is known yet.
        """
        smoothed = []
        for study_id, current in zip(study_ids, zrr.double().cpu(), strict=True):
            previous = torch.tensor(self._smoothed.get(study_id, math.nan), dtype=torch.float64)
            value = float(ema(previous, current, alpha))
            if not math.isnan(value):
                self._smoothed[study_id] = value
            smoothed.append(value)
        return torch.tensor(smoothed, dtype=zrr.dtype, device=zrr.device)

    def save(self, folder: Path) -> None:
        """Write the state into a checkpoint's folder, atomically."""
        part = folder / f".{FILE_NAME}.part"
        part.write_text(json.dumps({"version": 1, "smoothed_zrr": self._smoothed}))
        os.replace(part, folder / FILE_NAME)

    def load(self, folder: Path) -> None:
        """Read the state back from a checkpoint's folder.

        Raises:
            OrapoError: The file is missing or broken: going on with an empty memory would change
                the weights of every study silently.
        """
        path = folder / FILE_NAME
        try:
            state = json.loads(path.read_text())
            self._smoothed = {str(k): float(v) for k, v in state["smoothed_zrr"].items()}
        except FileNotFoundError:
            raise OrapoError(f"{path}: not there; the checkpoint is not one of orapo") from None
        except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            raise OrapoError(f"{path}: broken; take an earlier checkpoint") from None
