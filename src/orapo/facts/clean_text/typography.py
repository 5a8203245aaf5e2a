"""One clean text: what was typed, whatever letters, marks and tags it was typed with.

Ligatures, wide and bold letters, curly quotes, no-break spaces and words broken at a line's end come
out of PDFs and word processors; HTML and Markdown out of language models. Letters of another alphabet
inside a Latin word and invisible characters inside a word come from no radiologist: they are read all
the same, and the text is called disguised.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Container
from typing import Final

from orapo.facts.clean_text.elements import RECORD, THOUGHT, write_tag
from orapo.facts.clean_text.rewriting import Rewriter, Rewritten, substituted

PLAIN: Final = re.compile(r"[^\x20-\x25\x27-\x3b\x3d-\x7e\n]|-[ \t]*\n|\[THINK\]")
"""A text in which this finds nothing is clean as it stands."""

_ODD: Final = re.compile(
    rf"""
    (?P<thought><(?P<name>{THOUGHT})\b[^<>]*>(?:.*?</(?P=name)\s*>|.*\Z)
      | \[THINK\](?:.*?\[/THINK\]|.*\Z) | ◁think▷(?:.*?◁/think▷|.*\Z)
      | <\|begin_of_thought\|>(?:.*?<\|end_of_thought\|>|.*\Z)
      | <unused94>(?:.*?<unused95>|.*\Z))  # Gemma's
    | (?P<struck><(?P<line>del|s|strike)>.*?</(?P=line)>)
    | (?P<comment><!--.*?(?:-->|\Z))
    | (?P<tag></?(?P<element>[A-Za-z][\w:.-]*)(?P<attributes>(?:\s[^<>]*)?)/?>)
    | (?P<entity>&(?:\#[0-9]{{1,7}}|\#[xX][0-9A-Fa-f]{{1,6}}|[A-Za-z][A-Za-z0-9]{{1,30}});)
    | (?P<broken>(?P<head>[A-Za-z]{{2,}})-[ \t]*\n[ \t]*(?P<tail>[a-z]{{2,}}))
    | (?P<control>\r\n?|[\x00-\x08\x0b-\x1f\x7f])
    | (?P<foreign>\w*[^\x00-\x7f](?:[^\x00-\x7f]|\w)*)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_KINDS: Final = (
    "foreign",
    "tag",
    "broken",
    "entity",
    "control",
    "thought",
    "struck",
    "comment",
)
_OPENED_THOUGHT: Final = re.compile(rf"<(?:(?:{THOUGHT})\b|unused94>)", re.IGNORECASE)
_CLOSED_THOUGHT: Final = re.compile(rf"</(?:{THOUGHT})\s*>|<unused95>", re.IGNORECASE)
"""Where the prompt holds the opening tag, the text begins within the thought."""
_SEQUENCE: Final = re.compile(r"(?:\s|</?(?:s|pad|unk|mask)>)*<s>", re.IGNORECASE)
"""How a model's output begins where its tokenizer's marks were not taken off; HTML strikes out with it."""
_ELEMENT: Final = re.compile(r"<[^<>]*>")
_LETTERS: Final = re.compile(r"[^\W\d_]+")

# Letters of Cyrillic and Greek that look like Latin ones; a small part of Unicode's table of
# confusable characters (UTS 39).
_LOOK_ALIKE: Final = str.maketrans(
    "АВЕЅІЈКМНОРСТУХҮԚԜаеѕіјорсухүԁɡһӏԛԝѵпгт" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοανιρτυχκɑı",
    "ABESIJKMHOPCTYXYQWaesijopcyxydghlqwvnrt" + "ABEZHIKMNOPTYXoaviptuxkai",
)  # fmt: skip
_FEW: Final = 2
_TICKED: Final = "⬛✓✔☑☒✅🗹🗸👍"
_CROSSED: Final = "⬜✗✘❌❎✕✖☐□▢👎🚫⛔"
_RADIO: Final = re.compile(
    r"[●◉◯○⦿⚪⚫🔘][ \t]*(?=(?:yes|no|present|absent|positive|negative|true|false|normal|abnormal|unknown)\b)",
    re.IGNORECASE,
)
"""A round button before a choice: bullets have other words behind them."""
_FILLED: Final = "●◉⦿⚫🔘"
_CIRCLES: Final = "○◯⚪"
_IN_BOX: Final = _TICKED + _CROSSED + _FILLED + _CIRCLES + "•·∙■▪"
_IN_CELL: Final = re.compile(r"\|? ?[^\s\w|][ \ufe0f]*(?:\||(?=\n)|\Z)")
_EMPTY: Final = re.compile(r"\[ \]|\( \)")
_BULLETS: Final = "•·‣◦▪▫●○∙⁃■◆◇➢➤►▶★"
_DOTS: Final = "·∙●○"
"""Bullets that a word may hold ("2·5")."""
GARBLED: Final = re.compile("â€([™˜œ\x9d\u201c\u201d¢¦])|Â(?=[\\s\u00a0°])")
"""UTF-8 that was taken for Windows' code page 1252, as spreadsheets do."""
_MEANT: Final = {
    "™": "'",
    "˜": "'",
    "œ": '"',
    "\x9d": '"',
    "\u201c": "–",
    "\u201d": "—",
    "¢": "•",
    "¦": "…",
}
_SAID: Final = {
    **dict.fromkeys("‘’ʼʹ′´`＇", "'"),
    **dict.fromkeys("“”„«»″", '"'),
    **dict.fromkeys("‐‑−﹣－", "-"),
    **dict.fromkeys("→⇒➔⟶➜", " -> "),
    **dict.fromkeys(_TICKED, "[x] "),
    **dict.fromkeys(_CROSSED, "[ ] "),
    **dict.fromkeys("∅⊘", "(-) "),
    **dict.fromkeys("⊕➕", "(+) "),
    **dict.fromkeys("⊖➖", "(-) "),
    "¬": "no ",
    "。": ". ",
    "、": ", ",
    **dict.fromkeys("\u2028\u0085", "\n"),
    "\u2029": "\n\n",
    **dict.fromkeys("œ", "oe"),
    **dict.fromkeys("Œ", "Oe"),
    **dict.fromkeys("æ", "ae"),
    "–": "–",
    "—": "—",
    "…": "...",
}


def clean(text: str, known: Container[str]) -> tuple[Rewritten, bool]:
    """Return a text without typography.

    Args:
        text: As given.
        known: Words, in lower case; a word broken at a line's end is joined if it is one of them.

    Returns:
        The clean text, and whether it was disguised: letters of several alphabets in one word, or
        invisible characters inside a word.
    """
    writer = Rewriter(text)
    buttons = {match.start() for match in _RADIO.finditer(text)}
    closed = _CLOSED_THOUGHT.search(text)
    if closed and not _OPENED_THOUGHT.search(text, 0, closed.start()):
        writer.drop_to(closed.end())
    elif (opening := _SEQUENCE.match(text)) and _is_all(text[opening.end() :]):
        writer.drop_to(opening.end())
    disguised = False
    groups: list[tuple[str, str]] = []
    recorded = "<" in text and RECORD.search(text) is not None
    for match in _ODD.finditer(text, writer.done):
        if match.start() < writer.done:
            continue
        kind = next(name for name in _KINDS if match[name] is not None)
        writer.keep_to(match.start())
        if kind == "foreign":
            if _boxed(writer, match):
                continue
            disguised |= _letters(writer, match, buttons)
        elif kind == "broken":
            _joined(writer, match, known)
        elif kind == "tag":
            write_tag(writer, match, groups, recorded=recorded)
        elif kind == "entity":
            said = html.unescape(match.group())
            writer.put("".join(_SAID.get(char, _compatible(char)) for char in said), match.end())
        elif kind == "control":
            writer.put("" if match.group() in "\x00\x7f" else "\n", match.end())
        else:
            writer.drop_to(match.end())
    return writer.finish(), disguised


def _is_all(rest: str) -> bool:
    """Whether the element ``s`` whose content begins here holds all words of the text."""
    _, end, behind = rest.lower().partition("</s>")
    return bool(end) and not re.search(r"\w", _ELEMENT.sub("", behind))


def ungarbled(text: str) -> Rewritten:
    """Return a text with the characters that a wrong code page made of others."""
    return substituted(text, GARBLED, lambda match: _MEANT[match[1]] if match[1] else "")


COLOURED: Final = re.compile(
    r"(?<![^\n])(?P<ahead>[ \t]*(?:[-*][ \t]+)?[🔴🟢🟡🟠🟥🟩🟨🟧][ \t]*)"
    r"(?=(?![^\n]*\b(?:[Nn]o|[Nn]ot|[Nn]ormal|[Cc]lear|[Ww]ithout|[Aa]bsent|[Pp]resent)\b)[A-Za-z*][A-Za-z /*]{2,40}[ \t]*(?:\n|\Z))"
    r"|(?<=[:=|])[ \t]*(?:\*\*)?[ \t]*[🔴🟢🟡🟠🟥🟩🟨🟧][ \t]*(?=\||\n|\Z)"
)
"""A light that alone says what holds of a name: which colour means what is not said."""


def uncoloured(text: str) -> Rewritten:
    """Return a text in which what only a colour answers is unknown."""
    return substituted(
        text, COLOURED, lambda match: " unknown" if match["ahead"] is None else "(unknown) "
    )


DECIMAL_COMMA: Final = re.compile(
    r"(?<=[:=(\t \"])(\d{1,3}),(\d{1,4})(?=[ \t]?%?[ \t]*(?:[;)\n|,\"]|\Z))"
)


def with_points(text: str) -> Rewritten | None:
    """Return a text with points in its decimal numbers; None if fewer than two have a comma ("0,93")."""
    if len(DECIMAL_COMMA.findall(text)) < _FEW:
        return None
    return substituted(text, DECIMAL_COMMA, lambda match: f"{match[1]}.{match[2]}")


def _compatible(char: str) -> str:
    """Return the plain form of a character; nothing for one that can't be seen."""
    category = unicodedata.category(char)
    if category in ("Cf", "Mn", "Me") or char == "\ufe0f":
        return ""
    if category == "Zs":
        return " "
    if category in ("So", "Sk", "Co", "Cn", "Cs"):
        return " "
    return unicodedata.normalize("NFKC", char)


def _boxed(writer: Rewriter, match: re.Match[str]) -> bool:
    """Write a mark that stands alone in brackets as a box's ("[✓]", "(•)"); return whether it did."""
    run, text = match.group().rstrip("\ufe0e\ufe0f"), writer.source
    if len(run) != 1 or run not in _IN_BOX:
        return False
    before, behind = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    cell = run in _FILLED + _CIRCLES and _IN_CELL.match(text, max(0, match.start() - 2))
    if cell:  # "| ● |", and in another row "| ○ |"
        writer.put("[x]" if run in _FILLED else "[ ]", match.end())
        return True
    if before + behind not in ("[]", "()"):
        return False
    crossed = run in _CROSSED and run not in "☐□▢"
    # beside empty boxes a cross is what ticks; beside ticks it is what denies
    ticks = (
        run in _TICKED or run in _FILLED + "•·∙■▪" or (crossed and _EMPTY.search(text) is not None)
    )
    writer.put("x" if ticks else " ", match.end())
    return True


def _letters(writer: Rewriter, match: re.Match[str], buttons: Container[int]) -> bool:
    """Write a run of characters with some outside ASCII; return whether it was disguised."""
    run, start = match.group(), match.start()
    forms = [_SAID[char] if char in _SAID else _plain(char) for char in run]
    disguised, hidden, before = False, False, ""
    for char, form in zip(run, forms, strict=True):
        if form:
            disguised |= hidden and before[-1:].isalpha() and form[:1].isalpha()
            before, hidden = form, False
        elif char not in "\u00ad\ufeff":
            hidden = hidden or unicodedata.category(char) == "Cf"
    joined = "".join(forms)
    if not joined.isascii():
        written = _LETTERS.sub(_latin, joined)
        if written != joined:
            disguised = True
            place, anew = 0, []
            for form in forms:
                anew.append(written[place : place + len(form)])
                place += len(form)
            forms = anew
    for index, (char, form) in enumerate(zip(run, forms, strict=True)):
        end = start + index + 1
        inside = run[:index][-1:].isalnum() and run[index + 1 :][:1].isalnum()
        if start + index in buttons:
            writer.put("[x] " if char in _FILLED else "[ ] ", end)
        elif char in "Øø" and run == char:  # "Ø effusion"
            writer.put("(-)", end)
        elif char in _BULLETS and not (inside and char in _DOTS):
            writer.put("- " if writer.at_line_start() else "\n- ", end)
        elif form == char:
            writer.keep_to(end)
        else:
            writer.put(form, end)
    return disguised


def _plain(char: str) -> str:
    return char if char.isascii() else _compatible(char)


def _latin(match: re.Match[str]) -> str:
    """Return a word in Latin letters where all its others look like them."""
    word = match.group()
    if word.isascii():
        return word
    written = word.translate(_LOOK_ALIKE)
    foreign = [char for char in word if not _is_latin(char)]
    if not foreign or not all(_is_latin(char) for char in written):
        return word
    return written


def _is_latin(char: str) -> bool:
    return char.isascii() or unicodedata.name(char, "").startswith("LATIN")


def _joined(writer: Rewriter, match: re.Match[str], known: Container[str]) -> None:
    """Join a word that a line's end broke; a compound keeps its hyphen."""
    hyphen, tail = match.end("head"), match.start("tail")
    writer.keep_to(hyphen)
    if (match["head"] + match["tail"]).lower() in known:
        writer.drop_to(tail)
    else:
        writer.put("-", tail)
    writer.keep_to(match.end())
