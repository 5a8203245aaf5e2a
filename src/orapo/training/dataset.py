"""From studies to what TRL trains on: rows with prompt, films, report, labels and study id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, cast, get_args

from datasets import Dataset
from PIL import Image

from orapo.data.conversation import (
    REPORT_PROMPT,
    Views,
    previous_studies,
    shown_films,
    study_prompt,
    user_message,
)
from orapo.data.images import read_image
from orapo.data.study import Study
from orapo.errors import OrapoError
from orapo.facts import label_report
from orapo.labels import LabelValue, any_known

FILM_ERROR: Final = "film_error"
"""Column that says why a row's film is blank; empty if it is not."""
_BLANK_SIDE: Final = 64


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
        parts = (study.findings.strip(), study.impression.strip())
        return " ".join(part for part in parts if part) or study.report.strip()
    text: str = getattr(study, target)
    return text.strip()


def study_labels(study: Study, target: Target = "sections") -> dict[str, LabelValue]:
    """Return a study's labels, or what FactS reads from its text where it has none."""
    if any_known(study.labels):
        return study.labels
    return label_report(target_text(study, target)).labels


def training_dataset(
    studies: Sequence[Study],
    prompt: str = REPORT_PROMPT,
    *,
    target: Target = "sections",
    prompt_fields: Sequence[str] = (),
    views: Views = "frontal",
) -> Dataset:
    """Make the data set of a training run.

    Films are read when a row is taken, so that memory does not grow with the data set. A study
    without labels gets those that FactS reads from what it is to write. Prompts have no
    placeholders of images: TRL adds one for each film that it is given.

    Args:
        studies: With images that exist and a report; a patient's in the order of time.
        prompt: What the model is asked.
        target: What it is to write; see `target_text`.
        prompt_fields: What it is told of the study (`orapo.data.conversation`).
        views: Which films it is shown.

    Raises:
        OrapoError: There is no study, one has no image or no report, or a field can't be used.
    """
    if not studies:
        raise OrapoError("there is no study to train on")
    before = previous_studies(studies) if "previous" in prompt_fields else {}
    rows = []
    for study in studies:
        text = target_text(study, target)
        if not study.images:
            raise OrapoError(f"study {study.study_id}: has no image")
        if not text:
            what = "report" if target == "sections" else target
            raise OrapoError(f"study {study.study_id}: has no {what}")
        rows.append(
            {
                "study_id": study.study_id,
                "prompt": user_message(
                    study_prompt(
                        study, prompt_fields, text=prompt, previous=before.get(study.study_id)
                    )
                ),
                "image_paths": [str(path) for path in shown_films(study, views)],
                "report": text,
                "labels": dict(study_labels(study, target)),
            }
        )
    dataset = Dataset.from_list(rows)
    dataset.set_transform(_with_images)
    return dataset


def require_columns(dataset: Any, names: Sequence[str]) -> None:
    """Check that a data set has the columns of method ``orapo``, if it says which it has.

    Raises:
        OrapoError: A column is missing.
    """
    columns = getattr(dataset, "column_names", None)
    if columns is None:
        return
    missing = [name for name in names if name not in columns]
    if missing:
        raise OrapoError(
            f"train_dataset lacks the column(s) {', '.join(missing)}, which method orapo "
            f"needs; it has {', '.join(columns)}"
        )


def _with_images(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Read the films of rows, each once: a group's K rows are one study.

    One that can't be read any more (`orapo.training.films`) becomes a blank one, so that the number
    of films stays that of the placeholders, and the row is marked.
    """
    paths = batch.pop("image_paths")
    films: dict[str, Image.Image] = {}
    errors: dict[str, str] = {}
    for path in dict.fromkeys(path for row in paths for path in row):
        try:
            films[path] = read_image(path)
        except OrapoError as error:
            films[path] = Image.new("L", (_BLANK_SIDE, _BLANK_SIDE))
            errors[path] = str(error)
    batch["images"] = [[films[path] for path in row] for row in paths]
    batch[FILM_ERROR] = [next((errors[p] for p in row if p in errors), "") for row in paths]
    return batch
