"""How a study is put to a model: the prompt, as a conversation that chat templates understand."""

from __future__ import annotations

from typing import Any, Final

REPORT_PROMPT: Final = "Write the report of this chest film."


def user_message(text: str = REPORT_PROMPT, images: int = 0) -> list[dict[str, Any]]:
    """Return a conversation of one user message, the images before the text.

    Args:
        text: The prompt p_i.
        images: Placeholders for so many images; 0 leaves them to TRL, which adds its own.
    """
    if images == 0:
        return [{"role": "user", "content": text}]
    parts: list[dict[str, Any]] = [{"type": "image"} for _ in range(images)]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]
