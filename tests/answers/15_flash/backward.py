"""Right answers to flash.backward, in different styles, and wrong ones that are right but for one line."""

import math

import torch
from answers import right, wrong

# --- right, in different styles


@right
def formulas(q, k, v, out, lse, grad_out, causal=False):
    n, m, scale = q.shape[-2], k.shape[-2], 1 / math.sqrt(q.shape[-1])
    s = q @ k.mT * scale
    if causal:
        s = s.masked_fill(torch.arange(m) > torch.arange(n)[:, None] + (m - n), -math.inf)
    p = torch.exp(s - lse.masked_fill(lse == -math.inf, math.inf)[..., None])
    delta = (grad_out * out).sum(-1, keepdim=True)
    ds = p * (grad_out @ v.mT - delta) * scale
    return ds @ k, ds.mT @ q, p.mT @ grad_out


@right
def blocks_of_keys(q, k, v, out, lse, grad_out, causal=False):
    n, m, block = q.shape[-2], k.shape[-2], 3
    q = q / math.sqrt(q.shape[-1])
    delta = torch.einsum("...nd,...nd->...n", out, grad_out)
    seen = torch.isfinite(lse)
    ref = torch.where(seen, lse, torch.zeros_like(lse))
    grad_q, grad_k, grad_v = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
    for start in range(0, m, block):
        at = slice(start, min(start + block, m))
        p = torch.exp(torch.einsum("...nd,...bd->...nb", q, k[..., at, :]) - ref[..., None]) * seen[..., None]
        if causal:
            j = torch.arange(m)[at]
            p = torch.where(j[None] - torch.arange(n)[:, None] <= m - n, p, torch.zeros_like(p))
        dp = torch.einsum("...nd,...bd->...nb", grad_out, v[..., at, :])
        ds = p * (dp - delta[..., None])
        grad_v[..., at, :] = p.mT @ grad_out
        grad_k[..., at, :] = ds.mT @ q
        grad_q += ds @ k[..., at, :]
    return grad_q / math.sqrt(k.shape[-1]), grad_k, grad_v


@right
def weights_by_softmax_again(q, k, v, out, lse, grad_out, causal=False):
    """Without lse: the softmax is taken once more."""
    n, m = q.shape[-2], k.shape[-2]
    s = torch.matmul(q, k.transpose(-1, -2)) / q.shape[-1] ** 0.5
    if causal:
        s = s.masked_fill(~torch.ones(n, m, dtype=torch.bool).tril(m - n), -math.inf)
    p = torch.softmax(s, -1).nan_to_num(0.0)
    dp = grad_out @ v.transpose(-1, -2)
    ds = p * dp - p * (p * dp).sum(-1, keepdim=True)
    ds = ds / q.shape[-1] ** 0.5
    return ds @ k, ds.transpose(-1, -2) @ q, p.transpose(-1, -2) @ grad_out


@right
def query_by_query(q, k, v, out, lse, grad_out, causal=False):
    n, m, d = q.shape[-2], k.shape[-2], q.shape[-1]
    grad_q, grad_k, grad_v = (torch.zeros(x.shape, dtype=x.dtype) for x in (q, k, v))
    for i in range(n):
        stop = min(m, max(0, i + 1 + m - n)) if causal else m
        if stop == 0:
            continue
        keys, values = k[..., :stop, :], v[..., :stop, :]
        p = torch.exp((keys @ q[..., i, :, None])[..., 0] / math.sqrt(d) - lse[..., i, None])
        dp = (values @ grad_out[..., i, :, None])[..., 0]
        ds = p * (dp - (out[..., i, :] * grad_out[..., i, :]).sum(-1, keepdim=True)) / math.sqrt(d)
        grad_q[..., i, :] = (ds[..., None, :] @ keys)[..., 0, :]
        grad_k[..., :stop, :] += ds[..., :, None] * q[..., i, None, :]
        grad_v[..., :stop, :] += p[..., :, None] * grad_out[..., i, None, :]
    return grad_q, grad_k, grad_v


