"""A command as a user calls it, in this process."""

import typer
from typer.testing import CliRunner

from orapo.errors import OrapoError, RunFailedError


def invoke(modules, words, code=0, stdin=None):
    """Run a command of modules of `orapo.cli` and return click's result; ``stdin`` is piped into it.

    An error that the user is told in a sentence is raised; any other exit code than ``code`` fails.
    """
    app = typer.Typer()
    app.command("other")(lambda: None)  # else a single command has no name
    for module in modules:
        module.add_to(app)
    result = CliRunner().invoke(app, [str(word) for word in words], input=stdin)
    if isinstance(result.exception, OrapoError | RunFailedError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result
