"""What is on the film at hand in a sentence that speaks of how things are in general, or orders something.

"Watch the small left pneumothorax" is an order, and there is a pneumothorax; "Opacities are common in asthma; here
there is a consolidation" turns to the film behind the semicolon.
"""

from __future__ import annotations

from typing import Final

from orapo.facts.language.off_film import is_of_no_film
from orapo.facts.language.phrases import (
    FINDING,
    LONGEST_LIST,
    QUALIFIERS,
    STATE,
    STRUCTURE,
    VERB,
    PhraseRow,
)
from orapo.facts.language.reach import WINDOW
from orapo.facts.language.states import Draft
from orapo.facts.language.vocabulary import Item

Stretch = tuple[int, int]
"""The tokens of a sentence from one on and before another."""

_DEFINITE: Final = frozenset(("the", "this", "these", "those", "her", "his"))
_DESCRIBES: Final = QUALIFIERS | {STRUCTURE, STATE}
_SOUGHT: Final = frozenset(("for", "miss", "overlook", "presence", "whether", "if", "absence"))
"""What is looked for need not be there: "look for the small pneumothorax"."""
_HERE: Final = frozenset(("here", "today", "unchanged"))
"""Nothing is here, today or unchanged in general."""
_TOLD: Final = _DEFINITE | {"here", "today", "now", "there", "left", "right", "unchanged"}
"""Words of a clause that turns to the film."""
_OWN: Final = frozenset(("her", "his", "their", "our"))
"""Behind the words: "a hallmark of her disease"."""
_FILM: Final = frozenset(
    ("film", "study", "image", "exam", "examination", "radiograph", "x", "patient", "case")
)
_IS: Final = frozenset(("is", "are", "was", "were"))
_VERBS: Final = _IS | {"has", "have"}
_CLAUSES: Final = frozenset(("that", "whether", "if"))
_CHANGES: Final = frozenset(
    ("new", "changed", "increased", "decreased", "larger", "smaller", "worse", "worsened", "improved", "grown", "acute",
     "old", "recent", "chronic", "different")
)  # fmt: skip
_RELATIVE: Final = frozenset(("which", "that"))


class General:
    """What a sentence says in general, or orders, and so not of the film at hand.

    Args:
        row: The sentence.
    """

    def __init__(self, row: PhraseRow) -> None:
        self._row = row
        self._ordered = is_of_no_film(row)
        self._stretches: list[Stretch] = [_general_part(row)] if self._ordered else []
        self._cues = 0

    def __bool__(self) -> bool:
        """Whether there is any of it."""
        return bool(self._stretches)

    def hear(self, item: Item) -> None:
        """Take in words like "is common after"."""
        if self and self._stretches[-1][0] <= item.first < self._stretches[-1][1]:
            return
        self._cues += 1
        silenced: Stretch | None = (item.first, len(self._row.tokens))
        if self._cues <= LONGEST_LIST:  # each looks at all of its clause
            silenced = _spoken_of(self._row, item)
        if silenced is not None:
            self._stretches.append(silenced)

    def holds(self, draft: Draft) -> bool:
        """Whether a finding is named in it, and not as one that there is ("watch the small effusion")."""
        if not any(start <= draft.first < end for start, end in self._stretches):
            return False
        return not (self._ordered and _is_presumed(self._row, draft))


def _general_part(row: PhraseRow, start: int = 0) -> Stretch:
    """Return the clauses of a sentence that speak of no film if its first one does.

    Args:
        row: The sentence.
        start: Where what speaks of none begins.
    """
    tokens = row.tokens
    if ";" not in tokens[start:]:
        return start, len(tokens)
    end = tokens.index(";", start)
    told = any(item.first > end and item.kind is VERB for item in row.items)
    told = told and not _TOLD.isdisjoint(tokens[end + 1 :])
    return start, end if told else len(tokens)


def _spoken_of(row: PhraseRow, item: Item) -> Stretch | None:
    """Return what words like "is common after" silence; None if it is the film that they speak of.

    Args:
        row: The sentence.
        item: The words.
    """
    tokens, begin = row.tokens, 0
    for at in range(item.first - 1, -1, -1):
        if tokens[at] == ";":
            begin = at + 1
            break
    end = _general_part(row, item.last + 1)[1]
    behind = tokens[item.last + 1 : item.last + 3]
    if not _HERE.isdisjoint(tokens[begin:end]) or not _OWN.isdisjoint(behind[:1]):
        return None
    if behind[:1] == ["this"] and not _FILM.isdisjoint(behind[1:]):
        return None
    if item.first and tokens[item.first - 1] in _RELATIVE:
        return item.first, end  # "atelectasis, which is common after surgery"
    if tokens[item.first] in _IS and _is_definite(row, begin):
        return None
    return begin, end


def _is_definite(row: PhraseRow, begin: int) -> bool:
    """Whether a clause is about "the nodules", which are some known ones."""
    if row.tokens[begin] not in _DEFINITE:
        return False
    for item in row.items:
        if item.first > begin and item.kind not in _DESCRIBES:
            return item.kind is FINDING
    return False


def is_asked_how(row: PhraseRow, opener: Item | None, item: Item) -> bool:
    """Whether a doubt is about how a finding is, which is there: "doubtful that the effusion has changed".

    Args:
        row: The sentence.
        opener: The words of the doubt.
        item: The finding.
    """
    tokens, end = row.tokens, item.last + 1
    if opener is None or end == len(tokens) or tokens[end] not in _VERBS:
        return False  # how most sentences go on
    if _CLAUSES.isdisjoint(tokens[max(opener.first, item.first - WINDOW) : item.first]):
        return False
    behind = tokens[item.last + 1 : item.last + 1 + WINDOW]
    if not behind or behind[0] not in _VERBS or _CHANGES.isdisjoint(behind[1:4]):
        return False
    for at in range(item.first - 1, max(opener.last, item.first - WINDOW) - 1, -1):
        if tokens[at] in _DEFINITE:
            return tokens[at - 1] in _CLAUSES
    return False


def _is_presumed(row: PhraseRow, draft: Draft) -> bool:
    """Whether a name has an article and says which one is meant: "the small left pneumothorax".

    Args:
        row: The sentence.
        draft: The finding.
    """
    tokens = row.tokens
    described = False
    beside = row.items[max(0, draft.item - WINDOW) : max(0, draft.item)]
    for at in range(draft.first - 1, max(-1, draft.first - 1 - WINDOW), -1):
        if tokens[at] in _DEFINITE:
            return described and _SOUGHT.isdisjoint(tokens[max(0, at - 2) : at])
        if not tokens[at].isdecimal() and not any(
            item.first <= at <= item.last and item.kind in _DESCRIBES for item in beside
        ):
            return False
        described = True
    return False
