"""The manifest is sound, and it and the tree name the same topics."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from autograder.authoring.rules.base import Remark
from autograder.curriculum import PLANS, START, Tree

SLUG = re.compile(r"^\d\d_[a-z][a-z0-9_]*$")
TASK_ID = re.compile(r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")
IGNORED = {"__pycache__", ".ipynb_checkpoints"}
CURES = {
    "lecture": "Run `attn build {slug}`.",
    "solution": "Run `attn build {slug}`.",
    "exercise": "Run `attn release {slug}`.",
}


def manifest(tree: Tree) -> Iterator[Remark]:
    """Slugs in order, needs taught before, nothing named twice, nothing left empty."""
    file = tree.shown(tree.manifest)

    def remark(problem: str, cure: str) -> Remark:
        return Remark("manifest", file, problem, cure)

    before: list[str] = []
    for topic in tree.topics():
        if not SLUG.match(topic.slug):
            yield remark(f"{topic.slug!r} is not a slug", "Write two digits, `_` and lower-case words: `06_scaling`.")
        if before and topic.slug <= before[-1]:
            yield remark(f"{topic.slug} stands after {before[-1]}", "Sort the topics: slugs are the order of teaching.")
        for need in topic.needs:
            if need not in before:
                yield remark(
                    f"{topic.slug} needs {need!r}, which is not taught before it", "Name an earlier topic's slug."
                )
        for name, value in (("questions", topic.questions), ("tasks", topic.tasks), ("sources", topic.sources)):
            if not value:
                yield remark(f"{topic.slug} has no {name} yet", f"Add its {name} to the manifest.")
        if topic.minutes < 1:
            yield remark(f"{topic.slug} takes {topic.minutes} minutes", "Say how long its lecture takes to read.")
        if topic.plan not in PLANS:
            yield remark(
                f"{topic.slug} has plan {topic.plan!r}", f"Choose {', '.join(PLANS)}: the shortest it is part of."
            )
        for need in filter(before.__contains__, topic.needs):
            if _rank(tree.topic(need).plan) > _rank(topic.plan):
                cure = f"Put {need} into that plan too, or {topic.slug} into a longer one."
                yield remark(
                    f"{topic.slug} is part of the plan {topic.plan!r}, but {need}, which it needs, is not", cure
                )
        for task in topic.tasks:
            if not TASK_ID.match(task.id):
                yield remark(
                    f"{task.id!r} is not the id of a task", "Write `topic.task` in lower case: `scaling.softmax`."
                )
            if task.points <= 0:
                yield remark(f"{task.id} is worth {task.points} points", "Give it at least one.")
        before.append(topic.slug)
    for what, ids in (
        ("topic", [topic.slug for topic in tree.topics()]),
        ("question", [id for topic in tree.topics() for id in topic.questions]),
        ("task", [task.id for topic in tree.topics() for task in topic.tasks]),
        ("claim", [id for topic in tree.topics() for id in (*topic.claims_measured, *topic.claims_stated)]),
    ):
        for id, count in Counter(ids).items():
            if count > 1:
                yield remark(f"the {what} {id} is named {count} times", "Keep it in the one topic that it belongs to.")


def _rank(plan: str) -> int:
    return PLANS.index(plan) if plan in PLANS else len(PLANS)


def files(tree: Tree) -> Iterator[Remark]:
    """The start page is there, every topic has its files, and every file belongs to a topic."""
    for what, path in (("text", tree.lecture_text(START.slug)), ("notebook", tree.lecture(START.slug))):
        if not path.is_file():
            cure = "Restore it from git." if what == "text" else f"Run `attn build {START.slug}`."
            yield Remark("tree", tree.shown(path), f"the {what} of the start page is missing", cure)
    for topic in tree.topics():
        for what, path in tree.files(topic.slug).items():
            if not path.exists() or (path.is_dir() and not any(path.iterdir())):
                problem = f"{topic.slug} is in the manifest, but its {what} is missing"
                cure = CURES.get(what, "Write it; `attn new` shows how a fresh one looks.")
                yield Remark("tree", tree.shown(path), problem, cure.format(slug=topic.slug))
        for notebook in (tree.solution(topic.slug), tree.exercise(topic.slug)):
            for path in _entries(notebook.parent):
                if path != notebook:
                    cure = "Move it out: nbgrader hands everything in this folder to the learners."
                    yield Remark("tree", tree.shown(path), "it lies beside the notebook of an assignment", cure)
    slugs = {START.slug, *(topic.slug for topic in tree.topics())}
    for home, nothing_else in tree.homes().items():
        for path in _entries(home):
            name = path.name.partition(".")[0]
            if name not in slugs and (nothing_else or SLUG.match(name)):
                cure = "Delete it, or add its topic to the manifest."
                yield Remark("tree", tree.shown(path), "it belongs to no topic of the manifest", cure)


def _entries(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.name not in IGNORED] if folder.is_dir() else []
