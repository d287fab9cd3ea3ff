"""Wrong answers to qkv.self_attention whose values are right, at least mostly: gradients, dtypes, memory, rare inputs."""

import math

import numpy as np
import torch
from answers import wrong
from torch import nn

from attn_core.self_attention import self_attention


@wrong("detaches the weights, so that W_q and W_k never learn")
def no_grad_for_the_weights(x, W_q, W_k, W_v):
    with torch.no_grad():
        w = self_attention(x, W_q, W_k, W_v)[1]
    return w @ (x @ W_v), w


@wrong("mixes with detached weights, so that the output does not teach W_q and W_k")
def weights_data(x, W_q, W_k, W_v):
    w = self_attention(x, W_q, W_k, W_v)[1]
    return w.data @ (x @ W_v), w


@wrong("returns detached weights")
def weights_for_looking_at(x, W_q, W_k, W_v):
    out, w = self_attention(x, W_q, W_k, W_v)
    return out, w.detach()


@wrong("detaches the tokens on their way to the keys")
def keys_cached(x, W_q, W_k, W_v):
    w = torch.softmax((x @ W_q) @ (x.detach() @ W_k).mT / math.sqrt(W_q.shape[1]), -1)
    return w @ (x @ W_v), w


@wrong("detaches the tokens in the scores, so that x gets its gradient from the values only")
def scores_from_a_copy(x, W_q, W_k, W_v):
    y = x.clone().detach()
    w = torch.softmax((y @ W_q) @ (y @ W_k).mT / math.sqrt(W_q.shape[1]), -1)
    return w @ (x @ W_v), w


@wrong("cuts the gradient to x")
def through_numpy(x, W_q, W_k, W_v):
    arrays = [a.detach().numpy() for a in (x, W_q, W_k, W_v)]
    q, k, v = (arrays[0] @ W for W in arrays[1:])
    s = q @ np.swapaxes(k, -1, -2) / math.sqrt(q.shape[-1])
    w = np.exp(s - s.max(-1, keepdims=True))
    w = w / w.sum(-1, keepdims=True)
    return torch.from_numpy(w @ v), torch.from_numpy(w)


@wrong("cuts the gradient to W_v")
def parameters(x, W_q, W_k, W_v):
    layers = [nn.Parameter(W.clone()) for W in (W_q, W_k, W_v)]
    return self_attention(x, *(layer.to(x.dtype) for layer in layers))


class _Doubled(torch.autograd.Function):
    """The identity with twice its gradient."""

    @staticmethod
    def forward(_ctx, y):
        return y.view_as(y)

    @staticmethod
    def backward(_ctx, gradient):
        return 2 * gradient


@wrong("has gradients that are 2 times the right ones")
def doubled(x, W_q, W_k, W_v):
    return tuple(_Doubled.apply(y) for y in self_attention(x, W_q, W_k, W_v))


@wrong("has the right values but wrong gradients")
def scores_doubled_backwards(x, W_q, W_k, W_v):
    s = _Doubled.apply((x @ W_q) @ (x @ W_k).mT / math.sqrt(W_q.shape[1]))
    w = torch.softmax(s, -1)
    return w @ (x @ W_v), w


@wrong("clips the scores before the softmax")
def clamped(x, W_q, W_k, W_v):
    s = ((x @ W_q) @ (x @ W_k).mT / math.sqrt(W_q.shape[1])).clamp(max=50)
    w = torch.softmax(s.clamp(min=-50), -1)
    return w @ (x @ W_v), w


@wrong("subtracts the maximum of all scores, so that rows that score low underflow")
def global_maximum(x, W_q, W_k, W_v):
    s = (x @ W_q) @ (x @ W_k).mT / math.sqrt(W_q.shape[1])
    e = (s - s.max()).exp()
    w = e / e.sum(-1, keepdim=True)
    return w @ (x @ W_v), w


@wrong("loses precision: its float64 results are only as good as float32")
def half_way_in_float32(x, W_q, W_k, W_v):
    out, w = self_attention(x.float(), W_q.float(), W_k.float(), W_v.float())
    return out.to(x.dtype), w.to(x.dtype)


@wrong("loses precision: its float64 results are only as good as float32")
def scale_as_a_tensor(x, W_q, W_k, W_v):
    s = (x @ W_q) @ (x @ W_k).mT / torch.sqrt(torch.tensor(float(W_q.shape[1])))
    w = torch.softmax(s.float(), -1).to(x.dtype)
    return w @ (x @ W_v), w


@wrong("loses precision: its float64 results are only as good as float32")
def epsilon_in_the_sum(x, W_q, W_k, W_v):
    s = (x @ W_q) @ (x @ W_k).mT / math.sqrt(W_q.shape[1])
    e = torch.exp(s - s.amax(-1, keepdim=True))
    w = e / (e.sum(-1, keepdim=True) + 1e-7)
    return w @ (x @ W_v), w


@wrong("does not keep the dtype of its inputs")
def always_float32(x, W_q, W_k, W_v):
    return tuple(y.float() for y in self_attention(x, W_q, W_k, W_v))


