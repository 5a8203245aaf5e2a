"""From studies to what TRL trains on: rows with prompt, films, report, labels and study id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

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
from orapo.data.films.images import read_image, shown
from orapo.data.study import Study
from orapo.data.target import Target, study_labels, target_text
from orapo.errors import OrapoError
from orapo.training.surviving.films import FILM_ERROR

_BLANK_SIDE: Final = 64


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
    dataset.set_transform(with_films)
    return dataset


def supervised_rows(dataset: Dataset) -> Dataset:
    """Add to a training data set what is to be written, as a conversation's answer."""
    answers: Sequence[Any] = [
        [{"role": "assistant", "content": text}] for text in dataset.with_format(None)["report"]
    ]
    transform = dataset.format["format_kwargs"]["transform"]
    rows = dataset.with_format(None).add_column("completion", list(answers))
    rows.set_transform(transform)
    return rows


def with_films(batch: dict[str, list[Any]], endure: bool = True) -> dict[str, list[Any]]:
    """Read the films of rows, each once: a group's K rows are one study.

    Args:
        batch: Rows with ``image_paths``, in whose place ``images`` comes.
        endure: One that can't be read any more (`orapo.training.surviving.films`) becomes a blank one,
            so that the number of films stays that of the placeholders, and the row is marked. False
            where nobody looks at the mark.

    Raises:
        OrapoError: A film can't be read, and that is not to be endured.
    """
    paths = batch.pop("image_paths")
    films: dict[str, Image.Image] = {}
    errors: dict[str, str] = {}
    for path in dict.fromkeys(path for row in paths for path in row):
        try:
            films[path] = shown(read_image(path))
        except OrapoError as error:
            if not endure:
                raise
            films[path] = Image.new("RGB", (_BLANK_SIDE, _BLANK_SIDE))
            errors[path] = str(error)
    batch["images"] = [[films[path] for path in row] for row in paths]
    if endure:
        batch[FILM_ERROR] = [next((errors[p] for p in row if p in errors), "") for row in paths]
    return batch