@right
def jacobian_of_the_softmax(q, k, v, out, lse, grad_out, causal=False):
    """With the whole Jacobian diag(p) − p pᵀ of every row."""
    n, m, scale = q.shape[-2], k.shape[-2], q.shape[-1] ** -0.5
    s = (q * scale) @ k.mT
    visible = torch.ones(n, m, dtype=torch.bool)
    if causal:
        visible = torch.arange(m) <= torch.arange(m - n, m)[:, None]
    visible = visible & (lse != -math.inf)[..., None]
    p = torch.where(visible, torch.exp(torch.where(visible, s - lse[..., None], 0.0)), 0.0).to(q.dtype)
    jacobian = torch.diag_embed(p) - p[..., :, None] * p[..., None, :]
    ds = (jacobian @ (grad_out @ v.mT)[..., None])[..., 0] * scale
    return ds @ k, ds.mT @ q, p.mT @ grad_out


@right
def sums_and_no_matrix_products(q, k, v, out, lse, grad_out, causal=False):
    n, m, scale = q.shape[-2], k.shape[-2], 1 / q.shape[-1] ** 0.5
    s = (q[..., :, None, :] * k[..., None, :, :]).sum(-1) * scale
    hidden = (lse == -math.inf)[..., None].expand(s.shape)
    if causal:
        hidden = hidden | (torch.arange(m) > torch.arange(n).unsqueeze(1) + m - n)
    p = torch.zeros_like(s)
    p[~hidden] = torch.exp(s - lse[..., None])[~hidden]
    dp = (grad_out[..., :, None, :] * v[..., None, :, :]).sum(-1)
    ds = p * (dp - (out * grad_out).sum(-1)[..., None]) * scale
    return (
        (ds[..., None] * k[..., None, :, :]).sum(-2),
        (ds[..., None] * q[..., :, None, :]).sum(-3),
        (p[..., None] * grad_out[..., :, None, :]).sum(-3),
    )


@right
def under_no_grad_with_baddbmm(q, k, v, out, lse, grad_out, causal=False):
    with torch.no_grad():
        n, m, scale = q.shape[-2], k.shape[-2], 1 / math.sqrt(q.shape[-1])
        a, b, c, o, g = (x.reshape(-1, *x.shape[-2:]) for x in (q, k, v, out, grad_out))
        low = lse.reshape(-1, n, 1)
        s = torch.baddbmm(-low.nan_to_num(neginf=0.0), a, b.transpose(1, 2), alpha=scale)
        if causal:
            s = s.masked_fill(torch.triu(torch.ones(n, m), m - n + 1) > 0, -math.inf)
        p = s.exp().masked_fill(low.isneginf(), 0.0)
        ds = p * torch.baddbmm(-(o * g).sum(2, keepdim=True), g, c.transpose(1, 2)) * scale
        found = ds.bmm(b), ds.transpose(1, 2).bmm(a), p.transpose(1, 2).bmm(g)
        return tuple(x.reshape(like.shape) for x, like in zip(found, (q, k, v), strict=True))


@right
def one_sequence_at_a_time(q, k, v, out, lse, grad_out, causal=False):
    if q.ndim > 2:
        parts = [one_sequence_at_a_time(*rest, causal) for rest in zip(q, k, v, out, lse, grad_out, strict=True)]
        return tuple(torch.stack(x) for x in zip(*parts, strict=True))
    return formulas(q, k, v, out, lse, grad_out, causal)


# --- wrong: the first of the right ones with one thing changed

RIGHT = """
def answer(q, k, v, out, lse, grad_out, causal=False):
    n, m, scale = q.shape[-2], k.shape[-2], 1 / math.sqrt(q.shape[-1])
    s = q @ k.mT * scale
    if causal:
        s = s.masked_fill(torch.arange(m) > torch.arange(n)[:, None] + (m - n), -math.inf)
    p = torch.exp(s - lse.masked_fill(lse == -math.inf, math.inf)[..., None])
    delta = (grad_out * out).sum(-1, keepdim=True)
    ds = p * (grad_out @ v.mT - delta) * scale
    return ds @ k, ds.mT @ q, p.mT @ grad_out
"""
FILLED = "lse.masked_fill(lse == -math.inf, math.inf)[..., None]"


