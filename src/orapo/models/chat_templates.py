"""Chat templates of checkpoints: one has to be there and show what is asked, and a begin token is said once.

Templates that begin with the begin token (Gemma 3, Llama 3) are meant for tokenizers that are told not to
add it; tokenizers that are not told say it twice, and a model that was never shown that writes otherwise.
TRL's prompts would then be longer than the token types that it makes of the same text.

Templates that show one film leave out the others of a study without a word, and the model is given films that no
prompt holds.

Templates of models that think before they answer leave the thoughts open at the end of a prompt (Qwen3.5): what is
thought would be read as the report, and FactS would reward it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from orapo.errors import OrapoError

_ASKED: Final = "Report."
_THOUGHTS: Final = re.compile(r"</?think(?:ing)?>")


class FilmsLeftOutError(OrapoError, ValueError):
    """A study shows more films than a chat template puts into a prompt.

    A ValueError too, as what processors refuse: where reports are written, it is one study's affair.
    """


def prepare_processor(processor: Any, name: str) -> Any:
    """Check that a processor has a chat template, and let it say the begin token once.

    Args:
        processor: Of a vision-language model. What is set is not saved with it.
        name: Of the checkpoint, for the error.

    Returns:
        The processor.

    Raises:
        OrapoError: It has no template, one that leaves out what is asked, or one that lets the model think.
    """
    if getattr(processor, "chat_template", None) is None:
        processor.chat_template = getattr(processor.tokenizer, "chat_template", None)
    if processor.chat_template is None:
        raise OrapoError(
            f"{name}: has no chat template, so how a prompt and a report are laid out is not known; put a "
            "chat_template.jinja into the checkpoint's folder (docs/recipes.md gives PaliGemma's)"
        )
    prompt = _prompt(processor)
    if _ASKED not in prompt:
        raise OrapoError(
            f"{name}: its chat template leaves out a question that comes with a film; put one for films into the "
            "checkpoint's folder (chat_template.jinja)"
        )
    thoughts = _THOUGHTS.findall(prompt)
    if thoughts and not thoughts[-1].startswith("</"):
        raise OrapoError(
            f"{name}: its chat template lets the model think before it answers, and what it thinks would be "
            "taken for the report; put {%- set enable_thinking = false %} before the first line of its "
            "chat_template.jinja, or take an instruct version of the model"
        )
    if begins_twice(processor):
        processor.text_kwargs = {
            **getattr(processor, "text_kwargs", {}),
            "add_special_tokens": False,
        }
    return processor


def check_films(processor: Any, name: str, films: int) -> None:
    """Check that a chat template shows all films of a study.

    They are counted by the special tokens that one film adds to a prompt, whatever their names.

    Args:
        processor: Of a vision-language model.
        name: Of the checkpoint, for the error.
        films: Of the study.

    Raises:
        FilmsLeftOutError: It shows fewer.
    """
    if films < 2:
        return
    none, one, every = (_special_tokens(processor, count) for count in (0, 1, films))
    if every - none < films * (one - none):
        raise FilmsLeftOutError(
            f"{name}: its chat template puts {(every - none) // (one - none)} of the {films} films of a study into the "
            "prompt; show one of each study (views: frontal), or put a template that shows all into the checkpoint's "
            "folder (chat_template.jinja)"
        )


def special_texts(processor: Any) -> set[str]:
    """Return the special tokens of a tokenizer, and the placeholders of a processor, as they are written."""
    tokenizer = processor.tokenizer
    marks = {str(token) for token in tokenizer.all_special_tokens}
    marks |= {str(one) for one in tokenizer.added_tokens_decoder.values() if one.special}
    named = (getattr(processor, f"{kind}_token", None) for kind in ("image", "video"))
    return {mark for mark in (*marks, *named) if isinstance(mark, str) and mark.strip()}


def _special_tokens(processor: Any, films: int) -> int:
    """Return how many special tokens stand in the prompt of so many films."""
    prompt = _prompt(processor, films)
    return sum(prompt.count(mark) for mark in special_texts(processor))


def begins_twice(processor: Any) -> bool:
    """Say whether both template and tokenizer put the begin token first."""
    begin = processor.tokenizer.bos_token
    if begin is None or not _prompt(processor).startswith(begin):
        return False
    return len(processor.tokenizer(begin)["input_ids"]) > 1


def _prompt(processor: Any, films: int = 1) -> str:
    """Return the prompt of films and a question."""
    parts = [*([{"type": "image"}] * films), {"type": "text", "text": _ASKED}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": parts}], add_generation_prompt=True, tokenize=False
    )
    return str(text)
