"""The generated tables."""

import pytest
from demo_course import SLUG

from autograder.authoring.guide import plan_table, planned_topics
from autograder.authoring.tables import claims_page, stale_tables, topic_table, write_tables
from autograder.curriculum import CurriculumError, Topic, Tree


def test_topics_are_counted_from_the_manifest(healthy: Tree):
    """One row per topic, linked to its lecture."""
    assert topic_table(healthy).splitlines()[2] == (
        "| [01_demo](notebooks/01_demo.ipynb) | Twice as much | 5 | 1 | 2 | 5 | 1 |"
    )


def test_the_start_page_is_filled_from_manifest_and_questions(healthy: Tree):
    """Each plan names its topics with minutes, the longest one the week too; every question names its lecture."""
    page = healthy.lecture_text("00_start").read_text(encoding="utf-8")
    assert page.count("# | [01_demo](01_demo.ipynb) | Twice as much | 5 | nothing | 1 |") == 2
    assert "# | 1 | [01_demo](01_demo.ipynb) | Twice as much | 5 | nothing | 1 |" in page
    assert page.count("# Together **0 h 05 min** of reading, 1 questions.") == 3
    assert "| Q001 | What is twice? | explain | 2 | [01_demo](01_demo.ipynb) |" in page


def topic(slug: str, minutes: int, plan: str) -> Topic:
    """A topic without contents."""
    return Topic(slug, slug, minutes, plan, (), (), (), (), (), ())


def test_a_plan_includes_the_shorter_ones_and_the_weeks_are_even(healthy: Tree, monkeypatch: pytest.MonkeyPatch):
    """Evening ⊂ weekend ⊂ month; a topic begins in the week in which its quarter of the minutes begins."""
    rows = [("01_a", 60, "evening"), ("02_b", 60, "month"), ("03_c", 60, "weekend"), ("04_d", 60, "month")]
    monkeypatch.setattr(Tree, "topics", lambda _self: tuple(topic(*row) for row in rows))
    assert [t.slug for t in planned_topics(healthy, "evening")] == ["01_a"]
    assert [t.slug for t in planned_topics(healthy, "weekend")] == ["01_a", "03_c"]
    weeks = [line.split(" | ")[0].removeprefix("| ") for line in plan_table(healthy, "month").splitlines()[2:6]]
    assert weeks == ["1", "2", "3", "4"]


def test_claims_show_what_was_measured(healthy: Tree):
    """A measured claim with its numbers, a stated one without; a bar in the text does not end a column."""
    page = claims_page(healthy).splitlines()
    assert "## [01_demo](../notebooks/01_demo.ipynb) · Twice as much" in page
    assert r"| C001 | true | Twice two is four. | It is, in every ring \| with a two in it. | 4 | 4 |" in page
    assert "| C002 | depends | Twice is more. | Not for a negative number. | stated | – |" in page


def test_writing_leaves_the_rest_of_the_page_alone_and_is_done_once(tree: Tree):
    """Text before and after the markers stays; a second call writes nothing."""
    tree.readme.write_text("Before.\n<!-- topics:begin -->\nold\n<!-- topics:end -->\nAfter.\n")
    assert stale_tables(tree) == [tree.readme]
    assert write_tables(tree) == [tree.readme]
    text = tree.readme.read_text()
    assert text.startswith("Before.\n<!-- topics:begin -->\n| lecture |")
    assert text.endswith("|\n<!-- topics:end -->\nAfter.\n")
    assert write_tables(tree) == stale_tables(tree) == []


def test_a_lecture_that_is_not_built_has_no_claims_yet(tree: Tree):
    """The page can be made at any time."""
    tree.lecture(SLUG).unlink()
    assert "Not built yet." in claims_page(tree)


def test_missing_markers_and_a_missing_page_are_named(tree: Tree):
    """Where the table belongs is the author's decision."""
    tree.readme.write_text("No markers.\n")
    with pytest.raises(
        CurriculumError, match=r"README.md lacks the markers <!-- topics:begin --> and <!-- topics:end -->"
    ):
        write_tables(tree)
    tree.readme.unlink()
    with pytest.raises(CurriculumError, match=r"README.md is missing; it holds generated tables."):
        write_tables(tree)
