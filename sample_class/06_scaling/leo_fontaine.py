"""Leo Fontaine mixes up NumPy and torch: three of his functions crash when they are called."""


def softmax(scores, axis=-1):
    """The torch spelling of keepdims, and of max."""
    peak = scores.max(dim=axis, keepdim=True).values
    e = np.exp(scores - peak)
    return e / e.sum(dim=axis, keepdim=True)


def softmax_jacobian(a):
    """Right for one vector; a batch of them does not fit."""
    return np.diag(a) - np.outer(a, a)


def scaled_dot_product_attention(q, k, v, mask=None):
    """Uses a name that was never defined."""
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(d_k)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    weights = softmax(scores)
    return weights @ v, weights
