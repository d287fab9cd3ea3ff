"""Wrong answers to vision.se_block, the way learners write them."""

import torch
from answers import wrong
from torch import nn
from torch.nn import functional


def step_by_step(x, W_1, b_1, W_2, b_2):
    z = x.mean(dim=(2, 3))
    hidden = torch.relu(z @ W_1.T + b_1)
    gate = torch.sigmoid(hidden @ W_2.T + b_2)
    return x * gate[:, :, None, None], gate


# --- wrong, the way learners write it


def _gate(z, W_1, b_1, W_2, b_2):
    return torch.sigmoid(functional.linear(torch.relu(functional.linear(z, W_1, b_1)), W_2, b_2))


@wrong("takes the maximum of each channel instead of its mean")
def max_pooled(x, *weights):
    gate = _gate(functional.adaptive_max_pool2d(x, 1).flatten(1), *weights)
    return x * gate[:, :, None, None], gate


@wrong("sums over the positions instead of averaging")
def summed(x, *weights):
    gate = _gate(x.flatten(2).sum(-1), *weights)
    return x * gate[:, :, None, None], gate


@wrong("adds the maximum to the mean, as CBAM does")
def both_summaries(x, *weights):
    flat = x.flatten(2)
    gate = _gate(flat.mean(2) + flat.max(2).values, *weights)
    return x * gate[:, :, None, None], gate


@wrong("averages over channels and rows")
def wrong_axes(x, *weights):
    gate = _gate(x.mean((1, 2)), *weights)
    return x * gate[:, :, None, None], gate


@wrong("averages over channels and columns")
def other_wrong_axes(x, *weights):
    gate = _gate(x.mean(3).mean(1), *weights)
    return x * gate[:, :, None, None], gate


@wrong("averages over the images of the batch too")
def batch_statistics(x, *weights):
    z = x.transpose(0, 1).flatten(1).mean(1)
    gate = _gate(z.repeat(len(x), 1), *weights)
    return x * gate[:, :, None, None], gate


@wrong("averages over the channels too, so that all channels are summarised by one number")
def one_mean(x, *weights):
    z = x.flatten(1).mean(1, keepdim=True).repeat(1, x.shape[1])
    gate = _gate(z, *weights)
    return x * gate[:, :, None, None], gate


@wrong("leaves out the rectifier between the layers")
def two_linear_layers(x, W_1, b_1, W_2, b_2):
    gate = torch.sigmoid((x.mean((2, 3)) @ W_1.T + b_1) @ W_2.T + b_2)
    return x * gate[:, :, None, None], gate


@wrong("uses a sigmoid between the layers")
def nonlinearities_exchanged(x, W_1, b_1, W_2, b_2):
    hidden = functional.linear(x.mean((2, 3)), W_1, b_1).sigmoid()
    gate = functional.linear(hidden, W_2, b_2).sigmoid()
    return x * gate[:, :, None, None], gate


@wrong("uses tanh between the layers")
def tanh_inside(x, W_1, b_1, W_2, b_2):
    gate = functional.linear(functional.linear(x.mean((2, 3)), W_1, b_1).tanh(), W_2, b_2).sigmoid()
    return x * gate[:, :, None, None], gate


@wrong("uses a GELU between the layers")
def modern_inside(x, W_1, b_1, W_2, b_2):
    gate = functional.linear(nn.GELU()(functional.linear(x.mean((2, 3)), W_1, b_1)), W_2, b_2).sigmoid()
    return x * gate[:, :, None, None], gate


@wrong("uses a SiLU between the layers")
def swish_inside(x, W_1, b_1, W_2, b_2):
    h = functional.linear(x.mean((2, 3)), W_1, b_1)
    gate = functional.linear(h * h.sigmoid(), W_2, b_2).sigmoid()
    return x * gate[:, :, None, None], gate


@wrong("uses a leaky rectifier between the layers")
def leaky(x, W_1, b_1, W_2, b_2):
    gate = functional.linear(nn.LeakyReLU()(functional.linear(x.mean((2, 3)), W_1, b_1)), W_2, b_2).sigmoid()
    return x * gate[:, :, None, None], gate


@wrong("takes a softmax over the channels instead of a sigmoid for each")
def channels_compete(x, W_1, b_1, W_2, b_2):
    hidden = torch.relu(x.mean((2, 3)) @ W_1.T + b_1)
    gate = torch.softmax(hidden @ W_2.T + b_2, dim=-1)
    return x * gate[:, :, None, None], gate


@wrong("takes a softmax over the images of the batch")
def images_compete(x, W_1, b_1, W_2, b_2):
    hidden = torch.relu(x.mean((2, 3)) @ W_1.T + b_1)
    gate = torch.softmax(hidden @ W_2.T + b_2, dim=0)
    return x * gate[:, :, None, None], gate


