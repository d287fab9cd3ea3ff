"""A thousand hand-ins mutated at random are a thousand rows, each with what its content earns, or with a reason."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

import pytest

from autograder.classroom.gradebook import Mark, Marks
from autograder.classroom.grading import Graded, grade_class
from autograder.classroom.intake import take_in
from autograder.classroom.template import load_template
from autograder.curriculum import find_topic
from autograder.judge.judge import failed
from autograder.judge.ledger import Submission
from autograder.judge.sandbox import SandboxError, Unprotected, find_sandbox
from tests.fuzz.course import SLUG, HandIn, make, planned, tree_in, wrong
from tests.fuzz.mutate import MUTATORS, Effect

SEED = 3
COUNT = 1000


@pytest.mark.sandbox
def test_a_class_of_1000_mutated_hand_ins_is_1000_rows(tmp_path):
    """Graded end to end as one class: no abort, and no row that is not what it must be."""
    try:
        find_sandbox("bwrap")
    except SandboxError as error:
        pytest.skip(f"needs bubblewrap: {error}")
    tree = tree_in(tmp_path / "course")
    made = make(tree, SEED, range(COUNT))
    rows = grade_class(tree, SLUG, "bwrap")
    assert list(wrong(made, rows)) == []
    assert len({row.ledger.student for row in rows}) == COUNT
    assert sum(row.marks.points > 0 for row in rows) > COUNT / 4  # enough was at stake
    assert sum(bool(row.ledger.reason) for row in rows) > COUNT / 10


def test_every_mutator_is_among_the_thousand():
    """Alone as well as composed: none is only there on paper."""
    plans = planned(SEED, range(COUNT))
    alone = Counter(plan.mutators[0].name for plan in plans if len(plan.mutators) == 1)
    composed = Counter(m.name for plan in plans if len(plan.mutators) > 1 for m in plan.mutators)
    assert set(alone) == set(composed) == set(MUTATORS)
    assert {plan.effect for plan in plans} == set(Effect)


def test_a_hand_in_depends_on_its_seed_and_number_alone(tmp_path):
    """So that a complaint can be looked at alone, and a stopped run goes on."""

    def digest(name: str, numbers: range) -> dict[str, str]:
        tree = tree_in(tmp_path / name)
        make(tree, SEED, numbers)
        files = (p for p in (tree.course / "submitted").rglob("*") if p.is_file() and not p.is_symlink())
        small = (p for p in files if p.stat().st_size < 1e9)
        return {str(p.relative_to(tree.course)): hashlib.sha256(p.read_bytes()).hexdigest() for p in small}

    whole, part = digest("a", range(60)), digest("b", range(40, 60))
    assert len(part) > 10
    assert part.items() <= whole.items()


def test_the_intake_agrees_with_what_is_to_come(tmp_path):
    """Without a player: what must be zero has a reason, what must keep its score was read, and no fault is ours."""
    tree = tree_in(tmp_path / "course")
    template = load_template(tree, SLUG)
    for plan in make(tree, SEED + 1, range(1000)):
        found = take_in(tree, plan.student, template).submission
        assert "could not be read (" not in found.unreadable, plan
        assert plan.effect is Effect.LOSES or bool(found.unreadable) == (plan.effect is Effect.KILLS), plan
        if plan.effect is Effect.KEEPS:
            answered = [task for task, _, done in found.written if done]
            assert set(answered) >= {task for task in plan.solved if task == "scaling.proof"}, plan


def row(student: str, points: float = 0.0, reason: str = "", **changes: object) -> Graded:
    """A row with so many points in the ledger and in the gradebook."""
    ledger = failed(Submission(student, SLUG, ()), Unprotected(), ValueError())
    results = [replace(result, manual=False) for result in ledger.results]
    results[0] = replace(results[0], points=points)
    ledger = replace(ledger, results=tuple(results), reason=reason)
    marks = Marks(student, SLUG, (Mark(find_topic(SLUG).tasks[0].id, points, 3),))
    return Graded(replace(ledger, **changes), marks)


def plan_of(effect: Effect, student: str = "s") -> HandIn:
    """A hand-in with softmax solved, whose mutator has this effect."""
    found = next(m for m in MUTATORS.values() if m.effect is effect)
    return HandIn(student, ("scaling.softmax",), (found,))


KEEPS, LOSES, KILLS = (plan_of(effect) for effect in (Effect.KEEPS, Effect.LOSES, Effect.KILLS))
RIGHT = {
    "kept": (KEEPS, row("s", 3)),
    "lost": (LOSES, row("s", 0)),
    "not lost": (LOSES, row("s", 3)),
    "killed": (KILLS, row("s", 0, "There is none.")),
}
WRONG = {
    "lost what must be kept": (KEEPS, [row("s", 2)], "2 points instead of 3"),
    "more than was earned": (LOSES, [row("s", 3.5)], "3.5 points in the gradebook"),
    "less than nothing": (LOSES, [row("s", -1)], "-1 points"),
    "points for nothing": (KILLS, [row("s", 1, "There is none.")], "1 points, and the reason"),
    "no reason": (KILLS, [row("s", 0)], "0 points, and the reason ''"),
    "half a reason": (KILLS, [row("s", 0, "There")], "and the reason 'There'"),
    "a fault of ours": (LOSES, [row("s", 0, "The grader itself failed here.")], "a fault of ours"),
    "another gradebook": (LOSES, [replace(row("s", 1), ledger=row("s", 2).ledger)], "2 in the ledger"),
    "no row": (LOSES, [], "no row"),
    "two rows": (LOSES, [row("s", 1), row("s", 1)], "1 hand-ins gave 2 rows"),
    "somebody else's row": (LOSES, [row("t", 1)], "no row"),
}


@pytest.mark.parametrize(("plan", "found"), RIGHT.values(), ids=RIGHT)
def test_right_rows_are_not_complained_about(plan, found):
    """The comparison is not stricter than it says."""
    assert list(wrong([plan], [found])) == []


@pytest.mark.parametrize(("plan", "rows", "complaint"), WRONG.values(), ids=WRONG)
def test_wrong_rows_are_complained_about(plan, rows, complaint):
    """Each way in which a row can be wrong is seen: the fuzz test can fail."""
    assert any(complaint in found for found in wrong([plan], rows))
