"""Reading all states against torch's own attention, buckets against hand counts, and two decoders of equal size."""

import math

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, as_float64, assert_close, exact_attention, make, message_of

from attn_core.seq2seq.bottleneck import accuracy_by_length, attend
from attn_core.seq2seq.bottleneck_decoders import AttendingDecoder, FixedCodeDecoder


def whole(values, kind):
    """Whole numbers as an array of the library of `kind`."""
    return torch.tensor(values) if kind.startswith("torch") else np.asarray(values)


def random_states(kind, batch=3, steps=5, width=4, seed=0):
    """States whose mean is not 0, one query per sequence, and lengths from 1 to all steps."""
    generator = np.random.default_rng(seed)
    h = make(generator.standard_normal((batch, steps, width)) + 0.5, kind)
    query = make(generator.standard_normal((batch, width)), kind)
    return h, query, whole(np.linspace(1, steps, batch).astype(int).tolist(), kind)


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_two_states_by_hand(kind):
    """Scores 0 and ln 3 give the shares 1/4 and 3/4 of the states; a third state behind the length counts for nothing."""
    h = make([[[0.0, 4.0], [math.log(3), 8.0], [50.0, 50.0]]], kind)
    context, weights = attend(h, make([[1.0, 0.0]], kind), whole([2], kind))
    assert_close(weights, [[0.25, 0.75, 0.0]], make([[0.25, 0.75, 0.0]], kind))
    assert_close(context, [[0.75 * math.log(3), 7.0]], make([[0.75 * math.log(3), 7.0]], kind))


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_length_one_copies_the_first_state(kind):
    """With one real step there is nothing to choose: the context is that state, bit for bit."""
    h, query, _ = random_states(kind)
    context, weights = attend(h, 100 * query, whole([1, 1, 1], kind))
    assert as_float64(context).tolist() == as_float64(h[:, 0]).tolist()
    assert as_float64(weights).tolist() == [[1.0, 0.0, 0.0, 0.0, 0.0]] * 3


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_zero_query_gives_the_mean(kind):
    """A query that likes all states equally reads their mean, over the real steps alone."""
    h, query, lengths = random_states(kind)
    context, _ = attend(h, 0 * query, lengths)
    means = [as_float64(h)[b, : int(n)].mean(0) for b, n in enumerate(lengths)]
    assert_close(context, means, make(means, kind))


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_equals_unscaled_attention_with_one_query(kind):
    """The read is attention with one query per sequence, the states as keys and values, and no scale."""
    h, query, lengths = random_states(kind)
    exact = [
        exact_attention(
            make(as_float64(query[b : b + 1]) * 2.0, "numpy float64"), as_float64(h[b, :n]), as_float64(h[b, :n])
        )
        for b, n in enumerate(int(n) for n in lengths)
    ]  # times 2 = √4 cancels the oracle's scale
    context, weights = attend(h, query, lengths)
    assert np.allclose(as_float64(context), [c[0] for c, _ in exact], atol=1e-6 if "32" in kind else 1e-13)
    for row, (_, right), n in zip(as_float64(weights), exact, lengths, strict=True):
        assert np.allclose(row[: int(n)], right[0], atol=1e-6 if "32" in kind else 1e-13)
        assert not row[int(n) :].any()


@pytest.mark.parametrize("filling", [7.0, 1e30])
def test_padding_has_no_effect(filling):
    """Whatever stands behind a length, outputs and gradients stay the same to the last bit, and finite."""
    results = []
    for value in (0.0, filling):
        h, query, lengths = random_states("torch float32")
        h[torch.arange(5) >= lengths[:, None]] = value
        h, query = h.requires_grad_(), query.requires_grad_()
        context, weights = attend(h, query, lengths)
        gradients = torch.autograd.grad(context.sum() + (weights**2).sum(), (h, query))
        results.append((context, weights, *gradients))
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)
        assert second.isfinite().all()


def test_empty_sequence_reads_zeros():
    """A sequence of length 0 gets zero weights and a zero context, as everywhere in attn_core."""
    h, query, _ = random_states("numpy float64")
    context, weights = attend(h, query, np.array([0, 2, 5]))
    assert not context[0].any()
    assert not weights[0].any()


def test_derivative_of_the_context_is_gated_by_the_weight():
    """∂c/∂h_j = a_j [I + (h_j − c) qᵀ], the formula of the lecture, equals what autograd finds; it vanishes with a_j."""
    h, query, _ = random_states("torch float64", batch=1)
    h[0, 3] = -3000.0 * query[0]  # a state that the query dislikes: its weight underflows to 0
    lengths = torch.tensor([5])
    found = torch.autograd.functional.jacobian(lambda states: attend(states, query, lengths)[0][0], h)[:, 0]
    context, weights = attend(h, query, lengths)
    for j in range(5):
        formula = weights[0, j] * (torch.eye(4) + torch.outer(h[0, j] - context[0], query[0]))
        assert torch.allclose(found[:, j], formula, atol=1e-12)
    assert weights[0, 3] == 0
    assert not found[:, 3].any()


def test_attend_names_what_does_not_fit():
    """Wrong shapes, lengths out of range and mixed libraries are sentences that name the argument."""
    h, query, lengths = random_states("numpy float64")
    assert "query has d_h=3" in message_of(ValueError, lambda: attend(h, query[:, :3], lengths))
    assert "lengths has shape (2,)" in message_of(ValueError, lambda: attend(h, query, lengths[:2]))
    assert "between 0 and n=5" in message_of(ValueError, lambda: attend(h, query, lengths + 1))
    assert "a torch tensor" in message_of(TypeError, lambda: attend(h, query, torch.tensor([1, 2, 3])))
    assert "whole numbers" in message_of(TypeError, lambda: attend(h, query, lengths * 1.0))


