"""`orapo train`: a training run from a recipe."""

from __future__ import annotations

from typing import Annotated

import typer

from orapo.errors import MissingExtraError


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "train",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(train)


def train(
    ctx: typer.Context,
    config: Annotated[
        str, typer.Option(help="Recipe (YAML): fields of RunConfig and of OraPOConfig.")
    ],
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint.")] = False,
    quiet: Annotated[bool, typer.Option(help="No progress bars and no notes.")] = False,
) -> None:
    """Train with OraPO or GRPO; any field of the recipe can be given as --field value."""
    try:
        from orapo.training import run as runs
        from orapo.training.interruption import Interrupted
    except ModuleNotFoundError as error:
        raise MissingExtraError("training", "train") from error
    arguments = ["--config", config, *ctx.args]
    if quiet:
        runs.quiet_libraries()
        arguments += ["--disable_tqdm", "true"]
    run, settings = runs.read_recipe(arguments)
    first = settings.process_index == 0

    def say(line: str) -> None:
        if first:
            typer.echo(f"orapo: {line}", err=True)

    try:
        folder = runs.train(run, settings, resume=resume, say=say)
    except Interrupted as stop:
        say(f"{stop}; go on with: orapo train --config {config} --resume")
        raise typer.Exit(128 + stop.signum) from None
    typer.echo(f"Checkpoint, {runs.LOG_FILE} and {runs.PROBE_FILE}: {folder}")
