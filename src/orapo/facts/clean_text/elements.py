"""What a tag of HTML or XML means: nothing, a new line, a cell's end, or a field and its answer."""

from __future__ import annotations

import re
from typing import Final

from orapo.facts.clean_text.rewriting import Rewriter, Rewritten, substituted
from orapo.facts.forms.items import ANSWERING, DENYING, HUMP, NAMING, turned

THOUGHT: Final = r"think|thinking|thought|thoughts|reasoning|scratchpad|reflection"
"""Elements that hold what a model thought, and no report."""
_MORE_WORDS: Final = re.compile(r"(?: [A-Za-z]{2,}){1,4}")
_ATTRIBUTE: Final = re.compile(r"([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'<>]+))")
_BOX_TYPE: Final = re.compile(r"\btype\s*=\s*[\"']?(?:checkbox|radio)\b", re.IGNORECASE)
_CHECKED: Final = re.compile(r"\bchecked\b(?!\s*=\s*[\"']?(?:false|no|0)\b)", re.IGNORECASE)
_POLAR: Final = re.compile(
    r"(?:(?:pertinent_?)?(?:findings_?)?(?:present|absent|positives?|negatives?|excluded|ruled_?out|uncertain|possible)|(?:positive|negative|present|absent)_?findings?)\Z",
    re.IGNORECASE,
)
"""Elements that answer for those within them: ``<absent><finding>Edema</finding></absent>``."""
_DISPLAYED: Final = re.compile(r"display_?name\Z", re.IGNORECASE)
_TYPED: Final = re.compile(r"(?:type|class|text|display|concept|code)\Z", re.IGNORECASE)
"""Attributes that name a finding where one answers."""
_HEADED: Final = {
    **dict.fromkeys(("true", "yes", "1", "y", "affirmed", "pos", "+"), "Present"),
    **dict.fromkeys(("false", "no", "0", "n", "negated", "neg", "-"), "Absent"),
}
"""What heads a list of what an answer is said of."""
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
    sorted((*_INLINE, *_BLOCK, *_ITEMS, *_CELLS, "li", "s", "unused9[45]", *THOUGHT.split("|")))
)
ESCAPED_TWICE: Final = re.compile(
    rf"(?P<tag>&(?:amp;)*lt;(?P<inner>/?(?:{_NAMES})(?:\s(?:(?!&(?:amp;)*[lg]t;)[^<>])*)?/?\s*)&(?:amp;)*gt;)"
    r"|&(?:amp;)+(?=(?:\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});)",
    re.IGNORECASE,
)
"""A tag written as entities, and an entity written as one."""
_UNESCAPED: Final = ("&", r"<\g<inner>>")


def unescaped_twice(text: str) -> Rewritten:
    """Return a text with tags that were written as entities (``&lt;br&gt;``), and entities as entities.

    What is escaped once too often comes so out of web forms. Only names of HTML's elements and of
    thoughts are tags: "&lt;5 mm" stays what it says.
    """
    return substituted(
        text, ESCAPED_TWICE, lambda match: match.expand(_UNESCAPED[match["tag"] is not None])
    )


SELECTED: Final = re.compile(
    r"<select\b[^<>]*>(?P<options>.{0,4000}?)</select\s*>", re.IGNORECASE | re.DOTALL
)
"""A list to choose from."""
_TAGS: Final = re.compile(r"<(?!td|th|dd)/?[a-z][^<>]*>", re.IGNORECASE)
_NAME_BEFORE: Final = 100
"""Characters before a list to choose from in which its name ends."""
_OPTION: Final = re.compile(r"<option\b(?P<attributes>[^<>]*)>(?P<said>[^<>]*)", re.IGNORECASE)
_IS_SELECTED: Final = re.compile(
    r"(?<![\w-])selected\b(?!\s*=\s*[\"']?(?:false|no|0)\b)", re.IGNORECASE
)


def chosen(text: str) -> Rewritten:
    """Return a text with the selected option of every list to choose from in the list's place."""
    writer = Rewriter(text)
    for match in SELECTED.finditer(text):
        options = _OPTION.finditer(match["options"])
        said = [one["said"].strip() for one in options if _IS_SELECTED.search(one["attributes"])]
        writer.keep_to(match.start())
        before = text[max(0, match.start() - _NAME_BEFORE) : match.start()]
        before = _TAGS.sub("", before).rstrip()[-1:]
        named = before.isalnum() or before == ")"
        writer.put(": " if named else "")
        writer.put(", ".join(filter(None, said)) or "n/a", match.end())
        writer.put("\n" if named else "")
    return writer.finish()


_SAID: Final = re.compile(
    r"<(?:yes|no|present|absent|positive|negative|true|false|none|normal|unknown)>", re.IGNORECASE
)
_RECORDED: Final = re.compile(ANSWERING.pattern, re.IGNORECASE)
_ASKS: Final = re.compile(r"[:=?-][ \t]*<?\Z")
_LONGEST_TAG: Final = 12
"""Characters that are looked back for an element's end, or for what a field's name ends with."""
RECORD: Final = re.compile(
    r"<(?:status|present|presence|value|result|polarity|state|assertion|prediction)>", re.IGNORECASE
)
"""A text with such an element is XML, in which a label is a name and no word of a page."""


