"""More answers to masks.segment: what padding sees, and arithmetic with ids."""

import torch
from answers import right, wrong

NARROW = "compares in fewer than 64 bits, which cannot tell large ids apart"
PRODUCT = "multiplies ids, which overflows 64 bits"
OTHERS = "shows tokens of other segments and hides those of the own"


@right
def ids_are_positive(ids):
    return (ids[:, :, None] == ids[:, None, :]) & (ids > 0)[:, None, :]


@right
def common_bits(ids):
    query, key = ids[:, :, None], ids[:, None, :]
    return (query ^ key == 0) & (query & key != 0)


@right
def memberships(ids):
    names, index = torch.unique(ids, return_inverse=True)
    member = torch.nn.functional.one_hot(index, len(names)).double() * (ids != 0)[..., None]
    return member @ member.mT > 0


@right
def places_of_each_segment(ids):
    mask = torch.zeros(*ids.shape, ids.shape[1], dtype=torch.bool)
    for row, out in zip(ids.tolist(), mask, strict=True):
        for name in set(row) - {0}:
            places = torch.tensor([j for j, other in enumerate(row) if other == name])
            out[places[:, None], places] = True
    return mask


@wrong(NARROW)
def int32_but_padding_in_64(ids):
    small = ids.int()
    return (small[:, :, None] == small[:, None, :]) & (ids != 0)[:, None, :]


@wrong(PRODUCT)
def neither_is_zero(ids):
    query, key = ids[:, :, None], ids[:, None, :]
    return (query == key) & (query * key != 0)


@wrong(PRODUCT)
def product_equals_square(ids):
    query, key = ids[:, :, None], ids[:, None, :]
    return (query * key == query * query) & (query != 0)


@wrong("lets everyone see padding")
def padding_is_visible(ids):
    query, key = ids[:, :, None], ids[:, None, :]
    return (query == key) | (key == 0)


@wrong("lets padding see everyone")
def padding_looks_around(ids):
    query, key = ids[:, :, None], ids[:, None, :]
    return (query == key) | (query == 0)


@wrong(OTHERS)
def not_equal(ids):
    return (ids[:, :, None] != ids[:, None, :]) & (ids != 0)[:, None, :]


@wrong("takes the smallest id for padding")
def smallest_is_padding(ids):
    return (ids[:, :, None] == ids[:, None, :]) & (ids != ids.min())[:, None, :]


@wrong("takes the id of the last token for padding")
def last_is_padding(ids):
    return (ids[:, :, None] == ids[:, None, :]) & (ids != ids[:, -1:])[:, None, :]


@wrong("compares each token with the whole batch")
def axes_of_two_vectors(ids):
    return (ids[:, None] == ids[None]) & (ids != 0)


@wrong("flattens the batch: every token meets the tokens of all rows")
def flattened(ids):
    flat = ids.flatten()
    return (flat[:, None] == flat) & (flat != 0)


@wrong("squeezes away every axis of size 1")
def squeezed(ids):
    return ((ids[:, :, None] == ids[:, None, :]) & (ids != 0)[:, None, :]).squeeze()


@wrong("is right on ordinary inputs, but not for: a batch of nothing but padding")
def memberships_divided(ids):  # 0/0 hides padding as long as there is a segment; where there is none, 1/0 opens it
    names, index = torch.unique(ids, return_inverse=True)
    member = torch.nn.functional.one_hot(index, len(names)).double() / (ids != 0)[..., None]
    return member @ member.mT > 0
