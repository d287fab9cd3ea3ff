"""Right and wrong answers to luong.attentional_state."""

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong
from torch import nn

# --- right, in different styles


@right
def concatenate_and_multiply(h, context, W_c):
    return torch.tanh(torch.cat([context, h], dim=-1) @ W_c.T)


@right
def functional_linear(h, context, W_c):
    return F.linear(torch.hstack((context, h)), W_c).tanh()


@right
def two_blocks(h, context, W_c):
    d_s = context.size(1)
    return torch.tanh(context @ W_c[:, :d_s].mT + h @ W_c[:, d_s:].mT)


@right
def einsum(h, context, W_c):
    return torch.einsum("bi,oi->bo", torch.concat((context, h), 1), W_c).tanh()


@right
def columns_of_the_batch(h, context, W_c):
    return torch.tanh(W_c @ torch.cat([context.T, h.T])).T


@right
def sentence_by_sentence(h, context, W_c):
    return torch.stack([torch.tanh(W_c.mv(torch.cat((c, x)))) for c, x in zip(context, h, strict=True)])


@right
def upcast_and_cast_back(h, context, W_c):
    return torch.tanh(torch.cat([context, h], -1).double() @ W_c.double().T).to(h.dtype)


@right
def a_layer_of_its_own(h, context, W_c):
    layer = nn.utils.skip_init(nn.Linear, W_c.shape[1], W_c.shape[0], bias=False, dtype=W_c.dtype)
    return torch.func.functional_call(layer, {"weight": W_c}, (torch.cat([context, h], -1),)).tanh()


# --- wrong, the way learners write it


@wrong("puts h first and the context second")
def state_first(h, context, W_c):
    return torch.tanh(F.linear(torch.cat([h, context], 1), W_c))


@wrong("puts h first and the context second")
def blocks_exchanged(h, context, W_c):
    W_h, W_s = W_c.split([h.shape[1], context.shape[1]], 1)
    return torch.tanh(h @ W_h.T + context @ W_s.T)


@wrong("leaves out the tanh")
def linear_only(h, context, W_c):
    return F.linear(torch.cat([context, h], -1), W_c)


@wrong("applies tanh before W_c instead of after")
def squashed_too_early(h, context, W_c):
    return F.linear(torch.cat([context, h], -1).tanh(), W_c)


@wrong("applies tanh on both sides of W_c")
def squashed_twice(h, context, W_c):
    return F.linear(torch.cat([context.tanh(), h.tanh()], -1), W_c).tanh()


@wrong("uses a sigmoid instead of tanh")
def sigmoid(h, context, W_c):
    return F.linear(torch.cat([context, h], -1), W_c).sigmoid()


@wrong("uses a rectifier instead of tanh")
def rectified(h, context, W_c):
    return F.linear(torch.cat([context, h], -1), W_c).clamp(min=0)


@wrong("ignores the context")
def state_only(h, context, W_c):
    return torch.tanh(torch.cat([torch.zeros_like(context), h], -1) @ W_c.T)


@wrong("ignores the decoder state")
def context_only(h, context, W_c):
    return torch.tanh(torch.cat([context, torch.zeros_like(h)], -1) @ W_c.T)


@wrong("adds context and state instead of putting them side by side")
def added(h, context, W_c):
    return torch.tanh(W_c @ (h + context).T).T


@wrong("takes tanh of the two parts separately, and adds then")
def two_tanh(h, context, W_c):
    W_s, W_h = W_c[:, : -h.shape[1]], W_c[:, -h.shape[1] :]
    return F.linear(context, W_s).tanh() + F.linear(h, W_h).tanh()


@wrong("returns the transpose of the right result")
def forgot_to_turn_back(h, context, W_c):
    return torch.tanh(W_c @ torch.cat([context, h], -1).mT)


@wrong("turns the result into probabilities")
def softmax_on_top(h, context, W_c):
    return F.softmax(torch.tanh(F.linear(torch.cat([context, h], -1), W_c)), dim=-1)


@wrong("detaches the context, so that the attention never learns")
def detached_context(h, context, W_c):
    return torch.tanh(torch.cat([context.detach(), h], -1) @ W_c.T)


@wrong("cuts the gradient to h")
def detached_state(h, context, W_c):
    with torch.no_grad():
        part = h @ W_c[:, context.shape[1] :].T
    return torch.tanh(context @ W_c[:, : context.shape[1]].T + part + (h - h.detach()).sum() * 0) + _only(
        W_c, h, context
    )


def _only(W_c, h, context):
    """Nothing as a number, but the gradient that W_c has lost above."""
    part = h.detach() @ W_c[:, context.shape[1] :].T
    inner = (context @ W_c[:, : context.shape[1]].T).detach() + part
    return torch.tanh(inner) - torch.tanh(inner).detach()


@wrong("has the right values but wrong gradients")
def hard_tanh_backwards(h, context, W_c):
    z = F.linear(torch.cat([context, h], -1), W_c)
    return F.hardtanh(z) + (z.tanh() - F.hardtanh(z)).detach()


@wrong("does not keep the dtype of its inputs")
def always_double(h, context, W_c):
    return torch.tanh(torch.cat([context, h], -1).double() @ W_c.double().T)


@wrong("loses precision: its float64 results are only as good as float32")
def single_precision_inside(h, context, W_c):
    return torch.tanh(torch.cat([context, h], -1).float() @ W_c.float().T).to(h.dtype)


@wrong("overflows for large inputs")
def tanh_by_exponentials(h, context, W_c):
    z = F.linear(torch.cat([context, h], -1), W_c)
    return (z.exp() - (-z).exp()) / (z.exp() + (-z).exp())


@wrong("changes its input context in place")
def squashes_the_context(h, context, W_c):
    whole = torch.cat([context, h], -1)
    context.zero_()
    return torch.tanh(whole @ W_c.T)


@wrong("touches the global random generator")
def dropout(h, context, W_c):
    return torch.tanh(F.dropout(torch.cat([context, h], -1), 0.2) @ W_c.T)


@wrong("touches the global random generator")
def a_fresh_layer_with_a_bias(h, context, W_c):
    layer = nn.Linear(W_c.shape[1], W_c.shape[0], dtype=h.dtype)
    layer.weight.data.copy_(W_c)
    return torch.tanh(layer(torch.cat([context, h], -1)))


@wrong("is right except when context is all zero")
def skips_an_empty_context(h, context, W_c):
    if not context.any():
        return torch.zeros(len(h), len(W_c), dtype=h.dtype)
    return torch.tanh(torch.cat([context, h], -1) @ W_c.T)


@wrong("returns a list or tuple instead of a float64 tensor")
def also_the_context(h, context, W_c):
    return torch.tanh(torch.cat([context, h], -1) @ W_c.T), context
