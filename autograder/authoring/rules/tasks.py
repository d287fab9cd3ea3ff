"""Tasks: manifest, graders and solution name the same ones, and each has what a learner needs when stuck."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autograder.authoring.ids import headings, slugify
from autograder.authoring.notebook import Cell
from autograder.authoring.rules.base import Remark, described
from autograder.checking import task as checking
from autograder.curriculum import TaskEntry, Topic, Tree


def tasks(tree: Tree) -> Iterator[Remark]:
    """Every task of the manifest has its grader, hints, misconceptions or rubric, and its cells."""
    for topic in tree.topics():
        folder = tree.tasks(topic.slug)
        if not folder.exists():
            continue  # the rule `tree` says so
        try:
            found = checking.load(topic.slug)
        except Exception as error:  # noqa: BLE001  # whatever an author's module raises is a remark, not the end of the check
            problem = f"it cannot be imported: {type(error).__name__}: {error}"
            yield Remark("tasks", tree.shown(folder), problem, "Mend the module that raises it.")
            continue
        for id in found:
            if id not in {entry.id for entry in topic.tasks}:
                problem = f"it defines {id}, which the manifest does not list under {topic.slug}"
                yield Remark("tasks", tree.shown(folder), problem, "Add it to the manifest, or delete its module.")
        for entry in topic.tasks:
            if entry.id not in found:
                problem = f"no module defines the task {entry.id} of the manifest"
                cure = f"Write {entry.id.rpartition('.')[2]}.py with `task = …`."
                yield Remark("tasks", tree.shown(folder), problem, cure)
                continue
            for problem, cure in (*_help(found[entry.id]), *_place(tree, found[entry.id])):
                yield Remark("tasks", tree.shown(folder), f"{entry.id} {problem}", cure)
            if isinstance(found[entry.id], checking.Written) != entry.written:
                problem = f"{entry.id} is {'not ' if entry.written else ''}a Written"
                cure = "A task whose name ends in `proof` is a Written, every other one a Task."
                yield Remark("tasks", tree.shown(folder), problem, cure)
        yield from _cells(tree, topic, found)


def _help(task: checking.Task | checking.Written) -> Iterator[tuple[str, str]]:
    hints = [hint.strip() for hint in task.hints]
    if len(hints) != 3 or not all(hints) or len(set(hints)) < len(hints):
        problem = f"has {len(set(filter(None, hints)))} different hints"
        yield problem, "Give it three: a direction, the insight, almost the answer."
    if isinstance(task, checking.Written):
        if not task.rubric:
            yield "has no rubric", "Say what each point is given for: rubric=(…)."
    elif not task.misconceptions:
        yield "names no misconception", "Add the mistakes people make: @task.misconception(name, ask=…)."


def _place(tree: Tree, task: checking.Task | checking.Written) -> Iterator[tuple[str, str]]:
    """The lecture that a report sends the learner to exists."""
    slug, _, anchor = task.lecture.partition("#")
    topic = next((topic for topic in tree.topics() if topic.slug == slug), None)
    nb = described(tree, topic, tree.lecture_text(slug)) if topic else None
    if topic is None:
        yield f"points to the lecture {slug!r}, which the manifest does not list", "Write lecture=`slug#heading`."
    elif nb is not None and anchor not in {slugify(title) for cell in nb["cells"] for title in headings(cell)}:
        problem = f"points to {task.lecture}, but that lecture has no such heading"
        yield problem, "Write the heading in lower case, with dashes for spaces."


def _cells(tree: Tree, topic: Topic, found: dict[str, checking.Task | checking.Written]) -> Iterator[Remark]:
    text = tree.solution_text(topic.slug)
    nb = described(tree, topic, text)
    if nb is None:
        return
    cells = {cell["id"]: cell for cell in nb["cells"]}
    order = list(cells)
    for entry in topic.tasks:
        missing = [id for id in _ids(entry) if id not in cells]
        for id in missing:
            role = "written" if entry.written else "answer" if id == entry.answer_id else "check"
            cure = f'Add it: # %%{" [markdown]" if entry.written else ""} {role}="{entry.id}"'
            yield Remark("tasks", tree.shown(text), f"{entry.id} has no {role} cell", cure)
        task = found.get(entry.id)
        if missing or entry.written or not isinstance(task, checking.Task):
            continue
        if order.index(entry.answer_id) > order.index(entry.grade_id):
            problem = f"{entry.id} is checked before it is answered"
            yield Remark("tasks", tree.shown(text), problem, "Put the answer cell above the check cell.")
        yield from _contents(tree, topic, task, cells[entry.answer_id], cells[entry.grade_id])


def _ids(entry: TaskEntry) -> tuple[str, ...]:
    return (entry.grade_id,) if entry.written else (entry.answer_id, entry.grade_id)


def _contents(tree: Tree, topic: Topic, task: checking.Task, answer: Cell, check: Cell) -> Iterator[Remark]:
    """The answer defines the function that the check passes on."""
    file = tree.shown(tree.solution_text(topic.slug))
    if not re.search(rf"^def {task.function}\(", answer["source"], re.MULTILINE):
        problem = f"the answer cell of {task.id} does not define `{task.function}`"
        yield Remark("tasks", file, problem, f"Begin it with `def {task.function}(…):`.")
    call = f'check("{task.id}", {task.function})'
    if call not in check["source"]:
        yield Remark("tasks", file, f"the check cell of {task.id} does not call it", f"Write `{call}`.")
