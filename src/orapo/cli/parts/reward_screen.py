"""What `orapo reward` shows on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table


def show_reward(result: Mapping[str, Any], console: Console) -> None:
    """Show the means of both scores, and where the rows are."""
    console.print(_table(result))
    console.print(f"Written: {result['out']}", markup=False, highlight=False, soft_wrap=True)


def _table(result: Mapping[str, Any]) -> Table:
    """Return what a reader wants to know first; --json has every figure, by its key."""
    costs = result["contradiction_rule"] == "false_positive"
    table = Table(
        title="FactS reward",
        caption=f"Beta {result['facts_beta']:g}; uncertain counts as {result['uncertain']}; a denied label "
        + ("counts as a false positive too." if costs else "costs nothing more."),
        box=box.SIMPLE_HEAD,
        show_header=False,
    )
    scored, studies = result["scored"], result["studies"]
    mean, zeros, graded = (
        result[name] for name in ("mean_reward", "zero_reward_share", "mean_graded")
    )
    table.add_row("Reports with a FactS reward", f"{scored} of {studies}")
    table.add_row(
        "Mean FactS (0 to 1)", "- (no report could be scored)" if mean is None else f"{mean:.4f}"
    )
    if zeros is not None:
        table.add_row("With reward 0", f"{zeros:.1%}")
    table.add_row("Labels contradicted", str(result["contradictions"]))
    for name, title in (
        ("unreadable", "Reports without a readable fact, reward 0"),
        ("failed", "Reports that the judge failed on"),
    ):
        if result[name]:
            table.add_row(title, str(result[name]))
    if graded is not None:
        table.add_section()
        table.add_row("Reports with a graded score", f"{result['graded_studies']} of {studies}")
        table.add_row("Mean graded score (-1 to 1)", f"{graded:.4f}")
    if "judge" in result:
        table.add_section()
        for name, value in result["judge"].items():
            table.add_row(f"Judge: {name.replace('_', ' ')}", str(value))
    return table
