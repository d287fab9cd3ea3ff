"""More answers to qkv.score_form: other products, other shapes."""

import torch
from answers import right, wrong


@right
def a_layer_without_bias(W_q, W_k):
    return torch.nn.functional.linear(W_q, W_k)


@right
def block_of_a_gram_matrix(W_q, W_k):
    both = torch.cat([W_q, W_k])
    return (both @ both.T)[: len(W_q), len(W_q) :]


@right
def entry_by_entry(W_q, W_k):
    form = torch.empty(len(W_q), len(W_k), dtype=W_q.dtype)
    for a, q in enumerate(W_q):
        for b, k in enumerate(W_k):
            form[a, b] = (q * k).sum()
    return form


@right
def scores_of_unit_tokens(W_q, W_k):
    tokens = torch.eye(len(W_q), dtype=W_q.dtype)
    return torch.vmap(lambda token: (tokens @ W_k) @ (token @ W_q))(tokens)


@wrong("reshapes W_k instead of transposing it")
def reshaped(W_q, W_k):
    return W_q @ W_k.reshape(W_k.shape[1], W_k.shape[0])


@wrong("sums each projection over d_k before it multiplies")
def two_letters_summed(W_q, W_k):
    return torch.einsum("ac,be->ab", W_q, W_k)


@wrong(None, why="multiplies every entry with every other, which gives a result too large to be kept and compared")
def outer_of_everything(W_q, W_k):
    return torch.outer(W_q.ravel(), W_k.ravel())


@wrong("uses the inverse instead of the transpose")
def inverse(W_q, W_k):
    return W_q @ torch.linalg.inv(W_k)


@wrong("adds the projections")
def sum_of_both(W_q, W_k):
    return W_q + W_k


@wrong("keeps one triangle only")
def upper_triangle(W_q, W_k):
    return torch.triu(W_q @ W_k.T)


@wrong("returns the scores of each feature with itself as a vector")
def rows_with_rows(W_q, W_k):
    return torch.stack([q @ k for q, k in zip(W_q, W_k, strict=True)])


@wrong("flattens the matrix")
def nested_loop_in_one_list(W_q, W_k):
    return torch.stack([q @ k for q in W_q for k in W_k])


@wrong("adds an axis for a batch")
def batched(W_q, W_k):
    return torch.bmm(W_q[None], W_k.T[None])


@wrong("squeezes away every axis of size 1")
def squeezed(W_q, W_k):
    return (W_q @ W_k.T).squeeze()


@wrong("loses precision: its float64 results are only as good as float32")
def through_float32(W_q, W_k):
    return (W_q.float() @ W_k.float().T).to(W_q.dtype)


@wrong("cuts the gradient to W_q")
def through_numpy(W_q, W_k):
    return torch.from_numpy(W_q.detach().numpy() @ W_k.detach().numpy().T)


@wrong("is right except when d ≠ d_k")
def loops_as_long_as_d_k(W_q, W_k):
    d = W_q.shape[1]
    return torch.stack([torch.stack([W_q[a] @ W_k[b] for b in range(d)]) for a in range(d)])
