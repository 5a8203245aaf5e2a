"""Names that were options once, each with why it is gone and what to use instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from orapo.errors import OrapoError

_SENTENCE: Final = (
    "credit by the sentence cost 0.147 of macro-F1, since it ignores what a report leaves out; leave "
    "it out, every token has its report's reward (lesson: both teaches the report itself)"
)
_SCHEDULE: Final = "moving b during a run cost 0.023 of macro-F1; give facts_beta one value"
_AGAIN: Final = (
    "sampling groups anew gained nothing beside its cost in rollouts; raise num_generations or "
    "temperature, or take TRL's DAPO loss: loss_type: dapo with epsilon_high: 0.28, method grpo"
)
REMOVED: Final[Mapping[str, str]] = MappingProxyType(
    {
        # fields of a recipe, arguments of OraPOConfig
        "credit": _SENTENCE,
        "credit_weight": _SENTENCE,
        "facts_beta_end": _SCHEDULE,
        "resample_rounds": _AGAIN,
        # rows of an ablation
        "orapo_sentence": _SENTENCE + "; row orapo_both",
        "orapo_schedule": _SCHEDULE + "; row orapo",
        # a group of such rows
        "rival": "this group of rows is called baseline",
        # options of commands
        "--rival-seeds": "use --other-seeds",
        "--worst": "the page holds every study; its list sorts by errors",
    }
)


def refuse_removed(names: Iterable[str], where: str = "") -> None:
    """Refuse a name that is gone, with what to use instead.

    Args:
        names: As a user gave them.
        where: What they stand in, if that is to be said: a file.

    Raises:
        OrapoError: One of them is gone.
    """
    for name in names:
        if name in REMOVED:
            place = f"{where}: " if where else ""
            raise OrapoError(f"{place}{name} was removed: {REMOVED[name]}")