@wrong(None, why="scales W_q in place, which changes nothing where W_q is zero, and loses the scale in the gradient")
def scales_the_projection(x, W_q, W_k, W_v):
    with torch.no_grad():
        W_q.div_(math.sqrt(W_q.shape[1]))
    w = torch.softmax((x @ W_q) @ (x @ W_k).mT, -1)
    return w @ (x @ W_v), w


@wrong("touches the global random generator")
def dropout(x, W_q, W_k, W_v):
    out, w = self_attention(x, W_q, W_k, W_v)
    return nn.functional.dropout(out, 1e-9), w


@wrong("touches the global random generator")
def fresh_layers(x, W_q, W_k, W_v):
    layer = nn.Linear(*W_q.shape, bias=False, dtype=x.dtype)
    layer.weight.data = W_q.T
    return self_attention(x, layer.weight.T, W_k, W_v)


@wrong("returns nothing")
def prints(x, W_q, W_k, W_v):
    print(*self_attention(x, W_q, W_k, W_v))


@wrong("returns 3 values instead of 2")
def scores_too(x, W_q, W_k, W_v):
    return *self_attention(x, W_q, W_k, W_v), (x @ W_q) @ (x @ W_k).mT


@wrong("is right except when d_k = n")
def transposes_where_it_can(x, W_q, W_k, W_v):
    k = x @ W_k
    k = k if k.shape[-2] == k.shape[-1] else k.mT
    w = torch.softmax((x @ W_q) @ k / math.sqrt(W_q.shape[1]), -1)
    return w @ (x @ W_v), w


@wrong("lets all sequences of a batch attend to each other")
def melted(x, W_q, W_k, W_v):
    n = x.shape[-2]
    flat = x.flatten(0, -2)
    out, w = self_attention(flat, W_q, W_k, W_v)
    blocks = [w[b * n : (b + 1) * n, b * n : (b + 1) * n] for b in range(len(flat) // n)]
    return out.reshape(*x.shape[:-1], -1), torch.stack(blocks).reshape(*x.shape[:-1], n)


@wrong("is right except with more than one batch axis")
def at_most_one_batch_axis(x, W_q, W_k, W_v):
    out, w = self_attention(x.reshape(-1, *x.shape[-2:]), W_q, W_k, W_v)
    return (out, w) if x.ndim > 2 else (out[0], w[0])


@wrong("is right except when n > …")
def a_window_of_eight(x, W_q, W_k, W_v):
    s = (x @ W_q) @ (x @ W_k).mT / math.sqrt(W_q.shape[1])
    place = torch.arange(x.shape[-2])
    w = torch.softmax(s.masked_fill((place[:, None] - place).abs() > 8, -math.inf), -1)
    return w @ (x @ W_v), w


@wrong("is right on ordinary inputs, but not for: a token of zeros")
def zeros_are_padding(x, W_q, W_k, W_v):
    s = (x @ W_q) @ (x @ W_k).mT / math.sqrt(W_q.shape[1])
    padding = (x == 0).all(-1)[..., None, :]
    w = torch.softmax(s.masked_fill(padding, -math.inf), -1)
    return w @ (x @ W_v), w


@wrong("is right on ordinary inputs, but not for: a sequence that contains a token twice")
def a_set_has_no_doubles(x, W_q, W_k, W_v):
    s = (x @ W_q) @ (x @ W_k).mT / math.sqrt(W_q.shape[1])
    same = (x[..., :, None, :] == x[..., None, :, :]).all(-1).tril(-1).any(-1)  # equal to an earlier one
    w = torch.softmax(s.masked_fill(same[..., None, :], -math.inf), -1)
    return w @ (x @ W_v), w


@wrong("gives another result the second time it is called")
def moving_average(x, W_q, W_k, W_v, kept={}):  # noqa: B006 - a mutable default is the mistake
    out, w = self_attention(x, W_q, W_k, W_v)
    key = (x.shape, W_q.shape, float(x.detach().sum()))
    seen = kept.get(key)
    kept[key] = out.detach()
    return (out if seen is None else 0.9 * out + 0.1 * seen + 1e-3), w


@wrong("returns the result of an earlier call")
def cache(x, W_q, W_k, W_v, kept={}):  # noqa: B006 - a mutable default is the mistake
    key = x.shape, W_q.shape, W_v.shape, x.dtype
    if key not in kept:
        kept[key] = tuple(y.detach() for y in self_attention(x, W_q, W_k, W_v))
        return self_attention(x, W_q, W_k, W_v)
    return kept[key]


@wrong("splits queries and keys into two heads")
def two_heads(x, W_q, W_k, W_v):
    half = max(1, W_q.shape[1] // 2)
    first = self_attention(x, W_q[:, :half], W_k[:, :half], W_v)[1]
    second = self_attention(x, W_q[:, -half:], W_k[:, -half:], W_v)[1]
    w = (first + second) / 2
    return w @ (x @ W_v), w
