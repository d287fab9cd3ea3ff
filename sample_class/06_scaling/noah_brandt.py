"""Noah Brandt's browser renamed the file, and he divides by the number of keys; otherwise all is right."""

HAND_IN = "renamed"
PROOF = r"""
Independence of $q_i$ and $k_i$ gives mean $0$ and variance $1 \cdot 1$ for each product; the sum of $d_k$ uncorrelated products has
variance $d_k$. Hence $\sqrt{d_k}$.
"""


def scaled_dot_product_attention(q, k, v, mask=None):
    """Attention; the scale is taken from the wrong axis."""
    root = np.sqrt(np.asarray(k.shape[-2], dtype=q.dtype))
    scores = q @ np.swapaxes(k, -1, -2) / root
    if mask is not None:
        scores = np.where(mask, scores, np.asarray(-np.inf, dtype=scores.dtype))
    weights = softmax(scores)
    return weights @ v, weights
