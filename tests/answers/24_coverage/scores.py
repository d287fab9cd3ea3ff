"""Right and wrong answers to coverage.scores."""

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong

# --- right, in different styles


@right
def broadcasting(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None, :] + c[:, :, None] * w_c + b) @ v


@right
def einsum(s, H, c, W_s, W_h, w_c, b, v):
    hidden = (
        torch.einsum("bnh,ah->bna", H, W_h)
        + torch.einsum("bs,as->ba", s, W_s).unsqueeze(1)
        + torch.einsum("bn,a->bna", c, w_c)
        + b
    )
    return torch.einsum("bna,a->bn", hidden.tanh(), v)


@right
def functional_linear(s, H, c, W_s, W_h, w_c, b, v):
    hidden = F.linear(H, W_h, b) + F.linear(s, W_s).unsqueeze(1) + F.linear(c.unsqueeze(-1), w_c.unsqueeze(-1))
    return F.linear(torch.tanh(hidden), v.unsqueeze(0)).squeeze(-1)


@right
def one_matrix_over_the_concatenation(s, H, c, W_s, W_h, w_c, b, v):
    n = H.shape[1]
    joined = torch.cat([H, s.unsqueeze(1).expand(-1, n, -1), c.unsqueeze(-1)], dim=-1)
    W = torch.cat([W_h, W_s, w_c.unsqueeze(1)], dim=1)
    return torch.matmul(torch.tanh(torch.matmul(joined, W.t()) + b), v)


@right
def loop_over_positions(s, H, c, W_s, W_h, w_c, b, v):
    query = s @ W_s.T + b
    return torch.stack(
        [(v * torch.tanh(H[:, i] @ W_h.T + query + c[:, i : i + 1] * w_c)).sum(-1) for i in range(H.shape[1])], dim=1
    )


@right
def loop_over_everything(s, H, c, W_s, W_h, w_c, b, v):
    rows = []
    for j in range(len(s)):
        query = W_s @ s[j] + b
        rows.append(torch.stack([v @ torch.tanh(W_h @ H[j, i] + query + w_c * c[j, i]) for i in range(H.shape[1])]))
    return torch.stack(rows)


@right
def tanh_from_the_sigmoid(s, H, c, W_s, W_h, w_c, b, v):
    z = H @ W_h.mT + s.unsqueeze(1) @ W_s.mT + torch.outer(c.reshape(-1), w_c).view(*c.shape, -1) + b
    return ((2 * torch.sigmoid(2 * z) - 1) * v).sum(dim=-1)


# --- wrong, the way learners write it


@wrong("leaves out the coverage")
def plain_additive(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(H @ W_h.T + (s @ W_s.T).unsqueeze(1) + b) @ v


@wrong("leaves out the bias")
def forgets_the_bias(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(F.linear(H, W_h) + F.linear(s, W_s)[:, None] + c[..., None] * w_c) @ v


@wrong("leaves out the decoder state")
def nobody_asks(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(F.linear(H, W_h, b) + c[..., None] * w_c) @ v


@wrong("leaves out the tanh")
def linear(s, H, c, W_s, W_h, w_c, b, v):
    return (H @ W_h.T + (s @ W_s.T)[:, None] + c[..., None] * w_c + b) @ v


@wrong("takes the tanh of the finished score instead of the hidden units")
def tanh_last(s, H, c, W_s, W_h, w_c, b, v):
    return ((H @ W_h.T + (s @ W_s.T)[:, None] + c[..., None] * w_c + b) @ v).tanh()


@wrong("adds the coverage outside the tanh")
def coverage_after_tanh(s, H, c, W_s, W_h, w_c, b, v):
    hidden = torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + b) + c[..., None] * w_c
    return hidden @ v


@wrong("adds the bias outside the tanh")
def bias_after_tanh(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + c[..., None] * w_c) @ v + b @ v


@wrong("subtracts the coverage instead of adding it")
def coverage_as_a_malus(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] - torch.einsum("bn,a->bna", c, w_c) + b) @ v


@wrong("gives every position the same coverage: the sum over all positions")
def one_number_for_all(s, H, c, W_s, W_h, w_c, b, v):
    covered = c.sum(dim=1)[:, None, None]
    return torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + covered * w_c + b) @ v


@wrong("applies softmax, which is the next step")
def weights(s, H, c, W_s, W_h, w_c, b, v):
    return F.softmax(torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + c[..., None] * w_c + b) @ v, dim=1)


@wrong("averages over the hidden units instead of summing")
def mean(s, H, c, W_s, W_h, w_c, b, v):
    return (torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + c[..., None] * w_c + b) * v).mean(-1)


@wrong("has a sigmoid in place of the tanh")
def sigmoid(s, H, c, W_s, W_h, w_c, b, v):
    return (H @ W_h.T + (s @ W_s.T)[:, None] + c[..., None] * w_c + b).sigmoid() @ v


