"""Reward models learned from experts' judgements, and the reward function that they become."""

from orapo.training.reward_model.learned import LearnedReward, load_reward_model
from orapo.training.reward_model.run import (
    RewardModelPlan,
    check_reward_model,
    train_reward_model,
)

__all__ = [
    "LearnedReward",
    "RewardModelPlan",
    "check_reward_model",
    "load_reward_model",
    "train_reward_model",
]
