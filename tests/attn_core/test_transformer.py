"""The small Transformer: its parts against the references and torch, and what switching a head off does."""

import math

import pytest
import torch
from oracle import message_of
from torch import nn

from attn_core import causal_mask
from attn_core.heads import multi_head_attention, parameter_count
from attn_core.transformer import CausalSelfAttention, Run, Transformer, losses_without, next_token_loss

TOKENS = torch.randint(0, 9, (3, 7), generator=torch.Generator().manual_seed(0))


def made(seed=0, **options):
    """A small model in float64, with 2 layers of 2 heads."""
    torch.manual_seed(seed)
    return Transformer(9, 8, **({"width": 12, "heads": 2} | options)).double()


def test_attention_equals_the_reference():
    """Output and weights are those of multi_head_attention under a causal mask, with the transposed weights."""
    torch.manual_seed(1)
    layer, x = CausalSelfAttention(12, 3).double(), torch.randn(2, 5, 12, dtype=torch.float64)
    W = [project.weight.T for project in (layer.query, layer.key, layer.value, layer.out)]
    out, weights = layer(x)
    expected, expected_weights = multi_head_attention(x, x, *W, 3, causal_mask(5, like=x))
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(weights, expected_weights)
    assert sum(p.numel() for p in layer.parameters()) == parameter_count(12, 3)


@pytest.mark.parametrize("hidden", [0, 20])
def test_equals_torch_encoder_layers(hidden):
    """With a feed-forward network, nn.TransformerEncoderLayer (norm first) gives the same; without one, only attention."""
    model = made(hidden=hidden)
    x = model.token(TOKENS) + model.position.weight[:7]
    later = nn.Transformer.generate_square_subsequent_mask(7, dtype=torch.float64)
    for block in model.blocks:
        peer = nn.TransformerEncoderLayer(
            12, 2, max(hidden, 1), 0.0, "gelu", norm_first=True, batch_first=True
        ).double()
        attention, peer_attention = block.attention, peer.self_attn
        with torch.no_grad():
            parts = (attention.query, attention.key, attention.value)
            peer_attention.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
            peer_attention.out_proj.weight.copy_(attention.out.weight)
            peer.linear2.weight.zero_()
            for bias in (peer_attention.in_proj_bias, peer_attention.out_proj.bias, peer.linear2.bias):
                bias.zero_()
            if hidden:
                for mine, theirs in zip(
                    block.feed_forward, (peer.norm2, peer.linear1, None, peer.linear2), strict=True
                ):
                    if theirs is not None:
                        theirs.load_state_dict(mine.state_dict())
        x = peer(x, src_mask=later)
    torch.testing.assert_close(model(TOKENS).logits, model.out(model.norm(x)))


def test_shapes_and_rows():
    """Logits for every position, weights for every layer and head; each row of weights sums to one."""
    run = made(hidden=5)(TOKENS)
    assert run.logits.shape == (3, 7, 9)
    assert run.weights.shape == (3, 2, 2, 7, 7)
    torch.testing.assert_close(run.weights.sum(-1), torch.ones(3, 2, 2, 7, dtype=torch.float64))


@pytest.mark.parametrize("hidden", [0, 5])
def test_later_tokens_change_nothing(hidden):
    """Causality by perturbation: another token at i leaves the logits before i as they are, and changes those from i on."""
    model, changed = made(hidden=hidden), TOKENS.clone()
    changed[:, 4] = (changed[:, 4] + 1) % 9
    before, after = model(TOKENS), model(changed)
    torch.testing.assert_close(after.logits[:, :4], before.logits[:, :4])
    assert ((after.logits - before.logits)[:, 4:].abs().amax(-1) > 1e-6).all()
    assert not before.weights.triu(1).any()


def test_a_prefix_gets_the_logits_it_has_alone():
    """A shorter sequence is the beginning of a longer one."""
    torch.testing.assert_close(made()(TOKENS[:, :5]).logits, made()(TOKENS).logits[:, :5])


def test_order_counts_because_positions_are_added():
    """The same words in another order: the last logits differ, and do not once all positions have one embedding."""
    model, swapped = made(layers=1), TOKENS[:, [1, 0, 2, 3, 4, 5, 6]]
    assert not torch.allclose(model(TOKENS).logits[:, -1], model(swapped).logits[:, -1])
    with torch.no_grad():
        model.position.weight.zero_()
    torch.testing.assert_close(model(TOKENS).logits[:, -1], model(swapped).logits[:, -1])


