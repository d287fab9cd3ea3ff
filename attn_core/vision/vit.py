r"""A small Vision Transformer: patches become tokens, a class token joins them, and a text encoder reads the sequence.

Formula
    z = [class ; E patch_1 ; … ; E patch_n] + positions
    in each block: z ← z + attention(LN(z)), then z ← z + W_2 gelu(W_1 LN(z) + b_1) + b_2
    logits = W_o LN(z)_0 + b_o, read at the class token; with pooling "mean": W_o mean over all tokens of LN(z) + b_o,
    then without a class token
Shapes
    x          (B, C, H, W), of the size that the positions were made for
    tokens     (B, n, d) with n = H/size · W/size, plus 1 for the class token
    positions  (n, d) or (n + 1, d), learned, that of the class token first
    weights    (B, heads, n, n) in each block, on demand
    logits     (B, symbols)
Cost
    per block 12 n d² + 2 n² d multiply-adds per image, for an MLP of 4 d hidden units
Errors
    ValueError for heads that do not divide d, an unknown pooling, and an image of another size
Source
    Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, equations 1 to 4
"""

import torch
from torch import Tensor, nn

from attn_core.attention import scaled_dot_product_attention
from attn_core.vision.patches import patchify, token_count


class SelfAttention(nn.Module):
    """Multi-head self-attention: every token reads from all tokens, in each head with its own projections."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        if d % heads != 0:
            raise ValueError(f"SelfAttention: heads={heads} does not divide d={d}; each head gets d / heads features.")
        self.heads = heads
        self.qkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """What each token has read, (B, n, d), and the weights (B, heads, n, n)."""
        B, n, d = z.shape
        q, k, v = self.qkv(z).view(B, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        context, weights = scaled_dot_product_attention(q, k, v)  # (B, heads, n, d/heads)
        return self.out(context.transpose(1, 2).reshape(B, n, d)), weights


class Block(nn.Module):
    """Attention, then an MLP on each token; both are added to what they read, behind a layer norm (pre-norm)."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.attention = SelfAttention(d, heads)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens behind the block, (B, n, d), and the weights (B, heads, n, n)."""
        read, weights = self.attention(self.norm_1(z))
        z = z + read
        return z + self.mlp(self.norm_2(z)), weights


class ViT(nn.Module):
    """Images (B, C, height, width) to logits (B, symbols); `positions=False` leaves the positions away."""

    def __init__(
        self,
        image: tuple[int, int, int],
        size: int,
        d: int,
        heads: int,
        depth: int,
        symbols: int,
        pooling: str = "class",
        positions: bool = True,
    ) -> None:
        super().__init__()
        if pooling not in ("class", "mean"):
            raise ValueError(f'ViT: pooling is {pooling!r}, but it must be "class" or "mean".')
        channels, height, width = image
        n = token_count(height, width, size)
        self.image, self.size, self.pooling = image, size, pooling
        self.embed = nn.Linear(channels * size**2, d)
        first = pooling == "class"
        # places differ from the start: with the 0.02 of large models, small ones need thousands of steps to tell them apart
        self.class_token = nn.Parameter(0.5 * torch.randn(1, 1, d)) if first else None
        self.positions = nn.Parameter(0.5 * torch.randn(n + first, d)) if positions else None
        self.blocks = nn.ModuleList(Block(d, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(d)
        self.out = nn.Linear(d, symbols)

    def tokens(self, x: Tensor) -> Tensor:
        """What the first block reads, (B, n, d): embedded patches, the class token before them, positions added."""
        if tuple(x.shape[1:]) != self.image:
            raise ValueError(
                f"ViT: x has shape {tuple(x.shape)}, but it must be (B, {', '.join(map(str, self.image))}); for images of "
                "another size, interpolate the positions."
            )
        z: Tensor = self.embed(patchify(x, self.size))
        if self.class_token is not None:
            z = torch.cat([self.class_token.expand(len(z), -1, -1), z], dim=1)
        return z if self.positions is None else z + self.positions

    def read(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits (B, symbols), and the weights (B, heads, n, n) of every block."""
        z, maps = self.tokens(x), []
        for block in self.blocks:
            z, weights = block(z)
            maps.append(weights)
        z = self.norm(z)
        return self.out(z[:, 0] if self.pooling == "class" else z.mean(1)), maps

    def forward(self, x: Tensor) -> Tensor:
        """The logits (B, symbols)."""
        return self.read(x)[0]
