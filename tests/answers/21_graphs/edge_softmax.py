"""Right and wrong answers to graphs.edge_softmax."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong


def peak_of(scores, targets, nodes):
    """Per node, its largest score."""
    return torch.full((nodes,), -torch.inf, dtype=scores.dtype).scatter_reduce(0, targets, scores.detach(), "amax")


def sums_of(values, targets, nodes):
    """Per node, the sum of its values."""
    return torch.zeros(nodes, dtype=values.dtype).index_add(0, targets, values)


# --- right, in different styles


@right
def scatter_reduce_and_index_add(scores, targets, nodes):
    e = (scores - peak_of(scores, targets, nodes)[targets]).exp()
    return e / sums_of(e, targets, nodes)[targets]


@right
def gradient_through_the_maximum(scores, targets, nodes):
    peak = torch.full((nodes,), -torch.inf, dtype=scores.dtype).scatter_reduce(0, targets, scores, "amax")
    e = torch.exp(scores - peak.index_select(0, targets))
    return e / e.new_zeros(nodes).scatter_add(0, targets, e).gather(0, targets)


@right
def loop_over_nodes(scores, targets, nodes):
    weights = torch.zeros_like(scores)
    for i in range(nodes):
        into = targets == i
        if into.any():
            weights[into] = torch.softmax(scores[into], dim=0)
    return weights


@right
def dense_table_with_minus_infinity(scores, targets, nodes):
    E = len(scores)
    mask = targets[None, :] == torch.arange(nodes)[:, None]
    table = scores.expand(nodes, E).masked_fill(~mask, -torch.inf)
    return torch.softmax(table, dim=1).nan_to_num().masked_fill(~mask, 0).sum(0)


@right
def edges_against_edges(scores, targets, nodes):
    same = targets[:, None] == targets[None, :]
    gaps = torch.where(same, scores[None, :] - scores[:, None], -torch.inf)
    return torch.exp(-torch.logsumexp(gaps, dim=1))


@right
def log_sum_exp_by_node(scores, targets, nodes):
    mask = F.one_hot(targets, nodes).bool().T
    lse = torch.logsumexp(scores[None, :].masked_fill(~mask, -torch.inf), dim=1)
    return torch.exp(scores - lse[targets])


@right
def sort_split_softmax_unsort(scores, targets, nodes):
    order = torch.argsort(targets)
    counts = torch.bincount(targets, minlength=nodes).tolist()
    parts = [p.softmax(0) for p in scores[order].split(counts)]
    return torch.cat(parts)[torch.argsort(order)] if len(scores) else scores


@right
def matrix_product_with_one_hot(scores, targets, nodes):
    member = F.one_hot(targets, nodes).to(scores.dtype)
    e = (scores - peak_of(scores, targets, nodes)[targets]).exp()
    return e / (member @ (member.T @ e))


@right
def python_dictionary(scores, targets, nodes):
    groups = {}
    for e, i in enumerate(targets.tolist()):
        groups.setdefault(i, []).append(e)
    weights = [None] * len(scores)
    for members in groups.values():
        for e, w in zip(members, F.softmax(scores[members], 0), strict=True):
            weights[e] = w
    return torch.stack(weights) if weights else scores.clone()


@right
def in_place_on_own_buffers(scores, targets, nodes):
    top = torch.full((nodes,), float("-inf"), dtype=scores.dtype)
    with torch.no_grad():
        for e, i in enumerate(targets.tolist()):
            top[i] = max(top[i], scores[e])
    e = torch.exp(scores - top[targets])
    total = torch.zeros(nodes, dtype=scores.dtype)
    total.index_add_(0, targets, e)
    return e / total[targets]


@right
def tiny_constant_that_does_no_harm(scores, targets, nodes):
    e = (scores - peak_of(scores, targets, nodes)[targets]).exp()
    return e / (sums_of(e, targets, nodes)[targets] + 1e-16)


@right
def index_put_with_accumulate(scores, targets, nodes):
    e = torch.exp(scores - peak_of(scores, targets, nodes)[targets])
    return e / torch.zeros(nodes, dtype=e.dtype).index_put((targets,), e, accumulate=True)[targets]


@right
def ranks_of_the_targets(scores, targets, nodes):
    names, place = torch.unique(targets, return_inverse=True)
    e = torch.exp(scores - peak_of(scores, place, len(names))[place])
    return e / sums_of(e, place, len(names))[place]


# --- wrong, the way learners write it


@wrong("takes one softmax over all edges")
def global_softmax(scores, targets, nodes):
    return F.softmax(scores, dim=0)


@wrong("exponentiates without subtracting the maximum")
def naive(scores, targets, nodes):
    e = torch.exp(scores)
    return e / sums_of(e, targets, nodes)[targets]


@wrong("exponentiates without subtracting the maximum")
def naive_in_a_loop(scores, targets, nodes):
    e = scores.exp()
    return torch.stack([e[k] / e[targets == targets[k]].sum() for k in range(len(e))]) if len(e) else e


@wrong("subtracts one maximum from all edges, so that targets far below it get 0/0")
def global_maximum(scores, targets, nodes):
    e = torch.exp(scores - scores.max()) if len(scores) else scores
    return e / sums_of(e, targets, nodes)[targets]


@wrong("subtracts one maximum from all edges and guards the division: targets far below it get zeros")
def global_maximum_with_a_guard(scores, targets, nodes):
    e = torch.exp(scores - scores.max()) if len(scores) else scores
    return e / (sums_of(e, targets, nodes)[targets] + 1e-16)


@wrong("subtracts one maximum from all edges and guards the division: targets far below it get zeros")
def global_maximum_with_clamp(scores, targets, nodes):
    e = torch.exp(scores - scores.max()) if len(scores) else scores
    return e / sums_of(e, targets, nodes)[targets].clamp(min=1e-30)


@wrong("is right except when scores is empty")
def maximum_of_nothing(scores, targets, nodes):
    if scores.max() < math.inf:
        return scatter_reduce_and_index_add(scores, targets, nodes)
    return scores


@wrong("starts the maximum at 0: where all scores of a target are far below, it gets 0/0")
def maximum_from_zeros(scores, targets, nodes):
    peak = torch.zeros(nodes, dtype=scores.dtype).scatter_reduce(0, targets, scores.detach(), "amax")
    e = torch.exp(scores - peak[targets])
    return e / sums_of(e, targets, nodes)[targets]


@wrong("subtracts the minimum instead of the maximum")
def minimum(scores, targets, nodes):
    low = torch.full((nodes,), torch.inf, dtype=scores.dtype).scatter_reduce(0, targets, scores.detach(), "amin")
    e = torch.exp(scores - low[targets])
    return e / sums_of(e, targets, nodes)[targets]


@wrong("subtracts the mean instead of the maximum")
def mean(scores, targets, nodes):
    count = torch.bincount(targets, minlength=nodes).clamp(min=1)
    e = torch.exp(scores - (sums_of(scores, targets, nodes) / count)[targets])
    return e / sums_of(e, targets, nodes)[targets]


@wrong("adds by indexed assignment, which keeps one edge per target")
def indexed_plus_equals(scores, targets, nodes):
    e = torch.exp(scores - peak_of(scores, targets, nodes)[targets])
    total = torch.zeros(nodes, dtype=scores.dtype)
    total[targets] += e
    return e / total[targets]


@wrong("takes edges that stand side by side for a group")
def assumes_sorted_targets(scores, targets, nodes):
    out, start = [], 0
    for end in range(1, len(scores) + 1):
        if end == len(scores) or targets[end] != targets[start]:
            out.append(scores[start:end].softmax(0))
            start = end
    return torch.cat(out) if out else scores


@wrong("returns the weights sorted by target")
def forgets_to_unsort(scores, targets, nodes):
    parts = [scores[targets == i].softmax(0) for i in range(nodes)]
    return torch.cat(parts)


@wrong("cuts the edges into groups of the right sizes, without sorting them first")
def split_by_count_without_sorting(scores, targets, nodes):
    counts = torch.bincount(targets, minlength=nodes).tolist()
    return torch.cat([p.softmax(0) for p in scores.split(counts)])


@wrong("gives pairs that are no edge the score 0 instead of −∞")
def zeros_in_the_table(scores, targets, nodes):
    table = torch.zeros(nodes, len(scores), dtype=scores.dtype)
    table[targets, torch.arange(len(scores))] = scores
    return table.softmax(1)[targets, torch.arange(len(scores))]


@wrong("does not divide by the sum")
def unnormalised(scores, targets, nodes):
    return torch.exp(scores - peak_of(scores, targets, nodes)[targets])


@wrong("divides the scores by their sum, without exponentials")
def shares_of_the_scores(scores, targets, nodes):
    return scores / sums_of(scores, targets, nodes)[targets]


@wrong("divides by the number of edges instead of the sum")
def divided_by_the_degree(scores, targets, nodes):
    e = torch.exp(scores - peak_of(scores, targets, nodes)[targets])
    return e / torch.bincount(targets, minlength=nodes)[targets]


@wrong("gives all edges of a target the same weight")
def uniform(scores, targets, nodes):
    return 1 / torch.bincount(targets, minlength=nodes)[targets].to(scores.dtype)


@wrong("reads the best edge only (argmax) instead of mixing all")
def hard(scores, targets, nodes):
    best = (scores == peak_of(scores, targets, nodes)[targets]).to(scores.dtype)
    return best / sums_of(best, targets, nodes)[targets]


@wrong("returns the logarithms of the weights")
def log_softmax(scores, targets, nodes):
    peak = peak_of(scores, targets, nodes)[targets]
    return scores - peak - sums_of(torch.exp(scores - peak), targets, nodes)[targets].log()


@wrong("divides by twice the sum")
def both_directions_counted(scores, targets, nodes):
    e = torch.exp(scores - peak_of(scores, targets, nodes)[targets])
    return e / (2 * sums_of(e, targets, nodes)[targets])


@wrong("applies softmax twice")
def twice(scores, targets, nodes):
    return scatter_reduce_and_index_add(scatter_reduce_and_index_add(scores, targets, nodes), targets, nodes)


@wrong("gives the largest weight to the smallest score")
def negative_exponent(scores, targets, nodes):
    return scatter_reduce_and_index_add(-scores, targets, nodes)


@wrong("cuts large scores off")
def clamped(scores, targets, nodes):
    e = torch.exp(scores.clamp(-50, 50))
    return e / sums_of(e, targets, nodes)[targets]


@wrong("scales by the number of nodes")
def scaled(scores, targets, nodes):
    return scatter_reduce_and_index_add(scores / math.sqrt(nodes), targets, nodes)


@wrong("returns one sum per node")
def per_node(scores, targets, nodes):
    return sums_of(torch.exp(scores - peak_of(scores, targets, nodes)[targets]), targets, nodes)


@wrong("returns a table of all targets and edges")
def table(scores, targets, nodes):
    mask = targets[None, :] == torch.arange(nodes)[:, None]
    return torch.softmax(scores[None, :].masked_fill(~mask, -torch.inf), 1).nan_to_num()


@wrong("detaches the denominator")
def denominator_detached(scores, targets, nodes):
    e = torch.exp(scores - peak_of(scores, targets, nodes)[targets])
    with torch.no_grad():
        total = sums_of(e, targets, nodes)[targets]
    return e / total


@wrong("detaches the weights")
def no_gradient(scores, targets, nodes):
    return scatter_reduce_and_index_add(scores.detach(), targets, nodes)


@wrong("has gradients that are 2 times the right ones")
def doubled_gradient(scores, targets, nodes):
    weights = scatter_reduce_and_index_add(scores, targets, nodes)
    return 2 * weights - weights.detach()


@wrong("has the right values but wrong gradients")
def added_minus_infinity(scores, targets, nodes):
    mask = targets[None, :] == torch.arange(nodes)[:, None]
    table = scores[None, :] + torch.where(mask, 0.0, -torch.inf).to(scores.dtype)
    e = torch.exp(table - table.max(1, keepdim=True).values) if len(scores) else table
    weights = e / e.sum(1, keepdim=True)
    return torch.where(mask, weights, 0).sum(0)


@wrong("is right except for float64 inputs")
def epsilon_in_the_denominator(scores, targets, nodes):
    e = torch.exp(scores - peak_of(scores, targets, nodes)[targets])
    return e / (sums_of(e, targets, nodes)[targets] + 1e-7)


@wrong("loses precision: its float64 results are only as good as float32")
def float32_inside(scores, targets, nodes):
    return scatter_reduce_and_index_add(scores.float(), targets, nodes).to(scores.dtype)


@wrong("is right except for float64 inputs")
def buffer_of_the_default_dtype(scores, targets, nodes):
    e = torch.exp(scores - peak_of(scores, targets, nodes)[targets])
    return e / torch.zeros(nodes).index_add(0, targets, e)[targets]


@wrong("does not keep the dtype of its inputs")
def always_float64(scores, targets, nodes):
    return scatter_reduce_and_index_add(scores.double(), targets, nodes)


@wrong("changes its input scores in place")
def subtracts_in_place(scores, targets, nodes):
    scores -= peak_of(scores, targets, nodes)[targets]
    return scores.exp() / sums_of(scores.exp(), targets, nodes)[targets]


@wrong("changes its input targets in place")
def sorts_the_targets_in_place(scores, targets, nodes):
    weights = scatter_reduce_and_index_add(scores, targets.clone(), nodes)
    targets.copy_(targets.sort().values)
    return weights


@wrong("returns nothing")
def no_return(scores, targets, nodes):
    scatter_reduce_and_index_add(scores, targets, nodes)


@wrong("is right on ordinary inputs, but not for: hundreds of edges")
def counts_in_eight_bits(scores, targets, nodes):
    weights = scatter_reduce_and_index_add(scores, targets, nodes)
    return weights if len(scores) < 256 else weights[: len(scores)].cumsum(0)


@wrong("is right except when scores is empty")
def stacks_a_list(scores, targets, nodes):
    return torch.stack([scores[targets == t].softmax(0)[(targets[:e] == t).sum()] for e, t in enumerate(targets)])


@wrong("is right on ordinary inputs, but not for: scores that tie")
def ties_share_one_weight(scores, targets, nodes):
    same = (targets[:, None] == targets[None, :]) & (scores[:, None] == scores[None, :])
    first = ~(same & torch.ones_like(same).tril(-1)).any(1)
    return scatter_reduce_and_index_add(scores.masked_fill(~first, -torch.inf), targets, nodes)
