"""From films to reports, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from orapo.data.conversation import REPORT_PROMPT, user_message


@dataclass(frozen=True)
class Decoding:
    """How reports are decoded.

    Attributes:
        max_new_tokens: Longest report, in tokens.
        temperature: 0 decodes greedily; above 0 samples.
        batch_size: Studies at a time.
        prompt: What the model is asked.
        seed: Of sampling.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    batch_size: int = 16
    prompt: str = REPORT_PROMPT
    seed: int = 0


def generate_reports(
    model: Any,
    processor: Any,
    studies: Sequence[Sequence[Image.Image]],
    decoding: Decoding,
    prompts: Sequence[str] | None = None,
) -> Iterator[str]:
    """Write a report for each study.

    Args:
        model: As ``load_checkpoint`` gives it.
        processor: Its processor.
        studies: The films of each study.
        decoding: How.
        prompts: What the model is asked about each study; by default the same, ``decoding.prompt``.

    Yields:
        The reports, in order, as their batches are done.
    """
    import torch

    asked = [decoding.prompt] * len(studies) if prompts is None else list(prompts)
    tokenizer = processor.tokenizer
    padding_side, tokenizer.padding_side = tokenizer.padding_side, "left"
    settings: dict[str, Any] = {"do_sample": decoding.temperature > 0}
    if decoding.temperature > 0:
        settings["temperature"] = decoding.temperature
        torch.manual_seed(decoding.seed)
    try:
        for start in range(0, len(studies), decoding.batch_size):
            batch = [list(films) for films in studies[start : start + decoding.batch_size]]
            texts = [
                processor.apply_chat_template(
                    user_message(prompt, len(films)), add_generation_prompt=True
                )
                for prompt, films in zip(asked[start : start + len(batch)], batch, strict=True)
            ]
            inputs = processor(images=batch, text=texts, return_tensors="pt", padding=True)
            inputs = inputs.to(model.device)
            with torch.inference_mode():
                output = model.generate(
                    **inputs,
                    max_new_tokens=decoding.max_new_tokens,
                    suppress_tokens=placeholder_tokens(model, tokenizer),
                    **settings,
                )
            answers = output[:, inputs["input_ids"].shape[1] :]
            for text in processor.batch_decode(answers, skip_special_tokens=True):
                yield text.strip()
    finally:
        tokenizer.padding_side = padding_side


def placeholder_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Special tokens that have no place in a report: all but those that end it."""
    ends = model.generation_config.eos_token_id
    ends = {ends} if isinstance(ends, int) else set(ends or ())
    return sorted(set(tokenizer.all_special_ids) - ends - {tokenizer.eos_token_id})
