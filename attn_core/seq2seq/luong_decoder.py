r"""The decoder of Luong et al. as a module: it updates its state, asks with it, mixes, speaks, and feeds the mixture back.

Formula
    h_0 = tanh(W_0 code + b_0), h̃_0 = 0; then at each step, with y the embedding of the token that was written last:
    h = GRU(h_prev, [y ; h̃_prev]); a, c as in attn_core.seq2seq.luong, asked by h; h̃ = tanh(W_c [c ; h])
    logits = W_o h̃ + b_o
    without input feeding: h = GRU(h_prev, y). Without the attentional state: h̃ = [c ; h] itself, so logits are linear
    in c and h, and nothing combines the two.
Shapes
    annotations  (B, n, width), from the encoder; code (B, width); lengths (B,)
    token        (B,), whole numbers
    logits       (B, symbols); weights (B, n)
Cost
    per step and sentence that of the score, n width for the context, and what does not depend on n
Errors
    those of attn_core.seq2seq.luong
Source
    Luong, Pham and Manning 2015, section 3
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from attn_core.masks import padding_mask
from attn_core.seq2seq.bahdanau import read
from attn_core.seq2seq.luong import luong_score
from attn_core.seq2seq.model import uniform


class Score(nn.Module):
    """One of the content scores with its weights, for states of `width` units on both sides."""

    def __init__(self, kind: str, width: int, hidden: int | None = None) -> None:
        super().__init__()
        self.kind, hidden = kind, hidden or width
        shape = {"general": (width, width), "concat": (hidden, 2 * width)}.get(kind)
        self.W = nn.Parameter(uniform(*shape)) if shape else None
        self.v = nn.Parameter(uniform(1, hidden)[0]) if kind == "concat" else None

    def forward(self, h: Tensor, H: Tensor) -> Tensor:
        """Scores (B, n) of the state with every annotation."""
        return luong_score(self.kind, h, H, self.W, self.v)  # type: ignore[no-any-return]  # Array is untyped


class Memory(NamedTuple):
    """What one step hands to the next: the sentence, which stays as it is, and both states, which do not."""

    annotations: Tensor  # (B, n, width)
    mask: Tensor  # (B, n), True at real positions
    h: Tensor  # (B, width)
    h_tilde: Tensor  # (B, width), or (B, 2 width) without the attentional state


class LuongDecoder(nn.Module):
    """A GRU with global attention by any module `score(h, H)`; the two other inventions can be switched off."""

    def __init__(
        self, symbols: int, width: int, score: nn.Module, attentional_state: bool = True, input_feeding: bool = True
    ) -> None:
        super().__init__()
        mixed = width if attentional_state else 2 * width
        self.embedding = nn.Embedding(symbols, width)
        self.first = nn.Linear(width, width)
        self.cell = nn.GRUCell(width + (mixed if input_feeding else 0), width)
        self.score = score
        self.mix = nn.Linear(2 * width, width, bias=False) if attentional_state else None
        self.out = nn.Linear(mixed, symbols)
        self.input_feeding = input_feeding

    def start(self, annotations: Tensor, code: Tensor, lengths: Tensor) -> Memory:
        """The memory before the first step: nothing has been read yet, so h̃ is zero."""
        mask = padding_mask(lengths, annotations.shape[1])[:, 0, :]
        h_tilde = annotations.new_zeros(len(annotations), self.out.in_features)
        return Memory(annotations, mask, torch.tanh(self.first(code)), h_tilde)

    def step(self, token: Tensor, memory: Memory) -> tuple[Tensor, Memory, Tensor]:
        """Logits of the next token, the memory after this step, and the weights of this step."""
        y = self.embedding(token)  # (B,) -> (B, width)
        h = self.cell(torch.cat([y, memory.h_tilde], dim=-1) if self.input_feeding else y, memory.h)
        context, weights = read(self.score(h, memory.annotations), memory.annotations, memory.mask)
        both = torch.cat([context, h], dim=-1)  # (B, 2 width)
        h_tilde = both if self.mix is None else torch.tanh(self.mix(both))
        return self.out(h_tilde), memory._replace(h=h, h_tilde=h_tilde), weights
