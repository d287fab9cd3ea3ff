"""Right and wrong answers to graphs.gatv2_scores."""

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong

# --- right, in different styles


@right
def concatenation_as_it_is_written(h, W, a, edges, slope=0.2):
    source, target = edges
    return F.leaky_relu(torch.cat([h[target], h[source]], dim=1) @ W.T, slope) @ a


@right
def two_halves_of_w(h, W, a, edges, slope=0.2):
    size = h.shape[1]
    hidden = (h @ W[:, :size].T)[edges[1]] + (h @ W[:, size:].T)[edges[0]]
    return F.leaky_relu(hidden, slope) @ a


@right
def einsum_and_where(h, W, a, edges, slope=0.2):
    W_t, W_s = W.chunk(2, dim=1)
    z = torch.einsum("ef,gf->eg", h[edges[1]], W_t) + torch.einsum("ef,gf->eg", h[edges[0]], W_s)
    return torch.einsum("eg,g->e", torch.where(z > 0, z, slope * z), a)


@right
def loop_over_edges(h, W, a, edges, slope=0.2):
    return torch.stack([a @ F.leaky_relu(W @ torch.cat([h[i], h[j]]), slope) for j, i in edges.T.tolist()])


@right
def loop_over_hidden_units(h, W, a, edges, slope=0.2):
    pair = torch.cat([h[edges[1]], h[edges[0]]], dim=1)
    total = torch.zeros(edges.shape[1], dtype=h.dtype)
    for row, weight in zip(W, a, strict=True):
        total = total + weight * F.leaky_relu(pair @ row, slope)
    return total


@right
def all_pairs_read_at_the_edges(h, W, a, edges, slope=0.2):
    size = h.shape[1]
    hidden = F.linear(h, W[:, :size])[:, None] + F.linear(h, W[:, size:])[None]
    return (F.leaky_relu(hidden, slope) * a).sum(-1)[edges[1], edges[0]]


@right
def linear_layers_and_maximum(h, W, a, edges, slope=0.2):
    z = F.linear(h[edges.flip(0)].transpose(0, 1).flatten(1), W)
    return F.linear(torch.maximum(z, slope * z), a[None]).squeeze(1)


@right
def as_absolute_values(h, W, a, edges, slope=0.2):
    z = torch.cat([h[edges[1]], h[edges[0]]], 1) @ W.T
    return ((1 + slope) / 2 * z + (1 - slope) / 2 * z.abs()) @ a


@right
def leaky_in_place_on_its_own_buffer(h, W, a, edges, slope=0.2):
    z = torch.index_select(h, 0, edges[1]) @ W[:, : h.shape[1]].mT
    z += torch.index_select(h, 0, edges[0]) @ W[:, h.shape[1] :].mT
    return F.leaky_relu_(z, slope).mv(a)


# --- wrong, the way learners write it


@wrong("puts the source first in the concatenation")
def reads_edges_as_target_source(h, W, a, edges, slope=0.2):
    target, source = edges
    return F.leaky_relu(torch.cat([h[target], h[source]], 1) @ W.T, slope) @ a


@wrong("puts the source first in the concatenation")
def halves_of_w_swapped(h, W, a, edges, slope=0.2):
    W_s, W_t = W.chunk(2, 1)
    return F.leaky_relu((h @ W_t.T)[edges[1]] + (h @ W_s.T)[edges[0]], slope) @ a


@wrong("applies LeakyReLU after a: this is GAT's score in new clothes, and static again")
def still_gat(h, W, a, edges, slope=0.2):
    return F.leaky_relu(torch.cat([h[edges[1]], h[edges[0]]], 1) @ W.T @ a, slope)


@wrong("applies LeakyReLU both before and after a")
def leaky_before_and_after(h, W, a, edges, slope=0.2):
    return F.leaky_relu(two_halves_of_w(h, W, a, edges, slope), slope)


@wrong("applies LeakyReLU twice")
def leaky_twice(h, W, a, edges, slope=0.2):
    z = F.leaky_relu(torch.cat([h[edges[1]], h[edges[0]]], 1) @ W.T, slope)
    return F.leaky_relu(z, slope) @ a


@wrong("leaves out the LeakyReLU")
def linear_score(h, W, a, edges, slope=0.2):
    return torch.cat([h[edges[1]], h[edges[0]]], 1) @ W.T @ a


