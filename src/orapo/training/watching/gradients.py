"""The norms of the gradients of the loss's two terms: what the mix is made of."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

logger = logging.getLogger(__name__)


_REENTRANT: Final = "incompatible with .grad()"  # as torch says it


class GradientNorms:
    """Measures terms of a loss in the first micro-batch of every so many steps.

    Args:
        every: Steps from one to the next, the first step included; 0: never.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._measured: int | None = None

    def due(self, step: int) -> bool:
        """Say whether to measure in a step; once a step."""
        due = bool(self._every) and step % self._every == 0 and step != self._measured
        if due:
            self._measured = step
        return due

    def of(self, terms: Sequence[Tensor], model: torch.nn.Module) -> list[Tensor]:
        """Return the L2 norm of each term's gradient over all weights that are trained.

        The graph is kept for the backward pass that follows, and no ``.grad`` is touched. Under DDP it
        is this process's own gradient, of its share of the batch. Where the memory does not
        suffice, or under reentrant checkpointing, it is not measured again, and a warning says so.

        Args:
            terms: Scalars of one graph.
            model: The policy.

        Returns:
            Scalars, NaN where they can't be had.
        """
        weights = [one for one in model.parameters() if one.requires_grad]
        try:
            return [_norm(term, weights) for term in terms]
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                reason = "no memory"
            elif _REENTRANT in str(error):
                reason = "reentrant checkpointing knows no gradient of a part"
            else:
                raise
            self._every = 0
            logger.warning("grad/grpo and grad/dpo are not measured any more: %s", reason)
            return [torch.full((), torch.nan, device=term.device) for term in terms]


def _norm(term: Tensor, weights: list[torch.nn.Parameter]) -> Tensor:
    found = torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True)
    precision = torch.promote_types(torch.float32, term.dtype)
    norms = [one.norm(dtype=precision) for one in found if one is not None]
    if not norms:  # nothing of the batch was in the term
        return torch.zeros((), device=term.device)
    return torch.stack([norm.to(term.device) for norm in norms]).norm()
