"""The weights under an adapter stay what they are, however often vLLM is given the sum of both.

For every optimiser step TRL merges the adapter into the model's weights, hands them to vLLM, and takes it
out again. In bfloat16 that is not the way back: each time some weights end a step of rounding off, and
after hundreds of steps the policy's base, which is the reference too, is another model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor

from orapo.errors import OrapoError


class CleanBase:
    """A copy, in the host's memory, of the weights that an adapter is merged into.

    Args:
        model: With an adapter; its weights are whole and not quantised.
    """

    def __init__(self, model: Any) -> None:
        self._kept: list[tuple[Tensor, Tensor]] = []
        for layer in model.modules():
            if isinstance(layer, BaseTunerLayer):
                for parameter in layer.get_base_layer().parameters(recurse=False):
                    clean = parameter.detach().to("cpu", copy=True)
                    self._kept.append((parameter, clean))

    @torch.no_grad()
    def restore(self) -> None:
        """Bring the model's weights back, bit for bit."""
        for parameter, clean in self._kept:
            parameter.copy_(clean)


def refuse_sharded() -> None:
    """Refuse an adapter on sharded weights where vLLM samples.

    Raises:
        OrapoError: Always.
    """
    raise OrapoError(
        "use_vllm with an adapter under ZeRO-3 or FSDP: merging it for vLLM would change the base's "
        "weights a little at every step, and there is no whole copy to go back to; use DDP or ZeRO-2, or "
        "train all weights"
    )


def clean_after(sync: Callable[[], Any], model: Any, sharded: bool) -> Callable[[], Any]:
    """Return a function that hands weights to vLLM and leaves the model's own as they were.

    Args:
        sync: TRL's.
        model: The unwrapped policy, with an adapter.
        sharded: Whether a process holds a part of each weight alone.

    Raises:
        OrapoError: The weights are sharded.
    """
    if sharded:
        refuse_sharded()
    base = CleanBase(model)

    def clean() -> Any:
        try:
            return sync()
        finally:
            base.restore()

    return clean
