"""What is planned, advised, supposed or not assessed: which findings a sentence names as there all the same.

"The patient will need a chest tube for the right pneumothorax": no tube yet, and a pneumothorax.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from orapo.facts.language.phrases import PhraseRow
from orapo.facts.language.reach import WINDOW
from orapo.facts.language.schema import Finding
from orapo.facts.language.states import Draft
from orapo.facts.language.vocabulary import Item, Vocabulary

_NOW: Final = frozenset(
    ("unchanged", "stable", "still", "again", "similar", "seen", "visible", "present", "evident", "persistent", "increased",
     "decreased", "larger", "smaller", "bigger", "improved", "improving", "worse", "worsened", "better", "healed", "progressed",
     "enlarged", "resolving", "grown", "now", "retracted", "advanced", "repositioned")
)  # fmt: skip
_LASTS: Final = frozenset(("persist", "persists", "remain", "remains", "continue", "continues"))
_IS: Final = frozenset(("is", "are", "has", "have"))
_OVER: Final = frozenset(
    ("not", "no", "normal", "clear", "expanded", "reexpanded", "aerated", "resolved", "gone", "removed", "free", "absent", "out")
)  # fmt: skip
_CLAUSE: Final = frozenset((",", ";", ".", "and", "but", "by", "with"))
NEARBY: Final = 5
_DEFINITE: Final = frozenset(("the", "this", "these", "those"))
_REMAINING: Final = frozenset(("residual", "remaining", "persistent", "known"))
_GOVERN: Final = frozenset(
    ("of", "for", "to", "in", "with", "by", "on", "a", "an", "any", "and", "or", ",")
)
_WISHED: Final = frozenset(("require", "need"))
_ASKED: Final = frozenset(
    ("correlation", "exclusion", "exclude", "rule", "evaluation", "confirm", "confirmation", "assess", "assessment")
)  # fmt: skip
"""What is needed for a finding that may not be there: "requires correlation for pneumonia"."""
_ASSESSED: Final = frozenset(("assess", "evaluate", "judge", "on"))
_CAUSES: Final = tuple(
    f" {words} "
    for words in ("due to", "secondary to", "owing to", "in the presence of", "obscured by", "limited by", "given the")
)  # fmt: skip
"""Behind these stands what is there and hinders: "cannot assess the base due to a large effusion"."""
_OF_THE_KNOWN: Final = frozenset(
    ("consider", "will", "counselled", "counseled", "warned", "educated", "cautioned")
)
"""Behind them, with an article, stands what there is: "will need a chest tube for the right pneumothorax"."""
_MOVED: Final = frozenset(
    ("reposition", "repositioning", "advance", "advancing", "advancement", "withdrawing", "withdrawal", "withdraw", "retracting",
     "retraction", "retract", "pulling", "pull", "removing", "removal", "remove", "exchange", "exchanging", "replacing",
     "replacement", "revision", "adjusting", "adjustment")
)  # fmt: skip
"""Only what is there can be moved."""
_PLACED: Final = frozenset(("placed", "inserted", "implanted", "fitted"))
_PLANNED: Final = _PLACED | frozenset(
    ("reinserted", "needed", "required", "necessary", "planned", "scheduled", "pending", "awaited")
)
_HAPPENS: Final = frozenset(("develop", "recur", "occur"))
_SUPPOSED: Final = frozenset(("should", "if", "when", "unless", "would", "until", "were", "may"))

_AT: Final = frozenset(("on", "in", "at"))
_FILMS: Final = frozenset(
    ("film", "study", "exam", "examination", "radiograph", "image", "imaging", "x", "xray", "cxr", "scan", "ct", "mri", "2000",
     "january", "yesterday")
)  # fmt: skip
_OTHERS: Final = frozenset(
    ("prior", "previous", "last", "earlier", "old", "older", "outside", "yesterday", "comparison", "admission", "preoperative",
     "initial", "baseline", "2000", "january")
)  # fmt: skip
_AT_HAND: Final = frozenset(("since", "interval", "today"))
_THIS: Final = frozenset(("today", "this"))
"""Of both films: "on the prior film and on this one"."""
_COMPARED: Final = frozenset(("smaller", "larger", "bigger", "less", "milder", "worse", "better"))
"""What was so then, compared with now, is there now."""
_THEN_VERBS: Final = frozenset(("was", "were", "had", "showed", "demonstrated", "revealed"))
_NOW_VERBS: Final = frozenset((";", "but", "is", "are", "has", "have", "persists", "persist"))


def is_conditional(row: PhraseRow) -> bool:
    """Whether "if" opens the sentence: "if fever develops, consider pneumonia" is advice to its end.

    Args:
        row: The sentence.
    """
    return row.tokens[0] == "if"


def is_advised(
    row: PhraseRow, vocabulary: Vocabulary, opener: Item | None, finding: Finding | None
) -> bool:
    """Whether a device is only proposed: "consider chest tube placement".

    Args:
        row: The sentence.
        vocabulary: The compiled lexicon.
        opener: The cue of the doubt that the device is in.
        finding: What is named.
    """
    if opener is None or finding is None:
        return False
    return row.tokens[opener.first] == "consider" and vocabulary.is_device(finding)


def is_there_all_the_same(
    row: PhraseRow,
    vocabulary: Vocabulary,
    opener: Item | None,
    item: Item,
    finding: Finding | None,
) -> bool:
    """Whether a finding that a plan or a regret names is on the film.

    Args:
        row: The sentence.
        vocabulary: The compiled lexicon.
        opener: The cue that opened the plan.
        item: Where the finding is named.
        finding: The finding.
    """
    if opener is None or finding is None:
        return False
    tokens = row.tokens
    word, last = tokens[opener.first], tokens[opener.last]
    between = tokens[opener.last + 1 : item.first]
    behind = tokens[item.last + 1 : item.last + 4]
    if word in _WISHED:
        asked = not _ASKED.isdisjoint(between) and _DEFINITE.isdisjoint(between)
        return not (asked or vocabulary.is_device(finding))
    if last in _ASSESSED:
        joined = f" {' '.join(between)} "
        return any(cause in joined for cause in _CAUSES)
    if last == "had":
        return vocabulary.is_device(finding) and not _PLACED.isdisjoint(behind)
    device = vocabulary.is_device(finding)
    if word == "consider" and device:
        return not _MOVED.isdisjoint((*between, *behind))
    if word not in _OF_THE_KNOWN or (device and last != "be"):
        return False
    for token in reversed(tokens[max(opener.last, item.first - WINDOW) : item.first]):
        if token in _DEFINITE:
            return True  # "the right pneumothorax", not "the possibility of a pneumothorax"
        if token in _GOVERN:
            return False
    return False


def is_only_planned(row: PhraseRow, vocabulary: Vocabulary, item: Item, draft: Draft) -> bool:
    """Whether words behind a finding leave it unsaid: those of a plan leave only devices so.

    Args:
        row: The sentence.
        vocabulary: The compiled lexicon.
        item: The words ("is planned", "should ... develop").
        draft: The finding.
    """
    words = row.tokens[item.first : item.last + 1]
    if words[:2] == ["would", "be"] and _is_known(row, draft):
        return False  # "the residual pneumothorax would be managed conservatively"
    if words[0] in _HAPPENS:  # "should effusion develop", not "fractures occur at three levels"
        return not _SUPPOSED.isdisjoint(row.tokens[: item.first])
    if not _PLANNED.isdisjoint(words):
        return vocabulary.is_device(vocabulary.findings[draft.finding])
    return True


def _is_known(row: PhraseRow, draft: Draft) -> bool:
    """Whether a finding is one that there is: "the pneumothorax", "residual pneumothorax"."""
    for token in reversed(row.tokens[max(0, draft.first - WINDOW) : draft.last]):
        if token in _DEFINITE or token in _REMAINING:
            return True
        if token in _GOVERN:
            return False
    return False


def goes_on(row: PhraseRow, item: Item) -> bool:
    """Whether a clause says of what a prior film showed how it is now: "..., which is unchanged".

    Args:
        row: The sentence.
        item: The phrase that begins the clause: "which", or what stands before "it" or "this".
    """
    tokens, begin = row.tokens, item.last + 1
    now = tokens[begin : begin + 1] == ["now"]
    if tokens[item.first] == "and" and tokens[begin : begin + 1] and tokens[begin] in _IS:
        return is_still_so(tokens[begin : begin + NEARBY])  # "was small and is now large"
    if tokens[item.first] != "which":
        begin += now
        if tokens[begin : begin + 1] and tokens[begin] not in row.grammar.pronouns:
            return False
        begin += 1
    behind = tokens[begin : begin + NEARBY]
    if now and behind and behind[0] not in _IS:
        return _OVER.isdisjoint(behind)  # "; now it fills half of the chest"
    return is_still_so(behind)


def is_still_so(behind: Sequence[str]) -> bool:
    """Whether words behind "which" or "it" say that it is there now ("is unchanged", "has increased").

    Args:
        behind: The words.
    """
    if not behind:
        return False
    if behind[0] in _LASTS:
        return True
    end = next((at for at, token in enumerate(behind) if token in _CLAUSE), len(behind))
    said = behind[:end]
    return behind[0] in _IS and _OVER.isdisjoint(said) and not _NOW.isdisjoint(said)


def tells_of_another_film(tokens: Sequence[str]) -> bool:
    """Whether a sentence tells what another film showed: "on the prior film the left lung was collapsed".

    In the midst of a sentence the other film may only date a finding ("a nodule, seen on the prior film").

    Args:
        tokens: The sentence.
    """
    if tokens[0] not in _AT or tokens[1:3] in (["comparison", "to"], ["comparison", "with"]):
        return False
    named = None
    for at, token in enumerate(tokens[1 : 1 + WINDOW], 1):
        if token in _FILMS:
            named = at
            break
    if named is None or _OTHERS.isdisjoint(tokens[1 : named + 1]):
        return False
    if not _AT_HAND.isdisjoint(tokens[1 : named + 1]):
        return False
    for at, token in enumerate(tokens[named + 1 : named + 1 + 2 * WINDOW], named + 1):
        if token in _THEN_VERBS:
            return _COMPARED.isdisjoint(tokens[at + 1 : at + 2])
        if token in _THIS:
            return False
        if token in _NOW_VERBS:
            return False
    return False


def is_date(row: PhraseRow, item: Item) -> bool:
    """Whether "may" is the month: a number stands beside it.

    Args:
        row: The sentence.
        item: The word.
    """
    tokens = row.tokens
    beside = (*tokens[max(0, item.first - 1) : item.first], *tokens[item.last + 1 :][:1])
    return item.first == item.last and any(token.isdecimal() for token in beside)
