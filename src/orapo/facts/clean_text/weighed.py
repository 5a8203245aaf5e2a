"""Answers that are weighed against each other: "present: 0.04, absent: 0.92" becomes "absent".

Classifiers, and language models that write like them, give each possible answer a number or a mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from orapo.facts.clean_text.rewriting import Rewriter, Rewritten

_YES: Final = frozenset(
    ("present", "positive", "pos", "yes", "true", "detected", "seen", "mild", "moderate", "severe", "small", "large", "abnormal", "enlarged")
)  # fmt: skip
_NO: Final = frozenset(
    ("absent", "negative", "neg", "no", "none", "false", "not detected", "not present", "not seen", "normal")
)  # fmt: skip
_PERHAPS: Final = frozenset(
    ("uncertain", "equivocal", "indeterminate", "possible", "maybe", "unclear", "doubtful")
)
_NOTHING: Final = frozenset(
    ("unknown", "blank", "not mentioned", "unmentioned", "not assessed", "missing")
)
_KEYS: Final = "|".join(
    key.replace(" ", "[ _]") for key in sorted(_YES | _NO | _PERHAPS | _NOTHING, key=len)[::-1]
)
_FULL: Final = frozenset(("true", "yes", "x", "[x]", "[✓]", "(x)", "☑", "☒", "✓", "✔", "✅", "■"))
_EMPTY: Final = frozenset(
    ("false", "no", "null", "[]", "[ ]", "()", "( )", "☐", "✗", "❌", "□", "")
)
_MEMBER: Final = re.compile(
    rf"(?P<open>[\"']?|<)(?<![A-Za-z0-9_])(?:is[ _])?(?:p(?:rob(?:ability)?)?(?:[ _]|(?P<of>\())?)?(?P<key>{_KEYS})(?:[ _](?:prob(?:ability)?|score))?(?(of)\))(?P<shut>(?P=open)|>)"
    r"(?P<sign>[ \t]*(?:=>?|:)[ \t]*|(?<=>)|[ \t]+(?=[\d\[(☐-☒✓-✘□■]|(?:true|false|yes|no|x)\b))(?P<quote>[\"']?)"
    r"(?P<value>[01]?\.\d+|[01](?!\d)|\d{1,3}(?:\.\d+)?[ ]?%|true\b|false\b|yes\b|no\b|null\b|x\b|\[[ x✓]?\]|\([ x]?\)|[☐-☒✓-✘✅❌□■]|(?=[ \t]*(?:[,;|/)}\n\"'<]|\Z)))"
    r"(?![.\w]\d|\w)(?P=quote)(?:</[\w ]{1,30}>)?",
    re.IGNORECASE,
)
_AHEAD: Final = re.compile(
    rf"(?P<open>)(?P<sign>)(?<![\w.])(?P<value>[01]?\.\d+|\d{{1,3}}(?:\.\d+)?[ ]?%)[ \t]*(?:[-:=][ \t]*)?"
    rf"(?:chance |probability |likely |likelihood )?(?:of being |of )?(?P<key>{_KEYS})(?!\w)",
    re.IGNORECASE,
)
"""The weight before its answer: "3% present, 97% absent"."""
_BOXED: Final = re.compile(
    rf"(?P<open>)(?P<sign>)(?P<value>\[[ xX✓]?\]|\([ xX]?\)|[☐-☒✓-✘✅❌□■])[ \t]*(?P<key>{_KEYS})(?=[ \t]*(?:[,;|/()\[\]\n☐-☒✓-✘✅❌□■]|[-–—:]\s|\Z))",
    re.IGNORECASE,
)
"""A box before its answer: "[ ] none [x] mild"."""
_BOX_BEHIND: Final = re.compile(r"[ \t]*(?:\[[ xX✓]?\]|\([ xX]?\)|[☐-☒✓-✘✅❌□■])")
WEIGHED: Final = re.compile(
    rf"(?<![A-Za-z])(?:{_KEYS})(?:[ _](?:prob(?:ability)?|score))?\)?[\"'>]?[ \t]*[=:]?>?[ \t]*[\"']?(?:[01]?\.\d|[01](?![.\w])|\d{{1,3}}(?:\.\d+)?[ ]?%|true\b|false\b|yes\b|no\b|x\b|\[|\(|[☐-☒✓-✘✅❌□■])"
    rf"|(?:\.\d+|\d[ ]?%)[ \t]*[-:=]?[ \t]*(?:chance |probability |likely |likelihood )?(?:of being |of )?(?:{_KEYS})(?!\w)"
    rf"|[\])☐-☒✓-✘✅❌□■][ \t]*(?:{_KEYS})(?!\w)",
    re.IGNORECASE,
)
"""A text in which this finds nothing has none."""
_BETWEEN: Final = re.compile(r"[ \t]*[,;/|]?\s{0,40}(?:[-*•+][ \t]+)?\Z")
_ITEM: Final = re.compile(r"[ \t]*(?:[-*•+][ \t]+)?\Z")
_EVEN: Final = 0.5


def answered(text: str) -> Rewritten | None:
    """Return a text with the answer that weighs most in place of all of them; None if it has none.

    Args:
        text: As given, its names not yet before their answers.
    """
    writer: Rewriter | None = None
    for members in _boxed(text) or [*_runs(_MEMBER, text)] or _runs(_AHEAD, text):
        said = _said(members)
        start, end = members[0].start(), members[-1].end()
        line = text[max(text.rfind("\n", 0, start) + 1, start - _LONGEST) : start]
        if said is None:
            continue
        writer = writer or Rewriter(text)
        writer.keep_to(start)
        opened, sign = members[0]["open"], members[0]["sign"].strip()
        if opened == "<":
            written = f"<answer>{said}</answer>"
        elif opened:
            written = f"{opened}answer{opened}{sign}{opened}{said}{opened}"
        elif line.rfind("<") > line.rfind(">"):
            written = f'answer="{said}"'
        elif line.strip() and _ITEM.match(line) and _asked_above(text, start - len(line)):
            written = said  # "Edema:" above "- [ ] None"
        elif _ITEM.match(line) or line.rstrip()[-1:] in (",", ";"):
            written = f"answer: {said}"
        elif line.rstrip()[-1:].isalnum():
            written = f": {said}"
        else:
            written = said
        writer.put(written, end)
    return None if writer is None else writer.finish()


_CODE: Final = r"(?:[A-Za-z][A-Za-z ]{1,20}?[ ]?[:=]?[ ]?\d|\d[ ]?[:=][ ]?[A-Za-z][A-Za-z ]{1,20})"
CODED: Final = re.compile(
    rf"(?<=[\w)])[ ]?[(\[,][ ]?(?P<codes>{_CODE}(?:[ ]?[,;/|][ ]?{_CODE}){{1,5}})[ ]?[)\]]?"
    r"[ ]?(?:[:=?]|\.{2,8})[ ]?(?P<said>\d)(?![\w%]|[.,]\d|[ ]?[a-z])"
)
"""The answers of a field with their codes, and the code that answers it: "Edema (absent=0, present=1): 0"."""
_ONE_CODE: Final = re.compile(
    r"(?P<before>\d)?[ :=]*(?P<word>[A-Za-z][A-Za-z ]*[A-Za-z])[ :=]*(?P<behind>\d)?"
)


def decoded(text: str) -> Rewritten:
    """Return a text with the answer that a field's code stands for, in place of code and key."""
    writer = Rewriter(text)
    for match in CODED.finditer(text):
        codes = _ONE_CODE.finditer(match["codes"])
        said = {code["before"] or code["behind"]: code["word"] for code in codes}
        if match["said"] in said:
            writer.keep_to(match.start())
            writer.put(f": {said[match['said']]}", match.end())
    return writer.finish()


