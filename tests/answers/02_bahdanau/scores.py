"""Right and wrong answers to bahdanau.scores."""

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong
from torch import nn

# --- right, in different styles


@right
def broadcast(s, H, W_a, U_a, v_a):
    return torch.tanh((s @ W_a.T).unsqueeze(1) + H @ U_a.T) @ v_a


@right
def three_einsums(s, H, W_a, U_a, v_a):
    hidden = torch.einsum("as,bs->ba", W_a, s)[:, None] + torch.einsum("ah,bnh->bna", U_a, H)
    return torch.einsum("a,bna->bn", v_a, hidden.tanh())


@right
def loop_over_sentences_and_positions(s, H, W_a, U_a, v_a):
    def row(b):
        return torch.stack([v_a.dot(torch.tanh(W_a.mv(s[b]) + U_a.mv(h))) for h in H[b]])

    return torch.stack([row(b) for b in range(len(H))])


@right
def functional_linear(s, H, W_a, U_a, v_a):
    hidden = torch.tanh(F.linear(s, W_a)[:, None] + F.linear(H, U_a))
    return F.linear(hidden, v_a[None]).squeeze(2)


@right
def one_matrix_on_the_joined_vectors(s, H, W_a, U_a, v_a):
    """The same score in Luong's form, v tanh(W [s ; h])."""
    joined = torch.cat([s[:, None].expand(-1, H.shape[1], -1), H], dim=-1)
    return torch.tanh(joined @ torch.cat([W_a, U_a], dim=1).mT) @ v_a


@right
def flat_rows_and_back(s, H, W_a, U_a, v_a):
    B, n, d_h = H.shape
    keys = H.reshape(B * n, d_h).matmul(U_a.t())
    query = s.matmul(W_a.t()).repeat_interleave(n, dim=0)
    return (torch.tanh(keys + query) * v_a).sum(1).reshape(B, n)


@right
def modules_with_given_weights(s, H, W_a, U_a, v_a):
    layers = []
    for weight in (W_a, U_a, v_a[None]):
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
        layers.append(lambda x, layer=layer, weight=weight: torch.func.functional_call(layer, {"weight": weight}, x))
    return layers[2](torch.tanh(layers[0](s)[:, None] + layers[1](H)))[..., 0]


@right
def one_hidden_unit_after_the_other(s, H, W_a, U_a, v_a):
    scores = torch.zeros_like(H[..., 0])
    for w, u, v in zip(W_a, U_a, v_a, strict=True):
        scores = scores + v * torch.tanh((s * w).sum(-1, keepdim=True) + (H * u).sum(-1))
    return scores


@right
def in_place_on_its_own_result(s, H, W_a, U_a, v_a):
    hidden = torch.matmul(H, U_a.T)
    hidden += (s @ W_a.T)[:, None]
    return hidden.tanh_() @ v_a


@right
def vmapped_over_the_batch(s, H, W_a, U_a, v_a):
    return torch.vmap(lambda one, annotations: torch.tanh(W_a @ one + annotations @ U_a.T) @ v_a)(s, H)


# --- wrong, the way learners write it


@wrong("leaves out the tanh")
def linear_score(s, H, W_a, U_a, v_a):
    return F.linear(s, W_a)[:, None] @ v_a + F.linear(H, U_a) @ v_a


@wrong("takes the tanh of the finished score instead of the hidden units")
def tanh_outside(s, H, W_a, U_a, v_a):
    return (((s @ W_a.T)[:, None] + H @ U_a.T) @ v_a).tanh()


@wrong("takes tanh of each projection and then adds")
def tanh_of_each(s, H, W_a, U_a, v_a):
    return F.linear(s, W_a).tanh()[:, None] @ v_a + F.linear(H, U_a).tanh() @ v_a


@wrong("multiplies the two projections instead of adding them")
def product(s, H, W_a, U_a, v_a):
    return torch.einsum("bna,a->bn", torch.tanh(torch.einsum("ba,bna->bna", s @ W_a.T, H @ U_a.T)), v_a)


@wrong("forgets the state: only U_a h_j is scored")
def state_forgotten(s, H, W_a, U_a, v_a):
    return F.linear(H, U_a).tanh() @ v_a


@wrong("sums the hidden units and leaves out v_a")
def no_v(s, H, W_a, U_a, v_a):
    return torch.tanh((s @ W_a.T)[:, None] + H @ U_a.T).sum(dim=2)


@wrong("averages over the hidden units instead of summing")
def mean(s, H, W_a, U_a, v_a):
    return (v_a * torch.tanh((s @ W_a.T)[:, None] + H @ U_a.T)).mean(dim=2)


@wrong("divides by √d_a, which belongs to dot products")
def scaled(s, H, W_a, U_a, v_a):
    return torch.tanh((s @ W_a.T)[:, None] + H @ U_a.T) @ (v_a * v_a.numel() ** -0.5)


@wrong("applies softmax, which is the next step")
def weights(s, H, W_a, U_a, v_a):
    return F.softmax(torch.tanh((s @ W_a.T)[:, None] + H @ U_a.T) @ v_a, dim=1)


@wrong("uses the logistic function instead of tanh")
def sigmoid(s, H, W_a, U_a, v_a):
    return ((s @ W_a.T)[:, None] + H @ U_a.T).sigmoid() @ v_a


@wrong("uses ReLU instead of tanh")
def relu(s, H, W_a, U_a, v_a):
    return F.relu((s @ W_a.T)[:, None] + H @ U_a.T) @ v_a


@wrong("scores every annotation with the state of the first sentence")
def first_state_for_all(s, H, W_a, U_a, v_a):
    return torch.tanh(W_a @ s[0] + H @ U_a.T) @ v_a


