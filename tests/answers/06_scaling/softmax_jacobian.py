"""Right and wrong answers to scaling.softmax_jacobian."""

import numpy as np
import torch
from answers import right, wrong

# --- right, in different styles


@right
def diagonal_minus_outer(a):
    return a[..., :, None] * (np.eye(a.shape[-1], dtype=a.dtype) - a[..., None, :])


@right
def loops_in_pure_python(a):
    n = a.shape[-1]
    jacobian = np.zeros((*a.shape, n), a.dtype)
    for place in np.ndindex(*a.shape[:-1]):
        for i in range(n):
            for j in range(n):
                delta = 1 if i == j else 0
                jacobian[(*place, i, j)] = a[(*place, i)] * (delta - a[(*place, j)])
    return jacobian


@right
def einsum(a):
    identity = np.eye(a.shape[-1], dtype=a.dtype)
    return np.einsum("...i,ij->...ij", a, identity) - np.einsum("...i,...j->...ij", a, a)


@right
def outer_by_matmul_then_the_diagonal_in_place(a):
    column = a[..., None]
    jacobian = -column @ np.swapaxes(column, -1, -2)
    index = np.arange(a.shape[-1])
    jacobian[..., index, index] += a
    return jacobian


@right
def diag_and_outer_row_by_row(a):
    rows = a.reshape(-1, a.shape[-1])
    jacobians = [np.diag(row) - np.outer(row, row) for row in rows]
    return np.array(jacobians).reshape(*a.shape, a.shape[-1])


@right
def where(a):
    i, j = np.indices((a.shape[-1], a.shape[-1]))
    return np.where(i == j, a[..., None] * (1 - a[..., None]), -a[..., None] * a[..., None, :])


@right
def upcast_and_cast_back(a):
    w = a.astype(np.float64)
    return (w[..., None] * np.eye(w.shape[-1]) - w[..., None] * w[..., None, :]).astype(a.dtype)


@right
def torch_diag_embed(a):
    t = torch.tensor(a)
    return (torch.diag_embed(t) - t.unsqueeze(-1) * t.unsqueeze(-2)).numpy()


@right
def recursion_over_the_batch(a):
    if a.ndim > 1:
        return np.stack([recursion_over_the_batch(row) for row in a])
    return np.diagflat(a) - np.multiply.outer(a, a)


@right
def a_transposed_view(a):
    """The Jacobian is symmetric, so its transpose is as good."""
    return diagonal_minus_outer(a).swapaxes(-1, -2)


# --- wrong, the way learners write it


@wrong("keeps only the diagonal a(1 − a)")
def elementwise_derivative(a):
    return np.einsum("...i,ij->...ij", a - a * a, np.eye(a.shape[-1], dtype=a.dtype))


@wrong("returns each weight's derivative by its own score only, as a vector")
def sigmoid_derivative(a):
    return a * (1 - a)


@wrong("has the sign of the off-diagonal terms wrong")
def plus_off_the_diagonal(a):
    n = a.shape[-1]
    jacobian = a[..., None] * a[..., None, :]
    for i in range(n):
        jacobian[..., i, i] = a[..., i] * (1 - a[..., i])
    return jacobian


@wrong("adds the outer product instead of subtracting it")
def plus_outer(a):
    identity = np.eye(a.shape[-1], dtype=a.dtype)
    return identity * a[..., None, :] + np.einsum("...i,...j->...ij", a, a)


@wrong("has the opposite sign")
def outer_minus_diagonal(a):
    return np.einsum("...i,...j->...ij", a, a) - np.eye(a.shape[-1], dtype=a.dtype) * a[..., None, :]


@wrong("leaves out the diagonal matrix")
def only_the_outer_product(a):
    return -np.einsum("...i,...j->...ij", a, a)


@wrong("leaves out the outer product")
def only_the_diagonal(a):
    jacobian = np.zeros((*a.shape, a.shape[-1]), a.dtype)
    np.einsum("...ii->...i", jacobian)[...] = a
    return jacobian


@wrong("subtracts a aᵀ from the identity instead of from diag(a)")
def identity_minus_outer(a):
    column = a[..., None]
    return np.eye(a.shape[-1], dtype=a.dtype) - column @ column.swapaxes(-1, -2)


