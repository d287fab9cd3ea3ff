"""The folder that the player sees as its library: an allow-list, copied file by file.

Inside are the modules that run a function (probe, cost, wire, player) and close it in (zygote, enclosure, landlock, seccomp), `attn_core.lab`, and a stand-in for `autograder`
whose `check` and `hint` do nothing, because a submitted notebook imports and calls them. Everything else of the project
(the reference, the tasks, the judge) stays outside, however the package was installed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
MODULES = (
    "checking/probe.py",
    "checking/cost.py",
    "judge/wire.py",
    "judge/player.py",
    "judge/zygote.py",
    "judge/enclosure.py",
    "judge/landlock.py",
    "judge/seccomp.py",
)
PACKAGES = ("autograder/checking", "autograder/judge", "attn_core")

STAND_IN = '''"""While a notebook is being graded its own checks do nothing: the judge, outside this sandbox, does them."""


def check(task_id: str, function: object) -> None:
    """Do nothing."""


def hint(task_id: str) -> None:
    """Do nothing."""
'''


def build_stage(folder: Path) -> Path:
    """Fill an empty folder with what the player may import."""
    for package in PACKAGES:
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").touch()
    (folder / "autograder" / "__init__.py").write_text(STAND_IN, encoding="utf-8")
    for module in MODULES:
        shutil.copyfile(PACKAGE / module, folder / "autograder" / module)
    lab = PACKAGE.parent / "attn_core" / "lab"
    shutil.copytree(lab, folder / "attn_core" / "lab", ignore=shutil.ignore_patterns("__pycache__"))
    for path in [folder, *folder.rglob("*")]:  # the player runs as another user
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder
