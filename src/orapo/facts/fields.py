"""A field and its answer -> what is read, and how: the answer decides, the field's name asserts nothing.

"Pneumothorax: No", "Is there an effusion? Small, on the left.", "Absent: edema, fracture", "Heart: normal".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Final

from orapo.facts.ellipsis import completed_sentence
from orapo.facts.forms.answers import Answer
from orapo.facts.forms.items import Item, Place
from orapo.facts.forms.names import (
    ALL_DENIED,
    ASSERTED,
    AT_HAND,
    CODES,
    DEFINED,
    DIFFERENTIAL,
    EARLIER,
    GROUP,
    LISTED,
    PROMPT,
    PROSE_LIST,
    REJECTED,
    TASKS,
)
from orapo.facts.language.extraction import How, Reading
from orapo.facts.language.schema import Kind
from orapo.facts.language.vocabulary import Vocabulary
from orapo.facts.language.wording import DENYING, HEDGING, NAME_ONLY, NAMING, Wording
from orapo.facts.passages import Passage

_CLAUSE: Final = re.compile(r"[,;(]|\s(?:with|but|and|which|however)\s|\s[-–—]\s|\.\s")
"""Ends an answer's first words."""
_OF_NO_FILM: Final = frozenset((Kind.NOT_STATED_NEXT, Kind.NOT_STATED_SENTENCE))
_SIDED: Final = re.compile(r"\b(?:left|right)\b", re.IGNORECASE)
_FINE: Final = frozenset(
    ("normal", "unremarkable", "clear", "wnl", "within normal limits", "intact")
)
"""Said of a device they deny nothing."""
_OF_FINDINGS: Final = re.compile(
    r"\s*\b(?:findings?|labels?|observations?|abnormalit(?:y|ies)|diagnos[ei]s|conditions?|patholog(?:y|ies))\s*\Z",
    re.IGNORECASE,
)
_LIST_OF: Final[dict[Answer | None, How]] = {
    Answer.DENIED: How.ABSENT,
    Answer.DOUBTED: How.DOUBTED,
    Answer.BLANK: How.NOTHING,
}
"""How a list is meant that is called by an answer: "Uncertain: edema, pneumonia"."""
_CHANGING: Final = re.compile(
    r"(?:(?:interval|mildly|slightly|gradually) )?(?:worsening|increasing|increased|improving|improved|persistent|persisting|progressive"
    r"|unchanged|stable|decreasing|decreased|residual|enlarging|recurrent) ",
    re.IGNORECASE,
)
"""A name that says what became of a finding says that it is there: "Worsening failure: engorged vessels"."""
_PREDICATE: Final = re.compile(
    r"(?:is|are|has|have|was|were|remains?|appears?|persists?|continues?) [a-z]", re.IGNORECASE
)
_OF_SIZE: Final = re.compile(r"size\b", re.IGNORECASE)
_EVEN: Final = 0.5
"""The probability from which on a finding counts as said."""


_DASHED: Final = re.compile(
    r"[\s*•-]*(?P<name>[A-Z][A-Za-z/]*(?: [A-Za-z/]+){0,3})\s+[-–—]+\s+(?P<said>(?:[Nn]o|[Nn]ot|[Nn]one|[Nn]egative|[Aa]bsent|[Tt]here (?:is|are) no|[Ww]ithout)\b)"
)
"""A field, a dash and a sentence that denies: "Lung lesion - No nodule or mass."."""


_TITLED: Final = re.compile(
    r"[\s*•-]*(?P<name>[A-Z][A-Za-z/]*(?: [A-Za-z/]+){0,3})\s+[-–—]+\s+(?P<said>(?:The|There|Both|Neither|A|An|Left|Right) [^.]*\b(?:is|are|has|have|appears?|remains?)\b)"
)
"""A field, a dash and a sentence: "Pneumothorax - The lungs are expanded."."""


def _shifted(place: Place, by: int) -> Place:
    return place[0] + by, place[1] + by


class Scale(Enum):
    """What grades mean: 0 that there is nothing, or of five steps the middle one that it is not known."""

    FROM_ZERO = "from zero"
    OF_FIVE = "of five"


_SEVERAL: Final = 2
_MIDDLE: Final = 3
_FROM_MIDDLE: Final = (Answer.DOUBTED, Answer.AFFIRMED)
_LEAST: Final = re.compile(
    r"(?<!\d)1\s*(?:[=:-]+|means|is)\s*(?:[a-z]+ ){0,2}?(?:absent|unlikely|not|no|none|negative|disagree)\b",
    re.IGNORECASE,
)
_MOST: Final = re.compile(
    r"(?<!\d)5\s*(?:[=:-]+|means|is)\s*(?:[a-z]+ ){0,2}?(?:present|likely|certain|yes|positive|agree)\b",
    re.IGNORECASE,
)


