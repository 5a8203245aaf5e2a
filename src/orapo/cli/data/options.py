"""Options that the commands of ``orapo data`` share: what is loaded, from where, and how."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress

from orapo.errors import OrapoError

if TYPE_CHECKING:
    from orapo.data.loaded import Loaded, LoadOptions, Problem

DEFAULT_WORKERS: Final = min(8, os.cpu_count() or 1)

_MOST_SAID: Final = 1000


class DatasetName(StrEnum):
    """The data sets of `orapo.data.datasets.LOADERS`, as choices of an option."""

    CHEXPERT_PLUS = "chexpert-plus"
    MIMIC_CXR = "mimic-cxr"
    IU_XRAY = "iu-xray"
    REXGRADIENT = "rexgradient"
    CHEXPERT_VALID = "chexpert-valid"
    TABLE = "table"
    MANIFEST = "manifest"
    DICOM = "dicom"


class BodyPartName(StrEnum):
    """Whose films are taken, as `orapo.data.films.body_part.BodyPart`."""

    CHEST = "chest"
    ANY = "any"


Source = Annotated[
    Path, typer.Argument(metavar="PATH", help="Folder or table of the data set (docs/data.md).")
]
Dataset = Annotated[DatasetName, typer.Option(help="How it lies on disk.")]
ImageRoot = Annotated[
    Path | None,
    typer.Option(help="Folder of the images, if not the data set's own.", file_okay=False),
]
Reports = Annotated[
    Path | None,
    typer.Option(help="MIMIC-CXR: folder with files/ of the report texts.", file_okay=False),
]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="FIELD=COLUMN,...", help="Table: columns by other names: report=text,study_id=id."
    ),
]
Encoding = Annotated[str, typer.Option(help="Encoding of CSV and JSONL files.")]
LabelsFrom = Annotated[
    str, typer.Option(help="CheXpert Plus: text that was labelled: report, findings, impression.")
]
BodyPart = Annotated[
    BodyPartName,
    typer.Option(help="Films of other body parts are left out and counted; any takes them."),
]
Workers = Annotated[int, typer.Option(min=1, metavar="N", help="Processes that read images.")]


def load_options(
    image_root: Path | None,
    reports: Path | None,
    columns: str | None,
    encoding: str,
    labels_from: str,
    check_files: bool,
    named: Mapping[str, str | None] | None = None,
    body_part: BodyPartName = BodyPartName.CHEST,
) -> LoadOptions:
    """Put the options of a command together.

    Args:
        image_root: As the option.
        reports: As the option.
        columns: ``--columns``.
        encoding: As the option.
        labels_from: As the option.
        check_files: Whether image files are looked for.
        named: Field to the column that an option of its own names.
        body_part: As the option.

    Raises:
        OrapoError: The mapping of columns is malformed, or a folder isn't there.
    """
    from orapo.data.loaded import LoadOptions

    for name, folder in (("--image-root", image_root), ("--reports", reports)):
        if folder is not None and not folder.is_dir():
            raise OrapoError(f"{name} {folder}: no such folder")
    return LoadOptions(
        images=image_root,
        reports=reports,
        check_files=check_files,
        columns=_mapping(columns, named or {}),
        encoding=encoding,
        labels_from=labels_from,
        body_part=body_part.value,
    )


def named_columns(
    id_column: str | None,
    text_column: str | None,
    findings_column: str | None,
    impression_column: str | None,
) -> dict[str, str | None]:
    """Return the fields of an own table that options name, for `load_options`."""
    return {
        "study_id": id_column,
        "report": text_column,
        "findings": findings_column,
        "impression": impression_column,
    }


def _mapping(columns: str | None, named: Mapping[str, str | None]) -> Mapping[str, str]:
    mapping: dict[str, str] = {}
    for part in columns.split(",") if columns else ():
        field, equals, column = part.partition("=")
        if not (equals and field.strip() and column.strip()):
            raise OrapoError(f"--columns: expected field=column, not {part!r}")
        if field.strip() in mapping:
            raise OrapoError(f"--columns: {field.strip()} is given twice")
        mapping[field.strip()] = column.strip()
    for field, name in named.items():
        if name is not None and mapping.setdefault(field, name) != name:
            raise OrapoError(f"--columns: {field} is named by another option too, as {name}")
    return mapping


def load(bars: Progress, dataset: DatasetName, path: Path, options: LoadOptions) -> Loaded:
    """Load a data set with a bar."""
    from orapo.data.datasets import load_dataset

    bar = bars.add_task(f"reading {path.name}", total=None)

    def show(what: str, done: int) -> None:
        bars.update(bar, description=what, completed=done)

    loaded = load_dataset(dataset.value, path, replace(options, progress=show))
    bars.remove_task(bar)
    return loaded


def say_problems(problems: Sequence[Problem]) -> None:
    """Print every problem on stderr, one a line: file, row and what is wrong."""
    console = Console(stderr=True)
    for problem in problems[:_MOST_SAID]:
        word, style = ("error", "red") if problem.fatal else ("warning", "yellow")
        console.print(f"{word}: {problem}", style=style, markup=False, soft_wrap=True)
    if len(problems) > _MOST_SAID:
        console.print(
            f"... and {len(problems) - _MOST_SAID:,} more; orapo data check --out DIR writes all "
            "of them to DIR/problems.csv"
        )
