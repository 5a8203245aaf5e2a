"""JSON and Python literals -> tokens.

Nothing is parsed that would have to be whole: what was cut off at its longest length is read up to there.
"""

from __future__ import annotations

import re
from typing import Final

JSON: Final = re.compile(r"[{\[]\s*(?=[\"'{\[}]|$)")
"""Where JSON may begin."""
_TOKEN: Final = re.compile(
    r"""(?P<open>[{\[])|(?P<close>[}\]])|(?P<comma>,)|(?P<colon>:)
    |"(?P<text>(?:[^"\\]|\\.)*)(?:"|\Z)
    |'(?P<single>(?:[^'\\\n]|\\.|'(?=\w))*)'
    |(?P<word>[^\s,:{}\[\]"']+)""",
    re.VERBOSE | re.DOTALL,
)
CONTENT: Final = ("text", "single", "word")
VALUE: Final = re.compile(r"-?\d+(?:\.\d+)?%?|true|false|null|none|nan", re.IGNORECASE)

Token = re.Match[str]


def json_tokens(text: str, start: int) -> tuple[list[Token], int]:
    """Return the tokens of the JSON that begins here, none if it is none, and where it ends."""
    tokens: list[Token] = []
    depth, colons, strings, end = 0, 0, 0, start
    for token in _TOKEN.finditer(text, start):
        if text[end : token.start()].strip():  # something that no JSON holds
            return [], end
        kind = token.lastgroup
        if (
            kind == "word"
            and VALUE.fullmatch(token.group()) is None
            and "\n" not in text[end : token.start()]
            and not (tokens and tokens[-1].lastgroup in ("open", "comma"))
        ):
            return [], end
        tokens.append(token)
        end = token.end()
        depth += (kind == "open") - (kind == "close")
        colons += kind == "colon"
        strings += kind in ("text", "single")
        if depth <= 0:
            break
    if len(tokens) < 2 or not (strings or (colons and text[start] == "{")):
        return [], end
    return tokens, end


def kind_of(tokens: list[Token], index: int) -> str | None:
    """Return the kind of a token; None behind the last one."""
    return tokens[index].lastgroup if index < len(tokens) else None


def content(token: Token) -> tuple[int, int]:
    """Return the place of what a string or a word holds."""
    group = token.lastgroup
    assert group is not None
    return token.start(group), token.end(group)


def plain(token: Token) -> str:
    """Return what a string or a word holds, in words."""
    start, end = content(token)
    return " ".join(token.string[start:end].replace("_", " ").split())