def is_of_five(text: str, grades: set[int], scores: int) -> bool:
    """Whether grades are steps from 1, certainly absent, to 5: the text says so, or has both and no 0.

    Two numbers alone may be counts ("Nodules: 4", "Fractures: 2").
    """
    if 0 in grades or max(grades) > _MIDDLE + _SEVERAL:
        return False
    told = _LEAST.search(text) is not None and _MOST.search(text) is not None
    return told or (scores > _SEVERAL and min(grades) < _MIDDLE < max(grades))


class FieldReader:
    """Finds out what fields and their answers say.

    Args:
        vocabulary: The compiled lexicon.
        read: Reads a stretch of text as a sentence.
    """

    def __init__(self, vocabulary: Vocabulary, read: Callable[[str], Reading]) -> None:
        self._vocabulary, self._read = vocabulary, read
        self._words, self._wording = vocabulary.answers, Wording(vocabulary)

    def scale(self, text: str, items: Sequence[Item]) -> Scale | None:
        """Return how numbers answer a text's fields, if more than one finding has a probability or a grade.

        A lone number may be a size ("Pneumothorax: 20%") or a count.
        """
        scores, grades = 0, set[int | None]()
        for item in items:
            if item.field is None or item.answer is None:
                continue
            said = text[slice(*item.answer)]
            if self._score(said, Scale.FROM_ZERO) is None:
                continue
            scores += not self._read(text[slice(*item.field)]).silent
            grades.add(self._words.grade(said))
        if scores < _SEVERAL:
            return None
        graded = {grade for grade in grades if grade is not None}
        if graded and is_of_five(text, graded, scores):
            return Scale.OF_FIVE
        return Scale.FROM_ZERO

    def _score(self, said: str, scale: Scale) -> Answer | None:
        """Return what a number says among other such numbers: half or more, or a grade, is a yes."""
        probability = self._words.probability(said)
        if probability is not None:
            return Answer.AFFIRMED if probability >= _EVEN else Answer.DENIED
        grade = self._words.grade(said)
        if grade is None:
            return None
        if scale is Scale.OF_FIVE:
            return Answer.DENIED if grade < _MIDDLE else _FROM_MIDDLE[grade > _MIDDLE]
        return Answer.AFFIRMED if grade else Answer.DENIED

    def passages(
        self, text: str, item: Item, before: Place | None, *, scale: Scale | None = None
    ) -> Iterator[Passage]:
        """Yield what is read of an item of a clean text.

        Args:
            text: The text.
            item: The item.
            before: The item before it, which a pronoun may mean.
            scale: How numbers answer the text's fields.
        """
        if ALL_DENIED.match(text, item.start, item.end):
            whole = ((item.start, item.end),)
            yield Passage(item.start, item.end, whole, How.NOTHING, denies_all=True)
            return
        if item.field is None:
            if item.answer is not None:
                if item.asked and PROMPT.match(text, *item.answer):
                    yield Passage(item.start, item.end, (item.answer,), How.NOTHING, True)
                    return
                if PROSE_LIST.match(text, *item.answer):
                    yield Passage(item.start, item.end, (item.answer,), How.NOTHING)
                    return
                titled = _TITLED.match(text, *item.answer)
                if titled is not None and self._wording.is_name(titled["name"]):
                    said = titled.start("said"), item.answer[1]
                    yield from self._answered(text, item, titled.span("name"), said)
                    return
                dashed = _DASHED.match(text, *item.answer)
                if dashed is not None and self._same(text, dashed, item.answer[1]):
                    said = dashed.start("said"), item.answer[1]
                    yield Passage(item.start, item.end, (said,), How.STATED)
                    return
                if text[slice(*item.answer)].strip(" .").lower() == "negative":
                    # "IMPRESSION: Negative."
                    yield Passage(item.start, item.end, (item.answer,), How.NORMAL)
                    return
                completed = completed_sentence(self._vocabulary, text, item.answer, before)
                how = How.STATED if completed is None else How.JOINED
                yield Passage(item.start, item.end, completed or (item.answer,), how, item.asked)
            return
        if item.answer is None:
            yield self._unanswered(text, item)
            return
        if scale and (score := self._score(text[slice(*item.answer)], scale)) is not None:
            asked = self._read(text[slice(*item.field)])
            if not asked.silent:
                yield self._decided(item, item.field, item.answer, score, asked)
                return
        yield from self._answered(text, item, item.field, item.answer)

    def _same(self, text: str, dashed: re.Match[str], end: int) -> bool:
        """Whether what stands behind a dash denies what the name before it names, and no more of it."""
        named = self._read(dashed["name"])
        said = self._read(text[dashed.start("said") : end])
        return bool(named.stated) and named.stated.keys() <= said.stated.keys()

    def _unanswered(self, text: str, item: Item) -> Passage:
        """Return what a field without an answer says: a bare name nothing, anything else itself."""
        assert item.field is not None
        kinds = self._wording.kinds(text[slice(*item.field)])
        says = Kind.FINDING in kinds and not NAME_ONLY.issuperset(kinds)
        return Passage(item.start, item.end, (item.field,), How.STATED if says else How.NOTHING)

    def _answered(self, text: str, item: Item, field: Place, answer: Place) -> Iterator[Passage]:
        start, end = item.start, item.end
        name, said = text[slice(*field)], text[slice(*answer)]
        lead = self._words.leading(said)
        pure = self._words.pure(said)
        if EARLIER.match(name.strip()) or CODES.match(name.strip()):
            yield Passage(start, end, (answer,), How.NOTHING)
            return
        if DIFFERENTIAL.match(name.strip()):
            yield Passage(start, end, (answer,), How.DOUBTED)
            return
        if name.lower().strip() in self._vocabulary.normal_names and (
            pure is not None or self._read(said).silent
        ):
            yield self._normal(item, field, pure or (lead[0] if lead else None))
            return
        asked = self._read(name)
        kinds = self._wording.kinds(name)
        grouped = GROUP.match(name) and pure is not Answer.DENIED
        if grouped or (asked.silent and NAMING.isdisjoint(kinds)):
            yield self._list(text, item, field, answer, kinds)
            return
        if not asked.silent and DEFINED.match(said):
            yield Passage(start, end, (answer,), How.NOTHING)
            return
        sides = None if asked.silent else self._wording.sides(said)
        if sides is not None:
            for side, own in sides:
                yield from self._of_side(
                    text, item, field, _shifted(side, answer[0]), _shifted(own, answer[0])
                )
            return
        if not asked.silent and _OF_SIZE.match(said):
            yield Passage(
                start, end, (answer,), How.NOTHING
            )  # of a heart it tells, of an effusion not
            return
        if pure is not None:
            if said.strip(" .").lower() in _FINE and self._is_device(asked):
                pure = Answer.BLANK
            yield self._decided(item, field, answer, pure, asked)
            return
        cut = _CLAUSE.search(said)
        whole = self._read(said)
        if lead is not None and (
            lead[1] >= len(said.rstrip(" ."))
            or (cut is not None and not said[lead[1] : cut.start()].strip())
        ):
            # "No, but a small effusion"; "Yes, with atelectasis"
            rest = answer[0] + lead[1]
            if whole.silent:
                yield self._decided(item, field, answer, lead[0], asked)
            else:
                middle = self._decided(item, field, (answer[0], rest), lead[0], asked)
                yield middle._replace(end=max(rest, start + 1))
                yield Passage(rest, end, ((rest, answer[1]),), How.STATED)
            return
        if not whole.silent and asked.silent and NAMING.isdisjoint(self._wording.kinds(said)):
            yield Passage(start, end, (field, answer), How.STATED)  # "Heart: normal in size"
            return
        comma = said.rfind(",")
        last = self._words.pure(said[comma + 1 :]) if comma > 0 else None
        if (
            last is not None
            and last is not Answer.BLANK
            and not asked.silent
            and asked.stated.keys().isdisjoint(whole.stated)
        ):
            # "Pneumothorax: the lungs are expanded, none seen"
            edge = answer[0] + comma
            yield Passage(start, edge, ((answer[0], edge),), How.STATED)
            yield self._decided(item, field, answer, last, asked)._replace(start=edge)
            return
        if not whole.silent:
            head = (answer[0], answer[0] + cut.start()) if cut else None
            if (
                head
                and not asked.silent
                and self._read(text[slice(*head)]).silent
                and self._wording.describes(text[slice(*head)])
            ):
                yield Passage(start, head[1], (field, head), How.STATED)
                yield Passage(head[1], end, ((head[1], answer[1]),), How.STATED)
            elif self._wording.is_sign(name) and Kind.VERSUS in self._wording.kinds(said):
                # "Left base opacity: atelectasis versus pneumonia": the sign is there
                yield Passage(start, field[1], (field,), How.STATED)
                yield Passage(answer[0], end, (answer,), How.STATED)
            else:
                yield Passage(start, end, (answer,), How.STATED)
            return
        meant = None if asked.silent else self._wording.by_pronoun(said)
        if meant is not None:
            yield self._decided(item, field, answer, meant, asked)
        elif not asked.silent and _PREDICATE.match(said):
            yield Passage(start, end, (field, answer), How.JOINED)  # "Effusion: has increased"
        elif _CHANGING.match(name) and not asked.silent:
            yield Passage(start, field[1], (field,), How.STATED)
            yield Passage(answer[0], end, (answer,), How.STATED)
        elif (
            self._wording.unchanged(said)
            or self._wording.agrees(said)
            or self._wording.completes(said, name)
        ):
            yield Passage(start, end, (field, answer), How.STATED)
        elif lead is not None and cut is not None and _SIDED.search(said, cut.end()):
            # "none on the right, small on the left"
            yield Passage(start, end, (field, (answer[0] + cut.end(), answer[1])), How.STATED)
        elif lead is not None:
            yield self._decided(item, field, answer, lead[0], asked)
        elif asked.silent or self._wording.describes(said):
            yield Passage(start, end, (field, answer), How.STATED)
        else:
            yield Passage(start, end, (answer,), How.UNREAD)

    def _of_side(
        self, text: str, item: Item, field: Place, side: Place, own: Place
    ) -> Iterator[Passage]:
        """Yield what an answer says of one side."""
        part = Item(max(item.start, side[0]), min(item.end, own[1]), field, own)
        for passage in self._answered(text, part, field, own):
            pieces = passage.pieces
            if pieces == (field,):
                pieces = (field, side)
            elif pieces == (field, own):
                pieces = (field, (side[0], own[1]))
            yield passage._replace(pieces=pieces)

    def _is_device(self, asked: Reading) -> bool:
        labels = asked.stated.keys()
        return bool(labels) and self._vocabulary.label_set.beside.issuperset(labels)

    def _decided(
        self, item: Item, field: Place, answer: Place, said: Answer, asked: Reading
    ) -> Passage:
        start, end = item.start, item.end
        if asked.silent:  # a structure: "Lungs: clear"
            return Passage(start, end, (field, answer), How.STATED)
        if said is Answer.BLANK:
            return Passage(start, end, (answer,), How.NOTHING)
        if said is Answer.AFFIRMED:
            return Passage(start, end, (field, answer), How.STATED)
        return Passage(start, end, (field,), How.DENIED if said is Answer.DENIED else How.DOUBTED)

    def _normal(self, item: Item, field: Place, said: Answer | None) -> Passage:
        """Read a field that is called "No Finding" or "Normal"."""
        how = How.UNREAD if said is Answer.DENIED else How.NOTHING
        if said is Answer.AFFIRMED:
            how = How.NORMAL
        return Passage(item.start, item.end, (field,), how)

    def _list(
        self, text: str, item: Item, field: Place, answer: Place, kinds: list[Kind]
    ) -> Passage:
        """Read a list below "Absent", "Possible", "Normal", or text below a name that says nothing."""
        how = How.STATED
        name = text[slice(*field)]
        if REJECTED.search(name):
            return Passage(item.start, item.end, (answer,), How.ABSENT)
        if (
            LISTED.match(name)
            and not ASSERTED.search(name)
            and not (TASKS.match(name) and AT_HAND.search(text, *answer))
        ):
            return Passage(item.start, item.end, (answer,), How.NOTHING)
        if not _OF_NO_FILM.isdisjoint(kinds):  # "For example, a report might read: ..."
            how = How.NOTHING
        elif kinds[:1] == [Kind.NEUTRAL]:
            pass
        elif not DENYING.isdisjoint(kinds):
            how = How.ABSENT
        elif not HEDGING.isdisjoint(kinds):
            how = How.DOUBTED
        elif kinds == [Kind.STATE]:
            # "Normal: heart"; "Normal: no effusion" says what it says
            if self._words.leading(text[slice(*answer)]) is None:
                return Passage(item.start, item.end, (field, answer), How.JOINED)
        elif not kinds:
            how = _LIST_OF.get(self._words.pure(_OF_FINDINGS.sub("", name)), how)
        if how is How.STATED and self._words.pure(text[slice(*answer)]) is not None:
            how = How.NOTHING
        return Passage(item.start, item.end, (answer,), how)
