r"""An encoder–decoder: one network reads the source, another writes the target, and the decoder decides how it reads.

Formula
    encoder    forward and backward GRU over the embedded source; annotation h_j = [forward_j ; backward_j]
    code       [forward_n ; backward_1], the last state of either direction
    decoder    any module with the two methods of `Decoder`; bottleneck.py, bahdanau_decoder.py, luong_decoder.py and
               coverage_decoder.py hold those of the curriculum
    loss       mean cross-entropy of the real steps
Shapes
    source        (B, n) int64, padded with 0; lengths (B,)
    annotations   (B, n, d_h), zeros behind each length; code (B, d_h)
    logits        (B, T, V), V being the size of the target vocabulary; weights (B, T, n)
Cost
    n encoder steps and T decoder steps, each waiting for the one before
Errors
    ValueError for an odd width
Source
    Sutskever, Vinyals and Le 2014; Cho et al. 2014; the annotations: Bahdanau, Cho and Bengio 2015, section 3.2
"""

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from attn_core.lab.data import END, PAD, START, Batch

State = Any  # what a decoder carries from step to step: its own business


class Decoder(Protocol):
    """What `Seq2Seq` asks of a decoder."""

    def start(self, annotations: Tensor, code: Tensor, lengths: Tensor) -> State:
        """The state before the first step; whatever is the same at every step is computed here, once."""

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State, Tensor | None]:
        """Read the previous tokens (B,); give logits (B, V), the next state, weights (B, n) or None."""


class Run(NamedTuple):
    """What came out of T decoder steps."""

    logits: Tensor  # (B, T, V)
    weights: Tensor | None  # (B, T, n), if the decoder attends
    tokens: Tensor  # (B, T), the most probable token of each step


class Encoder(nn.Module):
    """Embedding and bidirectional GRU, each direction with half the width; padding changes nothing."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        if width % 2:
            raise ValueError(f"Encoder: width is {width}, but it must be even: each direction gets half of it.")
        self.embedding = nn.Embedding(vocabulary, width)
        self.gru = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Annotations (B, n, width) and code (B, width)."""
        embedded = self.embedding(source)
        packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths.cpu(), batch_first=True, enforce_sorted=False)
        outputs, last = self.gru(packed)  # last (2, B, width / 2): where each direction ended
        annotations, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True, total_length=source.shape[1])
        return annotations, last.transpose(0, 1).flatten(1)  # (2, B, w/2) -> (B, 2, w/2) -> (B, w)


class Seq2Seq(nn.Module):
    """An encoder and a decoder: `model(batch)` while the truth is known, `model.translate` when it is not."""

    decoder: Any  # an nn.Module with the methods of Decoder, for which Python has no type

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, batch: Batch) -> Run:
        """Every step reads the true previous token (teacher forcing)."""
        state = self._start(batch.source, batch.lengths)
        steps: list[tuple[Tensor, Tensor | None]] = []
        for token in batch.target_in.unbind(1):
            logits, state, weights = self.decoder.step(token, state)
            steps.append((logits, weights))
        return _stacked(steps)

    @torch.no_grad()
    def translate(self, source: Tensor, lengths: Tensor, limit: int) -> Run:
        """Every step reads its own last token (greedy); stops when all have written END, or after `limit` steps."""
        state = self._start(source, lengths)
        token = torch.full_like(lengths, START)
        ended = torch.zeros_like(lengths, dtype=torch.bool)
        steps: list[tuple[Tensor, Tensor | None]] = []
        while len(steps) < limit and not ended.all():
            logits, state, weights = self.decoder.step(token, state)
            token = logits.argmax(-1)
            ended |= token == END
            steps.append((logits, weights))
        return _stacked(steps)

    def _start(self, source: Tensor, lengths: Tensor) -> State:
        annotations, code = self.encoder(source, lengths)
        return self.decoder.start(annotations, code, lengths)


def uniform(rows: int, columns: int) -> Tensor:
    """A matrix (rows, columns) of numbers within ±1/√columns, as torch.nn.Linear draws its weights."""
    return torch.empty(rows, columns).uniform_(-(columns**-0.5), columns**-0.5)


def loss(run: Run, batch: Batch) -> Tensor:
    """Mean cross-entropy over the real decoder steps, END included."""
    return nn.functional.cross_entropy(run.logits.flatten(0, 1), batch.target_out.flatten(), ignore_index=PAD)


def exact(model: Seq2Seq, batch: Batch) -> Tensor:
    """(B,) booleans: is the whole translation right, symbol by symbol, up to END?"""
    tokens = model.translate(batch.source, batch.lengths, limit=batch.target_out.shape[1]).tokens  # (B, T) or shorter
    right = nn.functional.pad(tokens, (0, batch.target_out.shape[1] - tokens.shape[1]), value=PAD) == batch.target_out
    return (right | (batch.target_out == PAD)).all(1)  # what stands behind END does not matter


def _stacked(steps: list[tuple[Tensor, Tensor | None]]) -> Run:
    logits = torch.stack([step_logits for step_logits, _ in steps], dim=1)
    weights = [step_weights for _, step_weights in steps if step_weights is not None]
    return Run(logits, torch.stack(weights, dim=1) if weights else None, logits.argmax(-1))
