"""What is wrong with a report, as plain JSON values with its sentences."""

from __future__ import annotations

from typing import Any

from orapo.facts.graded.reading import GradedReport
from orapo.facts.graded.score import GradedScore


def graded_as_json(
    score: GradedScore, report: GradedReport, reference: GradedReport
) -> dict[str, Any]:
    """Return a score with each error, its category and its sentences; spans count characters.

    Args:
        score: Of the report.
        report: What the report says.
        reference: What the radiologist says.
    """
    return {
        "score": score.score,
        "matched": score.matched,
        "false": score.false,
        "reference": score.reference,
        "errors": [
            {
                "category": error.category.value,
                "finding": error.finding,
                "weight": error.weight,
                "detail": error.detail,
                "sentence": _sentence(report, error.sentence),
                "reference_sentence": _sentence(reference, error.reference_sentence),
            }
            for error in score.errors
        ],
        "findings": [
            {
                "finding": matched.finding,
                "credit": matched.credit,
                "sentence": _sentence(report, report.facts[matched.facts[0]].sentence),
            }
            for matched in score.findings
        ],
    }


def _sentence(report: GradedReport, index: int | None) -> str | None:
    return None if index is None else report.sentences[index].text
