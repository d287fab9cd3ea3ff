r"""A decoder that knows where it has already looked: additive attention with the coverage as a feature of each position.

Formula
    s_t = GRU(s_{t−1}, y_{t−1}); e_{t,i} = vᵀ tanh(W_h h_i + b + W_s s_t + w_c c_{t,i}); a_t = softmax(e_t)
    context_t = Σ_i a_{t,i} h_i; logits = W_o [s_t ; context_t] + b_o; c_{t+1} = c_t + a_t, c_0 = 0
    w_c starts at 0, which is additive attention without coverage: a trained plain model can be given coverage later
Shapes
    annotations  (B, n, width), from the encoder; code (B, width); lengths (B,), from 1 to n
    token        (B,), whole numbers; logits (B, symbols)
    weights      (B, n), exactly 0 behind each length; coverage (B, n)
    s            (B, memory)
Cost
    n width² once per sentence for W_h h_i; then per step n width (width + 3) without the projections that are cached
Errors
    ValueError for the loss of a run without weights; otherwise those of torch
Source
    See, Liu and Manning 2017, Get To The Point, sections 2.1 and 2.3, without the pointer and with a GRU for the LSTM
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from attn_core.lab.data import Batch
from attn_core.masks import padding_mask
from attn_core.seq2seq.coverage import coverage_loss
from attn_core.seq2seq.model import Run, loss, uniform


class Memory(NamedTuple):
    """What one step hands to the next: the sentence, which stays as it is, the state, and what has been read."""

    annotations: Tensor  # (B, n, width)
    keys: Tensor  # (B, n, width): W_h h_i + b, projected once
    mask: Tensor  # (B, n), True at real positions
    s: Tensor  # (B, memory)
    coverage: Tensor  # (B, n), the sum of all weights so far


class CoverageDecoder(nn.Module):
    """A GRU decoder with additive attention; without `coverage`, w_c is 0 and stays so."""

    def __init__(self, symbols: int, width: int, memory: int, coverage: bool = True) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        self.first = nn.Linear(width, memory)
        self.cell = nn.GRUCell(width, memory)
        self.W_s = nn.Parameter(uniform(width, memory))
        self.W_h = nn.Parameter(uniform(width, width))
        self.w_c = nn.Parameter(torch.zeros(width), requires_grad=coverage)
        self.b = nn.Parameter(torch.zeros(width))
        self.v = nn.Parameter(uniform(1, width)[0])
        self.out = nn.Linear(memory + width, symbols)

    def start(self, annotations: Tensor, code: Tensor, lengths: Tensor) -> Memory:
        """The memory before the first step: nothing has been read yet, so the coverage is zero."""
        keys = annotations @ self.W_h.T + self.b
        mask = padding_mask(lengths, annotations.shape[1])[:, 0, :]
        return Memory(annotations, keys, mask, torch.tanh(self.first(code)), torch.zeros_like(keys[..., 0]))

    def step(self, token: Tensor, memory: Memory) -> tuple[Tensor, Memory, Tensor]:
        """Logits of the next token, the memory after this step, and the weights of this step."""
        s = self.update(self.embedding(token), memory.s)
        weights = self.attend(s, memory)
        context = (weights[:, None] @ memory.annotations)[:, 0]  # (B, 1, n) @ (B, n, width) -> (B, width)
        logits = self.out(torch.cat([s, context], dim=-1))
        return logits, memory._replace(s=s, coverage=memory.coverage + weights), weights

    def update(self, y: Tensor, s: Tensor) -> Tensor:
        """The new state, made from the last token and the state before."""
        return self.cell(y, s)  # type: ignore[no-any-return]  # a module's call is untyped

    def attend(self, s: Tensor, memory: Memory) -> Tensor:
        """Weights of this step: the *current* state asks, and the coverage of each position has a say."""
        hidden = torch.tanh(memory.keys + (s @ self.W_s.T)[:, None] + memory.coverage[..., None] * self.w_c)
        scores: Tensor = (hidden @ self.v).masked_fill(~memory.mask, -torch.inf)  # (B, n, width) -> (B, n)
        return torch.softmax(scores, dim=-1)


def loss_with_coverage(run: Run, batch: Batch, strength: float = 1.0) -> Tensor:
    """Cross-entropy plus `strength` (λ in the paper) times the coverage loss, averaged over the batch."""
    if run.weights is None:
        raise ValueError("loss_with_coverage: this run has no weights; coverage needs a decoder that attends.")
    penalty: Tensor = coverage_loss(run.weights, batch.steps).mean()
    return loss(run, batch) + strength * penalty
