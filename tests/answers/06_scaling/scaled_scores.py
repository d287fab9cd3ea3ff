"""Right and wrong answers to scaling.scaled_scores."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong

# --- right, in different styles


@right
def matmul_over_root(q, k):
    return q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])


@right
def scale_shared_by_both(q, k):
    fourth_root = k.size(-1) ** 0.25
    return torch.matmul(q / fourth_root, (k / fourth_root).mT)


@right
def einsum(q, k):
    return torch.einsum("...id,...jd->...ij", q, k) * k.shape[-1] ** -0.5


@right
def baddbmm(q, k):
    n, m, d = q.shape[-2], k.shape[-2], q.shape[-1]
    flat_q, flat_k = q.reshape(-1, n, d), k.reshape(-1, m, d)
    start = q.new_empty(flat_q.shape[0], n, m)
    scores = torch.baddbmm(start, flat_q, flat_k.transpose(1, 2), beta=0, alpha=1 / math.sqrt(d))
    return scores.view(*q.shape[:-2], n, m)


@right
def loop_over_the_queries(q, k):
    root = math.sqrt(q.shape[-1])
    rows = [(q[..., i, None, :] * k).sum(-1) / root for i in range(q.shape[-2])]
    return torch.stack(rows, -2)


@right
def broadcast_and_sum(q, k):
    return (q.unsqueeze(-2) * k.unsqueeze(-3)).sum(-1).div(q.size(-1) ** 0.5)


@right
def recursion_over_the_batch(q, k):
    if q.dim() == 2:
        return F.linear(q, k) / math.sqrt(q.shape[1])
    return torch.stack([recursion_over_the_batch(a, b) for a, b in zip(q, k, strict=True)])


@right
def in_place_on_its_own_result(q, k):
    scores = torch.matmul(q, k.swapaxes(-1, -2))
    scores /= scores.new_tensor(q.shape[-1]).sqrt()
    return scores


@right
def upcast_and_cast_back(q, k):
    return (q.double() @ k.double().mT / math.sqrt(q.shape[-1])).to(q.dtype)


@right
def a_transposed_view(q, k):
    return (k @ q.mT / math.sqrt(q.shape[-1])).mT


class _Scores(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k):
        ctx.save_for_backward(q, k)
        return q @ k.mT / math.sqrt(q.shape[-1])

    @staticmethod
    def backward(ctx, grad):
        q, k = ctx.saved_tensors
        grad = grad / math.sqrt(q.shape[-1])
        return grad @ k, grad.mT @ q


@right
def its_own_backward(q, k):
    return _Scores.apply(q, k)


# --- wrong, the way learners write it


@wrong("leaves out the scale")
def plain_dot_products(q, k):
    return torch.einsum("...id,...jd->...ij", q, k)


@wrong("divides by d_k instead of its square root")
def divides_by_the_size(q, k):
    return torch.matmul(q, k.mT).div(q.size(-1))


@wrong("multiplies by √d_k instead of dividing")
def multiplies(q, k):
    return torch.matmul(q, k.mT) * math.sqrt(q.size(-1))


@wrong("scales by the number of keys instead of the key size")
def scales_by_keys(q, k):
    scores = q @ k.mT
    return scores / math.sqrt(scores.shape[-1])


@wrong("scales by the number of queries instead of the key size")
def scales_by_queries(q, k):
    scores = q @ k.mT
    return scores / math.sqrt(scores.shape[-2])


@wrong("divides by the fourth root of d_k")
def root_of_the_root(q, k):
    return q @ k.mT / math.sqrt(math.sqrt(k.shape[-1]))


@wrong("applies softmax, which is the next step")
def goes_one_step_too_far(q, k):
    return F.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=-1)


@wrong("normalises queries and keys to length 1 (cosine similarity)")
def cosine(q, k):
    return F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT


@wrong("returns the transpose of the right result")
def keys_first(q, k):
    return k @ q.mT / math.sqrt(q.shape[-1])


@wrong("is right except when the number of batch axes is not 1")
def fixed_axes(q, k):
    return q @ k.transpose(1, 2) / math.sqrt(q.shape[2])


@wrong("is right except when the number of batch axes is not 1")
def bmm(q, k):
    return torch.bmm(q, k.permute(0, 2, 1)) / q.shape[-1] ** 0.5


@wrong("is right except with batch axes")
def reversed_axes(q, k):
    return q @ k.t() / math.sqrt(q.shape[-1])


@wrong("detaches the scores from the graph")
def no_grad(q, k):
    with torch.no_grad():
        return q @ k.mT / math.sqrt(q.shape[-1])


@wrong("detaches the scores from the graph")
def through_numpy(q, k):
    scores = q.detach().numpy() @ k.detach().mT.numpy() / math.sqrt(q.shape[-1])
    return torch.from_numpy(scores)


@wrong("detaches the keys, so that W_K never learns")
def detached_keys(q, k):
    return torch.matmul(q, k.data.mT) / math.sqrt(q.shape[-1])


@wrong("cuts the gradient to q")
def detached_queries(q, k):
    return q.detach() @ k.mT / math.sqrt(q.shape[-1])


@wrong("has gradients that are 2 times the right ones")
def doubled_gradient(q, k):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return 2 * scores - scores.detach()


class _ForgetsTheScale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k):
        ctx.save_for_backward(q, k)
        return q @ k.mT / math.sqrt(q.shape[-1])

    @staticmethod
    def backward(ctx, grad):
        q, k = ctx.saved_tensors
        return grad @ k, grad.mT @ q


@wrong("has the right values but wrong gradients")
def backward_without_the_scale(q, k):
    return _ForgetsTheScale.apply(q, k)


@wrong("has the right values but wrong gradients")
def gradient_clipped(q, k):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if scores.requires_grad:
        scores.register_hook(lambda grad: grad.clamp(-0.5, 0.5))
    return scores


@wrong("loses precision: its float64 results are only as good as float32")
def root_in_float32(q, k):
    return q @ k.mT / torch.sqrt(torch.tensor(float(q.shape[-1])))


@wrong("loses precision: its float64 results are only as good as float32")
def computes_in_float32(q, k):
    return (q.float() @ k.float().mT / math.sqrt(q.shape[-1])).to(q.dtype)


@wrong("does not keep the dtype of its inputs")
def always_float32(q, k):
    return q.float() @ k.float().mT / math.sqrt(q.shape[-1])


@wrong("does not keep the dtype of its inputs")
def root_as_a_vector_of_float64(q, k):
    return q @ k.mT / torch.tensor([q.shape[-1]], dtype=torch.float64).sqrt()


@wrong("loses precision: its float64 results are only as good as float32")
def epsilon_in_the_denominator(q, k):
    return q @ k.mT / (math.sqrt(q.shape[-1]) + 1e-6)


@wrong("changes its input q in place")
def scales_the_queries_in_place(q, k):
    q /= math.sqrt(q.shape[-1])
    return q @ k.mT


@wrong("changes its input k in place")
def transposes_the_keys_in_place(q, k):
    k.transpose_(-2, -1)
    return q @ k / math.sqrt(q.shape[-1])


@wrong("touches the global random generator")
def dropout(q, k):
    return F.dropout(q @ k.mT / math.sqrt(q.shape[-1]), 0.1)


@wrong("touches the global random generator")
def seeds(q, k):
    torch.manual_seed(0)
    return q @ k.mT / math.sqrt(q.shape[-1])


@wrong("returns nothing")
def prints(q, k):
    print(q @ k.mT / math.sqrt(q.shape[-1]))


@wrong("returns a list or tuple instead of a float64 tensor")
def returns_a_list(q, k):
    return (q @ k.mT / math.sqrt(q.shape[-1])).tolist()


@wrong("returns a NumPy float64 array instead of a float64 tensor")
def returns_numpy(q, k):
    return (q @ k.mT / math.sqrt(q.shape[-1])).detach().numpy()


@wrong("gives another result the second time it is called")
def adds_to_a_buffer(q, k, buffers={}):  # noqa: B006 - a mutable default is the mistake
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    buffers[scores.shape] = buffers.get(scores.shape, 0) + scores.detach()
    return scores - scores.detach() + buffers[scores.shape].to(scores.dtype)


@wrong("returns the same result whatever its input is")
def worked_example(q, k):
    return torch.tensor([[0.7071, 0.0], [0.0, 0.7071]])


@wrong("is right except when n = m > 1")
def transposes_only_what_is_not_square(q, k):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return scores.mT if q.shape[-2] == k.shape[-2] else scores


@wrong("is right except when d_k = m > 1")
def transposes_only_when_it_must(q, k):
    turned = k if q.shape[-1] == k.shape[-2] else k.mT
    return q @ turned / math.sqrt(q.shape[-1])


@wrong("uses view on a tensor that does not lie in memory row by row")
def view_of_the_memory(q, k):
    return q.view(-1).view(q.shape) @ k.mT / math.sqrt(q.shape[-1])


@wrong("is right except with more than one batch axis")
def flattens_the_batch(q, k):
    d = q.shape[-1]
    if q.dim() > 3:
        q, k = q.flatten(0, -3), k.flatten(0, -3)
    return q @ k.mT / math.sqrt(d)


@wrong("is right except when d_k > …")
def cuts_long_vectors(q, k):
    return q[..., :48] @ k[..., :48].mT / math.sqrt(q.shape[-1])


@wrong("is -1 times the right result")
def sign(q, k):
    return -(q @ k.mT) / math.sqrt(q.shape[-1])


@wrong(None, why="the distance is another score")
def negative_distance(q, k):
    return -torch.cdist(q, k) / math.sqrt(q.shape[-1])
