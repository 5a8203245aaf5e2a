"""FactS: text to atomic facts, to labels, to reward."""
