"""Start a topic: every file it needs, each saying what to write into it, and its row in the manifest."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import jinja2

from autograder.authoring.notebook import write
from autograder.authoring.rules.manifest import SLUG
from autograder.curriculum import CurriculumError, Tree, topics

TEMPLATES = Path(__file__).with_name("templates")
MINUTES = 60  # until the author knows better


@dataclass(frozen=True)
class Started:
    """What `attn new` wrote, and what the author does next."""

    files: tuple[Path, ...]
    next_steps: tuple[str, ...]


def new(tree: Tree, slug: str, title: str) -> Started:
    """Write the texts, the package of tasks and the folder of answers of a new topic, and enter it in the manifest.

    A slug of another shape, or one that is taken, raises CurriculumError and writes nothing.
    """
    if not SLUG.match(slug):
        raise CurriculumError(
            f"{slug!r} is not a slug. Write two digits, `_` and lower-case words, such as `07_masks`."
        )
    taken = [path for path in (tree.lecture_text(slug), tree.solution_text(slug), tree.tasks(slug)) if path.exists()]
    if taken or slug in {topic.slug for topic in tree.topics()}:
        where = tree.shown(taken[0] if taken else tree.manifest)
        raise CurriculumError(f"{slug} exists already, in {where}. Choose another slug, or edit what is there.")
    files = {
        tree.manifest: _with_stanza(tree, slug, _render("stanza.toml", slug=slug, title=json.dumps(title)[1:-1])),
        tree.lecture_text(slug): _render(
            "lecture.py", slug=slug, title=title, exercise=tree.link(tree.lecture(slug), tree.exercise(slug))
        ),
        tree.solution_text(slug): _render(
            "solution.py", slug=slug, title=title, lecture=tree.link(tree.exercise(slug), tree.lecture(slug))
        ),
        tree.tasks(slug) / ".gitkeep": "",  # no __init__.py: a slug is no identifier, and mypy refuses such packages
        tree.answers(slug) / ".gitkeep": "",
    }
    for path, text in files.items():
        write(path, text)
    topics.cache_clear()
    steps = (
        f"Fill in {tree.shown(tree.manifest)}: minutes, needs, questions, sources, tasks and claims of {slug}.",
        f"Write {tree.shown(tree.lecture_text(slug))} and {tree.shown(tree.solution_text(slug))}; replace every TODO.",
        f"Write a module per task in {tree.shown(tree.tasks(slug))}, its answers in {tree.shown(tree.answers(slug))}.",
        f"Run `attn build {slug}`, `attn release {slug}` and `attn doctor`, which names what is still missing.",
    )
    return Started(tuple(files), steps)


def _render(template: str, **values: str) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # Python and TOML, not HTML
    )
    return environment.get_template(f"{template}.jinja").render(minutes=MINUTES, **values)


def _with_stanza(tree: Tree, slug: str, stanza: str) -> str:
    """The manifest with a new row where the order of teaching wants it."""
    text = tree.manifest.read_text(encoding="utf-8")
    starts = [found.start() for found in re.finditer(r"^\[\[topics\]\]", text, re.MULTILINE)]
    later = [start for start, topic in zip(starts, tree.topics(), strict=True) if topic.slug > slug]
    if later:
        return text[: later[0]] + stanza + "\n" + text[later[0] :]
    return text.rstrip("\n") + "\n\n" + stanza
