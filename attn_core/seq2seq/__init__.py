"""Recurrent encoder–decoders: what attention was invented for. Start with recurrent.py, then bottleneck.py."""
