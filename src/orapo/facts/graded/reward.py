"""The graded score as a reward function for TRL; what it counts is in `orapo.facts.graded.score`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from orapo.facts.graded.lesions import Context
from orapo.facts.graded.reading import GradedReader, default_reader
from orapo.facts.graded.score import GradedScore, graded_score
from orapo.facts.graded.tables import Tables
from orapo.facts.reward import Completion, completion_text

_AGE: Final = re.compile(r"\s*(\d{1,3}(?:\.\d+)?)\s*-?\s*(y|m|w|d)?", re.IGNORECASE)
_YEARS: Final = {"y": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25}


def read_age(value: Any) -> float | None:
    """Return an age in years: 72, "72", "072Y", "19 months", "001D"; None where there is none."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) and 0 <= value < 130 else None
    found = _AGE.match(str(value))
    if found is None:
        return None
    years = float(found[1]) * _YEARS[(found[2] or "y").lower()]
    return years if years < 130 else None


_HEADED: Final = re.compile(
    r"\b(?:clinical )?(?:indication|history|reason for (?:exam(?:ination)?|study)|clinical information)s?\s*:"
    r"\s*([^\n]*?)(?=\s*(?:\n|\b(?:findings?|impression|comparison|technique|examination)\s*:|$))",
    re.IGNORECASE,
)
_YEARS_OLD: Final = re.compile(
    r"\b(\d{1,3})[ -]?(year|yr|y|month|week|day)s?[ /-]?(?:old|o)\b", re.IGNORECASE
)


def study_context(age: Any, indication: Any, tables: Tables, reference: str = "") -> Context:
    """Return what age and indication of a study mean for the weights.

    Args:
        age: As `read_age` takes it.
        indication: Text; what is no text is none.
        tables: The graded score's.
        reference: The reference, whose heading "INDICATION:" is read where ``indication`` is not given.
    """
    if not (isinstance(indication, str) and indication.strip()):
        headed = _HEADED.search(reference) if ":" in reference else None
        indication = headed[1] if headed else ""
    years = read_age(age)
    if years is None and (old := _YEARS_OLD.search(indication)):
        years = read_age(f"{old[1]}{old[2][0]}")
    if years is None and not indication:
        return _NOTHING_KNOWN
    low = indication.lower()
    asked: frozenset[str] = frozenset()
    for pattern, concepts in tables.asked:
        if pattern.search(low):
            asked |= concepts
    return Context(years, asked)


_NOTHING_KNOWN: Final = Context()


class GradedFactSReward:
    """The graded score as a plain TRL reward function, called as `FactSReward` is.

    The data set gives the reference text as the column ``report``, and where it has them the
    columns ``age`` and ``indication``. A completion from which no fact can be read, or one without a
    readable reference, gets None, never 0. The zero-reward rate never reads this score.

    Args:
        unreadable: What a completion without any fact gets where the reference has some. None says
            that it is unknown, as in evaluation; in training it is the model's failure, and
            recipes give -1, since nothing else would keep it from writing nothing.

    Raises:
        ValueError: ``unreadable`` lies outside [-1, 1].
    """

    __name__ = "graded"

    def __init__(self, unreadable: float | None = None) -> None:
        if unreadable is not None and not -1 <= unreadable <= 1:
            raise ValueError(f"unreadable must lie in [-1, 1], not {unreadable}")
        self.unreadable = unreadable

    def __call__(
        self,
        completions: Sequence[Completion],
        report: Sequence[str | None] | None = None,
        age: Sequence[Any] | None = None,
        indication: Sequence[Any] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Score completions.

        Args:
            completions: N texts, or N lists of messages.
            report: N reference texts; None where there is none.
            age: N ages (years, or DICOM's ``072Y``), where known.
            indication: N indications, where known.
            log_metric: TRL's; gets the mean number of errors of each category.
            **columns: Anything else that TRL passes; not used.

        Returns:
            N scores in [-1, 1]; None where a text is unreadable or there is no reference.

        Raises:
            ValueError: ``completions`` is one text, or a column is of another length.
        """
        scores = self.explain(completions, report, age, indication)
        known = [score for score in scores if score is not None]
        if log_metric is not None and known:
            counts = [score.counts() for score in known]
            for category in counts[0]:
                mean = sum(count[category] for count in counts) / len(counts)
                log_metric(f"graded/{category.value.replace(' ', '_')}", mean)
        if self.unreadable is None:
            return [None if score is None else score.score for score in scores]
        reader = default_reader()
        references = report if report is not None else [None] * len(completions)
        return [
            score.score
            if score is not None
            else self.unreadable
            if reference and reader.read(reference).readable
            else None
            for score, reference in zip(scores, references, strict=True)
        ]

    def explain(
        self,
        completions: Sequence[Completion],
        report: Sequence[str | None] | None = None,
        age: Sequence[Any] | None = None,
        indication: Sequence[Any] | None = None,
        *,
        silence: bool = False,
    ) -> list[GradedScore | None]:
        """Score completions and say what is wrong with each; arguments as for the call.

        With ``silence`` a completion from which nothing can be read is one that says nothing, and
        misses all findings; else there is None for it.
        """
        if isinstance(completions, str):
            raise ValueError("completions must be a list of texts, not one text")
        columns = {"report": report, "age": age, "indication": indication}
        for name, column in columns.items():
            if column is not None and len(column) != len(completions):
                raise ValueError(f"{len(completions)} completions, but {len(column)} {name}")
        reader = default_reader()
        return [
            _score(
                completion_text(completion),
                None if report is None else report[index],
                study_context(
                    None if age is None else age[index],
                    None if indication is None else indication[index],
                    reader.tables,
                    str((report[index] if report is not None else None) or ""),
                ),
                reader,
                silence,
            )
            for index, completion in enumerate(completions)
        ]


def _score(
    text: str, reference: str | None, context: Context, reader: GradedReader, silence: bool
) -> GradedScore | None:
    if not isinstance(reference, str) or not reference.strip():
        return None
    report = reader.read(text)
    if silence and not report.readable:
        report = report._replace(readable=True)
    return graded_score(report, reader.read(reference), context, reader.tables)
