"""Short ways of writing an answer, spelled out: signs, letters in brackets, names in one word.

"Edema -, effusion +", "(-) edema", "Effusion [no]", "Effusion 0", "('Edema', False)", "LungOpacity: yes". Each
rule is tried where its mark stands in the text, in this order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from orapo.facts.clean_text.rewriting import Rewritten, substituted
from orapo.facts.clean_text.signs import SIGNED, empty_minus, same_sign, signed
from orapo.facts.forms.items import HUMP, turned

_BEGINS: Final = r"(?:(?<![^\n])|(?<=[,;] )|(?<=: )(?=[+-] ))[ \t]*"
"""A line, or an entry of a list within one."""
_CHOICE: Final = r"(?:yes|no|y|n|present|absent|positive|negative|true|false|unknown|uncertain|n/a)"


def _box(match: re.Match[str]) -> str:
    """Return a box as it is written without padding."""
    mark = next((group for group in match.groups() if group), " ")
    left, right = match[0][0], match[0][-1]
    return f"{left}{'x' if mark == '*' else mark}{right}"


_SAID: Final = (
    r"(?:(?:not |un)?(?:present|seen|detected|identified|found|observed|noted|confirmed)|absent|yes|no|true|false|positive"
    r"|negative|pos|neg|excluded|unknown|uncertain|possible|n/a)"
)
_WORDS: Final = {"0": "no", "1": "yes"}
"""Numbers in brackets would begin the entries of a list."""
_LISP: Final = {"t": "yes", "nil": "no", "#t": "yes", "#f": "no"}
_LETTERS: Final = {"y": "yes", "n": "no"}
_COUNTED: Final = re.compile(
    r"(?<![^\n])([A-Za-z][A-Za-z /-]{2,40})(?: |[ ]?/[ ]?)([01])(?=[ \t]*(?:\n|\Z))"
)
_COUNTED_AHEAD: Final = re.compile(
    r"(?<![^\n])[ \t]*(?:[-*][ \t]+)?(\d)[ \t]+(?=[A-Za-z]{3,}(?:[ /-][A-Za-z]+){0,5}[ \t]*(?:\n|\Z))"
)
"""A list may begin with 1, but none with 0."""
_BLANK: Final = re.compile(
    r"(?<![^\n])[ \t]*_{1,40}([xX*]?)_{1,40}[ \t]+(?=[A-Z][A-Za-z/]*(?: [A-Za-z/]+){0,4}[ \t]*(?:\n|\Z))"
)
"""A line to be marked by hand, before a name: "_X_ Edema" above "___ Fracture"."""
_SIGN_BEHIND: Final = re.compile(
    r"(?<=[A-Za-z)])([ \t]*[:=]?[ \t]*)(\+{1,3}|-{1,3}|[–—])(?=[ \t]*(?:[,;.|/\n]|\Z))"
)
_GLUED: Final = re.compile(
    r"(?<![^\n])(?:[A-Za-z][A-Za-z /]{1,60}[+-][ \t]?[,;/][ \t]*)+[A-Za-z][A-Za-z /]{1,60}[+-][ \t]*\.?(?=\n|\Z)"
)
"""A line of names with a sign at each one's end: "Edema-, fracture-"."""
_SIGNED_RUN: Final = re.compile(
    r"(?<![^\n])(?=[^\n]*[a-z]\+)(?=[^\n]*[a-z]-(?:\s|\Z))(?:[A-Za-z][A-Za-z /]{1,60}[+-][ \t]+)+[A-Za-z][A-Za-z /]{1,60}[+-](?=[ \t]*(?:\.?[ \t]*\n|\.?\Z))"
)
"""The same without marks between them, some with a plus and some with a minus: "Edema- fracture+"."""
_SLASH: Final = re.compile(r"[ \t]+//?[ \t]+")
_SLASHED: Final = re.compile(r"[ ]//?[ ](?:no|without) [a-z]{3}", re.IGNORECASE)
"""Entries with a slash between them, of which a later one denies: "edema / no effusion", not "no edema / effusion"."""
_SLASH_ANSWERS: Final = re.compile(
    r"/[ \t]*(?:yes|present|positive|true|no|absent)\b[ \t]*(?:[A-Z/,;\n]|\Z)"
)
_SIGN_AT_END: Final = re.compile(r"(?<=[A-Za-z])()([+-])[ \t]*")
_SIGN_AHEAD: Final = re.compile(_BEGINS + r"()\(?(\+|[-–])\)?[ \t]*(?=[A-Za-z])")

