"""Own data: one table of any format, a study a row, with a mapping of column names."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from orapo.data.loaded import Loaded, LoadOptions, Place, ViewImage
from orapo.data.sources.loading import Loading, sex_of, view_of
from orapo.data.tables.columns import Wanted, find_columns, find_id
from orapo.data.tables.reading import columns_of, table_format
from orapo.data.tables.records import Say, lacking
from orapo.data.tables.standard_streams import folder_of
from orapo.errors import OrapoError
from orapo.labels import LABELS

SOURCE: Final = "table"
TEXTS: Final = ("report", "findings", "impression", "indication", "history", "comparison")
FIELDS: Final = ("study_id", "patient_id", "image_path", "view", *TEXTS, "age", "sex", "split")
"""What a column can stand for, beside the 14 labels."""
_IMAGE_NAMES: Final = ("image_path", "images", "image")
_SEPARATOR: Final = ";"
_KEYED: Final = (".jsonl", ".json")
"""Formats whose records may have different fields."""


def load_table(path: Path, options: LoadOptions) -> Loaded:
    """Load a table of one's own.

    Args:
        path: The table. ``study_id``, ``image_path`` and one of ``report``, ``findings`` and
            ``impression`` must be there; several images of a study stand in one cell, separated by
            ``;``, or in a list (JSONL, Parquet). Labels are columns of their own or one object
            ``labels``; a table without any has them read by FactS.
        options: Without ``check_files`` no column of images is needed. ``columns`` maps fields and labels to other names. ``images`` is the image root:
            with it, no path may lead out of it. Without it relative paths start at the table,
            which they may not leave, and absolute ones are accepted.

    Raises:
        OrapoError: The table can't be read at all, or lacks a column.
    """
    loading = Loading(SOURCE, options)
    root = (options.images or folder_of(path)).absolute()
    found: list[str] = []
    columns = _columns(path, options, found.append)
    for sentence in found:
        loading.wrong(Place(path), sentence.removeprefix(f"{path}: "), "guessed", fatal=False)
    jsonl = table_format(path) in _KEYED
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
    row = _unnested(row, columns)
    study_id = loading.identifier(place, row[columns["study_id"]], columns["study_id"])
    texts: dict[str, Any] = {
        name: loading.text(place, row.get(columns[name]), columns[name])
        for name in TEXTS
        if name in columns
    }
    patient = row.get(columns.get("patient_id", "patient_id"))
    patient_id = "" if patient in (None, "") else loading.identifier(place, patient, "patient_id")
    split = loading.split(place, row.get(columns.get("split", "split")))
    images = _images(loading, place, row, columns, root)
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


def _unnested(row: Mapping[str, Any], columns: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the record with ``{"findings", "impression"}`` in place of a report as fields."""
    report = row.get(columns.get("report", "report"))
    if not isinstance(report, dict) or not report.keys() & {"findings", "impression"}:
        return row
    sections = {
        columns.get(name, name): report.get(name) or row.get(columns.get(name, name))
        for name in ("findings", "impression")
    }
    return {**row, **sections, columns.get("report", "report"): None}


def _images(
    loading: Loading,
    place: Place,
    row: Mapping[str, Any],
    columns: Mapping[str, str],
    root: Path,
) -> list[ViewImage]:
    cell = row.get(columns["image_path"])
    if cell is None and not loading.options.check_files:
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


def _columns(path: Path, options: LoadOptions, say: Say) -> dict[str, str]:
    """Return field or label to the column that holds it, for those that the table has."""
    unknown = sorted(set(options.columns) - set(FIELDS) - set(LABELS) - set(_IMAGE_NAMES))
    if unknown:
        raise OrapoError(
            f"--columns: {', '.join(unknown)} is no field; there are {', '.join(FIELDS)} and the "
            "14 labels"
        )
    have = columns_of(path, encoding=options.encoding, say=say)
    given = {
        "image_path" if name in _IMAGE_NAMES else name: column
        for name, column in options.columns.items()
    }
    jsonl = table_format(path) in _KEYED
    columns = dict(given)
    for name in (*FIELDS, *LABELS):
        names = _IMAGE_NAMES if name == "image_path" else (name,)
        there = [each for each in names if each in have]
        if name not in columns and there:
            columns[name] = there[0]
    columns |= _found(path, have, columns, say)
    if "image_path" not in columns and (jsonl or not options.check_files):
        columns["image_path"] = "image_path"  # of reports alone, where nobody asks for films
    wanted = {columns["study_id"]: "study_id"} | {column: name for name, column in given.items()}
    if options.check_files:
        wanted[columns.get("image_path", "image_path")] = "image_path"
    if not any(name in columns for name in TEXTS[:3]):
        wanted["report (or findings, or impression)"] = "report"
    # The keys of JSON lines may differ from one to the next; each record is looked at for itself.
    lack = "" if jsonl else lacking(have, list(wanted))
    if lack:
        absent = [f"{name}=COLUMN" for column, name in wanted.items() if column not in have]
        name_it = f"name {'it' if len(absent) == 1 else 'them'}"
        raise OrapoError(f"{path}: {lack} ({name_it}: --columns {shlex.quote(','.join(absent))})")
    if jsonl:
        for name in (*FIELDS, *LABELS):
            columns.setdefault(name, name)
    return columns


def _found(path: Path, have: Sequence[str], columns: Mapping[str, str], say: Say) -> dict[str, str]:
    """Return the columns of id and texts that are named neither by the user nor as orapo does."""
    free = [name for name in have if name not in columns.values()]
    wanted = Wanted(columns.get("study_id"), say=say)
    try:
        study_id = find_id(path, have, wanted)
    except OrapoError:
        if table_format(path) not in _KEYED:
            raise
        study_id = "study_id"
    if any(name in columns for name in TEXTS[:3]):
        return {"study_id": study_id}
    texts = find_columns(path, [study_id, *free], replace(wanted, study_id=study_id))
    named = {"report": texts.text, "findings": texts.findings, "impression": texts.impression}
    return {"study_id": study_id, **{field: name for field, name in named.items() if name}}
