"""`orapo train`: a training run from a recipe, or an account of what it would take."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from orapo.cli.parts.progress import saying_what_is_kept
from orapo.errors import MissingExtraError, OrapoError
from orapo.locking import locked
from orapo.writing import json_text, remove_leftovers

if TYPE_CHECKING:
    from orapo.training.preparing.dry_run import DryRun


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
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Check data and recipe; say memory, rollouts, hours and cost."
        ),
    ] = False,
    gpu_memory: Annotated[
        float | None,
        typer.Option(metavar="GIB", min=0.1, help="With --dry-run: of a GPU, if not of this one."),
    ] = None,
    accelerate_file: Annotated[
        Path | None,
        typer.Option(metavar="YAML", help="With --dry-run: the file for accelerate launch."),
    ] = None,
    step_seconds: Annotated[
        float | None,
        typer.Option(metavar="S", min=0, help="With --dry-run: a step's, as measured."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: as JSON.")] = False,
) -> None:
    """Train with OraPO or another method.

    Any field of the recipe can be given as --field value; docs/training.md says where all are listed.
    """
    try:
        from orapo.training import recipe as recipes
        from orapo.training import run as runs
        from orapo.training.surviving.interruption import Interrupted
    except ModuleNotFoundError as error:
        raise MissingExtraError("training", "train") from error
    if not dry_run and (gpu_memory or accelerate_file or step_seconds or as_json):
        raise OrapoError("--gpu-memory, --accelerate-file, --step-seconds, --json need --dry-run")
    arguments = ["--config", config, *ctx.args]
    runs.ignore_routine()
    if quiet or as_json:
        runs.quiet_libraries()
        arguments += ["--disable_tqdm", "true"]
    if dry_run:
        runs.quiet_libraries()
        arguments += recipes.without_gpu()
    run, settings = recipes.read_recipe(arguments)
    if dry_run:
        from orapo.training.preparing.dry_run import dry_run as look
        from orapo.training.preparing.dry_run import hardware

        runs.quiet_libraries()
        studies = runs.training_studies(run)
        # without its held-out studies, or what its method needs of experts, a run would not start
        held_out = runs.probe_studies(run) or ()
        runs.check_reporters(settings.report_to)
        runs.check_experts(run, settings)
        machine = hardware(gpu_memory, accelerate_file)
        found = look(run, settings, studies, machine, step_seconds, held_out)
        if found.self_check.warning:
            typer.echo(f"orapo: {found.self_check.warning}", err=True)
        if as_json:
            typer.echo(json_text(found.as_dict(), indent=1))
        else:
            _show(found)
        return
    first = settings.process_index == 0

    def say(line: str) -> None:
        if first:
            typer.echo(f"orapo: {line}", err=True)

    busy = "another training is at work there"
    alone = locked(Path(settings.output_dir), busy) if first else nullcontext()
    try:
        kept = f"no step was made; the checkpoints in {settings.output_dir} are as they were"
        # from the first step on it is StopOnSignal that saves and says so
        said = saying_what_is_kept(lambda: kept) if first else nullcontext()
        with alone, said:
            if first:
                remove_leftovers(Path(settings.output_dir))
            folder = runs.train(run, settings, resume=resume, say=say)
    except Interrupted as stop:
        command = shlex.join(["orapo", "train", "--config", config, *ctx.args, "--resume"])
        say(f"{stop}; go on with: {command}")
        raise typer.Exit(128 + stop.signum) from None
    if first:
        files = [name for name in (runs.LOG_FILE, runs.PROBE_FILE) if (folder / name).is_file()]
        typer.echo(f"{', '.join(['Checkpoint', 'model card', *files])}: {folder}")


def _show(found: DryRun) -> None:
    plan, machine, gib = found.schedule, found.hardware, 2.0**30
    console = Console()
    patients = f"of {found.patients:,} patients" if found.patients else "(patients unknown)"
    lines = [
        f"Studies: {found.studies:,} {patients}; {found.set_aside} set aside"
        + (f"; an epoch shows {found.shown:,}" if found.shown != found.studies else ""),
        f"Prompt: at most {found.prompt_tokens} tokens, {found.image_tokens} of them film",
        f"Model: {found.parameters:,} parameters; {found.trainable:,} are trained",
        f"Run: {plan.steps:,} steps, {plan.studies_per_step:g} studies each, "
        f"{plan.epochs:.3g} epochs; {plan.rollouts:,} rollouts",
    ]
    if found.hours is not None:
        lines.append(f"Time: about {found.hours:.2f} hours")
    if found.judge_calls:
        sent, answered = found.judge_tokens
        cost = "no judge_prices" if found.judge_cost is None else f"{found.judge_cost:,.2f}"
        lines.append(
            f"Judge: about {found.judge_calls:,} calls, {sent:,} tokens in, {answered:,} out; "
            f"cost: {cost} (rollouts as long as the reports)"
        )
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
    typer.echo(found.self_check.sentence)
    table = Table(title=f"Memory of one GPU ({machine.gpu_name}; {machine.processes} in all)")
    table.add_column("part")
    table.add_column("GiB", justify="right")
    table.add_column("when")
    for part in found.parts:
        table.add_row(part.name, f"{part.bytes / gib:.2f}", part.when)
    table.add_row("at the fullest moment", f"{found.peak / gib:.2f}", "", style="bold")
    console.print(table)
    # of the machine, not of a GPU: what breaks there is the loading, minutes before the first step
    console.print(
        f"Memory of the machine: about {found.host / gib:.0f} GiB while {machine.processes} "
        f"process{'es load' if machine.processes > 1 else ' loads'} the model.",
        highlight=False,
    )
    for note in found.notes:
        console.print(f"Note: {note}.", highlight=False, soft_wrap=True)
    verdict = "It should fit" if found.fits else "It will not fit"
    console.print(
        f"{verdict}: {found.peak / gib:.1f} of {machine.gpu / gib:.1f} GiB. This is an estimate.",
        highlight=False,
    )
