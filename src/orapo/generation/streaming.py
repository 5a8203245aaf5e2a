"""A report while it is written: what stands there so far, and a way to stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteria

Watch = Callable[[str], bool]
"""Is given the first report of a batch as far as it is written; says whether to stop."""


class WatchedReport(StoppingCriteria):
    """Shows the first report of a batch after each token; transformers asks it whether to stop.

    transformers' own streamers refuse several rows.

    Args:
        watch: Is given the report as far as it is written.
        tokenizer: Makes texts of tokens.
    """

    def __init__(self, watch: Watch, tokenizer: Any) -> None:
        self._watch, self._tokenizer = watch, tokenizer
        self._start: int | None = None

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Any:
        """Return (rows,) bool: whether each row ends here."""
        if self._start is None:
            self._start = input_ids.shape[1] - 1  # where the prompt ends
        # All of it again each time: words of several tokens are right only as a whole.
        text = self._tokenizer.decode(input_ids[0, self._start :], skip_special_tokens=True)
        stop = self._watch(text.strip())
        return torch.full((len(input_ids),), stop, dtype=torch.bool, device=input_ids.device)
