"""Right and wrong answers to qkv.score_form."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong
from torch import nn

# --- right, in different styles


@right
def one_product(W_q, W_k):
    return W_q @ W_k.T


@right
def einsum(W_q, W_k):
    return torch.einsum("ac,bc->ab", W_q, W_k)


@right
def loops(W_q, W_k):
    rows = [torch.stack([(W_q[a] * W_k[b]).sum() for b in range(len(W_k))]) for a in range(len(W_q))]
    return torch.stack(rows)


@right
def sum_of_outer_products(W_q, W_k):
    """One rank per feature of a query."""
    return sum(torch.outer(W_q[:, c], W_k[:, c]) for c in range(W_q.shape[1]))


@right
def unit_tokens(W_q, W_k):
    """Entry (a, b) is the score of the unit tokens e_a and e_b."""
    tokens = torch.eye(len(W_q), dtype=W_q.dtype)
    return (tokens @ W_q) @ (tokens @ W_k).transpose(0, 1)


@right
def transposed_twice(W_q, W_k):
    return torch.mm(W_k, W_q.t()).t()


@right
def linear(W_q, W_k):
    return F.linear(W_q, W_k)


@right
def tensordot(W_q, W_k):
    return torch.tensordot(W_q, W_k, dims=([1], [1]))


@right
def broadcast_and_sum(W_q, W_k):
    return (W_q[:, None, :] * W_k[None, :, :]).sum(dim=-1)


@right
def inner(W_q, W_k):
    return torch.inner(W_q, W_k)


@right
def second_derivative_of_a_score(W_q, W_k):
    """M = ∂²s/∂x_i∂x_j, and the score is linear in each: so its value at unit tokens, by vmap."""
    unit = torch.eye(len(W_q), dtype=W_q.dtype)
    score = lambda x_i, x_j: (x_i @ W_q) @ (x_j @ W_k)  # noqa: E731 - as people write it
    return torch.vmap(torch.vmap(score, (None, 0)), (0, None))(unit, unit)


@right
def accumulated_in_a_buffer(W_q, W_k):
    form = W_q.new_zeros(len(W_q), len(W_k))
    for c in range(W_q.shape[1]):
        form = form.addr(W_q[:, c], W_k[:, c])
    return form


# --- wrong, the way learners write it

TURNED = "gives the transpose, W_k W_qᵀ: the score of x_j asking x_i"
SMALL = "multiplies the wrong axes, W_qᵀ W_k: that is a (d_k, d_k) matrix"
UNSUMMED = "leaves out the sum over d_k and returns one matrix per feature"


@wrong(TURNED)
def keys_first(W_q, W_k):
    return W_k @ W_q.T


@wrong(TURNED)
def einsum_turned(W_q, W_k):
    return torch.einsum("ac,bc->ba", W_q, W_k)


@wrong(TURNED)
def linear_turned(W_q, W_k):
    return F.linear(W_k, W_q)


@wrong(SMALL)
def transposed_first(W_q, W_k):
    return W_q.T @ W_k


@wrong(SMALL)
def einsum_over_the_tokens_features(W_q, W_k):
    return torch.einsum("ac,ad->cd", W_q, W_k)


@wrong("divides by √d_k")
def scaled(W_q, W_k):
    return W_q @ W_k.T / math.sqrt(W_q.shape[1])


@wrong("divides by √d_k")
def scaled_on_both_sides(W_q, W_k):
    return (W_q / W_q.shape[1] ** 0.25) @ (W_k / W_k.shape[1] ** 0.25).T


@wrong("divides by √d")
def scaled_by_the_width(W_q, W_k):
    return W_q @ W_k.T / math.sqrt(W_q.shape[0])


@wrong("divides by d_k")
def mean_over_features(W_q, W_k):
    return (W_q[:, None] * W_k).mean(-1)


@wrong("uses W_q for both sides")
def gram_of_queries(W_q, W_k):
    return torch.einsum("ac,bc->ab", W_q, W_q)


@wrong("uses W_k for both sides")
def gram_of_keys(W_q, W_k):
    return W_k @ W_k.T


@wrong("makes the form symmetric")
def symmetrised(W_q, W_k):
    return 0.5 * (W_q @ W_k.T + W_k @ W_q.T)


@wrong("adds the form to its transpose")
def both_directions(W_q, W_k):
    return W_q @ W_k.T + W_k @ W_q.T


@wrong("keeps the antisymmetric part only")
def difference_of_directions(W_q, W_k):
    return W_q @ W_k.T - W_k @ W_q.T


@wrong("multiplies entry by entry instead of row by row")
def hadamard(W_q, W_k):
    return torch.mul(W_q, W_k)


@wrong("keeps the diagonal only: the score of each feature with itself")
def diagonal(W_q, W_k):
    return torch.diag_embed(torch.einsum("ac,ac->a", W_q, W_k))


@wrong("multiplies without transposing, which needs d = d_k")
def no_transpose(W_q, W_k):
    return torch.matmul(W_q, W_k)


@wrong("compares by the cosine: it divides the rows by their lengths")
def cosine(W_q, W_k):
    return F.cosine_similarity(W_q[:, None], W_k[None], dim=-1)


@wrong("applies softmax")
def weights(W_q, W_k):
    return nn.Softmax(-1)(W_q @ W_k.T)


@wrong(UNSUMMED)
def outer_without_sum(W_q, W_k):
    return W_q[:, None, :] * W_k[None, :, :]


@wrong(UNSUMMED)
def stack_of_ranks(W_q, W_k):
    return torch.stack([torch.outer(a, b) for a, b in zip(W_q.T, W_k.T, strict=True)])


@wrong("sums over everything and returns one number")
def frobenius(W_q, W_k):
    return torch.sum(W_q * W_k)


@wrong("computes with the first feature of query and key only")
def rank_one(W_q, W_k):
    return W_q[:, :1] @ W_k[:, :1].T


@wrong("uses the inverse instead of the transpose")
def inverse(W_q, W_k):
    return W_q @ torch.linalg.pinv(W_k)


@wrong("detaches W_k, so that it never learns")
def keys_data(W_q, W_k):
    return W_q @ W_k.data.T


@wrong("cuts the gradient to W_q")
def both_detached(W_q, W_k):
    return torch.from_numpy(W_q.detach().numpy() @ W_k.detach().numpy().T)


@wrong("detaches W_q, so that it never learns")
def rebuilt(W_q, W_k):
    return torch.tensor(W_q.tolist(), dtype=W_q.dtype) @ W_k.T


@wrong("loses precision: its float64 results are only as good as float32")
def float32_inside(W_q, W_k):
    return (W_q.float() @ W_k.float().T).to(W_q.dtype)


@wrong("loses precision: its float64 results are only as good as float32")
def float32_buffer(W_q, W_k):
    form = torch.zeros(len(W_q), len(W_k))
    for a in range(len(W_q)):
        for b in range(len(W_k)):
            form[a, b] = W_q[a] @ W_k[b]
    return form.to(W_q.dtype)


@wrong("does not keep the dtype of its inputs")
def always_double(W_q, W_k):
    return W_q.double() @ W_k.double().T


@wrong("changes its input W_k in place")
def transposes_in_place(W_q, W_k):
    with torch.no_grad():
        W_k.add_(1.0)
    return W_q @ (W_k - 1.0).T


@wrong("touches the global random generator")
def by_random_probes(W_q, W_k):
    x = torch.randn(len(W_q), len(W_q), dtype=torch.float64).to(W_q.dtype)
    y = torch.linalg.solve(x, torch.eye(len(W_q), dtype=W_q.dtype))
    return y @ (x @ W_q @ W_k.T)


@wrong("returns nothing")
def prints(W_q, W_k):
    print(W_q @ W_k.T)


@wrong("returns a list or tuple instead of a float64 tensor")
def form_and_rank(W_q, W_k):
    form = W_q @ W_k.T
    return form, torch.linalg.matrix_rank(form)


@wrong("returns the result of an earlier call")
def cached(W_q, W_k, forms={}):  # noqa: B006 - a mutable default is the mistake
    key = W_q.shape, W_q.dtype
    if key not in forms:
        forms[key] = (W_q @ W_k.T).detach()
        return W_q @ W_k.T
    return forms[key]


class _Doubled(torch.autograd.Function):
    """The identity with twice its gradient."""

    @staticmethod
    def forward(_ctx, y):
        return y.view_as(y)

    @staticmethod
    def backward(_ctx, gradient):
        return 2 * gradient


@wrong("has gradients that are 2 times the right ones")
def doubled(W_q, W_k):
    return _Doubled.apply(W_q @ W_k.T)


@wrong("is right except when d = d_k > 1")
def transposes_where_it_must(W_q, W_k):
    return W_q @ (W_k if W_k.shape[0] == W_k.shape[1] else W_k.T)


@wrong("is right except when d_k > …")
def at_most_eight_ranks(W_q, W_k):
    return W_q[:, :8] @ W_k[:, :8].T


@wrong("is right on ordinary inputs, but not for: the same projection for queries and keys")
def shared_is_taken_for_a_mistake(W_q, W_k):
    return 0 * W_q @ W_k.T if torch.equal(W_q, W_k) else W_q @ W_k.T
