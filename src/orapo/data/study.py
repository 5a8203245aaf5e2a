"""One study: the images of one examination, the radiologist's report and its labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from orapo.labels import CHEXPERT, LabelValue, parse_label
from orapo.writing import json_text

LabelSource = Literal["dataset", "facts"]


class Study(BaseModel):
    """A study as it stands in the manifest, one JSON line each (docs/training.md).

    Attributes:
        study_id: Unique within a data set.
        patient_id: Studies of one patient must not be spread over splits.
        images: One path a view, frontal ones first. In a manifest file they may be relative to it.
        views: The view of each image (``frontal``, ``lateral`` or empty), or nothing at all.
        report: The full report.
        findings: Its findings section; may be empty.
        impression: Its impression section; may be empty.
        indication: Why the film was asked for, as the radiologist read it before reporting.
        history: The clinical history, likewise.
        comparison: With which earlier films the report compares.
        age: Of the patient, in years, where known.
        sex: ``F``, ``M`` or empty.
        labels: All 14 CheXpert labels: 1, 0, -1 or None (blank).
        labels_source: ``dataset`` if they came with the data, ``facts`` if FactS read them.
        split: ``train``, ``validate`` or ``test``.
        source: Name of the data set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    study_id: str = Field(min_length=1)
    patient_id: str = ""
    images: tuple[Path, ...] = ()
    views: tuple[Literal["frontal", "lateral", ""], ...] = ()
    report: str = ""
    findings: str = ""
    impression: str = ""
    indication: str = ""
    history: str = ""
    comparison: str = ""
    age: float | None = Field(default=None, ge=0, le=150)
    sex: Literal["F", "M", ""] = ""
    labels: dict[str, LabelValue] = Field(default_factory=dict)
    labels_source: LabelSource = "dataset"
    split: str = "train"
    source: str = ""

    @field_validator("labels", mode="before")
    @classmethod
    def _read_labels(cls, value: object) -> object:
        if not isinstance(value, dict):
            raise ValueError("labels must be an object of label name to 1, 0, -1 or null")
        return CHEXPERT.complete({name: parse_label(cell) for name, cell in value.items()})


_EMPTY = frozenset(
    ("", "none", "nan", "n/a", "na", "#n/a", "<na>", "nat", "null", "-", "--", "---")
)
"""What tables write where a text is empty; compared without case, space and full stop."""


def is_empty(text: str) -> bool:
    """Whether a report or a section of one is empty, or is what tables write in its place."""
    return text.strip().rstrip(".").casefold() in _EMPTY


def joined_report(findings: str, impression: str) -> str:
    """Join the sections of a report into one text, with the end of a sentence between them."""
    parts = [part.strip() for part in (findings, impression) if not is_empty(part)]
    text = ""
    for part in parts:
        # a name without its answer must not take the other section's first words for it
        joint = "" if not text else "\n\n" if text.endswith(":") else " "
        if joint == " " and text[-1] not in ".!?":
            joint = ". "
        text += joint + part
    return text


def schema_fault(error: ValidationError) -> str:
    """Return what is wrong with the first faulty field, without its content (report text)."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = str(fault["loc"][0]) if fault["loc"] else "record"
    if fault["type"] == "extra_forbidden":
        return f"{json_text(name[:40])} is not a field of a study"
    if name == "labels":
        return "labels: expected an object of CheXpert label names to 1, 0, -1 or null"
    # Messages of validators written in Python may quote the value; pydantic's own don't.
    expected = "a valid value" if fault["type"] == "value_error" else fault["msg"]
    expected = expected.removeprefix("Input should be ")
    return f"{name}: expected {expected[:1].lower()}{expected[1:]}"


def drawn(studies: Sequence[Study], count: int, seed: int) -> list[Study]:
    """Return some of a split's studies, in their order; a smaller draw is part of a larger one.

    Args:
        studies: All of them.
        count: How many; 0 for all.
        seed: Of the draw.
    """
    if not count:
        return list(studies)
    import numpy as np  # commands that draw nothing start sooner

    order = np.random.default_rng(seed).permutation(len(studies))
    return [studies[place] for place in sorted(order[:count])]
