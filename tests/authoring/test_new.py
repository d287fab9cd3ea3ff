"""Starting a topic."""

import tomllib

import pytest
from demo_course import SLUG

from autograder.authoring.build import build
from autograder.authoring.doctor import doctor
from autograder.authoring.new import new
from autograder.authoring.release import release
from autograder.authoring.tables import write_tables
from autograder.curriculum import START, CurriculumError, Tree


def test_a_new_topic_lacks_only_its_contents(tree: Tree):
    """Built and released as it is, it passes every rule but those that name what is to be written."""
    started = new(tree, "02_thrice", 'Thrice, "as it were"')
    assert all(path.is_file() for path in started.files)
    build(tree, "02_thrice")
    release(tree, "02_thrice")
    write_tables(tree)
    build(tree, START.slug)
    assert [(remark.file, remark.problem) for remark in doctor(tree)] == [
        ("autograder/curriculum.toml", "02_thrice has no questions yet"),
        ("autograder/curriculum.toml", "02_thrice has no tasks yet"),
        ("autograder/curriculum.toml", "02_thrice has no sources yet"),
        ("notebooks/02_thrice.py", "it still says TODO, first in line 4 (5 in all)"),
        ("solutions/02_thrice.py", "it still says TODO, first in line 4 (2 in all)"),
    ]


def test_the_manifest_keeps_its_text_and_the_order_of_teaching(tree: Tree):
    """A topic is entered before the later ones; comments and other rows stay as they were."""
    before = tree.manifest.read_text()
    new(tree, "00_once", "Once")
    new(tree, "03_more", "More")
    text = tree.manifest.read_text()
    assert before.strip() in text
    assert [topic["slug"] for topic in tomllib.loads(text)["topics"]] == ["00_once", SLUG, "03_more"]
    assert [topic.slug for topic in tree.topics()] == ["00_once", SLUG, "03_more"]


def test_wrong_and_taken_slugs_are_refused_and_write_nothing(tree: Tree):
    """Both sentences say what to choose."""
    before = sorted(tree.root.rglob("*"))
    with pytest.raises(
        CurriculumError, match=r"'Masks' is not a slug. Write two digits, `_` and lower-case words, such as"
    ):
        new(tree, "Masks", "Masks")
    with pytest.raises(CurriculumError, match=r"01_demo exists already, in notebooks/01_demo.py. Choose another slug"):
        new(tree, SLUG, "Demo")
    assert sorted(tree.root.rglob("*")) == before


def test_the_next_steps_name_files_and_commands(tree: Tree):
    """An author who follows them is done."""
    steps = " ".join(new(tree, "02_thrice", "Thrice").next_steps)
    for word in (
        "curriculum.toml",
        "notebooks/02_thrice.py",
        "attn build 02_thrice",
        "attn release 02_thrice",
        "attn doctor",
    ):
        assert word in steps
