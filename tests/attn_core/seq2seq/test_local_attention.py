"""Local attention, against global attention where the window is wide, hand-worked numbers, and a loop over positions."""

import math

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, as_float64, assert_close, make, message_of

from attn_core.attention import scaled_dot_product_attention
from attn_core.masks import padding_mask
from attn_core.seq2seq.local_attention import (
    gaussian,
    local_m_attention,
    local_p_attention,
    predicted_position,
    window,
)

B, N, D_H, D_P = 4, 9, 3, 5
LENGTHS = [9, 6, 1, 0]


def arrays(kind="numpy float64", seed=0, scale=1.0):
    """Return h, H, W_p, v_p and the lengths."""
    generator = np.random.default_rng(seed)
    shapes = [(B, D_H), (B, N, D_H), (D_P, D_H), (D_P,)]
    made = [make(generator.standard_normal(shape) * scale, kind) for shape in shapes]
    return *made, (torch.tensor(LENGTHS) if "torch" in kind else np.array(LENGTHS))


def global_attention(h, H, lengths):
    """Return context and weights over the whole sentences, by the scaled formula with its scale taken back."""
    q = h[:, None, :] * math.sqrt(D_H)
    context, weights = scaled_dot_product_attention(q, H, H, padding_mask(lengths, N))
    return context[:, 0], weights[:, 0]


def by_the_loop(h, H, W_p, v_p, D, lengths):
    """Return context, weights and p, position by position, as the formulas read."""
    weights, ps = np.zeros((B, N)), np.zeros(B)
    for b, S in enumerate(lengths):
        ps[b] = S / (1 + math.exp(-sum(v * math.tanh(w @ h[b]) for v, w in zip(v_p, W_p, strict=True))))
        inside = [s for s in range(S) if ps[b] - D <= s <= ps[b] + D]
        total = sum(math.exp(h[b] @ H[b, s]) for s in inside)
        for s in inside:
            weights[b, s] = math.exp(h[b] @ H[b, s]) / total * math.exp(-((s - ps[b]) ** 2) / (2 * (D / 2) ** 2))
    return np.einsum("bs,bsd->bd", weights, H), weights, ps


# --- the window


def test_a_window_holds_2d_or_2d_plus_1_positions():
    """p = 12.3 and D = 4: the eight integers 9 … 16; p = 12: nine; at the edge of a sentence fewer."""
    seen = window(np.array([12.3, 12.0, 0.5, 29.0]), 4, np.array([30, 30, 30, 30]), 30)
    assert np.flatnonzero(seen[0]).tolist() == list(range(9, 17))
    assert seen.sum(1).tolist() == [8, 9, 5, 5]


def test_both_ends_belong_to_the_window():
    """|s − p| = D is inside, also where the sentence ends."""
    assert window(np.array([2.0, 2.0]), 2, np.array([4, 5]), 6).astype(int).tolist() == [
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 0],
    ]


def test_the_gaussian_at_its_centre_and_at_the_ends_of_the_window():
    """σ = D/2: 1 at p, e^−½ at one σ, e^−2 = 0.135 at the ends."""
    assert np.abs(gaussian(np.array([4.0]), 4, 9)[0, [4, 6, 0, 8]] - np.exp([0, -0.5, -2, -2])).max() < 1e-15


def test_window_errors():
    """D = 0, half a D, and lengths of another batch are refused."""
    p, lengths = np.array([1.0]), np.array([3])
    assert "D is 0" in message_of(ValueError, lambda: window(p, 0, lengths, 3))
    message_of(TypeError, lambda: window(p, 1.5, lengths, 3))
    assert "lengths has" in message_of(ValueError, lambda: window(p, 1, np.array([3, 3]), 3))


# --- the predicted position


def test_position_by_hand():
    """v_p = 0 looks at the middle of every sentence; ln 3 at three quarters; a strong push at an end."""
    h, W_p, lengths = np.ones((3, 1)), np.full((1, 1), 100.0), np.array([8, 5, 0])
    assert predicted_position(h, W_p, np.zeros(1), lengths).tolist() == [4.0, 2.5, 0.0]
    assert np.abs(predicted_position(h, W_p, np.array([math.log(3)]), lengths) - [6, 3.75, 0]).max() < 1e-12
    assert predicted_position(h, W_p, np.array([-800.0]), lengths).tolist() == [0, 0, 0]
    assert predicted_position(h, W_p, np.array([800.0]), lengths).tolist() == [8, 5, 0]


# --- local-m


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_a_wide_window_is_global_attention(kind):
    """With D ≥ n, local-m is global attention, and so is local-p divided by its Gaussian."""
    h, H, W_p, v_p, lengths = arrays(kind)
    context, weights = global_attention(h, H, lengths)
    local = local_m_attention(h, H, 3, N, lengths)
    for one, other in zip(local, (context, weights), strict=True):
        assert_close(one, other, other, scale=10.0)
    _, blurred, p = local_p_attention(h, H, W_p, v_p, N, lengths)
    assert_close(blurred / gaussian(p, N, N), weights, weights, scale=10.0)


