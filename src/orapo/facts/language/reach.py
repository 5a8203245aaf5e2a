"""How far a word reaches: which finding a name means here, what a denial denies, what stands in one list.

Every answer looks at a bounded number of phrases, so that a sentence is read in linear time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from orapo.facts.language.phrases import (
    AND,
    COMMA,
    ENDS_NAME,
    FINDING,
    LINKS,
    LONGEST_LIST,
    OR,
    QUALIFIERS,
    STRUCTURE,
    VERB,
    VERSUS,
    PhraseRow,
)
from orapo.facts.language.schema import Finding, Kind
from orapo.facts.language.states import Draft
from orapo.facts.language.vocabulary import Item, Vocabulary

WINDOW: Final = 8
"""Words either side of a mention in which what bears on it is looked for."""
_WHERE: Final = QUALIFIERS | {STRUCTURE}
_DEFINITE: Final = frozenset(("the", "these", "those"))
_LISTS: Final = frozenset((",", ";", "or", "nor"))
_NO_GOVERNOR: Final = frozenset((",", "and", "&", "or", "nor", "that", "all", "any", "either"))
"""Before an article, these say that it stands in a list or is denied itself."""
EXCEPTING: Final = frozenset(
    ("except", "excepting", "exception", "apart", "aside", "other", "besides", "save")
)
"""Words that begin an exception."""
_BEFORE_NAME: Final = frozenset(
    ("no", "any", "left", "right", "new", "other", "the", "a", "all", "old")
)
_BE: Final = frozenset(("is", "are", "was", "were", "isn't", "aren't"))
_BACK: Final = frozenset(("it", "they", "which"))
"""Before a denial, these mean the same thing as before: "seen here, but on the lateral it is not"."""
_SEEN: Final = frozenset(("seen", "present", "visible", "noted", "identified", "evident"))
_SIMPLY_DENIES: Final = frozenset(("no", "without", "negative"))
_NAMED: Final = LINKS | QUALIFIERS | {FINDING}
_OF_ONE: Final = frozenset(("is", "was", "has", "isn't", "wasn't", "hasn't"))
_OF_MANY: Final = frozenset(("are", "were", "have", "aren't", "weren't", "haven't"))
_TELLS: Final = frozenset((VERB, Kind.NEW_STATEMENT, Kind.HEDGE_NEXT))
_DEVICES: Final = ["support", "device"]
PARTS: Final = frozenset(
    ("tip", "end", "course", "position", "portion", "termination", "margin", "border", "edge", "outline", "cause",
     "etiology", "aetiology", "origin", "source", "extent", "exact", "hub", "sidehole", "port", "severity", "nature",
     "acuity", "age", "chronicity", "location", "size", "significance", "importance", "relevance")
)  # fmt: skip
"""What "... of a finding" may be unseen or gone while the finding itself is there."""


def is_presupposed(row: PhraseRow, opener: Item | None, index: int) -> bool:
    """Whether what is denied is something about this finding: "no callus around the fracture".

    Then the article stands before it, and what is denied before that; "no evidence of the" and
    "without the" deny the finding itself.

    Args:
        row: The sentence.
        opener: The cue that opened the denial.
        index: Of the finding.
    """
    if opener is None:
        return False
    tokens, item = row.tokens, row.items[index]
    if tokens[opener.first] == "none" and opener.last > opener.first:
        # "none of the small nodules is calcified", not "none of the lungs shows a nodule"
        beside = row.items[max(0, index - WINDOW) : index]
        return item.first - opener.last <= WINDOW and all(
            _is_described(beside, at) for at in range(opener.last + 1, item.first)
        )
    for at in range(item.first - 1, max(opener.last + 1, item.first - WINDOW), -1):
        token = tokens[at]
        if token in _DEFINITE:
            return tokens[at - 1] not in _NO_GOVERNOR
        if token in _LISTS or token in row.grammar.prepositions:
            return False
    return False


def is_sided_anew(
    row: PhraseRow, opener: Item | None, drafts: Sequence[Draft], words: Iterable[Item]
) -> bool:
    """Whether a finding has a side and those denied before it have none: "no A, bibasilar B".

    Args:
        row: The sentence.
        opener: The cue that opened the denial; "removal of" denies what has a side as well.
        drafts: What was read before.
        words: The finding's.
    """
    if opener is None or row.tokens[opener.first] not in _SIMPLY_DENIES:
        return False
    before = drafts[-LONGEST_LIST:]
    return _has_side(words) and not any(_has_side(draft.modifiers) for draft in before)


def _has_side(words: Iterable[Item]) -> bool:
    return any(item.place is not None and item.place.side is not None for item in words)


def stands_alone(row: PhraseRow, opener: Item | None, drafts: Sequence[Draft], index: int) -> bool:
    """Whether one finding was denied, and the one here has a verb of its own: "no A, B is seen"."""
    if opener is None or not drafts or drafts[-1].dropped:
        return False
    if len(drafts) > 1 and drafts[-2].last > opener.first:
        return False
    joined = row.items[drafts[-1].item + 1 : index]
    if any(row.tokens[item.first] == "/" for item in joined):
        return False  # "no effusion/pneumothorax is seen"
    between = [item.kind for item in joined]
    behind = [item.kind for item in row.items[index + 1 : index + 1 + LONGEST_LIST]]
    return (
        between[:1] == [COMMA]
        and QUALIFIERS.issuperset(between[1:])
        and behind[-1:] == [VERB]
        and index + 1 + len(behind) == len(row.items)
        and _WHERE.issuperset(behind[:-1])
    )


def is_device_behind_disease(
    row: PhraseRow, vocabulary: Vocabulary, drafts: Sequence[Draft], index: int
) -> bool:
    """Whether a device stands behind a disease that is denied: "no pneumothorax, ET tube in place"."""
    item = row.items[index]
    if not vocabulary.is_device(item.data):
        return False
    alone = all(other.kind is COMMA for other in row.items[index + 1 : index + 2])
    if alone and row.tokens[item.first : item.last + 1] == _DEVICES:
        return False  # "no edema, support devices": all of a kind is denied, as one is not
    last = drafts[-1:]
    return not (last and vocabulary.is_device(vocabulary.findings[last[0].finding]))


def is_part_meant(row: PhraseRow, draft: Draft) -> bool:
    """Whether what is said of a finding is said of a part of it: "the tip of the catheter is not seen".

    Args:
        row: The sentence.
        draft: The finding.
    """
    tokens, articles = row.tokens, row.grammar.articles
    if tokens[draft.last] == "tip":
        return True  # "the catheter tip is not seen"
    beside = row.items[max(0, draft.item - WINDOW) : draft.item]
    for at in range(draft.first - 1, max(0, draft.first - 1 - WINDOW), -1):
        if tokens[at] not in articles and not _is_described(beside, at):
            return False
        if tokens[at] == "of" and tokens[at - 1] in PARTS:
            return True
    return False


def _is_described(beside: Sequence[Item], at: int) -> bool:
    """Whether a word says which one or where: "right", "large"."""
    return any(item.first <= at <= item.last and item.kind in QUALIFIERS for item in beside)


def ends_denied(row: PhraseRow, item: Item) -> bool:
    """Whether a denial ends a sentence that says of something else that it is seen ("A is seen, B is not").

    Args:
        row: The sentence.
        item: The denial.
    """
    tokens = row.tokens
    if item.last + 1 < len(tokens) or tokens[item.first] not in _BE:
        return False
    before = [other.kind for other in row.items[: LONGEST_LIST + 1] if other.last < item.first]
    if len(before) <= LONGEST_LIST and before[-1:] == [FINDING] and _NAMED.issuperset(before):
        return True  # "Pneumothorax is not.", behind a sentence that says what is seen
    return tokens[item.first - 1] not in _BACK | PARTS and not _SEEN.isdisjoint(
        tokens[: item.first]  # "the catheter is seen, its tip is not"
    )


def meant_finding(row: PhraseRow, vocabulary: Vocabulary, index: int) -> Finding | None:
    """Return the finding that a name means among the words around it; None if it means none of them.

    Args:
        row: The sentence.
        vocabulary: The compiled lexicon.
        index: Of the name.
    """
    item = row.items[index]
    finding: Finding = item.data
    if not finding.needs and not finding.unless:
        return finding
    tokens = row.tokens
    before, behind = max(0, item.first - WINDOW), item.last + 1 + WINDOW
    near = not finding.needs or not finding.needs.isdisjoint(tokens[before:behind])
    if not near and not ("" in finding.needs and _is_bare(tokens, item)):
        return None
    for other in reversed(row.items[max(0, index - WINDOW) : index]):
        if other.kind in ENDS_NAME:
            before = max(before, other.last + 1)
            break
    for other in row.items[index + 1 : index + 1 + WINDOW]:
        if other.kind in ENDS_NAME:
            behind = min(behind, other.first)
            break
    around = (*tokens[before : item.first], *tokens[item.last + 1 : behind])
    if not finding.unless.isdisjoint(around):
        return vocabulary.findings[finding.otherwise] if finding.otherwise else None
    return finding


def _is_bare(tokens: Sequence[str], item: Item) -> bool:
    """Whether a sentence is a mere name: "Lines", "No lines."."""
    return len(tokens) == item.last + 1 and _BEFORE_NAME.issuperset(tokens[: item.first])


def list_before(row: PhraseRow, drafts: Sequence[Draft], said: Item | None = None) -> list[Draft]:
    """Return the last finding and those joined to it in one list ("A, B or C"), the last first.

    Args:
        row: The sentence.
        drafts: What was read of it.
        said: What is said of the list, where it may say so of one finding alone: "there is A, and B
            is absent".
    """
    verbs = [] if said is None else row.tokens[max(0, said.first - 1) : said.first + 1]
    one = not _OF_ONE.isdisjoint(verbs)
    found: list[Draft] = []
    # "A, B, C are not seen" begins with its list
    joined = not _OF_MANY.isdisjoint(verbs) and _is_list(row, drafts)
    joined = joined or (said is not None and row.tokens[said.first] == "or")  # "A, B, or both"
    for draft in drafts[: -LONGEST_LIST - 1 : -1]:
        if found:
            between = row.items[draft.item + 1 : found[-1].item]
            kinds = {item.kind for item in between} - QUALIFIERS
            joined = joined or bool(kinds & {OR, AND, VERSUS})
            if not kinds or not kinds <= LINKS or not joined:
                break
            if AND in kinds and (
                any(item.assertive for item in between) or (one and _told(row, draft))
            ):
                break
        found.append(draft)
    return found


def _is_list(row: PhraseRow, drafts: Sequence[Draft]) -> bool:
    """Whether a sentence begins with names and commas alone, up to the last finding."""
    if not drafts or drafts[-1].item > LONGEST_LIST:
        return False
    return all(item.kind in (FINDING, COMMA) for item in row.items[: drafts[-1].item])


def _told(row: PhraseRow, draft: Draft) -> bool:
    """Whether a clause that ends with a finding has said already that it is there ("there is ...")."""
    before = row.items[max(0, draft.item - LONGEST_LIST) : draft.item]
    return any(item.kind in _TELLS for item in before)


def choice_before(row: PhraseRow, vocabulary: Vocabulary, drafts: Sequence[Draft]) -> list[Draft]:
    """Return the list that "or" chooses from, without the sign that it explains.

    Args:
        row: The sentence.
        vocabulary: The compiled lexicon.
        drafts: What was read of it.
    """
    found = list_before(row, drafts)
    # "opacity or edema" has two, and both are in doubt
    while len(found) > 2 and vocabulary.findings[found[-1].finding].sign:
        del found[-1]
    return found


def is_of_the_other_side(draft: Draft, words: Iterable[Item]) -> bool:
    """Whether words behind a finding name the other side ("... left; on the right it has").

    Args:
        draft: The finding.
        words: Those since it was read.
    """
    here, there = (
        {item.place.side for item in beside if item.place is not None and item.place.side}
        for beside in (words, draft.modifiers)
    )
    return len(here) == len(there) == 1 and here | there == {"left", "right"}
