r"""A small causal Transformer that predicts the next token: heads can be read, and switched off one by one.

Formula
    x = token embedding + position embedding
    per layer   x ← x + attention(norm(x));   x ← x + W_2 gelu(W_1 norm(x) + b_1) + b_2, unless hidden = 0
    attention   Σ_h keep_h softmax(q_h k_hᵀ / √(width/heads), causal) v_h W_o^h: keep_h = 0 takes head h out
    logits = norm(x) W_out
Shapes
    tokens     (B, n), whole numbers below the vocabulary; n is at most `length`
    keep       (layers, heads), of any floating dtype; 1 keeps a head, 0 removes it
    logits     (B, n, vocabulary); those at position i predict token i + 1
    weights    (B, layers, heads, n, n)
Cost
    per layer and sequence 4 n width² + 2 n² width multiply-adds, and 2 n width hidden for the feed-forward network; all
    weights of all layers are kept, which is what one looks at here and what a large model cannot afford
Errors
    ValueError for heads that do not divide the width, a sequence longer than `length`, and a keep of the wrong shape
Source
    Vaswani et al. 2017, Attention Is All You Need (the block); norm before each part and none behind it: Xiong et al.
    2020, On Layer Normalization in the Transformer Architecture; heads switched off: Michel, Levy and Neubig 2019, Are
    Sixteen Heads Really Better than One?, section 2
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attn_core.heads import merge_heads, split_heads
from attn_core.masks import causal_mask


@dataclass(frozen=True)
class Run:
    """What one pass gives."""

    logits: Tensor  # (B, n, vocabulary)
    weights: Tensor  # (B, layers, heads, n, n)


class CausalSelfAttention(nn.Module):
    """All heads of one layer, without biases."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"CausalSelfAttention: heads={heads} does not divide width={width}.")
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, x: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What the layer adds to x, and the weights (B, heads, n, n)."""
        # plain torch instead of scaled_dot_product_attention, which takes twice the time here; a test compares them
        q, k, v = (split_heads(project(x), self.heads) for project in (self.query, self.key, self.value))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])  # (B, heads, n, n)
        weights = scores.masked_fill(~causal_mask(x.shape[1], like=x), -torch.inf).softmax(-1)
        context = weights @ v
        if keep is not None:
            context = context * keep[:, None, None]  # (heads, 1, 1): one factor for everything that a head says
        return self.out(merge_heads(context)), weights


class Block(nn.Module):
    """Attention, then a feed-forward network on each position by itself; each adds to the stream it reads from."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = CausalSelfAttention(width, heads)
        self.feed_forward = nn.Sequential()  # hidden = 0: attention only
        if hidden:
            self.feed_forward = nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width)
            )

    def forward(self, x: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The stream behind this layer, and the weights (B, heads, n, n) of its heads."""
        added, weights = self.attention(self.norm(x), keep)
        x = x + added
        return (x + self.feed_forward(x) if len(self.feed_forward) else x), weights


class Transformer(nn.Module):
    """A language model over `vocabulary` tokens and at most `length` positions."""

    def __init__(
        self, vocabulary: int, length: int, width: int = 32, heads: int = 4, layers: int = 2, hidden: int = 0
    ) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Block(width, heads, hidden) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, vocabulary, bias=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(layers, heads): the shape of `keep`."""
        return len(self.blocks), self.blocks[0].attention.heads  # type: ignore[return-value,union-attr]  # torch cannot know what a ModuleList holds

    def forward(self, tokens: Tensor, keep: Tensor | None = None) -> Run:
        """Logits and weights; without `keep` all heads speak."""
        n, length = tokens.shape[1], self.position.num_embeddings
        if n > length:
            raise ValueError(f"Transformer: tokens have n={n} positions, but this model was made for length={length}.")
        if keep is not None and tuple(keep.shape) != self.shape:
            expected = f"it must be (layers, heads) = {self.shape}"
            raise ValueError(f"Transformer: keep has shape {tuple(keep.shape)}, but {expected}.")
        x = self.token(tokens) + self.position.weight[:n]  # (B, n, width)
        weights = []
        for layer, block in enumerate(self.blocks):
            x, seen = block(x, None if keep is None else keep[layer])
            weights.append(seen)
        return Run(self.out(self.norm(x)), torch.stack(weights, 1))


def next_token_loss(run: Run, tokens: Tensor, counts: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of tokens 1 … n − 1, each predicted from those before it; only where `counts` (B, n) is True."""
    losses = nn.functional.cross_entropy(run.logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
    return losses.mean() if counts is None else losses[counts[:, 1:]].mean()


@torch.no_grad()
def losses_without(model: Transformer, tokens: Tensor, counts: Tensor | None = None) -> Tensor:
    """The loss after removing one head, for each head: (layers, heads)."""
    layers, heads = model.shape
    result = torch.empty(layers, heads)
    for layer in range(layers):
        for head in range(heads):
            keep = torch.ones(layers, heads)
            keep[layer, head] = 0.0
            result[layer, head] = next_token_loss(model(tokens, keep), tokens, counts)
    return result
