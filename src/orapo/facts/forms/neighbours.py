"""Items that answer the item before them: a question and its answer, a name and a line below it, boxes of two states."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, NamedTuple

from orapo.facts.forms.answers import POLAR, AnswerWords
from orapo.facts.forms.items import ANSWERING, NAMING, Item, Place, stripped
from orapo.facts.forms.names import LOOKED_FOR
from orapo.facts.forms.pairs import BOX, Pairs

_ANSWER_IS: Final = re.compile(r"(?:the |my )?answer(?: is)?", re.IGNORECASE)
_DEGREE: Final = re.compile(
    r"\W*(?:very )?(?:trace|tiny|small|minimal|mild|moderate|large|severe|slight|borderline|bilateral|left|right)"
    r"(?:,? (?:to|and|moderate|severe|large|small|left|right|bilateral|bibasilar|apical|basilar|stable|unchanged|sided|on|in|at|the|base|apex|lung|lobe|upper|lower|side)\b)*\W*",
    re.IGNORECASE,
)
"""Answers a question, for it says how much or where: "Edema? Mild."."""
_NAMED: Final = re.compile(rf"{NAMING.pattern}|(?:text|display|code)\Z", re.IGNORECASE)
_ANSWER_BELOW: Final = re.compile(r"[\s:]*(?:answer|result|status)?[\s:=-]*", re.IGNORECASE)
_STATES: Final = 2
"""Boxes of one finding that make them a choice."""
WORDS_IN_NAME: Final = 6
WORDS_IN_LABEL: Final = 3
SAYS: Final = re.compile(r"\b(?:no|not|without|is|are|normal|clear|seen|there|\d)\b", re.IGNORECASE)
"""What a mere name does not hold."""


class _State(NamedTuple):
    name: str
    field: Place
    answer: Place
    ticked: bool


class Neighbours:
    """Joins items with the ones that answer them.

    Args:
        words: What answers are made of.
        pairs: Finds what a name is about.
    """

    def __init__(self, words: AnswerWords, pairs: Pairs) -> None:
        self._words, self._pairs = words, pairs

    def joined(self, text: str, items: list[Item]) -> list[Item]:
        """Join what is named with the answer that is the next item."""
        done: list[Item] = []
        for item in items:
            if done and self._answers_before(text, done[-1], item):
                before = done.pop()
                named = before.answer or before.field
                assert named is not None
                field = self._pairs.about(text, *stripped(text, *named))
                item = Item(before.start, item.end, field, item.answer)
            done.append(item)
        return done

    def ticked(self, text: str, items: list[Item]) -> list[Item]:
        """Read boxes of two states of a finding: "[x] Edema present", "[ ] Edema absent"."""
        states = [self._state(text, item) for item in items]
        names = Counter(state.name for state in states if state is not None)
        done: list[Item] = []
        for item, state in zip(items, states, strict=True):
            if state is None or names[state.name] < _STATES:
                done.append(item)
            elif state.ticked:
                done.append(item._replace(field=state.field, answer=state.answer))
        return done

    def _state(self, text: str, item: Item) -> _State | None:
        """Return the name and the state that a box stands for; None if it stands for no state."""
        if item.field is None or item.answer is None:
            return None
        box = BOX.fullmatch(text, *item.answer)
        start, end = item.field
        named = text[start:end]
        cut = max(named.rfind(" "), named.rfind("\t"), named.rfind(":"))
        if named[:cut].lower().endswith((" not", ":not")):
            cut = named.rfind(" ", 0, cut)
        if box is None or cut <= 0 or self._words.pure(named[cut:]) is None:
            return None
        ticked = (box["in"] or box["round"] or "").strip(" -") != ""
        field = stripped(text, start, start + cut)
        return _State(text[slice(*field)].lower(), field, (start + cut + 1, end), ticked)

    def answered(self, text: str, items: list[Item]) -> list[Item]:
        """Join each question with its answer, if the next item begins with one."""
        done: list[Item] = []
        rest = list(reversed(items))
        while rest:
            item = rest.pop()
            following = rest[-1] if rest else None
            answer = None if following is None else following.answer
            named = None if following is None else following.field
            if named is not None and _ANSWER_IS.fullmatch(text[slice(*named)]) is None:
                answer = None
            if not item.asked or item.answer is None or following is None or answer is None:
                done.append(item)
                continue
            field = stripped(text, *item.answer)
            lead = self._words.leading(text[slice(*answer)])
            if lead is not None and following.asked:
                # "Edema? No; effusion? Yes"
                cut = answer[0] + lead[1]
                if text[cut : cut + 1] in (",", ";", "."):
                    place = stripped(text, cut, answer[1], "?")
                    done.append(Item(item.start, cut, field, (answer[0], cut)))
                    rest[-1] = Item(place[0], following.end, None, place, True)
                    continue
            said = text[slice(*answer)]
            if not following.asked and (self._words.answers(said) or _DEGREE.fullmatch(said)):
                rest.pop()
                item = Item(item.start, following.end, field, answer)
            done.append(item)
        return done

    def _answers_before(self, text: str, before: Item, item: Item) -> bool:
        """Whether an item is the answer of the one before it, which names what it is about."""
        if before.answer is None and before.field is not None and item.answer is not None:
            # "Edema:", and below it "Answer: no"
            return (
                item.field is None
                and self._words.pure(text[slice(*item.answer)]) is not None
                and _ANSWER_BELOW.fullmatch(text, before.field[1], item.start) is not None
            )
        if before.answer is None or item.answer is None:
            return False
        if before.field is None and (
            item.field is None or ANSWERING.match(text[slice(*item.field)])
        ):
            named = text[before.start : before.end]
            if LOOKED_FOR.match(named) and len(named.split()) <= WORDS_IN_NAME + 2:
                # "Check for edema. Result: none."
                return self._words.pure(text[slice(*item.answer)]) is not None
        if before.field is not None and item.field is not None:
            # "name: edema", "present: no", as XML writes them
            return bool(
                ANSWERING.match(text[slice(*item.field)].strip())
                and _NAMED.match(text[slice(*before.field)].strip())
            )
        if before.field is None and item.field is not None:
            # "Edema", and below it "status: absent"
            named = text[before.start : before.end].rstrip()
            if (
                len(named.split()) <= WORDS_IN_LABEL
                and not SAYS.search(named)
                and ANSWERING.match(text[slice(*item.field)].strip())
                and self._words.pure(text[slice(*item.answer)]) in POLAR
            ):
                return True  # "Edema. Verdict: no."
            return bool(
                ANSWERING.match(text[slice(*item.field)].strip())
                and "\n" in text[before.end : item.start + 1]
                and named[-1:] not in ".!?"
                and len(named.split()) <= WORDS_IN_NAME
            )
        # a line without a full stop, and below it an answer and no more
        return (
            before.field is None
            and item.field is None
            and "\n" in text[before.end : item.start]
            and text[before.start : before.end].rstrip()[-1:] not in ".!?"
            and self._words.pure(text[slice(*item.answer)]) is not None
        )
