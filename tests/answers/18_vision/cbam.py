"""Right and wrong answers to vision.cbam."""

import torch
from answers import right, wrong
from torch import nn
from torch.nn import functional

# --- the two gates, as in the tasks before


def _channel(x, W_1, W_2):
    return torch.sigmoid(sum(torch.relu(z @ W_1.T) @ W_2.T for z in (x.mean((2, 3)), x.amax((2, 3)))))


def _spatial(x, kernel):
    maps = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
    return torch.sigmoid(functional.conv2d(maps, kernel, padding=kernel.shape[-1] // 2))


# --- right, in different styles


@right
def two_products(x, W_1, W_2, kernel):
    refined = x * _channel(x, W_1, W_2)[:, :, None, None]
    return refined * _spatial(refined, kernel)


@right
def all_in_one(x, W_1, W_2, kernel):
    flat = x.flatten(2)
    hidden = (flat.mean(-1) @ W_1.T).relu() + (flat.max(-1).values @ W_1.T).relu()
    x = x * (hidden @ W_2.T).sigmoid().unsqueeze(-1).unsqueeze(-1)
    maps = torch.stack([x.mean(1), x.max(1).values], 1)
    return x * functional.conv2d(maps, kernel, padding="same").sigmoid()


@right
def einsum(x, W_1, W_2, kernel):
    refined = torch.einsum("bchw,bc->bchw", x, _channel(x, W_1, W_2))
    return torch.einsum("bchw,bohw->bchw", refined, _spatial(refined, kernel))


@right
def convolutions_only(x, W_1, W_2, kernel):
    """The form of the paper's own code."""
    first, second = W_1[:, :, None, None], W_2[:, :, None, None]
    pools = functional.adaptive_avg_pool2d(x, 1), functional.adaptive_max_pool2d(x, 1)
    gate = sum(functional.conv2d(functional.conv2d(p, first).relu(), second) for p in pools).sigmoid()
    x = gate * x
    maps = torch.cat((x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]), dim=1)
    return functional.conv2d(maps, kernel, stride=1, padding=kernel.shape[-1] // 2).sigmoid() * x


@right
def image_by_image(x, W_1, W_2, kernel):
    outs = []
    for image in x:
        gate = _channel(image[None], W_1, W_2)[0]
        refined = torch.stack([c * g for c, g in zip(image, gate, strict=True)])
        outs.append(refined * _spatial(refined[None], kernel)[0])
    return torch.stack(outs)


@right
def channels_last(x, W_1, W_2, kernel):
    places = x.permute(0, 2, 3, 1)
    places = places * _channel(x, W_1, W_2)[:, None, None, :]
    maps = torch.stack([places.mean(-1), places.amax(-1)], 1)
    gate = functional.conv2d(maps, kernel, padding=kernel.shape[-1] // 2).sigmoid()
    return (places * gate[:, 0, :, :, None]).permute(0, 3, 1, 2)


@right
def patches_as_columns(x, W_1, W_2, kernel):
    B, C, H, W = x.shape
    refined = _channel(x, W_1, W_2).view(B, C, 1, 1) * x
    maps = torch.stack([refined.sum(1) / C, refined.amax(1)], 1)
    columns = functional.unfold(maps, kernel.shape[-1], padding=kernel.shape[-1] // 2)
    return refined * torch.sigmoid(kernel.flatten() @ columns).reshape(B, 1, H, W)


@right
def writes_into_its_own_copies(x, W_1, W_2, kernel):
    refined = x.clone()
    refined *= _channel(x, W_1, W_2)[:, :, None, None]
    out = refined.clone()
    out *= _spatial(refined, kernel)
    return out


@right
def both_gates_from_the_refined_map_spelled_out(x, W_1, W_2, kernel):
    """x M_c M_s, where M_s is made from x M_c."""
    channel = _channel(x, W_1, W_2)[..., None, None]
    return x * channel * _spatial(channel * x, kernel)


# --- wrong, the way learners write it


@wrong("gates the positions first and the channels second")
def spatial_first(x, W_1, W_2, kernel):
    x = x * _spatial(x, kernel)
    return x * _channel(x, W_1, W_2)[:, :, None, None]


@wrong("makes both gates from the original x: the spatial gate does not see what the channel gate has done")
def parallel(x, W_1, W_2, kernel):
    channel, spatial = _channel(x, W_1, W_2), _spatial(x, kernel)
    return x * channel[:, :, None, None] * spatial


@wrong("multiplies the original x by the spatial gate: the channel gate acts through it only")
def multiplies_the_original(x, W_1, W_2, kernel):
    refined = x * _channel(x, W_1, W_2)[:, :, None, None]
    return x * _spatial(refined, kernel)


@wrong("makes the channel gate from the spatially gated map, and multiplies x by it alone")
def multiplies_the_original_the_other_way(x, W_1, W_2, kernel):
    refined = x * _spatial(x, kernel)
    return x * _channel(refined, W_1, W_2)[:, :, None, None]


@wrong("adds the two gates, each made from x")
def gates_added(x, W_1, W_2, kernel):
    return x * _channel(x, W_1, W_2)[:, :, None, None] + x * _spatial(x, kernel)


@wrong("averages the two gates, each made from x")
def gates_averaged(x, W_1, W_2, kernel):
    return 0.5 * x * (_channel(x, W_1, W_2)[:, :, None, None] + _spatial(x, kernel))


@wrong("adds the logits of the two gates, as BAM does")
def one_sigmoid(x, W_1, W_2, kernel):
    channel = torch.logit(_channel(x, W_1, W_2))[:, :, None, None]
    return x * torch.sigmoid(channel + torch.logit(_spatial(x, kernel)))


@wrong("adds the two gates, the second made from the refined map")
def summed_results(x, W_1, W_2, kernel):
    refined = x * _channel(x, W_1, W_2)[:, :, None, None]
    return refined + x * _spatial(refined, kernel)


@wrong("adds the spatial gate instead of multiplying by it")
def spatial_added(x, W_1, W_2, kernel):
    refined = x * _channel(x, W_1, W_2)[:, :, None, None]
    return refined + _spatial(refined, kernel)


@wrong("adds the channel gate instead of multiplying by it")
def channel_added(x, W_1, W_2, kernel):
    refined = x + _channel(x, W_1, W_2)[:, :, None, None]
    return refined * _spatial(refined, kernel)


@wrong("gates the channels only")
def forgot_the_second(x, W_1, W_2, kernel):
    return torch.einsum("bchw,bc->bchw", x, _channel(x, W_1, W_2))


@wrong("gates the positions only")
def overwrites_the_first(x, W_1, W_2, kernel):
    out = x * _channel(x, W_1, W_2)[:, :, None, None]
    out = x * _spatial(x, kernel)
    return out  # noqa: RET504 - as a learner writes it who reuses a name


@wrong("returns the spatial gate instead of the feature map")
def the_last_gate(x, W_1, W_2, kernel):
    return _spatial(x * _channel(x, W_1, W_2)[:, :, None, None], kernel)


@wrong("returns the product of the two gates, without x in it")
def product_of_gates(x, W_1, W_2, kernel):
    channel = _channel(x, W_1, W_2)[:, :, None, None]
    return _spatial(x * channel, kernel) * channel


@wrong("returns the feature map and the two gates")
def three_outputs(x, W_1, W_2, kernel):
    channel = _channel(x, W_1, W_2)
    refined = x * channel[:, :, None, None]
    spatial = _spatial(refined, kernel)
    return refined * spatial, channel, spatial


@wrong("adds x to the result")
def residual(x, W_1, W_2, kernel):
    return two_products(x, W_1, W_2, kernel) + x


@wrong("multiplies by the channel gate twice")
def channel_twice(x, W_1, W_2, kernel):
    channel = _channel(x, W_1, W_2)[:, :, None, None]
    refined = x * channel
    return refined * channel * _spatial(refined, kernel)


@wrong("multiplies by the spatial gate twice")
def spatial_twice(x, W_1, W_2, kernel):
    refined = x * _channel(x, W_1, W_2)[:, :, None, None]
    spatial = _spatial(refined, kernel)
    return refined * spatial * spatial


@wrong("makes the spatial gate from the channel gate alone")
def spatial_gate_of_a_gate(x, W_1, W_2, kernel):
    channel = _channel(x, W_1, W_2)[:, :, None, None]
    return x * channel * _spatial(channel * torch.ones_like(x), kernel)


@wrong("applies a rectifier to the result")
def rectified(x, W_1, W_2, kernel):
    return two_products(x, W_1, W_2, kernel).clamp(min=0)


@wrong("applies a rectifier between the two gates")
def rectified_in_between(x, W_1, W_2, kernel):
    refined = functional.relu(x * _channel(x, W_1, W_2)[:, :, None, None])
    return refined * _spatial(refined, kernel)


@wrong("uses the mean only in the channel gate, as Squeeze-and-Excitation does")
def squeeze_and_excitation_first(x, W_1, W_2, kernel):
    gate = torch.sigmoid(torch.relu(x.mean((2, 3)) @ W_1.T) @ W_2.T)
    refined = x * gate[:, :, None, None]
    return refined * _spatial(refined, kernel)


@wrong("adds mean and maximum before the network of the channel gate")
def pooled_together(x, W_1, W_2, kernel):
    gate = torch.sigmoid(functional.linear(functional.linear(x.mean((2, 3)) + x.amax((2, 3)), W_1).relu(), W_2))
    refined = x * gate[:, :, None, None]
    return refined * _spatial(refined, kernel)


@wrong("puts the maximum first and the mean second in the spatial gate")
def maps_swapped(x, W_1, W_2, kernel):
    refined = x * _channel(x, W_1, W_2)[:, :, None, None]
    maps = torch.stack([refined.amax(1), refined.mean(1)], 1)
    return refined * functional.conv2d(maps, kernel, padding=kernel.shape[-1] // 2).sigmoid()


@wrong("leaves out the sigmoid of the channel gate")
def channel_logits(x, W_1, W_2, kernel):
    hidden = (x.mean((2, 3)) @ W_1.T).relu() + (x.amax((2, 3)) @ W_1.T).relu()
    refined = x * (hidden @ W_2.T)[:, :, None, None]
    return refined * _spatial(refined, kernel)


@wrong("leaves out the sigmoid of the spatial gate")
def spatial_logits(x, W_1, W_2, kernel):
    refined = x * _channel(x, W_1, W_2)[:, :, None, None]
    maps = torch.stack([refined.mean(1), refined.amax(1)], 1)
    return refined * functional.conv2d(maps, kernel, padding=kernel.shape[-1] // 2)


@wrong("applies the sigmoid to gates that are gates already")
def squashed_again(x, W_1, W_2, kernel):
    refined = x * torch.sigmoid(_channel(x, W_1, W_2))[:, :, None, None]
    return refined * torch.sigmoid(_spatial(refined, kernel))


@wrong("exchanges W_1 and W_2")
def weights_exchanged(x, W_1, W_2, kernel):
    refined = x * _channel(x, W_2, W_1)[:, :, None, None]
    return refined * _spatial(refined, kernel)


@wrong("lays the channel gate along the rows")
def along_the_rows(x, W_1, W_2, kernel):
    refined = x * _channel(x, W_1, W_2)[:, None, :, None]
    return refined * _spatial(refined, kernel)


@wrong("lays the channel gate along the columns")
def along_the_columns(x, W_1, W_2, kernel):
    refined = torch.einsum("bchw,bw->bchw", x, _channel(x, W_1, W_2))
    return refined * _spatial(refined, kernel)


@wrong("multiplies without new axes: the channel gate lies along rows and columns")
def hoping_for_broadcasting(x, W_1, W_2, kernel):
    x = x * _channel(x, W_1, W_2)
    return x * _spatial(x, kernel)


@wrong("pads nothing before the convolution")
def without_padding(x, W_1, W_2, kernel):
    refined = x * _channel(x, W_1, W_2)[:, :, None, None]
    maps = torch.stack([refined.mean(1), refined.amax(1)], 1)
    return refined * functional.conv2d(maps, kernel).sigmoid()


# --- wrong in the backward pass, in manners, for rare inputs


@wrong("detaches the channel gate")
def frozen_channel_gate(x, W_1, W_2, kernel):
    with torch.no_grad():
        channel = _channel(x, W_1, W_2)[:, :, None, None]
    refined = x * channel
    return refined * _spatial(refined, kernel)


@wrong("detaches the spatial gate")
def frozen_spatial_gate(x, W_1, W_2, kernel):
    refined = x * _channel(x, W_1, W_2)[:, :, None, None]
    return refined * _spatial(refined.detach(), kernel.detach())


@wrong("detaches both gates")
def frozen_gates(x, W_1, W_2, kernel):
    channel = _channel(x, W_1, W_2)[:, :, None, None]
    return x * (channel * _spatial(x * channel, kernel)).detach()


@wrong("detaches the refined map that the spatial gate looks at")
def frozen_look(x, W_1, W_2, kernel):
    refined = x * _channel(x, W_1, W_2)[:, :, None, None]
    return refined * _spatial(refined.data, kernel)


@wrong("has the right values but wrong gradients")
def spatial_gate_blames_x(x, W_1, W_2, kernel):
    """The spatial gate's gradient goes past the channel gate."""
    channel = _channel(x, W_1, W_2)[:, :, None, None]
    return x * channel * _spatial(x * channel.detach(), kernel)


@wrong("does not keep the dtype of its inputs")
def always_double(x, W_1, W_2, kernel):
    return two_products(x.double(), W_1.double(), W_2.double(), kernel.double())


@wrong("loses precision: its float64 results are only as good as float32")
def single_precision_gates(x, W_1, W_2, kernel):
    refined = x * _channel(x.float(), W_1.float(), W_2.float()).to(x.dtype)[:, :, None, None]
    return refined * _spatial(refined, kernel)


@wrong("changes its input x in place")
def multiplies_in_place(x, W_1, W_2, kernel):
    x *= _channel(x, W_1, W_2).detach()[:, :, None, None]
    return x * _spatial(x, kernel)


@wrong("touches the global random generator")
def fresh_convolution(x, W_1, W_2, kernel):
    conv = nn.Conv2d(2, 1, kernel.shape[-1], padding=kernel.shape[-1] // 2, bias=False, dtype=x.dtype)
    refined = x * _channel(x, W_1, W_2)[:, :, None, None]
    extra = 0 * conv(torch.stack([refined.mean(1), refined.amax(1)], 1))
    return refined * _spatial(refined, kernel) + extra


@wrong("returns the result of an earlier call")
def cached_by_shape(x, W_1, W_2, kernel, seen={}):  # noqa: B006 - a mutable default is the mistake
    key = tuple(x.shape), tuple(W_1.shape), tuple(kernel.shape), x.dtype
    if key not in seen:
        seen[key] = two_products(x, W_1, W_2, kernel)
    return seen[key]


@wrong("gives another result the second time it is called")
def gates_once_more_each_time(x, W_1, W_2, kernel, calls=[]):  # noqa: B006 - a mutable default is the mistake
    calls.append(1)
    return two_products(x, W_1, W_2, kernel) * (1 + 1e-3 * (len(calls) > 60))


@wrong("returns nothing")
def printed(x, W_1, W_2, kernel):
    print(two_products(x, W_1, W_2, kernel))