_BONE: Final = (
    r"(?:ribs?|clavicles?|humerus|humeral|scapulae?|sternum|sternal|vertebrae?|vertebral)"
)
_WHICH: Final = (
    r"(?:of|the|left|right|bilateral|multiple|[lr]|lt|rt|old|new|acute|heal(?:ed|ing)|displaced|undisplaced|distal|proximal|mid|middle"
    r"|shaft|lateral|medial|posterior|anterior|surgical|neck|lower|upper|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth"
    r"|tenth|\d{1,2}(?:st|nd|rd|th)?)"
)
_FRACTURED: Final = re.compile(
    rf"\b({_BONE}(?: \d{{1,2}}(?:[,-] ?\d{{1,2}}){{0,4}})?) ?#s?(?![\w#])"
    rf"|(?:(?<=[^\n#])(?<!image[ ])(?<!series[ ])(?<!accession[ ])(?<!mrn[ ])(?<!view[ ])(?<!film[ ])(?<!case[ ])(?<!exam[ ])(?<!study[ ])#s?|#s(?= )|(?<![^\n])#(?=[a-z]|(?![^\n.,;]*\b(?:normal|intact|unremarkable|no|not|without|clear)\b)[^\n]*\.[ \t]*(?:\n|\Z)))(?!\d)[ ]?(?=(?:{_WHICH}[ ,-]+(?:and |& )?){{0,6}}{_BONE}\b)",
    re.IGNORECASE,
)
"""A number sign that is read as "fracture", as it is beside a bone in hand-written notes."""