def test_all_heads_kept_is_the_whole_model():
    """keep = 1 everywhere is the same as no keep at all."""
    torch.testing.assert_close(made()(TOKENS, torch.ones(2, 2)).logits, made()(TOKENS).logits)


def test_no_head_kept_leaves_each_token_alone():
    """keep = 0 everywhere: the logits of a position follow from its own token and position."""
    model = made()
    alone = model.out(model.norm(model.token(TOKENS) + model.position.weight[:7]))
    torch.testing.assert_close(model(TOKENS, torch.zeros(2, 2)).logits, alone)


@pytest.mark.parametrize(("layer", "head"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_removed_head_is_one_whose_output_weights_are_zero(layer, head):
    """keep_h = 0 equals zeroing the rows of W_o that belong to head h, and touches the weights of its own layer not at all."""
    model, keep = made(hidden=5), torch.ones(2, 2)
    keep[layer, head] = 0
    run = model(TOKENS, keep)
    torch.testing.assert_close(run.weights[:, : layer + 1], model(TOKENS).weights[:, : layer + 1])
    with torch.no_grad():
        model.blocks[layer].attention.out.weight[:, head * 6 : (head + 1) * 6] = 0
    torch.testing.assert_close(run.logits, model(TOKENS).logits)


def test_heads_of_a_layer_add_up():
    """What a layer adds is the sum of what its heads add one by one, and half a head adds half."""
    torch.manual_seed(2)
    layer, x = CausalSelfAttention(12, 3).double(), torch.randn(2, 5, 12, dtype=torch.float64)
    parts = [layer(x, row)[0] for row in torch.eye(3, dtype=torch.float64)]
    torch.testing.assert_close(layer(x)[0], sum(parts))
    torch.testing.assert_close(layer(x, torch.full((3,), 0.5, dtype=torch.float64))[0], sum(parts) / 2)


def test_loss_counts_what_is_marked_and_predicts_one_ahead():
    """Cross-entropy of token i + 1 at position i; the first token is never predicted; marked tokens alone count."""
    logits = torch.randn(3, 7, 9, generator=torch.Generator().manual_seed(3))
    logs = logits.log_softmax(-1)
    each = torch.tensor([[-logs[b, i - 1, TOKENS[b, i]].item() for i in range(1, 7)] for b in range(3)])
    run = Run(logits, torch.empty(0))
    torch.testing.assert_close(next_token_loss(run, TOKENS), each.mean())
    marked = torch.zeros(3, 7, dtype=torch.bool)
    marked[0, 0] = marked[0, 3] = marked[2, 6] = True
    torch.testing.assert_close(next_token_loss(run, TOKENS, marked), (each[0, 2] + each[2, 5]) / 2)
    flat = Run(torch.zeros(3, 7, 9), torch.empty(0))
    assert next_token_loss(flat, TOKENS).item() == pytest.approx(math.log(9))


def test_losses_without_are_those_of_models_with_one_head_less():
    """Entry (l, h) is the loss when the weights of head h of layer l are cut out of W_o; the model is left as it was."""
    model, marked = made(), torch.ones(3, 7, dtype=torch.bool)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    losses = losses_without(model, TOKENS, marked)
    assert losses.shape == model.shape == (2, 2)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    for layer in range(2):
        for head in range(2):
            keep = torch.ones(2, 2)
            keep[layer, head] = 0
            expected = next_token_loss(model(TOKENS, keep), TOKENS, marked).item()
            assert losses[layer, head].item() == pytest.approx(expected, rel=1e-6)
    assert len(set(losses.flatten().tolist())) == 4


def test_gradients_reach_every_parameter_and_the_mask_of_heads():
    """Nothing is detached: each parameter gets a gradient, unused positions a zero one, and keep has one per head."""
    model, keep = made(hidden=5), torch.ones(2, 2, dtype=torch.float64, requires_grad=True)
    next_token_loss(model(TOKENS, keep), TOKENS).backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in model.parameters())
    assert not model.position.weight.grad[7:].any()
    assert bool((keep.grad != 0).all())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: made()(torch.zeros(1, 9, dtype=torch.long)),
            "Transformer: tokens have n=9 positions, but this model was made for length=8.",
        ),
        (
            lambda: made()(TOKENS, torch.ones(2, 3)),
            "Transformer: keep has shape (2, 3), but it must be (layers, heads) = (2, 2).",
        ),
        (lambda: made(heads=5), "CausalSelfAttention: heads=5 does not divide width=12."),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    """Too long a sequence, a mask of the wrong shape and heads that do not divide raise a sentence."""
    assert message_of(ValueError, call) == message
