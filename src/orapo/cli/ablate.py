"""`orapo ablate`: the paper's comparison, and competing methods, on any data set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from orapo.cli.parts.alone import said_if_full
from orapo.cli.parts.progress import AGAIN, saying_what_is_kept
from orapo.data.tables.standard_streams import not_standard_output
from orapo.errors import MissingExtraError, OrapoError
from orapo.locking import locked
from orapo.models.hub import find_model
from orapo.writing import json_text, remove_leftovers


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ablate")(ablate)


def ablate(
    config: Annotated[Path, typer.Option(help="Recipe (YAML) of OraPO on the data set.")],
    out: Annotated[Path, typer.Option(help="Folder for everything it makes.")],
    methods: Annotated[
        list[str] | None,
        typer.Option(
            help="paper (default), baseline, beyond, experts, all, or methods, with commas."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each of the paper's rows.")] = 5,
    other_seeds: Annotated[int, typer.Option(min=1, help="Trainings of every other row.")] = 2,
    budget: Annotated[
        str, typer.Option(help="What is equal for all: rollouts, samples or minutes.")
    ] = "rollouts",
    minutes: Annotated[
        float, typer.Option(min=0, help="Of each training, with --budget minutes.")
    ] = 0.0,
    curve: Annotated[
        list[int] | None,
        typer.Option(help="Numbers of training studies for the curve; can be repeated."),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(help="YAML: methods, and fields that were chosen for each on other data."),
    ] = None,
    split: Annotated[str, typer.Option(help="Split on which reports are scored.")] = "test",
    together: Annotated[
        int, typer.Option(min=0, help="Trainings at a time; 0: one a GPU, or two on a CPU.")
    ] = 0,
    labeler: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Another labeler: gets a table of reports and the name of a table to write.",
        ),
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Of the bootstrap.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON on stdout.")] = False,
) -> None:
    """Compare training methods on one recipe.

    Same studies, same budget, same evaluation. Called again, it resumes where it was interrupted.
    """
    try:
        from orapo.ablation.methods import methods_named
        from orapo.ablation.output import tables, write_ablation
        from orapo.ablation.plan import Budget, read_plan
        from orapo.ablation.run import Options, run_ablation
        from orapo.ablation.run import as_json as json_of
        from orapo.training.run import quiet_libraries
    except ModuleNotFoundError as error:
        raise MissingExtraError("an ablation", "train") from error
    not_standard_output(out)
    if budget not in [one.value for one in Budget]:
        raise OrapoError(f"--budget must be rollouts, samples or minutes, not {budget!r}")
    quiet_libraries()
    plan = read_plan(
        config,
        out,
        methods=methods_named([name for one in methods or ["paper"] for name in one.split(",")]),
        seeds=seeds,
        other_seeds=other_seeds,
        budget=Budget(budget),
        minutes=minutes,
        curve=curve or (),
        split=split,
        settings=settings,
    )
    find_model(plan.recipe["model"], plan.recipe.get("model_revision"))
    gpus = _gpus()
    options = Options(
        together or len(gpus) or min(2, os.cpu_count() or 1), tuple(gpus), labeler, resamples
    )
    with (
        said_if_full(out),
        locked(out, "another orapo ablate is at work there"),
        saying_what_is_kept(lambda: f"what is finished is kept in {out}; {AGAIN}"),
    ):
        remove_leftovers(out)
        found = run_ablation(plan, options, Console(stderr=True))
        files = write_ablation(out, found)
    if as_json:
        typer.echo(json_text(json_of(found)))
    else:
        console = Console()
        for table in tables(found):
            if table.title in _SHOWN:
                console.print(_for_screen(table))
        typer.echo(f"{files[3]} holds all tables and plots.")
    if found.settings["failures"]:
        raise typer.Exit(1)


def _gpus() -> list[str]:
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible:
        return visible.split(",")
    return [str(number) for number in range(torch.cuda.device_count())]


# A screen of 80 columns has room for these; the files hold all.
_SHOWN = {
    "Methods": ("method", "seeds", "macro-F1", "P", "R"),
    "Differences of macro-F1": ("method", "against", "difference", "ratio", "p (Holm)"),
}


def _for_screen(table: Any) -> Table:
    shown = Table(title=table.title, caption=" ".join(table.notes), box=box.SIMPLE_HEAD)
    places = [table.heading.index(name) for name in _SHOWN[table.title]]
    for place in places:
        left = table.heading[place] in ("method", "against")
        shown.add_column(table.heading[place], justify="left" if left else "right")
    for row in table.rows:
        style = "italic" if row.trivial else None
        shown.add_row(*(row.cells[place] for place in places), style=style)
    return shown