def changed(*pairs):
    """The right answer with texts replaced."""
    text = RIGHT
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    names = {"math": math, "torch": torch}
    exec(text, names)  # noqa: S102 - our own text
    return names["answer"]


no_row_term = wrong("leaves out the row term δ in the gradient of the softmax")(changed(("v.mT - delta", "v.mT")))
row_term_added = wrong("adds the row term δ instead of subtracting it")(changed(("v.mT - delta", "v.mT + delta")))
row_term_outside = wrong("subtracts δ outside the product with P")(
    changed(("p * (grad_out @ v.mT - delta) * scale", "(p * (grad_out @ v.mT) - delta) * scale"))
)
row_sum_of_grad_out = wrong("takes the row sum of dO instead of dO ∘ O for δ")(
    changed(("(grad_out * out).sum", "grad_out.sum"))
)
row_sum_of_out = wrong("takes the row sum of O for δ")(changed(("(grad_out * out).sum", "out.sum")))
mean_for_delta = wrong("takes the mean over the features for δ, not the sum")(
    changed(("(grad_out * out).sum", "(grad_out * out).mean"))
)
sum_of_dp = wrong("sums dP over the keys for δ, without the weights")(
    changed(("(grad_out * out).sum", "(grad_out @ v.mT).sum"))
)
mean_of_dp = wrong("averages dP over the keys for δ, without the weights")(
    changed(("(grad_out * out).sum", "(grad_out @ v.mT).mean"))
)
entry_by_entry = wrong("takes the softmax's derivative entry by entry: p (1 − p)")(
    changed(("p * (grad_out @ v.mT - delta)", "p * (1 - p) * (grad_out @ v.mT)"))
)
delta_per_key = wrong("takes δ once per key instead of once per query")(
    changed(("(grad_out * out).sum(-1, keepdim=True)", "(p * (grad_out @ v.mT)).sum(-2, keepdim=True)"))
)
no_scale_back = wrong("leaves out the scale on the way back")(changed(("delta) * scale", "delta)")))
no_scale_in_the_weights = wrong("leaves out the scale on the way there, in the weights")(
    changed(("k.mT * scale", "k.mT"))
)
no_scale_at_all = wrong("leaves out the scale altogether")(changed(("1 / math.sqrt(q.shape[-1])", "1.0")))
scale_twice = wrong("applies the scale twice on the way back")(changed(("delta) * scale", "delta) * scale**2")))
divided_by_d = wrong("divides by d instead of its square root")(changed(("math.sqrt(q.shape[-1])", "q.shape[-1]")))
scale_of_the_values = wrong("takes the scale from the values' size")(
    changed(("math.sqrt(q.shape[-1])", "math.sqrt(v.shape[-1])"))
)
causal_ignored = wrong("ignores `causal`")(changed(("if causal:", "if False:")))
top_left = wrong("aligns the causal mask at the top left")(changed((" + (m - n)", "")))
strict = wrong("hides the diagonal: a query does not see its own key")(changed(("arange(m) >", "arange(m) >=")))
one_too_many = wrong("shows one key too many")(changed((" + (m - n)", " + (m - n) + 1")))
future_only = wrong("hides the past and shows the future")(changed(("arange(m) >", "arange(m) <")))
nan_for_empty_queries = wrong("gives NaN where a query saw nothing")(changed((FILLED, "lse[..., None]")))
ones_for_empty_queries = wrong("gives the keys of a query that saw nothing a weight of 1")(
    changed((f"torch.exp(s - {FILLED})", "torch.exp((s - lse[..., None]).nan_to_num(nan=0.0, neginf=-math.inf))"))
)
not_normalised = wrong("does not subtract the log-sum-exp: the weights are not normalised")(
    changed((f" - {FILLED}", ""))
)
divided_by_the_logarithm = wrong("divides by lse instead of subtracting it under the exponential")(
    changed((f"torch.exp(s - {FILLED})", "torch.exp(s) / lse[..., None]"))
)
exponentials_apart = wrong("exponentiates the scores and the log-sum-exp apart, which overflows")(
    changed((f"torch.exp(s - {FILLED})", "torch.exp(s) / torch.exp(lse)[..., None]"))
)
powers_of_two = wrong("takes powers of two where lse is a natural logarithm")(changed(("torch.exp(s", "torch.exp2(s")))
swapped = wrong("swaps the gradients of q and k")(changed(("ds @ k, ds.mT @ q,", "ds.mT @ q, ds @ k,")))
another_order = wrong("returns the gradients in the order v, k, q")(
    changed(("ds @ k, ds.mT @ q, p.mT @ grad_out", "p.mT @ grad_out, ds.mT @ q, ds @ k"))
)
negative = wrong("has the wrong sign")(
    changed(("delta) * scale", "delta) * -scale"), ("p.mT @ grad_out", "-p.mT @ grad_out"))
)
ds_for_the_values = wrong("takes dS instead of P for the gradient of v")(
    changed(("p.mT @ grad_out", "ds.mT @ grad_out"))
)
two_gradients = wrong("returns two gradients")(changed((", p.mT @ grad_out", "")))
wide_inside = wrong("does not keep the dtype of its inputs")(
    changed(
        (
            "    n, m, scale",
            "    q, k, v, out, lse, grad_out = (x.double() for x in (q, k, v, out, lse, grad_out))\n    n, m, scale",
        )
    )
)
narrow_inside = wrong("loses precision: its float64 results are only as good as float32")(
    changed(("torch.exp(s - ", "torch.exp((s - "), (FILLED + ")", FILLED + ").float()).to(s.dtype)"))
)
into_the_callers_gradient = wrong("changes its input grad_out in place")(
    changed(
        ("(grad_out * out).sum", "grad_out.mul_(scale).mul(out).sum"),
        ("delta) * scale", "delta)"),
        ("p.mT @ grad_out", "p.mT @ grad_out / scale"),
    )
)


