"""Holds what the judge says against the report: a verdict that can't be right is none."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

from pydantic import ValidationError

from orapo.facts.engine import label_report
from orapo.facts.fact import Polarity, Sentence
from orapo.facts.language.extraction import lower
from orapo.facts.llm import prompt
from orapo.facts.llm.connection import UnreadableAnswerError
from orapo.labels import NEGATIVE, POSITIVE, LabelSet

LONGEST_NAME: Final = 80
"""Characters kept of what the judge calls a finding or a place."""
MOST_FACTS: Final = 40
"""Of one sentence; the longest lists of findings in real reports have some twenty."""
_WORD: Final = re.compile(r"\w+")
_INSTRUCTION: Final = re.compile(
    r"""\b(ignore|disregard|forget|override)\b[^.]{0,40}
            \b(above|before|previous|prior|preceding|earlier|instructions?|rules?|prompts?)\b
        | \b(system|assistant|user)\s*:
        | \byou\s+(are|must|should|shall|will)\b
        | \byour\s+(task|answer|output|response|instructions?|reply)\b
        | \b(answer|respond|reply|output|return)\b.{0,20}\b(with|only|exactly|json)\b
        | \bpay\s+no\s+attention\b
        | \b(new|following|these)\s+instructions?\b
        | ^\W*(please\s+)?(label|mark|score|rate|grade|classify|treat|count|output)\b(?!\s+of\b)
            .{0,60}\b(present|absent|positive|negative|normal|true|false)\b
        | "facts"\s*:""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_VALUE_OF: Final = {Polarity.PRESENT: POSITIVE, Polarity.ABSENT: NEGATIVE}


def checked(
    answer: str, text: str, spans: list[Sentence], label_set: LabelSet
) -> list[dict[str, Any]]:
    """Read an answer and hold it against the schema and the report.

    Returns:
        Its facts as plain values, each with its place in the report instead of its quote.

    Raises:
        UnreadableAnswerError: It is no JSON, breaks the schema, quotes what the report does not
            say or an instruction in it, says the opposite of what the rules read in the same words,
            states more than a sentence can, or finds nothing where the rules read a fact.
    """
    if not answer:
        raise UnreadableAnswerError("empty answer")
    try:
        facts = prompt.answer_model(label_set).model_validate_json(answer).facts
    except ValidationError as error:
        broken = error.errors()[0]["type"] == "json_invalid"
        raise UnreadableAnswerError("no JSON" if broken else "JSON of another shape") from None
    if any(not 0 <= fact.sentence < len(spans) for fact in facts):
        raise UnreadableAnswerError("a sentence that the report does not have")
    if any(count > MOST_FACTS for count in Counter(fact.sentence for fact in facts).values()):
        raise UnreadableAnswerError(f"more than {MOST_FACTS} facts of one sentence")
    # An empty list would be a reward of 0. That is what a judge gives who was talked out of it.
    if not facts and label_report(text).readable:
        raise UnreadableAnswerError("no fact where the rules read some")
    kept = []
    for fact in facts:
        span = spans[fact.sentence]
        sentence = text[span.start : span.end]
        start, end = _place(fact.quote, text, span)
        if _INSTRUCTION.search(sentence):
            raise UnreadableAnswerError("a quote from what is an instruction")
        if _contradicts(fact, sentence, start - span.start, end - span.start):
            raise UnreadableAnswerError("a quote that the rules read as the opposite")
        values = fact.model_dump(mode="json", exclude={"quote"})
        for name in ("finding", "location", "severity"):
            values[name] = values[name] and values[name][:LONGEST_NAME]
        kept.append({**values, "start": start, "end": end})
    return kept


def _contradicts(fact: prompt.JudgedFact, sentence: str, start: int, end: int) -> bool:
    """Say whether the rules read only the opposite of one of a fact's labels in the quoted words.

    A quote names the finding and often not its negation, so the whole sentence is read, and those
    findings of it count that the quote touches. What the rules read as uncertain is no opposite.
    """
    judged = _VALUE_OF.get(fact.polarity)
    if judged is None or not fact.labels:
        return False
    read: dict[str, set[int | None]] = {}
    for other in label_report(sentence).facts:
        if other.start < end and start < other.end:
            for label, value in other.labels.items():
                read.setdefault(label, set()).add(value)
    opposite = NEGATIVE if judged == POSITIVE else POSITIVE
    return any(read.get(label) == {opposite} for label in fact.labels)


def _place(quote: str, text: str, span: Sentence) -> tuple[int, int]:
    """Return where a quote stands: word for word, else the sentence that holds all its words.

    Raises:
        UnreadableAnswerError: The sentence does not have its words.
    """
    sentence = lower(text[span.start : span.end])
    at = sentence.find(lower(quote)) if quote else -1
    if at >= 0:
        return span.start + at, span.start + at + len(quote)
    if not quote or not set(_WORD.findall(lower(quote))) <= set(_WORD.findall(sentence)):
        raise UnreadableAnswerError("a quote that the report does not hold")
    return span.start, span.end
