"""FactS for ms-swift: an outcome reward (ORM) under the name ``facts``.

A plugin file of one line, ``from orapo.adapters import swift_plugin``, and beside it

    swift rlhf --rlhf_type grpo --external_plugins FILE --reward_funcs facts ...

The data set's column ``solution`` is the radiologist's report, or a study's labels (a mapping or its JSON
text); ``study_id``, if it is there, is what a sentence about a study calls it. Another b, in that file:
``orms["facts"] = functools.partial(swift_plugin.FactS, facts_beta=0.5)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

try:
    from swift.rewards import ORM, orms
except ModuleNotFoundError:  # ms-swift 3
    from swift.plugin import ORM, orms

from orapo.adapters.known import Reference, known_rewards


class FactS(ORM):
    """FactS as ms-swift calls it (4.6).

    Args:
        args: ms-swift's; not read.
        facts_beta: b of FactS.
        uncertain: ``positive``, ``negative`` or ``ignore``.
    """

    def __init__(
        self, args: Any = None, facts_beta: float = 1.0, uncertain: str = "positive"
    ) -> None:
        self.args = args
        self.facts_beta = facts_beta
        self.uncertain = uncertain

    def __call__(
        self, completions: Sequence[str], solution: Sequence[Reference | None], **columns: Any
    ) -> list[float]:
        """Score rollouts.

        Args:
            completions: N texts.
            solution: N references.
            **columns: The data set's others, of which ``study_id`` is read.

        Returns:
            N rewards in [0, 1].

        Raises:
            OrapoError: A reference is none, or gives nothing to score by.
            RunFailedError: A reward is unknown; ms-swift would add it up as 0.
        """
        names = columns.get("study_id") or ["without a name"] * len(completions)
        return known_rewards(
            *("ms-swift", completions, solution, [f"study {name}" for name in names]),
            facts_beta=self.facts_beta,
            uncertain=self.uncertain,
        )


orms["facts"] = FactS
