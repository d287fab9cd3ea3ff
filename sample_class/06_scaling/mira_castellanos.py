"""Mira Castellanos has everything right: the sample solutions are hers."""
