"""The command line: one file per command; this module joins them and owns the exit codes.

Exit codes: 0 done, 1 failed during the run (completed results kept and named), 2 wrong use or bad input,
130 and 143 after SIGINT and SIGTERM.

A command's module is imported when the command runs or is asked for its own options, so that
`orapo --help` and a press of Tab need none of them.
"""

from __future__ import annotations

import importlib
import math
import signal
import sys
from functools import partial
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from orapo import __version__, signals
from orapo.errors import OrapoError, RunFailedError
from orapo.signals import Terminated

# In the order in which `orapo --help` shows them: the module, which adds the command to an app, and
# the first sentence of the command's help.
COMMANDS: Final = {
    "demo": "Compare GRPO, SFT and OraPO, trained on phantom films.",
    "facts": "Print the facts and labels of a report.",
    "label": "Label reports with the 14 CheXpert labels.",
    "reward": "Score predicted reports against references with FactS.",
    "cache": "Count the judges' cached verdicts, or delete them.",
    "data": "Check, convert and sample data sets.",
    "train": "Train with OraPO or another method.",
    "generate": "Write a report for each study.",
    "evaluate": "Score generated reports beside trivial baselines.",
    "compare": "Compare systems on the same studies.",
    "preferences": "Blinded pairs of reports, judged by experts.",
    "reward_model": "Learn a reward from experts' judgements.",
    "ablate": "Compare training methods on one recipe.",
    "export": "Export generated reports as unverified drafts.",
    "serve": "Serve the workbench page and the HTTP API.",
    "doctor": "Say what is installed, and what is missing for what.",
}


def load_command(module: str) -> Any:
    """Import a module of `COMMANDS` and return its command as click has it."""
    part = _typer()
    part.callback()(lambda: None)  # else a single command has no name
    importlib.import_module(f"orapo.cli.{module}").add_to(part)
    group: Any = typer.main.get_command(part)
    _take_finite_numbers(group)
    return group.commands[_name(module)]


def _take_finite_numbers(command: Any) -> None:
    """Let no option of a command, and of those within it, be NaN or infinite: no limit would hold it."""
    for inner in getattr(command, "commands", {}).values():
        _take_finite_numbers(inner)
    for option in command.params:
        option.callback = partial(_finite, option.callback)


def _finite(before: Any, context: Any, option: Any, value: Any) -> Any:
    numbers = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
        raise typer.BadParameter("it is not a finite number")
    return value if before is None else before(context, option, value)


class _Later(TyperCommand):
    """A command's name and first sentence; it becomes the command where one needs more of it."""

    def __init__(self, module: str, line: str) -> None:
        super().__init__(_name(module), help=line)
        self._module = module

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Start the command; the only way in, for its help and its completion, too."""
        command = load_command(self._module)
        signals.raise_them()
        return command.make_context(info_name, args, parent, **extra)


class _Commands(TyperGroup):
    """All commands; a signal ends one of them with its own exit code, in one line at most."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for module, line in COMMANDS.items():
            self.commands.setdefault(_name(module), _Later(module, line))

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except BaseException as error:
            signum = signals.behind(error)
            # the command's own decision, though a signal led to it
            decided = isinstance(error, SystemExit | typer.Exit) and type(error) is not Terminated
            if not signum or decided:
                _refuse_removed(error)
                raise
            signals.end_quietly()
            kept = getattr(error, "__notes__", ())  # what a command has to say beside it
            if signum == signal.SIGINT or kept:
                ended = "interrupted" if signum == signal.SIGINT else "terminated"
                typer.echo("; ".join((f"orapo: {ended}", *kept)), err=True)
            raise SystemExit(128 + signum) from None


def _refuse_removed(error: BaseException) -> None:
    """Say what to use instead, if that is why an option is unknown."""
    option = getattr(error, "option_name", None)  # has no public class in typer
    if option is not None:
        from orapo.removed import refuse_removed

        refuse_removed([option])


def _typer(**settings: Any) -> typer.Typer:
    # rich_markup_mode: plain help, since boxes cut long names of options off at 80 columns
    return typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, **settings)


def _name(module: str) -> str:
    return module.replace("_", "-")


def _version(show: bool) -> None:
    if show:
        typer.echo(f"orapo {__version__}")
        raise typer.Exit


app = _typer(
    name="orapo",
    cls=_Commands,
    help="Train small vision-language models to write factually correct chest X-ray reports.",
    no_args_is_help=True,
)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; what `orapo.__main__` starts once it has taken care of signals."""
    try:
        app()
    except (OrapoError, RunFailedError) as error:
        from rich.console import Console

        from orapo.data.tables.standard_streams import in_words

        # soft_wrap: a path in the message must stay in one piece, to be copied and clicked
        Console(stderr=True).print(
            f"orapo: {in_words(str(error))}", style="red", markup=False, soft_wrap=True
        )
        sys.exit(1 if isinstance(error, RunFailedError) else 2)
