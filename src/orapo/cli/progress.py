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
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

Step = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is done, and how much there is (None: unknown)."""

_ENDED = {130: "interrupted", 143: "terminated"}


@contextmanager
def steps() -> Iterator[Step]:
    """Show one bar for each step of a command, where stderr is a terminal.

    Yields:
        A function that is told of each piece of work; a new name is a new bar.
    """
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(show_speed=True),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    shown = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shown) as bars:
        task = bars.add_task("reading", total=None)
        current = ""

        def step(what: str, done: int, total: int | None) -> None:
            nonlocal task, current
            if not shown:
                return
            if what != current:
                bars.remove_task(task)
                task, current = bars.add_task(what, total=total), what
            bars.update(task, completed=done, total=total)

        yield step


@contextmanager
def saying_what_is_kept(kept: Callable[[], str]) -> Iterator[None]:
    """Say in one line what Ctrl-C or SIGTERM left, and leave with their exit code.

    Args:
        kept: Returns the end of the sentence, e.g. "nothing was written".
    """
    try:
        yield
    except KeyboardInterrupt:
        _say(128 + signal.SIGINT, kept())
        raise SystemExit(128 + signal.SIGINT) from None
    except SystemExit as end:
        if end.code == 128 + signal.SIGTERM:
            _say(int(end.code), kept())
        raise


def _say(code: int, kept: str) -> None:
    Console(stderr=True).print(
        f"orapo: {_ENDED[code]}; {kept}", markup=False, highlight=False, soft_wrap=True
    )
