"""A row of lexicon phrases, and what can be asked of it at a place, whatever was read before.

Every answer looks at a bounded number of phrases, so that a sentence is read in linear time.
"""

from __future__ import annotations

from typing import Final

from orapo.facts.language.schema import Grammar, Kind
from orapo.facts.language.vocabulary import Item

NEAR: Final = 2
"""Unknown words that may stand between a word and the finding that it directly qualifies."""
LONGEST_LIST: Final = 16
"""Phrases looked at when a cue reaches back over a list, or a state is looked for ahead."""

# Looking up a member of an enum is slow before Python 3.12, and these are for every phrase.
FINDING: Final = Kind.FINDING
STRUCTURE: Final = Kind.STRUCTURE
ADJECTIVE: Final = Kind.ADJECTIVE
STATE: Final = Kind.STATE
VERB: Final = Kind.VERB
ASSERTIVE: Final = Kind.ASSERTIVE
COMMA: Final = Kind.COMMA
AND: Final = Kind.AND
OR: Final = Kind.OR
VERSUS: Final = Kind.VERSUS
WITH: Final = Kind.WITH

LINKS: Final = frozenset((COMMA, AND, OR, VERSUS))
ENDS_NAME: Final = LINKS | {Kind.NEW_STATEMENT}
ENDS_SUBJECT: Final = frozenset((FINDING, WITH, Kind.NEW_STATEMENT, Kind.DENY_PREVIOUS))
_SAYS_MORE: Final = frozenset((STATE, ASSERTIVE, Kind.SEVERITY, Kind.NEUTRAL))
_BETWEEN: Final = frozenset((ASSERTIVE, Kind.PLACE, Kind.SEVERITY))
QUALIFIERS: Final = frozenset((Kind.PLACE, Kind.SEVERITY, ASSERTIVE, STATE))

_ORDINALS: Final = frozenset(
    ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth",
     "upper", "middle", "mid", "lower", "left", "right", "anterior", "posterior", "lateral", "medial")
)  # fmt: skip
"""What a connector may join within the name of one finding."""
_WHERE: Final = frozenset((Kind.PLACE, STRUCTURE))
_COMPARED: Final = frozenset(
    ("stable", "unchanged", "improved", "improving", "increased", "increasing", "decreased", "decreasing", "larger", "smaller",
     "worse", "worsened", "worsening", "persistent", "again", "before", "same")
)  # fmt: skip
"""What is said so is there: it was, on the film before."""
_ENDINGS: Final = frozenset(("st", "nd", "rd", "th"))
"""Of an ordinal in figures, which are a word of their own."""


