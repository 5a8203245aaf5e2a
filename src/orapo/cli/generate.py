"""`orapo generate`: reports for images, folders of images or a manifest's split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from orapo.data.images import find_images, read_image
from orapo.data.manifest import read_manifest
from orapo.data.tables import write_rows
from orapo.errors import OrapoError


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("generate")(generate)


def generate(
    model: Annotated[str, typer.Option(help="Folder of a checkpoint, or its name on the hub.")],
    images: Annotated[
        list[Path] | None, typer.Argument(help="Image files or folders of them, a study each.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Manifest (JSONL) instead of images.")] = None,
    split: Annotated[str, typer.Option(help="Split of the manifest; empty for all.")] = "test",
    out: Annotated[Path, typer.Option(help="Predictions: .jsonl, .csv or .parquet.")] = Path(
        "predictions.jsonl"
    ),
    batch_size: Annotated[int, typer.Option(min=1, help="Studies at a time.")] = 16,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest report, in tokens.")] = 256,
    temperature: Annotated[float, typer.Option(min=0, help="0 decodes greedily.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of sampling.")] = 0,
    trust_remote_code: Annotated[
        bool, typer.Option(help="Run code that comes with the checkpoint.")
    ] = False,
) -> None:
    """Write a report for each study. An unreadable image is an error row, not the end."""
    if bool(images) == (data is not None):
        raise OrapoError("give images or --data MANIFEST, one of the two")
    if data is not None:
        studies = [
            (study.study_id, list(study.images))
            for study in read_manifest(data)
            if not split or study.split == split
        ]
        if not studies:
            raise OrapoError(f"{data}: no study of split {split!r}")
    else:
        studies = [(path.name, [path]) for path in find_images(images or [])]
        _unique(studies)

    from orapo.generation import Decoding, generate_reports, load_checkpoint

    loaded, processor = load_checkpoint(model, remote_code=trust_remote_code)
    decoding = Decoding(
        max_new_tokens=max_new_tokens, temperature=temperature, batch_size=batch_size, seed=seed
    )
    console = Console(stderr=True)
    failed = 0
    with (
        write_rows(out, ("study_id", "report", "error")) as write,
        Progress(console=console) as progress,
    ):
        task = progress.add_task("Writing reports", total=len(studies))
        for start in range(0, len(studies), batch_size):
            readable: list[tuple[str, list[Image.Image]]] = []
            errors: dict[str, str] = {}
            for study_id, films in _read(studies[start : start + batch_size], errors):
                readable.append((study_id, films))
            texts = generate_reports(loaded, processor, [films for _, films in readable], decoding)
            reports = dict(zip((study_id for study_id, _ in readable), texts, strict=True))
            for study_id, _ in studies[start : start + batch_size]:
                write(
                    {
                        "study_id": study_id,
                        "report": reports.get(study_id, ""),
                        "error": errors.get(study_id, ""),
                    }
                )
            failed += len(errors)
            progress.advance(task, len(readable) + len(errors))
    typer.echo(f"{len(studies) - failed} reports: {out}")
    if failed:
        console.print(f"orapo: {failed} of {len(studies)} studies could not be read; see {out}")
        raise typer.Exit(1)


def _read(
    studies: Sequence[tuple[str, list[Path]]], errors: dict[str, str]
) -> Iterator[tuple[str, list[Image.Image]]]:
    for study_id, paths in studies:
        try:
            if not paths:
                raise OrapoError(f"study {study_id}: has no image")
            yield study_id, [read_image(path) for path in paths]
        except OrapoError as error:
            errors[study_id] = str(error)


def _unique(studies: Sequence[tuple[str, list[Path]]]) -> None:
    seen: dict[str, Path] = {}
    for study_id, (path,) in studies:
        if study_id in seen:
            raise OrapoError(f"{path} and {seen[study_id]}: two images of the same name")
        seen[study_id] = path
