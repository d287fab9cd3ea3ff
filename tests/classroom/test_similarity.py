"""The similarity report: a copy with other names comes first, work of one's own does not come at all."""

import sys

import pytest
from makers import SLUG, cell, exercise, hand_in, solved

from autograder.curriculum import CurriculumError

pytest.importorskip("copydetect", reason="needs the extra `similarity`")
from autograder.classroom.similarity import MOST_SHOWN, Compared, compare, lines, similarity, write_page

STUB = 'def softmax(scores, axis=-1):\n    """Turn scores into weights."""\n    raise NotImplementedError()\n'
TEXTBOOK = """
def softmax(scores, axis=-1):
    top = np.max(scores, axis=axis, keepdims=True)
    top = np.where(np.isneginf(top), 0, top)
    e = np.exp(scores - top)
    total = e.sum(axis=axis, keepdims=True)
    return e / np.where(total > 0, total, 1)
"""
RENAMED = """
# my own work
def softmax(s,   dim=-1):
    '''I wrote this myself.'''
    biggest = np.max(s, axis=dim, keepdims=True)
    biggest = np.where(np.isneginf(biggest), 0, biggest)   # safe

    numerator = np.exp(s - biggest)
    denominator = numerator.sum(axis=dim, keepdims=True)
    return numerator / np.where(denominator > 0, denominator, 1)
"""
LOOPS = """
def softmax(scores, axis=-1):
    result = np.zeros_like(scores)
    rows, weights = np.moveaxis(scores, axis, -1), np.moveaxis(result, axis, -1)
    for place in np.ndindex(*rows.shape[:-1]):
        row = [float(s) for s in rows[place]]
        top = max(row)
        if top == -math.inf:
            continue
        weights[place] = [math.exp(s - top) / sum(math.exp(t - top) for t in row) for s in row]
    return result
"""
LOGARITHMS = """
def softmax(scores, axis=-1):
    lse = np.logaddexp.reduce(scores, axis=axis, keepdims=True)
    if not np.isfinite(lse).all():
        lse[lse == -np.inf] = 0.0
    return np.exp(np.subtract(scores, lse), dtype=scores.dtype)
"""
RECURSION = """
def softmax(scores, axis=-1):
    if scores.ndim > 1:
        moved = np.moveaxis(scores, axis, -1)
        return np.moveaxis(np.stack([softmax(part) for part in moved]), -1, axis)
    alive = scores[scores > float("-inf")]
    if not alive.size:
        return scores * 0
    weights = np.exp(scores - alive.max())
    return weights / weights.sum()
"""
CLASS = {"ada": TEXTBOOK, "bob": LOOPS, "cyd": RENAMED, "dan": LOGARITHMS, "eve": RECURSION}


def names(found: Compared) -> list[tuple[str, str]]:
    """The pairs in order."""
    return [pair.students for pair in found.pairs]


def test_a_copy_with_other_names_comments_and_layout_is_on_top():
    """The copy is found whole, and it is the only pair that a teacher is shown."""
    found = compare("t", STUB, CLASS)
    assert names(found) == [("ada", "cyd")]
    assert found.pairs[0].similarity > 0.85  # the docstring that was put in breaks one run
    assert (found.compared, found.too_short) == (5, ())


def test_work_of_ones_own_stays_far_below():
    """Four independent solutions of one task: no pair shares even half of its code."""
    found = compare("t", STUB, {name: code for name, code in CLASS.items() if name != "cyd"}, threshold=0.0)
    assert all(pair.similarity < 0.5 for pair in found.pairs)


def test_a_copy_that_was_made_longer_is_still_found_in_one_direction():
    """The shares say who is contained in whom."""
    longer = (
        RENAMED
        + "\n\ndef unused(x):\n    for i in range(10):\n        print(x[i], i ** 2, sorted(x)[::-1])\n    return {**x}\n"
    )
    (pair,) = compare("t", STUB, {"ada": TEXTBOOK, "cyd": longer}).pairs
    assert pair.shares[0] > 0.85 > pair.shares[1] > 0.4


def test_short_solutions_are_said_to_be_too_short():
    """Two identical one-liners prove nothing, and the report does not pretend that they do."""
    line = "def scaled(q, k):\n    return q @ k.T / np.sqrt(k.shape[-1])\n"
    found = compare("t", STUB, {"ada": line, "bob": line, "cyd": TEXTBOOK})
    assert (found.compared, found.too_short, found.pairs) == (1, ("ada", "bob"), ())
    assert "1 of 3 solutions compared (2 too short to compare), pairs alike: 0" in next(lines([found]))


def test_what_the_exercise_itself_holds_does_not_count():
    """A long released beginning is in every solution; only what follows is compared."""
    given = "def f(x):\n" + "".join(
        f"    step_{n} = np.tensordot(x, x[{n}], axes=({n}, 0)).reshape(-1, {n})\n" for n in range(9)
    )
    rest = "    return [a + b for a, b in zip(x, x)]\n", "    while x.any():\n        x = x // 2\n    return x\n"
    found = compare("t", given, {"ada": given + rest[0], "bob": given + rest[1]})
    assert found.pairs == ()
    assert set(found.too_short) == {"ada", "bob"}


