"""The rewards of a run: FactS, and the terms that a recipe puts beside it.

TRL adds the terms up, each times its weight (``multi_objective_aggregation: sum_then_normalize``) or
brings each to one scale within its group first (``normalize_then_sum``). A term that gives None for a
rollout adds nothing to its sum; where FactS gives None the rollout is left out altogether. The
zero-reward rate reads FactS alone.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from orapo.errors import OrapoError
from orapo.facts import RepetitionPenalty
from orapo.facts.reward import Completion, completion_text
from orapo.training.radeval_reward import PREFIX, RadEvalReward

Reward = Callable[..., Sequence[float | None]]

# What chat models add and no report holds: headings, emphasis, code, tables, tags.
_MARKUP: Final = re.compile(r"^\s*#|\*\*|```|^\s*\||</?[a-zA-Z]+>", re.MULTILINE)
_END: Final = re.compile(r"[.!?][\"')\]]*\s*$")


class LengthPenalty:
    """Minus how far a report's length lies from the reference's, in words, as a share of it.

    Args:
        tolerance: Share by which it may be longer or shorter at no cost.
    """

    __name__ = "length"

    def __init__(self, tolerance: float = 0.25) -> None:
        self.tolerance = tolerance

    def __call__(
        self,
        completions: Sequence[Completion],
        report: Sequence[str | None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Score completions.

        Args:
            completions: N texts, or N lists of messages.
            report: N reference texts.
            **columns: Anything else that TRL passes; not used.

        Returns:
            N values in [-1, 0]; None where there is no reference.
        """
        references = report if report is not None else [None] * len(completions)
        return [
            self._one(len(completion_text(text).split()), len((reference or "").split()))
            for text, reference in zip(completions, references, strict=True)
        ]

    def _one(self, words: int, wanted: int) -> float | None:
        if not wanted:
            return None
        off = abs(words - wanted) / wanted - self.tolerance
        return -min(max(off, 0.0), 1.0)


class FormatPenalty:
    """-1 for a text that is no finished prose: markup in it, or cut off in a sentence; else 0."""

    __name__ = "format"

    def __call__(self, completions: Sequence[Completion], **columns: Any) -> list[float]:
        """Score completions.

        Args:
            completions: N texts, or N lists of messages.
            **columns: Anything else that TRL passes; not used.

        Returns:
            N values, -1 or 0.
        """
        texts = [completion_text(text) for text in completions]
        return [0.0 if _END.search(text) and not _MARKUP.search(text) else -1.0 for text in texts]


TERMS: Final[dict[str, Callable[[], Reward]]] = {
    "repetition": RepetitionPenalty,
    "length": LengthPenalty,
    "format": FormatPenalty,
}


def reward_terms(
    terms: Sequence[str], radeval_python: str = ""
) -> tuple[list[Reward], list[float]]:
    """Return the rewards that a recipe names, and their weights.

    Args:
        terms: ``name=weight`` each; a name of `TERMS`, ``radeval/METRIC`` (`radeval_reward`), or
            ``package.module:function`` for a reward function as TRL takes it.
        radeval_python: The interpreter that holds RadEval; empty: this one.

    Raises:
        OrapoError: A term can't be read, or its function can't be found.
    """
    rewards: list[Reward] = []
    weights = []
    for term in terms:
        name, _, weight = term.partition("=")
        try:
            weights.append(float(weight))
        except ValueError:
            raise OrapoError(f"reward term {term!r}: expected name=weight, as {name}=0.5") from None
        if name.startswith(PREFIX):
            rewards.append(RadEvalReward(name, radeval_python))
        else:
            rewards.append(TERMS[name]() if name in TERMS else _found(name))
    return rewards, weights


def _found(name: str) -> Reward:
    module, colon, function = name.partition(":")
    if not colon:
        raise OrapoError(
            f"reward term {name!r}: expected {', '.join(TERMS)}, radeval/METRIC or "
            "package.module:function"
        )
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise OrapoError(f"reward term {name!r}: can't be found ({error})") from None
    if not callable(found):
        raise OrapoError(f"reward term {name!r}: is no function")
    reward: Reward = found
    return reward
