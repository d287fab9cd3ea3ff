"""Wrong answers to graphs.gat_layer: what people do to edges, softmax and heads."""

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import wrong

from attn_core.graphs.gat import gat_layer as right_answer


def sums(values, targets, nodes):
    """Per node, the sum of what arrives."""
    return torch.zeros(nodes, *values.shape[1:], dtype=values.dtype).index_add(0, targets, values)


def softmax_per_target(scores, targets, nodes):
    """A right softmax among the edges of one target."""
    peak = torch.full((nodes, scores.shape[1]), -torch.inf, dtype=scores.dtype)
    peak = peak.scatter_reduce(0, targets[:, None].expand_as(scores), scores.detach(), "amax")
    e = (scores - peak[targets]).exp()
    return e / sums(e, targets, nodes)[targets]


def with_loops(edges, nodes):
    """Right edges."""
    return torch.cat([edges[:, edges[0] != edges[1]], torch.arange(nodes).expand(2, -1)], 1)


def layer(h, W, a, edges, heads, concat, slope, softmax=softmax_per_target, group=1):
    """The rest of the layer, for edges that are taken as they are."""
    Wh = (h @ W.T).view(len(h), heads, -1)
    a_target, a_source = a.chunk(2, 1)
    scores = F.leaky_relu((Wh * a_target).sum(-1)[edges[1]] + (Wh * a_source).sum(-1)[edges[0]], slope)
    weights = softmax(scores, edges[group], len(h))
    out = sums(weights[..., None] * Wh[edges[0]], edges[1], len(h))
    return out.flatten(1) if concat else out.mean(1)


