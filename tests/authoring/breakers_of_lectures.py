"""The same for what lectures and tasks must hold."""

# ruff: noqa: D103  # the name of a breaker says what it breaks

from breakers import LECTURE, SOLUTION, breaks, change, edit_lecture, edit_manifest, edit_solution
from demo_course import SLUG

from autograder.authoring.doctor import Rule
from autograder.authoring.rules import derived, exercises, lectures, tasks
from autograder.checking import task as checking
from autograder.curriculum import Tree

TASKS = f"autograder/tasks/{SLUG}"
RELEASED = (exercises.fresh,)  # a change of the solution that was not released


@breaks(lectures.placeholders, f"{LECTURE}.py", "it still says TODO, first in line 14 (1 in all)")
def something_is_still_to_be_written(tree: Tree) -> None:
    edit_lecture(tree, "doubles it.", "TODO.")


# Questions


@breaks(lectures.questions, f"{LECTURE}.py", "the question Q002 of the manifest is missing", also=(derived.tables,))
def a_question_is_missing(tree: Tree) -> None:
    edit_manifest(tree, '["Q001"]', '["Q001", "Q002"]')


@breaks(lectures.questions, f"{LECTURE}.py", "the question Q003 is not in the manifest", also=(derived.tables,))
def a_question_is_unknown(tree: Tree) -> None:
    path = tree.lecture_text(SLUG)
    _, _, question = path.read_text().partition("# %% [markdown] question")
    edit_lecture(
        tree,
        "**Follow-up:** and thrice?\n",
        "**Follow-up:** and thrice?\n\n# %% [markdown] question" + question.replace("Q001", "Q003"),
    )


def reshape(old: str, new: str, says: str, also: tuple[Rule, ...] = ()) -> None:
    """Enter a way to spoil the shape of the question."""

    @breaks(lectures.questions, f"{LECTURE}.py", f"the question Q001 {says}", also)
    def a_question_is_out_of_shape(tree: Tree) -> None:
        edit_lecture(tree, old, new)


reshape("# ### What", "# ## What", "does not begin with a level-3 heading (`### …`)")
reshape('kind="explain"', 'kind="exlain"', "has kind 'exlain', expected one of explain, derive", (derived.tables,))
reshape("minutes=2", 'minutes="2"', "has minutes='2', expected a whole number")
reshape("Hint 2 · insight", "Hint 2", "has the folds Hint 1 · direction, Hint 2, Sixty-second answer")
reshape(
    "<summary>Full answer</summary>\n#\n# $2x = x + x$.", "<summary>Full answer</summary>\n#", "has nothing in the fold"
)
reshape("The sum of a number and itself.", "sum " * 161, "has a sixty-second answer of 161 words, more than the 160")
reshape("- **Lean hire**", "- **Leaning hire**", "is not scored by exactly three bullets, `- **Strong hire**: …`")
reshape("gives neither.", "gives the formula.", "has the same criterion under two verdicts")
reshape("**Red flag:**", "**A red flag:**", "has no line `**Red flag:** …` after its folds")
reshape("**Follow-up:** and thrice?", "**Follow-up:**", "has no line `**Follow-up:** …` after its folds")


# Claims


@breaks(
    lectures.claims, f"{LECTURE}.py", "cell 'C001': C002 is announced in the header, but no", also=(derived.tables,)
)
def a_claim_is_out_of_shape(tree: Tree) -> None:
    edit_lecture(tree, "**C002 · depends.** *“Twice", "**C002: depends.** *“Twice")


@breaks(lectures.claims, f"{LECTURE}.py", "cell 'C001': C002 has the verdict 'maybe'", also=(derived.tables,))
def a_verdict_is_unknown(tree: Tree) -> None:
    edit_lecture(tree, "C002 · depends", "C002 · maybe")


@breaks(lectures.claims, f"{LECTURE}.py", "the claim C003 of the manifest is announced 0 times, expected once")
def a_claim_is_missing(tree: Tree) -> None:
    edit_manifest(tree, 'stated = ["C002"]', 'stated = ["C002", "C003"]')


