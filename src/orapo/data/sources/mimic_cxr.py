"""MIMIC-CXR-JPG: tables of splits, views and labels, JPEG files, and reports as free text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from orapo.data.loaded import Loaded, LoadOptions, Place, ViewImage
from orapo.data.sources.loading import Loading, view_of
from orapo.data.sources.report_sections import split_report
from orapo.data.tables.records import LONGEST_LINE
from orapo.errors import OrapoError
from orapo.labels import LABELS, LabelValue

SOURCE: Final = "mimic-cxr"
PREFIX: Final = "mimic-cxr-2.0.0-"
_REPORT_FOLDERS: Final = ("", "mimic-cxr-reports", "reports")

_DICOM_ID: Final = re.compile(r"[\w.-]+", re.ASCII)
HELD_OUT: Final = ("train", "validate", "test")
"""Splits, the one that is most strictly held out last."""


class _View(NamedTuple):
    place: Place
    dicom_id: str
    subject: str
    split: str
    projection: str
    time: str


def load_mimic_cxr(path: Path, options: LoadOptions) -> Loaded:
    """Load MIMIC-CXR-JPG.

    Args:
        path: The folder with the ``mimic-cxr-2.0.0-*.csv.gz`` tables (unpacked ones do too) and
            ``files/``. Without the table of labels, FactS reads them.
        options: ``images`` and ``reports`` are the folders that hold ``files/`` for the films and
            for the texts, if those are other ones.

    Returns:
        A study each study number, under that number.

    Raises:
        OrapoError: A table can't be read at all.
    """
    folder = path if path.is_dir() else path.parent
    loading = Loading(SOURCE, options)
    splits = _read_splits(loading, _table(folder, "split"))
    labels = _read_labels(loading, folder)
    metadata = _table(folder, "metadata")
    studies: dict[str, list[_View]] = {}
    seen: dict[str, Place] = {}
    required = ("dicom_id", "subject_id", "study_id", "ViewPosition")
    for place, row in loading.rows(metadata, required):
        dicom_id, subject, study = row["dicom_id"], row["subject_id"], row["study_id"]
        if not (_DICOM_ID.fullmatch(dicom_id) and subject.isdecimal() and study.isdecimal()):
            sentence = "expected numbers as subject_id and study_id, and a dicom_id"
            loading.wrong(place, sentence, "wrong_type")
            continue
        if not loading.is_new(seen, dicom_id, place, "dicom_id "):
            continue
        if dicom_id not in splits:
            sentence = f"dicom_id {dicom_id} has no row in the table of splits"
            loading.wrong(place, sentence, "missing_row")
            continue
        view = _View(place, dicom_id, subject, splits[dicom_id], row["ViewPosition"], _time(row))
        studies.setdefault(study, []).append(view)
    loading.notes["split_rows_without_metadata"] = len(splits.keys() - seen.keys())
    reports = _report_root(folder, options.reports)
    for number, (study, views) in enumerate(studies.items()):
        if number % 500 == 0:
            loading.tick("reports", number)
        _add(loading, study, views, labels, options.images or folder, reports)
    return loading.finish(metadata)


def _time(row: Mapping[str, str]) -> str:
    """When a film was made, as text that sorts; dates are shifted, but a patient's order is kept."""
    date, time = row.get("StudyDate") or "", row.get("StudyTime") or ""
    # times are numbers without leading zeros: 90512.5 is five past nine
    return f"{date} {time.partition('.')[0].zfill(6)}" if date else ""


def _table(folder: Path, name: str) -> Path:
    for suffix in (".csv.gz", ".csv"):
        if (folder / f"{PREFIX}{name}{suffix}").is_file():
            return folder / f"{PREFIX}{name}{suffix}"
    raise OrapoError(f"{folder}: holds no {PREFIX}{name}.csv.gz, a table of MIMIC-CXR-JPG")


def _read_splits(loading: Loading, table: Path) -> dict[str, str]:
    splits: dict[str, str] = {}
    for place, row in loading.rows(table, ("dicom_id", "study_id", "subject_id", "split")):
        split = loading.split(place, row["split"])
        if split is None:
            continue
        if splits.setdefault(row["dicom_id"], split) != split:
            sentence = f"dicom_id {row['dicom_id']} stands in another split further up"
            loading.wrong(place, sentence, "duplicate_id")
    return splits


def _read_labels(loading: Loading, folder: Path) -> dict[str, dict[str, LabelValue]]:
    try:
        table = _table(folder, "chexpert")
    except OrapoError:
        loading.notes["label_files_missing"] = 1
        return {}
    columns = {name: name for name in LABELS}
    labels: dict[str, dict[str, LabelValue]] = {}
    for place, row in loading.rows(table, ("subject_id", "study_id", *LABELS)):
        read = loading.labels(place, row, columns)
        if read is None:
            continue
        if labels.setdefault(row["study_id"], read) != read:
            sentence = f"study_id {row['study_id']} has other labels further up"
            loading.wrong(place, sentence, "duplicate_id")
    return labels


def _report_root(folder: Path, given: Path | None) -> Path:
    if given is not None:
        return given
    roots = [folder / name for name in _REPORT_FOLDERS]
    # The films' own folder comes first, but holds texts only where both were put together.
    others = [root for root in roots[1:] if (root / "files").is_dir()]
    return others[0] if others else folder


def _add(
    loading: Loading,
    study: str,
    views: list[_View],
    labels: dict[str, dict[str, LabelValue]],
    images: Path,
    reports: Path,
) -> None:
    place, _, subject, split, _, _ = views[0]
    if any(view.subject != subject for view in views):
        loading.wrong(place, f"study_id {study} belongs to several subjects", "duplicate_id")
        return
    if any(view.split != split for view in views):
        loading.notes["studies_whose_views_differ_in_split"] += 1
        # a film that is held out somewhere is held out: nothing of it may be trained on
        split = max((view.split for view in views), key=HELD_OUT.index)
    inside = f"files/p{subject[:2]}/p{subject}/s{study}"
    text = _read_report(loading, place, reports / f"{inside}.txt")
    if text is None:
        return
    found = []
    for view in views:
        film = f"{images.absolute()}/{inside}/{view.dicom_id}.jpg"
        if loading.there(view.place, film):
            found.append(ViewImage(film, view_of(view.projection)))
    sections = split_report(text)
    if not (sections.findings or sections.impression):
        sentence = "has a report without findings and impression; the study is left out"
        loading.wrong(place, sentence, "empty_report", fatal=False)
        return
    loading.add(
        place,
        study,
        found,
        labels.get(study),
        when=min(view.time for view in views),
        patient_id=subject,
        report=text.strip(),
        **sections._asdict(),
        split=split,
    )


def _read_report(loading: Loading, place: Place, path: Path) -> str | None:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            loading.wrong(place, f"report {path}: is no ordinary file", "broken_file")
            return None
        if path.stat().st_size > LONGEST_LINE:
            sentence = f"report {path}: longer than {LONGEST_LINE:,} bytes"
            loading.wrong(place, sentence, "broken_file")
            return None
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        loading.wrong(place, f"report {path}: no such file", "missing_file")
    except UnicodeDecodeError as error:
        sentence = f"report {path}: not UTF-8 text at position {error.start}"
        loading.wrong(place, sentence, "broken_file")
    except OSError as error:
        loading.wrong(place, f"report {path}: can't be read ({error.strerror})", "broken_file")
    return None