_RULES: Final[
    tuple[tuple[tuple[str, ...], re.Pattern[str], Callable[[re.Match[str]], str]], ...]
] = (
    (  # Ruby's "{:edema => false, :fracture => true}"
        ("=>",),
        re.compile(r"\{(?=\s*:?[\"']?[A-Za-z])([^{}]{0,2000}=>[^{}]{0,2000})\}"),
        lambda match: match[1],
    ),
    (  # "+: edema, fracture" above "-: effusion"
        ("+:", "-:", "+ :", "- :"),
        re.compile(
            r"(?<![^\n])[ \t]*(?:[*-][ \t]+)?(?:\*\*)?([+-])[ \t]*(?:\*\*)?:(?:\*\*)?(?=[ \t\n])"
        ),
        lambda match: "Present:" if match[1] == "+" else "Absent:",
    ),
    (  # "LungOpacity: yes"
        (":", "=", "|", "->"),
        re.compile(
            r"\b(?:[a-z]{3,}|[A-Z][a-z]{2,})(?:[A-Z][a-z]{2,})+(?=[\"']?[ \t]*(?:[:=|]|->))"
        ),
        lambda match: HUMP.sub(" ", match[0]),
    ),
    (  # "(Edema . absent)", "(edema; definitely absent)", each on a line
        (" . ", "; ", " = ", ": "),
        re.compile(
            rf"\(\s*([A-Za-z][^()\n.;:=|]{{2,60}}?)(?:\s+\.|;|:|\s*=)\s+((?:definitely |probably )?{_SAID})\s*\),?",
            re.IGNORECASE,
        ),
        lambda match: f"\n{match[1]}: {match[2]}\n",
    ),
    (  # "absent(Edema)"
        ("(",),
        re.compile(
            rf"(?<![^\s,;&])(?:not[_ ])?{_SAID}\((['\"]?)([A-Za-z][^()\n]{{2,60}})\1\)[.,;]?",
            re.IGNORECASE,
        ),
        lambda match: f"\n{match[0][: match[0].index('(')]}: {match[2]}\n",
    ),
    (  # "Edema: {absent}"
        ("{",),
        re.compile(
            r"(?<=[:=])([ \t]*)\{[ \t]*([A-Za-z][A-Za-z ]{0,30})[ \t]*\}(?=[ \t]*[.,;]?[ \t]*(?:\n|\Z))"
        ),
        lambda match: match[1] + match[2],
    ),
    (  # "Edema ==> no", "Edema --> no"
        ("=>", "->", "=>>"),
        re.compile(r"[ \t]*(?:={2,3}|-{2,3}|~)>+[ \t]*"),
        lambda match: " -> ",
    ),
    (  # "no edema [SEP] effusion"
        ("[", "<|"),
        re.compile(r"[ \t]*(?:\[(?:SEP|CLS|PAD|EOS|BOS|NL|BR)\]|<\|[a-z_ ]+\|>)[ \t]*"),
        lambda match: "\n",
    ),
    (  # "Edema ..... [x] yes [ ] no"
        ("...",),
        re.compile(r"[ \t]{0,40}(?<!\.)\.{3,}[ \t]{0,40}(?=[\[(][ xX]?[\])])"),
        lambda match: ": ",
    ),
    (  # "Edema: <<absent>>"
        ("<",),
        re.compile(rf"(?<=[:=])[ \t]*<({_SAID})>(?=[ \t]*[.,;]?[ \t]*(?:\n|\Z))", re.IGNORECASE),
        lambda match: f" {match[1]}",
    ),
    (  # an em dash without spaces
        ("—", "–"),
        re.compile(rf"(?<=[A-Za-z])[—–](?={_SAID}\b)", re.IGNORECASE),
        lambda match: " - ",
    ),
    (  # "Assessment: absent" below a name
        ("ssessment", "onclusion", "utput", "nterpretation", "etermination", "udg"),
        re.compile(
            r"(?<![^\n])((?:[ \t]*[-*+]|[ \t])[ \t]+(?:\*\*)?)(?:assessment|conclusion|output|interpretation|determination|judge?ment)"
            rf"(?=(?:\*\*)?:(?:\*\*)?[ \t]*(?:\*\*)?{_SAID}(?:\*\*)?[ \t.]*(?:\n|\Z))",
            re.IGNORECASE,
        ),
        lambda match: f"{match[1]}Status",
    ),
    (  # "Edema? - yes"
        ("?",),
        re.compile(rf"\?[ \t]*(?:[-–—=:>]+)[ \t]*(?={_CHOICE}\b)", re.IGNORECASE),
        lambda match: "? ",
    ),
    (  # 'edema="absent" fracture="present"'
        ('="',),
        re.compile(rf"=\"({_SAID})\"(?=[ ,;\n]|\Z)[ ,;]*", re.IGNORECASE),
        lambda match: f": {match[1]}\n",
    ),
    (  # Lua's '["edema"] = false'
        ('["', "['"),
        re.compile(r"\[([\"'])([A-Za-z][^\"'\[\]\n]{2,60})\1\][ \t]*=[ \t]*([\w\"']+)[,;]?"),
        lambda match: f"\n{match[2]}: {match[3]}\n",
    ),
    (  # Lisp's '("edema" . nil)'
        (" . ",),
        re.compile(
            r"\([ ]*\"?([A-Za-z][^()\n\".;:=|]{2,60}?)\"?[ ]+\.[ ]+(t|nil|\#t|\#f|[01])[ ]*\)"
        ),
        lambda match: f"\n{match[1]}: {_LISP.get(match[2], match[2])}\n",
    ),
    (  # "edema[0], fracture[1]"
        ("[0]",),
        re.compile(r"(?<=[a-z])\[([01])\](?=[,;\n]|\.?\Z)"),
        lambda match: f" ({_WORDS[match[1]]})",
    ),
    (  # "edema_0, fracture_1"
        ("_0",),
        re.compile(r"(?<=[a-z])_([01])(?=[,;\s]|\.?\Z)"),
        lambda match: f" ({_WORDS[match[1]]})",
    ),
    (  # "Edema: (Y) N", of which one is in a ring
        (": (", " ("),
        re.compile(
            r"(?<=[:?])[ \t]*(?:\((y|n|yes|no)\)[ \t]*/?[ \t]*(?:y|n|yes|no)|(?:y|n|yes|no)[ \t]*/?[ \t]*\((y|n|yes|no)\))(?=[ \t]*(?:\n|\Z))",
            re.IGNORECASE,
        ),
        lambda match: f" {match[1] or match[2]}",
    ),
    (  # "[ x ]", "[_]", "(*)"
        ("[", "("),
        re.compile(
            r"\[(?:[ ]+([xX+-])[ ]*|([xX+-])[ ]+|[ ]{2,}|_{1,3}|(\*))\]|\((?:[ ]+([xX])[ ]*|([xX])[ ]+|[ ]{2,}|_{1,3}|(\*))\)"
        ),
        _box,
    ),
    (  # a placeholder that was not filled
        ("{{", "${"),
        re.compile(r"\{\{[^{}\n]{0,60}\}\}|\$\{[^{}\n]{0,60}\}"),
        lambda match: "n/a",
    ),
    (  # 'CONTAINS CODE: "Edema" = "Absent"'
        ('" = "', '"="'),
        re.compile(
            r"(?<![^\n])[^\n\"]{0,60}\"([A-Za-z][^\"\n]{2,60})\"[ \t]*=[ \t]*\"([^\"\n]{1,60})\"[ \t]*(?=\n|\Z)"
        ),
        lambda match: f"{match[1]}: {match[2]}",
    ),
    (  # "('Edema', False)"
        ("('", '("', "( "),
        re.compile(r"\(\s*['\"]([^'\"\n]{2,60})['\"]\s*[,:]\s*['\"]?([\w.-]+)['\"]?\s*\),?"),
        lambda match: f"\n{match[1]}: {match[2]}\n",
    ),
    (  # "[Effusion: no] [Edema: yes]", each on a line
        ("[",),
        re.compile(r"\[([A-Za-z][^\[\]{}\"\n:]{1,60}:[^\[\]{}\"\n]{1,60})\]"),
        lambda match: f"\n{match[1]}\n",
    ),
    (  # "Effusion? [ ]"
        ("? [",),
        re.compile(r"\?[ \t]+(?=\[[ xX+-]?\][ \t]*(?:[\n,;.]|\Z))"),
        lambda match: " ",
    ),
    (  # "Effusion: [Yes] No": of two answers the one in brackets
        ("[",),
        re.compile(
            rf"(?<=[:=?]) *(?:\[({_CHOICE})\] */? *{_CHOICE}|{_CHOICE} */? *\[({_CHOICE})\])(?!\w)",
            re.IGNORECASE,
        ),
        lambda match: f" {match[1] or match[2]}",
    ),
    (  # "Effusion: **Yes** / No": or the one in bold type
        ("**",),
        re.compile(
            rf"(?<=[:=?|]) *(?:\*\*({_CHOICE})\*\* *[/|] *{_CHOICE}|{_CHOICE} *[/|] *\*\*({_CHOICE})\*\*)(?![\w*])",
            re.IGNORECASE,
        ),
        lambda match: f" {match[1] or match[2]}",
    ),
    (  # "Effusion: yes | no": of two answers none
        ("|", "/"),
        re.compile(
            rf"(?<=[:=?])[ \t]*[\[<(]?{_CHOICE}(?:[ \t]*[|/][ \t]*{_CHOICE})+[\]>)]?(?=[ \t]*(?:[\n,;.]|\Z))",
            re.IGNORECASE,
        ),
        lambda match: " n/a",
    ),
    (  # "Cardiomegaly/No effusion/No edema"
        ("/No ",),
        re.compile(r"(?<=[a-z]{3})/(?=No \w+(?: \w+){0,3}(?:/No |\.?[ \t]*(?:\n|\Z)))"),
        lambda match: "; ",
    ),
    (  # "Edema/no Fracture/yes"
        ("/",),
        re.compile(
            r"(?<=[a-z]{3})(?<!\byes)[ \t]?/[ \t]?(yes|no|present|absent|positive|negative|true|false)"
            r"(?=[ \t]+[A-Z][A-Za-z /]{0,60}/[ \t]?(?:(?i:yes|no|present|absent|positive|negative|true|false))\b|[ \t]*(?:[\n,;.]|\Z))",
            re.IGNORECASE,
        ),
        lambda match: f": {match[1]}\n",
    ),
    (  # a tagger's "Edema<tab>B-FIND<tab>negated"
        ("B-", "I-", "S-"),
        re.compile(r"(?<![^\n])([A-Za-z][^\t\n|]{1,60})\t[BIES]-[A-Z][A-Z_-]*\t"),
        lambda match: f"{match[1]}\t",
    ),
    (  # "Effusion [no]", "Edema {mild}"
        ("[", "{"),
        re.compile(
            r"(?<=[A-Za-z] )(?:\[(?=[^\[\]]+\])|\{(?=[^{}]+\}))([A-Za-z][A-Za-z ]{2,30}|no|[yn01])[\]}]",
            re.IGNORECASE,
        ),
        lambda match: f"({_WORDS.get(match[1], match[1])})",
    ),
    (  # "(absent) Edema", "[N] Edema"
        ("(", "["),
        re.compile(
            rf"(?<![^\n])[ \t]*(?:[-*][ \t]+|\d{{1,2}}[.)][ \t]+)?[(\[]({_SAID}|[YyNn])[)\]][ \t]*[:–—-]?[ \t]*(?=[A-Za-z])",
            re.IGNORECASE,
        ),
        lambda match: f"{_LETTERS.get(match[1].lower(), match[1])}: ",
    ),
    (  # "healing # left 5th rib", "#s R ribs 6-8", "clavicle #"
        ("#",),
        _FRACTURED,
        lambda match: f"{match[1]} fracture" if match[1] else "fracture ",
    ),
    (  # "!Edema"
        ("!",),
        re.compile(r"(?:(?<![^\n])|(?<=[,;] ))[ \t]*!(?=[A-Za-z])"),
        lambda match: "no ",
    ),
    (  # "Status.PRESENT", as Python shows members of an enum
        (".",),
        re.compile(r"(?<=[:=,])[ \t]*[A-Z][A-Za-z]+\.([A-Z]{2,}(?:_[A-Z]+)*)\b"),
        lambda match: f' "{match[1].replace("_", " ")}"',
    ),
    (  # "effusion-free"
        ("-free",),
        re.compile(r"\b(?!pain|symptom|contrast)([A-Za-z]{4,})-free\b", re.IGNORECASE),
        lambda match: f"free of {match[1]}",
    ),
    (  # YAML's "negated: true"
        ("egat", "bsent", "xcluded"),
        re.compile(
            r"(?<![^\n])([ \t]+)(?:(?:is )?negated|negation|(?:is )?absent|(?:is )?excluded)[ \t]*:[ \t]*(true|false|yes|no|1|0)[ \t]*(?=\n|\Z)",
            re.IGNORECASE,
        ),
        lambda match: f"{match[1]}present: {turned(match[2])}",
    ),
    (  # "(-) edema"
        ("(+)", "(-)"),
        re.compile(_BEGINS + r"\(([+-])\)[ \t]*(?=[A-Za-z])"),
        lambda match: f"[{match[1]}] ",
    ),
)


