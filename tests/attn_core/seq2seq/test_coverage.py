"""Coverage, its two penalties and its decoder, against hand-worked numbers, loops, torch's modules and limit cases."""

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, as_float64, make, message_of
from torch import nn

from attn_core.lab.data import Pair, Vocabulary, make_batch
from attn_core.seq2seq.bahdanau import project, projected_scores
from attn_core.seq2seq.coverage import coverage_loss, coverage_scores, coverage_vectors, doubly_stochastic_penalty
from attn_core.seq2seq.coverage_decoder import CoverageDecoder, loss_with_coverage
from attn_core.seq2seq.model import Encoder, Run, Seq2Seq, loss


def rows_of_weights(*shape, seed=0):
    """Random rows that sum to one."""
    return np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), shape[:-1])


def by_loops(weights, steps):
    """Both penalties of each sequence, written down position by position."""
    losses, penalties = [], []
    for rows, count in zip(weights, steps, strict=True):
        covered, overlap = [0.0] * rows.shape[1], 0.0
        for row in rows[:count]:
            for i, a in enumerate(row):
                overlap += min(a, covered[i])
                covered[i] += a
        losses.append(overlap / count)
        penalties.append(sum((1 - total) ** 2 for total in covered))
    return losses, penalties


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_by_hand(kind):
    """Three steps over two positions: coverage, overlaps 0, 0.5 and 0.5, totals 1.5 and 1.5."""
    weights, steps = make([[[0.5, 0.5], [1, 0], [0, 1]]], kind), make([3], kind)
    steps = steps.astype(np.int64) if isinstance(steps, np.ndarray) else steps.long()
    assert coverage_vectors(weights).tolist() == [[[0, 0], [0.5, 0.5], [1.5, 0.5]]]
    assert as_float64(coverage_loss(weights, steps)) == pytest.approx([1 / 3])
    assert as_float64(doubly_stochastic_penalty(weights, steps)) == pytest.approx([0.5])
    assert coverage_loss(weights, steps).dtype == coverage_vectors(weights).dtype == weights.dtype


def test_nothing_is_covered_before_the_first_step():
    """c_0 is zero, so one step costs nothing, whatever it attends to; no step at all is no coverage."""
    weights = rows_of_weights(4, 1, 5)
    assert not coverage_vectors(weights).any()
    assert not coverage_loss(weights, np.ones(4, np.int64)).any()
    assert coverage_vectors(weights[:, :0]).shape == (4, 0, 5)


@pytest.mark.parametrize("batch", [(), (2,), (3, 2)])
def test_coverage_is_what_earlier_steps_attended_to(batch):
    """c_t is the sum over the rows before t, for any number of batch axes; the last one plus the last row is the total."""
    weights = rows_of_weights(*batch, 6, 4)
    coverage = coverage_vectors(weights)
    for t in range(6):
        np.testing.assert_allclose(coverage[..., t, :], weights[..., :t, :].sum(-2), atol=1e-12)


@pytest.mark.parametrize(("T", "n", "seed"), [(1, 1, 0), (2, 1, 1), (5, 3, 2), (3, 7, 3)])
def test_penalties_equal_a_loop_over_positions(T, n, seed):
    """Both penalties are what the formula says position by position, with a number of real steps for each sequence."""
    weights, steps = rows_of_weights(6, T, n, seed=seed), np.random.default_rng(seed).integers(1, T + 1, 6)
    losses, penalties = by_loops(weights, steps)
    np.testing.assert_allclose(coverage_loss(weights, steps), losses, atol=1e-12)
    np.testing.assert_allclose(doubly_stochastic_penalty(weights, steps), penalties, atol=1e-12)


@pytest.mark.parametrize("penalty", [coverage_loss, doubly_stochastic_penalty])
@pytest.mark.parametrize("rubbish", [0.0, 7.0, -3.0, 1e30, 1.7e308, -1.7e308])
def test_rows_behind_the_last_step_do_not_count(penalty, rubbish):
    """What stands behind the real steps changes neither the value nor any gradient, and gets none."""
    weights, steps = torch.tensor(rows_of_weights(2, 5, 3)), torch.tensor([5, 2])
    filled = weights.clone()
    filled[1, 2:] = rubbish
    filled.requires_grad_()
    penalty(filled, steps).sum().backward()
    assert torch.equal(penalty(filled, steps), penalty(weights, steps))
    assert penalty(weights[1:, :2], steps[1:]).item() == pytest.approx(penalty(weights, steps)[1].item())
    assert not filled.grad[1, 2:].any()
    assert torch.isfinite(filled.grad).all()


@pytest.mark.parametrize("penalty", [coverage_loss, doubly_stochastic_penalty])
@pytest.mark.parametrize("kind", FULL_KINDS)
def test_padding_whose_sums_overflow_does_no_harm(penalty, kind):
    """Two rows as large as the dtype allows, of both signs, overflow as soon as they are summed: they never are."""
    plain = make(rows_of_weights(1, 4, 3), kind)
    filled, largest = make(rows_of_weights(1, 4, 3), kind), 3.4e38 if "32" in str(plain.dtype) else 1.7e308
    filled[0, 2:, 1:], filled[0, 2:, 0] = largest, -largest
    two = make([2], kind)
    two = two.astype(np.int64) if isinstance(two, np.ndarray) else two.long()
    assert as_float64(penalty(filled, two)) == as_float64(penalty(plain, two))