BY_AUTOGRAD = "lets autograd differentiate instead of writing down the formulas"


def forward_without_nan(q, k, v, causal):
    n, m = q.shape[-2], k.shape[-2]
    s = q @ k.mT / math.sqrt(q.shape[-1])
    hidden = torch.arange(m) > torch.arange(n)[:, None] + (m - n) if causal else torch.zeros(n, m, dtype=torch.bool)
    empty = hidden.all(-1, keepdim=True)
    return s.masked_fill(hidden & ~empty, -math.inf).softmax(-1).masked_fill(empty, 0.0) @ v


@wrong(BY_AUTOGRAD)
def autograd_grad(q, k, v, out, lse, grad_out, causal=False):
    q, k, v = (x.detach().clone().requires_grad_(True) for x in (q, k, v))
    return torch.autograd.grad(forward_without_nan(q, k, v, causal), (q, k, v), grad_out)


@wrong(BY_AUTOGRAD)
def backward_and_grad(q, k, v, out, lse, grad_out, causal=False):
    q, k, v = (torch.nn.Parameter(x.detach().clone()) for x in (q, k, v))
    forward_without_nan(q, k, v, causal).backward(grad_out)
    return q.grad, k.grad, v.grad


@wrong(BY_AUTOGRAD)
def torch_func_vjp(q, k, v, out, lse, grad_out, causal=False):
    return torch.func.vjp(lambda a, b, c: forward_without_nan(a, b, c, causal), q, k, v)[1](grad_out)


@wrong(BY_AUTOGRAD)
def fused_attention_of_torch(q, k, v, out, lse, grad_out, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    mask = torch.ones(n, m, dtype=torch.bool).tril(m - n) if causal else torch.ones(n, m, dtype=torch.bool)
    q, k, v = (x.detach().clone().requires_grad_(True) for x in (q, k, v))
    found = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask | ~mask.any(-1, keepdim=True))
    found = found * mask.any(-1, keepdim=True)
    found.backward(grad_out)
    return q.grad, k.grad, v.grad


@wrong("is causal unless it is told not to be")
def causal_by_default(q, k, v, out, lse, grad_out, causal=True):
    return formulas(q, k, v, out, lse, grad_out, causal)
