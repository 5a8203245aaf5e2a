"""`orapo generate`: reports for images, folders of images or a manifest's split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from orapo.data.conversation import (
    PROMPT_FIELDS,
    check_prompt_fields,
    check_views,
    previous_studies,
    shown_films,
    study_prompt,
)
from orapo.data.images import find_images, is_dicom, read_image
from orapo.data.manifest import read_manifest
from orapo.data.resumable import ResumableRows, file_identity
from orapo.data.study import Study
from orapo.data.table_writing import not_an_input, write_rows
from orapo.data.tables import table_format
from orapo.errors import MissingExtraError, OrapoError

if TYPE_CHECKING:
    from orapo.generation import Decoding


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("generate")(generate)


def generate(
    model: Annotated[str, typer.Option(help="Folder of a checkpoint, or its name on the hub.")],
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Image files or folders of them, a study each; DICOM files by their study."
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Manifest (JSONL) instead of images.")] = None,
    split: Annotated[str, typer.Option(help="Split of the manifest; empty for all.")] = "test",
    out: Annotated[Path, typer.Option(help="Predictions: .jsonl, .csv or .parquet.")] = Path(
        "predictions.jsonl"
    ),
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Studies at a time.")] = 16,
    max_new_tokens: Annotated[
        int, typer.Option(min=1, metavar="N", help="Longest report, in tokens.")
    ] = 256,
    temperature: Annotated[
        float, typer.Option(min=0, metavar="T", help="0 decodes greedily.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(metavar="N", help="Of sampling, for one batch size.")] = 0,
    views: Annotated[
        str, typer.Option(metavar="frontal|all", help="Films of a study: one or all.")
    ] = "frontal",
    prompt_fields: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="What the prompt tells of a study, with commas: " + ", ".join(PROMPT_FIELDS) + ".",
        ),
    ] = "",
    trust_remote_code: Annotated[
        bool,
        typer.Option("--trust-remote-code", help="Run code that comes with the checkpoint."),
    ] = False,
) -> None:
    """Write a report for each study. An unreadable image is an error row, not the end.

    Interrupted and called again, it goes on where it stopped. Exit code 1: there are error rows.
    """
    if bool(images) == (data is not None):
        raise OrapoError("give images or --data MANIFEST, one of the two")
    table_format(out)
    not_an_input(out, data)
    shown, fields = check_views(views), check_prompt_fields(prompt_fields)
    if data is not None:
        records = [s for s in read_manifest(data) if not split or s.split == split]
        if not records:
            raise OrapoError(f"{data}: no study of split {split!r}")
    else:
        records = _studies(find_images(images or []))
    before = previous_studies(records)
    studies = [
        _Asked(
            record.study_id,
            shown_films(record, shown),
            study_prompt(record, fields, previous=before.get(record.study_id)),
        )
        for record in records
    ]

    from orapo.generation import Decoding, load_checkpoint

    decoding = Decoding(
        max_new_tokens=max_new_tokens, temperature=temperature, batch_size=batch_size, seed=seed
    )
    weights = Path(model) / "model.safetensors"
    kept = ResumableRows(
        out,
        [
            *(model, file_identity(weights) if weights.is_file() else None, repr(decoding)),
            [(s.study_id, [str(path) for path in s.films], s.prompt) for s in studies],
        ],
    )
    console = Console(stderr=True)
    try:
        loaded, processor = load_checkpoint(model, remote_code=trust_remote_code)
        with Progress(console=console) as progress:
            task = progress.add_task("Writing reports", total=len(studies), completed=kept.done)
            for start in range(kept.done, len(studies), batch_size):
                batch = studies[start : start + batch_size]
                # a seed for each batch: the same reports, whether interrupted or not
                for row in _written(loaded, processor, batch, replace(decoding, seed=seed + start)):
                    kept.add(row)
                kept.flush()
                progress.advance(task, len(batch))
        failed = 0
        with write_rows(out, ("study_id", "report", "error")) as write:
            for row in kept.rows():
                write(row)
                failed += bool(row["error"])
        kept.discard()
    except BaseException:
        kept.close()
        if kept.done or kept.added:
            console.print(f"orapo: the reports so far are kept in {kept.path}", soft_wrap=True)
        else:
            kept.discard()
        raise
    typer.echo(f"{len(studies) - failed} reports: {out}")
    if failed:
        console.print(f"orapo: {failed} of {len(studies)} studies could not be read; see {out}")
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Asked:
    """A study as the model gets it."""

    study_id: str
    films: tuple[Path, ...]
    prompt: str


def _written(
    model: Any, processor: Any, studies: Sequence[_Asked], decoding: Decoding
) -> Iterator[dict[str, str]]:
    """Yield a row for each study of a batch; what could not be read is an error row."""
    from orapo.generation import generate_reports

    errors: dict[str, str] = {}
    readable = list(_read(studies, errors))
    films, prompts = [films for _, films in readable], [study.prompt for study, _ in readable]
    texts = generate_reports(model, processor, films, decoding, prompts)
    reports = dict(zip((study.study_id for study, _ in readable), texts, strict=True))
    for study in studies:
        report, error = reports.get(study.study_id, ""), errors.get(study.study_id, "")
        yield {"study_id": study.study_id, "report": report, "error": error}


def _read(
    studies: Sequence[_Asked], errors: dict[str, str]
) -> Iterator[tuple[_Asked, list[Image.Image]]]:
    for study in studies:
        try:
            if not study.films:
                raise OrapoError(f"study {study.study_id}: has no image")
            yield study, [read_image(path) for path in study.films]
        except OrapoError as error:
            errors[study.study_id] = str(error)


def _studies(paths: Sequence[Path]) -> list[Study]:
    """Make a study of each picture file, and of the DICOM files of one StudyInstanceUID.

    The latter's name is a hash of that UID (`orapo.data.dicom.study_name`), which isn't written out.
    A DICOM file that belongs to no study stays one of its own, so that reading it says what is
    wrong with it.

    Raises:
        OrapoError: Two images have the same name.
    """
    dicom = [path for path in paths if _is_dicom(path)]
    grouped: list[Study] = []
    if dicom:
        try:
            from orapo.data.dicom import group_dicom
        except ModuleNotFoundError as error:
            raise MissingExtraError(f"{dicom[0]}: reading DICOM", "dicom") from error
        grouped, problems = group_dicom(dicom)
        taken = set(dicom) - {problem.file for problem in problems}
        paths = [path for path in paths if path not in taken]
    return [*grouped, *_named(paths)]


def _is_dicom(path: Path) -> bool:
    try:
        return is_dicom(path)
    except OrapoError:  # missing or empty: an error row, as of any other file
        return False


def _named(paths: Sequence[Path]) -> list[Study]:
    """Name each image's study by its file, without the ending where that is unambiguous.

    Raises:
        OrapoError: Two images have the same name.
    """
    stems = Counter(path.stem for path in paths)
    seen: dict[str, Path] = {}
    for path in paths:
        study_id = path.stem if stems[path.stem] == 1 else path.name
        if study_id in seen:
            raise OrapoError(f"{path} and {seen[study_id]}: two images of the same name")
        seen[study_id] = path
    return [Study(study_id=study_id, images=(path,)) for study_id, path in seen.items()]
