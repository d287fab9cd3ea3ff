"""Masks, against their definitions written as loops."""

import math

import array_api_compat.numpy
import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, HALF_KINDS, as_float64, make, message_of

from attn_core.masks import apply_mask, causal_mask, padding_mask, segment_mask

SIZES = [0, 1, 2, 3, 5]
BOTH = [np.asarray, torch.as_tensor]


def test_causal_by_hand():
    """The newest query sees every key; the diagonal is allowed."""
    assert causal_mask(2).tolist() == [[True, False], [True, True]]
    assert causal_mask(1, 3).tolist() == [[True, True, True]]
    assert causal_mask(3, 1).tolist() == [[False], [False], [True]]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("m", SIZES)
@pytest.mark.parametrize("like", [None, np.zeros(1), torch.zeros(1)], ids=["default", "numpy", "torch"])
def test_causal_is_bottom_right_aligned(n, m, like):
    """Query i of n sees key j exactly if j ≤ i + (m − n), also where n and m differ or are 0."""
    mask = causal_mask(n, m, like=like)
    assert isinstance(mask, torch.Tensor if isinstance(like, torch.Tensor) else np.ndarray)
    assert array_api_compat.numpy.isdtype(np.asarray(mask).dtype, "bool")
    assert tuple(mask.shape) == (n, m)
    assert mask.tolist() == [[j <= i + (m - n) for j in range(m)] for i in range(n)]


@pytest.mark.parametrize("n", SIZES)
def test_causal_of_one_size_is_square(n):
    """Without m there are as many keys as queries, and the mask is the lower triangle."""
    assert causal_mask(n).tolist() == np.tril(np.ones((n, n), dtype=bool)).tolist()


def test_causal_bottom_rows_are_those_of_the_whole():
    """The newest queries over a cache see what they see in the full square: decoding agrees with training."""
    assert causal_mask(2, 5).tolist() == causal_mask(5)[3:].tolist()


def test_causal_takes_only_library_and_device_from_like():
    """The dtype and shape of `like` do not matter; its device, here one without data, does."""
    assert causal_mask(2, like=torch.zeros(3, 4, dtype=torch.int64)).tolist() == causal_mask(2).tolist()
    assert causal_mask(2, like=torch.zeros(0, device="meta")).device.type == "meta"


def test_sizes_are_whole_numbers():
    """NumPy integers count as whole; negative sizes, floats and arrays are named."""
    assert causal_mask(np.int64(2), torch.tensor(3)).shape == (2, 3)
    assert message_of(ValueError, lambda: causal_mask(-1)) == "causal_mask: n is -1, but it must be 0 or more."
    assert message_of(ValueError, lambda: causal_mask(1, -2)) == "causal_mask: m is -2, but it must be 0 or more."
    assert message_of(TypeError, lambda: causal_mask(2, 2.0)) == (
        "causal_mask: m is of type float, but it must be a whole number."
    )
    assert message_of(TypeError, lambda: causal_mask(np.zeros((2, 2)))) == (
        "causal_mask: n is of type ndarray, but it must be a whole number."
    )
    assert message_of(TypeError, lambda: padding_mask(np.array([1]), "3")) == (
        "padding_mask: n is of type str, but it must be a whole number."
    )


def test_like_must_be_an_array():
    """A dtype or a name is no array to take library and device from."""
    assert message_of(TypeError, lambda: causal_mask(2, like="torch")) == (
        "causal_mask: like is of type str, but it must be an array; "
        "numpy.asarray(...) or torch.as_tensor(...) makes one."
    )


@pytest.mark.parametrize("array", BOTH)
def test_padding_by_hand(array):
    """Lengths 1, 3 and 0 in a batch padded to 3; one row per sequence, for every query."""
    mask = padding_mask(array([1, 3, 0]), 3)
    assert type(mask) is type(array([1]))
    assert mask.tolist() == [[[True, False, False]], [[True, True, True]], [[False, False, False]]]


@pytest.mark.parametrize("array", BOTH)
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_padding_of_every_length(array, dtype, n):
    """Key j of sequence b is real exactly if j < length_b, for all lengths from 0 to n."""
    lengths = list(range(n + 1))
    mask = padding_mask(array(np.array(lengths, dtype=dtype)), n)
    assert tuple(mask.shape) == (n + 1, 1, n)
    assert mask.tolist() == [[[j < length for j in range(n)]] for length in lengths]


