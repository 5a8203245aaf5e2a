"""The manifest: a data set as one JSON line a study (DESIGN 3)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from orapo.data.study import Study
from orapo.data.tables import read_rows, table_format, write_rows
from orapo.errors import OrapoError


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
    _check_name(path)
    folder = path.parent.absolute()
    studies: list[Study] = []
    lines: dict[str, int] = {}
    for row in read_rows(path, required=("study_id",)):
        where = f"{path}, line {row.line}"
        try:
            study = Study.model_validate(row.values)
        except ValidationError as error:
            raise OrapoError(f"{where}: {_first_fault(error)}") from None
        if study.study_id in lines:
            raise OrapoError(
                f"{where}: study_id {study.study_id} stands already in line {lines[study.study_id]}"
            )
        lines[study.study_id] = row.line
        images = tuple(_resolve(image, folder, where) for image in study.images)
        studies.append(study.model_copy(update={"images": images}))
    return studies


def write_manifest(path: Path, studies: Iterable[Study]) -> None:
    """Write a manifest; an older one stays whole until the new one is complete.

    Args:
        path: A ``.jsonl`` file. Images inside its folder are written relative to it, so that the
            folder can be moved.
        studies: The studies; relative image paths are written as they are.

    Raises:
        OrapoError: The file can't be written, or a study stands twice.
    """
    _check_name(path)
    folder = path.parent.absolute()
    seen: set[str] = set()
    with write_rows(path, tuple(Study.model_fields)) as write:
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


def _first_fault(error: ValidationError) -> str:
    """Return what is wrong with the first faulty field, without its content (report text)."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = str(fault["loc"][0]) if fault["loc"] else "record"
    if fault["type"] == "extra_forbidden":
        return f"{json.dumps(name[:40])} is not a field of a study"
    if name == "labels":
        return "labels: expected an object of CheXpert label names to 1, 0, -1 or null"
    # Messages of validators written in Python may quote the value; pydantic's own don't.
    expected = "a valid value" if fault["type"] == "value_error" else fault["msg"]
    expected = expected.removeprefix("Input should be ")
    return f"{name}: expected {expected[:1].lower()}{expected[1:]}"


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
