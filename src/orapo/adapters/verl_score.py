"""FactS for verl: its ``compute_score``, which a reward worker calls once a rollout, in a thread.

    reward.custom_reward_function.path=pkg://orapo.adapters.verl_score
    reward.custom_reward_function.name=compute_score
    +reward.custom_reward_function.reward_kwargs.facts_beta=1.0

The data set's ``reward_model.ground_truth`` is the radiologist's report, or a study's labels (a mapping or
its JSON text); ``extra_info.study_id``, if it is there, is what a sentence about a study calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orapo.adapters.known import Reference, known_rewards


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Reference,
    extra_info: Mapping[str, Any] | None = None,
    *,
    facts_beta: float = 1.0,
    uncertain: str = "positive",
    reward_router_address: Any = None,
    reward_model_tokenizer: Any = None,
) -> float:
    """Score a rollout as verl asks for it (0.9.1).

    Args:
        data_source: The data set's name.
        solution_str: The rollout's text.
        ground_truth: The reference.
        extra_info: ``study_id`` or ``index`` of it name the study.
        facts_beta: b of FactS.
        uncertain: ``positive``, ``negative`` or ``ignore``.
        reward_router_address: verl's, where a reward model runs beside; not used.
        reward_model_tokenizer: Likewise.

    Returns:
        The reward, in [0, 1].

    Raises:
        OrapoError: The reference is none, or gives nothing to score by.
        RunFailedError: The reward is unknown, which verl has no way to say.
    """
    named = extra_info or {}
    study = f"{data_source}, study {named.get('study_id', named.get('index', 'without a name'))}"
    (reward,) = known_rewards(
        *("verl", [solution_str], [ground_truth], [study]),
        facts_beta=facts_beta,
        uncertain=uncertain,
    )
    return reward
