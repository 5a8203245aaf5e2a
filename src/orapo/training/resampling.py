"""Sampling anew where a group teaches nothing: DAPO's dynamic sampling (arXiv 2503.14476), a rival.

GRPO learns nothing from a group whose rollouts all earn the same. DAPO samples until the batch is
full of groups that differ. Here the same studies are sampled again, a bounded number of times, and
every rollout is counted (`orapo.training.budget`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from accelerate.utils import gather_object
from torch import Tensor

from orapo.training.answers import fit

# What belongs to a rollout, and the value that pads it on the right; prompts and films stay.
_OF_ROLLOUTS: Final = {
    "completion_ids": None,  # the pad token
    "completion_mask": 0,
    "advantages": None,
    "old_per_token_logps": 0,
    "ref_per_token_logps": 0,
    "sampling_per_token_logps": 0,
    "importance_sampling_ratio": 1,
    "tool_mask": 0,
}

Generate = Callable[[list[dict[str, Any]]], tuple[dict[str, Any], Tensor]]
"""Samples and scores rows; gives TRL's batch, and the rewards of all processes."""


def groups_alike(advantages: Tensor, size: int) -> list[int]:
    """Return the groups in which no rollout is better than another.

    Args:
        advantages: (N,) of whole groups.
        size: K, rollouts of a group.
    """
    return (advantages.view(-1, size).abs().amax(dim=1) == 0).nonzero().flatten().tolist()


def sample_again(
    trainer: Any,
    generate: Generate,
    inputs: list[dict[str, Any]],
    batch: dict[str, Any],
    rewards: Tensor,
    pad_id: int,
) -> tuple[Tensor, int]:
    """Put new rollouts in the place of groups that teach nothing, once.

    Args:
        trainer: Knows processes and group size.
        generate: Called with as many rows on every process.
        inputs: The N rows of this process, whole groups.
        batch: What TRL made of them; changed in place.
        rewards: (N of all processes,) rewards of the batch.
        pad_id: Pads token ids.

    Returns:
        The rewards after it, as long as ``rewards``, and the number of rollouts sampled, over all
        processes; 0 if no group asked for it.
    """
    size = trainer.num_generations
    alike = groups_alike(batch["advantages"], size)
    wanted = max(gather_object([len(alike)]))
    if wanted == 0:
        return rewards, 0
    # Every process samples as many rows, or they would wait for each other; what fills up is dropped.
    others = [group for group in range(len(inputs) // size) if group not in alike]
    groups = [*alike, *others][:wanted]
    rows = [group * size + k for group in groups for k in range(size)]
    again, new = generate([inputs[row] for row in rows])
    taken = len(alike) * size
    for name, fill in _OF_ROLLOUTS.items():
        if name in again:
            value = pad_id if name == "completion_ids" else fill
            batch[name] = _replace(batch[name], rows[:taken], again[name][:taken], value)
    start = trainer.accelerator.process_index * len(inputs)
    places = gather_object([start + row for row in rows])
    kept = gather_object([position < taken for position in range(len(rows))])
    rewards = rewards.clone()
    for position, (place, keep) in enumerate(zip(places, kept, strict=True)):
        if keep:
            rewards[place] = new[position]
    return rewards, len(places)


def _replace(old: Tensor, rows: list[int], new: Tensor, fill: int | None) -> Tensor:
    if old.dim() == 2 and fill is not None:
        width = max(old.shape[1], new.shape[1])
        old, new = fit(old, width, fill), fit(new, width, fill)
    old = old.clone()
    old[torch.tensor(rows, dtype=torch.long, device=old.device)] = new
    return old
