"""Forward passes with less padding: long and short answers go in separate ones.

In a batch every answer is padded to the longest. Here the rows of a pass are parted in two by their
length where that leaves out enough padding to pay for the second pass. What comes of it is the same
up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from orapo.training import trl_contract
from orapo.training.answers import fit

LEAST_ROWS: Final = 16
"""Rows of a part: with fewer, what a pass costs beside its tokens outweighs what is saved."""
LEAST_SAVED: Final = 0.1
"""Share of a pass' tokens that two have to save."""

Scoring = Callable[..., tuple[Tensor, Tensor | None, Tensor | None]]


def parts(lengths: Tensor, prompt: int, width: int) -> list[Tensor]:
    """Part the rows of a pass in two by length, or leave them as they are.

    Args:
        lengths: (N,) tokens of each answer.
        prompt: Tokens before each answer, padding included.
        width: Tokens to which the answers are padded.

    Returns:
        One or two tensors of row indices, which together are all N.
    """
    count = len(lengths)
    ordered, order = lengths.sort(stable=True)
    shorter = torch.arange(1, count, device=lengths.device)
    saved = shorter * (width - ordered[:-1])
    saved[(shorter < LEAST_ROWS) | (count - shorter < LEAST_ROWS)] = 0
    best = int(saved.argmax()) if count > 1 else 0
    if count < 2 or saved[best] < LEAST_SAVED * count * (prompt + width):
        return [torch.arange(count, device=lengths.device)]
    # in the order that they came in: a study's rollouts stay together
    return [order[: best + 1].sort().values, order[best + 1 :].sort().values]


def score(
    scoring: Scoring, input_ids: Tensor, attention_mask: Tensor, width: int, fields: dict[str, Any]
) -> tuple[Tensor, Tensor | None]:
    """Score answers as ``scoring`` does, in one pass or in two.

    Args:
        scoring: TRL's ``_get_per_token_logps_and_entropies`` for a model.
        input_ids: (N, P + width) prompts and answers, these padded on the right.
        attention_mask: (N, P + width).
        width: Tokens to which the answers are padded.
        fields: Further arguments by name, the images of the N rows among them.

    Returns:
        (N, width) log-probabilities, and entropies or None; 0 where padding was left out.
    """
    lengths = attention_mask[:, -width:].sum(dim=1)
    prompt = input_ids.shape[1] - width
    rows_of = parts(lengths, prompt, width)
    if len(rows_of) == 1:
        logps, entropies, _ = scoring(input_ids, attention_mask, width, **fields)
        return logps, entropies
    images = trl_contract.vision_fields(fields)
    scored = []
    for rows in rows_of:
        longest = max(1, int(lengths[rows].max()))
        chosen = trl_contract.select_vision(images, rows.tolist(), prompt, longest)
        end = prompt + longest
        scored.append(
            scoring(
                input_ids[rows, :end],
                attention_mask[rows, :end],
                longest,
                **{**fields, **chosen},
            )
        )
    back = torch.cat(rows_of).argsort()
    logps = torch.cat([fit(item[0], width, 0) for item in scored])[back]
    found = [item[1] for item in scored if item[1] is not None]
    entropies = torch.cat([fit(item, width, 0) for item in found])[back] if found else None
    return logps, entropies
