"""Question cells and claim cells, taken apart."""

from demo_course import SLUG

from autograder.authoring import claims, questions
from autograder.authoring.notebook import read
from autograder.curriculum import Tree


def test_a_question_cell_is_taken_apart(healthy: Tree):
    """Bank, quiz and cheat sheet read the questions from the lectures through this."""
    (question,) = questions.questions(read(healthy.lecture(SLUG)))
    assert (question.id, question.kind, question.minutes, question.title) == ("Q001", "explain", 2, "What is twice?")
    assert question.fold("Full answer") == "$2x = x + x$."
    assert question.scoring == (
        ("Strong hire", "gives the formula."),
        ("Lean hire", "gives an example,\n  and no formula."),
        ("No hire", "gives neither."),
    )
    assert question.closings == {"Red flag": '"the square".', "Follow-up": "and thrice?"}
    assert list(questions.faults(question)) == []


def test_sixty_seconds_end_at_160_words(healthy: Tree):
    """160 words pass, 161 do not."""
    (cell,) = [cell for cell in read(healthy.lecture(SLUG))["cells"] if "question" in cell["metadata"]]
    spoken = "The sum of a number and itself."
    for words, expected in (
        (160, []),
        (161, ["has a sixty-second answer of 161 words, more than the 160 one can say"]),
    ):
        source = cell["source"].replace(spoken, " ".join(["word"] * words))
        assert list(questions.faults(questions.parse({**cell, "source": source}))) == expected


def test_claims_are_read_with_verdict_statement_and_answer(healthy: Tree):
    """Line breaks inside a paragraph do not matter."""
    first, second = claims.claims(read(healthy.lecture(SLUG)))
    assert first == claims.Claim("C001", "true", "Twice two is four.", "It is, in every ring | with a two in it.")
    assert (second.id, second.verdict) == ("C002", "depends")


def test_asserted_and_measured_claims_are_found(healthy: Tree):
    """The call is found in the code, the line in the stored output, magics notwithstanding."""
    nb = read(healthy.lecture(SLUG))
    assert claims.asserted(nb) == {"C001"}
    assert [line.measured for line in claims.measured_lines(nb)["C001"]] == ["4"]
    cell = {"cell_type": "code", "source": "%time x = 1\nclaim('C009', 1, 1)\n!ls", "outputs": []}
    assert claims.asserted({"cells": [cell]}) == {"C009"}
    assert claims.asserted({"cells": [{**cell, "source": "claim('C009', "}]}) == set()