@wrong("uses tanh instead of the sigmoid")
def signed_gate(x, W_1, b_1, W_2, b_2):
    gate = torch.tanh(torch.relu(x.mean((2, 3)) @ W_1.T + b_1) @ W_2.T + b_2)
    return x * gate[:, :, None, None], gate


@wrong("uses a hard sigmoid")
def mobile(x, W_1, b_1, W_2, b_2):
    s = torch.relu(x.mean((2, 3)) @ W_1.T + b_1) @ W_2.T + b_2
    gate = ((s + 3) / 6).clamp(0, 1)
    return x * gate[:, :, None, None], gate


@wrong("leaves out the sigmoid")
def logits_as_gate(x, W_1, b_1, W_2, b_2):
    gate = torch.relu(x.mean((2, 3)) @ W_1.T + b_1) @ W_2.T + b_2
    return x * gate[:, :, None, None], gate


@wrong("applies the sigmoid twice")
def squashed_twice(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights).sigmoid()
    return x * gate[:, :, None, None], gate


@wrong("applies a rectifier before the sigmoid too")
def rectified_twice(x, W_1, b_1, W_2, b_2):
    h = x.mean((2, 3))
    for W, b in ((W_1, b_1), (W_2, b_2)):
        h = torch.relu(functional.linear(h, W, b))
    gate = h.sigmoid()
    return x * gate[:, :, None, None], gate


@wrong("uses a rectifier instead of the sigmoid")
def a_loop_over_layers(x, W_1, b_1, W_2, b_2):
    gate = x.mean((2, 3))
    for W, b in ((W_1, b_1), (W_2, b_2)):
        gate = functional.linear(gate, W, b).clamp(min=0)
    return x * gate[:, :, None, None], gate


@wrong("doubles the gate, so that it can amplify")
def can_amplify(x, *weights):
    gate = 2 * _gate(x.mean((2, 3)), *weights)
    return x * gate[:, :, None, None], gate


@wrong("uses the complement of the gate")
def inverted(x, W_1, b_1, W_2, b_2):
    gate = torch.sigmoid(-(torch.relu(x.mean((2, 3)) @ W_1.T + b_1) @ W_2.T + b_2))
    return x * gate[:, :, None, None], gate


@wrong("writes the sigmoid with an exponential that overflows: its gradient is NaN")
def textbook_sigmoid(x, W_1, b_1, W_2, b_2):
    s = torch.relu(x.mean((2, 3)) @ W_1.T + b_1) @ W_2.T + b_2
    gate = (1 + (-s).exp()) ** -1
    return x * gate[:, :, None, None], gate


@wrong("writes the sigmoid as exp(s) / (1 + exp(s)), which is ∞ / ∞ for large s")
def other_textbook_sigmoid(x, W_1, b_1, W_2, b_2):
    e = torch.exp(torch.relu(x.mean((2, 3)) @ W_1.T + b_1) @ W_2.T + b_2)
    gate = e / (e + 1)
    return x * gate[:, :, None, None], gate


@wrong("forgets b_1")
def first_layer_without_bias(x, W_1, b_1, W_2, b_2):
    gate = functional.linear(functional.linear(x.mean((2, 3)), W_1).relu(), W_2, b_2).sigmoid()
    return x * gate[:, :, None, None], gate


@wrong("forgets b_2")
def second_layer_without_bias(x, W_1, b_1, W_2, b_2):
    gate = functional.linear(functional.linear(x.mean((2, 3)), W_1, b_1).relu(), W_2).sigmoid()
    return x * gate[:, :, None, None], gate


@wrong("forgets both biases")
def as_in_cbam(x, W_1, b_1, W_2, b_2):
    gate = torch.sigmoid(torch.relu(x.mean((2, 3)) @ W_1.T) @ W_2.T)
    return x * gate[:, :, None, None], gate


@wrong("adds both biases twice")
def bias_in_linear_and_behind(x, W_1, b_1, W_2, b_2):
    h = torch.relu(functional.linear(x.mean((2, 3)), W_1, b_1) + b_1)
    gate = torch.sigmoid(functional.linear(h, W_2, b_2) + b_2)
    return x * gate[:, :, None, None], gate


@wrong("adds b_1 behind the rectifier")
def bias_too_late(x, W_1, b_1, W_2, b_2):
    gate = torch.sigmoid(functional.linear((x.mean((2, 3)) @ W_1.T).relu().add(b_1), W_2, b_2))
    return x * gate[:, :, None, None], gate


