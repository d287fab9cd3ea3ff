"""The three tests for leaks: what each finds, what each cannot see, and that they agree where they should."""

import math

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, HALF_KINDS, make, message_of

from attn_core.leaks import first_leak, leak_by_gradient, leak_by_perturbation
from attn_core.masked_softmax import masked_softmax
from attn_core.masks import causal_mask, padding_mask

BOTH_TESTS = [leak_by_perturbation, leak_by_gradient]
N = 5


def tokens(n=N, seed=0):
    """Random tokens of 3 features."""
    return torch.randn(n, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def attention(mask):
    """Self-attention with this mask, and a residual connection."""
    return lambda x: x + masked_softmax(x @ x.T, mask) @ x


# --- first_leak


@pytest.mark.parametrize("kind", FULL_KINDS + HALF_KINDS)
def test_first_leak_by_hand(kind):
    """The first one row by row, not column by column; as two Python ints."""
    weights = make([[1.0, 0.0, 0.5], [0.5, 0.25, 0.0], [0.2, 0.3, 0.5]], kind)
    found = first_leak(weights)
    assert found == (0, 2)
    assert [type(x) for x in found] == [int, int]
    weights[1, 2] = 0.25
    assert first_leak(weights) == (0, 2)
    weights[0, 2] = 0.0
    assert first_leak(weights) == (1, 2)
    weights[1, 2] = 0.0
    assert first_leak(weights) is None
    wide = make([[1.0, 0.0, 0.0, 0.5], [0.5, 0.5, 0.5, 0.0], [0.5] * 3 + [0.0], [0.25] * 4], kind)
    assert first_leak(wide) == (0, 3)  # the first column with a leak is 2, in row 1


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("m", [0, 1, 2, 3, 5])
def test_first_leak_of_every_place_and_shape(n, m):
    """A single weight is a leak exactly if a bottom-right causal mask forbids its place."""
    assert first_leak(np.zeros((n, m))) is None
    assert first_leak(np.where(causal_mask(n, m), 1.0, 0.0)) is None
    for i in range(n):
        for j in range(m):
            weights = np.zeros((n, m))
            weights[i, j] = 1e-300
            assert first_leak(weights) == ((i, j) if j > i + m - n else None)


@pytest.mark.parametrize("kind", FULL_KINDS + HALF_KINDS)
def test_tolerance_is_compared_in_the_dtype_of_the_weights(kind):
    """0.1 in float32 is larger than 0.1 in float64, and yet it is not above a tolerance of 0.1: the next number is."""
    weights = make([[1.0, 0.1], [0.5, 0.5]], kind)
    assert first_leak(weights, 0.1) is None
    above = np.nextafter(np.array(0.1, "float32"), np.float32(1)) if "32" in kind else np.array(0.101)
    weights = make([[1.0, float(above)], [0.5, 0.5]], kind)
    assert first_leak(weights, 0.1) == (0, 1)
    assert first_leak(weights, tolerance=0.2) is None


def test_nan_is_a_leak_and_a_negative_weight_is_none():
    """Nobody can say that NaN is below the tolerance; a negative number is."""
    assert first_leak(np.array([[1.0, math.nan], [math.nan, 1.0]])) == (0, 1)
    assert first_leak(np.array([[math.nan, 0.0], [math.nan, 1.0]])) is None
    assert first_leak(np.array([[1.0, -1.0], [0.0, 1.0]])) is None


def test_causal_weights_have_no_leak_and_others_have():
    """The weights of a causal softmax pass at tolerance 0; without the mask, or one key too far, they do not."""
    scores = tokens() @ tokens(seed=1).T
    assert first_leak(masked_softmax(scores, causal_mask(N, like=scores))) is None
    assert first_leak(torch.softmax(scores, -1)) == (0, 1)
    assert first_leak(masked_softmax(scores, torch.ones(N, N).tril(1).bool())) == (0, 1)
    top_left = torch.ones(2, N).tril().bool()
    assert first_leak(masked_softmax(scores[:2], top_left)) is None  # hides too much, which is no leak


# --- the two tests of a model


@pytest.mark.parametrize("test", BOTH_TESTS)
@pytest.mark.parametrize("mask", ["causal", "padding", "all", "strict and a residual", "none"])
def test_both_find_the_pattern_of_the_mask(test, mask):
    """With a residual connection output i depends on token i and on what the mask shows it, and on nothing else."""
    rows = {
        "causal": causal_mask(N, like=tokens()),
        "padding": padding_mask(torch.tensor([3]), N)[0].expand(N, N),
        "all": torch.ones(N, N, dtype=torch.bool),
        "strict and a residual": torch.ones(N, N).tril(-1).bool(),
        "none": torch.zeros(N, N, dtype=torch.bool),
    }[mask]
    depends = test(attention(rows), tokens())
    assert depends.dtype == torch.bool
    assert torch.equal(depends, rows | torch.eye(N).bool())


@pytest.mark.parametrize("test", BOTH_TESTS)
def test_rows_are_outputs_and_columns_are_tokens(test):
    """A model that shifts by one: output i is token i + 1, the classical leak."""
    depends = test(lambda x: torch.cat([x[1:], x[:1] * 0]), tokens(3))
    assert depends.int().tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert first_leak(depends.double()) == (0, 1)


@pytest.mark.parametrize("test", BOTH_TESTS)
def test_outputs_behind_a_cache(test):
    """Two outputs over five tokens: rectangular, and aligned at the bottom right like the causal mask."""
    depends = test(lambda x: masked_softmax(x[-2:] @ x.T, causal_mask(2, len(x), like=x)) @ x, tokens())
    assert torch.equal(depends, causal_mask(2, N, like=tokens()))


@pytest.mark.parametrize("test", BOTH_TESTS)
@pytest.mark.parametrize("extra", [(), (2,), (2, 3)])
def test_tokens_and_outputs_of_any_shape(test, extra):
    """One number, a vector or a matrix per token."""
    x = torch.ones(3, *extra, dtype=torch.float64)
    assert test(lambda x: x.cumsum(0), x).int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert test(lambda x: x.reshape(3, -1).sum(1), x).int().tolist() == np.eye(3).tolist()


def test_dependence_in_one_feature_is_enough():
    """Only the last output feature of the first row looks at the last feature of the last token."""

    def model(x):
        out = x.clone()
        out[0, -1] = x[0, -1] + x[-1, -1]
        return out

    for test in BOTH_TESTS:
        assert test(model, tokens(3)).int().tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 1]]


