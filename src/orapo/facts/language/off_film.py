"""Sentences that speak of no film at hand: orders to a reader, definitions, counts over many patients.

"Look carefully for edema", "Edema is a finding on radiographs", "Edema was found in 30 of 100 patients". Where such
words stand in the midst of a sentence the lexicon has them; here are those that only its beginning or a number tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from orapo.facts.language.phrases import AND, COMMA, FINDING, OR, PhraseRow
from orapo.facts.language.reach import WINDOW
from orapo.facts.language.schema import Kind

_LEADS: Final = frozenset(
    ("please", "kindly", "now", "then", "always", "also", "first", "next", "finally", "carefully", "closely", "systematically",
     "never", "and", ",", "remember", "try", "to", "be", "sure", "make", "certain", "that", "you", "should", "must", "need", "have",
     "task", "is", "your", "job", "goal", "let", "us", "are", "asked", "going", "do", "not", "don't", "forget")
)  # fmt: skip
"""Words before an order: "please always check ...", "your task is to label ..."."""
_MOST_LEADS: Final = 8
_ORDERS: Final = frozenset(
    ("look", "classify", "determine", "decide", "describe", "examine", "inspect", "analyze", "analyse", "identify", "detect",
     "write", "interpret", "generate", "annotate", "predict", "beware", "localize", "explain", "specify", "mention", "choose",
     "select", "miss", "overlook", "confuse", "ignore", "recognize", "distinguish", "differentiate", "pay", "learn", "consult",
     "act", "confirm", "translate", "spell", "treat")
)  # fmt: skip
"""What a sentence of a report does not begin with."""
_JUDGES: Final = frozenset(("classify", "describe", "interpret", "treat"))
"""What they say with "as" is what is there: "classify as moderate cardiomegaly"."""
_ORDERS_OR_NAMES: Final = frozenset(
    ("report", "grade", "label", "mark", "list", "state", "comment", "answer", "score", "rate", "name", "scan", "screen",
     "search", "check", "call", "return", "output", "read", "count", "watch", "segment", "review", "test", "measure", "judge",
     "highlight", "record", "document", "tell", "tick", "evaluate", "assess", "study", "exclude", "include", "summarize", "use", "compare", "show", "draw")
)  # fmt: skip
"""Orders before an object, and else names: "report the presence of edema", "grade 2 edema"."""
_OBJECTS: Final = frozenset(
    ("the", "any", "whether", "if", "each", "every", "all", "both", "carefully", "closely", "separately", "yes", "json", "this",
     "these", "your", "only")
)  # fmt: skip
_SEEKING: Final = frozenset(
    ("check", "search", "screen", "scan", "watch", "test", "comment", "review", "read")
)
_NAMED: Final = frozenset(("of", ":", "is", "was"))
"""Behind these words it is a name: "scan of the chest for edema"."""
_TELLS: Final = frozenset(
    ("shows", "showed", "demonstrates", "demonstrated", "reveals", "revealed", "negative", "positive")
)  # fmt: skip
"""A name has a verb: "study the same day shows ...", "test for ... negative"."""
_FOR: Final = frozenset(("for", "on"))
_SOUGHT: Final = _SEEKING | frozenset(("evaluate", "assess"))
"""What has what is sought behind "for": "assess the lungs for edema"."""
_POLITE: Final = frozenset(("please", "kindly", "should", "must", "always", "never", "remember"))
_ADVICE: Final = frozenset(
    ("give", "insert", "start", "obtain", "consider", "notify", "drain", "treat", "order", "perform", "contact", "seek", "get",
     "repeat", "recommend", "inform", "alert", "refer", "admit", "do", "write", "say", "add", "call", "report", "please")
)  # fmt: skip
"""What is to be done if something is found: "when edema is present, give diuretics"."""
_GIVEN: Final = frozenset(("given", "using", "as", "for", "based", "from"))
_CLAUSES: Final = _GIVEN | frozenset(("when", "whenever", "once", "in"))
_GENERAL: Final = frozenset(("any", "every"))
_OUGHT: Final = frozenset(("should", "must"))
_DONE: Final = frozenset(
    ("reported", "treated", "managed", "communicated", "called", "phoned", "mentioned", "described", "documented", "recorded",
     "graded", "labelled", "labeled", "classified", "suspected", "sought", "coded")
)  # fmt: skip

_IS: Final = frozenset(("is", "are"))
_DEFINED: Final = frozenset(
    ("label", "term", "word", "disease", "condition", "disorder", "infection", "inflammation", "collection", "accumulation",
     "category", "class", "concept", "emergency", "illness", "syndrome", "pathology", "synonym", "diagnosis", "diagnose")
)  # fmt: skip
_KINDS: Final = frozenset(
    ("finding", "sign", "feature", "complication", "consequence", "cause", "problem", "symptom", "manifestation", "abnormality",
     "observation", "indicator")
)  # fmt: skip
"""What a finding is in general, if nothing says which one: "a finding on chest radiographs"."""
_RELATES: Final = frozenset(
    ("of", "in", "on", "at", "after", "that", "which", "seen", "with", "following", "from")
)
_AT_HAND: Final = frozenset(
    ("the", "this", "these", "today", "her", "his", "their", "our", "current", "here", "note", "concern", "uncertain", "unclear",
     "new")
)  # fmt: skip
_SIDES: Final = frozenset(("left", "right"))
_HEART: Final = (["heart"], ["ventricular"], ["ventricle"], ["sided"], ["atrial"])
_SINCE: Final = frozenset(("unchanged", "here", "today", "known", "loculated"))
"""What in a definition would be said of no disease in general."""
_TODAY: Final = frozenset(("this", "today", "here", "current", "seen", "new"))
"""It is this film that is spoken of: "a finding of note", "a sign on this film"."""
_MEANS: Final = frozenset(
    ("means", "mean", "denotes", "denote", "describes", "describe", "refers", "refer", "signifies", "signify", "designates",
     "connotes", "rhymes")
)  # fmt: skip
_OCCASIONS: Final = frozenset(("in", "after", "with", "following", "during", "when", "from"))
"""Where it occurs in general; "at three levels" it does on a film."""
_HAPPENS: Final = frozenset(
    ("result", "cause", "lead", "mimic", "occur", "arise", "kill", "follow", "accompany", "complicate", "indicate", "develop")
)  # fmt: skip
_MAY_BE: Final = frozenset(
    ("life", "fatal", "caused", "due", "associated", "dangerous", "deadly", "asymptomatic", "confused", "classified", "divided",
     "graded", "diagnosed", "treated", "serious")
)  # fmt: skip
_WORDS_OF: Final = frozenset(
    ("term", "word", "phrase", "sentence", "string", "expression", "concept", "notion", "definition")
)  # fmt: skip
_AT_TERM: Final = frozenset(
    ("infant", "infant's", "neonate", "newborn", "baby", "boy", "girl", "birth", "pregnancy", "delivery")
)  # fmt: skip
"""What is born at term, and no word's meaning."""
_CAUSES: Final = frozenset(
    ("cause", "sign", "symptom", "treatment", "feature", "type", "example", "management")
)
_INCLUDES: Final = frozenset(("include", "includes"))

