"""What the words of a name or an answer are: a bare name, a sign, a description, an agreement.

Nothing is read here as a statement: `orapo.facts.fields` decides by these what a field and its answer say.
"""

from __future__ import annotations

import re
from typing import Final

from orapo.facts.forms.answers import Answer
from orapo.facts.forms.items import Place
from orapo.facts.language.extraction import lower
from orapo.facts.language.schema import TOKEN, Kind
from orapo.facts.language.vocabulary import Item, Vocabulary

DENYING: Final = frozenset((Kind.DENY_NEXT, Kind.DENY_PREVIOUS, Kind.DENY_EITHER))
HEDGING: Final = frozenset((Kind.HEDGE_NEXT, Kind.HEDGE_PREVIOUS, Kind.HEDGE_EITHER))
NAMING: Final = frozenset((Kind.FINDING, Kind.STRUCTURE, Kind.ADJECTIVE))
_DESCRIBING: Final = frozenset(
    (Kind.SEVERITY, Kind.PLACE, Kind.STATE, Kind.ASSERTIVE, Kind.NEUTRAL)
)
NAME_ONLY: Final = NAMING | frozenset((Kind.COMMA, Kind.AND, Kind.OR, Kind.VERB))
_NAME_OF_ONE: Final = NAMING | {Kind.PLACE}
_LONGEST_NAME: Final = 60
_MOST_NAMES: Final = 8192
_DESCRIPTIVE: Final = frozenset(
    ("only", "just", "mainly", "mostly", "predominantly", "more", "nondisplaced", "undisplaced", "displaced", "comminuted",
     "loculated", "layering", "spiculated", "interstitial", "alveolar", "subsegmental", "compressive", "tension")
)  # fmt: skip
_PARTS: Final = re.compile(r"[,;]|\b(?:but|and|though)\b", re.IGNORECASE)
_MEASURE: Final = re.compile(
    r"\s*(?:about |approximately |approx\.? |~)?\d+(?:\.\d+)?\s*(?:x|mm|cm|%)|\s*[TLC]\d{1,2}\b"
)
_OF_A_SIDE: Final = re.compile(
    r"[\s,;.]*(?:and |but )?(?P<side>(?:on |at )?(?:the )?(?:left|right|lt\b\.?|rt\b\.?|[lr]\b)(?:[- ]sided?| lung)?)"
    r"(?:\s*[:=]\s*|\s+[-–—]+\s*|\s+|\s*\((?=[+-]\)))(?P<said>[^,;.:]+?)\s*(?=[,;.]|\s(?:and|but)\s|\s+(?:left|right|[LR])\s*[:=]|\Z)",
    re.IGNORECASE,
)
"""What an answer says of one side: "L small", "right - none"."""
_POINTS_BACK: Final = re.compile(
    r"\b(?:it|this|that|these|those|them|any)(?: findings?)?\s*(?:[.;,]|\Z|\b(?:in|on|here|today|is|are|has|have)\b)",
    re.IGNORECASE,
)
"""A pronoun that an answer has for what it answers: "The image does not show any evidence of this."."""
_FINE: Final = re.compile(r"\b(?:normal|clear|unremarkable|intact|free|limits?)\b", re.IGNORECASE)
_NAMED: Final = frozenset(
    (Kind.FINDING, Kind.STRUCTURE, Kind.NOT_STATED_NEXT, Kind.NOT_STATED_SENTENCE)
)
_ELSEWHERE: Final = re.compile(
    r"\b(?:previous|previously|prior|last|earlier|old|older|yesterday|comparison|before|lateral|frontal)\b",
    re.IGNORECASE,
)


