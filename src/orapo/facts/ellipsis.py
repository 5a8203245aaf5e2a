"""Sentences that leave out what they speak of ("effusion on the left but none on the right").

"There is a small one on the right", "the left persists", "no effusion except a trace at the base": the finding is
named elsewhere, and put in its place before the sentence is read.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from orapo.facts.forms.items import Place
from orapo.facts.language.extraction import lower
from orapo.facts.language.schema import TOKEN, Kind
from orapo.facts.language.vocabulary import Vocabulary

_ONE: Final = re.compile(
    r" one(?<!\bno one)(?<!\bany one)(?<!\bat one)(?<!\bthis one)(?=\s+(?:on|in|at|is|remains|persists|has)\b|\s*(?:[.,;]|\Z))",
    re.IGNORECASE,
)
"""A pronoun for the last finding: "There is one on the right."""
_SIDE: Final = re.compile(
    r"\bthe (?:left|right)(?= (?:persist|remain|is (?:un|still|stable|small|larg|moder|new|present)|has (?:not|in|de)))"
    r"|\b(?:left|right)(?:[- ]sided)?(?=(?:,? (?:but|and)|,) (?:no|not) (?:left|right)\b)"
    r"|(?<=[,;] )(?:left|right|[lr])(?= (?:none|negative|absent|nil)\b)",
    re.IGNORECASE,
)
"""A side whose finding is named elsewhere: "the left persists", "right but no left effusion"."""


_SIZED: Final = re.compile(
    r"(?:\b(?:(?:except|other than|besides|apart from|aside from|save)(?: for)?|but for),?|[,;]|\b(?:and|but)(?: only| just)?(?= (?:only|just|a|an)\b))\s+(?:(?:a|an|the|for|only|just)\s+)*"
    r"(?:(?:trace|tiny|small|minimal|mild|moderate|large)(?: (?:area|amount|focus|component|pocket|region|patch|portion))?"
    r"|area|focus|pocket|patch|sliver|rim)(?=\s+(?:at|on|in)\b|\s*(?:[.,;]|\Z))"
    r"|\b(?:(?:except|other than|besides|apart from|aside from|save)(?: for)?|but for)(?=\s+(?:at|on|in)\b)",
    re.IGNORECASE,
)
"""An exception without its finding: "no effusion except a trace on the left"."""
_KNOWN: Final = re.compile(
    r"\b(?:(?:except|other than|besides|apart from|aside from|save)(?: for)?|but for),? (?:the )?"
    r"(?:(?:known|old|healed|chronic|previous|prior|previously \w+|existing|same) ones?"
    r"|(?:those|that)(?= (?:already|previously|known|seen|noted|described|mentioned|on|in|at|of)\b))",
    re.IGNORECASE,
)
"""An exception that a pronoun names: "no fractures other than those already known"."""
_AGAIN: Final = re.compile(
    r"\b(?:resolved|cleared|gone|disappeared|vanished|drained|absent|(?:not|no longer) (?:seen|present|visible|evident))\b"
    r"[^.;:]{0,60}?\b(?:but|and|yet|though)"
    r"(?=(?: still| now| since)? (?:persists?|remains?|lingers?|reappears?|(?:is|are|has|have) "
    r"(?:still|again|recurred|returned|reappeared|re-?accumulated|persisted|present|unchanged|larger|increased)"
    r"|(?:decreased|increased|persisted|worsened|improved) (?:on|in|at|over)\b"
    r"|not (?:that |the one )?(?:(?:on|in) )?the (?:left|right)\b))",
    re.IGNORECASE,
)
"""What is gone here and still there: "opacities have cleared on the right but persist on the left"."""
_NOT_SO: Final = re.compile(
    r"\b(?:free of|clear of|without|no|not|spared)\b[^.;:]{0,60}?(?:\b(?:but|while|whereas|unlike)|;(?: and)?|,(?: and)?(?=[^,.;:]{0,40} not\s*(?:[.;,]|\Z)))"
    r"(?: that (?:on|of|in))? the (?:left|right)(?: one| lung| side| base| apex)?(?P<verb> (?:is|does|has|are|do))(?: not)?(?=\s*[.;,]|\Z)",
    re.IGNORECASE,
)
"""A denial taken back for the other side: "the left lung is free of edema but the right is not"."""
_NONE_THERE: Final = re.compile(
    r"\b(?:on|at|in) the (?:left|right)(?: side| lung| base| apex)?,? (?:there (?:is|are) )?none(?=\s*(?:[.;,]|\Z))",
    re.IGNORECASE,
)
"""A denial behind its side: "a small effusion on the left, on the right none"."""
_NONE: Final = re.compile(r"(?:\b(?:but|and)|[,;])\s+none(?=\s+(?:on|at|in)\b)", re.IGNORECASE)
"""A denial without its finding: "effusion on the left but none on the right"."""