def write_tag(
    writer: Rewriter, match: re.Match[str], groups: list[tuple[str, str]], *, recorded: bool = False
) -> None:
    """Write what a tag means: nothing, a new line, a cell's end, or the name of a field.

    Args:
        writer: Where it goes.
        match: The tag.
        groups: The open elements that answer for those within them, and with what; changed here.
        recorded: Whether the text holds records of XML.
    """
    name, closing = match["element"].lower(), match.group().startswith("</")
    end = match.end()
    if "=" in match["attributes"] and (marked := _marked(writer.source, match)) is not None:
        writer.put("" if writer.ends_with("\n") else "\n")
        writer.put(("- " if name in _ITEMS else "") + marked + ": ", end)
    elif _SAID.fullmatch(match.group()) and _ASKS.search(
        writer.source, max(0, match.start() - _LONGEST_TAG), match.start()
    ):
        writer.drop_to(match.start() + 1)  # "Edema: <yes>"
        writer.keep_to(end - 1)
        writer.drop_to(end)
    elif name in ("q", "a") and not closing and not match["attributes"].strip():
        writer.put("" if writer.ends_with("\n") else "\n", end)  # a question, an answer
    elif (
        name in _ANSWERS
        and not closing
        and not match["attributes"].strip()
        and _is_answer_to(writer.source, match)
    ):
        # "<name>Edema</name><answer>no</answer>", and no report within <answer>
        writer.put("answer: " if writer.ends_with("\n") else ": ", end)
    elif (
        name in _INLINE
        and not (recorded and name == "label")
        and not _answers(match["attributes"])
        and not _names(match)
    ):
        # "<span>Edema</span><span>absent</span>", which a page's style parts
        writer.put(" " if not closing and _glued(writer.source, match) else "", end)
    elif name == "br" and _in_row(writer.source, match.start()):
        writer.put(" " if writer.source[match.start() - 1] in ".;:," else ", ", end)
    elif name in _CELLS:
        said = None if closing else _row_says(writer.source, match)
        writer.put(" | " if said is None else f"\n{said}: ", end)
    elif name in _ITEMS:
        writer.put("\n" if closing else "\n- ", end)
    elif name == "input" and _BOX_TYPE.search(match["attributes"]):
        writer.put("" if writer.at_line_start() else "\n")
        writer.put("[x] " if _CHECKED.search(match["attributes"]) else "[ ] ", end)
    elif name in _TITLES and closing:
        titled = writer.source[max(0, match.start() - 1) : match.start()]
        writer.put("\n" if not titled.isalnum() and titled != ")" else ":\n", end)
    elif name in _BLOCK or (name == "text" and not groups and not match["attributes"].strip()):
        writer.put("" if writer.ends_with("\n") else "\n", end)
    elif closing:
        if groups and name == groups[-1][0]:
            groups.pop()
        writer.put("\n", end)
    elif groups and not match["attributes"].strip() and not _RECORDED.match(name):
        writer.put(f"\n{groups[-1][1]}: " if groups[-1][1] else "\n  - ", end)
    elif (
        groups
        and not _answers(match["attributes"], named=False)
        and _entry(writer, match, groups[-1][1])
    ):
        return
    else:
        if not match.group().endswith("/>") and (
            _POLAR.match(name) or _answers(match["attributes"], named=False)
        ):
            groups.append((name, ""))
        head = _field(writer, match)
        if head and groups and groups[-1][0] == name:
            groups[-1] = name, head


_MARKING: Final = re.compile(
    r"class|data-(?:[\w-]+-)?(?:status|presen(?:t|ce)|value|polarity|state|assertion)",
    re.IGNORECASE,
)
"""Attributes of a page's elements that may say whether what they hold is there."""
_MARK: Final = re.compile(
    r"(?:(?:is|finding|result|item|status|label)[-_]{1,2})?(?:(?P<absent>negative|neg|absent|denied|excluded|negated|ruled[-_]?out|not[-_]?present)"
    r"|(?:positive|pos|present|affirmed))",
    re.IGNORECASE,
)
_HELD: Final = re.compile(r"\s*(?P<said>[^<]*?)\s*(?=<|\Z)")
_ANSWER: Final = re.compile(
    r"\W*(?:yes|no|true|false|none|nil|present|absent|positive|negative|pos|neg|normal|abnormal|clear|seen|not seen|n/?a|unknown|uncertain|equivocal|indeterminate|possible|likely|unlikely|[01])\W*",
    re.IGNORECASE,
)
_TELLS: Final = re.compile(r"\b(?:is|are|was|were|has|have|remains?)\b", re.IGNORECASE)
"""A sentence says itself how it is; its class is about something else."""
_ANSWERS: Final = frozenset(("answer", "response", "output", "label"))
"""Elements that hold a whole report or the name of a box, or one answer."""
_LISTS: Final = frozenset(("ul", "ol", "dl"))
_PARTED: Final = re.compile(r"(?:\A|[\n>,;])[ \t]*\Z")