@wrong("matches sentence b with position b: the state lands on the position axis")
def batch_on_the_position_axis(s, H, W_a, U_a, v_a):
    return torch.tanh(s @ W_a.T + H @ U_a.T) @ v_a


@wrong("detaches the state from the graph")
def state_as_data(s, H, W_a, U_a, v_a):
    return torch.tanh((s.data @ W_a.T)[:, None] + H @ U_a.T) @ v_a


@wrong("detaches the projected annotations: a cache may be reused, but must stay in the graph")
def keys_without_grad(s, H, W_a, U_a, v_a):
    with torch.no_grad():
        keys = H @ U_a.T
    return torch.tanh((s @ W_a.T)[:, None] + keys) @ v_a


@wrong("cuts the gradient to v_a")
def v_detached(s, H, W_a, U_a, v_a):
    return torch.tanh((s @ W_a.T)[:, None] + H @ U_a.T) @ v_a.detach()


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (1 - x * x)  # of the input instead of the output


@wrong("has the right values but wrong gradients")
def derivative_of_the_wrong_variable(s, H, W_a, U_a, v_a):
    return _Tanh.apply((s @ W_a.T)[:, None] + H @ U_a.T) @ v_a


@wrong("overflows for large inputs")
def tanh_from_exponentials(s, H, W_a, U_a, v_a):
    e = torch.exp(2 * ((s @ W_a.T)[:, None] + H @ U_a.T))
    return ((e - 1) / (e + 1)) @ v_a


@wrong("loses precision: its float64 results are only as good as float32")
def computes_in_float32(s, H, W_a, U_a, v_a):
    s, H, W_a, U_a, v = (x.float() for x in (s, H, W_a, U_a, v_a))
    return (torch.tanh((s @ W_a.T)[:, None] + H @ U_a.T) @ v).to(v_a.dtype)


@wrong("does not keep the dtype of its inputs")
def always_float64(s, H, W_a, U_a, v_a):
    return broadcast(*(x.double() for x in (s, H, W_a, U_a, v_a)))


@wrong("changes its input s in place")
def projects_in_place(s, H, W_a, U_a, v_a):
    scores = broadcast(s.clone(), H, W_a, U_a, v_a)
    s.tanh_()
    return scores


@wrong("changes its input H in place")
def clamps_the_annotations(s, H, W_a, U_a, v_a):
    scores = broadcast(s, H.clone(), W_a, U_a, v_a)
    H.clamp_(-0.5, 0.5)
    return scores


@wrong("gives another result the second time it is called")
def keys_kept_and_added_to(s, H, W_a, U_a, v_a, cache={}):  # noqa: B006 - a mutable default is the mistake
    key = tuple(H.shape), H.dtype
    keys = H @ U_a.T
    cache[key] = cache.get(key, 0) + keys.detach()
    return torch.tanh((s @ W_a.T)[:, None] + keys - keys.detach() + cache[key]) @ v_a


@wrong("touches the global random generator")
def own_parameters(s, H, W_a, U_a, v_a):
    layer = nn.Linear(v_a.shape[0], 1, bias=False, dtype=v_a.dtype)
    layer.weight.data.copy_(v_a[None])
    return broadcast(s, H, W_a, U_a, v_a)


@wrong("keeps the axis that v_a has summed over")
def last_axis_kept(s, H, W_a, U_a, v_a):
    return torch.tanh((s @ W_a.T)[:, None] + H @ U_a.T) @ v_a[:, None]


@wrong("returns the transpose of the right result")
def positions_first(s, H, W_a, U_a, v_a):
    return broadcast(s, H, W_a, U_a, v_a).T


@wrong("squeezes every axis of size 1, the batch or the positions too")
def squeezes_everything(s, H, W_a, U_a, v_a):
    return torch.squeeze(torch.tanh((s @ W_a.T)[:, None] + H @ U_a.T) @ v_a[:, None])


@wrong("is right except when d_s = d_a > 1")
def transposes_unless_square(s, H, W_a, U_a, v_a):
    W = W_a if W_a.shape[0] == W_a.shape[1] else W_a.T
    return torch.tanh((s @ W)[:, None] + H @ U_a.T) @ v_a


@wrong("uses view on a tensor that does not lie in memory row by row")
def view_of_the_memory(s, H, W_a, U_a, v_a):
    return broadcast(s, H.view(-1).view(H.shape), W_a, U_a, v_a)


@wrong("returns nothing")
def prints(s, H, W_a, U_a, v_a):
    print(broadcast(s, H, W_a, U_a, v_a))


@wrong("multiplies by W_a and U_a untransposed")
def no_transposes(s, H, W_a, U_a, v_a):
    return torch.einsum("bna,a->bn", torch.tanh(torch.matmul(s, W_a)[:, None] + torch.matmul(H, U_a)), v_a)


@wrong("multiplies by W_a untransposed")
def state_projected_untransposed(s, H, W_a, U_a, v_a):
    return torch.tanh((s @ W_a).unsqueeze(1) + F.linear(H, U_a)) @ v_a


@wrong("multiplies by U_a untransposed")
def annotations_projected_untransposed(s, H, W_a, U_a, v_a):
    return torch.tanh(F.linear(s, W_a).unsqueeze(1) + H @ U_a) @ v_a


@wrong("clamps the scores")
def clamped_scores(s, H, W_a, U_a, v_a):
    return broadcast(s, H, W_a, U_a, v_a).clamp(min=-1e4, max=1e4)


@wrong("is right except when d_a > …")
def sixteen_units_at_most(s, H, W_a, U_a, v_a):
    return broadcast(s, H, W_a[:16], U_a[:16], v_a[:16])
