"""What a recipe becomes before the first step: rows, pairs and the policy, and what it all would take."""