_HINTS: Final = (
    *(" one", "none", "left", "right", " l ", " r ", "except", "other than", "besides", "apart", "aside", "save", "but for"),
    *("resolved", "cleared", "gone", "disappeared", "vanished", "drained", "absent", "but"),
    *("trace", "tiny", "small", "minimal", "mild", "moderate", "large", "area", "focus", "pocket", "patch", "sliver", "rim"),
)  # fmt: skip
"""A sentence without any of these leaves nothing out."""


def completed_sentence(
    vocabulary: Vocabulary, text: str, sentence: Place, before: Place | None
) -> tuple[Place, ...] | None:
    """Return a sentence with the finding in its place that "one" or a side alone stands for.

    Args:
        vocabulary: The compiled lexicon.
        text: The clean text.
        sentence: The sentence's place.
        before: Of the item before it, which a pronoun may mean.

    Returns:
        The places whose texts, joined by a space, are the whole sentence; None if it is whole as it stands.
    """
    start, end = sentence
    lowered = text[start:end].lower()
    if not any(word in lowered for word in _HINTS):
        return None
    named_in = partial(_finding, vocabulary, text)
    pronoun = _ONE.search(text, start, end)
    if pronoun is not None:
        named = named_in(start, pronoun.start(), last=True)
        if named is None and before is not None:
            named = named_in(*before, last=True)
        if named is not None:
            return (start, pronoun.start()), named, (pronoun.end(), end)
    sized = _SIZED.search(text, start, end)
    if sized is not None and named_in(sized.end(), end, last=False) is None:
        named = named_in(start, sized.start(), last=True)
        if named is not None:
            return (start, sized.end()), named, (sized.end(), end)
    for pattern in (_KNOWN, _AGAIN, _NONE, _NONE_THERE):
        left_out = pattern.search(text, start, end)
        if left_out is not None:
            named = named_in(start, left_out.start(), last=True)
            if named is None and pattern is _AGAIN:
                named = named_in(start, left_out.end(), last=True)
            if named is not None:
                return (start, left_out.end()), named, (left_out.end(), end)
    otherwise = _NOT_SO.search(text, start, end)
    if otherwise is not None:
        named = named_in(start, otherwise.end(), last=True)
        if named is not None:
            listed = "," in otherwise.group()  # the verb parts it from what is denied
            edge = otherwise.end("verb") if listed else otherwise.start("verb")
            # "free of fluid", of a pleural space: what the fluid is depends on where
            space = _finding(vocabulary, text, start, named[0], last=True, kind=Kind.STRUCTURE)
            pieces = ((start, edge), named) if space is None else ((start, edge), space, named)
            return *pieces, (otherwise.end(), end)
    side = _SIDE.search(text, start, end)
    if side is not None:
        named = named_in(start, side.start(), last=True)
        named = named or named_in(side.end(), end, last=False)
        if named is None and before is not None:
            named = named_in(*before, last=True)
        if named is not None:
            return (start, side.end()), named, (side.end(), end)
    return None


def _finding(
    vocabulary: Vocabulary,
    text: str,
    start: int,
    end: int,
    *,
    last: bool,
    kind: Kind = Kind.FINDING,
) -> Place | None:
    """Return the place of the last or the first finding (or structure) that a stretch of text names."""
    lowered = lower(text[start:end])
    matches = list(TOKEN.finditer(lowered))
    tokens = vocabulary.canonical_forms([match.group() for match in matches])
    named = [item for item in vocabulary.find(tokens) if item.kind is kind]
    if not named:
        return None
    item = named[-1 if last else 0]
    return start + matches[item.first].start(), start + matches[item.last].end()
