"""Attention on graphs: nodes read their neighbours, and nobody else. Start with edges.py, then gcn.py and gat.py."""
