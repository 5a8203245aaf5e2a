"""The OraPO loss as pure tensor functions (paper section 3, docs/method.md).

Every function is free of state and of side effects, keeps the dtype and device of its input and is
differentiable in what it should be: ``ln_dpo`` in the policy's log-probabilities, ``mix`` in both
losses. Symbols of the paper stand beside the plain names.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor


def zero_reward_rate(rewards: Tensor) -> Tensor:
    """Share of each group's rollouts whose reward is exactly zero: the ZRR, z_i.

    Args:
        rewards: (B, K) float, the rewards r_ij of K rollouts of B studies. NaN means unknown: such
            a rollout counts neither as zero nor towards K.

    Returns:
        (B,) float in [0, 1]; NaN where no reward of the group is known.
    """
    known = ~rewards.isnan()
    zero = (rewards == 0).to(rewards.dtype)  # NaN == 0 is False
    return zero.sum(dim=1) / known.sum(dim=1)  # 0/0 = NaN: nothing known


def ema(previous: Tensor, current: Tensor, alpha: float) -> Tensor:
    """Smooth the ZRR of each study over its visits: zt_i = a * zt_i(previous) + (1-a) * z_i.

    Args:
        previous: (B,) float, the smoothed ZRR so far; NaN where nothing is known before the visit.
        current: (B,) float, this visit's ZRR; NaN where it is unknown.
        alpha: The paper's a in [0, 1], the weight of the past.

    Returns:
        (B,) float: ``current`` where nothing was known, ``previous`` where the visit taught nothing.
    """
    smoothed = alpha * previous + (1 - alpha) * current
    smoothed = torch.where(previous.isnan(), current, smoothed)
    return torch.where(current.isnan(), previous, smoothed)


def mixing_weight(zrr: Tensor, w_min: float, w_max: float, gamma: float) -> Tensor:
    """Weight of the DPO term of each study: w_i = clip(w_min + (w_max - w_min) * zt_i^g, ...).

    Args:
        zrr: (B,) float in [0, 1], the smoothed ZRR zt_i; NaN where none is known yet.
        w_min: Smallest weight.
        w_max: Largest weight, at least ``w_min``.
        gamma: The paper's g > 0; above 1 the weight rises late.

    Returns:
        (B,) float in [w_min, w_max]; 0 where ``zrr`` is NaN (no loss is known there to mix).
    """
    weight = (w_min + (w_max - w_min) * zrr**gamma).clamp(w_min, w_max)
    return torch.where(zrr.isnan(), torch.zeros_like(weight), weight)


def ln_margin(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    ref_chosen: Tensor,
    ref_rejected: Tensor,
    len_chosen: Tensor,
    len_rejected: Tensor,
) -> Tensor:
    """Length-normalised margin D+ - D- of N pairs, in nats a token; above 0 y+ is preferred.

    D = (log pi_theta(y|x,p) - log pi_ref(y|x,p)) / |y|.

    Args:
        policy_chosen: (N,) summed log-probabilities of the radiologist's reports y+, policy.
        policy_rejected: (N,) the same of the rejected rollouts y-.
        ref_chosen: (N,) log-probabilities of y+ under the reference model.
        ref_rejected: (N,) log-probabilities of y- under the reference model.
        len_chosen: (N,) tokens of y+, the end token counted.
        len_rejected: (N,) tokens of y-, at least 1.

    Returns:
        (N,) margins.
    """
    delta_chosen = (policy_chosen - ref_chosen) / len_chosen
    delta_rejected = (policy_rejected - ref_rejected) / len_rejected
    return delta_chosen - delta_rejected


def ln_dpo(margin: Tensor, tau: float) -> Tensor:
    """Length-normalised DPO loss of N pairs: -log sigmoid(tau * (D+ - D-)).

    Args:
        margin: (N,) as `ln_margin` gives it.
        tau: Temperature of the preference.

    Returns:
        (N,) loss of each pair, in nats.
    """
    return -F.logsigmoid(tau * margin)


def ln_nll(policy_chosen: Tensor, len_chosen: Tensor) -> Tensor:
    """Length-normalised negative log-likelihood: what supervision in the place of DPO minimises.

    Args:
        policy_chosen: (N,) summed log-probabilities of the radiologist's reports y+, policy.
        len_chosen: (N,) tokens of y+, the end token counted.

    Returns:
        (N,) loss of each report, in nats a token.
    """
    return -policy_chosen / len_chosen


def mix(grpo: Tensor, dpo: Tensor, weight: Tensor) -> Tensor:
    """Join both losses: (1/B) sum_i [(1-w_i) L_GRPO(i) + w_i L_DPO(i)].

    Args:
        grpo: (B,) GRPO loss of each study.
        dpo: (B,) DPO loss of each study; 0 where it has no pair (then ``weight`` must be 0).
        weight: (B,) w_i.

    Returns:
        Scalar.
    """
    return ((1 - weight) * grpo + weight * dpo).mean()


def sample_weights(rewards: Tensor, weight: Tensor) -> Tensor:
    """Factor (1-w_i) K/K_i of each rollout, so that a plain mean over rollouts is L_GRPO's part.

    K_i is the number of rollouts of study i whose reward is known. A rollout of unknown reward
    gets 0: it is left out of the loss, its KL part too.

    Args:
        rewards: (B, K) float, NaN where unknown.
        weight: (B,) w_i (0 for a study without a pair).

    Returns:
        (B, K) float.
    """
    known = (~rewards.isnan()).to(weight.dtype)
    share = known * rewards.shape[1] / known.sum(dim=1, keepdim=True).clamp(min=1)
    return (1 - weight)[:, None] * share


def pair_weights(rejected: Tensor, weight: Tensor) -> Tensor:
    """Factor w_i K/n_i of each pair, so that a plain mean over all rollouts is L_DPO's part.

    The mean stays exact however the rollouts are spread over micro-batches and processes.

    Args:
        rejected: (B, K) bool, which of the rollouts are rejected answers; n_i of them in study i.
        weight: (B,) w_i.

    Returns:
        (B, K) float; 0 where ``rejected`` is False.
    """
    pairs = rejected.to(weight.dtype)
    share = pairs * rejected.shape[1] / pairs.sum(dim=1, keepdim=True).clamp(min=1)
    return weight[:, None] * share


def rejected_rollouts(
    rewards: Tensor, reference_reward: Tensor | None = None, worst_too: bool = True
) -> Tensor:
    """Choose the rejected answers of each group.

    All zero-reward rollouts, unless the radiologist's own report is known to earn no more; where a
    group has none, its worst one if that is worse than the report.

    Args:
        rewards: (B, K) float, NaN where unknown.
        reference_reward: (B,) float, the reward of the radiologist's report itself, NaN where
            unknown; ``None`` is unknown everywhere.
        worst_too: False takes zero-reward rollouts only.

    Returns:
        (B, K) bool.
    """
    zero = rewards == 0
    if reference_reward is None:
        return zero
    pairs = zero & ~(reference_reward <= 0)[:, None]  # NaN <= 0 is False: unknown is no zero
    if not worst_too:
        return pairs
    # A group without any known reward has a "lowest" of infinity, which is below nothing.
    lowest, index = rewards.nan_to_num(nan=torch.inf).min(dim=1)  # ties: the lowest index
    worst = F.one_hot(index, rewards.shape[1]).bool() & (lowest < reference_reward)[:, None]
    return torch.where(zero.any(dim=1, keepdim=True), pairs, worst)