@breaks(lectures.claims, f"{LECTURE}.py", "the claim C002 is not in the manifest")
def a_claim_is_unknown(tree: Tree) -> None:
    edit_manifest(tree, 'stated = ["C002"]', "stated = []")


@breaks(
    lectures.claims, f"{LECTURE}.py", "the manifest says that C002 is measured, but no cell", also=(derived.tables,)
)
def a_measured_claim_is_only_stated(tree: Tree) -> None:
    edit_manifest(tree, 'measured = ["C001"]\nstated = ["C002"]', 'measured = ["C001", "C002"]\nstated = []')


@breaks(
    lectures.claims, f"{LECTURE}.py", "a cell asserts C001, which the manifest lists as only", also=(derived.tables,)
)
def a_stated_claim_is_measured(tree: Tree) -> None:
    edit_manifest(tree, 'measured = ["C001"]\nstated = ["C002"]', 'measured = []\nstated = ["C001", "C002"]')


@breaks(
    lectures.claims, f"{LECTURE}.ipynb", "no stored output shows what was measured for C001", also=(derived.tables,)
)
def a_measurement_was_not_stored(tree: Tree) -> None:
    change(
        tree.lecture(SLUG),
        lambda nb: [cell.update(outputs=[]) for cell in nb["cells"] if "C001" in cell["source"] and "outputs" in cell],
    )


# Tasks: `checking.load` is the test's own, and returns the same dictionary every time


@breaks(tasks.tasks, TASKS, "demo.double names no misconception")
def a_task_names_no_misconception(_tree: Tree) -> None:
    checking.load(SLUG)["demo.double"].misconceptions = ()


@breaks(tasks.tasks, TASKS, "demo.double has 2 different hints")
def two_hints_are_the_same(_tree: Tree) -> None:
    checking.load(SLUG)["demo.double"].hints = ("Look at x.", "Look at x.", "2 * x")


@breaks(tasks.tasks, TASKS, "demo.proof has no rubric")
def a_proof_has_no_rubric(_tree: Tree) -> None:
    found = checking.load(SLUG)
    found["demo.proof"] = checking.Written(
        "demo.proof", hints=("a", "b", "c"), lecture=f"{SLUG}#twice-as-much", rubric=()
    )


@breaks(tasks.tasks, TASKS, "demo.double points to 01_demo#thrice, but that lecture has no such heading")
def a_task_points_to_no_heading(_tree: Tree) -> None:
    checking.load(SLUG)["demo.double"].lecture = f"{SLUG}#thrice"


@breaks(tasks.tasks, TASKS, "no module defines the task demo.proof of the manifest")
def a_task_is_missing(_tree: Tree) -> None:
    del checking.load(SLUG)["demo.proof"]


@breaks(tasks.tasks, TASKS, "it defines demo.triple, which the manifest does not list under 01_demo")
def a_task_is_unknown(_tree: Tree) -> None:
    found = checking.load(SLUG)
    found["demo.triple"] = found["demo.double"]


@breaks(tasks.tasks, f"{SOLUTION}.py", "demo.double has no check cell", also=RELEASED)
def a_check_cell_is_missing(tree: Tree) -> None:
    edit_solution(tree, '# %% check="demo.double"', "# %%")


@breaks(tasks.tasks, f"{SOLUTION}.py", "the check cell of demo.double does not call it", also=RELEASED)
def a_check_cell_checks_nothing(tree: Tree) -> None:
    edit_solution(tree, 'check("demo.double", double)', "double(2)")


@breaks(tasks.tasks, f"{SOLUTION}.py", "the answer cell of demo.double does not define `double`", also=RELEASED)
def an_answer_defines_another_function(tree: Tree) -> None:
    edit_solution(tree, "def double(x):", "def twice(x):")


@breaks(tasks.tasks, f"{SOLUTION}.py", "demo.double is checked before it is answered", also=RELEASED)
def a_check_stands_above_its_answer(tree: Tree) -> None:
    check = '# %% check="demo.double"\ncheck("demo.double", double)\n\n'
    edit_solution(tree, check, "")
    edit_solution(tree, '# %% answer="demo.double"', check + '# %% answer="demo.double"')