def test_local_m_stays_in_its_window_and_sums_to_one():
    """Step 4 with D = 1 sees positions 3 to 5, a plain softmax of their scores; a sentence that ended sees nothing."""
    h, H, _, _, lengths = arrays()
    context, weights = local_m_attention(h, H, 4, 1, lengths)
    scores = np.exp(H[0, 3:6] @ h[0])
    assert np.abs(weights[0, 3:6] - scores / scores.sum()).max() < 1e-12
    assert np.flatnonzero(weights[1]).tolist() == [3, 4, 5]
    assert (weights[2:] == 0).all()
    assert (context[2:] == 0).all()
    assert local_m_attention(h, H, 0, 2, lengths)[1][0, 3:].tolist() == [0] * 6


# --- local-p


@pytest.mark.parametrize("D", [1, 2, 20])
@pytest.mark.parametrize("seed", range(5))
def test_local_p_as_the_formulas_read(D, seed):
    """Context, weights and p agree with a loop over the positions, for sentences of length 9, 6, 1 and 0."""
    h, H, W_p, v_p, lengths = arrays(seed=seed)
    expected = by_the_loop(h, H, W_p, v_p, D, lengths)
    for one, other in zip(local_p_attention(h, H, W_p, v_p, D, lengths), expected, strict=True):
        assert np.abs(one - other).max() < 1e-12


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_local_p_keeps_library_and_dtype(kind):
    """All kinds give the float64 result to their own precision."""
    h, H, W_p, v_p, lengths = arrays(kind)
    exact = local_p_attention(*(as_float64(x) for x in (h, H, W_p, v_p)), 2, np.array(LENGTHS))
    for result, expected in zip(local_p_attention(h, H, W_p, v_p, 2, lengths), exact, strict=True):
        assert result.dtype == h.dtype
        assert_close(result, expected, expected.astype(str(result.dtype).removeprefix("torch.")), scale=50.0)


def test_the_weights_sum_to_less_than_one():
    """The Gaussian takes its share and nobody gives it back: the sum is that of softmax times Gaussian."""
    _, weights, _ = local_p_attention(*arrays()[:4], 2, np.array([9, 6, 3, 2]))
    assert ((weights.sum(1) > 0) & (weights.sum(1) < 1)).all()


def test_one_position_is_copied_up_to_the_gaussian():
    """With S = 1 the softmax is 1, so the context is h_0 times the Gaussian of its distance from p."""
    h, H, W_p, v_p, _ = arrays()
    context, weights, p = local_p_attention(h, H, W_p, v_p, 3, np.ones(B, int))
    assert np.abs(weights[:, 0] - np.exp(-(p**2) / (2 * 1.5**2))).max() < 1e-15
    assert np.abs(context - weights[:, :1] * H[:, 0]).max() < 1e-15


def test_a_sentence_without_words():
    """Length 0 gives p = 0, zero weights, a zero context, and gradients of zero, not NaN."""
    h, H, W_p, v_p, _ = (x.requires_grad_() if x.is_floating_point() else x for x in arrays("torch float64"))
    context, weights, p = local_p_attention(h, H, W_p, v_p, 2, torch.zeros(B, dtype=torch.int64))
    assert not torch.cat([context.flatten(), weights.flatten(), p]).any()
    for gradient in torch.autograd.grad(context.sum() + weights.sum() + p.sum(), (h, H, W_p, v_p)):
        assert not gradient.any()


def test_padding_changes_nothing():
    """Garbage behind the lengths changes no bit."""
    h, H, W_p, v_p, lengths = arrays()
    before = local_p_attention(h, H, W_p, v_p, 3, lengths)
    H = np.where(padding_mask(lengths, N)[:, 0, :, None], H, 1e6)
    for one, other in zip(before, local_p_attention(h, H, W_p, v_p, 3, lengths), strict=True):
        assert (one == other).all()


def test_gradients_reach_the_position():
    """Autograd agrees with finite differences, and W_p and v_p learn through the Gaussian from the context alone."""
    made = arrays("torch float64", scale=0.7)
    h, H, W_p, v_p = (x.requires_grad_() for x in made[:4])
    assert torch.autograd.gradcheck(lambda *x: local_p_attention(*x, 2, made[4]), (h, H, W_p, v_p))
    context = local_p_attention(h, H, W_p, v_p, 2, made[4])[0]
    assert all(g.abs().max() > 1e-3 for g in torch.autograd.grad(context.sum(), (W_p, v_p)))


def test_huge_pushes_give_finite_gradients():
    """A sigmoid at its ends, and scores in the thousands, leave no NaN."""
    made = arrays("torch float64", scale=60.0)
    inputs = [x.requires_grad_() for x in made[:4]]
    outputs = local_p_attention(*inputs, 2, made[4])
    assert all(x.isfinite().all() for x in outputs)
    assert all(g.isfinite().all() for g in torch.autograd.grad(sum(x.sum() for x in outputs), inputs))