@pytest.mark.parametrize("array", BOTH)
def test_padding_limit_cases(array):
    """No sequences, and sequences of no positions, give empty masks."""
    assert tuple(padding_mask(array(np.zeros(0, dtype=np.int64)), 3).shape) == (0, 1, 3)
    assert tuple(padding_mask(array(np.zeros(2, dtype=np.int64)), 0).shape) == (2, 1, 0)


@pytest.mark.parametrize("array", BOTH)
@pytest.mark.parametrize("length", [-1, 4])
def test_padding_refuses_a_length_outside(array, length):
    """A length below 0 or above n is named."""
    assert message_of(ValueError, lambda: padding_mask(array([2, length]), 3)) == (
        f"padding_mask: lengths has an entry {length}, but every length must be between 0 and n=3; "
        "n is the length that the batch was padded to."
    )


def test_padding_refuses_other_shapes_and_dtypes():
    """Lengths are one row of whole numbers."""
    assert message_of(ValueError, lambda: padding_mask(np.array([[1, 2]]), 3)) == (
        "padding_mask: lengths has shape (1, 2), but it must be (B,); B is the number of sequences in a batch."
    )
    assert message_of(TypeError, lambda: padding_mask(np.array([1.0]), 3)) == (
        "padding_mask: lengths has dtype float64, but it must be whole numbers."
    )


@pytest.mark.parametrize("array", BOTH)
def test_segments_by_hand(array):
    """Two segments and padding: blocks on the diagonal, and nothing for padding, not even padding itself."""
    mask = segment_mask(array([[3, 3, 5, 0]]))
    assert type(mask) is type(array([1]))
    assert mask.tolist() == [
        [[True, True, False, False], [True, True, False, False], [False, False, True, False], [False] * 4]
    ]


@pytest.mark.parametrize("array", BOTH)
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_segments_of_every_kind(array, dtype, n):
    """Query i sees key j exactly if both carry the same id and it is not 0, also where equal ids stand apart."""
    ids = np.random.default_rng(n).integers(0, 4, (5, n))
    mask = segment_mask(array(ids.astype(dtype)))
    assert tuple(mask.shape) == (5, n, n)
    assert mask.tolist() == [[[bool(i == j and i != 0) for j in row] for i in row] for row in ids]


@pytest.mark.parametrize("array", BOTH)
def test_segment_limit_cases(array):
    """No rows, rows of no positions, nothing but padding, and one segment, which sees all of itself."""
    assert tuple(segment_mask(array(np.zeros((0, 3), dtype=np.int64))).shape) == (0, 3, 3)
    assert tuple(segment_mask(array(np.zeros((2, 0), dtype=np.int64))).shape) == (2, 0, 0)
    assert not segment_mask(array([[0, 0]])).any()
    assert segment_mask(array([[2**40, 2**40]])).all()
    assert segment_mask(array([[2**53, 2**53 + 1]])).tolist() == [[[True, False], [False, True]]]  # floats would tie


def test_one_segment_and_padding_is_a_padding_mask_on_both_axes():
    """With ids 1 for real tokens the mask is the padding mask, cut off for the padded queries too."""
    keys = padding_mask(torch.tensor([1, 3, 0]), 3)
    assert torch.equal(segment_mask(keys[:, 0].long()), keys & keys.mT)


def test_segments_refuse_other_shapes_dtypes_and_ids():
    """Ids are a batch of rows of whole numbers from 0."""
    assert message_of(ValueError, lambda: segment_mask(np.array([1, 2]))) == (
        "segment_mask: ids has shape (2,), but it must be (B, n); B is the number of sequences in a batch, "
        "n is the number of queries, or of source positions in a recurrent model."
    )
    assert message_of(TypeError, lambda: segment_mask(torch.zeros(1, 2))) == (
        "segment_mask: ids has dtype torch.float32, but it must be whole numbers."
    )
    assert message_of(ValueError, lambda: segment_mask(torch.tensor([[1, 0], [-2, 1]]))) == (
        "segment_mask: ids has an entry -2, but every id must be 0 or more; "
        "0 is padding, and segments are numbered from 1."
    )