@wrong("keeps the given self-loops and adds one per node")
def loops_added_to_loops(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = torch.cat([edges, torch.arange(len(h)).expand(2, -1)], 1)
    return layer(h, W, a, edges, heads, concat, slope)


@wrong("keeps all given self-loops and adds only the missing ones")
def only_the_missing_loops(h, W, a, edges, heads, concat=True, slope=0.2):
    has = edges[0][edges[0] == edges[1]]
    missing = torch.tensor([i for i in range(len(h)) if i not in has], dtype=torch.int64)
    return layer(h, W, a, torch.cat([edges, missing.expand(2, -1)], 1), heads, concat, slope)


@wrong("adds no self-loops")
def no_loops(h, W, a, edges, heads, concat=True, slope=0.2):
    return layer(h, W, a, edges[:, edges[0] != edges[1]], heads, concat, slope)


@wrong("takes the edges as they are")
def edges_as_given(h, W, a, edges, heads, concat=True, slope=0.2):
    return layer(h, W, a, edges, heads, concat, slope)


@wrong("counts a repeated edge once")
def coalesced(h, W, a, edges, heads, concat=True, slope=0.2):
    return layer(h, W, a, with_loops(edges, len(h)).unique(dim=1), heads, concat, slope)


@wrong("counts a repeated edge once")
def dense_mask(h, W, a, edges, heads, concat=True, slope=0.2):
    mask = torch.eye(len(h), dtype=torch.bool)
    mask[edges[1], edges[0]] = True
    Wh = (h @ W.T).view(len(h), heads, -1)
    u, w = ((Wh * half).sum(-1).T for half in a.chunk(2, 1))
    scores = F.leaky_relu(u[:, :, None] + w[:, None, :], slope).masked_fill(~mask, -torch.inf)
    out = torch.einsum("kij,jkg->ikg", scores.softmax(-1), Wh)
    return out.flatten(1) if concat else out.mean(1)


@wrong("lets messages run both ways")
def undirected(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = edges[:, edges[0] != edges[1]]
    edges = torch.cat([edges, edges.flip(0), torch.arange(len(h)).expand(2, -1)], 1)
    return layer(h, W, a, edges, heads, concat, slope)


@wrong("normalises over the edges out of each source")
def softmax_over_sources(h, W, a, edges, heads, concat=True, slope=0.2):
    return layer(h, W, a, with_loops(edges, len(h)), heads, concat, slope, group=0)


@wrong("takes one softmax over all edges")
def global_softmax(h, W, a, edges, heads, concat=True, slope=0.2):
    return layer(h, W, a, with_loops(edges, len(h)), heads, concat, slope, lambda s, t, n: s.softmax(0))


@wrong("normalises over the heads")
def softmax_over_heads(h, W, a, edges, heads, concat=True, slope=0.2):
    return layer(h, W, a, with_loops(edges, len(h)), heads, concat, slope, lambda s, t, n: s.softmax(-1))


@wrong("exponentiates without subtracting the maximum")
def naive_softmax(h, W, a, edges, heads, concat=True, slope=0.2):
    def naive(s, t, n):
        return s.exp() / sums(s.exp(), t, n)[t]

    return layer(h, W, a, with_loops(edges, len(h)), heads, concat, slope, naive)


@wrong("subtracts one maximum from all edges, so that targets far below it get 0/0")
def maximum_of_all_edges(h, W, a, edges, heads, concat=True, slope=0.2):
    def shifted(s, t, n):
        e = (s - s.detach().amax(0)).exp()
        return e / sums(e, t, n)[t]

    return layer(h, W, a, with_loops(edges, len(h)), heads, concat, slope, shifted)


@wrong("subtracts one maximum from all edges and guards the division: targets far below it get zeros")
def maximum_of_all_edges_guarded(h, W, a, edges, heads, concat=True, slope=0.2):
    def shifted(s, t, n):
        e = (s - s.detach().amax(0)).exp()
        return e / (sums(e, t, n)[t] + 1e-16)

    return layer(h, W, a, with_loops(edges, len(h)), heads, concat, slope, shifted)


@wrong("uses the scores as weights, without a softmax")
def no_softmax(h, W, a, edges, heads, concat=True, slope=0.2):
    return layer(h, W, a, with_loops(edges, len(h)), heads, concat, slope, lambda s, t, n: s)


@wrong("averages the weights over the heads before they mix")
def heads_share_their_weights(h, W, a, edges, heads, concat=True, slope=0.2):
    def shared(s, t, n):
        return softmax_per_target(s, t, n).mean(1, keepdim=True).repeat(1, heads)

    return layer(h, W, a, with_loops(edges, len(h)), heads, concat, slope, shared)


@wrong("sums the messages at their source")
def added_up_at_the_source(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = with_loops(edges, len(h))
    Wh = (h @ W.T).view(len(h), heads, -1)
    u, w = ((Wh * half).sum(-1) for half in a.chunk(2, 1))
    weights = softmax_per_target(F.leaky_relu(u[edges[1]] + w[edges[0]], slope), edges[1], len(h))
    out = sums(weights[..., None] * Wh[edges[1]], edges[0], len(h))
    return out.flatten(1) if concat else out.mean(1)


@wrong("writes the messages by indexed assignment, which keeps one per target")
def indexed_assignment(h, W, a, edges, heads, concat=True, slope=0.2):
    edges = with_loops(edges, len(h))
    Wh = (h @ W.T).view(len(h), heads, -1)
    u, w = ((Wh * half).sum(-1) for half in a.chunk(2, 1))
    weights = softmax_per_target(F.leaky_relu(u[edges[1]] + w[edges[0]], slope), edges[1], len(h))
    out = torch.zeros_like(Wh)
    out[edges[1]] += weights[..., None] * Wh[edges[0]]
    return out.flatten(1) if concat else out.mean(1)


@wrong("gives head k every heads-th row of W instead of a block")
def interleaved_w(h, W, a, edges, heads, concat=True, slope=0.2):
    Wh = (h @ W.T).view(len(h), -1, heads).transpose(1, 2)
    edges = with_loops(edges, len(h))
    u, w = ((Wh * half).sum(-1) for half in a.chunk(2, 1))
    weights = softmax_per_target(F.leaky_relu(u[edges[1]] + w[edges[0]], slope), edges[1], len(h))
    out = sums(weights[..., None] * Wh[edges[0]], edges[1], len(h))
    return out.reshape(len(h), -1) if concat else out.mean(1)


@wrong("interleaves the heads in the output")
def interleaved_output(h, W, a, edges, heads, concat=True, slope=0.2):
    out = right_answer(h, W, a, edges, heads, True, slope).view(len(h), heads, -1)
    return out.permute(0, 2, 1).reshape(len(h), -1) if concat else out.mean(1)


@wrong("averages the heads where they should be concatenated, and the other way round")
def concat_inverted(h, W, a, edges, heads, concat=True, slope=0.2):
    return layer(h, W, a, with_loops(edges, len(h)), heads, not concat, slope)


@wrong("always concatenates the heads")
def always_concatenated(h, W, a, edges, heads, concat=True, slope=0.2):
    return layer(h, W, a, with_loops(edges, len(h)), heads, True, slope)


@wrong("sums the heads instead of averaging them")
def heads_summed(h, W, a, edges, heads, concat=True, slope=0.2):
    out = right_answer(h, W, a, edges, heads, True, slope)
    return out if concat else out.view(len(h), heads, -1).sum(1)


@wrong("averages over the features of a head instead of over the heads")
def mean_over_the_last_axis(h, W, a, edges, heads, concat=True, slope=0.2):
    out = right_answer(h, W, a, edges, heads, True, slope)
    return out if concat else out.view(len(h), heads, -1).mean(-1)


@wrong("averages every heads-th feature: the heads were concatenated, not interleaved")
def mean_of_interleaved_heads(h, W, a, edges, heads, concat=True, slope=0.2):
    out = right_answer(h, W, a, edges, heads, True, slope)
    return out if concat else out.view(len(h), -1, heads).mean(-1)


@wrong("uses the first head's a for all heads")
def one_a_for_all(h, W, a, edges, heads, concat=True, slope=0.2):
    return right_answer(h, W, a[0].expand_as(a), edges, heads, concat, slope)


@wrong("counts the nodes by the largest number in edges")
def nodes_counted_from_the_edges(h, W, a, edges, heads, concat=True, slope=0.2):
    V = int(edges.max()) + 1
    return layer(h[:V], W, a, with_loops(edges, V), heads, concat, slope)


@wrong("is right on ordinary inputs, but not for: a crowd: hundreds of edges")
def mask_in_eight_bits(h, W, a, edges, heads, concat=True, slope=0.2):
    return right_answer(h, W, a, edges[:, :128], heads, concat, slope)


@wrong("gives another result the second time it is called")
def graph_kept_from_the_last_call(h, W, a, edges, heads, concat=True, slope=0.2, last=[]):  # noqa: B006 - a mutable default is the mistake
    out = right_answer(h, W, a, edges if len(last) % 7 else edges.flip(0), heads, concat, slope)
    last.append(edges)
    return out
