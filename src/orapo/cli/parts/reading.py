"""The options by which a command chooses what reads its reports, and the engine they stand for."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orapo.errors import OrapoError

if TYPE_CHECKING:
    from orapo.facts.llm import LlmEngine


class EngineName(StrEnum):
    """What reads reports."""

    RULES = "rules"
    LLM = "llm"


JUDGE = "Options of --engine llm"

Engine = Annotated[EngineName, typer.Option(help="What reads the reports.")]
Lexicon = Annotated[
    Path | None,
    typer.Option(help="TOML file with findings of your own, or a label set's name (nih14)."),
]
Workers = Annotated[int, typer.Option(min=1, metavar="N", help="Processes of the rules engine.")]
JudgeModel = Annotated[
    str | None, typer.Option(help="Model, as the server names it.", rich_help_panel=JUDGE)
]
JudgeUrl = Annotated[
    str,
    typer.Option(help="Address of an OpenAI-compatible API.", rich_help_panel=JUDGE),
]
AllowRemote = Annotated[
    bool,
    typer.Option("--allow-remote", help="Let reports leave this machine.", rich_help_panel=JUDGE),
]
Concurrency = Annotated[
    int, typer.Option(min=1, metavar="N", help="Calls at a time.", rich_help_panel=JUDGE)
]
Timeout = Annotated[
    float, typer.Option(help="Seconds that an answer may take.", rich_help_panel=JUDGE)
]
Retries = Annotated[
    int, typer.Option(min=0, metavar="N", help="Attempts after the first.", rich_help_panel=JUDGE)
]
PriceList = Annotated[
    tuple[float, float] | None,
    typer.Option(
        metavar="IN OUT", help="Price of a million tokens in and out.", rich_help_panel=JUDGE
    ),
]
MaxCost = Annotated[float | None, typer.Option(help="Stop below this cost.", rich_help_panel=JUDGE)]
CacheFile = Annotated[
    Path | None,
    typer.Option("--cache", help="File of verdicts; default: orapo's own.", rich_help_panel=JUDGE),
]

NoSchema = Annotated[
    bool,
    typer.Option(
        "--no-schema", help="For servers that refuse the JSON schema.", rich_help_panel=JUDGE
    ),
]

Spreadsheet = Annotated[
    bool,
    typer.Option(
        "--spreadsheet",
        help="For a table that a person opens: an apostrophe before ids that a spreadsheet would "
        "take for a formula. Without it they stay as they were, to be joined again.",
    ),
]

DEFAULT_URL = "http://127.0.0.1:8000/v1"


def open_judge(
    model: str | None,
    url: str,
    allow_remote: bool,
    concurrency: int,
    timeout: float,
    retries: int,
    prices: tuple[float, float] | None,
    max_cost: float | None,
    cache: Path | None,
    no_schema: bool,
    lexicon: Path | None,
) -> LlmEngine:
    """Make the llm engine of a command's options.

    Raises:
        OrapoError: The options don't fit together.
    """
    from orapo.facts import RulesEngine
    from orapo.facts.llm import JudgeSettings, LlmEngine, Prices, VerdictCache

    if model is None:
        raise OrapoError("--engine llm needs --judge-model, the model's name on the server")
    settings = JudgeSettings(
        model=model,
        base_url=url,
        allow_remote=allow_remote,
        concurrency=concurrency,
        timeout=timeout,
        retries=retries,
        prices=None if prices is None else Prices(*prices),
        max_cost=max_cost,
        cache=cache or VerdictCache.default_path(),
        structured=not no_schema,
    )
    # of a lexicon the judge takes the label set; the words are for the rules
    return LlmEngine(settings, RulesEngine(lexicon).label_set)


def spent(engine: LlmEngine) -> dict[str, float | int | None]:
    """Return what the judge did and cost, for a summary."""
    spending = engine.spending
    return {
        "calls": spending.calls,
        "from_cache": spending.cached,
        "failed": engine.failed,
        "prompt_tokens": spending.prompt_tokens,
        "completion_tokens": spending.completion_tokens,
        "cost": None if spending.cost is None else round(spending.cost, 6),
    }
