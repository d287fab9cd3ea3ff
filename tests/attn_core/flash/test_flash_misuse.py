"""Arguments that do not fit are refused in sentences that name the public function, the argument, and the cure."""

import math

import numpy as np
import pytest
import torch
from flash_oracle import heads_inputs, int32, packed_inputs
from oracle import message_of

from attn_core.flash import flash_attention, flash_attention_packed

FORWARD, BACKWARD = torch.ops.attn_core.flash_attention, torch.ops.attn_core.flash_attention_backward


def dense(options=None, /, **changes):
    """Call flash_attention on fitting tensors of shapes (2, 4, 5, 3) and (2, 2, 6, 3), with some of them changed."""
    tensors = dict(zip("qkv", heads_inputs("float32"), strict=True))
    return lambda: flash_attention(**(tensors | changes), **(options or {}))


def packed(options=None, /, **changes):
    """The same for flash_attention_packed, with 8 queries and 7 keys."""
    names = ("q", "k", "v", "cu_seqlens_q", "cu_seqlens_k")
    tensors = dict(zip(names, packed_inputs("float32"), strict=True))
    return lambda: flash_attention_packed(**(tensors | changes), **(options or {}))


Q, K, V = heads_inputs("float32")
SHORT = int32(0, 8)

REFUSED = [
    (
        TypeError,
        dense(q=Q.numpy()),
        "flash_attention: q is of type ndarray, but it must be a torch tensor; torch.as_tensor(...) makes one.",
    ),
    (
        TypeError,
        dense({"key_lengths": [6, 6]}),
        "flash_attention: key_lengths is of type list, but it must be a torch tensor; torch.as_tensor(...) makes one.",
    ),
    (
        TypeError,
        packed(cu_seqlens_q=None),
        "flash_attention_packed: cu_seqlens_q is of type NoneType, but it must be a torch tensor; torch.as_tensor(...) makes one.",
    ),
    (
        TypeError,
        dense({"causal": torch.ones(5, 6, dtype=torch.bool)}),
        "flash_attention: causal is of type Tensor, but it must be True or False; "
        "there is no mask argument, as the kernel knows only causality and lengths.",
    ),
    (
        TypeError,
        dense({"scale": torch.tensor(0.5, requires_grad=True)}),
        "flash_attention: scale is of type Tensor, but it must be a number; "
        "multiply q by a tensor instead, where the scale is learned.",
    ),
    (
        ValueError,
        dense({"scale": math.nan}),
        "flash_attention: scale is nan, but it must be finite; leave it out for 1/√d_k.",
    ),
    (
        ValueError,
        packed({"scale": math.inf}),
        "flash_attention_packed: scale is inf, but it must be finite; leave it out for 1/√d_k.",
    ),
    (
        TypeError,
        dense(q=Q.long()),
        "flash_attention: q has dtype torch.int64, but it must be floating point (booleans belong in a mask).",
    ),
    (
        TypeError,
        dense(q=Q.to(torch.float8_e4m3fn), k=K.to(torch.float8_e4m3fn), v=V.to(torch.float8_e4m3fn)),
        "flash_attention: q has dtype torch.float8_e4m3fn, but it must be one of torch.float16, torch.bfloat16, "
        "torch.float32, torch.float64; convert q, k and v.",
    ),
    (
        TypeError,
        dense(v=V.bfloat16()),
        "flash_attention: v has dtype torch.bfloat16, but q has torch.float32; "
        "convert one of them, so that no digits are lost unseen.",
    ),
    (
        ValueError,
        dense(q=Q[0]),
        "flash_attention: q has shape (4, 5, 3), but it must be (B, H_q, n, d_k); B is the number of sequences in a batch, "
        "H_q is the number of query heads, n is the number of queries, or of source positions in a recurrent model, "
        "d_k is the number of features of a query and of a key.",
    ),
    (
        ValueError,
        packed(k=K),
        "flash_attention_packed: k has shape (2, 2, 6, 3), but it must be (total_k, H_kv, d_k); "
        "total_k is the number of keys of all sequences together, H_kv is the number of key-value heads, "
        "d_k is the number of features of a query and of a key.",
    ),
    (
        ValueError,
        dense(k=K[..., :2]),
        "flash_attention: k has d_k=2 in shape (2, 2, 6, 2), but q has d_k=3 in shape (2, 4, 5, 3); "
        "d_k is the number of features of a query and of a key.",
    ),
    (
        ValueError,
        dense(v=V[:, :, :4]),
        "flash_attention: v has m=4 in shape (2, 2, 4, 3), but k has m=6 in shape (2, 2, 6, 3); "
        "m is the number of keys, and of values.",
    ),
    (
        ValueError,
        dense(k=K[:1], v=V[:1]),
        "flash_attention: k has B=1 in shape (1, 2, 6, 3), but q has B=2 in shape (2, 4, 5, 3); "
        "B is the number of sequences in a batch.",
    ),
    (
        ValueError,
        dense(q=Q[:, :3]),
        "flash_attention: q has H_q=3 heads and k has H_kv=2, but each key-value head must serve the same number of "
        "query heads, so H_kv must divide H_q.",
    ),
    (
        ValueError,
        dense(k=K[:, :0], v=V[:, :0]),
        "flash_attention: q has H_q=4 heads and k has H_kv=0, but each key-value head must serve the same number of "
        "query heads, so H_kv must divide H_q.",
    ),
    (
        ValueError,
        dense(q=Q[..., :0], k=K[..., :0]),
        "flash_attention: q has d_k=0, but a head must have at least one feature.",
    ),
    (ValueError, dense(v=V[..., :0]), "flash_attention: v has d_v=0, but a head must have at least one feature."),
    (
        ValueError,
        dense(k=K.to("meta")),
        "flash_attention: k is on device meta, but q is on cpu; k.to(q.device) moves it.",
    ),
    (
        ValueError,
        dense(v=V.to("meta")),
        "flash_attention: v is on device meta, but q is on cpu; v.to(q.device) moves it.",
    ),
    (
        ValueError,
        dense({"key_lengths": int32(6, 6).to("meta")}),
        "flash_attention: key_lengths is on device meta, but q is on cpu; key_lengths.to(q.device) moves it.",
    ),
    (
        TypeError,
        dense({"key_lengths": torch.tensor([6, 6])}),
        "flash_attention: key_lengths has dtype torch.int64, but it must be torch.int32; "
        "key_lengths.to(torch.int32) converts it.",
    ),
    (
        ValueError,
        dense({"key_lengths": int32(6)}),
        "flash_attention: key_lengths has shape (1,), but it must be (B,) with B=2 as in q; each sequence has one length.",
    ),
    (
        ValueError,
        dense({"key_lengths": int32(6, 7)}),
        "flash_attention: key_lengths[1] is 7, but it must be between 0 and m=6; "
        "keys at and after a length do not exist.",
    ),
    (
        ValueError,
        dense({"key_lengths": int32(-1, 6)}),
        "flash_attention: key_lengths[0] is -1, but it must be between 0 and m=6; "
        "keys at and after a length do not exist.",
    ),
    (
        TypeError,
        packed(cu_seqlens_k=torch.tensor([0, 4, 6, 7])),
        "flash_attention_packed: cu_seqlens_k has dtype torch.int64, but it must be torch.int32; "
        "cu_seqlens_k.to(torch.int32) converts it.",
    ),
    (
        ValueError,
        packed(cu_seqlens_q=int32(0, 3, 3, 8).to("meta")),
        "flash_attention_packed: cu_seqlens_q is on device meta, but q is on cpu; cu_seqlens_q.to(q.device) moves it.",
    ),
    (
        ValueError,
        packed(cu_seqlens_q=int32(0, 3, 3, 8)[None]),
        "flash_attention_packed: cu_seqlens_q has shape (1, 4), but it must be (B + 1,); "
        "it starts with 0, and then says where each of the B sequences ends.",
    ),
    (
        ValueError,
        packed(cu_seqlens_k=int32()),
        "flash_attention_packed: cu_seqlens_k has shape (0,), but it must be (B + 1,); "
        "it starts with 0, and then says where each of the B sequences ends.",
    ),
    (
        ValueError,
        packed(cu_seqlens_q=SHORT),
        "flash_attention_packed: cu_seqlens_k has shape (4,), but cu_seqlens_q has shape (2,); "
        "both describe the same B sequences, by B + 1 offsets.",
    ),
    (
        ValueError,
        packed(cu_seqlens_q=int32(1, 3, 3, 8)),
        "flash_attention_packed: cu_seqlens_q starts with 1, but it must start with 0; "
        "put a 0 before the running sum of the lengths.",
    ),
    (
        ValueError,
        packed(cu_seqlens_k=int32(0, 5, 4, 7)),
        "flash_attention_packed: cu_seqlens_k falls from 5 to 4 at index 2, but it must not decrease; "
        "it is the running sum of the lengths.",
    ),
    (
        ValueError,
        packed(cu_seqlens_k=int32(0, 4, 6, 6)),
        "flash_attention_packed: cu_seqlens_k ends with 6, but it must end with total_k=7; "
        "every token must belong to a sequence.",
    ),
    (
        ValueError,
        packed(cu_seqlens_q=int32(0, 3, 3, 9)),
        "flash_attention_packed: cu_seqlens_q ends with 9, but it must end with total_q=8; "
        "every token must belong to a sequence.",
    ),
    (
        ValueError,
        lambda: FORWARD(*packed_inputs("float32")[:3], False, None, int32(8), SHORT, SHORT),
        "flash_attention_packed: key_lengths and cu_seqlens were both given, but they exclude each other; "
        "packed sequences have no padding: their lengths are in cu_seqlens_k.",
    ),
    (
        ValueError,
        lambda: FORWARD(*packed_inputs("float32")[:3], False, None, None, SHORT, None),
        "flash_attention_packed: cu_seqlens_q was given without cu_seqlens_k, but both are needed; "
        "for self-attention they are the same tensor.",
    ),
    (
        ValueError,
        lambda: FORWARD(*packed_inputs("float32")[:3], False, None, None, None, SHORT),
        "flash_attention_packed: cu_seqlens_k was given without cu_seqlens_q, but both are needed; "
        "for self-attention they are the same tensor.",
    ),
]


