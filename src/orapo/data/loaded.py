"""What loading a data set gives: studies, where each stands, and everything that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from orapo.data.films.body_part import BodyPart
from orapo.data.study import Study

View = Literal["frontal", "lateral", ""]


class Place(NamedTuple):
    """Where something stands in the files of a data set."""

    file: Path
    line: int = 0
    number: int = 0
    """Number of the record from 1, where it differs from the line."""
    entry: str = ""
    """For files without lines: the record's name."""

    def __str__(self) -> str:
        if self.entry:
            return f"{self.file}, {self.entry}"
        if not self.line:
            return str(self.file)
        row = f" (row {self.number})" if self.number and self.number != self.line else ""
        return f"{self.file}, line {self.line}{row}"


class Problem(NamedTuple):
    """One fault of a data set."""

    place: Place
    sentence: str
    kind: str
    """Short name of the sort of fault, to count by."""
    fatal: bool
    """Whether training on the data set as it is would fail; else the study is merely left out, or
    kept with a doubt."""

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load a data set; each loader takes what concerns it.

    Attributes:
        images: Folder of the images; None takes the data set's own place for them.
        reports: Folder of the reports, where they are files of their own (MIMIC-CXR).
        check_files: Say which image files are missing. Images are never opened here.
        columns: For own tables: field of a study, or label, to the column that holds it.
        encoding: Of CSV and JSONL files.
        labels_from: CheXpert Plus: the text whose labels are taken (``report``, ``findings``,
            ``impression``).
        body_part: ``any`` takes films of other parts than the chest too, where a header or a table
            names the part.
        progress: Told what is read and how many records of it are done.
    """

    images: Path | None = None
    reports: Path | None = None
    check_files: bool = True
    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"
    labels_from: str = "report"
    body_part: BodyPart = "chest"
    progress: Callable[[str, int], None] | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A data set as it was read.

    Attributes:
        source: Its name.
        studies: What can be used.
        places: Where each study stands.
        problems: Everything that is wrong, in the order of reading.
        notes: Decisions that were taken, with how often.
        body_part: As in the options, for whoever reads the films.
    """

    source: str
    studies: list[Study]
    places: list[Place]
    problems: list[Problem]
    notes: dict[str, int]
    body_part: BodyPart = "chest"

    @property
    def fatal(self) -> int:
        """How many problems keep a training from running."""
        return sum(problem.fatal for problem in self.problems)


class ViewImage(NamedTuple):
    """An image of a study and its view."""

    path: str
    view: View
