r"""The decoder of Bahdanau et al. as a module: it asks with its old state, updates it with the answer, then speaks.

Formula
    s_0 = tanh(W_0 code + b_0); then at each step, with y the embedding of the token that was written last:
    e, a, c as in attn_core.seq2seq.bahdanau, asked by s_{i−1}
    s_i = GRU(s_{i−1}, [y ; c])
    t = max over pairs of U [s_i ; y ; c] + b_u (maxout); logits = W_o t + b_o
Shapes
    annotations  (B, n, width), from the encoder
    code         (B, width)
    lengths      (B,)
    token        (B,), whole numbers
    logits       (B, symbols)
    weights      (B, n)
Cost
    per step and sentence: the scores of `additive_cost` with the cache, n d_h for the context, and the cell, the maxout
    and the output layer, which do not depend on n
Errors
    those of attn_core.seq2seq.bahdanau
Source
    Bahdanau, Cho and Bengio 2015, section 3.1 and appendix A.2.2; the readout is g(y_{i−1}, s_i, c_i) as in section 3.1,
    the appendix writes it with s_{i−1}
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from attn_core.masks import padding_mask
from attn_core.seq2seq.bahdanau import project, projected_scores, read
from attn_core.seq2seq.model import uniform


class Memory(NamedTuple):
    """What one step hands to the next: the sentence, which stays as it is, and the state, which does not."""

    annotations: Tensor  # (B, n, width)
    keys: Tensor  # (B, n, width): U_a h_j, projected once
    mask: Tensor  # (B, n), True at real positions
    s: Tensor  # (B, width)


class BahdanauDecoder(nn.Module):
    """A GRU with additive attention; every layer has `width` units. The parts of a step are methods, to be exchanged."""

    def __init__(self, symbols: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        self.first = nn.Linear(width, width)
        self.W_a = nn.Parameter(uniform(width, width))
        self.U_a = nn.Parameter(uniform(width, width))
        self.v_a = nn.Parameter(uniform(1, width)[0])
        self.cell = nn.GRUCell(2 * width, width)
        self.pairs = nn.Linear(3 * width, 2 * width)
        self.out = nn.Linear(width, symbols)

    def start(self, annotations: Tensor, code: Tensor, lengths: Tensor) -> Memory:
        """The memory before the first step. The annotations are projected here, once per sentence."""
        mask = padding_mask(lengths, annotations.shape[1])[:, 0, :]
        return Memory(annotations, project(annotations, self.U_a), mask, torch.tanh(self.first(code)))

    def step(self, token: Tensor, memory: Memory) -> tuple[Tensor, Memory, Tensor]:
        """Logits of the next token, the memory after this step, and the weights of this step."""
        y = self.embedding(token)  # (B,) -> (B, width)
        context, weights = self.attend(memory)
        s = self.update(y, context, memory.s)
        return self.readout(y, context, s), memory._replace(s=s), weights

    def attend(self, memory: Memory) -> tuple[Tensor, Tensor]:
        """Context and weights, asked by the state of the step before."""
        return read(projected_scores(memory.s, memory.keys, self.W_a, self.v_a), memory.annotations, memory.mask)

    def update(self, y: Tensor, context: Tensor, s: Tensor) -> Tensor:
        """The new state, made from the last token and the context of this very step."""
        return self.cell(torch.cat([y, context], dim=-1), s)  # type: ignore[no-any-return]  # a module's call is untyped

    def readout(self, y: Tensor, context: Tensor, s: Tensor) -> Tensor:
        """Logits of the next token: a maxout layer over pairs, then a linear one."""
        pairs = self.pairs(torch.cat([s, y, context], dim=-1))  # (B, 3 width) -> (B, 2 width)
        return self.out(pairs.unflatten(-1, (-1, 2)).amax(-1))  # type: ignore[no-any-return]  # the same
