"""What moves the weights: OraPO's trainer with its parts, and the baselines that learn without rollouts."""
