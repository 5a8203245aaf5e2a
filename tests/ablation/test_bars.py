"""Bars of long commands: where no terminal shows them, a log says how far they are."""

import io
import threading

import pytest
from rich.console import Console
from rich.progress import Progress

from orapo.ablation import bars


@pytest.fixture
def clock(monkeypatch):
    """Time that passes when it is told to."""
    now = [0.0]

    def pass_by(seconds):
        now[0] += seconds

    return now, pass_by


def test_a_line_says_what_is_done_and_the_time_left(clock):
    now, pass_by = clock
    progress = Progress(
        get_time=lambda: now[0], speed_estimate_period=bars.SPEED_OVER, disable=True
    )
    task = progress.add_task("Training OraPO", total=1000)
    progress.update(task, completed=1)
    for done in range(100, 500, 100):
        pass_by(50)
        progress.update(task, completed=done)
    (line,) = bars.lines(progress)
    assert line == "Training OraPO: 400 of 1,000, 0:05:01 left"


def test_what_waits_or_is_done_has_no_line(clock):
    progress = Progress(disable=True)
    progress.add_task("Training SFT", total=10)
    done = progress.add_task("Drawing", total=10)
    progress.update(done, completed=10)
    unknown = progress.add_task("Reading", total=None)
    progress.update(unknown, completed=3)
    assert bars.lines(progress) == []


@pytest.mark.parametrize("terminal", [False, True])
def test_a_log_gets_the_lines_a_terminal_has_the_bars(terminal, monkeypatch):
    monkeypatch.setattr(bars, "EVERY", 0.001)
    told = threading.Event()
    real = bars.lines

    def lines(progress):
        said = real(progress)
        if said:
            told.set()
        return said

    monkeypatch.setattr(bars, "lines", lines)
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=80)
    with bars.stage_bars(console, title=10, bar=10) as progress:
        task = progress.add_task("Training", total=10)
        progress.update(task, completed=3)
        at_work = [one.name for one in threading.enumerate()]
        assert ("orapo bars" in at_work) is not terminal
        assert terminal or told.wait(30)
    assert ("Training: 3 of 10" in out.getvalue()) is not terminal
    assert not [one for one in threading.enumerate() if one.name == "orapo bars"]
