"""Records that answer before they name: "answer: yes" above "finding: Edema" becomes "Edema: yes".

YAML, XML and forms may write the members of a record in any order. In each record of such a text the answer
stands first; where one does not, nothing is changed.
"""

from __future__ import annotations

import re
from typing import Final

from orapo.facts.clean_text.rewriting import Rewriter, Rewritten
from orapo.facts.forms.answers import AnswerWords
from orapo.facts.forms.items import ANSWERING, DENYING, NAMING, turned

_MEMBER: Final = re.compile(
    r"(?:(?<![^\n])|(?<=[|;,]))[ \t]*(?:[-*][ \t]+|\d{1,2}[.)][ \t]+)?(?P<key>[A-Za-z][A-Za-z _]{1,24}?)[ \t]*[:=][ \t]*"
    r"(?P<value>[^\s|;,][^\n|;,]*)"
)
_PARTS: Final = " \t\n|;,"
"""What may stand between the members of a record."""

_PARTING: Final = re.compile(r"[\n|;,]")

ANSWERED: Final = re.compile(
    r"(?:present|status|answer|value|presence|result|positive|detected|negated|absent|prediction|assertion|state)[\"']?[ \t]*[:=]",
    re.IGNORECASE,
)
"""A text in which this finds nothing has no such records."""


def named_first(text: str, words: AnswerWords) -> Rewritten | None:
    """Return a text with every record's name before its answer; None if none answers first.

    Args:
        text: With typography resolved.
        words: What answers are made of.
    """
    pairs: list[tuple[re.Match[str], str, re.Match[str]]] = []
    answer: tuple[re.Match[str], str] | None = None
    for member in _MEMBER.finditer(text):
        key = " ".join(member["key"].replace("_", " ").split())
        said = _said(key, member["value"].strip(" \t\"'"), words)
        if said is not None:
            if answer is not None:
                return None  # two answers to a name, or a name above them
            answer = member, said
        elif NAMING.match(key) and words.pure(member["value"]) is None:
            if answer is None or not _are_members(text[answer[0].end() : member.start()]):
                return None
            pairs.append((*answer, member))
            answer = None
    if not pairs or answer is not None:
        return None
    writer = Rewriter(text)
    for before, said, named in pairs:
        writer.keep_to(before.start("key"))
        end = before.end()
        while text[end] in _PARTS:
            end += 1
        writer.drop_to(end)
        writer.keep_to(named.start("key"))
        writer.drop_to(named.start("value"))
        writer.keep_to(named.start("value") + len(named["value"].rstrip()))
        writer.put(f": {said}")
    return writer.finish()


FLOWING: Final = re.compile(
    r"(?<![^\n])(?P<lead>[ \t]*(?:-[ \t]+)?)(?:\{(?P<flow>[^{}\n\"':]{1,30}:[ \t][^{}\n]{1,300})\}"
    r"|[a-z_]\w*[ ]?\{[ \t]*\n(?P<block>(?:[ \t]*\w+[ \t]*[:=][^\n{}]*\n){1,12})[ \t]*\})[ \t]*(?=\n|\Z)"
    r"|(?<=[\s\[(,])[A-Z]\w*\((?P<call>(?:name|label|finding|condition|present|status|value)[ ]?=[^()\n]{1,300})\),?"
)
"""Members of a record within brackets: "{name: Edema, present: no}", "Finding(name='Edema', present=False)"."""
_COMMA: Final = re.compile(r",[ \t]*(?=\w+[ \t]*[:=])")


def flowed(text: str) -> Rewritten:
    """Return a text with every member of such a record on a line of its own."""
    writer = Rewriter(text)
    for match in FLOWING.finditer(text):
        group = next(name for name in ("flow", "block", "call") if match[name] is not None)
        writer.keep_to(match.start())
        writer.put("\n- ", match.start(group))
        for comma in _COMMA.finditer(text, *match.span(group)):
            writer.keep_to(comma.start())
            writer.put("\n  ", comma.end())
        writer.keep_to(match.end(group))
        writer.put("\n" if group == "call" else "", match.end())
    return writer.finish()


NUMBERED: Final = re.compile(
    r"(?:(?<![^\n])|(?<=[/|;]))[ \t]*(?P<number>[A-Za-z]{0,8}[ -]?\d{0,4})[ \t]*:[ \t]*(?P<key>[A-Z][A-Za-z ]{1,24}?)[ \t]*:?=[ \t]*(?P<value>[^\n/|;=]+)"
)
"""A member behind its record's number: "12: Finding = Edema", and below it "12: Presence = No"."""


def unnumbered(text: str) -> Rewritten:
    """Return a text without the numbers of records, each member on a line of its own."""
    writer = Rewriter(text)
    for match in NUMBERED.finditer(text):
        key = match["key"].strip()
        if not (NAMING.match(key) or ANSWERING.match(key) or DENYING.match(key)):
            continue
        writer.keep_to(match.start())
        writer.put("" if text[match.start() - 1 : match.start()] in ("", "\n") else "\n")
        writer.drop_to(match.start("key"))
        writer.keep_to(match.end("key"))
        writer.put(": ", match.start("value"))
        writer.keep_to(match.end())
    return writer.finish()


def _are_members(between: str) -> bool:
    """Whether other members stand between an answer and its name, and no words of another thing."""
    parts = _PARTING.split(between)
    return all(":" in part or "=" in part for part in parts if part.strip())


def _said(key: str, value: str, words: AnswerWords) -> str | None:
    """Return what a member answers; None if it is no answer."""
    if ANSWERING.match(key):
        return value if words.pure(value) is not None else None
    return turned(value) or None if DENYING.match(key) else None
