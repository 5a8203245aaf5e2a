"""Own data: one CSV, JSONL or Parquet table, a study a row, with a mapping of column names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orapo.data.loaded import Loaded, LoadOptions, Place, ViewImage
from orapo.data.loading import Loading, sex_of, view_of
from orapo.data.tables import lacking, read_rows, table_format
from orapo.errors import OrapoError
from orapo.labels import LABELS

SOURCE: Final = "table"
TEXTS: Final = ("report", "findings", "impression", "indication", "history", "comparison")
FIELDS: Final = ("study_id", "patient_id", "image_path", "view", *TEXTS, "age", "sex", "split")
"""What a column can stand for, beside the 14 labels."""
_IMAGE_NAMES: Final = ("image_path", "images", "image")
_SEPARATOR: Final = ";"


def load_table(path: Path, options: LoadOptions) -> Loaded:
    """Load a table of one's own.

    Args:
        path: The table. ``study_id``, ``image_path`` and one of ``report``, ``findings`` and
            ``impression`` must be there; several images of a study stand in one cell, separated by
            ``;``, or in a list (JSONL, Parquet). Labels are columns of their own or one object
            ``labels``; a table without any has them read by FactS.
        options: ``columns`` maps fields and labels to other names. ``images`` is the image root:
            with it, no path may lead out of it. Without it relative paths start at the table,
            which they may not leave, and absolute ones are accepted.

    Raises:
        OrapoError: The table can't be read at all, or lacks a column.
    """
    loading = Loading(SOURCE, options)
    root = (options.images or path.parent).absolute()
    columns = _columns(path, options)
    jsonl = table_format(path.with_suffix("") if path.suffix == ".gz" else path) == ".jsonl"
    label_columns = {name: columns[name] for name in LABELS if name in columns}
    if label_columns and len(label_columns) < len(LABELS) and not jsonl:
        lacking = [name for name in LABELS if name not in label_columns]
        sentence = f"lacks the label column(s) {', '.join(lacking)}; they count as blank"
        loading.wrong(Place(path), sentence, "label_column", fatal=False)
    for place, row in loading.rows(path, (columns["study_id"],)):
        _add(loading, place, row, columns, label_columns, root, jsonl)
    return loading.finish(path)


def _add(
    loading: Loading,
    place: Place,
    row: Mapping[str, Any],
    columns: Mapping[str, str],
    label_columns: Mapping[str, str],
    root: Path,
    jsonl: bool,
) -> None:
    """Check a record whole, so that all its faults are said at once, then take it up."""
    before = loading.faults
    study_id = loading.identifier(place, row[columns["study_id"]], columns["study_id"])
    texts: dict[str, Any] = {
        name: loading.text(place, row.get(columns[name]), columns[name])
        for name in TEXTS
        if name in columns
    }
    patient = row.get(columns.get("patient_id", "patient_id"))
    patient_id = "" if patient in (None, "") else loading.identifier(place, patient, "patient_id")
    split = loading.split(place, row.get(columns.get("split", "split")))
    images = _images(loading, place, row, columns, root, jsonl)
    labels = None
    nested = row.get("labels")
    if nested is not None and (jsonl or not label_columns):
        if isinstance(nested, dict) and nested.keys() <= set(LABELS):
            labels = loading.labels(place, nested, {name: name for name in nested})
        else:
            sentence = "labels must be an object of CheXpert label names to 1, 0, -1 or null"
            loading.wrong(place, sentence, "wrong_type")
    elif label_columns and any(column in row for column in label_columns.values()):
        labels = loading.labels(place, row, label_columns)
    age = loading.age(place, row.get(columns.get("age", "age")))
    if loading.faults > before:
        return
    loading.add(
        place,
        study_id,
        images,
        labels,
        patient_id=patient_id,
        **texts,
        age=age,
        sex=sex_of(row.get(columns.get("sex", "sex")) or ""),
        split=split,
    )


def _images(
    loading: Loading,
    place: Place,
    row: Mapping[str, Any],
    columns: Mapping[str, str],
    root: Path,
    jsonl: bool,
) -> list[ViewImage]:
    cell = row.get(columns["image_path"])
    if cell is None and jsonl and not loading.options.check_files:
        return []
    paths = _listed(cell)
    if not paths:
        loading.wrong(place, f"{columns['image_path']} names no image", "image_path")
    views = [view_of(str(view)) for view in _listed(row.get(columns.get("view", "view")))]
    found = []
    for index, path in enumerate(paths):
        whole = loading.inside(place, root, path, absolute=True)
        if whole is not None and loading.there(place, whole, path):
            found.append(ViewImage(whole, views[index] if index < len(views) else ""))
    return found


def _listed(cell: object) -> list[Any]:
    if isinstance(cell, str):
        return [part.strip() for part in cell.split(_SEPARATOR) if part.strip()]
    return list(cell) if isinstance(cell, list) else [] if cell is None else [cell]


def _columns(path: Path, options: LoadOptions) -> dict[str, str]:
    """Return field or label to the column that holds it, for those that the table has."""
    unknown = sorted(set(options.columns) - set(FIELDS) - set(LABELS) - set(_IMAGE_NAMES))
    if unknown:
        raise OrapoError(
            f"--columns: {', '.join(unknown)} is no field; there are {', '.join(FIELDS)} and the "
            "14 labels"
        )
    have = _header(path, options.encoding)
    given = {
        "image_path" if name in _IMAGE_NAMES else name: column
        for name, column in options.columns.items()
    }
    jsonl = table_format(path.with_suffix("") if path.suffix == ".gz" else path) == ".jsonl"
    columns = dict(given)
    for name in (*FIELDS, *LABELS):
        names = _IMAGE_NAMES if name == "image_path" else (name,)
        there = [each for each in names if each in have]
        if name not in columns and there:
            columns[name] = there[0]
    columns.setdefault("study_id", "study_id")
    if "image_path" not in columns and jsonl:
        columns["image_path"] = "image_path"
    wanted = [columns["study_id"], columns.get("image_path", "image_path"), *given.values()]
    if not any(name in columns for name in TEXTS[:3]):
        wanted.append("report (or findings, or impression)")
    # The keys of JSON lines may differ from one to the next; each record is looked at for itself.
    lack = "" if jsonl else lacking(have, list(dict.fromkeys(wanted)))
    if lack:
        raise OrapoError(f"{path}: {lack} (--columns field=column names others)")
    if jsonl:
        for name in (*FIELDS, *LABELS):
            columns.setdefault(name, name)
    return columns


def _header(path: Path, encoding: str) -> Sequence[str]:
    row = next(read_rows(path, encoding=encoding, on_fault=lambda *_: None), None)
    return list(row.values) if row is not None else []
