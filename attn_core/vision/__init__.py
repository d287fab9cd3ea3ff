"""Attention in images: gates on channels and positions, patches as tokens. Start with squeeze_excitation.py."""
