"""The demo course: one tiny topic. Its texts lie in demo/; everything else is built from them."""

import shutil
from pathlib import Path

from autograder.checking.task import Misconception, Task, Written
from autograder.curriculum import Tree

DEMO = Path(__file__).with_name("demo")
ROOT = Path(__file__).parents[2]
SLUG = "01_demo"


def double(x: float) -> float:
    """The reference of the demo's task."""
    return 2 * x


def demo_tasks() -> dict[str, Task | Written]:
    """The tasks of the demo, as `autograder.checking.task.load` would find them."""
    hints = ("Look at x.", "How many x are there?", "2 * x")
    coded = Task("demo.double", reference=double, kind="np", hints=hints, lecture=f"{SLUG}#twice-as-much")
    coded.misconceptions = (Misconception("adds two", "What is twice nothing?", lambda x: x + 2),)
    written = Written("demo.proof", lecture=f"{SLUG}#twice-as-much", hints=hints, rubric=("1 point: distributes.",))
    return {"demo.double": coded, "demo.proof": written}


def plain_tree(root: Path) -> Tree:
    """The demo's sources, nothing built."""
    shutil.copytree(DEMO, root, dirs_exist_ok=True)
    for text in root.rglob("*.txt"):  # so that neither pytest nor the linters take them for our own modules
        text.rename(text.with_suffix(".py"))
    shutil.copy(ROOT / "nbgrader_config.py", root)
    return Tree(root, root / "course")
