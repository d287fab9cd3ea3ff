"""Every rule passes on a healthy tree and finds, alone, the fault that breaks it."""

import breakers_of_lectures  # noqa: F401  # enters its breakers
import pytest
from breakers import BREAKERS, MANIFEST, Breaker
from demo_course import SLUG

from autograder.authoring.doctor import RULES, doctor
from autograder.authoring.rules import tasks
from autograder.checking import task as checking
from autograder.curriculum import Tree, topics


def test_a_healthy_tree_has_no_remark(tree: Tree):
    """The demo passes every rule."""
    assert [str(remark) for remark in doctor(tree)] == []


@pytest.mark.parametrize("breaker", BREAKERS, ids=lambda breaker: breaker.name)
def test_a_fault_is_found_by_its_rule_and_by_no_other(tree: Tree, breaker: Breaker):
    """One fault, one remark that names file and cure; other rules speak only of its consequences."""
    breaker.function(tree)
    (remark,) = breaker.rule(tree)
    assert remark.file == breaker.file
    assert breaker.says in remark.problem
    assert remark.cure.endswith((".", "…", '"'))
    permitted = {remark, *(other for rule in breaker.also for other in rule(tree))}
    assert set(doctor(tree)) == permitted


def test_every_rule_has_a_fault_that_breaks_it():
    """A rule that nothing breaks is not known to work."""
    assert {breaker.rule for breaker in BREAKERS} == set(RULES)


def test_a_task_module_that_cannot_be_imported_is_a_remark(tree: Tree, monkeypatch: pytest.MonkeyPatch):
    """A defect of one topic must not keep the others from being examined."""

    def load(slug: str) -> dict:
        raise ImportError(f"no module for {slug}")

    monkeypatch.setattr(checking, "load", load)
    (remark,) = tasks.tasks(tree)
    assert remark.problem == "it cannot be imported: ImportError: no module for 01_demo"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[topics]\n", "curriculum.toml is not valid TOML"),
        (f'[[topics]]\nslug = "{SLUG}"\n', "curriculum.toml: topic 01_demo lacks the key 'title'. Add it."),
    ],
)
def test_a_broken_manifest_is_the_only_remark(tree: Tree, text: str, says: str):
    """Nothing can be said of topics that cannot be read."""
    tree.manifest.write_text(text)
    topics.cache_clear()
    (remark,) = doctor(tree)
    assert remark.file == MANIFEST
    assert says in remark.problem


def test_a_remark_reads_as_two_lines(tree: Tree):
    """File, problem and rule on one line, the cure on the next."""
    tree.lecture(SLUG).unlink()
    assert str(doctor(tree)[0]) == (
        "notebooks/01_demo.ipynb: 01_demo is in the manifest, but its lecture is missing [tree]\n"
        "    → Run `attn build 01_demo`."
    )
