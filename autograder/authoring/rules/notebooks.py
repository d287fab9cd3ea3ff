"""Built notebooks: they are what their texts say, they ran, their figures can be heard, and they run anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from autograder.authoring.build import planned
from autograder.authoring.notebook import Cell, code_cells, difference, not_executed, read
from autograder.authoring.rules.base import Remark, built, lectures
from autograder.curriculum import CurriculumError, Tree

FOLDERS = "home|root|Users|tmp|var|opt|mnt|work|workspace|content"
MACHINE_PATH = re.compile(rf"(?<![\w./:])/(?:{FOLDERS})/[\w.-]+|[A-Z]:\\Users")
ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")
FIGURES = ("image/png", "image/jpeg", "image/svg+xml")
EMPTY_ALT = re.compile(r"!\[\s*\]\(|<img(?![^>]*\balt=\"[^\"]+\")")


def agree(tree: Tree) -> Iterator[Remark]:
    """Text and notebook agree: code, Markdown, metadata and ids."""
    for topic, text, path in tree.texts():
        if not text.is_file() or not path.is_file():
            continue  # the rule `tree` says so
        cure = f"Run `attn build {topic.slug}` (or `attn build --pull NOTEBOOK` if the notebook has the newer edit)."
        try:
            expected = planned(tree, topic, text)
        except CurriculumError as error:
            yield Remark("built", tree.shown(text), str(error), "Mend the header of that cell.")
            continue
        try:
            problem = difference(expected, read(path))
        except CurriculumError as error:
            problem = str(error)
        if problem:
            yield Remark("built", tree.shown(path), f"it is not what {tree.shown(text)} says: {problem}", cure)


def executed(tree: Tree) -> Iterator[Remark]:
    """Lectures and solutions ran from the first cell to the last, without an error."""
    for topic, _, path, nb in built(tree):
        problem = not_executed(nb)
        if problem:
            cure = f"Mend the text and run `attn build {topic.slug} --force`."
            yield Remark("executed", tree.shown(path), problem, cure)


def figures(tree: Tree) -> Iterator[Remark]:
    """Every figure has a text for those who cannot see it."""
    for _, text, path, nb in built(tree):
        for cell in nb["cells"]:
            for output in cell.get("outputs", []):
                for kind in FIGURES:
                    if kind in output.get("data", {}) and not _alt(output, kind):
                        problem = f"cell {cell['id']!r} shows a figure without alt text"
                        yield Remark("figures", tree.shown(path), problem, "Show it through attn_core.lab with alt=….")
            if cell["cell_type"] == "markdown" and EMPTY_ALT.search(cell["source"]):
                problem = f"cell {cell['id']!r} has an image without alt text"
                yield Remark("figures", tree.shown(text), problem, "Say in its brackets what the image shows.")


def _alt(output: Cell, kind: str) -> str:
    metadata = output.get("metadata", {})
    return str(metadata.get(kind, {}).get("alt") or metadata.get("alt") or "").strip()


def machine_paths(tree: Tree) -> Iterator[Remark]:
    """Nothing shown to readers names a folder of the author's machine or an address in its memory."""
    for topic, text, path, nb in built(tree):
        for cell in code_cells(nb):
            for shown in map(_text, cell["outputs"]):
                found = MACHINE_PATH.search(shown) or ADDRESS.search(shown)
                if found:
                    problem = f"cell {cell['id']!r} prints {found.group()!r}, which is different on every machine"
                    cure = f"Print something stable in {tree.shown(text)} and run `attn build {topic.slug}`."
                    yield Remark("paths", tree.shown(path), problem, cure)
    pages = [tree.readme, *sorted(tree.claims_page.parent.glob("*.md")), *(text for _, text, _ in tree.texts())]
    for page in filter(Path.is_file, pages):
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
            found = MACHINE_PATH.search(line)
            if found:
                problem = f"line {number} names {found.group()!r}, a folder of one machine"
                yield Remark("paths", tree.shown(page), problem, "Write the path relative to the curriculum.")


def _text(output: Cell) -> str:
    data = output.get("data", {})
    return str(output.get("text", "")) + "".join(str(data[kind]) for kind in data if kind.startswith("text/"))


def cell_sizes(tree: Tree) -> Iterator[Remark]:
    """A code cell of a lecture fits a screen."""
    for _, text, nb in lectures(tree):
        for cell in code_cells(nb):
            lines = len(cell["source"].splitlines())
            if lines > 25:
                problem = f"cell {cell['id']!r} has {lines} lines of code, more than 25"
                cure = "Split it at an idea, or move its plotting to attn_core.lab."
                yield Remark("budgets", tree.shown(text), problem, cure)
