"""The generated tables."""

import pytest
from demo_course import SLUG

from autograder.authoring.tables import claims_page, stale_tables, topic_table, write_tables
from autograder.curriculum import CurriculumError, Tree


def test_topics_are_counted_from_the_manifest(healthy: Tree):
    """One row per topic, linked to its lecture."""
    assert topic_table(healthy).splitlines()[2] == (
        "| [01_demo](notebooks/01_demo.ipynb) | Twice as much | 5 | 1 | 2 | 5 | 1 |"
    )


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
    with pytest.raises(CurriculumError, match=r"README.md is missing; it holds the table of topics."):
        write_tables(tree)
