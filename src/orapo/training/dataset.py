"""From studies to what TRL trains on: rows with prompt, films, report, labels and study id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datasets import Dataset

from orapo.data.conversation import REPORT_PROMPT, user_message
from orapo.data.images import read_image
from orapo.data.study import Study
from orapo.errors import OrapoError
from orapo.facts import label_report


def training_dataset(studies: Sequence[Study], prompt: str = REPORT_PROMPT) -> Dataset:
    """Make the data set of a training run.

    Films are read when a row is taken, so that memory does not grow with the data set. A study
    without labels gets those that FactS reads from its findings and impression.

    Args:
        studies: With images that exist and a report.
        prompt: What the model is asked.

    Raises:
        OrapoError: There is no study, or one has no image or no report.
    """
    if not studies:
        raise OrapoError("there is no study to train on")
    rows = []
    for study in studies:
        text = study.report or f"{study.findings} {study.impression}".strip()
        if not study.images:
            raise OrapoError(f"study {study.study_id}: has no image")
        if not text:
            raise OrapoError(f"study {study.study_id}: has no report")
        labels = study.labels
        if all(value is None for value in labels.values()):
            labels = label_report(f"{study.findings} {study.impression}".strip() or text).labels
        rows.append(
            {
                "study_id": study.study_id,
                "prompt": user_message(prompt),
                "image_paths": [str(path) for path in study.images],
                "report": text,
                "labels": dict(labels),
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
    paths = batch.pop("image_paths")
    batch["images"] = [[read_image(path) for path in row] for row in paths]
    return batch
