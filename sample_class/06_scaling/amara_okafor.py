"""Amara Okafor forgets the scale in both places; the rest is right, and her proof stops halfway."""

PROOF = r"""
$q \cdot k = \sum_i q_i k_i$. Each term has mean 0 because $q_i$ and $k_i$ are independent with mean 0, and its variance is
$E[q_i^2] E[k_i^2] = 1$. The terms are uncorrelated, so the variances add up to $d_k$.
"""


def scaled_scores(q, k):
    """The scores of every query with every key."""
    return q @ k.transpose(-2, -1)


def scaled_dot_product_attention(q, k, v, mask=None):
    """Attention, with the mask as -inf before the softmax."""
    scores = q @ np.swapaxes(k, -1, -2)
    if mask is not None:
        scores = np.where(mask, scores, np.asarray(-np.inf, dtype=scores.dtype))
    weights = softmax(scores)
    return weights @ v, weights
