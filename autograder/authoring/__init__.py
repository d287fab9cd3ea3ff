"""From text to notebook to exercise, and the check that all of it agrees."""
