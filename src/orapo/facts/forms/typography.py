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

from orapo.facts.forms.items import ANSWERING, DENYING, NAMING, turned
from orapo.facts.forms.rewriting import Rewriter, Rewritten, substituted

PLAIN: Final = re.compile(r"[^\x20-\x25\x27-\x3b\x3d-\x7e\n]|-[ \t]*\n|\[THINK\]")
"""A text in which this finds nothing is clean as it stands."""

_THOUGHT: Final = r"think|thinking|thought|thoughts|reasoning|scratchpad|reflection"
_ODD: Final = re.compile(
    rf"""
    (?P<thought><(?P<name>{_THOUGHT})\b[^<>]*>(?:.*?</(?P=name)\s*>|.*\Z)
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
_CLOSED_THOUGHT: Final = re.compile(rf"</(?:{_THOUGHT})\s*>|<unused95>", re.IGNORECASE)
_OPENED_THOUGHT: Final = re.compile(rf"<(?:(?:{_THOUGHT})\b|unused94>)", re.IGNORECASE)
"""Where the prompt holds the opening tag, the text begins within the thought."""
_SEQUENCE: Final = re.compile(r"(?:\s|</?(?:s|pad|unk|mask)>)*<s>", re.IGNORECASE)
"""How a model's output begins where its tokenizer's marks were not taken off; HTML strikes out with it."""
_ELEMENT: Final = re.compile(r"<[^<>]*>")
_MORE_WORDS: Final = re.compile(r"(?: [A-Za-z]{2,}){1,4}")
_ATTRIBUTE: Final = re.compile(r"([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'<>]+))")
_BOX_TYPE: Final = re.compile(r"\btype\s*=\s*[\"']?(?:checkbox|radio)\b", re.IGNORECASE)
_CHECKED: Final = re.compile(r"\bchecked\b(?!\s*=\s*[\"']?(?:false|no|0)\b)", re.IGNORECASE)
_POLAR: Final = re.compile(
    r"(?:(?:pertinent_?)?(?:findings_?)?(?:present|absent|positives?|negatives?|excluded|ruled_?out|uncertain|possible)|(?:positive|negative|present|absent)_?findings?)\Z",
    re.IGNORECASE,
)
"""Elements that answer for those within them: ``<absent><finding>Edema</finding></absent>``."""
HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Where the next word of a name in one word begins."""
_DISPLAYED: Final = re.compile(r"display_?name\Z", re.IGNORECASE)
_TYPED: Final = re.compile(r"(?:type|class|text|display|concept|code)\Z", re.IGNORECASE)
"""Attributes that name a finding where one answers."""
_HEADED: Final = {
    **dict.fromkeys(("true", "yes", "1", "y", "affirmed", "pos", "+"), "Present"),
    **dict.fromkeys(("false", "no", "0", "n", "negated", "neg", "-"), "Absent"),
}
"""What heads a list of what an answer is said of."""
_LETTERS: Final = re.compile(r"[^\W\d_]+")

_INLINE: Final = frozenset(
    ("a", "abbr", "b", "big", "cite", "code", "del", "em", "font", "i", "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "tt", "u", "var", "wbr", "img")
)  # fmt: skip
_BLOCK: Final = frozenset(
    ("address", "answer", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "details", "div", "dl", "dt", "fieldset", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "input", "legend", "main", "nav", "ol", "p", "option", "output", "pre", "response", "root", "section", "select", "summary", "table", "tbody", "tfoot", "thead", "title", "tr", "ul", "xml", "document")
)  # fmt: skip
_TITLES: Final = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "dt"))
"""Elements that name what the next one is about."""
_ITEMS: Final = frozenset({"li", "dd", "option"})
_CELLS: Final = frozenset({"td", "th"})
_NAMES: Final = "|".join(
    sorted((*_INLINE, *_BLOCK, *_ITEMS, *_CELLS, "li", "s", "unused9[45]", *_THOUGHT.split("|")))
)
ESCAPED_TWICE: Final = re.compile(
    rf"(?P<tag>&(?:amp;)*lt;(?P<inner>/?(?:{_NAMES})(?:\s(?:(?!&(?:amp;)*[lg]t;)[^<>])*)?/?\s*)&(?:amp;)*gt;)"
    r"|&(?:amp;)+(?=(?:\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});)",
    re.IGNORECASE,
)
"""A tag written as entities, and an entity written as one."""
_UNESCAPED: Final = ("&", r"<\g<inner>>")
# Letters of Cyrillic and Greek that look like Latin ones; a small part of Unicode's table of
# confusable characters (UTS 39).
_LOOK_ALIKE: Final = str.maketrans(
    "АВЕЅІЈКМНОРСТУХҮԚԜаеѕіјорсухүԁɡһӏԛԝѵпгт" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοανιρτυχκɑı",
    "ABESIJKMHOPCTYXYQWaesijopcyxydghlqwvnrt" + "ABEZHIKMNOPTYXoaviptuxkai",
)  # fmt: skip
_TICKED: Final = "✓✔☑☒✅🗹🗸👍"
_CROSSED: Final = "✗✘❌❎✕✖☐□▢👎🚫⛔"
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
    groups: list[str] = []
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
            _tag(writer, match, groups)
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


