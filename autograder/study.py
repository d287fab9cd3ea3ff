"""`attn study`: a learner's own copies of the exercises, and JupyterLab on top of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from autograder.curriculum import START, CurriculumError, Topic, Tree, topics


def prepare(tree: Tree) -> list[Topic]:
    """Copy every exercise that the learner does not have yet to `work/`; what is there is never touched."""
    fresh = []
    for topic in topics():
        exercise, copy = tree.exercise(topic.slug), tree.work(topic.slug)
        if not exercise.is_file():
            raise CurriculumError(f"{exercise} is missing: run `attn release {topic.slug}`, or restore it with git.")
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(exercise, copy)
            fresh.append(topic)
    return fresh


def has_display(platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> bool:
    """Can a browser be opened here? Linux and the BSDs say so by a variable; Windows and macOS always can."""
    if platform in ("win32", "darwin"):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def lab_command(tree: Tree, browser: bool, extra: Sequence[str] = ()) -> list[str]:
    """The command that opens JupyterLab on the map of all lectures."""
    first = tree.lecture(START.slug).relative_to(tree.root).as_posix()
    return [
        *(
            sys.executable,
            "-m",
            "jupyterlab",
            f"--ServerApp.root_dir={tree.root}",
            f"--LabApp.default_url=/lab/tree/{first}",
        ),
        "--log-level=WARN",  # the address is still printed
        *([] if browser else ["--no-browser"]),
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
        *extra,
    ]


def open_lab(tree: Tree, extra: Sequence[str] = ()) -> int:
    """Run JupyterLab until it is stopped."""
    programs = os.path.dirname(sys.executable)  # nbgrader's Validate button starts programs by name
    environment = os.environ | {"PATH": os.pathsep.join((programs, os.environ.get("PATH", "")))}
    try:
        return subprocess.run(
            lab_command(tree, has_display(), extra), cwd=tree.root, env=environment, check=False
        ).returncode
    except KeyboardInterrupt:  # Ctrl-C is how one leaves JupyterLab
        return 0
