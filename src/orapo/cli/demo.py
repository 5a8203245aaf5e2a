"""`orapo demo`: the whole main job on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from orapo.cli.parts.alone import said_if_full
from orapo.cli.parts.progress import AGAIN, saying_what_is_kept
from orapo.data.tables.standard_streams import not_standard_output
from orapo.errors import MissingExtraError
from orapo.locking import locked
from orapo.writing import json_text, remove_leftovers


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything it makes.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of data and training.")] = 0,
    quick: Annotated[
        bool, typer.Option(help="Fewer steps: a check that all works, too short to learn much.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Metrics as JSON on stdout.")] = False,
) -> None:
    """Compare GRPO, SFT and OraPO, trained on phantom films."""
    try:
        from orapo.demo import OURS, TOO_SHORT, DemoPlan, run_demo
    except ModuleNotFoundError as error:
        raise MissingExtraError("the demo", "train") from error
    not_standard_output(out)
    plan = DemoPlan.quick(seed) if quick else DemoPlan(seed=seed)
    with (
        said_if_full(out),
        locked(out, "another orapo demo is at work there"),
        saying_what_is_kept(lambda: f"what is finished is kept in {out}; {AGAIN}"),
    ):
        remove_leftovers(out)
        metrics = run_demo(out, plan, Console(stderr=True))
    if as_json:
        typer.echo(json_text(metrics))
        return
    Console().print(_summary(metrics))
    typer.echo(metrics["opening"])
    if plan.short:
        typer.echo(f"{TOO_SHORT} `orapo demo` takes all steps.")
    typer.echo(f"{out / 'report.html'} shows the films, the reports and the curves.")
    film = max((out / "phantom" / "images").glob("*.png"))  # of a test study
    typer.echo(
        f"{out / OURS} is the trained model. To let it write:\n"
        f"  orapo generate {film} --model {out / OURS} --out reports.jsonl"
    )


def _summary(metrics: Mapping[str, Any]) -> Table:
    from orapo.evaluation.pages.report import final_share
    from orapo.evaluation.rows import result_rows, row_title

    table = Table(
        title=f"Held-out phantom studies, difficulty {metrics['difficulty']}; "
        "uncertain counts as positive",
        caption=f"{metrics['total_seconds']:.0f} s in all"
        + (", in part in earlier calls or from the cache" if metrics["resumed"] else ""),
    )
    table.add_column("")
    for heading in ("F1", "95 %", "P", "R", "zero reward"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, row in result_rows(metrics).items():
        share = final_share(row.get("zero_reward_share"))
        table.add_row(
            row_title(name),
            f"{row['macro_f1']:.3f}",
            " to ".join(f"{end:.3f}" for end in row.get("macro_f1_interval", ())),
            *(f"{row[key]:.3f}" for key in ("macro_precision", "macro_recall")),
            "" if share is None else f"{share:.2f}",
        )
    return table
