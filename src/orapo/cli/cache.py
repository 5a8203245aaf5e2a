"""`orapo cache`: the judge's verdicts that are kept on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from orapo.cli.parts import reading
from orapo.writing import json_text


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cache")(cache)


def cache(
    file: reading.CacheFile = None,
    purge: Annotated[bool, typer.Option("--purge", help="Delete all verdicts.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Count the judges' cached verdicts, or delete them."""
    from orapo.facts.llm import VerdictCache

    path = file or VerdictCache.default_path()
    kept = purged = 0
    if path.exists():
        verdicts = VerdictCache(path)
        purged = verdicts.purge() if purge else 0
        kept = len(verdicts)
        verdicts.close()
    if as_json:
        typer.echo(json_text({"file": str(path), "verdicts": kept, "purged": purged}))
    elif purge:
        typer.echo(f"{path}: {purged} verdicts purged")
    else:
        typer.echo(f"{path}: {kept} verdicts")
