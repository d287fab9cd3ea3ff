"""Right and wrong answers to luong.score."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong


def checked(kind, W, v):
    """The errors, right: most answers below get that part right."""
    if kind not in ("dot", "general", "concat"):
        raise ValueError(f"unknown kind {kind}")
    if kind != "dot" and W is None:
        raise ValueError(f"{kind} needs W")
    if kind == "concat" and v is None:
        raise ValueError("concat needs v")


def reference(kind, h, H, W=None, v=None):
    """Right scores, for answers that only get one thing wrong."""
    checked(kind, W, v)
    if kind == "dot":
        return torch.einsum("bd,bnd->bn", h, H)
    if kind == "general":
        return torch.einsum("bt,ts,bns->bn", h, W, H)
    return torch.tanh(F.linear(both(h, H), W)) @ v


def both(h, H):
    """[h ; h_s] for every position."""
    return torch.cat([h.unsqueeze(1).expand(-1, H.shape[1], -1), H], dim=-1)


# --- right, in different styles


@right
def three_branches(kind, h, H, W=None, v=None):
    if kind == "dot":
        return torch.bmm(H, h.unsqueeze(2)).squeeze(2)
    if kind == "general":
        if W is None:
            raise ValueError("general needs W")
        return torch.bmm(H, (h @ W).unsqueeze(2)).squeeze(2)
    if kind == "concat":
        if W is None:
            raise ValueError("concat needs W")
        if v is None:
            raise ValueError("concat needs v")
        return torch.tanh(both(h, H) @ W.T) @ v
    raise ValueError(f"kind must be dot, general or concat, not {kind}")


@right
def einsum_everywhere(kind, h, H, W=None, v=None):
    return reference(kind, h, H, W, v)


@right
def match_statement_and_split_columns(kind, h, H, W=None, v=None):
    match kind:
        case "dot":
            return (H * h[:, None]).sum(-1)
        case "general" if W is not None:
            return (H @ W.T @ h[:, :, None])[..., 0]
        case "concat" if W is not None and v is not None:
            W_h, W_s = W[:, : h.shape[1]], W[:, h.shape[1] :]
            return F.linear(torch.tanh(F.linear(h, W_h)[:, None] + F.linear(H, W_s)), v[None])[..., 0]
        case "general" | "concat":
            raise ValueError("W is missing" if W is None else "v is missing")
        case _:
            raise ValueError(f"there is no score called {kind!r}")


@right
def table_of_functions(kind, h, H, W=None, v=None):
    needs = {"dot": {}, "general": {"W": W}, "concat": {"W": W, "v": v}}
    if kind not in needs:
        raise ValueError(kind)
    for name, value in needs[kind].items():
        if value is None:
            raise ValueError(f"{name} is None")
    table = {
        "dot": lambda: torch.matmul(H, h[..., None])[..., 0],
        "general": lambda: torch.matmul(H, torch.matmul(h, W)[..., None])[..., 0],
        "concat": lambda: torch.matmul(torch.tanh(torch.matmul(both(h, H), W.mT)), v),
    }
    return table[kind]()


@right
def loops(kind, h, H, W=None, v=None):
    checked(kind, W, v)

    def one(x, y):
        if kind == "dot":
            return x @ y
        if kind == "general":
            return x @ W @ y
        return v @ torch.tanh(W @ torch.cat([x, y]))

    return torch.stack([torch.stack([one(x, y) for y in row]) for x, row in zip(h, H, strict=True)])


@right
def dot_as_general_with_the_identity(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    if kind == "concat":
        return torch.tanh(both(h, H) @ W.T).mv(v) if len(H) == 0 else torch.tanh(both(h, H) @ W.T).matmul(v)
    matrix = torch.eye(h.shape[1], dtype=h.dtype) if kind == "dot" else W
    return (H @ (h @ matrix)[:, :, None]).squeeze(-1)


@right
def baddbmm_and_addmm(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    if kind == "concat":
        d = h.shape[1]
        start = (h @ W[:, :d].T)[:, None].expand(-1, H.shape[1], -1)
        keys = torch.baddbmm(start, H, W[:, d:].T.expand(len(H), -1, -1))
        return keys.tanh() @ v
    query = h if kind == "dot" else h.mm(W)
    return query.unsqueeze(1).bmm(H.mT)[:, 0]


@right
def an_error_class_of_its_own(kind, h, H, W=None, v=None):
    class KindError(ValueError):
        pass

    if kind not in ("dot", "general", "concat"):
        raise KindError(f"unknown: {kind}")
    return reference(kind, h, H, W, v)


# --- wrong, the way learners write it


@wrong("uses the transpose of W in the general score")
def general_turned(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    return H.matmul(F.linear(h, W)[:, :, None])[:, :, 0] if kind == "general" else reference(kind, h, H, W, v)


@wrong("is right except when kind = 'general'")
def general_turned_by_an_einsum_that_stretches_ones(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    return torch.einsum("bs,ts,bnt->bn", h, W, H) if kind == "general" else reference(kind, h, H, W, v)


@wrong("makes W symmetric in the general score")
def general_symmetrised(kind, h, H, W=None, v=None):
    if kind == "general" and W is not None and len(W) == len(W.T):
        W = 0.5 * (W + W.mT)
    return reference(kind, h, H, W, v)


@wrong("joins h with H without repeating h at every position")
def joined_without_expand(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    if kind != "concat":
        return reference(kind, h, H, W, v)
    return F.linear(torch.cat([h.unsqueeze(1), H], 2), W).tanh() @ v


@wrong("multiplies by the W of concat without transposing it")
def concat_untransposed(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    return (both(h, H).matmul(W)).tanh().matmul(v) if kind == "concat" else reference(kind, h, H, W, v)


@wrong("takes the columns of W for [h_s ; h] instead of [h ; h_s]")
def source_state_first(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    if kind != "concat":
        return reference(kind, h, H, W, v)
    d_s = H.shape[2]
    return torch.tanh(F.linear(H, W[:, :d_s]) + F.linear(h, W[:, d_s:])[:, None]) @ v


@wrong("splits W in the middle")
def equal_halves(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    if kind != "concat":
        return reference(kind, h, H, W, v)
    left, right_ = torch.chunk(W, 2, -1)
    return torch.tanh(F.linear(h, left).unsqueeze(1) + F.linear(H, right_)) @ v


@wrong("leaves out the tanh of concat")
def concat_is_linear(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    return F.linear(both(h, H), W) @ v if kind == "concat" else reference(kind, h, H, W, v)


@wrong("applies tanh to the finished score of concat")
def tanh_at_the_end(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    return torch.tanh(F.linear(both(h, H), W) @ v) if kind == "concat" else reference(kind, h, H, W, v)


@wrong("takes tanh of the two parts of concat separately, and adds then")
def two_tanh(kind, h, H, W=None, v=None):
    if kind != "concat" or W is None or v is None:
        return reference(kind, h, H, W, v)
    W_h, W_s = W.split([h.shape[1], H.shape[2]], 1)
    return (F.linear(h, W_h).tanh()[:, None] + F.linear(H, W_s).tanh()) @ v


@wrong("uses a rectifier instead of tanh in concat")
def relu(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    return F.relu(F.linear(both(h, H), W)) @ v if kind == "concat" else reference(kind, h, H, W, v)


@wrong("leaves out v and sums the hidden units of concat")
def sums_the_hidden_units(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    return F.linear(both(h, H), W).tanh().sum(2) if kind == "concat" else reference(kind, h, H, W, v)


@wrong("uses W whenever it is given, whatever the kind")
def looks_at_the_arguments(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    if kind == "concat":
        return reference(kind, h, H, W, v)
    query = h if W is None else h @ W
    return (H @ query[..., None])[..., 0]


@wrong("refuses a W or v that the kind does not need")
def strict_about_extras(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    if kind == "dot" and not (W is None and v is None):
        raise ValueError("dot has no W and no v")
    if kind == "general" and v is not None:
        raise ValueError("general has no v")
    return reference(kind, h, H, W, v)


@wrong("divides the dot products by √d")
def scaled(kind, h, H, W=None, v=None):
    scores = reference(kind, h, H, W, v)
    return scores / math.sqrt(H.shape[2]) if kind != "concat" else scores


@wrong("applies softmax, which is the next step")
def weights_instead_of_scores(kind, h, H, W=None, v=None):
    return F.softmax(reference(kind, h, H, W, v), dim=1)


@wrong("normalises both states to length 1 (cosine similarity)")
def cosine(kind, h, H, W=None, v=None):
    if kind == "dot":
        return F.cosine_similarity(h[:, None], H, dim=-1)
    return reference(kind, h, H, W, v)


@wrong("leaves out W in the general score")
def general_is_dot(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    return H.bmm(h[:, :, None])[..., 0] if kind == "general" else reference(kind, h, H, W, v)


@wrong("detaches the source states, so that the encoder never learns from the scores")
def frozen_encoder(kind, h, H, W=None, v=None):
    return reference(kind, h, H.data, W, v)


@wrong("cuts the gradient to h")
def frozen_query(kind, h, H, W=None, v=None):
    return reference(kind, h.detach(), H, W, v)


@wrong("changes its input H in place")
def multiplies_in_place(kind, h, H, W=None, v=None):
    if kind != "dot":
        return reference(kind, h, H, W, v)
    H *= h[:, None]
    return H.sum(-1)


@wrong("does not keep the dtype of its inputs")
def double_precision(kind, h, H, W=None, v=None):
    checked(kind, W, v)
    return reference(kind, *(x if x is None else x.double() for x in (h, H, W, v)))


@wrong("loses precision: its float64 results are only as good as float32")
def half_the_digits(kind, h, H, W=None, v=None):
    return reference(kind, *(x if x is None else x.float() for x in (h, H, W, v))).to(h.dtype)


@wrong("is right except when n = 1")
def squeezes_all_axes(kind, h, H, W=None, v=None):
    scores = reference(kind, h, H, W, v)
    return scores[:, 0] if scores.shape[1] == 1 else scores


@wrong("is right except when B = n > 1")
def guesses_the_layout(kind, h, H, W=None, v=None):
    if H.shape[0] == H.shape[1] > 1:
        H = H.transpose(0, 1)
    return reference(kind, h, H, W, v)


@wrong("returns the transpose of the right result")
def source_positions_first(kind, h, H, W=None, v=None):
    return reference(kind, h, H, W, v).T


@wrong("returns nothing")
def forgets_return(kind, h, H, W=None, v=None):
    reference(kind, h, H, W, v)