def unescaped_twice(text: str) -> Rewritten:
    """Return a text with tags that were written as entities (``&lt;br&gt;``), and entities as entities.

    What is escaped once too often comes so out of web forms. Only names of HTML's elements and of
    thoughts are tags: "&lt;5 mm" stays what it says.
    """
    return substituted(
        text, ESCAPED_TWICE, lambda match: match.expand(_UNESCAPED[match["tag"] is not None])
    )


def ungarbled(text: str) -> Rewritten:
    """Return a text with the characters that a wrong code page made of others."""
    return substituted(text, GARBLED, lambda match: _MEANT[match[1]] if match[1] else "")


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
            writer.put("- " if _at_line_start(writer) else "\n- ", end)
        elif form == char:
            writer.keep_to(end)
        else:
            writer.put(form, end)
    return disguised


def _at_line_start(writer: Rewriter) -> bool:
    line = writer.source[max(0, writer.done - 40) : writer.done].rpartition("\n")
    return not line[2].strip() and (bool(line[1]) or writer.done <= 40)


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


def _tag(writer: Rewriter, match: re.Match[str], groups: list[str]) -> None:
    """Write what a tag means: nothing, a new line, a cell's end, or the name of a field.

    Args:
        writer: Where it goes.
        match: The tag.
        groups: The open elements that answer for those within them; changed here.
    """
    name, closing = match["element"].lower(), match.group().startswith("</")
    end = match.end()
    if name in ("q", "a") and not closing and not match["attributes"].strip():
        writer.put("" if writer.ends_with("\n") else "\n", end)  # a question, an answer
    elif name in _INLINE and not _answers(match["attributes"]) and not _names(match):
        writer.drop_to(end)
    elif name == "br" and _in_row(writer.source, match.start()):
        writer.put(" " if writer.source[match.start() - 1] in ".;:," else ", ", end)
    elif name in _CELLS:
        writer.put(" | ", end)
    elif name in _ITEMS:
        writer.put("\n" if closing else "\n- ", end)
    elif name == "input" and _BOX_TYPE.search(match["attributes"]):
        writer.put("" if _at_line_start(writer) else "\n")
        writer.put("[x] " if _CHECKED.search(match["attributes"]) else "[ ] ", end)
    elif name in _TITLES and closing:
        titled = writer.source[max(0, match.start() - 1) : match.start()]
        writer.put("\n" if not titled.isalnum() and titled != ")" else ":\n", end)
    elif name in _BLOCK or (name == "text" and not groups and not match["attributes"].strip()):
        writer.put("" if writer.ends_with("\n") else "\n", end)
    elif closing:
        if name in groups[-1:]:
            groups.pop()
        writer.put("\n", end)
    elif groups and (NAMING.match(name) or _TYPED.match(name)) and not match["attributes"].strip():
        writer.put("\n  - ", end)
    else:
        if not match.group().endswith("/>") and (
            _POLAR.match(name) or _answers(match["attributes"], named=False)
        ):
            groups.append(name)
        _field(writer, match)


