"""Lines that were run together, and headings that lack their colon.

"Q: Edema? A: No Q: Fracture? A: Yes", "No edema...mild effusion", "#NoEdema #Effusion", "Absent" above bullets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from orapo.facts.clean_text.rewriting import Rewriter, Rewritten, substituted
from orapo.facts.forms.answers import AnswerWords
from orapo.facts.forms.items import HUMP
from orapo.facts.forms.names import GROUP

_ASKED: Final = re.compile(r"(?<!\S)(?:Q|Question)[ ]?\d{0,2}[ ]?[:.)][ \t]*[^\n?]{3,200}\?")
_TURN: Final = re.compile(
    r"(?<!\S)(?P<who>Q|A|Question|Answer)[ ]?\d{0,2}[ ]?[:.)](?=[ \t]*\S)", re.MULTILINE
)
_SPEAKERS: Final = (
    r"(?:user|assistant|human|ai|model|bot|system|doctor|dr|radiologist|referrer|physician|clinician|resident|attending"
    r"|student|teacher|interviewer|nurse|prompt|response|reply)"
)
_TALK: Final = re.compile(
    rf"(?<!\S){_SPEAKERS}[ ]?:[ \t]*(?P<asked>[^\n?:]{{3,200}}\?)[ \t]+{_SPEAKERS}[ ]?:",
    re.IGNORECASE,
)
"""A question and its answer in one line, with who asks and who answers."""
_DOTS: Final = re.compile(
    r"(?<=[A-Za-z)])(?:\.{3,}[ \t]*(?=[A-Za-z])|\.{3}(?!\.)(?=[ \t]*(?:\n|\Z)))"
)
_SPACED_DOTS: Final = re.compile(r"[ \t]*(?:\.[ \t]){3,}\.?[ \t]*(?=[A-Za-z])")
_HASHTAG: Final = re.compile(r"(?:(?<=\s)|(?<![\s\S]))#([A-Za-z][A-Za-z]+(?: [a-z]+)*)")
_DASHED: Final = re.compile(r"(?<![^\n])[ \t]*-[A-Z][^\n-]*[a-z.)]-[A-Z][a-z][^\n]*")
_DASH: Final = re.compile(r"(?<=[a-z.)])(?<!\bnon)(?<!\bpost)(?<!\bpre)(?<!\banti)-(?=[A-Z][a-z])")
"""Dashes before the entries of a list in one line: "-No effusion-Patchy opacity"."""
_LOOK_BACK: Final = 40
_TITLES: Final = "findings|impression|conclusion|indication|history|technique|comparison|lungs|heart|pleura|bones|mediastinum|lines"
DICTATED: Final = re.compile(
    rf"\b(?:period|full stop)[ .]*\Z|\b(?:period|full stop)\b[^\n]{{1,400}}?\b(?:period|full stop)\b|\b(?:{_TITLES}) colon\b",
    re.IGNORECASE,
)
"""Marks that were spoken and written down as words: "no effusion period heart is normal period"."""
_SPOKEN: Final = re.compile(
    rf"[ \t]+(?P<stop>period|full stop)\b\.?|[ \t]+(?P<comma>comma)\b|(?<!\w)(?P<title>{_TITLES})[ \t]+colon\b"
    r"|[ \t]*\b(?P<line>(?:new|next) (?:line|paragraph))\b|\bnumber (?P<number>one|two|three|four|five|six|seven|eight|nine|ten)\b",
    re.IGNORECASE,
)
_OF_TIME: Final = re.compile(
    r"\b(?:the|a|an|this|that|same|time|hour|day|week|month|year|latent|short|long|brief|interval|recovery|postoperative|operative|observation|follow-?up)\Z",
    re.IGNORECASE,
)
"""What "period" means a time behind."""
_COUNTED: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def _as_mark(match: re.Match[str]) -> str:
    """Return the mark that a spoken word means."""
    if match["stop"] is not None:
        before = match.string[max(0, match.start() - _LOOK_BACK) : match.start()]
        return match.group() if _OF_TIME.search(before) else "."
    if match["comma"] is not None:
        return ","
    if match["title"] is not None:
        return f"{match['title']}:"
    if match["line"] is not None:
        return "\n"
    return f"{_COUNTED.index(match['number'].lower()) + 1}."


_EXAMPLE: Final = re.compile(
    r"(?:\b(?:for example|for instance|e\.g\.|example|sample|template)\b|\b(?:could|might|may) (?:say|read|write|state|look))"
    r"[^.\n\"']{0,80}?[:,]?\s*(?P<mark>[\"'])(?=\w)[^\"\n]*?(?P=mark)(?!\w)",
    re.IGNORECASE,
)
"""What is quoted as an example of a report, and not said of this film."""


_FOUND: Final = (
    r"(?:present|seen|identified|detected|found|noted|visible|evident|observed|demonstrated)"
)
_LEAD: Final = re.compile(
    rf"""(?:(?<![^\n])|(?<=[.!?;][ ]))[ \t]*
    (?:[^\n.:;,]{{0,60}}?\bnone\ of\ (?:these|those|the\ following|them)(?:\ [a-z]+)??\ (?P<none>(?:is|are|was|were)\ {_FOUND})\ *:
      |(?:the\ )?following(?:\ (?:[a-z]+\ )?(?:findings?|abnormalit(?:y|ies)|conditions?|labels?|patholog(?:y|ies)|diseases?))?\ (?:is|are|was|were|have\ been)
       \ (?P<no>not\ )?(?P<state>{_FOUND}|absent|excluded|ruled\ out|negative|positive)(?:\ (?:on|in)\ [a-z ]{{3,30}})?[ ]*:
      |(?:the\ )?(?:findings?|abnormalit(?:y|ies)|conditions?|labels?|patholog(?:y|ies))\ (?:that|which)\ (?:is|are|was|were|could\ be)
       \ (?P<not>not\ )?(?P<said>{_FOUND}|absent|excluded|ruled\ out|negative|positive)
       [ ,]*(?:includes?|are|is|comprise)[ ]?:?)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""How a sentence begins that lists what is there, or what is not: "Findings that are absent include ..."."""


def _lead(match: re.Match[str]) -> str:
    """Return the name of a list."""
    denied = match["none"] or match["not"] or match["no"]
    said = match["said"] or match["state"]
    if said is not None and not re.fullmatch(rf"{_FOUND}|positive", said, re.I):
        denied = not denied
    return "Absent: " if denied else "Present: "


_POLAR: Final = (
    r"(?:(?:pertinent |significant )?(?:findings? |abnormalities )?(?:present|absent|positives?|negatives?|not present|seen"
    r"|not seen|detected|not detected|identified|not identified|excluded|ruled out|unlikely|possible|uncertain)"
    r"|(?:present|absent|positive|negative) findings?|yes|no)"
)
_ICON: Final = re.compile(
    rf"(?<![^\n])(?P<head>[ \t]*(?:\#{{1,6}}[ \t]+)?(?:\*\*)?)\[[ x]\][ \t]+(?=(?:\*\*)?{_POLAR}[ \t]*:?(?:\*\*)?:?[ \t]*(?:\n|\Z))",
    re.IGNORECASE,
)
"""A tick or a cross before a heading, which says itself what it means: "[ ] Findings not present"."""
_CHOSEN: Final = re.compile(
    r"(?<![^\n])(?P<name>[ \t]*[A-Za-z][^\n:\[\]]{2,60}?)[ \t]*:?[ \t]*\n"
    r"(?P<boxes>(?:[ \t]*(?:[-*+][ \t]+)?\[[ x]\][ \t]+(?:present|absent|yes|no|positive|negative|possible|uncertain|unknown"
    r"|indeterminate|seen|not seen|not present|none|not assessed)[ \t]*(?:\n|\Z)){2,})",
    re.IGNORECASE,
)
"""A name, and below it boxes of its answers, one a line."""
_TICKED: Final = re.compile(r"\[x\][ \t]+([^\n]+)", re.IGNORECASE)


def _chosen(match: re.Match[str]) -> str:
    """Return a name and the answer that is ticked below it."""
    ticked = _TICKED.findall(match["boxes"])
    return f"{match['name']}: {ticked[0].strip() if len(ticked) == 1 else 'n/a'}\n"


_BOXED: Final = re.compile(
    rf"[ \t]*(?:[-*+][ \t]+)?\[[ x]\][ \t]+(?:\*\*)?{_POLAR}[ \t]*:?(?:\*\*)?:?[ \t]*\Z",
    re.IGNORECASE,
)


def _without_icon(match: re.Match[str]) -> str:
    """Return a heading without its tick; boxes one below the other are a choice and stay."""
    text = match.string
    above = text[: match.start()].rstrip("\n").rpartition("\n")[2]
    end = text.find("\n", match.end())
    below = "" if end < 0 else text[end:].lstrip("\n").partition("\n")[0]
    chosen = not below.strip() or _BOXED.match(above) or _BOXED.match(below)
    return match[0] if chosen else match["head"]


_HEADING: Final = re.compile(
    rf"(?<![^\n])(?P<indent>[ \t]*)(?P<mark>(?:[-*+•]|\d{{1,2}}[.)])[ \t]+)?(?P<name>{_POLAR})(?=[ \t]*\n(?:[ \t]*\n)*"
    r"(?P<below>[ \t]*)(?P<entry>(?:[-*+•]|\d{1,2}[.)])[ \t]+)?\S)",
    re.IGNORECASE,
)


_KIT: Final = r"(?:devices|hardware|lines|tubes|catheters|drains|wires|implants)"
_DEVICES: Final = re.compile(
    rf"(?<![^\n])(?P<indent>[ \t]*)(?P<mark>(?:[-*+•]|\#{{1,6}}|\d{{1,2}}[.)])[ \t]+)?(?:\*\*|__)?"
    rf"(?P<name>(?:(?:support|medical|indwelling|monitoring|life support)[ ])?{_KIT}(?:(?:,| and| &|,? and| ?/)[ ]?(?:support |medical |other )?{_KIT}){{0,3}})"
    r"(?P<end>(?:\*\*|__)?)(?=[ \t]*\n\s*?(?P<below>(?<=\n)[ \t]*)(?P<entry>(?:[-*+•]|\d{1,2}[.)])[ \t]+)?(?:\[[ xX]\]|[A-Za-z*_\"'][^\n:=]{2,60}[:=]))",
    re.IGNORECASE,
)
"""A line that heads fields about devices, and claims none."""


def _of_devices(match: re.Match[str]) -> str:
    """Return a heading with its colon."""
    deeper = len(match["below"]) > len(match["indent"]) or (match["entry"] and not match["mark"])
    label = match["name"].lower() == "support devices"
    return match[0] + (":" if deeper or not label else "")


def unfolded(text: str, words: AnswerWords) -> Iterator[Rewritten]:
    """Yield a text in its steps, to every turn and entry on a line of its own.

    Args:
        text: With typography resolved.
        words: What answers are made of.
    """
    if "-" in text and _DASHED.search(text):
        yield (step := _listed(text))
        text = step.text
    if "?" in text and _ASKED.search(text) and len(_TURN.findall(text)) > 1:
        yield (step := substituted(text, _TURN, lambda match: f"\n{match['who']}:"))
        text = step.text
    if "?" in text and _TALK.search(text):
        yield (step := substituted(text, _TALK, lambda match: f"\nQ: {match['asked']}\nA:"))
        text = step.text
    if ('"' in text or "'" in text) and _EXAMPLE.search(text):
        yield (step := substituted(text, _EXAMPLE, lambda match: ""))
        text = step.text
    if "[" in text and _CHOSEN.search(text):
        yield (step := substituted(text, _CHOSEN, _chosen))
        text = step.text
    if "[" in text and _ICON.search(text):
        yield (step := substituted(text, _ICON, _without_icon))
        text = step.text
    if "\n" in text and _DEVICES.search(text):
        yield (step := substituted(text, _DEVICES, _of_devices))
        text = step.text
    if _LEAD.search(text):
        yield (step := substituted(text, _LEAD, _lead))
        text = step.text
    if DICTATED.search(text):
        yield (step := substituted(text, _SPOKEN, _as_mark))
        text = step.text
    if ". . ." in text and _SPACED_DOTS.search(text):
        yield (step := substituted(text, _SPACED_DOTS, lambda match: " ... "))
        text = step.text
    if "..." in text and _DOTS.search(text):
        yield (step := _sentences(text, words))
        text = step.text
    if "#" in text and _HASHTAG.search(text):
        yield (step := substituted(text, _HASHTAG, lambda match: "\n" + HUMP.sub(" ", match[1])))
        text = step.text
    if "\n" in text and _HEADING.search(text):
        yield _headed(text)


def _listed(text: str) -> Rewritten:
    """Return a text with every entry of a list of dashes on a line of its own."""
    writer = Rewriter(text)
    for line in _DASHED.finditer(text):
        for dash in _DASH.finditer(text, *line.span()):
            writer.keep_to(dash.start())
            writer.put("\n")
    return writer.finish()


def _sentences(text: str, words: AnswerWords) -> Rewritten:
    """Return a text with a full stop in place of dots, but for those between field and answer."""
    writer = Rewriter(text)
    for match in _DOTS.finditer(text):
        stop = min(
            (
                at
                for end in ("...", "\n", ". ", ";", ",")
                if (at := text.find(end, match.end())) >= 0
            ),
            default=len(text),
        )
        if words.pure(text[match.end() : stop]) is not None:
            continue
        writer.keep_to(match.start())
        writer.put(". ", match.end())
    return writer.finish()


_ANSWERED: Final = re.compile(r"[:?][ \t]*\n[ \t]*\Z")
_SECTION: Final = re.compile(
    r"(?:findings|impression|report|conclusion|results?)[ \t]*:?\s*\Z", re.IGNORECASE
)


def _headed(text: str) -> Rewritten:
    """Return a text with a colon behind a line "Absent" that heads what stands below it."""
    writer = Rewriter(text)
    for match in _HEADING.finditer(text):
        deeper = len(match["below"]) - len(match["indent"])
        before = text[max(0, match.start() - _LOOK_BACK) : match.start()]
        if _ANSWERED.search(before) and not _SECTION.search(before):
            continue  # the answer of the line above it
        apart = not before or before.endswith(("\n\n", "\n \n"))
        lists = not match["entry"] and apart and match.string[match.end("name") :][:1] == "\n"
        lists = lists and deeper >= 0 and not match["mark"] and match["below"] is not None
        grouped = lists and (
            GROUP.match(match["name"]) or match["name"].lower() not in ("yes", "no")
        )
        if grouped or (match["entry"] and (deeper > 0 or (deeper == 0 and not match["mark"]))):
            writer.keep_to(match.end("name"))
            writer.put(":")
    return writer.finish()
