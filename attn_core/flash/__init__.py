"""Exact attention that never holds the n×m scores. Start with online_softmax.py, then tiled.py and backward.py.

A public function is imported when it is first asked for (PEP 562), as in attn_core itself.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attn_core.flash.backward import flash_backward
    from attn_core.flash.cuda.launch import why_unavailable
    from attn_core.flash.online_softmax import merge_partials, online_update
    from attn_core.flash.ops import flash_attention, flash_attention_packed
    from attn_core.flash.tiled import tiled_attention
    from attn_core.flash.traffic import hbm_traffic

__all__ = [
    "flash_attention",
    "flash_attention_packed",
    "flash_backward",
    "hbm_traffic",
    "merge_partials",
    "online_update",
    "tiled_attention",
    "why_unavailable",
]

_MODULES = {
    "backward": ["flash_backward"],
    "cuda.launch": ["why_unavailable"],
    "online_softmax": ["merge_partials", "online_update"],
    "ops": ["flash_attention", "flash_attention_packed"],
    "tiled": ["tiled_attention"],
    "traffic": ["hbm_traffic"],
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