@wrong("has a ReLU in place of the tanh")
def relu(s, H, c, W_s, W_h, w_c, b, v):
    return F.relu(H @ W_h.T + (s @ W_s.T)[:, None] + c[..., None] * w_c + b) @ v


@wrong("takes the tanh of each term on its own")
def four_tanhs(s, H, c, W_s, W_h, w_c, b, v):
    hidden = (H @ W_h.T).tanh() + (s @ W_s.T).tanh()[:, None] + (c[..., None] * w_c).tanh() + b.tanh()
    return hidden @ v


@wrong("limits the coverage to 1 first")
def covered_or_not(s, H, c, W_s, W_h, w_c, b, v):
    covered = torch.minimum(c, torch.ones_like(c))
    return torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + covered[..., None] * w_c + b) @ v


@wrong("detaches the coverage, so that no gradient reaches earlier steps")
def coverage_as_a_constant(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + c.data[..., None] * w_c + b) @ v


@wrong("cuts the gradient to w_c")
def coverage_weight_is_never_learned(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + c[..., None] * w_c.detach() + b) @ v


@wrong("cuts the gradient to H")
def keys_cached_without_gradient(s, H, c, W_s, W_h, w_c, b, v):
    with torch.no_grad():
        keys = H @ W_h.T
    return torch.tanh(keys + (s @ W_s.T)[:, None] + c[..., None] * w_c + b) @ v


@wrong("broadcasts the state along the batch instead of the source positions")
def no_axis_for_the_positions(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(F.linear(H, W_h, b) + F.linear(s, W_s) + c[..., None] * w_c) @ v


@wrong("shows every sequence the state of the first one")
def first_state(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(H @ W_h.T + W_s @ s[0] + c[..., None] * w_c + b) @ v


@wrong("scales by 1/√d_a")
def scaled(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + c[..., None] * w_c + b) @ v / v.shape[0] ** 0.5


@wrong("does not keep the dtype of its inputs")
def always_double(s, H, c, W_s, W_h, w_c, b, v):
    s, H, c, W_s, W_h, w_c, b, v = (x.double() for x in (s, H, c, W_s, W_h, w_c, b, v))
    return torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + c[..., None] * w_c + b) @ v


@wrong("loses precision: its float64 results are only as good as float32")
def single_inside(s, H, c, W_s, W_h, w_c, b, v):
    hidden = H @ W_h.T + (s @ W_s.T)[:, None] + c[..., None] * w_c + b
    return hidden.float().tanh().to(v.dtype) @ v


@wrong("is right except when n = 1")
def squeezes_too_much(s, H, c, W_s, W_h, w_c, b, v):
    hidden = torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + c[..., None] * w_c + b)
    scores = hidden @ v[:, None]
    return scores.squeeze(-1) if scores.shape[1] > 1 else scores.squeeze()


@wrong("changes its input c in place")
def adds_the_weights_at_once(s, H, c, W_s, W_h, w_c, b, v):
    scores = torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + c[..., None] * w_c + b) @ v
    c.data.add_(F.softmax(scores.detach(), -1))
    return scores


@wrong("gives another result the second time it is called")
def accumulates_its_own_coverage(s, H, c, W_s, W_h, w_c, b, v, seen={}):  # noqa: B006 - a mutable default is the mistake
    key = tuple(H.shape)
    covered = c + seen.get(key, torch.zeros(())).to(c.dtype)
    scores = torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + covered[..., None] * w_c + b) @ v
    seen[key] = F.softmax(scores.detach(), -1)
    return scores


@wrong("is right except when B = n > 1")
def guesses_the_layout(s, H, c, W_s, W_h, w_c, b, v):
    query = s @ W_s.T
    query = query if H.shape[0] == H.shape[1] else query[:, None]
    return torch.tanh(H @ W_h.T + query + c[..., None] * w_c + b) @ v


@wrong("is right on ordinary inputs, but not for: coverage after many steps")
def read_at_most_twenty_times(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + c.clamp(max=20)[..., None] * w_c + b) @ v


@wrong("adds the bias twice")
def both_layers_have_the_bias(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(F.linear(H, W_h, b) + F.linear(s, W_s, b)[:, None] + c[..., None] * w_c) @ v


@wrong("uses what is still uncovered, 1 − c, in place of the coverage")
def what_is_left(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + (1 - c)[..., None] * w_c + b) @ v


@wrong("takes the logarithm of the coverage first")
def damped(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + (1 + c).log()[..., None] * w_c + b) @ v


@wrong("keeps an axis of size 1 at the end")
def v_as_a_column(s, H, c, W_s, W_h, w_c, b, v):
    return torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None] + c[..., None] * w_c + b) @ v[:, None]
