"""Plots of results and of curves over steps, all in one style."""
