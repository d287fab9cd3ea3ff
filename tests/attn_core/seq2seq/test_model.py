"""The encoder–decoder, with decoders whose behaviour is known."""

import pytest
import torch
from torch import nn

from attn_core.lab.data import END, PAD, Batch, Pair, Vocabulary, make_batch
from attn_core.seq2seq.model import Encoder, Run, Seq2Seq, exact, loss

LETTERS = Vocabulary("abc")  # a is 3


class Copier(nn.Module):
    """Writes the source symbol by symbol, then END, and looks where it reads; it never errs."""

    def start(self, annotations, code, lengths):
        """Begin at the first symbol."""
        return 0, annotations, lengths

    def step(self, token, state):
        """Write the symbol at the current position."""
        t, annotations, lengths = state
        position = torch.clamp(torch.full_like(lengths, t), max=annotations.shape[1] - 1)
        symbol = annotations[torch.arange(len(lengths)), position, 0].long()
        symbol = torch.where(t < lengths, symbol, END)
        weights = nn.functional.one_hot(position, annotations.shape[1]).float()
        return nn.functional.one_hot(symbol, len(LETTERS)).float() * 50, (t + 1, annotations, lengths), weights


class Mirror(nn.Module):
    """An encoder whose annotations are the source itself."""

    def forward(self, source, lengths):
        """Annotations (B, n, 1) and a code."""
        return source[..., None].float(), source[:, :1].float()


def copies(*words):
    """A batch in which every word is its own translation."""
    return make_batch([Pair(tuple(word), tuple(word)) for word in words], LETTERS, LETTERS)


def test_translate_stops_when_all_have_ended():
    """Greedy decoding of words of different lengths ends with the longest one and its end mark."""
    run = Seq2Seq(Mirror(), Copier()).translate(copies("a", "cab").source, torch.tensor([1, 3]), limit=10)
    assert run.tokens.tolist() == [[3, END, END, END], [5, 3, 4, END]]
    assert run.weights.shape == (2, 4, 3)


def test_translate_respects_its_limit():
    """A decoder that does not end is cut off."""
    assert Seq2Seq(Mirror(), Copier()).translate(torch.full((1, 9), 3), torch.tensor([9]), limit=4).tokens.shape == (
        1,
        4,
    )


def test_a_perfect_decoder_has_no_loss_and_is_exact():
    """Logits that are sure and right cost nothing; padding costs nothing either."""
    batch = copies("a", "cab")
    model = Seq2Seq(Mirror(), Copier())
    assert loss(model(batch), batch).item() < 1e-6
    assert exact(model, batch).tolist() == [True, True]


def test_the_loss_of_ignorance_is_the_logarithm_of_the_vocabulary():
    """Equal logits cost ln V at every real step."""
    batch = copies("a", "cab")
    run = Run(torch.zeros(2, 4, len(LETTERS)), None, torch.zeros(2, 4))
    assert loss(run, batch).item() == pytest.approx(torch.log(torch.tensor(6.0)).item())


def test_exact_forgives_nothing_before_the_end():
    """One wrong symbol, one too many or too few: not exact."""
    model = Seq2Seq(Mirror(), Copier())
    batch = copies("ab", "ab", "ab", "ab")
    wrong = [[3, 4, END, PAD], [3, 5, END, PAD], [3, END, PAD, PAD], [3, 4, 4, END]]
    batch = Batch(batch.source, batch.lengths, batch.target_in, torch.tensor(wrong), batch.steps)
    assert exact(model, batch).tolist() == [True, False, False, False]


def test_padding_changes_nothing():
    """Annotations and code of a word are the same alone and beside a longer one; behind its length stand zeros."""
    torch.manual_seed(0)
    encoder = Encoder(len(LETTERS), 8)
    both, alone = copies("ab", "abcab"), copies("ab")
    annotations, code = encoder(both.source, both.lengths)
    own_annotations, own_code = encoder(alone.source, alone.lengths)
    torch.testing.assert_close(annotations[0, :2], own_annotations[0])
    torch.testing.assert_close(code[0], own_code[0])
    assert annotations[0, 2:].abs().max() == 0


def test_the_code_is_where_each_direction_ended():
    """The code is the forward half of the last annotation and the backward half of the first."""
    torch.manual_seed(0)
    batch = copies("abc", "ca")
    annotations, code = Encoder(len(LETTERS), 8)(batch.source, batch.lengths)
    for row, length in enumerate(batch.lengths.tolist()):
        torch.testing.assert_close(code[row, :4], annotations[row, length - 1, :4])
        torch.testing.assert_close(code[row, 4:], annotations[row, 0, 4:])


def test_an_odd_width_is_refused():
    """Two directions share the width."""
    with pytest.raises(ValueError, match="Encoder: width is 7, but it must be even"):
        Encoder(5, 7)
