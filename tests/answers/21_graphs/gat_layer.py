"""Right and wrong answers to graphs.gat_layer: the ways to write it, and what people do to scores and values."""

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong


def mended(edges, nodes):
    """The edges between different nodes, and one self-loop per node."""
    loops = torch.arange(nodes)
    return torch.cat([edges[:, edges[0] != edges[1]], torch.stack([loops, loops])], dim=1)


def softmax_per_target(scores, targets, nodes):
    """Softmax of scores (E, heads) among the edges of one target."""
    peak = torch.full((nodes, scores.shape[1]), -torch.inf, dtype=scores.dtype)
    peak = peak.scatter_reduce(0, targets[:, None].expand_as(scores), scores.detach(), "amax")
    e = (scores - peak[targets]).exp()
    return e / torch.zeros_like(peak).index_add(0, targets, e)[targets]


def values_and_scores(h, W, a, edges, heads, slope):
    """W h per head, and the scores of the edges."""
    Wh = (h @ W.T).reshape(len(h), heads, -1)
    size = Wh.shape[-1]
    u, w = (Wh * a[:, :size]).sum(-1), (Wh * a[:, size:]).sum(-1)
    return Wh, F.leaky_relu(u[edges[1]] + w[edges[0]], slope)


def mixed(Wh, weights, edges):
    """Sum of weighted messages, (V, heads, F')."""
    return torch.zeros_like(Wh).index_add(0, edges[1], weights[..., None] * Wh[edges[0]])


def joined(out, concat):
    """The heads side by side, or their mean."""
    return out.flatten(1) if concat else out.mean(1)


# --- right, in different styles


