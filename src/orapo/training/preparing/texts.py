"""What a run is to learn from, as the model's own tokenizer and chat template take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from orapo.errors import OrapoError
from orapo.training.config import OraPOConfig

_NAMED: Final = 10


def check_texts(config: OraPOConfig, processor: Any, texts: Mapping[str, Sequence[str]]) -> None:
    """Refuse what would be learned otherwise than it is written, or asked otherwise than later.

    A special token in a report's text is read as what it marks: an image that is not there, or the end of the
    answer, behind which nothing is learned.

    Args:
        config: The run's.
        processor: The model's.
        texts: What is to be written, by study: reports, and experts' pairs.

    Raises:
        OrapoError: A report holds a special token of the model, or the template gets arguments that no later
            command would give it.
    """
    if config.chat_template_kwargs:
        raise OrapoError(
            "chat_template_kwargs: a checkpoint does not hold them, so that orapo generate would ask otherwise than "
            "was trained; set them in the checkpoint's chat_template.jinja, for example {%- set enable_thinking = "
            "false %} before its first line"
        )
    marks = _marks(processor)
    holding = {
        study_id: mark
        for study_id, written in texts.items()
        for mark in marks
        if any(mark in text for text in written)
    }
    if holding:
        first = ", ".join(list(holding)[:_NAMED])
        raise OrapoError(
            f"{len(holding)} reports hold special tokens of the model, for example {next(iter(holding.values()))!r}, "
            f"which would not be read as text; take them out of the manifest, first of: {first}"
        )


def _marks(processor: Any) -> set[str]:
    """Return the special tokens of a tokenizer, and the placeholders of a processor."""
    tokenizer = processor.tokenizer
    marks = {str(token) for token in tokenizer.all_special_tokens}
    marks |= {str(one) for one in tokenizer.added_tokens_decoder.values() if one.special}
    named = (getattr(processor, f"{kind}_token", None) for kind in ("image", "video"))
    return {mark for mark in (*marks, *named) if isinstance(mark, str) and mark.strip()}
