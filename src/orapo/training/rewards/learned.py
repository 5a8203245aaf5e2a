"""A trained reward model as a reward of a run: ``learned`` in a recipe's ``reward_terms``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from orapo.errors import OrapoError
from orapo.facts.reward import Completion, completion_text
from orapo.labels import LabelValue
from orapo.training.rewards.choices import Floats
from orapo.training.rewards.linear import FactsRewardModel
from orapo.training.rewards.vision import VisionRewardModel

MODEL_FILE: Final = "reward_model.json"
MOST: Final = 3.0
"""Standard deviations; what lies further off is no taste but a hole in the model."""


@dataclass(frozen=True)
class LoadedRewardModel:
    """Either kind of reward model, with its scale.

    Attributes:
        kind: ``facts`` or ``vision``.
        model: It.
        mean: Score of a judged report, on average.
        spread: Its standard deviation.
    """

    kind: str
    model: FactsRewardModel | VisionRewardModel
    mean: float
    spread: float

    def scores(
        self,
        reports: Sequence[str],
        *,
        films: Sequence[Sequence[Image.Image]] | None = None,
        labels: Sequence[Mapping[str, LabelValue] | None] | None = None,
    ) -> Floats:
        """Return the scores of N reports, in standard deviations of judged reports.

        Args:
            reports: Texts.
            films: The films of each one's study, for kind ``vision``.
            labels: The labels of each one's study, for kind ``facts``.

        Returns:
            (N,); NaN where it is not known.
        """
        if isinstance(self.model, FactsRewardModel):
            given = labels if labels is not None else [None] * len(reports)
            raw = self.model.score(reports, given)
        else:
            if films is None:
                raise OrapoError("a reward model of kind vision needs films")
            raw = np.array(self.model.score(films, reports), dtype=np.float64)
        standard: Floats = (raw - self.mean) / self.spread
        return standard


def load_reward_model(folder: Path, device: str | None = None) -> LoadedRewardModel:
    """Load what ``orapo reward-model train`` wrote.

    Args:
        folder: Its output folder.
        device: Where a model of kind ``vision`` goes.

    Raises:
        OrapoError: There is none, or it can't be read.
    """
    kind, mean, spread, facts = read_reward_model(folder)
    model = facts if facts is not None else VisionRewardModel.load(folder, device)
    return LoadedRewardModel(kind, model, mean, spread)


def read_reward_model(folder: Path) -> tuple[str, float, float, FactsRewardModel | None]:
    """Read what a reward model's folder says of it; nothing large is loaded.

    Args:
        folder: Of `load_reward_model`.

    Returns:
        Kind, mean, spread; and the model itself, of kind ``facts``.

    Raises:
        OrapoError: There is none, or it can't be read.
    """
    file = folder / MODEL_FILE
    try:
        text = file.read_text(encoding="utf-8")
        found: Mapping[str, Any] = json.loads(text, parse_constant=_refuse)
        kind, mean, spread = found["kind"], float(found["mean"]), float(found["spread"])
        if not spread > 0:
            raise ValueError
        facts = FactsRewardModel.from_dict(found) if kind == "facts" else None
    except FileNotFoundError:
        raise OrapoError(f"{file}: no reward model here") from None
    except (ValueError, KeyError, TypeError, OSError):
        raise OrapoError(f"{file}: can't be read as a reward model") from None
    return kind, mean, spread, facts


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number")


class LearnedReward:
    """What experts would like, as a TRL reward function; higher is better, 0 an average report.

    Args:
        folder: Of a trained reward model.
        device: Where a model of kind ``vision`` goes.

    Attributes:
        model: It.
        factor: Of what training gets; the guard of a run lowers it.
    """

    __name__ = "learned"

    def __init__(self, folder: Path, device: str | None = None) -> None:
        self.model = load_reward_model(folder, device)
        self.factor = 1.0

    def __call__(
        self,
        completions: Sequence[Completion],
        images: Sequence[Sequence[Image.Image]] | None = None,
        labels: Sequence[Any] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Score completions.

        Args:
            completions: N texts, or N lists of messages.
            images: The films of each one's study.
            labels: The labels of each one's study.
            **columns: Anything else that TRL passes; not used.

        Returns:
            N values in [-3, 3], times the factor; None where nothing is known.
        """
        values = self.rewards([completion_text(one) for one in completions], images, labels)
        return [None if one is None else self.factor * one for one in values]

    def rewards(
        self,
        reports: Sequence[str],
        films: Sequence[Sequence[Image.Image]] | None,
        labels: Sequence[Any] | None,
    ) -> list[float | None]:
        """Return the N values in [-3, 3] without the factor; None where nothing is known."""
        scores = self.model.scores(reports, films=films, labels=labels)
        return [None if np.isnan(one) else float(np.clip(one, -MOST, MOST)) for one in scores]
