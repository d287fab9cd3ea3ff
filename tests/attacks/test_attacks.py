"""Every attack, through the real path: submitted folder, intake, player, ledger, gradebook, feedback.

No attack earns more than its honest part, none leaves a trace, none changes what the learner after it gets, and each has
a row with a reason.
"""

import csv
import json
from dataclasses import replace

import pytest
from attack import LAYERS, Attack
from grading import NEIGHBOUR_POINTS, SLUG, Class, row_text
from make_table import PAGE, page
from pages_seen import Tags
from payloads import INEXPRESSIBLE, THEMES

from autograder.classroom.grading import Graded
from autograder.judge import journal

pytestmark = pytest.mark.sandbox
EACH = [
    pytest.param(theme, attack, id=f"{theme} {attack.id}") for theme, attacks in THEMES.items() for attack in attacks
]
CATALOGUE = 75
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of one
LONGEST_PAGE = 400_000  # characters; a page of an ordinary submission has a tenth of it


def row_of(class_: Class, attack: Attack) -> Graded:
    """The row of an attack."""
    return class_.rows[class_.students[attack.id]]


@pytest.mark.parametrize(("theme", "attack"), EACH)
def test_an_attack_earns_its_honest_part_and_has_a_reason(classes, theme, attack):
    """Points, state and reason of one attack, the same in ledger and gradebook."""
    row = row_of(classes(theme), attack)
    text = row_text(row)
    assert not row.ledger.grader.startswith("failed"), text
    if attack.breaks_itself:
        assert 0 <= row.ledger.points <= attack.earns, text
    else:
        assert row.ledger.points == attack.earns, text
    assert row.marks.points == row.ledger.points
    assert row.ledger.summary.strip()
    assert attack.says in text, text[:3000]


@pytest.mark.parametrize("theme", THEMES)
def test_no_attack_leaves_a_trace(classes, theme):
    """No canary file, process or socket with the mark of the class, no connection, no changed file of the teacher's."""
    assert classes(theme).traces == []


@pytest.mark.parametrize("theme", THEMES)
def test_nobody_else_is_affected(classes, honest, theme):
    """The honest learner graded right after each attack gets, to the last sentence, what they get alone."""
    class_ = classes(theme)
    assert honest.ledger.points == NEIGHBOUR_POINTS
    different = {
        student: row_text(class_.rows[student])[:2000]
        for student in class_.neighbours
        if replace(class_.rows[student].ledger, student="ada") != honest.ledger
    }
    assert different == {}


@pytest.mark.parametrize("theme", THEMES)
def test_everyone_has_a_row_everywhere(classes, theme):
    """Ledger, journal, table and feedback page of all, and nothing more in them than their grades."""
    class_ = classes(theme)
    everyone = {*class_.students.values(), *class_.neighbours}
    assert set(class_.rows) == everyone
    assert {name for name, _, _ in journal.read(class_.tree.journal(SLUG))} == everyone
    with class_.tree.export().open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(everyone)
    assert not [value for line in table for value in line.values() if value.startswith(FORMULA)]
    for student in everyone:
        page = class_.tree.feedback(student, SLUG)
        assert page.is_file()
        assert json.loads(class_.tree.autograded(student, SLUG).read_bytes())["cells"]


@pytest.mark.parametrize("theme", THEMES)
def test_no_page_runs_or_loads_anything(classes, theme):
    """Every feedback page has a policy that forbids scripts, holds harmless elements only, and is of sane size."""
    class_ = classes(theme)
    for student in class_.students.values():
        page = class_.tree.feedback(student, SLUG).read_text(encoding="utf-8")
        seen = Tags()
        seen.feed(page)
        assert seen.suspicious == [], student
        assert "Content-Security-Policy" in page
        assert "default-src 'none'" in page
        assert len(page) < LONGEST_PAGE, student
        assert not any(ord(c) in (0x1B, 0x202E, 0) for c in page), student


def test_every_row_of_the_catalogue_is_tried_or_explained():
    """Rows 1 to 75, none twice, and at least fifteen attacks of our own."""
    ids = [attack.id for attacks in THEMES.values() for attack in attacks] + [row.id for row in INEXPRESSIBLE]
    assert len(ids) == len(set(ids))
    assert sorted(int(id) for id in ids if id.isdigit()) == list(range(1, CATALOGUE + 1))
    assert sum(not id.isdigit() for id in ids) >= 15


def test_every_layer_stops_something():
    """A layer that no attack tries is a claim without a test."""
    tried = {attack.layer.name for attacks in THEMES.values() for attack in attacks}
    assert tried == {layer.name for layer in LAYERS}


def test_the_table_of_attacks_is_fresh():
    """docs/attacks.md is what make_table.py writes from these very attacks."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python tests/attacks/make_table.py`"
