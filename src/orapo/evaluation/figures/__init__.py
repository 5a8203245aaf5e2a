"""Families of figures beside the labels' own: the graded score, words, nearest films, other people's metrics."""