@pytest.mark.parametrize(("kind", "call", "sentence"), REFUSED, ids=[sentence[:70] for _, _, sentence in REFUSED])
def test_what_does_not_fit_is_refused(kind, call, sentence):
    """One sentence per mistake, in full."""
    assert message_of(kind, call) == sentence


@pytest.mark.parametrize("place", range(5, 7))
@pytest.mark.parametrize("change", ["shape", "dtype", "device"])
def test_the_backward_operator_takes_only_what_belongs_together(place, change):
    """Called by hand with results of another problem it refuses, instead of broadcasting them."""
    out, lse = flash_attention(Q, K, V)
    arguments = [Q, K, V, out, lse, torch.ones_like(out), torch.ones_like(lse), False, None, None, None, None]
    name, tensor = ("grad_out", "grad_lse")[place - 5], arguments[place]
    shape, dtype = tuple(tensor.shape), tensor.dtype
    arguments[place] = {"shape": tensor[:, :1], "dtype": tensor.double(), "device": tensor.to("meta")}[change]
    kind, ending = {
        "shape": (
            ValueError,
            f"shape {(2, 1, *shape[2:])}, but it must be {shape}; pass what the forward pass returned.",
        ),
        "dtype": (
            TypeError,
            f"dtype torch.float64, but it must be {dtype}; pass what the forward pass returned.",
        ),
        "device": (ValueError, f"device meta, but q is on cpu; {name}.to(q.device) moves it."),
    }[change]
    verb = "is on" if change == "device" else "has"
    assert message_of(kind, lambda: BACKWARD(*arguments)) == f"flash_attention_backward: {name} {verb} {ending}"


def test_a_tracer_sees_the_same_sentences():
    """Where only shapes are known the shapes are refused alike."""
    assert message_of(ValueError, lambda: flash_attention(*(x.to("meta") for x in (Q[:, :3], K, V)))) == (
        "flash_attention: q has H_q=3 heads and k has H_kv=2, but each key-value head must serve the same number of "
        "query heads, so H_kv must divide H_q."
    )


def test_whole_numbers_and_numpy_numbers_are_scales():
    """An int is a number, a NumPy float64 is a float; True is neither."""
    target = flash_attention(Q, K, V, scale=1.0)[0]
    assert torch.equal(flash_attention(Q, K, V, scale=1)[0], target)
    assert torch.equal(flash_attention(Q, K, V, scale=np.float64(1.0))[0], target)
    assert message_of(TypeError, dense({"scale": True})) == (
        "flash_attention: scale is of type bool, but it must be a number; "
        "multiply q by a tensor instead, where the scale is learned."
    )
