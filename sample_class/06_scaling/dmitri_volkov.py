"""Dmitri Volkov handed in a printout of his notebook instead of the notebook."""

HAND_IN = "missing"
