"""What a model is to write for a study, y+, and what the study is known to show."""

from __future__ import annotations

from typing import Literal, cast, get_args

from orapo.data.study import Study, joined_report
from orapo.errors import OrapoError
from orapo.facts import label_report, reference_labels
from orapo.labels import LabelValue, any_known

Target = Literal["sections", "findings", "impression", "report"]


def check_target(name: str) -> Target:
    """Return the target of that name.

    Raises:
        OrapoError: There is none.
    """
    if name not in get_args(Target):
        raise OrapoError(f"target must be one of {', '.join(get_args(Target))}, not {name!r}")
    return cast(Target, name)


def target_text(study: Study, target: Target) -> str:
    """Return what a model is to write for a study, y+.

    Args:
        study: With its report.
        target: ``sections``: findings and impression, or the whole report if neither is known.
            The whole report of some data sets holds headings and the indication too, which a model
            should not learn to make up. ``findings``, ``impression`` and ``report`` are that alone.

    Returns:
        The text; empty if the study does not have it.
    """
    if target == "sections":
        return joined_report(study.findings, study.impression) or study.report.strip()
    text: str = getattr(study, target)
    return text.strip()


def study_labels(study: Study, target: Target = "sections") -> dict[str, LabelValue]:
    """Return a study's labels, or what FactS reads from its text where it has none."""
    if any_known(study.labels):
        return study.labels
    return reference_labels(label_report(target_text(study, target)))
