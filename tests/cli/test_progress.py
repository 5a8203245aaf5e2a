"""The bars: what is counted is shown, and what is not has no question mark."""

import io

from rich.console import Console

from orapo.cli.parts import progress


def shown(monkeypatch, *steps):
    """Return all that a terminal got of these steps."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, color_system=None)
    monkeypatch.setattr(progress, "Console", lambda **options: console)
    with progress.steps() as step:
        for one in steps:
            step(*one)
    return screen.getvalue()


def test_a_bar_shows_how_much_of_how_much(monkeypatch):
    text = shown(monkeypatch, ("FactS reads the reports", 3, 12))
    assert "3/12" in text


def test_a_bar_of_which_nothing_is_known_has_no_question_mark(monkeypatch):
    text = shown(monkeypatch, ("intervals, 1,000 resamples", 0, None))
    assert "intervals, 1,000 resamples" in text
    assert "/?" not in text