@wrong("subtracts a_j from the identity without the factor a_i")
def lost_factor(a):
    return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype) - a[..., None, :], (*a.shape, a.shape[-1]))


@wrong("applies softmax to the weights, which are already normalised")
def softmax_again(a):
    e = np.exp(a)
    return diagonal_minus_outer(e / e.sum(-1, keepdims=True))


@wrong("does not keep the dtype of its inputs")
def eye_is_float64(a):
    return a[..., None] * (np.eye(a.shape[-1]) - a[..., None, :])


@wrong("has the opposite sign")
def opposite_sign_and_float64(a):
    return a[..., None] * (a[..., None, :] - np.eye(a.shape[-1]))


@wrong("loses precision: its float64 results are only as good as float32")
def buffer_is_float32(a):
    jacobian = np.zeros((*a.shape, a.shape[-1]), np.float32)
    jacobian += diagonal_minus_outer(a)
    return jacobian.astype(a.dtype)


@wrong("loses precision: its float64 results are only as good as float32")
def finite_differences(a):
    logits = np.log(np.maximum(a.astype(np.float64), 1e-30))
    h = 1e-6

    def softmax(z):
        e = np.exp(z - z.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    columns = [(softmax(logits + h * e) - softmax(logits)) / h for e in np.eye(a.shape[-1])]
    return (np.stack(columns, -1) * a.any(-1)[..., None, None]).astype(a.dtype)


@wrong("is right except with batch axes")
def np_diag(a):
    return np.diag(a) - np.outer(a, a)


@wrong("is right except with batch axes")
def transpose_of_a_vector(a):
    return np.eye(a.shape[-1], dtype=a.dtype) * a - a.reshape(-1, 1) @ a.reshape(1, -1)


@wrong("is right except with more than one batch axis")
def one_batch_axis_at_most(a):
    if a.ndim == 1:
        return np.diag(a) - np.outer(a, a)
    return np.array([np.diag(row) - np.outer(row, row) for row in a])


@wrong("changes its input a in place")
def clips_its_input(a):
    jacobian = diagonal_minus_outer(a)
    np.clip(a, 0.05, 0.95, out=a)
    return jacobian


@wrong("touches the global random generator")
def shuffles(a):
    order = np.random.permutation(a.shape[-1])
    back = np.argsort(order)
    return diagonal_minus_outer(a[..., order])[..., back, :][..., back]


_EYES = {}


@wrong("returns the result of an earlier call")
def caches_too_much(a):
    key = a.shape, a.dtype
    if key not in _EYES:
        _EYES[key] = diagonal_minus_outer(a)
    return _EYES[key]


@wrong("returns nothing")
def prints(a):
    print(diagonal_minus_outer(a))


@wrong("returns a list or tuple instead of a NumPy float64 array")
def two_parts(a):
    return a[..., None] * np.eye(a.shape[-1], dtype=a.dtype), a[..., None] * a[..., None, :]


@wrong("returns the same result whatever its input is")
def worked_example(a):
    return np.array([[0.1875, -0.1875], [-0.1875, 0.1875]])


@wrong("is right except when n > 6")
def a_buffer_of_six(a):
    return diagonal_minus_outer(a) * (np.arange(a.shape[-1]) < 6).astype(a.dtype)


@wrong("is right except when a is all zero")
def renormalises(a):
    return diagonal_minus_outer(a / a.sum(-1, keepdims=True))


@wrong("is right on ordinary inputs, but not for: weights that are one-hot")
def one_hot_is_taken_for_uniform(a):
    flat = np.where(a.max(-1, keepdims=True) == 1, np.asarray(1 / a.shape[-1], a.dtype), a)
    return diagonal_minus_outer(flat)


@wrong("has the sign of the off-diagonal terms wrong")
def absolute_values(a):
    return np.abs(diagonal_minus_outer(a))


@wrong("is 2 times the right result")
def counted_twice(a):
    jacobian = diagonal_minus_outer(a)
    return jacobian + jacobian.swapaxes(-1, -2)


@wrong("is right except for non-contiguous inputs")
def reads_the_memory(a):
    return diagonal_minus_outer(np.frombuffer(a, a.dtype).reshape(a.shape))
