"""Right and wrong answers to vision.squeeze."""

import numpy as np
import torch
from answers import right, wrong
from torch import nn
from torch.nn import functional

# --- right, in different styles


@right
def both_axes_at_once(x):
    return x.mean(dim=(2, 3))


@right
def flattened(x):
    return x.flatten(2).mean(-1)


@right
def rows_then_columns(x):
    """Every row has as many columns, so the mean of the means is the mean."""
    return x.mean(-1).mean(-1)


@right
def adaptive_pooling(x):
    return functional.adaptive_avg_pool2d(x, 1)[:, :, 0, 0]


@right
def a_pooling_module(x):
    return nn.Sequential(nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())(x)


@right
def pooling_with_the_map_as_window(x):
    return functional.avg_pool2d(x, kernel_size=x.shape[2:]).reshape(x.shape[:2])


@right
def einsum(x):
    return torch.einsum("bchw->bc", x) / (x.size(2) * x.size(3))


@right
def product_with_ones(x):
    B, C, H, W = x.shape
    return x.reshape(B, C, H * W) @ x.new_full((H * W,), 1 / (H * W))


@right
def channel_by_channel(x):
    out = torch.empty(x.shape[:2], dtype=x.dtype)
    for b in range(x.shape[0]):
        for c in range(x.shape[1]):
            out[b, c] = x[b, c].sum() / x[b, c].numel()
    return out


@right
def position_by_position(x):
    total = torch.zeros_like(x[:, :, 0, 0])
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            total += x[:, :, i, j]
    return total / x[0, 0].numel()


@right
def a_convolution_of_each_channel(x):
    C, H, W = x.shape[1:]
    kernel = x.new_ones(C, 1, H, W) / (H * W)
    return functional.conv2d(x, kernel, groups=C).squeeze(-1).squeeze(-1)


@right
def zero_frequency(x):
    return torch.fft.fft2(x).real[..., 0, 0] / (x.shape[-1] * x.shape[-2])


@right
def mapped(x):
    return torch.vmap(torch.vmap(torch.mean))(x)


# --- wrong, the way learners write it


@wrong("sums over the positions instead of averaging")
def summed(x):
    return torch.einsum("bchw->bc", x)


@wrong("takes the maximum of each channel instead of its mean")
def max_pooled(x):
    return functional.adaptive_max_pool2d(x, 1).flatten(1)


@wrong("takes the minimum of each channel instead of its mean")
def min_pooled(x):
    return x.flatten(2).min(-1).values


@wrong("adds the maximum to the mean, as CBAM does later")
def both_summaries(x):
    flat = x.flatten(2)
    return flat.mean(-1) + flat.max(-1)[0]


@wrong("averages over channels and rows instead of rows and columns")
def axes_one_and_two(x):
    return torch.mean(x, (1, 2))


@wrong("averages over channels and columns instead of rows and columns")
def axes_one_and_three(x):
    return x.sum(1).sum(-1) / (x.shape[1] * x.shape[3])


@wrong("averages over the images of the batch and the channels")
def axes_zero_and_one(x):
    return x.flatten(0, 1).mean(0)


@wrong("averages over the images of the batch too")
def over_the_batch(x):
    return x.transpose(0, 1).flatten(1).mean(1)


@wrong("averages over the images of the batch too, and repeats the result")
def over_the_batch_and_back(x):
    return torch.stack([x.mean((0, 2, 3))] * len(x))


@wrong("averages over the channels too")
def one_number_per_image(x):
    return x.flatten(1).mean(1)


@wrong("averages over the channels too, and repeats the result")
def one_number_for_all_channels(x):
    return x.mean((2, 3)).mean(1, keepdim=True).repeat(1, x.shape[1])


@wrong("averages over the channels, which leaves a map")
def over_the_channels(x):
    return x.sum(1) / x.shape[1]


@wrong("averages over the columns only")
def forgot_an_axis(x):
    return x.mean(-1)


@wrong("averages over the rows only")
def forgot_the_other_axis(x):
    return x.mean(dim=-2)


@wrong("keeps the spatial axes with size 1")
def kept(x):
    return functional.adaptive_avg_pool2d(x, 1)


@wrong("divides by H² instead of H·W")
def square_by_assumption(x):
    return x.sum((-1, -2)) / (x.size(2) * x.size(2))


@wrong("divides by W² instead of H·W")
def square_by_the_last_axis(x):
    return x.flatten(2).sum(-1) / x.size(-1) ** 2