def test_skipping_sources_costs_nothing_and_reading_all_evenly_costs_much():
    """Four of eight positions once each cost 0 in coverage; uniform 8 × 8 costs 7 of 8 steps but is doubly stochastic."""
    skipping = np.eye(8)[None, :4]
    assert coverage_loss(skipping, np.array([4])) == [0.0]
    assert doubly_stochastic_penalty(skipping, np.array([4])) == [4.0]
    uniform = np.full((1, 8, 8), 1 / 8)
    assert coverage_loss(uniform, np.array([8])) * 8 == [7.0]
    assert doubly_stochastic_penalty(uniform, np.array([8])) == [0.0]


def test_reading_everything_once_is_free_in_both():
    """A permutation matrix costs nothing in either penalty: the only kind of weights, for T = n, with both at zero."""
    weights = np.eye(6)[np.random.default_rng(0).permutation(6)][None]
    assert coverage_loss(weights, np.array([6])) == doubly_stochastic_penalty(weights, np.array([6])) == [0.0]


def test_loss_of_a_step_is_at_most_one():
    """Reading the same position at every step costs exactly 1 per step from the second on; nothing costs more."""
    stuck = np.zeros((1, 5, 3))
    stuck[..., 1] = 1.0
    assert coverage_loss(stuck, np.array([5])) == pytest.approx([4 / 5])
    assert (coverage_loss(rows_of_weights(50, 9, 2), np.full(50, 9)) < 8 / 9).all()


@pytest.mark.parametrize("penalty", [coverage_loss, doubly_stochastic_penalty])
def test_gradients_of_the_penalties_equal_finite_differences(penalty):
    """Autograd through cumulative sum, minimum and mask agrees with finite differences."""
    weights = torch.tensor(rows_of_weights(2, 4, 3), requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: penalty(w, torch.tensor([4, 3])), weights)


def random_arguments(seed=0, B=2, n=3, d_s=4, d_h=5, d_a=6):
    """Arguments of coverage_scores, all sizes different."""
    shapes = [(B, d_s), (B, n, d_h), (B, n), (d_a, d_s), (d_a, d_h), (d_a,), (d_a,), (d_a,)]
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def test_scores_equal_the_formula_one_position_at_a_time():
    """vᵀ tanh(W_h h_i + W_s s + w_c c_i + b), vector by vector."""
    s, H, c, W_s, W_h, w_c, b, v = random_arguments()
    scores = coverage_scores(s, H, c, W_s, W_h, w_c, b, v)
    for j in range(2):
        for i in range(3):
            assert scores[j, i] == pytest.approx(v @ np.tanh(W_h @ H[j, i] + W_s @ s[j] + w_c * c[j, i] + b))


def test_torch_linear_layers_give_the_same_scores():
    """One nn.Linear over [h ; s ; c], tanh and a dot product with v: the same function."""
    s, H, c, W_s, W_h, w_c, b, v = map(torch.tensor, random_arguments(seed=1))
    joined = torch.cat([H, s[:, None].expand(-1, 3, -1), c[..., None]], -1)
    expected = torch.tanh(nn.functional.linear(joined, torch.cat([W_h, W_s, w_c[:, None]], 1), b)) @ v
    torch.testing.assert_close(coverage_scores(s, H, c, W_s, W_h, w_c, b, v), expected)


def test_no_coverage_weight_is_additive_attention():
    """With w_c = 0 and b = 0 the scores are Bahdanau's, and the coverage has no effect on them."""
    s, H, c, W_s, W_h, w_c, b, v = random_arguments(seed=2)
    scores = coverage_scores(s, H, c, W_s, W_h, 0 * w_c, 0 * b, v)
    np.testing.assert_allclose(scores, projected_scores(s, project(H, W_h), W_s, v), atol=1e-12)
    assert not np.allclose(
        coverage_scores(s, H, c, W_s, W_h, w_c, b, v), coverage_scores(s, H, 0 * c, W_s, W_h, w_c, b, v)
    )


