"""Denials behind what they deny: "pneumothorax has not been identified", and what else may be unseen there.

Every answer looks at a bounded number of words, so that a sentence is read in linear time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from orapo.facts.language.phrases import (
    AND,
    COMMA,
    FINDING,
    LONGEST_LIST,
    NEAR,
    STRUCTURE,
    VERB,
    WITH,
    PhraseRow,
)
from orapo.facts.language.reach import PARTS, WINDOW, is_part_meant, list_before
from orapo.facts.language.schema import Kind
from orapo.facts.language.states import Draft
from orapo.facts.language.vocabulary import Item

_MOST_BETWEEN: Final = 6
"""Words between "not" and "seen": "not at all clearly to be seen"."""
_PASSIVE: Final = frozenset(
    ("been", "be", "being", "to", "at", "all", "now", "currently", "again", "appear", "seem", "look", "ever", "any", "longer",
     "more", "either", "today", "here", "is", "are", "was", "were", "has", "have", "had", "in")
)  # fmt: skip
_NOT_WHOLLY: Final = frozenset(
    ("only", "previously", "formerly", "recently", "initially", "originally", "fully", "completely", "entirely", "totally",
     "wholly", "partially", "partly", "optimally", "adequately", "sufficiently", "necessarily", "merely", "equally",
     "similarly", "solely", "directly", "simply")
)  # fmt: skip
"""What is not seen so may be there: "not fully seen", "not previously seen"."""
_ELSEWHERE: Final = frozenset(
    ("prior", "previous", "earlier", "last", "comparison", "old", "older", "lateral", "frontal", "outside", "initial",
     "baseline", "original", "admission", "january", "2000", "first")
)  # fmt: skip
_HOURS: Final = frozenset(("morning", "afternoon", "night", "overnight", "yesterday", "admission"))
"""A film from then is another one; "this morning's film" may be this one."""
_OF_ITSELF: Final = frozenset(
    ("appeared", "developed", "occurred", "recurred", "formed", "returned")
)
"""What a finding does, and nobody does to it."""
_THEN: Final = frozenset(
    ("before", "earlier", "previously", "yesterday", "then", "formerly", "until", "initially", "originally")
)  # fmt: skip
"""On another film or at another time, what is here may have been unseen."""
_DENIES: Final = frozenset(("not", "never", "longer", "neither", "nowhere"))
_HAS: Final = frozenset(("has", "have", "had"))
_WHO: Final = frozenset(("we", "i", "you", "one", "they", "radiologist", "reader"))
_CONNECTS: Final = frozenset((COMMA, AND, WITH, VERB, Kind.NEW_STATEMENT, Kind.HEDGE_NEXT))
_OPENING: Final = frozenset(
    ("so", "that", "such", "because", "where", "therefore", "hence", "thus", "obscuring", "silhouetting", "effacing", "hiding",
     "masking", "covering", "blunting", "displacing", "compressing")
)  # fmt: skip
"""Words that begin a clause, whose subject stands at once behind them."""
_TIMES: Final = frozenset(("after", "following", "post", "despite", "until"))
_RELATIVE: Final = frozenset(("that", "which"))
_AUXILIARY: Final = _RELATIVE | frozenset(
    (",", "is", "are", "was", "were", "has", "have", "had", "does", "do", "did", "could", "can", "cannot", "will", "be", "been")
)  # fmt: skip
_OWNING: Final = frozenset(("its", "his", "her", "their"))
_DETERMINERS: Final = _OWNING | {"the", "this", "that"}


def is_unseen(row: PhraseRow, drafts: Sequence[Draft], index: int) -> bool:
    """Whether a denial says of the finding before it that it is not seen ("has not clearly been identified").

    Args:
        row: The sentence.
        drafts: What was read of it.
        index: Of the denial.
    """
    if not drafts:
        return False
    tokens, item = row.tokens, row.items[index]
    denial = tokens[item.last]
    if denial not in _DENIES and not denial.endswith("n't"):
        return False  # "no appreciable growth"
    if tokens[item.first - 1] in _WHO or tokens[item.first] in _WHO:
        return False
    has = denial == "not" and tokens[item.last - 1] in _HAS
    for at in range(item.last + 1, min(item.last + 2 + _MOST_BETWEEN, len(tokens))):
        token = tokens[at]
        if token in row.grammar.perceived:
            if has and token not in _OF_ITSELF and "been" not in tokens[item.last + 1 : at]:
                return False  # "we have not seen an effusion"
            return not is_of_another_film(row, at)
        if token in _NOT_WHOLLY or (token not in _PASSIVE and not token.endswith("ly")):
            return False
    return False


def is_active(row: PhraseRow, item: Item) -> bool:
    """Whether "not seen" is what somebody did: "we have not seen a fracture" denies what follows.

    Args:
        row: The sentence.
        item: The denial.
    """
    tokens = row.tokens
    return (
        tokens[item.first] == "not"
        and item.first > 0
        and tokens[item.first - 1] in _HAS
        and tokens[item.last] not in _OF_ITSELF
    )


def is_of_another_film(row: PhraseRow, at: int) -> bool:
    """Whether the words behind "seen" say that it is another film, or another time, that is spoken of.

    Args:
        row: The sentence.
        at: The token that says that something is seen.
    """
    tokens = row.tokens[at + 1 : at + 2 + _MOST_BETWEEN]
    if not tokens or row.tokens[at] not in row.grammar.perceived:
        return False
    if tokens[0] in _THEN:
        return True
    if tokens[0] not in ("on", "in", "at") or tokens[1:2] == ["comparison"]:
        return False
    if tokens[1:2] == ["this"]:
        return False
    for place, token in enumerate(tokens):
        if token in (",", ";", "and", "but", "compared", "than"):
            return False
        hour = token in _HOURS and "from" in tokens[:place]
        if hour and tokens[place - 1] == "this" and row.tokens[at - 2] in ("is", "are"):
            return False  # "is not seen on the film from this morning" is said of now
        if token in _ELSEWHERE or hour:
            return True
    return False


def is_seen_now(row: PhraseRow, index: int) -> bool:
    """Whether what was unseen is said to be there now: "was not visible on admission but is now obvious".

    Args:
        row: The sentence.
        index: Of the denial.
    """
    begin = row.items[index].last + 1
    tokens = row.tokens[begin : begin + 2 * WINDOW]
    if "now" not in tokens:
        return False
    now = tokens.index("now")
    said = tokens[now + 1 : now + 1 + NEAR + 1]
    if tokens[now - 1 : now] not in (["is"], ["are"], ["has"], ["have"]) or not now:
        return False
    if any(
        item.kind is FINDING and item.first < begin + now
        for item in row.items[index + 1 : index + 1 + LONGEST_LIST]
    ):
        return False
    return not row.grammar.perceived.isdisjoint(said)


def reached_back(row: PhraseRow, drafts: Sequence[Draft], index: int) -> list[Draft]:
    """Return the findings that a denial or a doubt behind them is about, the last first.

    Args:
        row: The sentence.
        drafts: What was read of it.
        index: Of the denial or the doubt.
    """
    if _speaks_of_another(row, drafts, index):
        return []
    found = list_before(row, drafts, row.items[index])
    return [draft for draft in found if not is_part_meant(row, draft)]


def _speaks_of_another(row: PhraseRow, drafts: Sequence[Draft], index: int) -> bool:
    """Whether a denial has a subject of its own: "there is an effusion, and the diaphragm is not seen"."""
    if not drafts:
        return False
    tokens, item, last = row.tokens, row.items[index], drafts[-1]
    connects: list[Item] = []
    subject: Item | None = None
    over = -1
    for at in range(max(last.item + 1, index - 2 * LONGEST_LIST), index):
        other = row.items[at]
        if other.kind is VERB and tokens[other.last] in row.grammar.prepositions:
            over = other.last  # "overlying the heart"
        elif other.kind in _CONNECTS and other.kind is not WITH:
            connects.append(other)
            if tokens[other.first] == ")":
                subject = None  # what stood in brackets is an aside
        elif other.kind is STRUCTURE:
            named = connects or not _DETERMINERS.isdisjoint(
                tokens[max(last.last + 1, other.first - NEAR) : other.first]
            )
            here = row.is_place(at, other, True) or (over >= 0 and other.first - over - 1 <= NEAR)
            if named and not here:
                subject = other
    if subject is not None:
        # "opacity, left base, is no longer seen" has its place between commas
        between = connects and connects[0].first < subject.first < connects[-1].first
        return not (between and all(other.kind is COMMA for other in connects))
    return _has_subject(row, max(last.last + 1, item.first - 2 * WINDOW), index)


def _has_subject(row: PhraseRow, start: int, index: int) -> bool:
    """Whether a clause behind a place names what it is about: "and the tip ...", "so that the carina ..."."""
    tokens, stop = row.tokens, row.items[index].first
    opening = {
        item.last: item.kind
        for item in row.items[max(0, index - LONGEST_LIST) : index]
        if item.kind in _CONNECTS
    }
    for at in range(stop - 1, start, -1):
        before = tokens[at - 1]
        if tokens[at] not in _DETERMINERS or not (
            before in _OPENING
            or (at - 1 in opening and before not in _TIMES | row.grammar.prepositions)
        ):
            continue
        end = at + 1
        while end < stop and tokens[end] not in _AUXILIARY:
            end += 1
        if end == at + 1:
            continue
        if tokens[at] in _OWNING and tokens[end - 1] not in PARTS:
            return False  # "edema and its complications are not seen"
        if opening.get(at - 1) is WITH:  # "with the fissure not seen", and "... that is not seen"
            bare = end == stop and tokens[stop] not in _AUXILIARY
            return bare or not _RELATIVE.isdisjoint(tokens[end:stop])
        return True
    return False
