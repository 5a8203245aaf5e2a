"""LaTeX, RTF and text with escaped line ends -> lines, as they would be seen."""

from __future__ import annotations

import re
from typing import Final

from orapo.facts.clean_text.rewriting import Rewriter, Rewritten, substituted

_MACRO: Final = r"n(?:ewline|ewpage|ew|ewcommand|e|eq|ot|u|abla|oindent|ormalsize|ormalfont)\b"
"""What begins as a line end does, and is a word of LaTeX."""
WRITTEN: Final = re.compile(
    rf"\\(?:r?\\n|(?!{_MACRO})n|begin\{{|item\b|(?:sub)*section\b|text(?:bf|it|rm|sf|tt)\{{|rtf\d|\\)"
)
"""A text in which this finds nothing is no such document."""

_LATEX: Final = re.compile(
    r"""
      (?P<nothing>\\(?:begin|end)\{[^{}]*\}(?:\[[^\]]*\])?(?:\{[^{}]*\})?
        | \\(?:label|ref|cite|vspace|hspace|usepackage|documentclass)(?:\[[^\]]*\])?\{[^{}]*\}
        | \\(?:hline|toprule|midrule|bottomrule|centering|noindent|maketitle|small|large|bigskip|medskip)\b[ ]?)
    | (?P<box>\\item[ ]?\[)?\$?\\(?:(?P<tick>checkmark|cmark|CheckedBox|boxtimes|XBox)|(?P<cross>xmark|ding\{55\}|Square|square|Box))\b[ ]?\$?(?(box)\])
    | (?P<item>\\item\b[ ]?(?:\[(?P<label>[^\]]*)\])?[ ]?)
    | (?P<heading>\\(?:sub)*(?:section|paragraph|chapter|caption)\*?\{(?P<title>[^{}]*)\})
    | (?P<styled>\\(?:text\w+|emph|underline|mbox)\{(?P<inner>[^{}]*)\})
    | (?P<end>\\\\(?:\[[^\]]*\])?(?:[ ]*\\(?:hline|midrule|bottomrule))*[ ]*\n?|\\newline\b[ ]?|\\par\b[ ]?)
    | (?P<char>\\[%&_\#${}])
    | (?P<cell>&)
    | (?P<braces>[{}])
    """,
    re.VERBOSE,
)
_RTF: Final = re.compile(
    r"""
      (?P<table>\{\\(?:fonttbl|colortbl|stylesheet|info|\*)[^{}]*(?:\{[^{}]*\}[^{}]*)*\})
    | (?P<end>\\(?:par|line|row|sect)\b[ ]?)
    | (?P<cell>\\(?:cell|tab)\b[ ]?)
    | (?P<byte>\\'(?P<code>[0-9A-Fa-f]{2}))
    | (?P<nothing>\\[a-z]+-?\d*[ ]?|[{}])
    """,
    re.VERBOSE,
)
_ESCAPED: Final = re.compile(rf"(?:\\r)?\\(?!{_MACRO})n|\\r(?![a-z])")


ESCAPED: Final = re.compile(r"\\u(?=00[89A-Fa-f]|0[1-9A-Fa-f]|[1-9A-Fa-f])([0-9A-Fa-f]{4})")
"""A character outside ASCII as JSON and Python write it."""


BRACKETED: Final = re.compile(
    r"\[(?P<end>/?)(?P<name>b|i|u|s|strike|list|ul|ol|li|\*|table|tr|td|th|quote|center|code|size|colou?r|font|url|h[1-6])(?:=[^\[\]\n]{0,60})?\]",
    re.IGNORECASE,
)
_HTML: Final = {"*": "li", "list": "ul", "quote": "div", "center": "div", "strike": "s"}
"""What HTML calls an element of BBCode; one that only changes how letters look is a span."""
_OF_LETTERS: Final = frozenset(("size", "color", "colour", "font", "url", "code"))


def unbracketed(text: str) -> Rewritten:
    """Return a text with the tags of BBCode as those of HTML, which are read then."""

    def written(match: re.Match[str]) -> str:
        name = match["name"].lower()
        name = "span" if name in _OF_LETTERS else _HTML.get(name, name)
        return f"<{match['end']}{name}>"

    return substituted(text, BRACKETED, written)


