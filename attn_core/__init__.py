"""The reference implementation of every attention mechanism in the curriculum; read attn_core.conventions first.

A public function is imported when it is first asked for (PEP 562), so `import attn_core` costs nothing and loads
neither NumPy nor torch nor matplotlib.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attn_core.attention import scaled_dot_product_attention
    from attn_core.grouped_query import grouped_query_attention
    from attn_core.heads import merge_heads, multi_head_attention, parameter_count, split_heads
    from attn_core.leaks import first_leak, leak_by_gradient, leak_by_perturbation
    from attn_core.lookup import soft_lookup
    from attn_core.masked_softmax import masked_softmax
    from attn_core.masks import apply_mask, causal_mask, padding_mask, segment_mask
    from attn_core.scores import additive_score_bound, dot, dot_variance, scaled_dot
    from attn_core.self_attention import score_form, self_attention
    from attn_core.softmax import softmax, softmax_jacobian

__all__ = [
    "additive_score_bound",
    "apply_mask",
    "causal_mask",
    "dot",
    "dot_variance",
    "first_leak",
    "grouped_query_attention",
    "leak_by_gradient",
    "leak_by_perturbation",
    "masked_softmax",
    "merge_heads",
    "multi_head_attention",
    "padding_mask",
    "parameter_count",
    "scaled_dot",
    "scaled_dot_product_attention",
    "score_form",
    "segment_mask",
    "self_attention",
    "soft_lookup",
    "softmax",
    "softmax_jacobian",
    "split_heads",
]

_MODULES = {
    "attention": ["scaled_dot_product_attention"],
    "grouped_query": ["grouped_query_attention"],
    "heads": ["merge_heads", "multi_head_attention", "parameter_count", "split_heads"],
    "leaks": ["first_leak", "leak_by_gradient", "leak_by_perturbation"],
    "lookup": ["soft_lookup"],
    "masked_softmax": ["masked_softmax"],
    "masks": ["apply_mask", "causal_mask", "padding_mask", "segment_mask"],
    "scores": ["additive_score_bound", "dot", "dot_variance", "scaled_dot"],
    "self_attention": ["score_form", "self_attention"],
    "softmax": ["softmax", "softmax_jacobian"],
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value  # so that the next look-up is a plain one
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps `attn_core.softmax` the function: importing softmax.py would store the module under that name.

    The module itself is `importlib.import_module("attn_core.softmax")`; `from attn_core.softmax import …` works too.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in _HOME and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
