"""Right and wrong answers to vision.se_block."""

import torch
from answers import right, wrong
from torch import nn
from torch.nn import functional


def _gate(z, W_1, b_1, W_2, b_2):
    return torch.sigmoid(functional.linear(torch.relu(functional.linear(z, W_1, b_1)), W_2, b_2))


# --- right, in different styles


@right
def step_by_step(x, W_1, b_1, W_2, b_2):
    z = x.mean(dim=(2, 3))
    hidden = torch.relu(z @ W_1.T + b_1)
    gate = torch.sigmoid(hidden @ W_2.T + b_2)
    return x * gate[:, :, None, None], gate


@right
def linear(x, W_1, b_1, W_2, b_2):
    z = functional.adaptive_avg_pool2d(x, 1).flatten(1)
    gate = functional.linear(functional.linear(z, W_1, b_1).relu(), W_2, b_2).sigmoid()
    return gate.unsqueeze(-1).unsqueeze(-1) * x, gate


@right
def convolutions_of_size_one(x, W_1, b_1, W_2, b_2):
    """The form of most image libraries: the two layers are 1 × 1 convolutions on a map of one position."""
    z = x.mean((2, 3), keepdim=True)
    hidden = functional.conv2d(z, W_1[:, :, None, None], b_1).clamp(min=0)
    gate = functional.conv2d(hidden, W_2[:, :, None, None], b_2).sigmoid()
    return x * gate, gate[:, :, 0, 0]


@right
def einsum(x, W_1, b_1, W_2, b_2):
    z = torch.einsum("bchw->bc", x) / (x.shape[2] * x.shape[3])
    hidden = torch.einsum("bc,hc->bh", z, W_1).add(b_1).relu()
    gate = torch.einsum("bh,ch->bc", hidden, W_2).add(b_2).sigmoid()
    return torch.einsum("bchw,bc->bchw", x, gate), gate


@right
def image_by_image(x, W_1, b_1, W_2, b_2):
    outs, gates = [], []
    for image in x:
        z = image.flatten(1).mean(1)
        gate = torch.sigmoid(W_2 @ torch.relu(W_1 @ z + b_1) + b_2)
        outs.append(torch.stack([channel * g for channel, g in zip(image, gate, strict=True)]))
        gates.append(gate)
    return torch.stack(outs), torch.stack(gates)


@right
def columns_instead_of_rows(x, W_1, b_1, W_2, b_2):
    z = x.flatten(2).mean(-1).T
    gate = torch.sigmoid(W_2 @ torch.relu(W_1 @ z + b_1[:, None]) + b_2[:, None]).T
    return (x.permute(2, 3, 0, 1) * gate).permute(2, 3, 0, 1), gate


@right
def sigmoid_by_tanh(x, W_1, b_1, W_2, b_2):
    hidden = torch.where((s := x.mean((2, 3)) @ W_1.T + b_1) > 0, s, torch.zeros_like(s))
    gate = (1 + torch.tanh((hidden @ W_2.T + b_2) / 2)) / 2
    return x * gate.view(*gate.shape, 1, 1), gate


@right
def sigmoid_as_a_softmax_of_two(x, W_1, b_1, W_2, b_2):
    s = torch.addmm(b_2, torch.addmm(b_1, x.mean((2, 3)), W_1.mT).relu(), W_2.mT)
    gate = torch.stack([s, torch.zeros_like(s)]).softmax(0)[0]
    return x * gate[..., None, None], gate


@right
def writes_into_its_own_copy(x, W_1, b_1, W_2, b_2):
    gate = torch.sigmoid(torch.relu(x.mean((2, 3)) @ W_1.T + b_1) @ W_2.T + b_2)
    out = x.clone()
    out *= gate[:, :, None, None]
    return out, gate


@right
def modules_with_the_given_weights(x, W_1, b_1, W_2, b_2):
    squeeze, excite = nn.AdaptiveAvgPool2d(1), nn.Sequential(nn.ReLU(), nn.Flatten())
    gate = functional.linear(excite(functional.linear(squeeze(x)[:, :, 0, 0], W_1, b_1)), W_2, b_2).sigmoid()
    return x.mul(gate.reshape(*gate.shape, 1, 1).expand_as(x)), gate


@right
def biases_as_one_more_column(x, W_1, b_1, W_2, b_2):
    one = x.new_ones(len(x), 1)
    z = torch.cat([x.mean((2, 3)), one], 1)
    hidden = torch.cat([(z @ torch.cat([W_1, b_1[:, None]], 1).T).relu(), one], 1)
    gate = (hidden @ torch.cat([W_2, b_2[:, None]], 1).T).sigmoid()
    return [x * gate[:, :, None, None], gate]


