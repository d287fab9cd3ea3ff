"""Imports point one way. They are read, not run: those inside functions count too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from autograder.authoring.rules.base import Remark
from autograder.curriculum import Tree

# Layer → what it may import besides itself and its own parts. A module belongs to the longest name it begins with.
CURRICULUM, CHECKING = "autograder.curriculum", "autograder.checking"
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "attn_core": (),
    "attn_core.lab": (),  # the learner's side of the wall: nothing of the answer key
    CURRICULUM: (),
    "autograder.checking.cost": (),
    "autograder.checking.probe": ("autograder.checking.cost",),  # enters the sandbox: nothing of the grader
    CHECKING: ("attn_core", CURRICULUM),
    "autograder.tasks": ("attn_core", CHECKING, CURRICULUM),
    "autograder.judge.wire": ("autograder.checking.cost", "autograder.checking.probe"),
    "autograder.judge.player": ("autograder.checking.cost", "autograder.checking.probe", "autograder.judge.wire"),
    "autograder.judge": ("attn_core", CHECKING, "autograder.tasks", CURRICULUM),
    "autograder.classroom": ("attn_core", CHECKING, "autograder.tasks", "autograder.judge", CURRICULUM),
    "autograder.authoring": ("attn_core", CHECKING, "autograder.classroom", CURRICULUM),
    "autograder.hints": (CHECKING, CURRICULUM),
    "autograder.notebook": (CHECKING, "autograder.hints", CURRICULUM),
    "autograder.terminal": (CHECKING, "autograder.judge", "autograder.classroom", "autograder.notebook", CURRICULUM),
    "autograder.study": (CURRICULUM,),
    "autograder": ("autograder.notebook",),  # its __init__ alone
    "autograder.cli": ("attn_core", "autograder"),
    "autograder.__main__": ("autograder.cli",),
}
ONE_IMPORTER = {  # what only one module may know, so that it can be replaced; its own package does not count
    "jupytext": (("jupytext",), None),
    "nbgrader's converters": (("nbgrader.converters", "nbgrader.apps"), None),
    "the sandbox": (("autograder.judge.sandbox",), "autograder.judge"),
}


def imports(tree: Tree) -> Iterator[Remark]:
    """Every import obeys the layers, and each of the three guarded things has one importer."""
    importers: dict[str, set[str]] = {name: set() for name in ONE_IMPORTER}
    for path, module, names in modules(tree):
        file = tree.shown(path)
        layer = _layer(module) or module
        if layer == "autograder" and module != "autograder":
            cure = "Move it into a layer, or give it one in autograder/authoring/rules/imports.py."
            yield Remark("imports", file, f"{module} belongs to no layer", cure)
        for name in sorted(names):
            if not _allowed(layer, _layer(name)):
                allowed = ", ".join(MAY_IMPORT[layer]) or "nothing else of this project"
                cure = f"Move what it needs down a layer; {layer} may import {allowed}."
                yield Remark("imports", file, f"{module} imports {name}, which is above or beside it", cure)
        for guarded, (roots, home) in ONE_IMPORTER.items():
            at_home = home is not None and _within(module, home)
            if not at_home and any(_within(name, root) for name in names for root in roots):
                importers[guarded].add(file)
    for guarded, found in importers.items():
        if len(found) > 1:
            files = sorted(found)
            problem = f"{guarded} is imported by {len(files)} modules: {', '.join(files)}"
            yield Remark("imports", files[-1], problem, "Let one of them import it, and the others call that one.")


def modules(tree: Tree) -> Iterator[tuple[Path, str, set[str]]]:
    """Every module of the two packages: file, dotted name, and everything that it imports."""
    for package in tree.packages:
        for path in sorted(package.rglob("*.py")):
            parts = path.relative_to(tree.root).with_suffix("").parts
            if "templates" in parts:
                continue
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            try:
                found = ast.parse(path.read_text(encoding="utf-8"))
            except SyntaxError:  # ruff and every test say so
                continue
            yield path, name, imported(found, name if is_package else name.rpartition(".")[0])


def imported(module: ast.Module, package: str) -> set[str]:
    """The dotted names that a module imports; `package` resolves the relative ones."""
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            names |= {f"{source}.{alias.name}" for alias in node.names}
    return names


def _allowed(layer: str, target: str | None) -> bool:
    if target is None or target == layer:
        return True
    roots = MAY_IMPORT[layer] if layer == "autograder" else (*MAY_IMPORT[layer], layer)  # a layer may use its own parts
    return any(_within(target, root) for root in roots)


def _within(name: str, root: str) -> bool:
    return name == root or name.startswith(f"{root}.")


def _layer(name: str) -> str | None:
    """The layer of a module or of a name in it; None for what is not ours."""
    return max((layer for layer in MAY_IMPORT if _within(name, layer)), key=len, default=None)