_REPORTS: Final = frozenset(
    ("no", "there", "lungs", "left", "right", "bilateral", "small", "mild", "moderate", "normal", "stable", "bony", "osseous",
     "visualized", "degenerative", "both", "otherwise")
)  # fmt: skip
"""Many a sentence of a report begins so and none of those looked for, which is not asked of them, for speed. ("Heart
failure is a condition ..." is one of those.)"""

_CASES: Final = frozenset(
    ("case", "patient", "study", "radiograph", "people", "adult", "child", "children", "infant", "person", "subject",
     "examination", "exam", "survivor", "film", "image", "report", "women", "men")
)  # fmt: skip
_MANY: Final = 10
_SEVERAL: Final = 2


def is_of_no_film(row: PhraseRow) -> bool:
    """Whether a sentence speaks of no film at hand.

    Args:
        row: The sentence.
    """
    tokens = row.tokens
    if tokens[0] not in _REPORTS and (_is_order(tokens) or _is_advice(row) or _defines(row)):
        return True
    return "of" in tokens and _counts(tokens)


def _is_order(tokens: Sequence[str]) -> bool:
    """Whether a sentence tells its reader what to do: "Look carefully for edema."."""
    at = 0
    while at < min(len(tokens) - 1, _MOST_LEADS) and tokens[at] in _LEADS:
        at += 1
    word = tokens[at]
    if word in _ORDERS:
        behind = tokens[at + 1 : at + 2]
        return behind != [":"] and not (word in _JUDGES and behind == ["as"])
    if word not in _ORDERS_OR_NAMES:
        return False
    behind = tokens[at + 1 : at + 1 + WINDOW]
    if not _TELLS.isdisjoint(behind):
        return False
    if not _POLITE.isdisjoint(tokens[:at]) or (behind and behind[0] in _OBJECTS):
        return True
    if not behind or behind[0] in _NAMED:
        return False
    return (behind[0] in _FOR and word in _SEEKING) or (word in _SOUGHT and "for" in behind)


def _says_how_large(row: PhraseRow, at: int) -> bool:
    """Whether "be small", "as moderate" or the like stands there."""
    return row.tokens[at : at + 1] in (["be"], ["as"]) and any(
        item.first == at + 1 and item.kind is Kind.SEVERITY for item in row.items
    )


