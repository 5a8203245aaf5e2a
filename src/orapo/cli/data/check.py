"""``orapo data check``: read a data set once and say what is in it and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from orapo.cli.data import options as shared
from orapo.cli.parts import table_options as tables
from orapo.cli.parts.progress import bars, saying_what_is_kept
from orapo.writing import json_text

if TYPE_CHECKING:
    from orapo.data.image_check import ImageCheck


def check(
    path: shared.Source,
    dataset: shared.Dataset = shared.DatasetName.MANIFEST,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Look for the images and read them all.")
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for profile.json, profile.html and more.", file_okay=False),
    ] = None,
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
    as_json: Annotated[bool, typer.Option("--json", help="Print the profile as JSON.")] = False,
) -> None:
    """Check a data set.

    Writes a profile of it, and every problem with its file and row.

    The exit code is 2 if training on it as it is would fail; warnings alone leave it 0. Interrupted
    and called again with the same --out, it resumes where it stopped.
    """
    from orapo.data.image_check import check_images
    from orapo.data.profile import problem_record, problems_of_the_whole, profile
    from orapo.data.tables.standard_streams import from_input, in_words

    named = shared.named_columns(id_column, text_column, findings_column, impression_column)
    options = shared.load_options(
        image_root, reports, columns, encoding, labels_from, images, named, body_part
    )
    shared.check_source(dataset, path)
    path = from_input(path)
    keep = None if out is None else out / "images"
    with saying_what_is_kept(lambda: _kept(keep)), bars() as shown:
        loaded = shared.load(shown, dataset, path, options)
        seen: ImageCheck | None = None
        if images:
            bar = shown.add_task("images", total=None)
            seen = check_images(
                loaded,
                workers,
                lambda done, total: shown.update(bar, completed=done, total=total),
                keep=keep,
            )
        problems = [
            *loaded.problems,
            *(seen.problems if seen else ()),
            *problems_of_the_whole(loaded),
        ]
        figures = profile(loaded, problems, seen)
        page = None
        if out is not None:
            from orapo.data.profile_page import write_profile  # matplotlib, for the plots

            shown.add_task("writing the page", total=None)
            page = write_profile(out, loaded, figures, problems, thumbnails=images)
    shared.say_problems(problems)
    if figures["studies"] and not figures["held_out"]:
        # No fault of the table (one without a column of splits is right), but to be known.
        Console(stderr=True).print(
            f"{in_words(str(path))}: all studies are in the training split; nothing is held out",
            style="yellow",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if as_json:
        listed = [problem_record(problem) for problem in problems]
        typer.echo(json_text({**figures, "problem_list": listed}, indent=2))
    else:
        _show(figures)
        if page is not None:
            Console().print(str(page), markup=False, highlight=False, soft_wrap=True)
    if figures["fatal_problems"]:
        Console(stderr=True).print(
            f"orapo: {in_words(str(path))}: {figures['fatal_problems']:,} problem(s) would stop a training",
            style="red",
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(2)


def _kept(keep: Path | None) -> str:
    from orapo.data.resumable import rows_file

    if keep is None:
        return "nothing was kept (with --out what was seen of the images is)"
    if not rows_file(keep).exists():
        return f"nothing was written to {keep.parent}"
    return (
        f"what was seen of the images is kept in {keep.parent}; the same command goes on from there"
    )


def _show(figures: Mapping[str, Any]) -> None:
    console = Console()
    patients = (
        f"of {figures['patients']:,} patients" if figures["patients"] else "(patients unknown)"
    )
    console.print(
        f"{figures['studies']:,} studies {patients}, {figures['images']:,} images",
        highlight=False,
    )
    splits = Table(title="Splits")
    for heading in ("split", "studies", "images", "patients"):
        splits.add_column(heading, justify="left" if heading == "split" else "right")
    for name, one in figures["splits"].items():
        splits.add_row(name, *(f"{one[key]:,}" for key in ("studies", "images", "patients")))
    console.print(splits)
    labels = Table(title="Labels")
    labels.add_column("label", min_width=26)
    for heading in ("positive", "uncertain", "negative", "blank"):
        labels.add_column(heading, justify="right")
    for name, count in figures["labels"].items():
        labels.add_row(
            name, *(f"{count[key]:,}" for key in ("positive", "uncertain", "negative", "blank"))
        )
    console.print(labels)
    shared_texts = figures["texts_in_two_splits"]
    lines = {
        "views": figures["views"],
        "labels from": figures["labels_source"],
        "empty": figures["empty"],
        "words": figures["words"] or {},
        "texts in two splits": {"texts": shared_texts["texts"], "studies": shared_texts["studies"]},
        "patients in two splits": {"patients": figures["patients_in_two_splits"]},
        "image files": figures["image_files"] or {"read": 0},
        "decided while reading": figures["notes"],
        "problems": figures["problems"],
    }
    for name, counts in lines.items():
        text = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in counts.items())
        console.print(f"{name}: {text or 'none'}", highlight=False, markup=False)
