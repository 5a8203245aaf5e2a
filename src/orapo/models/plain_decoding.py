"""Of a checkpoint's own decoding settings, the special tokens alone.

Published checkpoints bring a ``generation_config.json`` with what their authors decode with: penalties for
repetition, ``min_p``, beams. transformers fills in whatever a caller leaves open from there, so rollouts would be
drawn from another distribution than the one that is scored, and reports would not be what the options say.
"""

from __future__ import annotations

from typing import Any

from transformers import GenerationConfig


def decode_plainly(model: Any, tokenizer: Any) -> None:
    """Leave of a model's decoding settings the tokens that begin, pad and end.

    Args:
        model: That generates.
        tokenizer: Its end token ends an answer too: it is what a training teaches to end with.
    """
    own = model.generation_config
    ends = own.eos_token_id
    ends = [ends] if isinstance(ends, int) else list(ends or ())
    if tokenizer.eos_token_id is not None and tokenizer.eos_token_id not in ends:
        ends.append(tokenizer.eos_token_id)
    model.generation_config = GenerationConfig(
        bos_token_id=own.bos_token_id,
        eos_token_id=ends or None,
        pad_token_id=tokenizer.pad_token_id if own.pad_token_id is None else own.pad_token_id,
    )
