"""CheXpert Plus: one table of images, CheXbert's labels as JSON lines, PNG or DICOM trees.

What lies open in the data is decided here (docs/data.md): a study's texts and labels are those of
its first frontal view that has a text; how often its views disagree is counted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from orapo.data.loaded import Loaded, LoadOptions, Place, View, ViewImage
from orapo.data.sources.loading import Loading, sex_of, view_of
from orapo.errors import OrapoError
from orapo.labels import LABELS, LabelValue

SOURCE: Final = "chexpert-plus"
TABLE: Final = "df_chexpert_plus_240401.csv"
LABEL_FOLDER: Final = "chexbert_labels"
LABELED_TEXTS: Final = ("report", "findings", "impression")

_REQUIRED: Final = ("path_to_image", "frontal_lateral", "split", "report", "section_findings",
                    "section_impression")  # fmt: skip
_PATH: Final = re.compile(r"(\w+)/(patient\w+)/(study\w+)/([\w.-]+)\.(?:jpg|png|dcm)")
_TREES: Final = (
    ("png", ("PNG/PNG/{0}", "PNG/PNG_{0}/{0}", "PNG/PNG_{0}", "PNG_{0}/PNG_{0}/{0}",
             "PNG_{0}/PNG_{0}", "PNG_{0}/{0}",
             "PNG/{0}", "PNG_{0}")),
    ("dcm", ("DICOM/DICOM/{0}", "DICOM/DICOM_{0}/{0}", "DICOM/DICOM_{0}",
             "DICOM_{0}/DICOM_{0}/{0}", "DICOM_{0}/DICOM_{0}",
             "DICOM_{0}/{0}", "DICOM/{0}", "DICOM_{0}")),
    ("jpg", ("{0}",)),
)  # fmt: skip


class _Texts(NamedTuple):
    report: str
    findings: str
    impression: str
    history: str
    comparison: str


class _ViewRow(NamedTuple):
    place: Place
    path: str
    view: View
    texts: _Texts
    labels: tuple[LabelValue, ...] | None
    split: str
    age: float | None
    sex: str
    when: str


def load_chexpert_plus(path: Path, options: LoadOptions) -> Loaded:
    """Load CheXpert Plus.

    Args:
        path: Its folder, or the table in it.
        options: ``images`` is the folder of the PNG and DICOM trees, if that is another one.

    Returns:
        A study a patient and study folder, as ``patient42142_study5``.

    Raises:
        OrapoError: A table can't be read at all.
    """
    table = path if path.is_file() else _find_table(path)
    loading = Loading(SOURCE, options)
    labels, labels_file = _read_labels(loading, table.parent / LABEL_FOLDER, options.labels_from)
    tree = _Tree(loading, options.images or table.parent, Place(table))
    studies: dict[str, list[_ViewRow]] = {}
    seen: dict[str, Place] = {}
    for place, row in loading.rows(table, _REQUIRED):
        name = row["path_to_image"]
        match = _PATH.fullmatch(name) if isinstance(name, str) else None
        if match is None:
            sentence = "path_to_image is not of the form split/patient/study/view.jpg"
            loading.wrong(place, sentence, "image_path")
            continue
        if not loading.is_new(seen, name, place):
            continue
        split = loading.split(place, row["split"])
        if split is None:
            continue
        folder, patient, study, view_name = match.groups()
        views = studies.setdefault(f"{patient}_{study}", [])
        texts = _texts(loading, place, row)
        if views and views[0].texts == texts:
            texts = views[0].texts  # one copy in memory
        view = view_of(row["frontal_lateral"] or "")
        views.append(
            _ViewRow(
                place,
                tree.path(folder, f"{patient}/{study}/{view_name}"),
                view,
                texts,
                labels.get(name),
                split,
                loading.age(place, row.get("age")),
                sex_of(row.get("sex")),
                _order(row.get("patient_report_date_order")),
            )
        )
    if labels_file is not None:
        loading.notes["labels_of_unknown_images"] = len(labels.keys() - seen.keys())
    for number, (study_id, views) in enumerate(studies.items()):
        if number % 5000 == 0:
            loading.tick("studies", number)
        _add(loading, study_id, views)
    return loading.finish(table)


def _order(cell: object) -> str:
    """Return the number of a patient's report, in time, as text that sorts; empty if it is none."""
    number = str(cell or "").partition(".")[0]
    return number.zfill(6) if number.isdecimal() else ""


def _find_table(folder: Path) -> Path:
    if not folder.is_dir():
        raise OrapoError(f"{folder}: no such file or folder")
    found = sorted(folder.glob("df_chexpert_plus*.csv")) + sorted(folder.glob("df_chexpert*.gz"))
    if not found:
        raise OrapoError(f"{folder}: holds no {TABLE}, the table of CheXpert Plus")
    return found[-1]


