"""Rewards that FactS is compared with: the naive baseline's accuracy, and BLEU.

Each is a reward function as TRL takes it and can stand in a recipe's ``reward``. A score that can't be
had is None (unknown), never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orapo.errors import MissingExtraError
from orapo.facts import FactSReward
from orapo.facts.reward import Completion, completion_text


class AccuracyReward(FactSReward):
    """1 where a report has every label of the study right, else 0: the naive baseline (Table 4).

    That is where FactS is 1. Arguments are those of FactS.
    """

    __name__ = "accuracy"

    def __call__(
        self, completions: Sequence[Completion], *args: Any, **columns: Any
    ) -> list[float | None]:
        """Score completions; see `FactSReward`."""
        scores = super().__call__(completions, *args, **columns)
        return [None if score is None else float(score == 1) for score in scores]


class BleuReward:
    """BLEU of a report against the radiologist's, sentence by sentence (sacrebleu), in [0, 1].

    Raises:
        MissingExtraError: sacrebleu is not installed.
    """

    __name__ = "bleu"

    def __init__(self) -> None:
        try:
            from sacrebleu.metrics import BLEU
        except ModuleNotFoundError as error:
            raise MissingExtraError("the reward bleu", "language") from error
        self._bleu = BLEU(effective_order=True)

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
            N values; None where there is no reference.
        """
        references = report if report is not None else [None] * len(completions)
        return [
            self._bleu.sentence_score(completion_text(text), [reference]).score / 100
            if reference
            else None
            for text, reference in zip(completions, references, strict=True)
        ]
