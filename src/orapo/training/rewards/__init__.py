"""What a rollout earns: the rewards that a recipe names, and those learned from experts' judgements."""

from orapo.training.rewards.terms import main_reward, reward_terms

__all__ = ["main_reward", "reward_terms"]
