"""Chat templates of checkpoints: one has to be there, and a begin token is said once.

Templates that begin with the begin token (Gemma 3, Llama 3) are meant for tokenizers that are told not to
add it; tokenizers that are not told say it twice, and a model that was never shown that writes otherwise.
TRL's prompts would then be longer than the token types that it makes of the same text.
"""

from __future__ import annotations

from typing import Any

from orapo.errors import OrapoError


def prepare_processor(processor: Any, name: str) -> Any:
    """Check that a processor has a chat template, and let it say the begin token once.

    Args:
        processor: Of a vision-language model. What is set is not saved with it.
        name: Of the checkpoint, for the error.

    Returns:
        The processor.

    Raises:
        OrapoError: It has no template.
    """
    template = getattr(processor, "chat_template", None)
    if template is None and getattr(processor.tokenizer, "chat_template", None) is None:
        raise OrapoError(
            f"{name}: has no chat template, so how a prompt and a report are laid out is not known; put a "
            "chat_template.jinja into the checkpoint's folder (docs/recipes.md gives PaliGemma's)"
        )
    if begins_twice(processor):
        processor.text_kwargs = {
            **getattr(processor, "text_kwargs", {}),
            "add_special_tokens": False,
        }
    return processor


def begins_twice(processor: Any) -> bool:
    """Say whether both template and tokenizer put the begin token first."""
    begin = processor.tokenizer.bos_token
    if begin is None:
        return False
    parts = [{"type": "image"}, {"type": "text", "text": "Report."}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": parts}], add_generation_prompt=True, tokenize=False
    )
    return bool(text.startswith(begin)) and len(processor.tokenizer(begin)["input_ids"]) > 1