def test_perturbation_sees_what_has_no_gradient():
    """Behind detach or a hard choice the Jacobian is 0, though the future leaks."""
    assert not leak_by_gradient(lambda x: x.detach().flip(0), tokens()).any()
    assert torch.equal(leak_by_perturbation(lambda x: x.detach().flip(0), tokens()), torch.eye(N).flip(0).bool())


def test_gradient_sees_what_one_exchange_does_not():
    """Tokens that are exchanged for the same ones change nothing."""
    assert not leak_by_perturbation(lambda x: x.flip(0), tokens(), tokens()).any()
    assert torch.equal(leak_by_gradient(lambda x: x.flip(0), tokens()), torch.eye(N).flip(0).bool())


def test_the_perturbation_is_no_shift_and_no_factor():
    """A norm does not feel a constant that is added to all features of a token, or a factor; the noise is neither."""
    for model in (lambda x: x - x.mean(-1, keepdim=True), lambda x: x / x.norm(dim=-1, keepdim=True)):
        assert torch.equal(leak_by_perturbation(model, tokens(), tolerance=1e-6), torch.eye(N).bool())


def test_nan_in_a_gradient_counts_as_dependence():
    """An added −∞ in an empty row, hidden by nan_to_num: the output is 0, its gradient NaN in every column it touches."""

    def model(x):
        scores = x @ x.T + torch.where(torch.ones(N, N).tril(-1).bool(), 0.0, -math.inf)
        return torch.softmax(scores, -1).nan_to_num(0.0) @ x

    assert leak_by_gradient(model, tokens())[0].all()


def test_token_ids_with_their_replacements():
    """Ids are exchanged for other ids; the model embeds them itself."""
    table = tokens(9, seed=3)
    ids = torch.tensor([4, 4, 0, 8])
    depends = leak_by_perturbation(lambda ids: table[ids].cumsum(0), ids, (ids + 1) % 9)
    assert torch.equal(depends, causal_mask(4, like=table))


def test_perturbation_in_numpy_and_with_a_tolerance():
    """NumPy gives the same pattern as torch; with a tolerance small changes do not count."""
    small = np.array([1.0, 1e-6, 1.0])

    def model(x):
        return (x * small[:, None])[::-1]

    assert leak_by_perturbation(model, np.ones((3, 2))).astype(int).tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    found = leak_by_perturbation(model, np.ones((3, 2)), tolerance=1e-3)
    assert found.astype(int).tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize("test", BOTH_TESTS)
def test_input_and_random_state_are_left_alone(test):
    """The tokens stay what they are, and the global generators are not used: the same answer twice."""
    x, state = tokens(), torch.get_rng_state()
    before = str(np.random.get_state())
    first = test(attention(causal_mask(N, like=x)), x)
    assert torch.equal(first, test(attention(causal_mask(N, like=x)), x))
    assert torch.equal(x, tokens())
    assert torch.equal(state, torch.get_rng_state())
    assert before == str(np.random.get_state())


def test_what_does_not_fit_is_refused():
    """Wrong shapes, dtypes, and outputs that cannot be compared raise, with a sentence that says what to do."""
    assert message_of(ValueError, lambda: first_leak(np.zeros(3))).startswith(
        "first_leak: weights has shape (3,), but it must be (n, m); n is the number of queries"
    )
    assert message_of(TypeError, lambda: first_leak(np.eye(2, dtype=int))) == (
        "first_leak: weights has dtype int64, but it must be floating point (booleans belong in a mask)."
    )
    ids = torch.tensor([1, 2])
    for test in BOTH_TESTS:
        assert message_of(TypeError, lambda test=test: test(lambda x: x, ids)) == (
            f"{test.__name__}: x has dtype torch.int64, but it must be floating point (booleans belong in a mask)."
        )
        assert message_of(ValueError, lambda test=test: test(lambda x: x.sum(), tokens())) == (
            f"{test.__name__}: model(x) has shape (), but it must be (n, ...); "
            "n is the number of queries, the first axis of what the model returns."
        )
        unstable = lambda x: torch.softmax(x @ x.T + torch.where(causal_mask(5, 4, like=x)[:, :1], 0.0, -math.inf), -1)  # noqa: E731 - one line, like the mistake
        assert message_of(ValueError, lambda test=test, unstable=unstable: test(unstable, tokens())) == (
            f"{test.__name__}: output 0 of the model is not finite, so it cannot be compared; "
            "a row that may attend to nothing gives NaN unless it is given zeros."
        )
    assert message_of(ValueError, lambda: leak_by_perturbation(lambda x: x, ids, ids[:1])) == (
        "leak_by_perturbation: other has shape (1,), but x has shape (2,); it gives each token its replacement."
    )
