"""Sampling with random numbers of each study's own, whatever else is in the batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def study_seed(seed: int, study_id: str, sample: int) -> list[int]:
    """Return what seeds one sample of one study: it depends on nothing else of a run."""
    digest = hashlib.sha256(study_id.encode("utf-8", "surrogatepass")).digest()
    words = [int.from_bytes(digest[start : start + 4], "big") for start in range(0, 16, 4)]
    return [seed % 2**32, *words, sample]


class StudyDraws:
    """A logits processor that samples: it leaves one token a row, drawn with the row's own numbers.

    transformers draws a whole batch with one generator, so that a report would change with its
    neighbours. Here a token is looked up in its distribution's cumulative sum by a random number
    that belongs to study, sample and place in the report.

    Args:
        seeds: One a row, as `study_seed` gives it.
        steps: Most tokens of a report.
        temperature: Of the softmax, above 0.
        top_p: The smallest set of tokens with this mass is drawn from; 1 for all.

    Attributes:
        log_likelihood: For each step the (rows,) log-probability of what was drawn, under the model
            itself (temperature 1, all tokens that may stand in a report).
    """

    def __init__(
        self, seeds: Sequence[Sequence[int]], steps: int, temperature: float, top_p: float
    ) -> None:
        drawn = [np.random.default_rng(seed).random(steps, dtype=np.float32) for seed in seeds]
        self._draws = torch.from_numpy(np.stack(drawn))
        self._temperature = temperature
        self._top_p = top_p
        self.log_likelihood: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return (rows, vocabulary) scores, -inf but for the token drawn."""
        step = len(self.log_likelihood)
        likelihood = scores.float().log_softmax(-1)
        mass = self._mass(input_ids, likelihood)
        total = mass.cumsum(-1)
        draw = self._draws[:, step : step + 1].to(total.device) * total[:, -1:]
        token = torch.searchsorted(total, draw, right=True)
        # A number next to 1 can round to the whole sum, beyond the last token.
        token = torch.where(token < mass.shape[-1], token, mass.argmax(-1, keepdim=True))
        self.log_likelihood.append(likelihood.gather(-1, token).squeeze(-1))
        return torch.full_like(scores, -torch.inf).scatter(-1, token, 0.0)

    def _mass(self, input_ids: Tensor, likelihood: Tensor) -> Tensor:
        """Return (rows, vocabulary) probabilities that tokens are drawn with."""
        if self._temperature == 1 and self._top_p >= 1:
            return likelihood.exp()
        kept = likelihood / self._temperature
        if self._top_p < 1:
            from transformers import TopPLogitsWarper

            kept = TopPLogitsWarper(self._top_p)(input_ids, kept)
        return kept.softmax(-1)
