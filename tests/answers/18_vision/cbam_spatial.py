"""Right and wrong answers to vision.cbam_spatial."""

import torch
from answers import right, wrong
from torch import nn
from torch.nn import functional

# --- right, in different styles


@right
def step_by_step(x, kernel):
    maps = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
    return torch.sigmoid(functional.conv2d(maps, kernel, padding=kernel.shape[-1] // 2))


@right
def stacked_and_padded_the_same(x, kernel):
    maps = torch.stack([x.mean(1), x.max(1).values], 1)
    return functional.conv2d(maps, kernel, padding="same").sigmoid()


@right
def padded_first(x, kernel):
    half = kernel.size(2) // 2
    maps = torch.stack([x.sum(1) / x.size(1), x.max(1)[0]], dim=1)
    return functional.conv2d(functional.pad(maps, (half, half, half, half)), kernel).sigmoid()


@right
def patches_as_columns(x, kernel):
    """A convolution is a matrix product with all patches of the padded maps."""
    B, _, H, W = x.shape
    k = kernel.shape[-1]
    maps = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
    columns = functional.unfold(maps, k, padding=k // 2)  # (B, 2 k², H W)
    return torch.sigmoid(kernel.reshape(1, -1) @ columns).reshape(B, 1, H, W)


@right
def shifted_copies(x, kernel):
    H, W = x.shape[2:]
    k = kernel.shape[-1]
    padded = functional.pad(torch.stack([x.mean(1), x.amax(1)], 1), [k // 2] * 4)
    logits = torch.zeros_like(x[:, 0])
    for i in range(k):
        for j in range(k):
            for c in range(2):
                logits = logits + kernel[0, c, i, j] * padded[:, c, i : i + H, j : j + W]
    return logits.sigmoid().unsqueeze(1)


@right
def two_convolutions(x, kernel):
    """One for the mean and one for the maximum; their logits are added."""
    half = kernel.shape[-1] // 2
    average = functional.conv2d(x.mean(1, keepdim=True), kernel[:, :1], padding=half)
    maximum = functional.conv2d(x.amax(1, keepdim=True), kernel[:, 1:], padding=half)
    return torch.sigmoid(average + maximum)


@right
def transposed_convolution_of_the_turned_kernel(x, kernel):
    maps = torch.cat([x.mean(1, True), x.max(1, True)[0]], 1)
    turned = kernel.flip(2, 3).transpose(0, 1)
    return functional.conv_transpose2d(maps, turned, padding=kernel.shape[-1] // 2).sigmoid()


@right
def windows_and_einsum(x, kernel):
    k = kernel.shape[-1]
    padded = functional.pad(torch.stack([x.mean(1), x.amax(1)], 1), [k // 2] * 4)
    windows = padded.unfold(2, k, 1).unfold(3, k, 1)  # (B, 2, H, W, k, k)
    return torch.einsum("bchwij,ocij->bohw", windows, kernel).sigmoid()


@right
def three_dimensional_pooling(x, kernel):
    """The channels as the depth of a volume, pooled away."""
    volume, size = x.unsqueeze(1), (x.shape[1], 1, 1)
    maps = torch.cat([functional.avg_pool3d(volume, size)[:, 0], functional.max_pool3d(volume, size)[:, 0]], 1)
    return torch.sigmoid(functional.conv2d(maps, kernel, None, 1, kernel.shape[2] // 2))


@right
def pixel_by_pixel(x, kernel):
    B, _, H, W = x.shape
    half = kernel.shape[-1] // 2
    maps = torch.stack([x.mean(1), x.amax(1)], 1)
    rows = []
    for i in range(H):
        for j in range(W):
            top, left = max(0, i - half), max(0, j - half)
            patch = maps[:, :, top : i + half + 1, left : j + half + 1]
            u, v = top - i + half, left - j + half
            weights = kernel[0, :, u : u + patch.shape[2], v : v + patch.shape[3]]
            rows.append((patch * weights).sum((1, 2, 3)))
    return torch.sigmoid(torch.stack(rows, -1)).reshape(B, 1, H, W)


@right
def sigmoid_by_tanh(x, kernel):
    maps = torch.cat([x.mean(1, keepdim=True), x.sort(1, descending=True).values[:, :1]], 1)
    s = functional.conv2d(maps, kernel, padding=(kernel.shape[-1] - 1) // 2)
    return 0.5 + 0.5 * torch.tanh(0.5 * s)


# --- wrong, the way learners write it


def _maps(x):
    return torch.stack([x.mean(1), x.amax(1)], 1)


def _conv(maps, kernel):
    return functional.conv2d(maps, kernel, padding=kernel.shape[-1] // 2)


@wrong("puts the maximum first and the mean second")
def swapped(x, kernel):
    return _conv(torch.stack([x.amax(1), x.mean(1)], 1), kernel).sigmoid()


@wrong("uses the mean twice")
def copied_line(x, kernel):
    return _conv(torch.stack([x.mean(1), x.mean(1)], 1), kernel).sigmoid()


@wrong("uses the maximum twice")
def other_copied_line(x, kernel):
    return _conv(x.amax(1, keepdim=True).expand(-1, 2, -1, -1), kernel).sigmoid()


@wrong("uses the mean only")
def mean_only(x, kernel):
    return _conv(x.mean(1, keepdim=True), kernel[:, :1]).sigmoid()


@wrong("uses the maximum only")
def max_only(x, kernel):
    return _conv(_maps(x) * torch.tensor([0.0, 1.0], dtype=x.dtype)[:, None, None], kernel).sigmoid()


@wrong("sums over the channels instead of averaging")
def summed(x, kernel):
    return _conv(torch.stack([x.sum(1), x.amax(1)], 1), kernel).sigmoid()


@wrong("takes the minimum instead of the maximum")
def minimum(x, kernel):
    return _conv(torch.stack([x.mean(1), x.min(1).values], 1), kernel).sigmoid()


@wrong("takes the largest absolute value instead of the maximum")
def strongest(x, kernel):
    return _conv(torch.stack([x.mean(1), x.abs().max(1).values], 1), kernel).sigmoid()


@wrong("starts the maximum from 0, so that a position without positive numbers has the maximum 0")
def running_maximum(x, kernel):
    best = torch.zeros_like(x[:, 0])
    for c in range(x.shape[1]):
        best = torch.maximum(best, x[:, c])
    return _conv(torch.stack([x.mean(1), best], 1), kernel).sigmoid()


@wrong("takes the maximum over the images of the batch too")
def maximum_of_the_batch(x, kernel):
    best = x.flatten(0, 1).amax(0).expand(len(x), -1, -1)
    return _conv(torch.stack([x.mean(1), best], 1), kernel).sigmoid()


@wrong("pools over rows and columns, which leaves one number per channel")
def channel_attention_again(x, kernel):
    maps = torch.cat([functional.adaptive_avg_pool2d(x, 1), functional.adaptive_max_pool2d(x, 1)], 1)
    return _conv(maps, kernel).sigmoid()


@wrong("pools over the rows")
def wrong_axis(x, kernel):
    return _conv(torch.stack([x.mean(2), x.amax(2)], 1), kernel).sigmoid()


@wrong("pools over the columns")
def last_axis(x, kernel):
    return _conv(torch.stack([x.mean(-1), x.max(-1).values], 1), kernel).sigmoid()


@wrong("hands all channels to the convolution")
def not_pooled(x, kernel):
    return _conv(x, kernel).sigmoid()


@wrong("rectifies the map before pooling")
def rectified(x, kernel):
    return _conv(_maps(torch.relu(x)), kernel).sigmoid()


@wrong("turns the kernel by 180°: a convolution as mathematicians define it")
def true_convolution(x, kernel):
    return functional.conv_transpose2d(_maps(x), kernel.transpose(0, 1), padding=kernel.shape[-1] // 2).sigmoid()


@wrong("turns the kernel by 180°: a convolution as mathematicians define it")
def rotated(x, kernel):
    return _conv(_maps(x), torch.rot90(kernel, 2, (2, 3))).sigmoid()


@wrong("mirrors the kernel left to right")
def mirrored(x, kernel):
    return _conv(_maps(x).flip(-1), kernel).flip(-1).sigmoid()


@wrong("mirrors the kernel top to bottom")
def upside_down(x, kernel):
    return _conv(_maps(x), torch.flip(kernel, [-2])).sigmoid()


@wrong("transposes the kernel")
def transposed(x, kernel):
    return _conv(_maps(x).mT, kernel).mT.sigmoid()


@wrong("uses the entry in the middle of the kernel only")
def no_neighbours(x, kernel):
    half = kernel.shape[-1] // 2
    return torch.einsum("bchw,oc->bohw", _maps(x), kernel[:, :, half, half]).sigmoid()


@wrong("divides the kernel by the number of its entries")
def normalised_kernel(x, kernel):
    return (_conv(_maps(x), kernel) / kernel[0, 0].numel()).sigmoid()


@wrong("averages over the two maps instead of adding")
def mean_of_the_maps(x, kernel):
    parts = functional.conv2d(_maps(x), kernel.transpose(0, 1), groups=2, padding=kernel.shape[-1] // 2)
    return parts.mean(1, keepdim=True).sigmoid()


@wrong("takes the kernel's first map for both")
def one_kernel_for_both(x, kernel):
    return sum(_conv(m[:, None], kernel[:, :1]) for m in _maps(x).unbind(1)).sigmoid()


@wrong("takes the kernel's second map for both")
def other_kernel_for_both(x, kernel):
    return _conv(_maps(x).sum(1, keepdim=True), kernel[:, 1:]).sigmoid()


@wrong("pads nothing, so that the gate is smaller than the map")
def without_padding(x, kernel):
    return functional.conv2d(_maps(x), kernel).sigmoid()


@wrong("pads by k − 1, so that the gate is larger than the map")
def full(x, kernel):
    return functional.conv2d(_maps(x), kernel, padding=kernel.shape[2] - 1).sigmoid()


@wrong("pads by k, so that the gate is larger than the map")
def padded_by_k(x, kernel):
    return functional.conv2d(_maps(x), kernel, padding=kernel.shape[2]).sigmoid()


@wrong("pads by 3 always, which fits kernels of size 7 only")
def as_in_the_paper(x, kernel):
    return functional.conv2d(_maps(x), kernel, padding=3).sigmoid()


@wrong("pads by 1 always, which fits kernels of size 3 only")
def as_in_every_network(x, kernel):
    return functional.conv2d(_maps(x), kernel, padding=1).sigmoid()


@wrong("pads by repeating the rim instead of with zeros")
def rim(x, kernel):
    half = kernel.shape[-1] // 2
    return functional.conv2d(nn.ReplicationPad2d(half)(_maps(x)), kernel).sigmoid()


@wrong("pads by reflection instead of with zeros")
def mirror(x, kernel):
    half = kernel.shape[-1] // 2
    return functional.conv2d(nn.ReflectionPad2d(half)(_maps(x)), kernel).sigmoid()


@wrong("pads with the opposite side instead of with zeros")
def torus(x, kernel):
    half = kernel.shape[-1] // 2
    return functional.conv2d(nn.CircularPad2d(half)(_maps(x)), kernel).sigmoid()


@wrong("leaves out the sigmoid")
def logits(x, kernel):
    return _conv(_maps(x), kernel)


@wrong("applies the sigmoid twice")
def squashed_twice(x, kernel):
    return _conv(_maps(x), kernel).sigmoid().sigmoid()


@wrong("takes a softmax over the positions instead of a sigmoid for each")
def attention_map(x, kernel):
    s = _conv(_maps(x), kernel)
    return torch.exp(s - s.logsumexp((1, 2, 3), keepdim=True))


@wrong("uses tanh instead of the sigmoid")
def signed(x, kernel):
    return _conv(_maps(x), kernel).tanh()


@wrong("uses a hard sigmoid")
def hard(x, kernel):
    return ((_conv(_maps(x), kernel) + 3).clamp(0, 6)) / 6


@wrong("applies a rectifier before the sigmoid")
def rectified_logits(x, kernel):
    return _conv(_maps(x), kernel).relu().sigmoid()


@wrong("uses the complement of the gate")
def inverted(x, kernel):
    return torch.sigmoid(-_conv(_maps(x), kernel))


@wrong("writes the sigmoid with an exponential that overflows: its gradient is NaN")
def textbook_sigmoid(x, kernel):
    return 1 / (1 + torch.exp(-_conv(_maps(x), kernel)))


@wrong("writes the sigmoid as exp(s) / (1 + exp(s)), which is ∞ / ∞ for large s")
def other_textbook_sigmoid(x, kernel):
    e = _conv(_maps(x), kernel).exp()
    return e / (1 + e)


@wrong("applies the sigmoid to each map's convolution and adds the gates")
def gates_added(x, kernel):
    return sum(_conv(m[:, None], kernel[:, c : c + 1]).sigmoid() for c, m in enumerate(_maps(x).unbind(1)))


@wrong("drops the axis of size 1")
def three_axes(x, kernel):
    return step_by_step(x, kernel).squeeze(1)


@wrong("repeats the gate for every channel")
def repeated(x, kernel):
    return step_by_step(x, kernel).repeat(1, x.shape[1], 1, 1)


@wrong("returns the gated feature map instead of the gate")
def gated_map(x, kernel):
    return step_by_step(x, kernel) * x


@wrong("returns the feature map and the gate")
def as_in_se_block(x, kernel):
    gate = step_by_step(x, kernel)
    return x * gate, gate


@wrong("exchanges rows and columns of the gate")
def turned(x, kernel):
    return step_by_step(x, kernel).permute(0, 1, 3, 2)
