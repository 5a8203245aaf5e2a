"""What moves the weights: OraPO's trainer with its parts, and the rivals that learn without rollouts."""
