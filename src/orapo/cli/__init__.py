"""The command line: one file a command; this module joins them and owns the exit codes.

Exit codes: 0 done, 1 failed on the way (partial results kept and named), 2 wrong use or bad input,
130 and 143 after SIGINT and SIGTERM.
"""

from __future__ import annotations

import importlib
import signal
import sys
from types import FrameType
from typing import Annotated, Final

import typer
from rich.console import Console

from orapo import __version__
from orapo.errors import OrapoError, RunFailedError

app = typer.Typer(
    name="orapo",
    help="Train small vision-language models to write factually right chest X-ray reports.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # plain help: boxes cut long names of options off at 80 columns
    rich_markup_mode=None,
)

# In the order in which `orapo --help` shows them; each module adds its command(s) to the app.
COMMANDS: Final = (
    *("demo", "facts", "label", "reward", "cache", "data", "train", "generate", "evaluate"),
    *("compare", "preferences", "reward_model", "ablate", "export", "serve", "doctor"),
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"orapo {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def _terminated(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)


def main() -> None:
    """Run the command line; the entry point of ``orapo`` and of ``python -m orapo``."""
    signal.signal(signal.SIGTERM, _terminated)
    for name in COMMANDS:
        importlib.import_module(f"orapo.cli.{name}").add_to(app)
    try:
        app()
    except (OrapoError, RunFailedError) as error:
        # soft_wrap: a path in the message must stay in one piece, to be copied and clicked
        Console(stderr=True).print(f"orapo: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1 if isinstance(error, RunFailedError) else 2)
    except KeyboardInterrupt:
        Console(stderr=True).print("orapo: interrupted")
        sys.exit(130)