class PhraseRow:
    """The phrases of a sentence, left to right.

    Args:
        tokens: Its words, in canonical form.
        items: The phrases found in them.
        grammar: Small words of the language.
    """

    def __init__(self, tokens: list[str], items: list[Item], grammar: Grammar) -> None:
        self.tokens = tokens
        self.items = items
        self.grammar = grammar

    def or_follows(self, index: int) -> bool:
        """Whether the list that goes on here ends in "or": then one "no" denies all of it."""
        for item in self.items[index : index + LONGEST_LIST]:
            if (
                item.kind is OR or self.tokens[item.last] == "or"
            ):  # "pleural effusion or" is a phrase
                return True
            if item.kind not in QUALIFIERS and item.kind not in (
                FINDING,
                COMMA,
                STRUCTURE,
            ):
                return False
        return False

    def predicate_follows(self, index: int) -> bool:
        """Whether a verb behind this finding says more of it than that it is seen."""
        verb = joined = False
        for item in self.items[index + 1 : index + 1 + LONGEST_LIST]:
            kind = item.kind
            if kind is VERB:
                if joined:  # "no pneumonia, heart failure with cardiomegaly is present"
                    return True
                verb = True
            elif kind is WITH and not verb:
                joined = True
            elif kind is FINDING and joined:
                continue
            elif kind is Kind.HEDGE_PREVIOUS:
                return True  # "no effusion, and pneumothorax is possible"
            elif kind in _SAYS_MORE and verb:
                return True
            elif kind not in _BETWEEN:
                return False
        return False

    def is_stated_bare(self, index: int) -> bool:
        """Whether a clause says of a finding how it is, without a verb: "no effusion, nodule stable"."""
        after = self.items[index + 1 : index + 2 + LONGEST_LIST]
        while after and (
            after[0].kind in _WHERE or self.tokens[after[0].last] in self.grammar.articles
        ):
            after = after[1:]
        if not after or after[0].kind not in (STATE, ASSERTIVE, Kind.SEVERITY):
            return False
        if self.tokens[after[0].last] not in _COMPARED:
            return False
        return len(after) == 1 or after[1].kind in ENDS_NAME

    def nothing_follows(self, index: int) -> bool:
        """Whether the statement ends here ("pneumonia, possible")."""
        after = self.items[index + 1 : index + 2]
        return not after or after[0].kind in ENDS_NAME

    def finding_at_once(self, index: int) -> bool:
        """Whether a cue stands before its finding, but for qualifiers ("possible small effusion")."""
        end = self.items[index].last
        for item in self.items[index + 1 : index + 1 + LONGEST_LIST]:
            if self._gap(end, item.first) > NEAR:
                return False
            if item.kind in (FINDING, STRUCTURE):
                return True
            if item.kind not in QUALIFIERS and not self._joins_places(item, end):
                return False
            end = item.last
        return False

    def _joins_places(self, item: Item, end: int) -> bool:
        """Whether a connector stands within a name: "third and fourth rib", "upper and lower lobe", "a/b process"."""
        tokens = self.tokens
        if item.kind is COMMA and tokens[item.first] == "/":
            return item.first > end + 1
        if item.kind not in (AND, COMMA) or not item.first or item.last + 1 == len(tokens):
            return False
        before, behind = tokens[item.first - 1], tokens[item.last + 1]
        return {before, behind} <= _ORDINALS or (
            behind.isdecimal() and (before.isdecimal() or before in _ENDINGS)
        )

    def _gap(self, last: int, first: int) -> int:
        """Count the words between two phrases, articles and "of" apart."""
        words = first - last - 1
        if not words or words > 2 * NEAR + 2:
            return words
        return sum(token not in self.grammar.articles for token in self.tokens[last + 1 : first])

    def is_place(self, index: int, item: Item, after_finding: bool) -> bool:
        """Whether a structure only says where: "opacity in the lung", "similar to the prior exam"."""
        if not item.first:
            return False
        before = -1
        for other in reversed(self.items[max(0, index - LONGEST_LIST) : index]):
            if other.kind not in QUALIFIERS:
                before = other.last
                break
        for token in reversed(self.tokens[max(before + 1, item.first - 4) : item.first]):
            if token in self.grammar.comparisons:
                return True
            if token in self.grammar.prepositions:
                return after_finding
        return False

    def names_next(self, index: int, item: Item) -> bool:
        """Whether a structure is part of a finding's name ("lung hyperinflation")."""
        if index + 1 == len(self.items):
            return False
        after = self.items[index + 1]
        return after.kind is FINDING and after.first == item.last + 1

    def state_ahead(self, index: int, subject: bool) -> bool:
        """Whether a state is said of the structure here, behind it."""
        items = self.items
        for at in range(index + 1, min(index + 1 + LONGEST_LIST, len(items))):
            kind = items[at].kind
            if kind is STATE:
                return not self.qualifies_next(at, subject)
            if kind in ENDS_SUBJECT:
                return False
        return False

    def qualifies_next(self, index: int, subject: bool) -> bool:
        """Whether a state stands before what it is said of ("normal heart size").

        Args:
            index: Of the state.
            subject: Whether structures were named before it.
        """
        items = self.items
        said_of_subject = subject and index > 0 and items[index - 1].kind is VERB
        end = items[index].last
        for at in range(index + 1, min(index + 1 + LONGEST_LIST, len(items))):
            item = items[at]
            gap = self._gap(end, item.first)
            if gap > NEAR:
                return False
            if item.kind is FINDING:
                return not (said_of_subject and gap)
            if item.kind in (STRUCTURE, ADJECTIVE):
                if said_of_subject and self.is_place(at, item, False):
                    return False  # "the heart has enlarged since the last study"
                # "the heart is normal mediastinum is stable", dictated without a full stop
                return not (said_of_subject and self.state_ahead(at, subject))
            if item.kind not in QUALIFIERS:
                return False
            end = item.last
        return False
