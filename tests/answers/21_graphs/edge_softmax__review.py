"""Answers to graphs.edge_softmax that a reviewer wrote from the text alone."""

import torch
from answers import wrong


@wrong("gives pairs that are no edge a large negative score instead of −∞")
def filled_with_a_billion(scores, targets, nodes):
    at, table = torch.arange(len(scores)), torch.full((nodes, len(scores)), -1e9, dtype=scores.dtype)
    table[targets, at] = scores
    return table.softmax(1)[targets, at]


@wrong("applies a sigmoid to each score")
def sigmoid(scores, targets, nodes):
    return torch.sigmoid(scores)
