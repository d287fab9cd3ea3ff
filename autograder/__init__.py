"""The grader. A notebook needs two names of it: `check` and `hint`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.notebook import check, hint

__all__ = ["check", "hint"]


def __getattr__(name: str) -> Any:
    """Load the checking engine when it is first used, so that `import autograder` is free."""
    if name in __all__:
        from autograder import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module 'autograder' has no attribute {name!r}")
