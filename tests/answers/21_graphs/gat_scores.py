"""Right and wrong answers to graphs.gat_scores."""

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong

# --- right, in different styles


@right
def two_numbers_per_node(h, W, a, edges, slope=0.2):
    Wh, size = h @ W.T, W.shape[0]
    return F.leaky_relu((Wh @ a[:size])[edges[1]] + (Wh @ a[size:])[edges[0]], slope)


@right
def concatenation_as_it_is_written(h, W, a, edges, slope=0.2):
    source, target = edges
    Wh = F.linear(h, W)
    return F.leaky_relu(torch.cat([Wh[target], Wh[source]], dim=-1) @ a, negative_slope=slope)


@right
def loop_over_edges(h, W, a, edges, slope=0.2):
    scores = []
    for j, i in edges.T.tolist():
        e = a @ torch.cat([W @ h[i], W @ h[j]])
        scores.append(e if e > 0 else slope * e)
    return torch.stack(scores)


@right
def einsum_and_where(h, W, a, edges, slope=0.2):
    a_target, a_source = a.chunk(2)
    e = torch.einsum("ef,gf,g->e", h[edges[1]], W, a_target) + torch.einsum("ef,gf,g->e", h[edges[0]], W, a_source)
    return torch.where(e > 0, e, slope * e)


@right
def a_moved_into_w_first(h, W, a, edges, slope=0.2):
    per_node = h @ (W.T @ a.reshape(2, -1).T)
    e = per_node[edges[1], 0] + per_node[edges[0], 1]
    return torch.maximum(e, slope * e)


@right
def table_of_all_pairs_read_at_the_edges(h, W, a, edges, slope=0.2):
    Wh, size = h @ W.mT, len(W)
    table = F.leaky_relu((Wh * a[:size]).sum(1)[:, None] + (Wh * a[size:]).sum(1)[None, :], slope)
    return table[edges[1], edges[0]]


@right
def split_into_positive_and_negative_part(h, W, a, edges, slope=0.2):
    Wh = h.matmul(W.t())
    e = (torch.stack([Wh[edges[1]], Wh[edges[0]]], 1).flatten(1) * a).sum(1)
    return e.clamp(min=0) + slope * e.clamp(max=0)


@right
def index_select_and_own_buffer(h, W, a, edges, slope=0.2):
    size = len(W)
    u, w = torch.mv(h, W.T @ a[:size]), torch.mv(h, W.T @ a[size:])
    e = u.index_select(0, edges[1])
    e += w.gather(0, edges[0])
    return F.leaky_relu_(e, slope)


@right
def prelu(h, W, a, edges, slope=0.2):
    Wh, size = h @ W.T, len(W)
    e = (Wh @ a[:size])[edges[1]] + (Wh @ a[size:])[edges[0]]
    return F.prelu(e, torch.tensor([slope], dtype=e.dtype))


# --- wrong, the way learners write it


@wrong("puts the source first in the concatenation")
def reads_edges_as_target_source(h, W, a, edges, slope=0.2):
    target, source = edges
    Wh = h @ W.T
    return F.leaky_relu(torch.cat([Wh[target], Wh[source]], 1) @ a, slope)


@wrong("puts the source first in the concatenation")
def source_half_first(h, W, a, edges, slope=0.2):
    source, target = edges
    Wh = h @ W.T
    return F.leaky_relu(torch.cat([Wh[source], Wh[target]], 1) @ a, slope)


@wrong("applies LeakyReLU before a, as GATv2 does in its own way")
def leaky_of_the_pair(h, W, a, edges, slope=0.2):
    Wh = h @ W.T
    return F.leaky_relu(torch.cat([Wh[edges[1]], Wh[edges[0]]], 1), slope) @ a


@wrong("applies LeakyReLU before a, as GATv2 does in its own way")
def leaky_of_the_transformed_nodes(h, W, a, edges, slope=0.2):
    Wh, size = F.leaky_relu(h @ W.T, slope), len(W)
    return (Wh @ a[:size])[edges[1]] + (Wh @ a[size:])[edges[0]]


@wrong("applies LeakyReLU both before and after a")
def leaky_everywhere(h, W, a, edges, slope=0.2):
    Wh, size = F.leaky_relu(h @ W.T, slope), len(W)
    return F.leaky_relu((Wh @ a[:size])[edges[1]] + (Wh @ a[size:])[edges[0]], slope)


