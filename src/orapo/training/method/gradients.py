"""The norms of the gradients of the loss's two terms: what the mix is made of."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

logger = logging.getLogger(__name__)


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
        suffice, it is not measured again, and a warning says so.

        Args:
            terms: Scalars of one graph.
            model: The policy.

        Returns:
            Scalars, NaN where there was no memory.
        """
        weights = [one for one in model.parameters() if one.requires_grad]
        try:
            return [_norm(term, weights) for term in terms]
        except torch.OutOfMemoryError:
            self._every = 0
            logger.warning("grad_every: no memory to measure gradients; switched off")
            return [torch.full((), torch.nan, device=term.device) for term in terms]


def _norm(term: Tensor, weights: list[torch.nn.Parameter]) -> Tensor:
    found = torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True)
    precision = torch.promote_types(torch.float32, term.dtype)
    norms = [one.norm(dtype=precision) for one in found if one is not None]
    if not norms:  # nothing of the batch was in the term
        return torch.zeros((), device=term.device)
    return torch.stack([norm.to(term.device) for norm in norms]).norm()