@wrong("applies LeakyReLU to the parts of target and source on their own")
def leaky_per_node(h, W, a, edges, slope=0.2):
    W_t, W_s = W.chunk(2, 1)
    left, right_ = F.leaky_relu(h @ W_t.T, slope), F.leaky_relu(h @ W_s.T, slope)
    return (left[edges[1]] + right_[edges[0]]) @ a


@wrong("applies LeakyReLU to the features, before W")
def leaky_of_the_features(h, W, a, edges, slope=0.2):
    pair = torch.cat([h[edges[1]], h[edges[0]]], 1)
    return F.leaky_relu(pair, slope) @ W.T @ a


@wrong("has torch's default slope of 0.01")
def default_slope(h, W, a, edges, slope=0.2):
    return F.leaky_relu(torch.cat([h[edges[1]], h[edges[0]]], 1) @ W.T) @ a


@wrong("has the slope 0.2, whatever it is called with")
def fixed_slope(h, W, a, edges, slope=0.2):
    return F.leaky_relu(torch.cat([h[edges[1]], h[edges[0]]], 1) @ W.T, 0.2) @ a


@wrong("has a ReLU in place of the LeakyReLU")
def relu(h, W, a, edges, slope=0.2):
    return (torch.cat([h[edges[1]], h[edges[0]]], 1) @ W.T).relu() @ a


@wrong("has an ELU in place of the LeakyReLU")
def elu(h, W, a, edges, slope=0.2):
    return F.elu(torch.cat([h[edges[1]], h[edges[0]]], 1) @ W.T) @ a


@wrong("has a tanh in place of the LeakyReLU: this is Bahdanau's score")
def additive_score(h, W, a, edges, slope=0.2):
    return torch.tanh(torch.cat([h[edges[1]], h[edges[0]]], 1) @ W.T) @ a


@wrong("multiplies what is positive by the slope")
def minimum(h, W, a, edges, slope=0.2):
    z = torch.cat([h[edges[1]], h[edges[0]]], 1) @ W.T
    return torch.minimum(z, slope * z) @ a


@wrong("turns negative hidden units positive")
def absolute_value_with_a_slope(h, W, a, edges, slope=0.2):
    z = torch.cat([h[edges[1]], h[edges[0]]], 1) @ W.T
    return torch.where(z > 0, z, -slope * z) @ a


@wrong("leaves out the target")
def only_the_source(h, W, a, edges, slope=0.2):
    return F.leaky_relu(h[edges[0]] @ W[:, h.shape[1] :].T, slope) @ a


@wrong("leaves out the source")
def only_the_target(h, W, a, edges, slope=0.2):
    return F.leaky_relu(h[edges[1]] @ W[:, : h.shape[1]].T, slope) @ a


@wrong("uses the first half of W for both ends")
def shared_weights(h, W, a, edges, slope=0.2):
    Wh = h @ W[:, : h.shape[1]].T
    return F.leaky_relu(Wh[edges[1]] + Wh[edges[0]], slope) @ a


@wrong("uses the second half of W for both ends")
def shared_weights_of_the_source(h, W, a, edges, slope=0.2):
    Wh = h @ W[:, h.shape[1] :].T
    return F.leaky_relu(Wh[edges].sum(0), slope) @ a


@wrong("takes W's columns by turns for target and source instead of in two halves")
def stacked_along_the_last_axis(h, W, a, edges, slope=0.2):
    pair = torch.stack([h[edges[1]], h[edges[0]]], -1).flatten(1)
    return F.leaky_relu(pair @ W.T, slope) @ a


@wrong("multiplies the parts of target and source instead of adding them")
def gated(h, W, a, edges, slope=0.2):
    W_t, W_s = W.chunk(2, 1)
    return F.leaky_relu((h @ W_t.T)[edges[1]] * (h @ W_s.T)[edges[0]], slope) @ a


@wrong("subtracts the source's part from the target's")
def difference(h, W, a, edges, slope=0.2):
    return F.leaky_relu(torch.cat([h[edges[1]], -h[edges[0]]], 1) @ W.T, slope) @ a


@wrong("leaves out a and sums the hidden units")
def no_a(h, W, a, edges, slope=0.2):
    return F.leaky_relu(torch.cat([h[edges[1]], h[edges[0]]], 1) @ W.T, slope).sum(1)