def _ticked_blank(match: re.Match[str]) -> str:
    return "[x] " if match[1] else "[ ] "


def spelled_out(text: str) -> Iterator[Rewritten]:
    """Yield a text in its steps, from shorthand to fields with answers; nothing where there is none.

    Args:
        text: With typography resolved.
    """
    if SIGNED.search(text) and (entries := signed(text)) is not None:
        yield entries
        text = entries.text
    if ":" in text and (denials := empty_minus(text)) is not None:
        yield denials
        text = denials.text
    if text.rstrip()[-1:] in "+-" and (fields := same_sign(text)) is not None:
        yield fields
        text = fields.text
    if _SLASHED.search(text) and not _SLASH_ANSWERS.search(text):
        yield (step := substituted(text, _SLASH, lambda match: "\n"))
        text = step.text
    for marks, pattern, written in _RULES:
        if any(mark in text for mark in marks) and pattern.search(text):
            yield (step := substituted(text, pattern, written))
            text = step.text
    if len(_COUNTED.findall(text)) > 1:  # one such line may be prose ("Compared with film 1")
        yield (step := substituted(text, _COUNTED, lambda match: f"{match[1]}: {match[2]}"))
        text = step.text
    ahead = _COUNTED_AHEAD.findall(text)
    if len(ahead) > 1 and "0" in ahead and set(ahead) <= {"0", "1"}:
        yield (step := substituted(text, _COUNTED_AHEAD, lambda match: f"{_WORDS[match[1]]}: "))
        text = step.text
    blanks = _BLANK.findall(text)
    if len(blanks) > 1 and any(blanks):
        yield (step := substituted(text, _BLANK, _ticked_blank))
        text = step.text
    if "+" in text and _SIGNED_RUN.search(text):
        yield (
            step := substituted(
                text, _SIGNED_RUN, lambda match: _SIGN_AT_END.sub(r"\1 (\2), ", match[0])
            )
        )
        text = step.text
    if _GLUED.search(text):
        yield (step := substituted(text, _SIGN_BEHIND, lambda match: f"({_sign(match)})"))
        text = step.text
    if "+" not in text:
        return
    # a minus is an answer only where a plus is one; else it may begin an entry, or mean an empty cell
    for pattern, form in ((_SIGN_BEHIND, "{}({})"), (_SIGN_AHEAD, "{}[{}] ")):
        if {_sign(match) for match in pattern.finditer(text)} == {"+", "-"}:
            yield (step := _signed(text, pattern, form))
            text = step.text


def _sign(match: re.Match[str]) -> str:
    return "+" if match[2][0] == "+" else "-"


def _signed(text: str, pattern: re.Pattern[str], form: str) -> Rewritten:
    def written(match: re.Match[str]) -> str:
        line = "\n" if text[max(0, match.start() - 2) : match.start()] == ": " else ""
        return line + form.format(match[1], _sign(match))

    return substituted(text, pattern, written)
