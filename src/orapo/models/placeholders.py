"""Tokens that are no words: placeholders of images, marks of roles, padding, rows of a head that no token has.

They must not be sampled, and what is not sampled must not be scored either. A loss that pushes a
rollout's tokens down pushes others up; tokens that are suppressed in sampling alone take that in
unseen, because no rollout ever shows them. In the demo they took up to half of the probability, and
the policy fell apart. So they are taken out of the model's distribution itself, by a bias on its head.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import torch
from torch import nn
from transformers.integrations import is_deepspeed_zero3_enabled

NEVER: Final = -1e4
"""Added to the logit; every dtype holds it, and its exponential is 0."""


def no_words(tokenizer: Any, rows: int = 0) -> set[int]:
    """Return the ids that stand for no text, those that end it among them.

    A tokenizer's ``all_special_ids`` are those of its named tokens alone. Gemma 3's marks of turns and SmolVLM's
    places of tiles have no names; decoding leaves them out all the same.

    Args:
        tokenizer: The model's.
        rows: Of its head. Published models have some hundreds more than there are tokens; those decode to nothing.
    """
    found = set(tokenizer.all_special_ids)
    found |= {number for number, one in tokenizer.added_tokens_decoder.items() if one.special}
    if rows > len(tokenizer):
        found |= set(range(rows)) - set(tokenizer.get_vocab().values())
    return found


def rows_of(model: Any) -> int:
    """Return how many tokens a model's head has rows for."""
    return int(model.config.get_text_config().vocab_size)


def take_out(model: Any, tokens: Collection[int]) -> bool:
    """Take tokens out of what a model can say, in sampling and in scoring.

    The bias is a buffer that no checkpoint holds: a saved model is as any other of its class.

    Args:
        model: A language model, with an adapter or without.
        tokens: Their ids.

    Returns:
        Whether it was done. Not with a head that has a bias of its own or is quantised, nor under
        ZeRO-3, which takes every tensor of a head for one of its parameters; there sampling alone
        leaves the tokens out.
    """
    head = model.get_output_embeddings()
    heads = [head]
    if hasattr(
        head, "modules_to_save"
    ):  # PEFT trains a copy of the head, and the reference is the other
        heads = [head.original_module, *head.modules_to_save.values()]
    if is_deepspeed_zero3_enabled() or not all(map(_can_lose_words, heads)):
        return False
    for each in heads:
        if "bias" in each._parameters:
            del each._parameters["bias"]
            like = {"dtype": each.weight.dtype, "device": each.weight.device}
            bias = torch.zeros(each.out_features, **like)
            each.register_buffer("bias", bias, persistent=False)
        each.bias[sorted(tokens)] = NEVER
    return True


def _can_lose_words(head: nn.Module) -> bool:
    return (
        isinstance(head, nn.Linear)
        and head._parameters.get("bias") is None
        and head.weight.is_floating_point()
    )