@wrong("scales by 1/√F'")
def scaled(h, W, a, edges, slope=0.2):
    return two_halves_of_w(h, W, a, edges, slope) / len(a) ** 0.5


@wrong("averages over the hidden units instead of summing")
def mean(h, W, a, edges, slope=0.2):
    z = torch.cat([h[edges[1]], h[edges[0]]], 1) @ W.T
    return (F.leaky_relu(z, slope) * a).mean(1)


@wrong("applies a softmax, which is the next step")
def weights(h, W, a, edges, slope=0.2):
    e = two_halves_of_w(h, W, a, edges, slope)
    out = torch.zeros_like(e)
    for i in range(len(h)):
        out[edges[1] == i] = e[edges[1] == i].softmax(0)
    return out


@wrong("adds a self-loop per node, which the layer does")
def with_loops(h, W, a, edges, slope=0.2):
    loops = torch.arange(len(h))
    edges = torch.cat([edges[:, edges[0] != edges[1]], torch.stack([loops, loops])], 1)
    return two_halves_of_w(h, W, a, edges, slope)


@wrong("drops the self-loops, which the layer does")
def without_loops(h, W, a, edges, slope=0.2):
    return two_halves_of_w(h, W, a, edges[:, edges[0] != edges[1]], slope)


@wrong("scores all pairs of nodes instead of the given edges")
def dense(h, W, a, edges, slope=0.2):
    W_t, W_s = W.chunk(2, 1)
    return F.leaky_relu((h @ W_t.T)[:, None, :] + (h @ W_s.T)[None, :, :], slope) @ a


@wrong("keeps an axis of size 1 at the end")
def column(h, W, a, edges, slope=0.2):
    return F.leaky_relu(torch.cat([h[edges[1]], h[edges[0]]], 1) @ W.T, slope) @ a[:, None]


@wrong("detaches the target's part")
def target_detached(h, W, a, edges, slope=0.2):
    W_t, W_s = W.chunk(2, 1)
    return F.leaky_relu((h @ W_t.T).detach()[edges[1]] + (h @ W_s.T)[edges[0]], slope) @ a


@wrong("detaches the hidden units")
def hidden_without_gradient(h, W, a, edges, slope=0.2):
    with torch.no_grad():
        z = torch.cat([h[edges[1]], h[edges[0]]], 1) @ W.T
    return F.leaky_relu(z, slope) @ a


@wrong("has gradients that are 2 times the right ones")
def doubled_gradient(h, W, a, edges, slope=0.2):
    e = two_halves_of_w(h, W, a, edges, slope)
    return 2 * e - e.detach()


@wrong("loses precision: its float64 results are only as good as float32")
def float32_inside(h, W, a, edges, slope=0.2):
    return two_halves_of_w(h.float(), W.float(), a.float(), edges, slope).to(h.dtype)


@wrong("does not keep the dtype of its inputs")
def always_float32(h, W, a, edges, slope=0.2):
    e = two_halves_of_w(h, W, a, edges, slope)
    return e.double()


@wrong("writes in place into a tensor that the backward pass needs")
def normalises_a_in_place(h, W, a, edges, slope=0.2):
    e = two_halves_of_w(h, W, a, edges, slope)
    a /= 2
    return e


@wrong(None, why="a second call with arrays of the same shapes gets the first one's scores")
def caches_by_shape(h, W, a, edges, slope=0.2, cache={}):  # noqa: B006 - a mutable default is the mistake
    key = h.shape, W.shape, edges.shape, h.dtype, slope
    if key in cache:
        return cache[key]
    e = two_halves_of_w(h, W, a, edges, slope)
    cache[key] = e.detach()
    return e


@wrong("returns nothing")
def no_return(h, W, a, edges, slope=0.2):
    two_halves_of_w(h, W, a, edges, slope)


@wrong("is right on ordinary inputs, but not for: self-loops only: both ends are the same node")
def skips_graphs_of_loops(h, W, a, edges, slope=0.2):
    e = two_halves_of_w(h, W, a, edges, slope)
    return e * 0 if len(h) > 1 and edges.shape[1] > 3 and bool((edges[0] == edges[1]).all()) else e