@pytest.mark.parametrize("kind", FULL_KINDS + HALF_KINDS)
def test_apply_by_hand(kind):
    """−∞ where the mask forbids, the very same number elsewhere; the dtype and the input stay."""
    scores = make([[1.5, -2.0], [3.0, 0.25]], kind)
    mask = np.array([[True, False], [False, True]])
    masked = apply_mask(scores, torch.from_numpy(mask) if kind.startswith("torch") else mask)
    assert masked.dtype == scores.dtype
    assert as_float64(masked).tolist() == [[1.5, -math.inf], [-math.inf, 0.25]]
    assert as_float64(scores).tolist() == [[1.5, -2.0], [3.0, 0.25]]


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("shape", [(), (1,), (4,), (3, 1), (1, 4), (3, 4), (2, 1, 4), (2, 3, 4), (1, 1, 1)])
def test_apply_stretches_the_mask(kind, shape):
    """Every mask that broadcasts to the scores means what its stretched copy means."""
    generator = np.random.default_rng(0)
    scores, mask = generator.standard_normal((2, 3, 4)), generator.random(shape) < 0.5
    full = np.broadcast_to(mask, scores.shape)
    masked = as_float64(apply_mask(make(scores, kind), torch.tensor(mask) if kind.startswith("torch") else mask))
    kept = as_float64(make(scores, kind))
    expected = [kept[place] if full[place] else -math.inf for place in np.ndindex(scores.shape)]
    assert masked.ravel().tolist() == expected


@pytest.mark.parametrize("value", [True, False])
def test_apply_limit_cases(value):
    """All allowed changes nothing; nothing allowed leaves −∞ everywhere."""
    scores = np.array([[1.0, 2.0]])
    assert apply_mask(scores, np.full((1, 2), value)).tolist() == ([[1.0, 2.0]] if value else [[-math.inf, -math.inf]])


def test_apply_lets_no_gradient_into_forbidden_places():
    """The gradient is the incoming one where the mask allows, exactly 0 where not, even for what is not finite."""
    scores = torch.tensor([[1.0, 1e300, math.nan]], dtype=torch.float64, requires_grad=True)
    masked = apply_mask(scores, torch.tensor([[True, False, False]]))
    assert masked.tolist() == [[1.0, -math.inf, -math.inf]]
    (gradient,) = torch.autograd.grad(masked, scores, torch.tensor([[3.0, 5.0, 7.0]], dtype=torch.float64))
    assert gradient.tolist() == [[3.0, 0.0, 0.0]]


def test_masks_combine():
    """Causal and padding together: allowed is what both allow, for each sequence of the batch."""
    mask = causal_mask(3) & padding_mask(np.array([3, 1]), 3)
    assert mask.astype(int).tolist() == [[[1, 0, 0], [1, 1, 0], [1, 1, 1]], [[1, 0, 0], [1, 0, 0], [1, 0, 0]]]


@pytest.mark.parametrize(
    ("mask", "dtype"),
    [
        (np.zeros((2, 2)), "float64"),
        (np.ones((2, 2), dtype=np.int64), "int64"),
        (torch.zeros(2, 2), "torch.float32"),
    ],
)
def test_a_mask_that_is_not_boolean_is_refused(mask, dtype):
    """The sentence names both conventions, and the way from each to the right argument."""
    scores = torch.zeros(2, 2) if isinstance(mask, torch.Tensor) else np.zeros((2, 2))
    assert message_of(TypeError, lambda: apply_mask(scores, mask)) == (
        f'apply_mask: mask has dtype {dtype}, but it must be boolean, where True means "may attend"; '
        "numbers that are added to the scores (0 where a query may attend, -inf where not) are a bias, "
        "and a mask of ones and zeros becomes boolean by mask != 0."
    )


def test_a_mask_must_fit_the_scores():
    """A mask of another size or library is named, and scores are never stretched to a mask."""
    assert message_of(ValueError, lambda: apply_mask(np.zeros((2, 3)), np.ones((3, 2), dtype=bool))) == (
        "apply_mask: mask has shape (3, 2), but it must broadcast to the scores' (2, 3); "
        "counted from the right, each of its sizes is 1 or equal to that of the scores."
    )
    assert message_of(ValueError, lambda: apply_mask(np.zeros((1, 3)), np.ones((2, 3), dtype=bool))) == (
        "apply_mask: mask has shape (2, 3), but it must broadcast to the scores' (1, 3); "
        "counted from the right, each of its sizes is 1 or equal to that of the scores."
    )
    assert message_of(TypeError, lambda: apply_mask(torch.zeros(2), np.ones(2, dtype=bool))) == (
        "apply_mask: mask is a NumPy array, but scores is a torch tensor; "
        "convert one of them, with torch.from_numpy(...) or tensor.numpy()."
    )
    assert message_of(TypeError, lambda: apply_mask(np.zeros(2), [True, False])) == (
        "apply_mask: mask is of type list, but it must be an array; "
        "numpy.asarray(...) or torch.as_tensor(...) makes one."
    )
    assert message_of(TypeError, lambda: apply_mask(np.zeros(2, dtype=int), np.ones(2, dtype=bool))) == (
        "apply_mask: scores has dtype int64, but it must be floating point (booleans belong in a mask)."
    )