class Wording:
    """Tells what the words of names and answers are.

    Args:
        vocabulary: The compiled lexicon.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary, self._answers = vocabulary, vocabulary.answers
        self._names: dict[str, bool] = {}

    def _items(self, text: str) -> list[Item]:
        tokens = self._vocabulary.canonical_forms(TOKEN.findall(lower(text)))
        return self._vocabulary.find(tokens)

    def kinds(self, text: str) -> list[Kind]:
        """Return the kinds of a text's phrases, in order."""
        return [item.kind for item in self._items(text)]

    def is_name(self, text: str) -> bool:
        """Whether a text is a finding's bare name."""
        kinds = self.kinds(text)
        return Kind.FINDING in kinds and NAME_ONLY.issuperset(kinds)

    def names_a_finding(self, text: str) -> bool:
        """Whether a text is the name of one finding and no word more; what was asked before is known."""
        if len(text) > _LONGEST_NAME:
            return False
        known = self._names.get(text)
        if known is None:
            tokens = self._vocabulary.canonical_forms(TOKEN.findall(lower(text)))
            items = self._vocabulary.find(tokens)
            covered = sum(item.last + 1 - item.first for item in items) == len(tokens)
            kinds = [item.kind for item in items]
            known = covered and kinds.count(Kind.FINDING) == 1 and _NAME_OF_ONE.issuperset(kinds)
            if len(self._names) >= _MOST_NAMES:
                self._names.clear()
            self._names[text] = known
        return known

    def is_sign(self, name: str) -> bool:
        """Whether a name is that of a sign, which a diagnosis explains ("opacity")."""
        named = [one.data for one in self._items(name) if one.kind is Kind.FINDING]
        return bool(named) and all(finding.sign for finding in named)

    def sides(self, said: str) -> list[tuple[Place, Place]] | None:
        """Return the sides that an answer speaks of one by one, and what it says of each; else None."""
        found: list[tuple[Place, Place]] = []
        at = 0
        while said[at:].strip(" ,;."):
            match = _OF_A_SIDE.match(said, at)
            if match is None:
                return None
            own = match.span("said")
            words = said[slice(*own)]
            if self._answers.pure(words) is None and not self.describes(words):
                return None
            found.append((match.span("side"), own))
            at = match.end()
        marked = bool(found) and said[found[0][0][1] : found[0][1][0]].strip() != ""
        return found if len(found) > 1 or marked else None

    def completes(self, said: str, name: str) -> bool:
        """Whether an answer is part of its finding's name ("Edema: interstitial")."""
        added = TOKEN.findall(lower(said))
        tokens = self._vocabulary.canonical_forms([*added, *TOKEN.findall(lower(name))])
        items = self._vocabulary.find(tokens) if added else []
        if len(items) != 1 or items[0].kind is not Kind.FINDING:
            return False
        return items[0].first == 0 and items[0].last + 1 == len(tokens)

    def agrees(self, said: str) -> bool:
        """Whether all parts of an answer affirm or describe what it answers ("improved but persists")."""
        parts = [part for part in _PARTS.split(said.strip(" .")) if part.strip()]
        answers = [self._answers.pure(part) for part in parts]
        return Answer.AFFIRMED in answers and all(
            answer is Answer.AFFIRMED or (answer is None and self.describes(part))
            for part, answer in zip(parts, answers, strict=True)
        )

    def unchanged(self, said: str) -> bool:
        """Whether an answer is none to yes or no ("no significant change")."""
        first = next(iter(self._items(said)), None)
        if first is None or first.first > 0:
            return False
        return first.kind is Kind.NEUTRAL or (first.kind is Kind.STATE and first.data == "stable")

    def describes(self, said: str) -> bool:
        """Whether an answer describes what it answers ("small, at the right base"; "2 cm")."""
        if _MEASURE.match(said):
            return True
        tokens = self._vocabulary.canonical_forms(TOKEN.findall(lower(said)))
        if tokens and tokens[0] in _DESCRIPTIVE and "," in tokens[:2]:
            tokens.remove(",")  # "loculated, on the right"
        items = self._vocabulary.find(tokens)
        if not items:
            return bool(tokens) and _DESCRIPTIVE.issuperset(tokens)  # "loculated"
        articles = self._vocabulary.grammar.articles | self._vocabulary.grammar.prepositions
        return (
            not any(item.kind is Kind.VERB for item in items)
            and (items[0].kind in _DESCRIBING or items[0].kind in NAMING)
            and all(
                token in articles or token in _DESCRIPTIVE for token in tokens[: items[0].first]
            )
        )

    def by_pronoun(self, said: str) -> Answer | None:
        """Return what an answer says of what "it" or "this" means in it; None if that is not told so.

        Args:
            said: The answer ("I do not see it.", "It has not changed.").
        """
        pronoun = _POINTS_BACK.search(said)
        if pronoun is None or ";" in said or _ELSEWHERE.search(said):
            return None  # "The previous film did not show this."
        kinds = frozenset(self.kinds(said))
        if not _NAMED.isdisjoint(kinds):
            return None
        opens = pronoun.start() == 0
        if opens and kinds & DENYING == {Kind.DENY_NEXT}:
            return None  # "This is not new."
        unchanged = Kind.NEUTRAL in kinds
        if not unchanged and not DENYING.isdisjoint(kinds):
            return Answer.DENIED
        if not unchanged and not HEDGING.isdisjoint(kinds):
            return Answer.DOUBTED
        told = unchanged or Kind.STATE in kinds  # "It has not changed.", "It is stable."
        return Answer.AFFIRMED if told and opens and not _FINE.search(said) else None
