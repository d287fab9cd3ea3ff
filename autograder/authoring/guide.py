"""The tables of the start page: three plans of study from the manifest, and every question from the lectures."""

from __future__ import annotations

from autograder.authoring import markdown
from autograder.authoring.notebook import read
from autograder.authoring.questions import questions
from autograder.curriculum import PLANS, START, CurriculumError, Topic, Tree

WEEKS = 4  # of the longest plan


def guide(tree: Tree) -> dict[str, str]:
    """Every generated part of the start page, by the name of its markers."""
    return {plan: plan_table(tree, plan) for plan in PLANS} | {"questions": question_table(tree)}


def planned_topics(tree: Tree, plan: str) -> list[Topic]:
    """The topics of a plan, in the order of teaching: its own and those of shorter plans."""
    return [topic for topic in tree.topics() if topic.plan in PLANS[: PLANS.index(plan) + 1]]


def plan_table(tree: Tree, plan: str) -> str:
    """What to read in which order, with minutes and prerequisites; the longest plan says in which week."""
    chosen = planned_topics(tree, plan)
    total, before, rows = sum(topic.minutes for topic in chosen), 0, []
    for topic in chosen:
        week = 1 + WEEKS * before // total  # weeks of about equal length, and no topic cut in two
        before += topic.minutes
        needs = ", ".join(need.partition("_")[0] for need in topic.needs) or "nothing"
        rows.append([f"{week}", _link(tree, topic), topic.title, f"{topic.minutes}", needs, f"{len(topic.questions)}"])
    head = ["week", "lecture", "what it covers", "minutes", "builds on", "questions"]
    if plan != PLANS[-1]:
        head, rows = head[1:], [row[1:] for row in rows]
    count = sum(len(topic.questions) for topic in chosen)
    return f"{markdown.table(head, rows)}\n\nTogether **{_hours(total)}** of reading, {count} questions."


def question_table(tree: Tree) -> str:
    """Every question of every lecture that is built, with its kind and the minutes an interviewer gives."""
    rows = []
    for topic in tree.topics():
        try:
            found = questions(read(tree.lecture(topic.slug)))
        except CurriculumError:  # not built yet: another rule says so
            continue
        rows += [(q.id, q.title, q.kind, f"{q.minutes}", _link(tree, topic)) for q in sorted(found, key=lambda q: q.id)]
    return markdown.table(("id", "question", "kind", "minutes", "answered in"), rows)


def _link(tree: Tree, topic: Topic) -> str:
    return f"[{topic.slug}]({tree.link(tree.lecture(START.slug), tree.lecture(topic.slug))})"


def _hours(minutes: int) -> str:
    return f"{minutes // 60} h {minutes % 60:02d} min"
