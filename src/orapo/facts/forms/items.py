"""What a report is made of: sentences, and fields with their answers."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

Place = tuple[int, int]
"""First character and one past the last."""


class Item(NamedTuple):
    """A sentence, or a field and its answer.

    Attributes:
        start: First character of all of it.
        end: One past its last.
        field: The field's name; None for a sentence.
        answer: The answer or the sentence; None for a field without an answer.
        asked: Whether it is a question that nothing answers.
    """

    start: int
    end: int
    field: Place | None
    answer: Place | None
    asked: bool = False

    def of(self, subject: Place) -> Item:
        """Return it as an answer of another field, with its own as the answer's beginning."""
        if self.field is None or self.answer is None:
            return self
        return self._replace(field=subject, answer=(self.field[0], self.answer[1]))


def _members(names: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{names})\Z", re.IGNORECASE)


HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Where the next word of a name in one word begins."""
NAMING: Final = _members(
    r"(?:name|label|finding|observation|condition|item|structure|key|patholog(?:y|ies)|question|title|disease"
    r"|diagnosis|abnormality|abnormalities|feature|class|entity|concept|meaning|sign|category)(?:s|es)?(?: (?:name|label|title|term))?(?: ?#?\d{1,2})?"
)
"""Members of an object, an element or a field that say what the others are about."""
ANSWERING: Final = _members(
    r"(?:(?:is|currently|finding|diagnosis|condition|disease|abnormality|label) )?(?:present|visible)|(?:finding|diagnosis|condition|disease|label) (?:status|presence|value)"
    r"|preds?|outcome|verdict|decision|status|value|answer|presence|polarity|state|result|exists?|detected"
    r"|assertion|prediction|predicted|certainty|found|positive|response"
    r"|values|value ?(?:boolean|string|code|integer)?"
)
"""Members that hold the answer."""
JUDGING: Final = re.compile(
    r"assessment|conclusions?|impression|output|interpretation|determination|judge?ment|reading|opinion|findings?|classification|call",
    re.IGNORECASE,
)
"""Members that hold the answer, and elsewhere name a section."""
DENYING: Final = _members(
    r"(?:is |was )?(?:negated|absent|excluded|ruled out|denied|refuted)|negation(?: ?ind(?:icator)?)?|absence"
)
"""Members that hold the answer turned round: ``"negated": true``."""
PROBABLE: Final = _members("prob(?:ability)?|likelihood|score")
"""Members that answer where none other does."""
DEGREE: Final = _members("severity|degree|extent|grade")
"""The same, in words: "severity: none"."""
BESIDE: Final = _members(
    r"side|laterality|location|position|severity|size|degree|confidence|probability|score|code|id"
    r"|grade|count|measurement|zone|lobe|date|time|views?|age|sex|gender|evidence|uncertainty"
)
"""Members that say more about it, and nothing alone."""
SIZE: Final = _members("size")
"""A member that answers for a structure ("Heart: size: enlarged"), and for a finding says nothing alone."""
SIDE: Final = _members(r"(?:the )?(?:left|right|lt\.?|rt\.?|l|r)(?:[- ]sided?| lung)?")
"""Names that say where, of the field before them ("Effusion: left: small, right: none")."""


def turned(answer: str) -> str:
    """Return what ``"negated": answer`` says of the finding itself; nothing if that can't be told."""
    said = answer.strip().lower()
    if said in ("true", "yes", "1", "y", "1.0", "negated"):
        return "no"
    return "yes" if said in ("false", "no", "0", "n", "0.0", "affirmed") else ""


_SIGNED: Final = re.compile(r"\d|[Vv][Ee]\b")


def stripped(text: str, start: int, end: int, kept: str = "") -> Place:
    """Return a place without the white space and the marks around it, but for those ``kept``."""
    while start < end and (text[start].isspace() or text[start] in ",;.-–—•\"'"):
        if text[start] == "-" and _SIGNED.match(text, start + 1):
            break  # -1 is uncertain, -ve negative
        start += 1
    while end > start and (
        text[end - 1].isspace() or (text[end - 1] in ",;:?\"'–—=" and text[end - 1] not in kept)
    ):
        end -= 1
    return start, end
