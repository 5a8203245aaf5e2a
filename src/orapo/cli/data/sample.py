"""``orapo data sample``: the paper's training set of 1,000 studies, or any other size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from orapo.cli.data import options as shared
from orapo.cli.parts.progress import bars
from orapo.errors import OrapoError
from orapo.labels import LABELS, POSITIVE, UNCERTAIN
from orapo.writing import json_text

if TYPE_CHECKING:
    from orapo.data.study import Study


def sample(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A manifest (JSONL).")],
    out: Annotated[Path, typer.Option(help="Manifest of the sample.", dir_okay=False)],
    size: Annotated[int, typer.Option(min=1, help="How many studies.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws another sample.")] = 0,
    stratified: Annotated[
        bool, typer.Option("--stratified", help="Labels keep their share; rare ones have 2 %.")
    ] = False,
    split: Annotated[str, typer.Option(help="Split that is drawn from.")] = "train",
    with_held_out: Annotated[
        bool, typer.Option("--with-held-out", help="Also write the studies of all other splits.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Draw a training sample.

    A smaller one of the same seed is part of a larger one.

    Patients who stand in another split too are left out.
    """
    from orapo.data.loaded import LoadOptions
    from orapo.data.manifest import write_manifest
    from orapo.data.sampling import sample_studies
    from orapo.data.tables.writing import not_an_input

    not_an_input(out, manifest)
    with bars() as shown:
        options = LoadOptions(check_files=False)
        loaded = shared.load(shown, shared.DatasetName.MANIFEST, manifest, options)
        if loaded.fatal:
            shared.say_problems(loaded.problems)
            raise OrapoError(f"{manifest}: {loaded.fatal:,} problem(s); repair them first")
        studies = loaded.studies
        shown.add_task("drawing", total=None)
        chosen = {
            study.study_id
            for study in sample_studies(studies, size, seed, split=split, stratified=stratified)
        }
        # in the order of the source, in which a patient's studies stand by time
        drawn = [study for study in studies if study.study_id in chosen]
    held_out = [study for study in studies if study.split != split] if with_held_out else []
    write_manifest(out, [*drawn, *held_out])
    source = [study for study in studies if study.split == split]
    labels = {
        name: {"sample": _count(drawn, name), "source": _count(source, name)} for name in LABELS
    }
    if as_json:
        summary = {
            "manifest": str(out),
            "studies": len(drawn),
            "patients": len({study.patient_id or study.study_id for study in drawn}),
            "held_out": len(held_out),
            "positive_or_uncertain": labels,
        }
        typer.echo(json_text(summary, indent=2))
        return
    table = Table(title="Studies with the label positive or uncertain")
    table.add_column("label", min_width=26)
    table.add_column(f"sample ({len(drawn):,})", justify="right")
    table.add_column(f"{split} ({len(source):,})", justify="right")
    for name, count in labels.items():
        table.add_row(
            name,
            f"{count['sample']} ({count['sample'] / len(drawn):.1%})",
            f"{count['source']} ({count['source'] / len(source):.1%})",
        )
    console = Console()
    console.print(table)
    console.print(str(out), markup=False, highlight=False, soft_wrap=True)


def _count(studies: Sequence[Study], name: str) -> int:
    return sum(study.labels.get(name) in (POSITIVE, UNCERTAIN) for study in studies)
