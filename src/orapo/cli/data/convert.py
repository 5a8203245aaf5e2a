"""``orapo data convert``: any data set as a manifest with PNG copies of its pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from orapo.cli.data import options as shared
from orapo.cli.parts import table_options as tables
from orapo.cli.parts.progress import bars, saying_what_is_kept
from orapo.errors import NEEDS_DECODER, OrapoError
from orapo.writing import json_text


def convert(
    path: shared.Source,
    out: Annotated[Path, typer.Option(help="Folder for the manifest and images.", file_okay=False)],
    dataset: shared.Dataset = shared.DatasetName.MANIFEST,
    image_size: Annotated[
        int | None, typer.Option(min=16, metavar="N", help="Longest side of the copies in pixels.")
    ] = None,
    hf: Annotated[
        bool, typer.Option("--hf", help="Also write a copy for Hugging Face datasets.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out what is wrong instead of stopping.")
    ] = False,
    workers: shared.Workers = shared.DEFAULT_WORKERS,
    image_root: shared.ImageRoot = None,
    reports: shared.Reports = None,
    columns: shared.Columns = None,
    encoding: shared.Encoding = "utf-8",
    labels_from: shared.LabelsFrom = "report",
    body_part: shared.BodyPart = shared.BodyPartName.CHEST,
    id_column: tables.IdColumn = None,
    text_column: tables.TextColumn = None,
    findings_column: tables.FindingsColumn = None,
    impression_column: tables.ImpressionColumn = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Write a data set as manifest and pixel copies.

    They have neutral names and no header.

    Interrupted and called again, it resumes where it stopped. Something wrong with the data ends it
    with exit code 2 before an image is copied; --skip-bad leaves that out.
    """
    from orapo.data.convert import convert as convert_loaded
    from orapo.data.convert import require_datasets, write_hugging_face
    from orapo.data.tables.standard_streams import digest, from_input, is_dash

    if hf:
        require_datasets()
    piped = is_dash(path)
    shared.check_source(dataset, path)
    path = from_input(path)
    named = shared.named_columns(id_column, text_column, findings_column, impression_column)
    options = shared.load_options(
        image_root, reports, columns, encoding, labels_from, True, named, body_part
    )
    with saying_what_is_kept(lambda: _kept(out)), bars() as shown:
        loaded = shared.load(shown, dataset, path, options)
        if loaded.fatal and not (skip_bad and loaded.studies):
            shared.say_problems(loaded.problems)
            raise OrapoError(
                f"{path}: {loaded.fatal:,} problem(s); repair them, or leave these studies out "
                "with --skip-bad"
            )
        bar = shown.add_task("copying images", total=None)
        made_from = [
            dataset.value,
            digest(path) if piped else path.resolve(),
            image_root,
            dict(options.columns),
            labels_from,
        ]
        made_from += [] if options.body_part == "chest" else [options.body_part]
        done = convert_loaded(
            loaded,
            out,
            made_from=made_from,
            image_size=image_size,
            skip_bad=skip_bad,
            workers=workers,
            progress=lambda done, total: shown.update(bar, completed=done, total=total),
        )
        hugging_face = None
        if hf and done.manifest is not None:
            shown.add_task("writing the copy for Hugging Face", total=None)
            hugging_face = write_hugging_face(done.studies, out)
    shared.say_problems([*loaded.problems, *done.problems])
    if done.manifest is None and any(NEEDS_DECODER in one.sentence for one in done.problems):
        count = sum(NEEDS_DECODER in one.sentence for one in done.problems)
        raise OrapoError(
            f"{path}: {count:,} image(s) need a decoder that is not installed (said above with its "
            f"name) and may well be good; the copies of the others are kept in {out}; install it "
            "and call this again"
        )
    if done.manifest is None:
        raise OrapoError(
            f"{path}: {len(done.problems):,} image(s) can't be read; the copies of the others are "
            f"kept in {out}; repair them, or leave them out with --skip-bad"
        )
    summary: dict[str, Any] = {
        "manifest": str(done.manifest),
        "studies": len(done.studies),
        "images_copied": done.copied,
        "images_there": done.there,
        "left_out": len(loaded.studies) - len(done.studies),
        "problems": len(loaded.problems) + len(done.problems),
        "hugging_face": None if hugging_face is None else str(hugging_face),
    }
    if as_json:
        typer.echo(json_text(summary, indent=2))
        return
    console = Console()
    console.print(
        f"{len(done.studies):,} studies, {done.copied:,} images copied, {done.there:,} there "
        "already",
        highlight=False,
    )
    for written in (done.manifest, hugging_face):
        if written is not None:
            console.print(str(written), markup=False, highlight=False, soft_wrap=True)


def _kept(out: Path) -> str:
    from orapo.data.convert import IMAGES

    if not (out / IMAGES).is_dir():
        return f"no image was copied to {out}"
    return f"the images copied so far are kept in {out}; the same command goes on from there"