EXPORTED: Final = re.compile(r"[A-Z]{3,}[ ]?:\s*\([^()\n]*\"\)\s*=|\{\|(?=[^\n]*\n)")
"""A text in which this finds nothing is no dump of DICOM SR and no table of a wiki."""
_EXPORTS: Final = re.compile(
    r"""
      <(?:[a-z][a-z ]*[ ])?(?:CODE|TEXT|NUM|CONTAINER|PNAME|DATE|UIDREF)[ ]?:\s*
        \([^()"\n]*"(?P<name>[^"\n]*)"\)\s*=\s*(?:\([^()"\n]*"(?P<code>[^"\n]*)"\)|"(?P<text>[^"]*)"|\w*)[^<>\n]*>
    | (?<![^\n])[ \t]*(?:CODE|TEXT|NUM)[ ]?:\s{0,9}\([^()"\n]*"(?P<field>[^"\n]*)"\)\s{0,9}=\s{0,9}"?(?P<said>[^"\n]*)"?
    | (?P<table>\{\|[^\n]*|(?<=\n)\|\}[^\n]*|(?<=\n)\|-[^\n]*)
    | (?P<row>(?<=\n)[|!](?![}+-]))
    | (?P<cell>\|\||!!)
    """,
    re.VERBOSE,
)


SCAFFOLD: Final = re.compile(
    r"""(?<![^\n])[ \t]*(?:
        :(?:PROPERTIES|END|LOGBOOK): | \#\+(?:begin|end|title|author|date|caption|options|tblname|results)[\w-]*:?[^\n]*
      | \.\.[ ](?!(?:note|warning|important|attention|hint|tip|caution|danger|error|admonition)::)[a-z-]+::[^\n]* | :(?:header-rows|widths|align|stub-columns|class|width):[^\n]*
      | [-=]+(?:\+[-=]+)+ | \(\d+[ ]rows?\) | (?:Name:[ ]\w+,[ ])?dtype:[ ]\w+
      | INSERT[ ]INTO[ ][^\n]*?\bVALUES | (?:BEGIN|COMMIT|END);
      | <\?xml[^\n]*?\?> | %YAML[^\n]*
    )[ \t]*(?=\n|\Z|\()""",
    re.VERBOSE | re.IGNORECASE,
)
"""Lines that hold a document together and say nothing."""
QUERY: Final = re.compile(
    r"""\b(?:
        SELECT\s{1,9}[\w.,\s()*]{1,200}?\s{1,9}FROM\s{1,9}\w[^;\n]*
      | select\s{1,9}\*\s{1,9}from\s{1,9}\w[^;\n]*
      | (?i:DELETE\s{1,9}FROM\s{1,9}\w+\s{1,9}WHERE|UPDATE\s{1,9}\w+\s{1,9}SET\s{1,9}\w+\s{0,9}=)[^;\n]*
      | (?i:WHERE|HAVING)\s{1,9}\w[\w.]{0,80}\s{0,9}(?:(?:=|!=|<>)\s{0,9}['"]|(?i:IN)\s{0,9}\(\s{0,9}['"]|(?i:LIKE)\s{1,9}['"])[^;\n]*
    );?""",
    re.VERBOSE,
)
"""What asks a data base for reports, and is none."""
QUERYING: Final = ("SELECT", "select", "WHERE", "where", "DELETE", "UPDATE", "HAVING")
"""A text without one of these asks nothing."""
FRAMED: Final = (
    ":END:",
    ":PROP",
    "#+",
    ".. ",
    "-+-",
    "rows)",
    "dtype:",
    "VALUES",
    "<?xml",
    "%YAML",
)
"""A text without one of these has no such line."""


def unframed(text: str) -> Rewritten:
    """Return a text without the lines that hold a document together."""
    return substituted(text, SCAFFOLD, lambda match: "")


def unqueried(text: str) -> Rewritten:
    """Return a text without what asks a data base."""
    return substituted(text, QUERY, lambda match: "\n")


def exported(text: str) -> Rewritten:
    """Return a dump of DICOM SR as fields with answers, a wiki's table as rows with bars."""
    wiki = "{|" in text

    def written(match: re.Match[str]) -> str:
        if match["name"] is not None:
            said = match["text"] if match["code"] is None else match["code"]
            return f"{match['name']}: {said or ''}"
        if match["field"] is not None:
            return f"{match['field']}: {match['said']}"
        if not wiki:
            return match.group()
        return "" if match["table"] is not None else "|"

    return substituted(text, _EXPORTS, written)


