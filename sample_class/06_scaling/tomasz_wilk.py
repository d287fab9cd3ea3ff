"""Tomasz Wilk hides keys with -1e9, as many published implementations do: a query that sees nothing then sees everything."""

PROOF = r"""
Assume the components of q and k are independent, mean 0, variance 1.

- One term: $\operatorname{Var}(q_i k_i) = E[q_i^2]\,E[k_i^2] - 0 = 1$.
- Sum: independent terms, so $\operatorname{Var}(q \cdot k) = d_k$, standard deviation $\sqrt{d_k}$.

Dividing by $\sqrt{d_k}$ gives variance 1. Without it the softmax is nearly one-hot and $\operatorname{diag}(a) - aa^\top$ is nearly 0.
"""


def scaled_dot_product_attention(q, k, v, mask=None):
    """Attention with a large negative number where the mask is False."""
    root = np.sqrt(np.asarray(q.shape[-1], dtype=q.dtype))
    scores = q @ np.swapaxes(k, -1, -2) / root
    if mask is not None:
        scores = np.where(mask, scores, np.asarray(-1e9, dtype=scores.dtype))
    weights = softmax(scores)
    return weights @ v, weights
