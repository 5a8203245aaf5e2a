"""Bars of the stages of a long command; where no terminal shows them, a line of each now and then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

EVERY: Final = 30.0
"""Seconds between the lines of a log."""
SPEED_OVER: Final = 600.0
"""Seconds whose speed the time left is taken from; a step of a large model takes many."""


@contextmanager
def stage_bars(console: Console, *, title: int, bar: int) -> Iterator[Progress]:
    """Show a bar a task on a terminal; in a log, what is at work, every `EVERY` seconds.

    Args:
        console: Where; a quiet one shows nothing.
        title: Width of the tasks' names, characters.
        bar: Width of the bars.
    """
    columns = (
        TextColumn(f"{{task.description:<{title}}}"),
        BarColumn(bar_width=bar),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    ended = threading.Event()
    with Progress(*columns, console=console, speed_estimate_period=SPEED_OVER) as shown:
        if console.is_terminal or console.quiet:
            yield shown
            return
        teller = threading.Thread(
            target=_tell, args=(shown, console, ended), name="orapo bars", daemon=True
        )
        teller.start()
        try:
            yield shown
        finally:
            ended.set()
            teller.join()


def lines(progress: Progress) -> list[str]:
    """Return a line for each task that is at work: how far it is, and the time left where known."""
    said = []
    for task in progress.tasks:
        if not task.completed or task.finished or task.total is None:
            continue
        left = task.time_remaining
        time_left = "" if left is None else f", {timedelta(seconds=int(left))} left"
        said.append(f"{task.description}: {task.completed:,.0f} of {task.total:,.0f}{time_left}")
    return said


def _tell(progress: Progress, console: Console, ended: threading.Event) -> None:
    while not ended.wait(EVERY):
        for line in lines(progress):
            console.print(line, markup=False, highlight=False)