def _names(match: re.Match[str]) -> bool:
    """Whether an inline element has a name of a finding: a label's, or a code's in a CDA document."""
    if "isplay" in match["attributes"]:
        return any(_DISPLAYED.match(one[1]) for one in _ATTRIBUTE.finditer(match["attributes"]))
    if match["element"].lower() != "label" or match.group().endswith("/>"):
        return False
    return any(
        NAMING.match(one[1]) and not _TYPED.match(one[1])
        for one in _ATTRIBUTE.finditer(match["attributes"])
    )


def _in_row(text: str, at: int) -> bool:
    """Whether a place is within a row of a table, whose cells stand in one line."""
    return text[text.rfind("\n", 0, at) + 1 : at].lstrip().startswith("|")


def _answers(attributes: str, *, named: bool = True) -> bool:
    """Whether an element's attributes answer: for what they name, or for what it holds."""
    if "=" not in attributes:
        return False
    said = [one[1] for one in _ATTRIBUTE.finditer(attributes)]
    answered = any(
        ANSWERING.match(one) or DENYING.match(HUMP.sub(" ", one.replace("_", " "))) for one in said
    )
    return answered and any(NAMING.match(one) for one in said) is named


def _field(writer: Rewriter, match: re.Match[str]) -> None:
    """Write an element of XML as ``name: ``, or what its attributes ask and answer."""
    start = match.start()
    said = list(_ATTRIBUTE.finditer(match["attributes"]))
    asked = next((one for one in said if NAMING.match(one[1])), None)
    answer = next((one for one in said if ANSWERING.match(one[1])), None)
    denial = next(
        (one for one in said if DENYING.match(HUMP.sub(" ", one[1].replace("_", " ")))), None
    )
    if answer is None and denial is None:
        asked = None if asked is None or _TYPED.match(asked[1]) else asked
    elif asked is None:
        asked = next((one for one in said if _TYPED.match(one[1])), None)
    if not writer.ends_with("\n"):
        writer.put("\n")
    offset = match.start("attributes")
    if answer is not None:
        answered = next(group for group in answer.groups()[1:] if group is not None)
    elif denial is not None:
        answered = turned(next(group for group in denial.groups()[1:] if group is not None))
    else:
        answered = ""
    shown = next((one for one in said if _DISPLAYED.match(one[1])), None)
    if shown is not None and asked is None and answer is None and denial is None:
        # <code displayName="Edema"/><value displayName="Absent"/>
        group = next(number for number in (2, 3, 4) if shown[number] is not None)
        writer.put("name: " if match["element"].lower() == "code" else "value: ")
        writer.drop_to(offset + shown.start(group))
        writer.keep_to(offset + shown.end(group))
        writer.put("\n", match.end())
        return
    if asked is None and answered and not match.group().endswith("/>"):
        # <finding status="negative">Edema</finding>: the answer heads what it is said of
        writer.put(_HEADED.get(answered.lower(), answered) + ": ", match.end())
        return
    if asked is None:
        writer.drop_to(start + 1)
        writer.put(match["element"].replace("_", " ").replace("-", " "), match.end("element"))
        if _MORE_WORDS.fullmatch(match["attributes"]):  # "<Lung Opacity> yes": no XML, but a name
            writer.keep_to(match.end("attributes"))
    else:
        group = next(number for number in (2, 3, 4) if asked[number] is not None)
        writer.drop_to(offset + asked.start(group))
        writer.put(asked[group].replace("_", " "), offset + asked.end(group))
    writer.put(": ")
    # attributes may stand in any order; the answer's own place is not needed
    writer.put(answered)
    writer.drop_to(match.end())
    if match.group().endswith("/>"):
        writer.put("\n")