@wrong("applies LeakyReLU twice")
def leaky_twice(h, W, a, edges, slope=0.2):
    return F.leaky_relu(two_numbers_per_node(h, W, a, edges, slope), slope)


@wrong("leaves out the LeakyReLU")
def linear_score(h, W, a, edges, slope=0.2):
    Wh, size = h @ W.T, len(W)
    return (Wh @ a[:size])[edges[1]] + (Wh @ a[size:])[edges[0]]


@wrong("has torch's default slope of 0.01")
def default_slope(h, W, a, edges, slope=0.2):
    Wh = h @ W.T
    return F.leaky_relu(torch.cat([Wh[edges[1]], Wh[edges[0]]], 1) @ a)


@wrong("has the slope 0.2, whatever it is called with")
def fixed_slope(h, W, a, edges, slope=0.2):
    Wh = h @ W.T
    return F.leaky_relu(torch.cat([Wh[edges[1]], Wh[edges[0]]], 1) @ a, 0.2)


@wrong("has a ReLU in place of the LeakyReLU")
def relu(h, W, a, edges, slope=0.2):
    Wh = h @ W.T
    return F.relu(torch.cat([Wh[edges[1]], Wh[edges[0]]], 1) @ a)


@wrong("has an ELU in place of the LeakyReLU")
def elu(h, W, a, edges, slope=0.2):
    Wh = h @ W.T
    return F.elu(torch.cat([Wh[edges[1]], Wh[edges[0]]], 1) @ a)


@wrong("has a tanh in place of the LeakyReLU")
def tanh(h, W, a, edges, slope=0.2):
    Wh = h @ W.T
    return (torch.cat([Wh[edges[1]], Wh[edges[0]]], 1) @ a).tanh()


@wrong("applies LeakyReLU to the two halves on their own")
def leaky_per_half(h, W, a, edges, slope=0.2):
    Wh, size = h @ W.T, len(W)
    return F.leaky_relu(Wh @ a[:size], slope)[edges[1]] + F.leaky_relu(Wh @ a[size:], slope)[edges[0]]


@wrong("multiplies what is positive by the slope")
def where_the_wrong_way_round(h, W, a, edges, slope=0.2):
    e = linear_score(h, W, a, edges)
    return torch.where(e > 0, slope * e, e)


@wrong("turns negative scores positive")
def absolute_value_with_a_slope(h, W, a, edges, slope=0.2):
    e = linear_score(h, W, a, edges)
    return torch.where(e > 0, e, -slope * e)


@wrong("leaves out the target")
def only_the_source(h, W, a, edges, slope=0.2):
    return F.leaky_relu((h @ W.T @ a[len(W) :])[edges[0]], slope)


@wrong("leaves out the source")
def only_the_target(h, W, a, edges, slope=0.2):
    return F.leaky_relu((h @ W.T @ a[: len(W)])[edges[1]], slope)


@wrong("multiplies the two halves instead of adding them")
def product(h, W, a, edges, slope=0.2):
    Wh, size = h @ W.T, len(W)
    return F.leaky_relu((Wh @ a[:size])[edges[1]] * (Wh @ a[size:])[edges[0]], slope)


@wrong("subtracts the source from the target")
def difference(h, W, a, edges, slope=0.2):
    Wh, size = h @ W.T, len(W)
    return F.leaky_relu((Wh @ a[:size])[edges[1]] - (Wh @ a[size:])[edges[0]], slope)


@wrong("takes a by turns for target and source instead of in two halves")
def stacked_along_the_last_axis(h, W, a, edges, slope=0.2):
    Wh = h @ W.T
    return F.leaky_relu(torch.stack([Wh[edges[1]], Wh[edges[0]]], dim=-1).flatten(1) @ a, slope)


@wrong("uses the first half of a for both ends")
def first_half_only(h, W, a, edges, slope=0.2):
    per_node = h @ W.T @ a[: len(W)]
    return F.leaky_relu(per_node[edges[0]] + per_node[edges[1]], slope)


@wrong("uses the second half of a for both ends")
def second_half_only(h, W, a, edges, slope=0.2):
    per_node = h @ W.T @ a[len(W) :]
    return F.leaky_relu(per_node[edges].sum(0), slope)


@wrong("scales by 1/√F'")
def scaled(h, W, a, edges, slope=0.2):
    return two_numbers_per_node(h, W, a, edges, slope) * len(W) ** -0.5