QUOTED: Final = re.compile(
    r"(?<!\\)\"\s*[{\[](?:[\s{\[]|\\[nrt])*\\\"(?:[^\"\\]|\\.)*\"", re.DOTALL
)
"""JSON within a string of JSON, as the answer of a tool holds it."""
_BACKSLASHED: Final = re.compile(r"\\([\"\\/nrt])")


_BOXED: Final = re.compile(r"\$*\\boxed\{(?P<inner>[^\n]{0,4000}|[^\\]{0,4000})\}")
_IN_TEXT: Final = re.compile(r"\\text\{([^{}]*)\}")


def unboxed(text: str) -> Rewritten:
    """Return a text without the box that TeX draws around a final answer."""
    writer = Rewriter(text)
    for match in _BOXED.finditer(text):
        writer.keep_to(match.start())
        writer.drop_to(match.start("inner"))
        for inner in _IN_TEXT.finditer(text, *match.span("inner")):
            writer.keep_to(inner.start())
            writer.drop_to(inner.start(1))
            writer.keep_to(inner.end(1))
            writer.drop_to(inner.end())
        writer.keep_to(match.end("inner"))
        writer.drop_to(match.end())
    return writer.finish()


def unquoted(text: str) -> Rewritten:
    """Return a text with JSON that stands in a string as JSON itself."""
    writer = Rewriter(text)
    for match in QUOTED.finditer(text):
        writer.keep_to(match.start())
        writer.drop_to(match.start() + 1)
        for escape in _BACKSLASHED.finditer(text, match.start(), match.end() - 1):
            writer.keep_to(escape.start())
            writer.put("\n" if escape[1] in "nr" else escape[1].replace("t", " "), escape.end())
        writer.keep_to(match.end() - 1)
        writer.drop_to(match.end())
    return writer.finish()


def unescaped(text: str) -> Rewritten:
    """Return a text with characters in place of their numbers (the bullet's 2022 behind a "u")."""
    return substituted(text, ESCAPED, lambda match: _character(int(match[1], 16)))


def _character(code: int) -> str:
    char = chr(code)
    return char if char.isprintable() else " "


def shown(text: str) -> Rewritten:
    """Return a document's text as it would be shown.

    Args:
        text: LaTeX, RTF, or text with line ends written as a backslash and an n.
    """
    if text.lstrip().startswith("{\\rtf"):
        return _rtf(text)
    if "\\begin{" in text or "\\item" in text or "section" in text or "\\text" in text:
        return _latex(text)
    return substituted(text, _ESCAPED, lambda match: "\n")


def _latex(text: str) -> Rewritten:
    writer = Rewriter(text)
    for match in _LATEX.finditer(text):
        writer.keep_to(match.start())
        kind = match.lastgroup
        if match["tick"] is not None or match["cross"] is not None:
            line = "" if match["box"] is None else "\n"
            writer.put(line + ("[x]" if match["cross"] is None else "[ ]"), match.end())
        elif match["item"] is not None:
            writer.put("" if writer.ends_with("\n") else "\n")
            writer.put("- ", match.end() if match["label"] is None else match.start("label"))
            if match["label"] is not None:
                writer.keep_to(match.end("label"))
                writer.put(" ", match.end())
        elif match["heading"] is not None:
            writer.put("" if writer.ends_with("\n") else "\n", match.start("title"))
            writer.keep_to(match.end("title"))
            writer.put(":\n", match.end())
        elif match["styled"] is not None:
            writer.drop_to(match.start("inner"))
            writer.keep_to(match.end("inner"))
            writer.drop_to(match.end())
        elif kind == "end":
            writer.put("\n", match.end())
        elif kind == "char":
            writer.drop_to(match.start() + 1)
            writer.keep_to(match.end())
        elif kind == "cell":
            writer.put(" | ", match.end())
        else:
            writer.drop_to(match.end())
    return writer.finish()


def _rtf(text: str) -> Rewritten:
    writer = Rewriter(text)
    for match in _RTF.finditer(text):
        writer.keep_to(match.start())
        if match["end"] is not None:
            writer.put("\n", match.end())
        elif match["cell"] is not None:
            writer.put(" | ", match.end())
        elif match["byte"] is not None:
            writer.put(bytes.fromhex(match["code"]).decode("cp1252", "replace"), match.end())
        else:
            writer.drop_to(match.end())
    return writer.finish()
