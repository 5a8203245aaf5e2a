"""Bars on stderr while a command works, and what it says when it is interrupted."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from orapo import signals

Step = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is done, and how much there is (None: unknown)."""

AGAIN = "the same command goes on from there"
_ENDED = {130: "interrupted", 143: "terminated"}


class _Rate(ProgressColumn):
    """How many a second; rich's own column shows it only where the total is unknown."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if speed is None:
            return Text("")
        return Text(f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.1f}/s", "progress.data.speed")


def bars() -> Progress:
    """Return bars for stderr, shown where that is a terminal: done, rate, time, time left."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def steps() -> Iterator[Step]:
    """Show one bar for each step of a command, where stderr is a terminal.

    Yields:
        A function that is told of each piece of work; a new name is a new bar.
    """
    with bars() as shown:
        task = shown.add_task("reading", total=None)
        current = ""

        def step(what: str, done: int, total: int | None) -> None:
            nonlocal task, current
            if shown.disable:
                return
            if what != current:
                shown.remove_task(task)
                task, current = shown.add_task(what, total=total), what
            shown.update(task, completed=done, total=total)

        yield step


@contextmanager
def saying_what_is_kept(kept: Callable[[], str]) -> Iterator[None]:
    """Say in one line what Ctrl-C or SIGTERM left, and leave with their exit code.

    Args:
        kept: Returns the end of the sentence, e.g. "nothing was written".
    """
    try:
        yield
    except BaseException as error:
        signum = signals.behind(error)
        if isinstance(error, SystemExit) and error.code == 128 + signal.SIGTERM:
            signum = signal.SIGTERM
        if not signum:
            raise
        _say(128 + signum, kept())
        raise SystemExit(128 + signum) from None


def _say(code: int, kept: str) -> None:
    Console(stderr=True).print(
        f"orapo: {_ENDED[code]}; {kept}", markup=False, highlight=False, soft_wrap=True
    )
