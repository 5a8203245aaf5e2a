"""The manifest: a data set as one JSON line per study (docs/training.md)."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from orapo.data.loaded import Loaded, LoadOptions
from orapo.data.sources.loading import Loading
from orapo.data.study import Study, schema_fault
from orapo.data.tables.reading import read_rows, table_format
from orapo.data.tables.standard_streams import folder_of, in_words, is_dash
from orapo.data.tables.writing import write_rows
from orapo.errors import OrapoError
from orapo.labels import any_known


def read_manifest(path: Path) -> list[Study]:
    """Read a manifest.

    Args:
        path: A ``.jsonl`` file. Its folder is where relative image paths start.

    Returns:
        The studies in the file's order, with absolute image paths. Whether the images are there is
        not looked at.

    Raises:
        OrapoError: The file can't be read, a record breaks the schema, a study stands twice, or a
            relative image path leaves the manifest's folder.
    """
    _refuse_table(path)
    folder = folder_of(path).absolute()
    studies: list[Study] = []
    lines: dict[str, int] = {}
    for row in read_rows(path, required=("study_id",)):
        where = f"{path}, line {row.line}"
        try:
            study = Study.model_validate(row.values)
        except ValidationError as error:
            raise OrapoError(f"{where}: {schema_fault(error)}") from None
        if study.study_id in lines:
            raise OrapoError(
                f"{where}: study_id {study.study_id} stands already in line {lines[study.study_id]}"
            )
        lines[study.study_id] = row.line
        images = tuple(_resolve(image, folder, where) for image in study.images)
        studies.append(study.model_copy(update={"images": images}))
    return studies


def load_manifest(path: Path, options: LoadOptions) -> Loaded:
    """Read a manifest as the loaders of data sets do: faults become problems, all of them.

    A study may be without text if its labels came with the data (CheXpert's validation set).
    """
    _refuse_table(path)
    loading = Loading("", options)
    folder = options.images or folder_of(path)
    for place, values in loading.rows(path, ("study_id",)):
        try:
            study = Study.model_validate(values)
        except ValidationError as error:
            loading.wrong(place, schema_fault(error), "wrong_type")
            continue
        split = loading.split(place, study.split)
        if split is None:
            continue
        views = study.views or ("",) * len(study.images)
        if len(views) != len(study.images):
            loading.wrong(place, "views: expected as many as images", "wrong_type")
            continue
        found = []
        for image, view in zip(study.images, views, strict=True):
            whole = loading.inside(place, folder, str(image), absolute=True)
            if whole is not None and loading.there(place, whole, str(image)):
                found.append((Path(whole), view))
        given = study.labels_source == "dataset" and any_known(study.labels)
        kept = {
            "images": tuple(image for image, _ in found),
            "views": tuple(view for _, view in found) if study.views else (),
            "split": split,
        }
        loading.keep(place, study.model_copy(update=kept), needs_report=not given)
    return loading.finish(path)


def write_manifest(path: Path, studies: Iterable[Study]) -> None:
    """Write a manifest; an older one stays whole until the new one is complete.

    Args:
        path: A ``.jsonl`` file. Images inside its folder are written relative to it, so that the
            folder can be moved. ``-`` is standard output, its folder the working one.
        studies: The studies; relative image paths are written as they are.

    Raises:
        OrapoError: The file can't be written, or a study stands twice.
    """
    if not is_dash(path):
        _check_name(path)
    folder = path.parent.absolute()
    seen: set[str] = set()
    with write_rows(path, tuple(Study.model_fields), piped=".jsonl") as write:
        for study in studies:
            if study.study_id in seen:
                raise OrapoError(f"{path}: study_id {study.study_id} is to be written twice")
            seen.add(study.study_id)
            record = study.model_dump(mode="json")
            record["images"] = [_relative(image, folder) for image in study.images]
            write(record)


def _check_name(path: Path) -> None:
    if table_format(path) != ".jsonl":
        raise OrapoError(f"{path}: a manifest's name ends in .jsonl")


def _refuse_table(path: Path) -> None:
    """Refuse a table of one's own where a manifest is read, and say what takes it.

    Raises:
        OrapoError: The name ends otherwise than a manifest's.
    """
    if table_format(path) != ".jsonl":
        piped = in_words(str(path)) != str(path)
        raise OrapoError(
            f"{path}: a manifest's name ends in .jsonl. This is a table: to check it add --dataset table; for "
            f"all else convert it first: orapo data convert {'-' if piped else shlex.quote(str(path))} "
            "--dataset table --out data"
        )


def _resolve(image: Path, folder: Path, where: str) -> Path:
    if image == Path():
        raise OrapoError(f"{where}: images: expected file paths, one is empty")
    if image.is_absolute():
        return image
    # Lexical: a link inside the folder may lead elsewhere, a path in the file may not.
    whole = Path(os.path.normpath(folder / image))
    if not whole.is_relative_to(os.path.normpath(folder)):
        raise OrapoError(f"{where}: images: a relative path leaves the manifest's folder")
    return whole


def _relative(image: Path, folder: Path) -> str:
    if image.is_absolute() and image.is_relative_to(folder):
        image = image.relative_to(folder)
    return image.as_posix()
