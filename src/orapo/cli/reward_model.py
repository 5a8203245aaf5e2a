"""`orapo reward-model`: fit a reward to experts' judgements, and check it on others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from orapo.cli.parts.alone import alone
from orapo.errors import MissingExtraError
from orapo.writing import json_text

app = typer.Typer(help="Learn a reward from experts' judgements.", no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="reward-model")


@app.command()
@alone
def train(
    preferences: Annotated[Path, typer.Option(help="Judgements: preferences.jsonl.")],
    references: Annotated[Path, typer.Option(help="Manifest with the judged studies.")],
    out: Annotated[Path, typer.Option(help="Folder of the reward model.")],
    kind: Annotated[
        str,
        typer.Option(help="facts: weighs FactS' counts; vision: estimates them from the film."),
    ] = "facts",
    without: Annotated[
        list[str] | None, typer.Option(help="A rater to leave out; can be repeated.")
    ] = None,
    test_share: Annotated[
        float, typer.Option(min=0.05, max=0.9, help="Share of the patients that is held out.")
    ] = 0.2,
    model: Annotated[str, typer.Option(help="vision: the checkpoint to begin with.")] = "",
    samples: Annotated[
        Path | None,
        typer.Option(help="vision: predictions with samples a study, to learn to look from."),
    ] = None,
    look_split: Annotated[
        str, typer.Option(help="vision: split of the studies that it learns to look at.")
    ] = "train",
    look_epochs: Annotated[
        float, typer.Option(min=0.01, help="vision: passes over the reports that FactS counts.")
    ] = 3.0,
    choice_epochs: Annotated[
        float, typer.Option(min=0, help="vision: passes over the judgements, all weights.")
    ] = 0.0,
    learning_rate: Annotated[float, typer.Option(min=0, help="vision: peak.")] = 1e-5,
    batch_size: Annotated[int, typer.Option(min=2, help="vision: reports per step.")] = 16,
    lora_r: Annotated[
        int, typer.Option(min=0, help="vision: rank of an adapter; 0: all weights.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of the split and of the order.")] = 0,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The check as JSON on stdout.")] = False,
) -> None:
    """Fit a reward model to judgements.

    It is checked on patients that it has not seen.
    """
    try:
        from orapo.training.recipe import without_gpu
        from orapo.training.rewards.fit import VisionFit
        from orapo.training.rewards.reward_model import RewardModelPlan, train_reward_model
        from orapo.training.run import quiet_libraries
    except ModuleNotFoundError as error:
        raise MissingExtraError("a reward model", "train") from error
    quiet_libraries()
    plan = RewardModelPlan(
        *(preferences, references, out, kind, test_share, tuple(without or ()), model, samples),
        look_split=look_split,
        vision=VisionFit(
            *(look_epochs, choice_epochs, learning_rate, batch_size, lora_r, seed),
            quiet=quiet or as_json,
            on_cpu=bool(without_gpu()),
        ),
        seed=seed,
    )
    check = train_reward_model(plan)
    _show(check, out, as_json)


@app.command()
@alone
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of a reward model.")],
    preferences: Annotated[Path, typer.Option(help="Judgements: preferences.jsonl.")],
    references: Annotated[Path, typer.Option(help="Manifest with the judged studies.")],
    out: Annotated[Path, typer.Option(help="Folder for what is found.")],
    as_json: Annotated[bool, typer.Option("--json", help="The check as JSON on stdout.")] = False,
) -> None:
    """Check a reward model on other judgements."""
    try:
        from orapo.training.rewards.reward_model import check_reward_model
        from orapo.training.run import quiet_libraries
    except ModuleNotFoundError as error:
        raise MissingExtraError("a reward model", "train") from error
    quiet_libraries()
    _show(check_reward_model(folder, preferences, references, out), out, as_json)


def _show(found: dict[str, Any], out: Path, as_json: bool) -> None:
    if as_json:
        typer.echo(json_text(found))
        return
    table = Table(title="Held-out judgements", box=box.SIMPLE_HEAD)
    for name in ("who", "judgements", "accuracy", "FactS alone"):
        table.add_column(name, justify="left" if name == "who" else "right")
    for name, one in [("all", found), *found["raters"].items()]:
        accuracy, facts = one["accuracy"], one["facts_accuracy"]
        table.add_row(name, str(one["judgements"]), _interval(accuracy), _interval(facts))
    console = Console()
    console.print(table)
    agreement = found["agreement_with_facts"]
    console.print(
        f"Same order as FactS: {_interval(agreement)}. Calibration error: "
        f"{_number(found['calibration']['error'])}. Accuracy is of decided pairs.",
        highlight=False,
    )
    typer.echo(f"Reward model, check.json, held_out.csv and calibration.png: {out}")


def _interval(value: dict[str, float | None]) -> str:
    if value["value"] is None:
        return "-"
    return f"{value['value']:.3f} ({_number(value['low'])}-{_number(value['high'])})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