def _is_advice(row: PhraseRow) -> bool:
    """Whether a sentence says what to do if something is found."""
    tokens = row.tokens
    first = tokens[0]
    if first == "should":
        return tokens[1:2] != ["be"]  # "should be noted that ..."
    if first in _GENERAL:
        ought = next((at for at, token in enumerate(tokens[:WINDOW]) if token in _OUGHT), None)
        # "any effusion must be small" says how it is
        return ought is not None and not _says_how_large(row, ought + 1)
    if first not in _CLAUSES or "," not in tokens:
        return False
    comma = tokens.index(",")
    behind = tokens[comma + 1 :][:1]
    if not behind or first in _GIVEN:
        given = row.items[0].kind is FINDING or any(
            item.kind is FINDING and item.first < comma for item in row.items[:WINDOW]
        )  # "given the consolidation, treat as pneumonia"
        return bool(behind) and behind[0] in _ORDERS and not given
    if first == "in" and tokens[1] != "case" and tokens[2:3] != ["presence"]:
        return False
    return behind[0] in _ADVICE or behind[0] in _ORDERS


def _defines(row: PhraseRow) -> bool:
    """Whether a sentence says what a finding is, or what it does, in general."""
    tokens, items = row.tokens, row.items
    at = int(tokens[0] in ("the", "this"))
    if tokens[at : at + 1] and tokens[at] in _WORDS_OF:
        return _AT_TERM.isdisjoint(tokens[at + 1 : at + 2]) and tokens[at + 1 : at + 3] != [
            "of",
            "the",
        ]
    if tokens[0] in _CAUSES and tokens[1:2] == ["of"]:
        return not _INCLUDES.isdisjoint(tokens) and not _is_sided(tokens)
    first = items[0]
    if first.kind is not FINDING:
        return False
    if tokens[0] == "in" and first.first == 1:
        return tokens[first.last + 1 : first.last + 2] == [","]
    if first.first > 1 or (first.first == 1 and tokens[0] not in ("a", "an")):
        return False
    end = first.last
    for item in items[1 : 1 + WINDOW]:
        if item.kind not in (FINDING, COMMA, AND, OR) or item.first != end + 1:
            break
        end = item.last
    if _is_sided(tokens[end + 1 :]) or not _SINCE.isdisjoint(tokens):
        return False
    said = tokens[end + 1 : end + 2 + 2 * WINDOW]
    if said and said[0] in _OUGHT and "as" in said:
        as_ = end + 1 + said.index("as")
        return _is_general(said) and not _says_how_large(row, as_)
    return _is_general(said)


def _is_sided(tokens: Sequence[str]) -> bool:
    """Whether words say on which side or at which rib it is; "left heart failure" is no place."""
    return any(
        token in _SIDES and tokens[at + 1 : at + 2] not in _HEART for at, token in enumerate(tokens)
    )


def _is_general(behind: Sequence[str]) -> bool:
    """Whether the words behind a bare name say what such a thing is."""
    if not behind:
        return False
    verb, said = behind[0], behind[1:]
    if verb in _MEANS:
        return True
    if verb in ("occurs", "occur"):
        return said[:1] != [] and said[0] in _OCCASIONS and not any(map(str.isdecimal, said))
    if verb == "can":
        return said[:1] != [] and (
            said[0] in _HAPPENS or (said[0] == "be" and not _MAY_BE.isdisjoint(said[1:3]))
        )
    if verb in _OUGHT:
        return "be" in said[:2] and not _DONE.isdisjoint(said[:WINDOW])
    if verb not in _IS:
        return False
    if said[:2] == ["one", "of"]:
        return _TODAY.isdisjoint(said)
    if verb == "is" and said[:1] not in (["a"], ["an"]):
        return False
    for at, word in enumerate(said[:WINDOW]):
        if word in _DEFINED:
            return True
        if word in _KINDS:
            related = said[at + 1 : at + 2] != [] and said[at + 1] in _RELATES
            return related and _AT_HAND.isdisjoint(said[: at + 5])
        if word in _RELATES:
            return False
    return False


def _counts(tokens: Sequence[str]) -> bool:
    """Whether a sentence counts patients or films: "in 12 % of cases", "30 of 100 patients"."""
    for at, token in enumerate(tokens):
        if token != "of" or not at:
            if token == "of" and _number(tokens[1:2]) >= _MANY:
                return tokens[2:3] != [] and tokens[2] in _CASES
            continue
        number, behind = _number(tokens[at - 1 : at]), tokens[at + 1 : at + 3]
        if number >= _SEVERAL and behind[:1] != [] and behind[0] in _CASES:
            return True
        if _number(behind[:1]) >= _MANY and behind[1:] != [] and behind[1] in _CASES:
            return True
        if tokens[at - 1] == "case" and _number(tokens[max(0, at - 2) : at - 1]) >= _SEVERAL:
            return True
    return False


def _number(tokens: Sequence[str]) -> int:
    return int(tokens[0]) if tokens and tokens[0].isdecimal() and len(tokens[0]) < _MANY else 0
