"""The page of ``orapo compare``: figures, who wins where, and every study with the systems side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orapo.evaluation.inputs import Reference
from orapo.evaluation.pages.shown_studies import ShownStudy, Step
from orapo.evaluation.pages.viewer import Viewer, write_viewer
from orapo.labels import UncertainPolicy


def write_comparison(
    path: Path,
    result: Mapping[str, Any],
    reports: Mapping[str, Mapping[str, str]],
    truth: Mapping[str, Reference],
    warnings: Sequence[str],
    command: str,
    *,
    data: Path | None = None,
    films: bool = True,
    step: Step = lambda what, done, total: None,
) -> int:
    """Write the page, and all that it shows as JSON beside it.

    Args:
        path: The HTML file.
        result: As `orapo.evaluation.significance.compared` gives it, with ``missing_predictions``.
        reports: System to study to report.
        truth: The references.
        warnings: What nobody may overlook.
        command: How it was called.
        data: Where the JSON goes; by default ``NAME.report.json``.
        films: Whether the first film of each study stands beside the texts.
        step: Told of each study and film.

    Returns:
        How many films can't be read.

    Raises:
        OrapoError: A file can't be written.
    """
    uncertain = UncertainPolicy(result["uncertain"])
    studies = [
        ShownStudy(
            study_id=name,
            image=reference.images[0] if films and reference.images else None,
            reference_text=reference.report,
            reference_labels=reference.labels,
            generated={system: texts[name] for system, texts in reports.items()},
            age=reference.age,
            indication=reference.indication,
        )
        for name, reference in truth.items()
    ]
    viewer = Viewer.of(path, studies, uncertain, step)
    context = {
        "result": result,
        "warnings": warnings,
        "command": command,
        "uncertain": uncertain,
        "given_labels": False,
    }
    write_viewer(
        path,
        "comparison.html.j2",
        viewer,
        context,
        first="difference",
        data=data or path.with_name(f"{path.stem}.report.json"),
        figures={
            "command": command,
            "warnings": list(warnings),
            "films_unreadable": viewer.unreadable,
            "comparison": result,
        },
    )
    return viewer.unreadable