def test_numpy_and_torch_agree():
    """The same numbers from both libraries."""
    arguments = random_arguments(seed=3)
    np.testing.assert_allclose(coverage_scores(*arguments), coverage_scores(*map(torch.tensor, arguments)).numpy())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: coverage_loss(np.ones((2, 3, 4)), np.array([1, 2, 3])),
            ValueError,
            "coverage_loss: steps has shape (3,), but weights have the batch axes (2,); one number per sequence.",
        ),
        (
            lambda: doubly_stochastic_penalty(np.ones((2, 3, 4)), np.array([1.0, 2.0])),
            TypeError,
            "doubly_stochastic_penalty: steps has dtype float64, but it must be whole numbers.",
        ),
        (
            lambda: coverage_scores(*random_arguments()[:4], *random_arguments()[3:4], *random_arguments()[5:]),
            ValueError,
            "coverage_scores: W_h has d_h=4 in shape (6, 4), but H has d_h=5 in shape (2, 3, 5); "
            "d_h is the number of features of an encoder state.",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    """Wrong shapes and dtypes raise, with a sentence that names the argument."""
    assert message_of(error, call) == message


# --- the decoder


WORDS = Vocabulary("abcdef")
BATCH = make_batch(
    [Pair(tuple("abcab"), tuple("abc")), Pair(tuple("d"), tuple("d")), Pair(tuple("fed"), ())], WORDS, WORDS
)


def model(coverage=True, seed=0, **filled):
    """A small model; `filled` gives parameters of its decoder a value in every entry."""
    torch.manual_seed(seed)
    made = Seq2Seq(Encoder(len(WORDS), 6), CoverageDecoder(len(WORDS), 6, memory=4, coverage=coverage))
    with torch.no_grad():
        for name, value in filled.items():
            getattr(made.decoder, name).fill_(value)
    return made


def test_weights_are_shares_of_the_real_positions():
    """Rows sum to one, and what lies behind the length of a source gets exactly nothing."""
    weights = model(w_c=-2.0)(BATCH).weights
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 4))
    assert not weights[1, :, 1:].any()
    assert not weights[2, :, 3:].any()


def test_a_single_source_word_is_copied_into_the_context():
    """With one real position all weight is there, at every step, however much it has been covered."""
    assert (model(w_c=-5.0)(BATCH).weights[1, :, 0] == 1).all()


def plain_additive_run(made, batch):
    """The same network without coverage, from torch's modules and Bahdanau's scores."""
    decoder = made.decoder
    annotations, code = made.encoder(batch.source, batch.lengths)
    s, logits = torch.tanh(decoder.first(code)), []
    hidden = torch.arange(annotations.shape[1]) >= batch.lengths[:, None]
    for token in batch.target_in.unbind(1):
        s = decoder.cell(decoder.embedding(token), s)
        scores = projected_scores(s, project(annotations, decoder.W_h), decoder.W_s, decoder.v)
        weights = torch.softmax(scores.masked_fill(hidden, -torch.inf), -1)
        context = torch.einsum("bn,bnd->bd", weights, annotations)
        logits.append(decoder.out(torch.cat([s, context], -1)))
    return torch.stack(logits, 1)


def test_without_coverage_weight_it_is_the_plain_additive_decoder():
    """w_c starts at 0: then the logits are those of additive attention; any other w_c changes them."""
    made = model()
    torch.testing.assert_close(made(BATCH).logits, plain_additive_run(made, BATCH))
    assert not torch.allclose(model(w_c=1.0)(BATCH).logits, plain_additive_run(made, BATCH), atol=1e-3)


def test_steps_use_the_reference_scores():
    """The weights of every step are the softmax of coverage_scores with the coverage so far."""
    made = model(w_c=0.7, b=0.3)
    decoder, run = made.decoder, made(BATCH)
    annotations, code = made.encoder(BATCH.source, BATCH.lengths)
    state = decoder.start(annotations, code, BATCH.lengths)
    coverage = coverage_vectors(run.weights)
    for t, token in enumerate(BATCH.target_in.unbind(1)):
        s = decoder.update(decoder.embedding(token), state.s)
        torch.testing.assert_close(state.coverage, coverage[:, t])
        parameters = (decoder.W_s, decoder.W_h, decoder.w_c, decoder.b, decoder.v)
        scores = coverage_scores(s, annotations, coverage[:, t], *parameters)
        expected = torch.softmax(scores.masked_fill(~state.mask, -torch.inf), -1)
        torch.testing.assert_close(run.weights[:, t], expected)
        _, state, _ = decoder.step(token, state)


def test_switched_off_coverage_is_not_learned():
    """Without coverage w_c gets no gradient; with it, it gets one from the first step of training on."""
    for coverage in (False, True):
        made = model(coverage=coverage)
        loss(made(BATCH), BATCH).backward()
        assert (made.decoder.w_c.grad is not None and bool(made.decoder.w_c.grad.any())) is coverage


def test_padding_and_neighbours_change_nothing():
    """A sequence gets the same logits alone as in a batch of longer ones."""
    made = model(w_c=1.0)
    alone = make_batch([Pair(("d",), ("d",))], WORDS, WORDS)
    torch.testing.assert_close(made(alone).logits[0], made(BATCH).logits[1, :2])


def test_loss_with_coverage_adds_the_mean_penalty():
    """λ = 0 is the plain loss, λ = 2 adds twice the mean of the coverage loss; a run without weights is refused."""
    run = model()(BATCH)
    penalty = coverage_loss(run.weights, BATCH.steps).mean()
    assert loss_with_coverage(run, BATCH, 0.0) == loss(run, BATCH)
    torch.testing.assert_close(loss_with_coverage(run, BATCH, 2.0), loss(run, BATCH) + 2 * penalty)
    blind = Run(run.logits, None, run.tokens)
    expected = "loss_with_coverage: this run has no weights; coverage needs a decoder that attends."
    assert message_of(ValueError, lambda: loss_with_coverage(blind, BATCH)) == expected
