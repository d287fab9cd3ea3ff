"""The small Vision Transformer: against torch's own encoder layer, and what permuted patches do to it."""

import re

import pytest
import torch
from torch import nn

from attn_core.vision.patches import patchify, unpatchify
from attn_core.vision.vit import Block, SelfAttention, ViT

ORDER = torch.tensor([5, 0, 3, 1, 4, 2])


def images(count=3):
    """Random images of two channels, 4 × 6."""
    torch.manual_seed(0)
    return torch.randn(count, 2, 4, 6, dtype=torch.float64)


def vit(**options):
    """A small model for them: six patches, two blocks."""
    torch.manual_seed(1)
    return ViT((2, 4, 6), size=2, d=8, heads=2, depth=2, symbols=5, **options).double()


def shuffle(x):
    """The same patches in another order."""
    return unpatchify(patchify(x, 2)[:, ORDER], 2, 4, 6)


def as_torch_layer(block, d, heads):
    """torch's pre-norm encoder layer with the weights of a block."""
    layer = nn.TransformerEncoderLayer(
        d, heads, 4 * d, dropout=0.0, activation="gelu", batch_first=True, norm_first=True, dtype=torch.float64
    )
    layer.self_attn.in_proj_weight.data = block.attention.qkv.weight.data
    layer.self_attn.in_proj_bias.data = block.attention.qkv.bias.data
    layer.self_attn.out_proj.load_state_dict(block.attention.out.state_dict())
    layer.norm1.load_state_dict(block.norm_1.state_dict())
    layer.norm2.load_state_dict(block.norm_2.state_dict())
    layer.linear1.load_state_dict(block.mlp[0].state_dict())
    layer.linear2.load_state_dict(block.mlp[2].state_dict())
    return layer


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_a_block_is_torchs_pre_norm_layer(heads):
    """With the same weights, a block gives what nn.TransformerEncoderLayer gives, norms with scales included."""
    torch.manual_seed(2)
    block = Block(8, heads).double()
    for norm in (block.norm_1, block.norm_2):
        nn.init.normal_(norm.weight, 1.0)
        nn.init.normal_(norm.bias)
    z = torch.randn(3, 7, 8, dtype=torch.float64)
    torch.testing.assert_close(block(z)[0], as_torch_layer(block, 8, heads)(z))


def test_weights_are_torchs_weights_head_by_head():
    """The weights of each head are those of nn.MultiheadAttention, and each row sums to one."""
    torch.manual_seed(2)
    block = Block(8, 2).double()
    z = torch.randn(3, 7, 8, dtype=torch.float64)
    expected = as_torch_layer(block, 8, 2).self_attn(z, z, z, average_attn_weights=False)[1]
    weights = block.attention(z)[1]
    torch.testing.assert_close(weights, expected)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 7, dtype=torch.float64))


def test_tokens_by_hand():
    """The class token comes first and gets the first position; then the patches, in reading order, with theirs."""
    model, x = vit(), images()
    tokens = model.tokens(x)
    assert tokens.shape == (3, 7, 8)
    torch.testing.assert_close(tokens[1, 0], model.class_token[0, 0] + model.positions[0])
    second = x[1, :, 0:2, 2:4].flatten()  # first row of the grid, second column
    expected = model.embed.weight @ second + model.embed.bias + model.positions[2]
    torch.testing.assert_close(tokens[1, 2], expected)


def test_logits_are_read_at_the_class_token_or_at_the_mean():
    """All the way by hand, through torch's layers: class token, or mean of all tokens without one."""
    for pooling, take in (("class", lambda z: z[:, 0]), ("mean", lambda z: z.mean(1))):
        model, x = vit(pooling=pooling), images()
        z = model.tokens(x)
        for block in model.blocks:
            z = as_torch_layer(block, 8, 2)(z)
        torch.testing.assert_close(model(x), model.out(take(model.norm(z))))
        logits, maps = model.read(x)
        torch.testing.assert_close(model(x), logits)
        assert [tuple(m.shape) for m in maps] == [(3, 2, z.shape[1], z.shape[1])] * 2
        assert z.shape[1] == (7 if pooling == "class" else 6)


@pytest.mark.parametrize("pooling", ["class", "mean"])
def test_without_positions_shuffled_patches_give_the_same_logits(pooling):
    """Attention has no order: only positions tell patches apart, with either pooling."""
    x = images()
    blind, sighted = vit(pooling=pooling, positions=False), vit(pooling=pooling)
    torch.testing.assert_close(blind(x), blind(shuffle(x)))
    assert (sighted(x) - sighted(shuffle(x))).abs().max() > 1e-2


def test_the_images_of_a_batch_do_not_meet():
    """One image alone gives its row of the batch."""
    model, x = vit(), images()
    torch.testing.assert_close(model(x)[1:2], model(x[1:2]))


def test_every_pixel_reaches_the_logits_and_every_weight_learns():
    """Global from the first layer: one block suffices for a gradient at every pixel and in every parameter."""
    torch.manual_seed(1)
    model = ViT((2, 4, 6), size=2, d=8, heads=2, depth=1, symbols=5).double()
    x = images().requires_grad_()
    model(x).square().sum().backward()
    assert (x.grad != 0).all()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_number_of_weights():
    """12 d² + 13 d per block, and what stands around them."""
    d, n, patch = 8, 6, 8
    blocks = 2 * (12 * d**2 + 13 * d)
    around = (patch + 1) * d + d + (n + 1) * d + 2 * d + 5 * (d + 1)
    assert sum(p.numel() for p in vit().parameters()) == blocks + around


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: SelfAttention(8, 3),
            "SelfAttention: heads=3 does not divide d=8; each head gets d / heads features.",
        ),
        (lambda: vit(pooling="max"), 'ViT: pooling is \'max\', but it must be "class" or "mean".'),
        (
            lambda: vit()(torch.zeros(1, 2, 6, 6, dtype=torch.float64)),
            "ViT: x has shape (1, 2, 6, 6), but it must be (B, 2, 4, 6); for images of another size, interpolate the "
            "positions.",
        ),
    ],
)
def test_errors_are_sentences(act, message):
    """What does not fit is refused in words."""
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        act()