@wrong("adds b_2 behind the sigmoid")
def bias_far_too_late(x, W_1, b_1, W_2, b_2):
    gate = functional.linear(functional.linear(x.mean((2, 3)), W_1, b_1).relu(), W_2).sigmoid() + b_2
    return x * gate[:, :, None, None], gate


@wrong("does not transpose W_1")
def first_matrix_turned(x, W_1, b_1, W_2, b_2):
    gate = torch.sigmoid(torch.relu(x.mean((2, 3)) @ W_1 + b_1) @ W_2.T + b_2)
    return x * gate[:, :, None, None], gate


@wrong("does not transpose W_2")
def second_matrix_turned(x, W_1, b_1, W_2, b_2):
    gate = torch.sigmoid(torch.relu(x.mean((2, 3)) @ W_1.T + b_1) @ W_2 + b_2)
    return x * gate[:, :, None, None], gate


@wrong("does not transpose the two matrices")
def both_matrices_turned(x, W_1, b_1, W_2, b_2):
    gate = torch.sigmoid(torch.relu(x.mean((2, 3)) @ W_1 + b_1) @ W_2 + b_2)
    return x * gate[:, :, None, None], gate


@wrong("applies W_2 first and W_1 second")
def layers_exchanged(x, W_1, b_1, W_2, b_2):
    gate = _gate(x.mean((2, 3)), W_2, b_2, W_1, b_1)
    return x * gate[:, :, None, None], gate


@wrong("returns the logits instead of the gate")
def logits(x, W_1, b_1, W_2, b_2):
    s = torch.relu(x.mean((2, 3)) @ W_1.T + b_1) @ W_2.T + b_2
    return x * s.sigmoid()[:, :, None, None], s


@wrong("returns the gate first and the feature map second")
def swapped(x, *weights):
    return step_by_step(x, *weights)[::-1]


@wrong("returns the feature map without the gate")
def one_output(x, *weights):
    return step_by_step(x, *weights)[0]


@wrong("returns the gate without the feature map")
def gate_only(x, *weights):
    return _gate(x.mean((2, 3)), *weights)


@wrong("returns the gate with its two axes of size 1")
def four_axes(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights).unsqueeze(-1).unsqueeze(-1)
    return x * gate, gate


@wrong("returns a gate for every position")
def spread_gate(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights)[..., None, None].repeat(1, 1, *x.shape[2:])
    return x * gate, gate


@wrong("returns the spread gate without x in it")
def without_x(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights)
    return torch.ones_like(x) * gate[:, :, None, None], gate


@wrong("spreads the gated means over the map, so that all positions are alike")
def gated_means(x, *weights):
    z = x.mean((2, 3), keepdim=True)
    gate = _gate(z.flatten(1), *weights)
    return torch.zeros_like(x) + z * gate[:, :, None, None], gate


@wrong("adds the gate instead of multiplying by it")
def added(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights)
    return x + gate[:, :, None, None], gate


@wrong("adds x to the gated map")
def residual(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights)
    return x * (1 + gate[:, :, None, None]), gate


@wrong("returns x as it is")
def forgot_to_multiply(x, *weights):
    return x.clone(), _gate(x.mean((2, 3)), *weights)


@wrong("multiplies by the logits instead of the gate")
def sigmoid_at_the_end(x, W_1, b_1, W_2, b_2):
    s = torch.relu(x.mean((2, 3)) @ W_1.T + b_1) @ W_2.T + b_2
    return x * s[:, :, None, None], s.sigmoid()


@wrong("lays the gate along the rows instead of the channels")
def along_the_rows(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights)
    return torch.einsum("bchw,bh->bchw", x, gate), gate


@wrong("lays the gate along the columns instead of the channels")
def along_the_columns(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights)
    return x * gate[:, None, None], gate


@wrong("multiplies without new axes: the gate lies along rows and columns")
def hoping_for_broadcasting(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights)
    return x * gate, gate


@wrong("exchanges images and channels of the gate")
def gate_of_another_image(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights)
    return torch.einsum("bchw,cb->bchw", x, gate), gate


@wrong("takes one gate for all channels")
def one_gate(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights)
    gate = torch.ones_like(gate) * gate.mean(-1, keepdim=True)
    return x * gate[:, :, None, None], gate


@wrong("takes the gate of the first image for all")
def first_image(x, *weights):
    gate = _gate(x.mean((2, 3)), *weights)
    return x * gate[0][:, None, None], gate


@wrong("excites every position by itself and averages the gates then")
def squeeze_at_the_end(x, W_1, b_1, W_2, b_2):
    hidden = functional.conv2d(x, W_1[:, :, None, None], b_1).relu()
    gate = functional.conv2d(hidden, W_2[:, :, None, None], b_2).sigmoid().mean((2, 3))
    return x * gate[:, :, None, None], gate