@right
def five_steps(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = mended(edges, len(h))
    Wh, scores = values_and_scores(h, W, a, edges, heads, slope)
    return joined(mixed(Wh, softmax_per_target(scores, edges[1], len(h)), edges), concat)


@right
def one_head_after_the_other(h, W, a, edges, heads, concat=True, slope=0.2):
    source, target = mended(edges, len(h))
    outs = []
    for W_k, a_k in zip(W.chunk(heads), a, strict=True):
        Wh = h @ W_k.T
        scores = F.leaky_relu(torch.cat([Wh[target], Wh[source]], 1) @ a_k, slope)
        weights = softmax_per_target(scores[:, None], target, len(h))
        outs.append(torch.zeros_like(Wh).index_add(0, target, weights * Wh[source]))
    return torch.cat(outs, 1) if concat else torch.stack(outs).mean(0)


@right
def node_by_node(h, W, a, edges, heads, concat=True, slope=0.2):
    V, size = len(h), len(W) // heads
    Wh = (h @ W.T).view(V, heads, size)
    rows = []
    for i in range(V):
        sources = edges[0][(edges[1] == i) & (edges[0] != i)]
        sources = torch.cat([sources, torch.tensor([i])])
        pair = torch.cat([Wh[i].expand(len(sources), -1, -1), Wh[sources]], dim=-1)
        weights = F.leaky_relu((pair * a).sum(-1), slope).softmax(0)
        rows.append((weights[..., None] * Wh[sources]).sum(0))
    out = torch.stack(rows)
    return out.reshape(V, -1) if concat else out.mean(dim=1)


@right
def dense_with_counts(h, W, a, edges, heads, concat=True, slope=0.2):
    V = len(h)
    count = torch.zeros(V, V, dtype=h.dtype)
    count.index_put_((edges[1], edges[0]), torch.ones(edges.shape[1], dtype=h.dtype), accumulate=True)
    count.fill_diagonal_(1)
    Wh = torch.einsum("vf,kgf->kvg", h, W.reshape(heads, -1, h.shape[1]))
    a_t, a_s = a.chunk(2, dim=1)
    u, w = torch.einsum("kvg,kg->kv", Wh, a_t), torch.einsum("kvg,kg->kv", Wh, a_s)
    scores = F.leaky_relu(u[:, :, None] + w[:, None, :], slope)
    weights = (scores + count.log()).softmax(-1)
    out = torch.einsum("kij,kjg->ikg", weights, Wh)
    return out.reshape(V, -1) if concat else out.sum(1) / heads


@right
def matrix_of_incidence(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = mended(edges, len(h))
    Wh, scores = values_and_scores(h, W, a, edges, heads, slope)
    into = F.one_hot(edges[1], len(h)).T.bool()
    table = scores.T[:, None, :].masked_fill(~into, -torch.inf)
    weights = torch.softmax(table, dim=-1)
    return joined(torch.einsum("kve,ekg->vkg", weights, Wh[edges[0]]), concat)


@right
def log_sum_exp(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = mended(edges, len(h))
    Wh, scores = values_and_scores(h, W, a, edges, heads, slope)
    lse = torch.stack([scores[edges[1] == i].logsumexp(0) for i in range(len(h))])
    return joined(mixed(Wh, torch.exp(scores - lse[edges[1]]), edges), concat)


@right
def dictionary_of_messages(h, W, a, edges, heads, concat=True, slope=0.2):
    inbox = {i: [i] for i in range(len(h))}
    for j, i in edges.T.tolist():
        if i != j:
            inbox[i].append(j)
    size = len(W) // heads
    out = []
    for i, sources in inbox.items():
        parts = []
        for k in range(heads):
            W_k = W[k * size : (k + 1) * size]
            x = h[sources] @ W_k.T
            e = x @ a[k, size:] + a[k, :size] @ (W_k @ h[i])
            parts.append(torch.maximum(e, slope * e).softmax(0) @ x)
        out.append(torch.cat(parts) if concat else sum(parts) / heads)
    return torch.stack(out)


@right
def normalised_after_the_sum(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = mended(edges, len(h))
    Wh, scores = values_and_scores(h, W, a, edges, heads, slope)
    peak = torch.full((len(h), heads), -torch.inf, dtype=h.dtype)
    peak = peak.scatter_reduce(0, edges[1][:, None].expand_as(scores), scores, "amax")
    e = (scores - peak[edges[1]]).exp()
    total = torch.zeros(len(h), heads, dtype=h.dtype).index_add(0, edges[1], e)
    return joined(mixed(Wh, e, edges) / total[..., None], concat)


@right
def sorted_and_split(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = mended(edges, len(h))
    edges = edges[:, edges[1].argsort()]
    Wh, scores = values_and_scores(h, W, a, edges, heads, slope)
    counts = edges[1].bincount(minlength=len(h)).tolist()
    groups = zip(scores.split(counts), Wh[edges[0]].split(counts), strict=True)
    out = torch.stack([torch.einsum("ek,ekg->kg", s.softmax(0), x) for s, x in groups])
    return joined(out, concat)


# --- wrong, the way learners write it


@wrong("mixes h_j instead of W h_j")
def reads_the_previous_layer(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = mended(edges, len(h))
    _, scores = values_and_scores(h, W, a, edges, heads, slope)
    weights = softmax_per_target(scores, edges[1], len(h))
    out = torch.zeros(len(h), heads, h.shape[1], dtype=h.dtype)
    return joined(out.index_add(0, edges[1], weights[..., None] * h[edges[0]][:, None]), concat)


@wrong("mixes the target's features instead of the sources'")
def reads_itself(h, W, a, edges, heads, concat=True, slope=0.2):
    return joined((h @ W.T).reshape(len(h), heads, -1), concat)


@wrong("puts the source first in the concatenation")
def halves_of_a_swapped(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = mended(edges, len(h))
    Wh = (h @ W.T).reshape(len(h), heads, -1)
    scores = F.leaky_relu((torch.cat([Wh[edges[0]], Wh[edges[1]]], -1) * a).sum(-1), slope)
    return joined(mixed(Wh, softmax_per_target(scores, edges[1], len(h)), edges), concat)


@wrong("swaps source and target altogether")
def rows_of_edges_swapped(h, W, a, edges, heads, concat=True, slope=0.2):
    target, source = edges
    return five_steps(h, W, a, torch.stack([source, target]), heads, concat, slope)


@wrong("leaves out the LeakyReLU")
def linear_scores(h, W, a, edges, heads, concat=True, slope=0.2):
    return five_steps(h, W, a, edges, heads, concat, 1.0)


@wrong("has the slope 0.2, whatever it is called with")
def fixed_slope(h, W, a, edges, heads, concat=True, slope=0.2):
    return five_steps(h, W, a, edges, heads, concat, 0.2)


@wrong("has torch's default slope of 0.01")
def default_slope(h, W, a, edges, heads, concat=True, slope=0.2):
    return five_steps(h, W, a, edges, heads, concat, 0.01)


@wrong("has a ReLU in place of the LeakyReLU")
def relu_scores(h, W, a, edges, heads, concat=True, slope=0.2):
    return five_steps(h, W, a, edges, heads, concat, 0.0)


@wrong("applies LeakyReLU before a")
def leaky_of_the_pair(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = mended(edges, len(h))
    Wh = (h @ W.T).reshape(len(h), heads, -1)
    scores = (F.leaky_relu(torch.cat([Wh[edges[1]], Wh[edges[0]]], -1), slope) * a).sum(-1)
    return joined(mixed(Wh, softmax_per_target(scores, edges[1], len(h)), edges), concat)


@wrong("scales the scores by 1/√F'")
def scaled(h, W, a, edges, heads, concat=True, slope=0.2):
    return five_steps(h, W, a / (len(W) // heads) ** 0.5, edges, heads, concat, slope)


@wrong("has the fixed weights of a graph convolution")
def convolution(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = mended(edges, len(h))
    degree = edges[1].bincount(minlength=len(h)).to(h.dtype)
    weights = (degree[edges[0]] * degree[edges[1]]).rsqrt()[:, None]
    return joined(mixed((h @ W.T).reshape(len(h), heads, -1), weights, edges), concat)


@wrong("gives all neighbours the same weight")
def mean_of_the_neighbours(h, W, a, edges, heads, concat=True, slope=0.2):
    return five_steps(h, W, 0 * a, edges, heads, concat, slope)


@wrong("applies an ELU at the end")
def elu_at_the_end(h, W, a, edges, heads, concat=True, slope=0.2):
    return F.elu(five_steps(h, W, a, edges, heads, concat, slope))


@wrong("applies a ReLU at the end")
def relu_at_the_end(h, W, a, edges, heads, concat=True, slope=0.2):
    return five_steps(h, W, a, edges, heads, concat, slope).relu()


@wrong("applies LeakyReLU at the end")
def leaky_at_the_end(h, W, a, edges, heads, concat=True, slope=0.2):
    return F.leaky_relu(five_steps(h, W, a, edges, heads, concat, slope), 0.2)


@wrong("adds the node's own features once more, as a residual")
def residual(h, W, a, edges, heads, concat=True, slope=0.2):
    return five_steps(h, W, a, edges, heads, concat, slope) + joined((h @ W.T).reshape(len(h), heads, -1), concat)


@wrong("detaches the weights")
def weights_detached(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = mended(edges, len(h))
    Wh, scores = values_and_scores(h, W, a, edges, heads, slope)
    return joined(mixed(Wh, softmax_per_target(scores, edges[1], len(h)).detach(), edges), concat)


@wrong("returns the weights as well")
def weights_too(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = mended(edges, len(h))
    Wh, scores = values_and_scores(h, W, a, edges, heads, slope)
    weights = softmax_per_target(scores, edges[1], len(h))
    return joined(mixed(Wh, weights, edges), concat), weights


@wrong("keeps the heads as an axis of their own")
def heads_not_joined(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = mended(edges, len(h))
    Wh, scores = values_and_scores(h, W, a, edges, heads, slope)
    out = mixed(Wh, softmax_per_target(scores, edges[1], len(h)), edges)
    return out if concat else out.mean(1)


@wrong("loses precision: its float64 results are only as good as float32")
def float32_inside(h, W, a, edges, heads, concat=True, slope=0.2):
    return five_steps(h.float(), W.float(), a.float(), edges, heads, concat, slope).to(h.dtype)


@wrong("does not keep the dtype of its inputs")
def always_float64(h, W, a, edges, heads, concat=True, slope=0.2):
    return five_steps(h.double(), W.double(), a.double(), edges, heads, concat, slope)


@wrong("touches the global random generator")
def dropout_on_the_weights(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = mended(edges, len(h))
    Wh, scores = values_and_scores(h, W, a, edges, heads, slope)
    return joined(mixed(Wh, F.dropout(softmax_per_target(scores, edges[1], len(h)), 0.6), edges), concat)


@wrong("returns nothing")
def no_return(h, W, a, edges, heads, concat=True, slope=0.2):
    five_steps(h, W, a, edges, heads, concat, slope)


@wrong("is right except for float64 inputs")
def buffer_of_the_default_dtype(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = mended(edges, len(h))
    Wh, scores = values_and_scores(h, W, a, edges, heads, slope)
    messages = softmax_per_target(scores, edges[1], len(h))[..., None] * Wh[edges[0]]
    return joined(torch.zeros(Wh.shape).index_add(0, edges[1], messages), concat)


@wrong("has gradients that are 2 times the right ones")
def doubled_gradient(h, W, a, edges, heads, concat=True, slope=0.2):
    out = five_steps(h, W, a, edges, heads, concat, slope)
    return 2 * out - out.detach()


@wrong("changes its input edges in place")
def edges_overwritten(h, W, a, edges, heads, concat=True, slope=0.2):
    out = five_steps(h, W, a, edges.clone(), heads, concat, slope)
    edges.fill_(0)
    return out
