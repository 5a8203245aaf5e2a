"""FactS for trainers that are not TRL's, which take it as it is (docs/rewards.md)."""
