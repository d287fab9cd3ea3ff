"""Jonas Lindqvist opened the notebook, saved it, and handed it in untouched."""

HAND_IN = "untouched"
