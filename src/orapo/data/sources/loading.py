"""What the loaders of all data sets share: places, problems, and the checks on the way to a study.

A loader doesn't stop at the first fault: it leaves the study (or the view) out, says what is wrong
with it and where, and goes on, so that a data set is repaired in one round.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from orapo.data.loaded import Loaded, LoadOptions, Place, Problem, View, ViewImage
from orapo.data.study import Study, joined_report, schema_fault
from orapo.data.tables.reading import read_rows
from orapo.labels import LABELS, NO_FINDING, POSITIVE, SUPPORT_DEVICES, LabelValue, parse_label

_TICK: Final = 2000
_LONGEST_SENTENCE: Final = 600
_VIEWS: Final[Mapping[str, View]] = {
    **dict.fromkeys(("frontal", "ap", "pa", "ap axial", "pa lld", "ap lld"), "frontal"),
    **dict.fromkeys(("lateral", "ll", "lat", "rl", "xtable lateral"), "lateral"),
}
_ORDER: Final[Mapping[str, int]] = {"frontal": 0, "": 1, "lateral": 2}
_SPLITS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("", "train", "training"), "train"),
    **dict.fromkeys(("validate", "val", "valid", "validation", "dev"), "validate"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_SEXES: Final[Mapping[str, Literal["F", "M"]]] = {"f": "F", "female": "F", "m": "M", "male": "M"}
# The usual cells; everything else takes the slower way, which explains what is wrong.
_CELLS: Final[Mapping[object, LabelValue]] = {
    **dict.fromkeys((None, ""), None),
    **dict.fromkeys((1, "1", "1.0"), 1),
    **dict.fromkeys((0, "0", "0.0"), 0),
    **dict.fromkeys((-1, "-1", "-1.0"), -1),
}


class Loading:
    """Collects studies and problems while a loader reads.

    Args:
        source: Name of the data set.
        options: As the loader was given them.
    """

    def __init__(self, source: str, options: LoadOptions) -> None:
        self.source = source
        self.options = options
        self.notes: Counter[str] = Counter()
        self._studies: list[Study] = []
        self._places: list[Place] = []
        self._when: list[str] = []
        self._problems: list[Problem] = []
        self._fatal = 0
        self._taken: dict[str, Place] = {}

    def finish(self, *tables: Path) -> Loaded:
        """Return what was read.

        Args:
            *tables: The files that it came from, for the message when nothing is left.
        """
        if not self._studies:
            file = tables[0] if tables else Path()
            self.wrong(Place(file), "no study is left", "no_study")
        self._order_in_time()
        notes = {name: count for name, count in self.notes.items() if count}
        return Loaded(
            self.source,
            self._studies,
            self._places,
            self._problems,
            notes,
            self.options.body_part,
        )

    def _order_in_time(self) -> None:
        """Bring each patient's studies into the order of time, on the places that they have."""
        of_patient: dict[str, list[int]] = {}
        for index, study in enumerate(self._studies):
            if study.patient_id and self._when[index]:
                of_patient.setdefault(study.patient_id, []).append(index)
        for indices in of_patient.values():
            ordered = sorted(indices, key=self._when.__getitem__)
            if ordered != indices:
                studies = [self._studies[index] for index in ordered]
                places = [self._places[index] for index in ordered]
                for index, study, place in zip(indices, studies, places, strict=True):
                    self._studies[index], self._places[index] = study, place

    def wrong(self, place: Place, sentence: str, kind: str, *, fatal: bool = True) -> None:
        """Note a problem; its sentence stays one, whatever stands in the data."""
        if len(sentence) > _LONGEST_SENTENCE:
            sentence = f"{sentence[:_LONGEST_SENTENCE]}..."
        if not sentence.isprintable():  # line breaks, and what a terminal would obey
            sentence = "".join(c if c.isprintable() else " " for c in sentence)
        self._problems.append(Problem(place, sentence, kind, fatal))
        self._fatal += fatal

    @property
    def faults(self) -> int:
        """How many fatal problems there are so far."""
        return self._fatal

    def rows(
        self, path: Path, required: Sequence[str] = (), kind: str | None = None
    ) -> Iterator[tuple[Place, dict[str, Any]]]:
        """Yield the sound records of a table; the others become problems."""

        def fault(line: int, number: int, sentence: str) -> None:
            self.wrong(Place(path, line, number), sentence, "broken_row")

        read = read_rows(path, required, kind=kind, encoding=self.options.encoding, on_fault=fault)
        for line, values, number in read:
            if number % _TICK == 0:
                self.tick(path.name, number)
            yield Place(path, line, number), values

    def tick(self, what: str, done: int) -> None:
        """Move the progress bar."""
        if self.options.progress is not None:
            self.options.progress(f"reading {what}", done)

    # --- cells -------------------------------------------------------------------------------

    def text(self, place: Place, value: object, column: str) -> str:
        """Return a cell's text without the space around it; null and pandas' ``nan`` are empty."""
        if value is None:
            return ""
        if not isinstance(value, str):
            if isinstance(value, float) and math.isnan(value):
                return ""
            sentence = f"{column} must be a string, not {type(value).__name__}"
            self.wrong(place, sentence, "wrong_type")
            return ""
        text = value.strip()
        if not _encodable(text):
            self.wrong(place, f"{column} holds half a character (a surrogate)", "wrong_type")
            return ""
        return "" if text in ("nan", "NaN") else text

    def identifier(self, place: Place, value: object, column: str) -> str:
        """Return an identifier as text; empty (and a problem) if it is none."""
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str) and value.strip():
            return self.text(place, value, column)
        self.wrong(place, f"{column} must be a string or a whole number", "wrong_type")
        return ""

    def split(self, place: Place, value: object) -> str | None:
        """Return ``train``, ``validate`` or ``test``; None (and a problem) if it is neither."""
        text = self.text(place, value, "split")
        found = _SPLITS.get(text.lower())
        if found is None:
            sentence = f"split {text[:40]!r} is not one of train, validate, test"
            self.wrong(place, sentence, "split")
        return found

    def age(self, place: Place, value: object) -> float | None:
        """Return an age in years; what is no age is left blank."""
        if value is None or value == "":
            return None
        try:
            years = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            years = -1.0
        if math.isnan(years):
            return None
        if not 0 <= years <= 150:
            self.wrong(place, "age is no number of years from 0 to 150", "age", fatal=False)
            return None
        return years

    def labels(
        self, place: Place, cells: Mapping[str, Any], columns: Mapping[str, str]
    ) -> dict[str, LabelValue] | None:
        """Return the labels in a record; None, and a problem for each faulty cell, if one is.

        Args:
            place: Of the record.
            cells: The record.
            columns: Label to its column.
        """
        found: dict[str, LabelValue] = dict.fromkeys(LABELS)
        sound = True
        for name, column in columns.items():
            cell = cells.get(column)
            try:
                if type(cell) is bool:
                    raise KeyError
                found[name] = _CELLS[cell]
            except (KeyError, TypeError):
                try:
                    found[name] = parse_label(cell)
                except ValueError as error:
                    sound = False
                    self.wrong(place, f"column {column}: {_short(str(error))}", "label")
        return found if sound else None

    # --- images ------------------------------------------------------------------------------

    def inside(
        self, place: Place, root: Path | str, text: object, *, absolute: bool = False
    ) -> str | None:
        """Return the path of an image that a table names.

        Args:
            place: Of the record.
            root: The folder where relative paths start.
            text: What the table says. Backslashes count as slashes, whatever the system.
            absolute: Whether an absolute path may lead anywhere, if no image root is given.

        Returns:
            The path, or None (and a problem) if it is empty or leaves the root.
        """
        if not isinstance(text, str) or not text.strip():
            self.wrong(place, "has no image path", "image_path")
            return None
        plain = text.strip().replace("\\", "/")
        if "\0" in plain or not _encodable(plain):
            what = "a null byte" if "\0" in plain else "half a character (a surrogate)"
            self.wrong(place, f"image path holds {what}", "image_path")
            return None
        root = os.path.abspath(root)
        drive = len(plain) > 1 and plain[1] == ":"
        path = os.path.normpath(f"{root}/{plain}")
        if plain.startswith("/") or drive:
            path = plain if drive else os.path.normpath(plain)
            if absolute and self.options.images is None and not drive:
                return path
        if path != root and not path.startswith(root.rstrip("/") + "/"):
            self.wrong(place, f"image path {_short(text)!r} leaves the image root", "image_path")
            return None
        return path

    def there(self, place: Place, path: str, named: str | None = None) -> bool:
        """Whether an image file is there; where files aren't checked, it is taken to be.

        Args:
            place: Of the record.
            path: The file.
            named: How the table calls it, if that differs.
        """
        if not self.options.check_files or os.path.isfile(path):
            return True
        self.wrong(place, f"image {_short(named or path)}: no such file", "missing_file")
        return False

    # --- studies -----------------------------------------------------------------------------

    def add(
        self,
        place: Place,
        study_id: str,
        images: Sequence[ViewImage],
        labels: Mapping[str, LabelValue] | None,
        *,
        needs_report: bool = True,
        needs_image: bool = True,
        when: str = "",
        **fields: Any,
    ) -> None:
        """Take a study up, unless something about it forbids that.

        Args:
            place: Where it stands.
            study_id: Its identifier.
            images: Its views, in any order.
            labels: What the data set says; where it says nothing, FactS reads the texts.
            needs_report: Whether a study without any text is left out.
            needs_image: Whether a study without any image is a problem.
            when: Sorts a patient's studies by time; empty if that is not known.
            **fields: The other fields of `Study`.
        """
        if not self._claim(place, study_id):
            return
        texts = [fields.get(name, "") for name in ("findings", "impression", "report")]
        if not self._usable(place, images, any(texts) or not needs_report, needs_image):
            return
        silent = labels is None or all(value is None for value in labels.values())
        by_facts = silent and any(texts)
        if labels is None or by_facts:
            labels = facts_labels(*texts)
            self.notes["labels_read_by_facts"] += 1
        ordered = sorted(images, key=lambda image: _ORDER[image.view])
        try:
            study = Study(
                study_id=study_id,
                images=tuple(Path(image.path) for image in ordered),
                views=tuple(image.view for image in ordered),
                labels=dict(labels),
                labels_source="facts" if by_facts else "dataset",
                source=self.source,
                **fields,
            )
        except ValidationError as error:
            self.wrong(place, schema_fault(error), "wrong_type")
            return
        self._append(place, study, when)

    def keep(self, place: Place, study: Study, *, needs_report: bool) -> None:
        """Take up a study that is made already, under the same conditions as `add`."""
        text = study.findings.strip() or study.impression.strip() or study.report.strip()
        if self._claim(place, study.study_id) and self._usable(
            place, study.images, bool(text) or not needs_report, True
        ):
            self._append(place, study)

    def _claim(self, place: Place, study_id: str) -> bool:
        # an identifier that is none was said already
        return bool(study_id) and self.is_new(self._taken, study_id, place, "study_id ")

    def other_body_part(self, place: Place, part: str) -> None:
        """Leave a film out, and count it: one of a knee is no fault of an archive.

        Args:
            place: The film's, or its study's.
            part: Of the body, as `orapo.data.films.body_part.other_part` names it.
        """
        self.notes["films_of_other_body_parts_left_out"] += 1
        sentence = f"not a chest radiograph (body part {part}); left out (--body-part any takes it)"
        self.wrong(place, sentence, "body_part", fatal=False)

    def is_new(self, seen: dict[str, Place], name: str, place: Place, what: str = "") -> bool:
        """Whether a name stands here for the first time; else it is a problem, and the first stays.

        Args:
            seen: Names to where they stood first.
            name: The name.
            place: Where it stands now.
            what: What it is called, with a space behind.
        """
        first = seen.setdefault(name, place)
        if first is not place:
            where = first.entry or f"line {first.line}"
            self.wrong(place, f"{what}{_short(name)} stands already in {where}", "duplicate_id")
        return first is place

    def _usable(
        self, place: Place, images: Sequence[object], has_text: bool, needs_image: bool
    ) -> bool:
        if not has_text:
            sentence = "has no report text; the study is left out"
            self.wrong(place, sentence, "empty_report", fatal=False)
            return False
        if not images and needs_image and self.options.check_files:
            self.wrong(place, "has no image; the study is left out", "no_image")
            return False
        return True

    def _append(self, place: Place, study: Study, when: str = "") -> None:
        if study.labels_source == "dataset" and contradicts(study.labels):
            sentence = "No Finding is 1 together with another label that is 1"
            self.wrong(place, sentence, "contradiction", fatal=False)
        self._studies.append(study)
        self._places.append(place)
        self._when.append(when)


def view_of(text: str) -> View:
    """Return ``frontal`` or ``lateral`` for the many names of a projection; else empty."""
    return _VIEWS.get(text.strip().lower(), "")


def sex_of(text: object) -> Literal["F", "M", ""]:
    """Return ``F`` or ``M``; empty for everything else."""
    return _SEXES.get(str(text).strip().lower(), "")


def facts_labels(findings: str, impression: str, report: str) -> dict[str, LabelValue]:
    """Return what FactS reads from findings + impression, or from the report without sections."""
    from orapo.facts import label_report, reference_labels

    return reference_labels(label_report(joined_report(findings, impression) or report))


def contradicts(labels: Mapping[str, LabelValue]) -> bool:
    """Whether No Finding is positive together with a finding."""
    if labels.get(NO_FINDING) != POSITIVE:
        return False
    return any(
        value == POSITIVE and name not in (NO_FINDING, SUPPORT_DEVICES)
        for name, value in labels.items()
    )


def _encodable(text: str) -> bool:
    """Whether a file or a name of one can hold the text."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:157]}..."
