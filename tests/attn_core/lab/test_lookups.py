"""The synthetic look-ups: the answer follows from what query and items say, and nothing else does."""

import re

import pytest
import torch

from attn_core.lab.data import lookups


def generator(seed=0):
    """A seeded generator."""
    return torch.Generator().manual_seed(seed)


def answered(batch, by, items, size):
    """Read the names in each query, find their items by comparing names, and take what they hold."""
    kinds = max(by) + 1
    rows = []
    for query, table in zip(batch.query[:, 0], batch.items, strict=True):
        row = []
        for slot, kind in enumerate(by):
            name = query[slot * items : (slot + 1) * items].argmax()
            (place,) = table[:, kind * items : (kind + 1) * items].argmax(-1).eq(name).nonzero()
            row.append(table[place.item(), kinds * items : kinds * items + size])
        rows.append(torch.stack(row))
    return torch.stack(rows)


@pytest.mark.parametrize("by", [(0, 0), (0, 1), (0,), (0, 0, 0, 0), (0, 1, 2), (1, 0)])
def test_answer_is_what_the_named_items_hold(by):
    """A reader who compares names finds the answer of every query, for one kind of name and for several."""
    batch = lookups(50, generator(), by=by, items=6, size=2, width=32)
    assert torch.equal(batch.answer, answered(batch, by, 6, 2))
    assert batch.answer.shape == (50, len(by), 2)


def test_named_items_stand_where_chosen_says():
    """`chosen` holds the places of the answers, all different within one query."""
    batch = lookups(80, generator(1), by=(0, 1, 0), items=5, size=3)
    for row in range(len(batch)):
        assert torch.equal(batch.items[row, batch.chosen[row], 10:13], batch.answer[row])
        assert len(set(batch.chosen[row].tolist())) == 3


def test_every_name_occurs_once_per_kind_and_kinds_are_independent():
    """Each kind of name is a permutation; two kinds do not order the items alike; unused channels are zero."""
    batch = lookups(40, generator(2), by=(0, 1), items=4, size=2, width=20)
    first, second = batch.items[..., :4], batch.items[..., 4:8]
    for names in (first, second):
        assert torch.equal(names.sum(1), torch.ones(40, 4))
        assert torch.equal(names.sum(2), torch.ones(40, 4))
    assert not torch.equal(first, second)
    assert not batch.items[..., 10:].any()
    assert not batch.query[..., 8:].any()


def test_what_items_hold_has_mean_zero_and_variance_one():
    """The numbers are standard normal, so an error of 1 is that of somebody who knows nothing."""
    held = lookups(4000, generator(3)).answer
    assert abs(held.mean().item()) < 0.02
    assert abs(held.var().item() - 1) < 0.03


def test_the_same_generator_state_gives_the_same_lookups():
    """A seed fixes the draw, another gives another, and a generator goes on where it was."""
    one, same, other = lookups(5, generator(7)), lookups(5, generator(7)), lookups(5, generator(8))
    assert torch.equal(one.items, same.items)
    assert not torch.equal(one.items, other.items)
    source = generator(7)
    assert not torch.equal(lookups(5, source).items, lookups(5, source).items)


def test_global_random_state_is_left_alone():
    """Nothing is drawn from torch's global generator."""
    before = torch.random.get_rng_state()
    lookups(5, generator())
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": (0,) * 9}, "lookups: by asks for 9 different items, but there are only 8."),
        ({"width": 15}, "lookups: width is 15, but the names and numbers need 16 channels."),
        (
            {"by": (0, 1), "size": 9, "width": 24},
            "lookups: width is 24, but the names and numbers need 25 channels.",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    """Too many questions and too little room are refused with a sentence."""
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        lookups(1, generator(), **options)