def _texts(loading: Loading, place: Place, row: dict[str, Any]) -> _Texts:
    def text(column: str) -> str:
        return loading.text(place, row.get(column), column)

    histories = dict.fromkeys((text("section_clinical_history"), text("section_history")))
    return _Texts(
        text("report"),
        text("section_findings"),
        text("section_impression"),
        "\n".join(filter(None, histories)),
        text("section_comparison"),
    )


def _read_labels(
    loading: Loading, folder: Path, text: str
) -> tuple[dict[str, tuple[LabelValue, ...]], Path | None]:
    """Return image path to the labels in the order of `LABELS`, and the file they stand in."""
    if text not in LABELED_TEXTS:
        raise OrapoError(f"--labels-from {text}: expected one of {', '.join(LABELED_TEXTS)}")
    order = (text, *(name for name in LABELED_TEXTS if name != text))
    files = [folder / f"{name}_fixed.json" for name in order]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        loading.notes["label_files_missing"] = 1
        return {}, None
    if file is not files[0]:
        loading.notes[f"labels_of_{file.stem.removesuffix('_fixed')}_taken_instead"] = 1
    columns = {name: name for name in LABELS}
    labels: dict[str, tuple[LabelValue, ...]] = {}
    # A few thousand vectors serve all images.
    shared: dict[tuple[LabelValue, ...], tuple[LabelValue, ...]] = {}
    for place, row in loading.rows(file, ("path_to_image", *LABELS), ".jsonl"):
        read = loading.labels(place, row, columns)
        name = row["path_to_image"]
        if not isinstance(name, str):
            loading.wrong(place, "path_to_image must be a string", "wrong_type")
            continue
        if read is None:
            continue
        vector = tuple(read.values())
        vector = shared.setdefault(vector, vector)
        if labels.setdefault(name, vector) is not vector:
            loading.wrong(place, f"{name} has other labels further up", "duplicate_id")
    return labels, file


def _add(loading: Loading, study_id: str, views: list[_ViewRow]) -> None:
    frontal_first = sorted(views, key=lambda one: one.view != "frontal")
    main = next((one for one in frontal_first if any(one.texts[:3])), frontal_first[0])
    labels = main.labels
    if labels is None:
        labels = next((one.labels for one in frontal_first if one.labels is not None), None)
    if len(views) > 1:
        disagree: dict[str, set[Any]] = {
            "studies_whose_views_differ_in_text": {one.texts for one in views},
            "studies_whose_views_differ_in_labels": {one.labels for one in views},
            "studies_whose_views_differ_in_split": {one.split for one in views},
        }
        loading.notes.update(name for name, values in disagree.items() if len(values) > 1)
    loading.add(
        main.place,
        study_id,
        [ViewImage(one.path, one.view) for one in views if loading.there(one.place, one.path)],
        None if labels is None else dict(zip(LABELS, labels, strict=True)),
        when=min(one.when for one in views),
        patient_id=study_id.partition("_")[0],
        **main.texts._asdict(),
        age=main.age,
        sex=main.sex,
        # held out for one view, held out for all
        split=max((one.split for one in views), key=("train", "validate", "test").index),
    )


class _Tree:
    """Where the images of each split's folder lie: PNGs, else DICOM files, else the JPEGs."""

    def __init__(self, loading: Loading, root: Path, place: Place) -> None:
        self._loading = loading
        self._root = root.absolute()
        self._place = place
        self._bases: dict[str, tuple[str, str]] = {}

    def path(self, folder: str, rest: str) -> str:
        """Return the image's path; ``rest`` is without suffix."""
        if folder not in self._bases:
            self._bases[folder] = self._find(folder, rest)
        base, suffix = self._bases[folder]
        return f"{base}/{rest}.{suffix}"

    def _find(self, folder: str, rest: str) -> tuple[str, str]:
        there = [one for one in self._candidates(folder) if os.path.isdir(one[1])]
        # An empty folder, or one with the true one inside, is told from it by the first image,
        # or if that is missing by its patient.
        for suffix, base in there:
            if os.path.isfile(f"{base}/{rest}.{suffix}"):
                return base, suffix
        for suffix, base in there:
            if os.path.isdir(f"{base}/{rest.partition('/')[0]}"):
                return base, suffix
        if there:
            return there[0][1], there[0][0]
        if self._loading.options.check_files:
            sentence = (
                f"no images of {folder!r}: looked for PNG/PNG/{folder}, PNG/{folder}, "
                f"PNG_{folder}, DICOM_{folder}, {folder} in {self._root}"
            )
            self._loading.wrong(self._place, sentence, "missing_folder")
        return f"{self._root}/PNG/{folder}", "png"

    def _candidates(self, folder: str) -> Iterator[tuple[str, str]]:
        for suffix, patterns in _TREES:
            for pattern in patterns:
                yield suffix, f"{self._root}/{pattern.format(folder)}"