@wrong("averages instead of summing")
def mean(h, W, a, edges, slope=0.2):
    Wh = h @ W.T
    return F.leaky_relu((torch.cat([Wh[edges[1]], Wh[edges[0]]], 1) * a).mean(1), slope)


@wrong("applies a softmax, which is the next step")
def weights(h, W, a, edges, slope=0.2):
    e = two_numbers_per_node(h, W, a, edges, slope)
    out = torch.empty_like(e)
    for i in edges[1].unique():
        out[edges[1] == i] = e[edges[1] == i].softmax(0)
    return out


@wrong("takes the exponential, which is the next step")
def exponentials(h, W, a, edges, slope=0.2):
    return two_numbers_per_node(h, W, a, edges, slope).exp()


@wrong("adds a self-loop per node, which the layer does")
def with_loops(h, W, a, edges, slope=0.2):
    loops = torch.arange(len(h))
    edges = torch.cat([edges[:, edges[0] != edges[1]], torch.stack([loops, loops])], 1)
    return two_numbers_per_node(h, W, a, edges, slope)


@wrong("drops the self-loops, which the layer does")
def without_loops(h, W, a, edges, slope=0.2):
    return two_numbers_per_node(h, W, a, edges[:, edges[0] != edges[1]], slope)


@wrong("returns the edges sorted, each once")
def coalesced(h, W, a, edges, slope=0.2):
    return two_numbers_per_node(h, W, a, edges.unique(dim=1), slope)


@wrong("scores all pairs of nodes instead of the given edges")
def dense(h, W, a, edges, slope=0.2):
    Wh, size = h @ W.T, len(W)
    return F.leaky_relu((Wh @ a[:size])[:, None] + (Wh @ a[size:])[None, :], slope)


@wrong("keeps an axis of size 1 at the end")
def column(h, W, a, edges, slope=0.2):
    Wh = h @ W.T
    return F.leaky_relu(torch.cat([Wh[edges[1]], Wh[edges[0]]], 1) @ a[:, None], slope)


@wrong("detaches the target's half")
def target_detached(h, W, a, edges, slope=0.2):
    Wh, size = h @ W.T, len(W)
    return F.leaky_relu((Wh @ a[:size])[edges[1]].detach() + (Wh @ a[size:])[edges[0]], slope)


@wrong("detaches W h")
def transformed_without_gradient(h, W, a, edges, slope=0.2):
    with torch.no_grad():
        Wh = h @ W.T
    return F.leaky_relu(torch.cat([Wh[edges[1]], Wh[edges[0]]], 1) @ a, slope)


@wrong("cuts the gradient to h")
def everything_detached(h, W, a, edges, slope=0.2):
    return two_numbers_per_node(h, W, a, edges, slope).detach()


@wrong("loses precision: its float64 results are only as good as float32")
def float32_inside(h, W, a, edges, slope=0.2):
    return two_numbers_per_node(h.float(), W.float(), a.float(), edges, slope).to(h.dtype)


@wrong("does not keep the dtype of its inputs")
def always_float64(h, W, a, edges, slope=0.2):
    return two_numbers_per_node(h.double(), W.double(), a.double(), edges, slope)


@wrong("writes in place into a tensor that the backward pass needs")
def features_overwritten(h, W, a, edges, slope=0.2):
    e = two_numbers_per_node(h, W, a, edges, slope)
    h *= 2
    return e


@wrong("changes its input edges in place")
def edges_flipped_in_place(h, W, a, edges, slope=0.2):
    e = two_numbers_per_node(h, W, a, edges.clone(), slope)
    edges[:] = edges.flip(0).clone()
    return e


@wrong("gives another result the second time it is called")
def remembers_the_slope(h, W, a, edges, slope=None, last=[0.2]):  # noqa: B006 - a mutable default is the mistake
    last[0] = slope or last[0] * 0.9
    return two_numbers_per_node(h, W, a, edges, last[0])


@wrong("touches the global random generator")
def dropout_on_the_features(h, W, a, edges, slope=0.2):
    return two_numbers_per_node(F.dropout(h, 1e-9), W, a, edges, slope)


@wrong("returns nothing")
def no_return(h, W, a, edges, slope=0.2):
    two_numbers_per_node(h, W, a, edges, slope)


@wrong("uses view on a tensor that does not lie in memory row by row")
def view_of_the_edges(h, W, a, edges, slope=0.2):
    sources, targets = edges.view(-1).chunk(2)
    return two_numbers_per_node(h, W, a, torch.stack([sources, targets]), slope)