# --- wrong in the backward pass, in manners, for rare inputs


@wrong("cuts the gradient through the gate: x learns as if the gate were constant")
def a_constant_gate(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights)
    return x * gate.data[:, :, None, None], gate


@wrong("detaches the squeezed means")
def frozen_squeeze(x, *weights):
    with torch.no_grad():
        z = x.mean((2, 3))
    gate = _gate(z, *weights)
    return x * gate[:, :, None, None], gate


@wrong("detaches x in the product")
def frozen_map(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights)
    return torch.einsum("bchw,bc->bchw", x.detach(), gate), gate


@wrong("cuts the gradient to b_1")
def frozen_bias(x, W_1, b_1, W_2, b_2):
    return step_by_step(x, W_1, b_1.detach(), W_2, b_2)


@wrong("has the right values but wrong gradients")
def straight_through_rectifier(x, W_1, b_1, W_2, b_2):
    h = functional.linear(x.mean((2, 3)), W_1, b_1)
    gate = functional.linear(h + (h.relu() - h).detach(), W_2, b_2).sigmoid()
    return x * gate[:, :, None, None], gate


@wrong("does not keep the dtype of its inputs")
def always_double(x, *weights):
    return step_by_step(x.double(), *(w.double() for w in weights))


@wrong("loses precision: its float64 results are only as good as float32")
def gate_in_single_precision(x, *weights):
    gate = _gate(x.float().mean((2, 3)), *(w.float() for w in weights)).to(x.dtype)
    return x * gate[:, :, None, None], gate


@wrong("loses precision: its float64 results are only as good as float32")
def a_small_constant(x, W_1, b_1, W_2, b_2):
    hidden = torch.relu(x.mean((2, 3)) @ W_1.T + b_1)
    gate = torch.sigmoid(hidden @ W_2.T + b_2 + 1e-8)
    return x * gate[:, :, None, None], gate


@wrong("changes its input x in place")
def multiplies_in_place(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights)
    x.mul_(gate[:, :, None, None].detach())
    return x * 1, gate


@wrong("touches the global random generator")
def fresh_layers(x, W_1, b_1, W_2, b_2):
    first = nn.Linear(W_1.shape[1], W_1.shape[0], dtype=x.dtype)
    hidden = functional.linear(x.mean((2, 3)), W_1, b_1) + 0 * first(x.mean((2, 3)))
    gate = functional.linear(hidden.relu(), W_2, b_2).sigmoid()
    return x * gate[:, :, None, None], gate


@wrong("returns the result of an earlier call")
def cached_by_shape(x, *weights, seen={}):  # noqa: B006 - a mutable default is the mistake
    key = tuple(x.shape), weights[0].shape, x.dtype
    if key not in seen:
        seen[key] = step_by_step(x, *weights)
    return seen[key]


@wrong("gives another result the second time it is called")
def momentum(x, *weights, seen={}):  # noqa: B006 - a mutable default is the mistake
    gate = _gate(x.mean((2, 3)), *weights)
    key = tuple(x.flatten().tolist()[:3])
    gate = gate if key not in seen else 0.9 * gate + 0.1 * seen[key]
    seen[key] = gate.detach() ** 2
    return x * gate[:, :, None, None], gate


@wrong("is right except when x is all zero")
def skips_empty_images(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights)
    gate = gate * (x != 0).flatten(1).any(1)[:, None]
    return x * gate[:, :, None, None], gate


@wrong("cuts large logits off, so that no gate comes near 0 or 1")
def clamps_the_logits(x, W_1, b_1, W_2, b_2):
    s = torch.relu(x.mean((2, 3)) @ W_1.T + b_1) @ W_2.T + b_2
    gate = torch.sigmoid(s.clamp(-20, 20))
    return x * gate[:, :, None, None], gate


@wrong("is right except when B > …")
def a_loop_over_two_images(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights)
    out = x.clone()
    for b in range(min(2, len(x))):
        out[b] = x[b] * gate[b][:, None, None]
    return out, gate


@wrong("returns a list or tuple instead of a float64 tensor as output 2 of 2")
def gate_as_a_list(x, *weights):
    out, gate = step_by_step(x, *weights)
    return out, gate.tolist()


@wrong("uses view on a tensor that does not lie in memory row by row")
def viewed(x, *weights):
    gate = _gate(x.view(*x.shape[:2], -1).mean(-1), *weights)
    return x * gate[:, :, None, None], gate


@wrong("uses a hard sigmoid")
def the_hard_sigmoid_of_torch(x, W_1, b_1, W_2, b_2):
    gate = functional.hardsigmoid(torch.relu(x.mean((2, 3)) @ W_1.T + b_1) @ W_2.T + b_2)
    return x * gate[:, :, None, None], gate
