"""``orapo data``: make and look after data sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from orapo.cli.data.check import check
from orapo.cli.data.convert import convert
from orapo.cli.data.sample import sample
from orapo.cli.parts.alone import alone
from orapo.cli.parts.progress import bars, saying_what_is_kept
from orapo.data.tables.standard_streams import not_standard_output
from orapo.errors import OrapoError
from orapo.labels import LABELS, POSITIVE, UNCERTAIN
from orapo.writing import json_text, replacing

if TYPE_CHECKING:
    from orapo.data.phantom import PhantomConfig
    from orapo.data.study import Study

data = typer.Typer(help="Check, convert and sample data sets.", no_args_is_help=True)
for _command in (check, convert):
    data.command()(alone(_command))
data.command()(alone(sample, stdout=True))

_DEFAULT_STUDIES: Final = 640
_SHEET_FILMS: Final = 24
_SHEET_COLUMNS: Final = 6
_SHEET_SIZE: Final = 256


class LayoutName(StrEnum):
    """The layouts of `LAYOUTS`, as choices of an option."""

    CHEXPERT_PLUS = "chexpert-plus"
    MIMIC_CXR = "mimic-cxr"
    IU_XRAY = "iu-xray"
    TABLE = "table"


class DifficultyName(StrEnum):
    """The levels of `DIFFICULTIES`, as choices of an option."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


def add_to(app: typer.Typer) -> None:
    """Add the command group to ``app``."""
    app.add_typer(data, name="data")


@data.callback()
def _group() -> None:
    """Check, convert and sample data sets."""


@data.command()
def phantom(
    out: Annotated[Path, typer.Option(help="Folder of the data set.", file_okay=False)],
    studies: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"How many in all: 80 % train, 10 % validate, 10 % test.  [{_DEFAULT_STUDIES}]",
        ),
    ] = None,
    train: Annotated[int | None, typer.Option(min=0, help="Training studies.")] = None,
    validate: Annotated[int | None, typer.Option(min=0, help="Validation studies.")] = None,
    test: Annotated[int | None, typer.Option(min=0, help="Test studies.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same studies.")] = 0,
    layout: Annotated[
        LayoutName | None,
        typer.Option(help="Write it as this data set lies on disk; its loader can then be tried."),
    ] = None,
    size: Annotated[int, typer.Option(help="Width and height of a film in pixels.")] = 64,
    difficulty: Annotated[
        DifficultyName, typer.Option(help="Contrast of findings, style sentences, label noise.")
    ] = DifficultyName.EASY,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--contact-sheet", help="Also write the first films as one PNG.", dir_okay=False
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite a phantom made with other arguments.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Write a phantom: synthetic films with reports."""
    from orapo.data.datasets import load_dataset
    from orapo.data.manifest import read_manifest
    from orapo.data.phantom import DIFFICULTIES, PhantomConfig, write_phantom
    from orapo.data.phantom.layouts import write_layout

    not_standard_output(out)
    config = PhantomConfig(size=size, difficulty=DIFFICULTIES[difficulty.value])
    counts = _split(studies, {"train": train, "validate": validate, "test": test})
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise OrapoError(f"{sheet}: a contact sheet's name ends in .png")
    if layout is not None and sheet is not None:
        raise OrapoError("--contact-sheet: give it without --layout")
    with saying_what_is_kept(lambda: f"nothing was written to {out}"), bars() as shown:
        bar = shown.add_task("drawing", total=sum(counts.values()))

        def show(done: int, total: int) -> None:
            shown.update(bar, completed=done, total=total)

        if layout is not None:
            written = write_layout(layout.value, out, counts, seed, config, show, overwrite=force)
            studies_written = load_dataset(layout.value, written).studies
        else:
            written = write_phantom(out, counts, seed, config, show, overwrite=force)
            studies_written = read_manifest(written)
    if sheet is not None:
        _write_sheet(sheet, studies_written, seed, config)
    _report(written, studies_written, sheet, as_json)


def _split(studies: int | None, parts: Mapping[str, int | None]) -> dict[str, int]:
    if all(count is None for count in parts.values()):
        total = studies or _DEFAULT_STUDIES
        held_out = round(0.1 * total)
        return {"train": total - 2 * held_out, "validate": held_out, "test": held_out}
    if studies is not None:
        raise OrapoError("give either --studies or --train, --validate and --test, not both")
    return {split: count or 0 for split, count in parts.items()}


def _write_sheet(path: Path, studies: Sequence[Study], seed: int, config: PhantomConfig) -> None:
    from orapo.data.phantom import contact_sheet, draw_study

    large = replace(config, size=max(config.size, _SHEET_SIZE))
    # The number in the name is the study's index, whatever the split.
    indices = [int(study.study_id.rpartition("-")[2]) for study in studies[:_SHEET_FILMS]]
    image = contact_sheet([draw_study(seed, index, large) for index in indices], _SHEET_COLUMNS)
    with replacing(path) as part:
        image.save(part, format="PNG")


def _report(manifest: Path, studies: Sequence[Study], sheet: Path | None, as_json: bool) -> None:
    by_split = {
        split: [study for study in studies if study.split == split]
        for split in dict.fromkeys(study.split for study in studies)
    }
    positive = {
        split: Counter(
            name
            for study in part
            for name, value in study.labels.items()
            if value in (POSITIVE, UNCERTAIN)
        )
        for split, part in by_split.items()
    }
    if as_json:
        summary = {
            "manifest": str(manifest),
            "contact_sheet": str(sheet) if sheet else None,
            "studies": {split: len(part) for split, part in by_split.items()},
            "positive_or_uncertain": {
                name: {split: positive[split][name] for split in by_split} for name in LABELS
            },
        }
        typer.echo(json_text(summary, indent=2))
        return
    table = Table(title="Studies with the label positive or uncertain")
    table.add_column("label")
    for split, part in by_split.items():
        table.add_column(f"{split} ({len(part)})", justify="right")
    for name in LABELS:
        table.add_row(
            name,
            *(
                f"{positive[split][name]} ({positive[split][name] / len(part):.1%})"
                for split, part in by_split.items()
            ),
        )
    console = Console()
    console.print(table)
    for path in (manifest, sheet):
        if path is not None:
            console.print(str(path), markup=False, highlight=False, soft_wrap=True)