def test_a_stub_with_runs_that_occur_twice_is_left_out_correctly():
    """copydetect's own boilerplate argument goes wrong here; ours leaves exactly the copied rest."""
    twice = "    x = np.where(np.isnan(x), np.zeros_like(x), x)\n" * 3
    found = compare(
        "t",
        f"def f(x):\n{twice}",
        {"ada": f"def f(x):\n{twice}{TEXTBOOK}", "bob": f"def f(x):\n{twice}{RENAMED}{twice}"},
    )
    assert found.pairs[0].similarity > 0.9


def test_what_many_share_is_the_usual_way_and_no_sign():
    """Twelve of a class write the textbook's lines: nobody is accused of it."""
    found = compare("t", STUB, {f"s{n:02}": TEXTBOOK for n in range(12)} | {"bob": LOOPS})
    assert found.pairs == ()
    assert len(found.too_short) == 12
    assert compare("t", STUB, {f"s{n:02}": TEXTBOOK for n in range(4)}).pairs != ()


def test_the_result_is_the_same_every_time():
    """Python's hashes differ from run to run; nothing here depends on them."""
    import subprocess

    code = f"from autograder.classroom.similarity import compare; print([(p.students, p.shares) for p in compare('t', '', {CLASS!r}, 0.0).pairs])"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "MPLCONFIGDIR": "/tmp"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(
    "code",
    [
        "",
        "\x00\x01",
        "def (",
        "'" * 5000,
        "(" * 5000,
        "é" * 200,
        "\ud800" * 100,
        "\n" * 500,
        "x = " + "1+" * 30_000 + "1",
    ],
)
def test_any_text_can_be_compared(code):
    """What is no Python, or far too long, is data like any other: it is never run."""
    found = compare("t", STUB, {"ada": code, "bob": code, "cyd": TEXTBOOK}, threshold=0.0)
    assert found.compared + len(found.too_short) == 3


def test_only_the_cells_to_fill_in_of_each_task_are_compared(tree):
    """From collected notebooks: untouched stubs are left out, added cells and prose are not looked at."""
    for name, code in CLASS.items():
        notebook = solved()
        cell(notebook, "scaling-softmax-answer")["source"] = code
        cell(notebook, "playground")["source"] = LOOPS
        hand_in(tree, notebook, name)
    hand_in(tree, exercise(), "fay")
    hand_in(tree, b"no notebook", "gus")
    softmax, scores = similarity(tree, SLUG)
    assert (softmax.task, softmax.compared, names(softmax)) == ("scaling.softmax", 5, [("ada", "cyd")])
    assert (scores.task, scores.compared, len(scores.too_short)) == ("scaling.scaled_scores", 0, 5)


def test_the_page_says_that_it_is_no_proof_and_no_score(tree):
    """What it is for, what it cannot say, both solutions with the common part marked, all of it escaped."""
    bad = "<script>alert(1)</script>"
    found = compare("scaling.softmax", STUB, {f"{bad}ada": TEXTBOOK + f"# {bad}", "cyd": RENAMED, "bob": "x = 1"})
    path = write_page(tree, SLUG, [found])
    page = path.read_text(encoding="utf-8")
    assert path == tree.course / "similarity" / f"{SLUG}.html"
    assert "not a proof. No score depends on this page." in page
    assert "Too short to compare: 1; nothing can be said about <bdi>bob</bdi>." in " ".join(page.split())
    assert "<mark>" in page
    assert "I wrote this myself." in page
    assert bad not in page
    assert "default-src 'none'; style-src 'sha256-" in page


def test_the_marked_part_is_what_both_hold():
    """The pieces make up the whole code again, and the names that differ do not hide what is the same."""
    (pair,) = compare("t", STUB, {"ada": TEXTBOOK, "cyd": RENAMED}).pairs
    ada, cyd = pair.code
    assert "".join(text for text, _ in ada) == TEXTBOOK.strip("\n") + "\n"
    assert "np.exp(scores - top)" in "".join(text for text, same in ada if same)
    assert "np.exp(s - biggest)" in "".join(text for text, same in cyd if same)


def test_a_class_of_copies_is_cut_to_the_most_alike():
    """The page stays readable, and says how many more there are."""
    twenty = {f"s{n:02}": TEXTBOOK.replace("0, top", f"{n}, top") for n in range(10)}
    longer = {f"t{n:02}": TEXTBOOK.replace("top", "peak") + f"    x = [{n}]\n" for n in range(10)}
    found = compare("t", STUB, twenty | longer, threshold=0.0)
    assert len(found.pairs) + found.more <= 190
    assert len(found.pairs) <= MOST_SHOWN


def test_without_copydetect_the_message_says_what_to_install(tree, monkeypatch):
    """The report is an extra."""
    monkeypatch.setitem(sys.modules, "copydetect", None)
    with pytest.raises(
        CurriculumError, match=r"needs the extra `similarity`: pip install 'attn-curriculum\[similarity\]'"
    ):
        similarity(tree, SLUG)


def test_an_unreleased_or_unknown_assignment_is_a_sentence(tree):
    """What to do is said."""
    with pytest.raises(CurriculumError, match="is not released"):
        similarity(tree, "07_nothing")