_LONGEST: Final = 200
"""Characters of a line that are looked at before an answer."""


def _asked_above(text: str, at: int) -> bool:
    """Whether the line above ends with a colon."""
    return text[max(0, at - _LONGEST) : at].rstrip().endswith(":")


def _boxed(text: str) -> list[list[re.Match[str]]]:
    """Return the answers that have their boxes before them, where no box stands behind the last one."""
    return [run for run in _runs(_BOXED, text) if not _BOX_BEHIND.match(text, run[-1].end())]


def _runs(pattern: re.Pattern[str], text: str) -> Iterator[list[re.Match[str]]]:
    """Yield the members that stand beside each other, where they weigh different answers."""
    run: list[re.Match[str]] = []
    for member in pattern.finditer(text):
        again = any(_key(member) == _key(one) for one in run)
        if run and (again or not _BETWEEN.match(text, run[-1].end(), member.start())):
            if len({_kind(one) for one in run}) > 1:
                yield run
            run = []
        run.append(member)
    if len({_kind(one) for one in run}) > 1:
        yield run


def _key(member: re.Match[str]) -> str:
    return member["key"].lower().replace("_", " ")


def _kind(member: re.Match[str]) -> frozenset[str]:
    return next(kind for kind in (_YES, _NO, _PERHAPS, _NOTHING) if _key(member) in kind)


def _said(members: list[re.Match[str]]) -> str | None:
    """Return the answer that weighs most, "unknown" where none does; None where that can't be told."""
    kinds = {_kind(member) for member in members}
    weights = [_weight(member["value"].lower()) for member in members]
    most = max(weights)
    best = [member for member, weight in zip(members, weights, strict=True) if weight == most]
    whole = _YES in kinds and _NO in kinds
    if not whole and most < _EVEN:
        return "absent" if not most and _YES in kinds else None  # "present: 0, uncertain: 0"
    found = {_kind(member) for member in best}
    if not most or len(found) > 1:
        return "uncertain" if most and found == {_YES, _PERHAPS} else "unknown"
    if found == {_PERHAPS}:
        return "uncertain"
    return "unknown" if found == {_NOTHING} else _key(best[0])


def _weight(value: str) -> float:
    if value in _FULL or value in _EMPTY:
        return float(value in _FULL)
    return float(value.rstrip(" %")) / (100 if value.endswith("%") else 1)