@pytest.mark.parametrize("kind", ["numpy float64", "torch float64"])
def test_buckets_by_hand(kind):
    """The lower edge belongs to a bucket, the upper one does not; lengths outside are ignored; no length, no number."""
    lengths, correct = [1, 2, 3, 4, 4, 9, 10, 0], [True, True, False, True, True, True, False, False]
    shares = accuracy_by_length(whole(lengths, kind), whole(correct, kind), whole([1, 3, 5, 9, 10], kind))
    assert as_float64(shares).tolist()[:2] == [1.0, 2 / 3]
    assert np.isnan(as_float64(shares)[2])  # 5 to 8: nobody
    assert as_float64(shares)[3] == 1.0  # 9 is inside, 10 is not
    assert "float64" in str(shares.dtype)


def test_buckets_add_up():
    """Shares times members, summed over buckets that cover everything, give the number of correct answers."""
    generator = np.random.default_rng(0)
    lengths, correct = generator.integers(1, 60, 500), generator.random(500) < 0.4
    edges = np.array([1, 7, 20, 21, 60])
    members = np.histogram(lengths, edges)[0]  # no length is 60, so NumPy's closed last bin makes no difference
    assert accuracy_by_length(lengths, correct, edges) @ members == pytest.approx(correct.sum(), abs=1e-9)


def test_one_bucket_is_the_mean():
    """A single bucket around everything is the plain accuracy."""
    correct = np.array([True, False, True, True])
    assert accuracy_by_length(np.array([5, 6, 7, 8]), correct, np.array([5, 9])).tolist() == [0.75]


def test_buckets_name_what_does_not_fit():
    """Edges that do not increase, other shapes and other dtypes are refused."""
    lengths, correct = np.array([1, 2]), np.array([True, False])
    assert "edges" in message_of(ValueError, lambda: accuracy_by_length(lengths, correct, np.array([3, 3])))
    assert "edges" in message_of(ValueError, lambda: accuracy_by_length(lengths, correct, np.array([3])))
    assert "correct has shape (1,)" in message_of(
        ValueError, lambda: accuracy_by_length(lengths, correct[:1], np.array([0, 3]))
    )
    assert "correct has dtype" in message_of(
        TypeError, lambda: accuracy_by_length(lengths, correct * 1.0, np.array([0, 3]))
    )


def started(decoder, lengths=(5, 2)):
    """A memory over two sources of width 6."""
    torch.manual_seed(1)
    annotations, code = torch.randn(2, 5, 6, dtype=torch.float64), torch.randn(2, 6, dtype=torch.float64)
    return decoder.start(annotations, code, torch.tensor(lengths)), annotations


def twins():
    """Both decoders with the same parameters."""
    torch.manual_seed(0)
    fixed, attending = FixedCodeDecoder(7, 6).double(), AttendingDecoder(7, 6).double()
    attending.load_state_dict(fixed.state_dict())  # fails unless names and shapes are the same
    return fixed, attending


def test_decoders_have_the_same_parameters():
    """Attention adds none: names and shapes of all parameters agree, so a comparison of the two is fair."""
    fixed, attending = twins()
    assert [(n, p.shape) for n, p in fixed.named_parameters()] == [
        (n, p.shape) for n, p in attending.named_parameters()
    ]


def test_every_parameter_is_used_by_both():
    """After two steps every parameter of either decoder has a gradient: no size is padded with idle numbers."""
    for decoder in twins():
        memory, _ = started(decoder)
        logits = 0.0
        for token in (1, 3):
            step, memory, _ = decoder.step(torch.tensor([token, token + 1]), memory)
            logits = logits + (step**2).sum()
        logits.backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.parameters())


def test_attending_decoder_reads_what_attend_gives():
    """Its context and weights are those of the reference, with the new state as the query, padding excluded."""
    _, decoder = twins()
    memory, annotations = started(decoder)
    _, after, weights = decoder.step(torch.tensor([1, 4]), memory)
    context, right = attend(annotations, after.state, torch.tensor([5, 2]))
    assert torch.allclose(weights, right, atol=1e-14)
    assert torch.allclose(after.context, context, atol=1e-14)
    assert not weights[1, 2:].any()


def test_fixed_decoder_sees_the_code_alone():
    """Other annotations, same code: the fixed-code decoder writes the same, the attending one does not."""
    for decoder, same in zip(twins(), (True, False), strict=True):
        memory, annotations = started(decoder)
        other = decoder.start(annotations.flip(1), memory.state, torch.tensor([5, 5]))
        token = torch.tensor([1, 4])
        assert torch.equal(decoder.step(token, memory)[0], decoder.step(token, other)[0]) is same


def test_one_annotation_equal_to_the_code_makes_them_twins():
    """If the source is a single position whose annotation is the code, attention has nothing to add."""
    fixed, attending = twins()
    code = torch.randn(2, 6, dtype=torch.float64)
    logits = []
    for decoder in (fixed, attending):
        memory = decoder.start(code[:, None, :], code, torch.tensor([1, 1]))
        _, memory, _ = decoder.step(torch.tensor([1, 4]), memory)
        logits.append(decoder.step(torch.tensor([2, 2]), memory)[0])
    assert torch.allclose(*logits, atol=1e-14)
