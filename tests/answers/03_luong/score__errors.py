"""Wrong answers to luong.score: mistakes in what is refused."""

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import wrong


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


@wrong("does not raise the error that the task asks for")
def falls_back_to_dot(kind, h, H, W=None, v=None):
    if kind not in ("general", "concat"):
        kind, h = "dot", F.pad(h, (0, max(0, H.shape[2] - h.shape[1])))[:, : H.shape[2]]
    return reference(kind, h, H, W, v)


@wrong("does not raise the error that the task asks for")
def missing_w_is_the_identity(kind, h, H, W=None, v=None):
    if kind == "general" and W is None:
        return reference("dot", h, H)
    return reference(kind, h, H, W, v)


@wrong("does not raise the error that the task asks for")
def missing_v_is_ones(kind, h, H, W=None, v=None):
    if kind == "concat" and v is None and W is not None:
        v = W.new_ones(len(W))
    return reference(kind, h, H, W, v)


@wrong("does not raise the error that the task asks for")
def an_assertion(kind, h, H, W=None, v=None):
    assert kind in ("dot", "general", "concat"), kind
    return reference(kind, h, H, W, v)


@wrong("does not raise the error that the task asks for")
def a_key_error_for_the_kind(kind, h, H, W=None, v=None):
    {"dot": 0, "general": 1, "concat": 2}[kind]
    return reference(kind, h, H, W, v)


@wrong("does not raise the error that the task asks for")
def an_error_without_the_name(kind, h, H, W=None, v=None):
    if kind not in ("dot", "general", "concat"):
        raise ValueError("unknown kind")
    return reference(kind, h, H, W, v)


@wrong("does not raise the error that the task asks for")
def checks_what_is_missing_first(kind, h, H, W=None, v=None):
    if kind != "dot" and W is None:
        raise ValueError("W is missing")
    return reference(kind, h, H, W, v)


@wrong("does not raise the error that the task asks for")
def takes_a_missing_v_for_a_missing_matrix(kind, h, H, W=None, v=None):
    if kind == "concat" and v is None:
        raise ValueError("concat needs its parameters")
    return reference(kind, h, H, W, v)


@wrong("does not raise the error that the task asks for")
def any_case(kind, h, H, W=None, v=None):
    return reference(kind.lower() if kind.lower() in ("dot", "general", "concat") else kind, h, H, W, v)


@wrong("does not raise the error that the task asks for")
def found_in_a_string(kind, h, H, W=None, v=None):
    if kind not in "dot general concat":
        raise ValueError(f"unknown kind {kind}")
    return reference(next(k for k in ("dot", "general", "concat") if kind in k), h, H, W, v)


@wrong("does not raise the error that the task asks for")
def prefixes(kind, h, H, W=None, v=None):
    for known in ("dot", "general", "concat"):
        if kind and (known.startswith(kind) or kind.startswith(known)):
            return reference(known, h, H, W, v)
    raise ValueError(f"unknown kind {kind}")


@wrong("does not raise the error that the task asks for")
def dot_by_default(kind, h, H, W=None, v=None):
    return reference(kind or "dot", h, H, W, v)


@wrong("does not raise the error that the task asks for")
def first_letter(kind, h, H, W=None, v=None):
    return reference("dot" if kind[:1] == "d" else kind, h, H, W, v)


@wrong("does not raise the error that the task asks for")
def both_missing_is_dot(kind, h, H, W=None, v=None):
    if kind == "concat" and W is None and v is None:
        return torch.zeros(H.shape[:2], dtype=H.dtype)
    return reference(kind, h, H, W, v)


@wrong("refuses a W or v that the kind does not need")
def lone_v_refused(kind, h, H, W=None, v=None):
    if kind == "dot" and v is not None and W is None:
        raise ValueError("v without W")
    return reference(kind, h, H, W, v)
