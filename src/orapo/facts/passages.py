"""What of a report is read, and how: as it stands, denied, doubted, or joined of a field and its answer."""

from __future__ import annotations

from typing import NamedTuple

from orapo.facts.forms.items import Place
from orapo.facts.language.extraction import How


class Passage(NamedTuple):
    """What of an item is read, and how.

    Attributes:
        start: First character of the sentence that it stands for.
        end: One past its last.
        pieces: What is read; two pieces are a field and its answer.
        how: As it stands, or denied, doubted ...
        asked: Whether it is a question that nothing answers.
        denies_all: Whether it takes back all that was said before it.
    """

    start: int
    end: int
    pieces: tuple[Place, ...]
    how: How
    asked: bool = False
    denies_all: bool = False

    def written(self, text: str) -> str:
        """Return what is read as one text."""
        if len(self.pieces) == 1:
            start, end = self.pieces[0]
            return text[start:end]
        joint = " " if self.how is How.JOINED else ": "
        return joint.join(text[start:end] for start, end in self.pieces)

    def place(self, start: int, end: int) -> Place:
        """Return where a stretch of `written` stands in the clean text."""
        begin, stop = self._at(start), self._at(end - 1) + 1
        if self.start <= begin < stop <= self.end:
            return begin, stop
        return self.start, self.end

    def _at(self, index: int) -> int:
        joint = 1 if self.how is How.JOINED else 2
        for start, end in self.pieces:
            if index < end - start:
                return start + max(index, 0)
            index -= end - start + joint
        return self.pieces[-1][1] - 1