def _is_answer_to(text: str, match: re.Match[str]) -> bool:
    """Whether an element holds an answer and no more, right behind the element that it answers."""
    held = _HELD.match(text, match.end())
    asked = text[max(0, match.start() - _NAME_BEFORE) : match.start()].rstrip()
    if held is None or not asked.endswith(">") or not asked[asked.rfind("<") :].startswith("</"):
        return False
    return _ANSWER.fullmatch(held["said"]) is not None


def _marked(text: str, match: re.Match[str]) -> str | None:
    """Return what a class or the like says of an element's content: ``<li class="negative">Edema</li>``."""
    name = match["element"].lower()
    if (
        match.group().startswith("</")
        or name in _CELLS
        or name not in _INLINE | _BLOCK | _ITEMS | {"li"}
    ):
        return None
    held = _HELD.match(text, match.end())
    said = "" if held is None else held["said"]
    if (
        ":" in said
        or _ANSWER.fullmatch(said)
        or _TELLS.search(said)
        or (not said and name not in _LISTS)
    ):
        return None
    if name in _INLINE and not _PARTED.search(
        text, max(0, match.start() - _LONGEST_TAG), match.start()
    ):
        return None
    return _mark_of(match["attributes"])


def _mark_of(attributes: str) -> str | None:
    """Return what a class or the like says."""
    for one in _ATTRIBUTE.finditer(attributes):
        if not _MARKING.fullmatch(one[1]):
            continue
        marks = filter(None, map(_MARK.fullmatch, (one[2] or one[3] or one[4] or "").split()))
        for mark in marks:
            return "Present" if mark["absent"] is None else "Absent"
    return None


_LONGEST_ROW: Final = 400
_CELL: Final = re.compile(r"<t[dh]\b[^<>]*>\s*([^<]*?)\s*(?=<)", re.IGNORECASE)


def _row_says(text: str, match: re.Match[str]) -> str | None:
    """Return what a class says of the first cell of a row in which no cell answers."""
    before = text[max(0, match.start() - _LONGEST_ROW) : match.start()]
    opened = before.lower().rfind("<tr")
    row = "" if opened < 0 else before[opened:]
    if _CELL.search(row + "<"):
        return None
    mark = _mark_of(match["attributes"]) or _mark_of(row)
    if mark is None:
        return None
    cells = _CELL.findall(
        text[match.start() : match.end() + _LONGEST_ROW].partition("</tr")[0] + "<"
    )
    return None if any(map(_ANSWER.fullmatch, cells)) else mark


_BESIDE: Final = re.compile(
    r".*(?:interpretation|status|method|time|template).*\Z|id\Z", re.IGNORECASE
)


def _entry(writer: Rewriter, match: re.Match[str], head: str) -> bool:
    """Write what an element names within one that answers, as a CDA observation with "negationInd" does.

    Args:
        writer: Where it goes.
        match: The element's tag.
        head: What the one around it answers; nothing if that stands above a list.

    Returns:
        Whether it is such an element.
    """
    held = _HELD.match(writer.source, match.end())
    said = "" if held is None or match.group().endswith("/>") else held["said"]
    if _BESIDE.match(match["element"]):
        writer.drop_to(match.end() if match.group().endswith("/>") else match.start())
        return match.group().endswith("/>")
    if _ANSWER.fullmatch(said):
        return False
    shown = next(
        (one for one in _ATTRIBUTE.finditer(match["attributes"]) if _DISPLAYED.match(one[1])), None
    )
    if shown is None and not said:
        if match.group().endswith("/>"):
            writer.drop_to(match.end())  # <code code="ASSERTION"/>
            return True
        return False
    writer.put(f"\n{head}: " if head else "\n  - ")
    if not said and shown is not None:
        group = next(number for number in (2, 3, 4) if shown[number] is not None)
        offset = match.start("attributes")
        writer.drop_to(offset + shown.start(group))
        writer.keep_to(offset + shown.end(group))
        writer.put("\n")
    writer.drop_to(match.end())
    return True


def _glued(text: str, match: re.Match[str]) -> bool:
    """Whether an element begins where another one ends, with a class or style that may part them."""
    closed = _CLOSES.search(text, max(0, match.start() - _LONGEST_TAG), match.start())
    return closed is not None and "=" in match["attributes"]


_CLOSES: Final = re.compile(r"[\w.)]</[a-z0-9]+>\Z")


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


def _field(writer: Rewriter, match: re.Match[str]) -> str:
    """Write an element of XML as ``name: ``, or what its attributes ask and answer.

    Returns:
        What it answers for those within it.
    """
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
        return ""
    if asked is None and answered and not match.group().endswith("/>"):
        # <finding status="negative">Edema</finding>: the answer heads what it is said of
        head = _HEADED.get(answered.lower(), answered)
        writer.put(f"{head}: ", match.end())
        return head
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
    return ""
