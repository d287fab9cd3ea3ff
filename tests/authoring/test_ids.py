"""Cell ids: deterministic, unique, valid, and stable under insertion."""

import re

from autograder.authoring.ids import assign_ids, headings, slugify


def markdown(source: str, **metadata: object) -> dict:
    """A Markdown cell."""
    return {"cell_type": "markdown", "source": source, "metadata": metadata, "id": ""}


def code(source: str = "1", **metadata: object) -> dict:
    """A code cell."""
    return {"cell_type": "code", "source": source, "metadata": metadata, "id": ""}


def ids(*cells: dict) -> list[str]:
    """The ids that these cells get."""
    assign_ids(list(cells))
    return [cell["id"] for cell in cells]


def test_named_cells_keep_their_names():
    """A graded cell is called by its grade id, a question and a claim by their own ids."""
    graded = code(nbgrader={"grade_id": "demo-double"})
    assert ids(graded, markdown("### Why?", question="Q001"), markdown("**C…", claims="C007, C008")) == [
        "demo-double",
        "Q001",
        "C007",
    ]


def test_headings_and_numbers_within_their_section():
    """A heading gives its cell a readable id, and the cells below are numbered from it."""
    assert ids(code(), markdown("# The variance proof"), code(), code(), markdown("## Next: √d, softmax!"), code()) == [
        "cell-001",
        "the-variance-proof",
        "the-variance-proof-001",
        "the-variance-proof-002",
        "next-d-softmax",
        "next-d-softmax-001",
    ]


def test_an_insertion_shifts_its_own_section_only():
    """Reviews stay readable: other sections keep their ids."""
    before = ids(markdown("# A"), code(), markdown("# B"), code(), markdown("", question="Q001"))
    after = ids(markdown("# A"), code(), code(), markdown("# B"), code(), markdown("", question="Q001"))
    assert set(before) <= set(after)
    assert after[3:] == before[2:]


def test_equal_headings_stay_apart_whatever_stands_before():
    """Ids are unique, also when a heading looks like the number of another or like the name of a graded cell."""
    found = ids(
        markdown("# A"), markdown("# A"), markdown("# A 2"), code(nbgrader={"grade_id": "a-3"}), markdown("# A")
    )
    assert len(set(found)) == len(found)
    assert found[3] == "a-3"


def test_ids_are_valid_however_long_or_strange_the_heading():
    """nbformat allows 1 to 64 of letters, digits, - and _."""
    for id in ids(markdown("# " + "very " * 40), markdown("# 注意"), code(), markdown("# " + "very " * 40)):
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", id)


def test_a_comment_in_a_code_block_is_no_heading():
    """Only Markdown headings count."""
    assert headings(markdown("Run\n```python\n# not a heading\n```\n## But this")) == ["But this"]
    assert headings(code("# a comment")) == []
    assert slugify("The Jacobian, and saturation") == "the-jacobian-and-saturation"
