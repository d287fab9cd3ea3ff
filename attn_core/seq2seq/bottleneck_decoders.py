r"""Two decoders of exactly the same parameters: one reads a fixed code at every step, the other the annotations.

Formula
    s_t = GRU([y_{t−1} ; c_{t−1}], s_{t−1}), s_0 = code;   logits_t = W [s_t ; c_t] + b
    FixedCodeDecoder    c_t = code
    AttendingDecoder    c_t = Σ_j a_tj h_j with a_t = softmax(h_j · s_t) over the real positions; c_0 = code
Shapes
    annotations h   (B, n, width)
    code, s, c      (B, width)
    token y         (B,), whole numbers below `symbols`
    logits          (B, symbols)
    weights a       (B, n), or None without attention
Cost
    a step of the GRU is 9 width² multiply-adds per sequence; attention adds 2 n width, and no parameter
Errors
    those of torch's modules and of `attend`
Source
    the fixed code: Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder, section 2.2 (the code
    enters every step). The read: Luong, Pham and Manning 2015, section 3.1, with its context fed to the next step.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Memory(NamedTuple):
    """What a decoder carries from one step to the next."""

    state: Tensor  # (B, width)
    context: Tensor  # (B, width)
    annotations: Tensor  # (B, n, width)
    padding: Tensor  # (B, n), True behind the length


class FixedCodeDecoder(nn.Module):
    """Every step reads the code, and nothing else of the source."""

    def __init__(self, symbols: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        self.cell = nn.GRUCell(2 * width, width)
        self.readout = nn.Linear(2 * width, symbols)

    def start(self, annotations: Tensor, code: Tensor, lengths: Tensor) -> Memory:
        """The memory before the first step: the state and the context are the code."""
        padding = torch.arange(annotations.shape[1], device=lengths.device) >= lengths[:, None]
        return Memory(code, code, annotations, padding)

    def step(self, token: Tensor, memory: Memory) -> tuple[Tensor, Memory, Tensor | None]:
        """Logits of the next token, the new memory, and the weights if there are any."""
        state = self.cell(torch.cat([self.embedding(token), memory.context], dim=-1), memory.state)
        context, weights = self.read(state, memory)
        return self.readout(torch.cat([state, context], dim=-1)), memory._replace(state=state, context=context), weights

    def read(self, _state: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None]:
        """Context of this step: always the code."""
        return memory.context, None


class AttendingDecoder(FixedCodeDecoder):
    """The same network, except that every step reads its own mixture of the annotations."""

    def read(self, state: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None]:
        """Context of this step: what `attend` gives; here the padding is known from the start, which saves time."""
        scores = torch.bmm(memory.annotations, state[:, :, None])[:, :, 0]  # (B, n, width), (B, width, 1) -> (B, n)
        weights = scores.masked_fill(memory.padding, -torch.inf).softmax(dim=-1)
        return torch.bmm(weights[:, None, :], memory.annotations)[:, 0, :], weights