@wrong("divides by H instead of H·W")
def mean_of_the_row_sums(x):
    return x.sum(3).mean(2)


@wrong("divides by W instead of H·W")
def sum_of_the_row_means(x):
    return x.mean(3).sum(2)


@wrong("divides by C·H·W instead of H·W")
def all_of_the_image(x):
    return x.sum((2, 3)) / x[0].numel()


@wrong("divides by H·W − 1")
def unbiased(x):
    n = x[0, 0].numel()
    return x.sum((2, 3)) / (n - 1 if n > 1 else 1)


@wrong("takes the mean of each row and then the largest of them")
def largest_row(x):
    return x.mean(-1).max(-1).values


@wrong("takes the largest of each row and then their mean")
def mean_of_maxima(x):
    return x.max(-1).values.mean(-1)


@wrong("takes the median instead of the mean")
def median(x):
    return x.flatten(2).median(-1)[0]


@wrong("averages the absolute values")
def magnitudes(x):
    return x.flatten(2).norm(p=1, dim=-1) / x[0, 0].numel()


@wrong("averages what is left behind a rectifier")
def positive_part(x):
    return x.clamp(min=0).flatten(2).mean(2)


@wrong("takes the root of the mean square")
def energy(x):
    return (x * x).mean((2, 3)) ** 0.5


@wrong("takes the standard deviation")
def spread(x):
    return torch.std(x, dim=(2, 3), correction=0)


@wrong("averages over the positions that are not zero only")
def where_the_feature_is(x):
    present = (x != 0).to(x.dtype)
    return (x * present).sum((2, 3)) / present.sum((2, 3)).clamp_min(1)


@wrong("reads the position in the middle only")
def centre(x):
    return x[..., x.shape[-2] // 2, x.shape[-1] // 2]


@wrong("reads the first position only")
def corner(x):
    return x[..., 0, 0]


@wrong("turns the result into probabilities")
def normalised(x):
    return functional.softmax(x.mean((2, 3)), dim=-1)


@wrong("applies the sigmoid already")
def gated_too_early(x):
    return torch.sigmoid(x.mean((2, 3)))


# --- wrong in manners, in the backward pass, for rare inputs


@wrong("cuts the gradient to x")
def through_numpy(x):
    return torch.from_numpy(x.detach().numpy().mean((2, 3)))


@wrong("has gradients that are 2 times the right ones")
def twice_the_gradient(x):
    z = x.mean((2, 3))
    return 2 * z - z.detach()


@wrong("has the right values but wrong gradients")
def gradient_of_the_maximum(x):
    peak = x.amax((2, 3))
    return peak + (x.mean((2, 3)) - peak).detach()


@wrong("does not keep the dtype of its inputs")
def always_double(x):
    return x.double().mean((2, 3))


@wrong("loses precision: its float64 results are only as good as float32")
def single_precision(x):
    return x.float().mean((2, 3)).to(x.dtype)


@wrong("changes its input x in place")
def divides_in_place(x):
    x /= x.shape[2] * x.shape[3]
    return x.sum((2, 3))


@wrong("touches the global random generator")
def a_sample_of_positions(x):
    flat = x.flatten(2)
    return flat[:, :, torch.randperm(flat.shape[2])].mean(-1)


@wrong("returns the result of an earlier call")
def cached_by_shape(x, seen={}):  # noqa: B006 - a mutable default is the mistake
    key = tuple(x.shape), x.dtype
    if key not in seen:
        seen[key] = x.mean((2, 3))
    return seen[key]


@wrong("gives another result the second time it is called")
def running_mean(x, seen=[]):  # noqa: B006 - a mutable default is the mistake
    seen.append(float(x.mean()))
    return x.mean((2, 3)) + 0.01 * (np.mean(seen) - seen[0])


@wrong("uses view on a tensor that does not lie in memory row by row")
def viewed(x):
    return x.view(x.shape[0], x.shape[1], -1).mean(-1)


@wrong("returns a list or tuple instead of a float64 tensor")
def a_list_of_channels(x):
    return [channel.mean() for channel in x.flatten(0, 1)]


@wrong("returns nothing")
def printed(x):
    print(x.mean((2, 3)))


@wrong("is right except when C > …")
def three_colours(x):
    out = torch.zeros(x.shape[:2], dtype=x.dtype)
    for c in range(min(3, x.shape[1])):
        out[:, c] = x[:, c].mean((1, 2))
    return out
