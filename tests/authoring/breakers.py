"""One way to break the demo per fault that `attn doctor` knows, with the rule that must say so."""

# ruff: noqa: D103  # the name of a breaker says what it breaks

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo_course import SLUG

from autograder.authoring.build import planned
from autograder.authoring.doctor import Rule
from autograder.authoring.notebook import Notebook, dumps, read
from autograder.authoring.rules import derived, exercises, imports, lectures, manifest, notebooks
from autograder.curriculum import START, Tree, topics


@dataclass(frozen=True)
class Breaker:
    """Break a tree; then `rule` makes one remark, on `file`, that says `says`. `also` may remark on consequences."""

    name: str
    function: Callable[[Tree], None]
    rule: Rule
    file: str
    says: str
    also: tuple[Rule, ...]


BREAKERS: list[Breaker] = []
STALE = (notebooks.agree, notebooks.executed)  # consequences of editing a text without building
LECTURE, SOLUTION, EXERCISE = (f"{place}/{SLUG}" for place in ("notebooks", "solutions", "exercises"))
MANIFEST = "autograder/curriculum.toml"


def breaks(rule: Rule, file: str, says: str, also: tuple[Rule, ...] = ()) -> Callable[[Callable[[Tree], None]], None]:
    """Decorator: enter a way to break the tree."""

    def enter(function: Callable[[Tree], None]) -> None:
        BREAKERS.append(Breaker(function.__name__, function, rule, file, says, also))

    return enter


def edit(path: Path, old: str, new: str) -> None:
    """Replace what stands once in a file."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def edit_manifest(tree: Tree, old: str, new: str) -> None:
    """The same in the manifest, which is read once per process."""
    edit(tree.manifest, old, new)
    topics.cache_clear()


def edit_lecture(tree: Tree, old: str, new: str) -> None:
    """Edit the lecture's text and its stored notebook alike, as a build would whose outputs stay the same."""
    edit(tree.lecture_text(SLUG), old, new)
    rebuilt(tree, tree.lecture_text(SLUG), tree.lecture(SLUG))


def edit_solution(tree: Tree, old: str, new: str) -> None:
    """The same for the solution."""
    edit(tree.solution_text(SLUG), old, new)
    rebuilt(tree, tree.solution_text(SLUG), tree.solution(SLUG))


def rebuilt(tree: Tree, text: Path, path: Path) -> None:
    """What a build would store, with the outputs of the last one and without a kernel."""
    nb = planned(tree, tree.topic(SLUG), text)
    outputs = {cell["id"]: cell["outputs"] for cell in read(path)["cells"] if "outputs" in cell}
    for count, cell in enumerate((cell for cell in nb["cells"] if cell["cell_type"] == "code"), start=1):
        cell |= {"execution_count": count, "outputs": outputs.get(cell["id"], [])}
    path.write_text(dumps(nb), encoding="utf-8")


def change(path: Path, alter: Callable[[Notebook], object]) -> None:
    """Alter a stored notebook."""
    nb = read(path)
    alter(nb)
    path.write_text(dumps(nb), encoding="utf-8")


def cell(nb: Notebook, id: str) -> dict:
    """A cell by its id."""
    return next(cell for cell in nb["cells"] if cell["id"] == id)


# The manifest, and what it says is there


@breaks(manifest.manifest, MANIFEST, "01_demo needs '09_later', which is not taught before", also=(derived.tables,))
def a_need_is_not_taught_before(tree: Tree) -> None:
    edit_manifest(tree, "needs = []", 'needs = ["09_later"]')


@breaks(manifest.manifest, MANIFEST, "01_demo has plan 'year'", also=(derived.tables,))
def a_plan_is_unknown(tree: Tree) -> None:
    edit_manifest(tree, 'plan = "evening"', 'plan = "year"')


@breaks(
    manifest.manifest,
    MANIFEST,
    "01_demo is part of the plan 'evening', but 00_before, which it needs, is not",
    also=(manifest.files, derived.tables),
)
def a_need_is_part_of_a_longer_plan(tree: Tree) -> None:
    text = tree.manifest.read_text(encoding="utf-8").replace("needs = []", 'needs = ["00_before"]')
    before = (
        text.replace("01_demo", "00_before")
        .replace("evening", "weekend")
        .replace('needs = ["00_before"]', "needs = []")
    )
    for name in ("Q001", "C001", "C002", "demo.double", "demo.proof"):
        before = before.replace(name, name.replace("0", "9").replace("demo", "before"))
    tree.manifest.write_text(f"{before}\n{text}", encoding="utf-8")
    topics.cache_clear()


@breaks(manifest.manifest, MANIFEST, "01_demo has no sources yet")
def no_source_is_given(tree: Tree) -> None:
    edit_manifest(tree, 'sources = ["Anybody 1900, A book, page 1"]', "sources = []")


@breaks(manifest.manifest, MANIFEST, "the claim C001 is named 2 times", also=(lectures.claims,))
def a_claim_is_measured_and_stated(tree: Tree) -> None:
    edit_manifest(tree, 'stated = ["C002"]', 'stated = ["C002", "C001"]')


@breaks(manifest.files, "notebooks/00_start.py", "the text of the start page is missing", also=(derived.tables,))
def the_start_page_is_missing(tree: Tree) -> None:
    tree.lecture_text(START.slug).unlink()


@breaks(manifest.files, f"{LECTURE}.ipynb", "its lecture is missing", also=(derived.tables,))
def a_lecture_is_not_built(tree: Tree) -> None:
    tree.lecture(SLUG).unlink()


@breaks(manifest.files, f"tests/answers/{SLUG}", "its answers is missing")
def no_answers(tree: Tree) -> None:
    (tree.answers(SLUG) / "right.py").unlink()


@breaks(manifest.files, "notebooks/02_stray.py", "it belongs to no topic of the manifest")
def a_lecture_without_a_row(tree: Tree) -> None:
    (tree.root / "notebooks" / "02_stray.py").write_text("# %%\n1\n")


@breaks(manifest.files, "autograder/tasks/02_stray", "it belongs to no topic of the manifest")
def tasks_without_a_row(tree: Tree) -> None:
    (tree.root / "autograder/tasks/02_stray").mkdir()


@breaks(manifest.files, f"{SOLUTION}/notes.md", "it lies beside the notebook of an assignment", also=(exercises.fresh,))
def a_file_beside_a_solution(tree: Tree) -> None:
    (tree.solution(SLUG).parent / "notes.md").write_text("The answer is 42.\n")


# Built notebooks


@breaks(notebooks.agree, f"{LECTURE}.ipynb", "cell 3 (twice-as-much-2) has another source")
def the_text_was_edited(tree: Tree) -> None:
    edit(tree.lecture_text(SLUG), "doubles it.", "makes it twice as large.")


@breaks(notebooks.agree, f"{LECTURE}.ipynb", "cell 4 (twice-as-much-2-001) has another source")
def code_of_the_notebook_was_edited(tree: Tree) -> None:
    change(tree.lecture(SLUG), lambda nb: cell(nb, "twice-as-much-2-001").update(source='claim("C001", 4, 4)'))


@breaks(
    notebooks.agree, f"{SOLUTION}/{SLUG}.ipynb", "cell 4 (demo-double) has another metadata", also=(exercises.fresh,)
)
def points_of_the_notebook_were_edited(tree: Tree) -> None:
    change(tree.solution(SLUG), lambda nb: cell(nb, "demo-double")["metadata"]["nbgrader"].update(points=20))


@breaks(notebooks.agree, f"{SOLUTION}/{SLUG}.ipynb", "cell 1 (intro) has another id", also=(exercises.fresh,))
def ids_of_the_notebook_are_random(tree: Tree) -> None:
    change(tree.solution(SLUG), lambda nb: cell(nb, "intro").update(id="b38afa1c"))


@breaks(
    notebooks.agree,
    f"{LECTURE}.ipynb",
    "the text has 7 cells and the notebook 6",
    also=(lectures.claims, derived.tables),
)
def a_cell_of_the_notebook_is_missing(tree: Tree) -> None:
    change(tree.lecture(SLUG), lambda nb: nb["cells"].pop())


@breaks(notebooks.agree, f"{SOLUTION}.py", "unknown key 'anwser' in its header")
def a_header_is_misspelt(tree: Tree) -> None:
    edit(tree.solution_text(SLUG), '# %% answer="demo.double"', '# %% anwser="demo.double"')


@breaks(notebooks.agree, f"{LECTURE}.ipynb", "its JSON cannot be read", also=(derived.tables,))
def a_notebook_is_half_a_file(tree: Tree) -> None:
    text = tree.lecture(SLUG).read_text(encoding="utf-8")
    tree.lecture(SLUG).write_text(text[: len(text) // 2], encoding="utf-8")


@breaks(notebooks.executed, f"{LECTURE}.ipynb", "cell 'twice-as-much-001' has execution count None, expected 1")
def a_cell_was_not_run(tree: Tree) -> None:
    change(tree.lecture(SLUG), lambda nb: cell(nb, "twice-as-much-001").update(execution_count=None))


@breaks(notebooks.executed, f"{SOLUTION}/{SLUG}.ipynb", "cell 'demo-double' holds the error NameError: no such name")
def a_cell_failed(tree: Tree) -> None:
    error = {"output_type": "error", "ename": "NameError", "evalue": "no such name", "traceback": []}
    change(tree.solution(SLUG), lambda nb: cell(nb, "demo-double").update(outputs=[error]))


@breaks(notebooks.figures, f"{LECTURE}.ipynb", "cell 'twice-as-much-2-002' shows a figure without alt text")
def a_figure_has_no_alt_text(tree: Tree) -> None:
    change(tree.lecture(SLUG), lambda nb: cell(nb, "twice-as-much-2-002")["outputs"][0].update(metadata={}))


@breaks(notebooks.figures, f"{LECTURE}.py", "cell 'twice-as-much-2' has an image without alt text")
def a_picture_has_no_alt_text(tree: Tree) -> None:
    edit_lecture(tree, "# Adding a number", "# ![](two.png) Adding a number")


@breaks(notebooks.machine_paths, f"{LECTURE}.ipynb", "prints '/home/ada', which is different on every machine")
def an_output_names_a_folder_of_the_author(tree: Tree) -> None:
    noise = {"output_type": "stream", "name": "stderr", "text": "/home/ada/x.py:1: UserWarning: beware\n"}
    change(tree.lecture(SLUG), lambda nb: cell(nb, "twice-as-much-2-001")["outputs"].append(noise))


@breaks(notebooks.machine_paths, f"{LECTURE}.ipynb", "prints 'at 0x7f3a2c', which is different on every machine")
def an_output_names_an_address(tree: Tree) -> None:
    result = {
        "output_type": "execute_result",
        "execution_count": 2,
        "metadata": {},
        "data": {"text/plain": "<function at 0x7f3a2c>"},
    }
    change(tree.lecture(SLUG), lambda nb: cell(nb, "twice-as-much-2-001")["outputs"].append(result))


@breaks(notebooks.machine_paths, "README.md", "line 9 names '/Users/ada', a folder of one machine")
def a_page_names_a_folder_of_the_author(tree: Tree) -> None:
    edit(tree.readme, "The end.", "The end, in `/Users/ada`.")


@breaks(notebooks.cell_sizes, f"{LECTURE}.py", "cell 'twice-as-much-2-001' has 26 lines of code, more than 25")
def a_code_cell_is_too_long(tree: Tree) -> None:
    edit_lecture(tree, 'claim("C001"', "x = 1\n" * 25 + 'claim("C001"')


# Exercises


@breaks(exercises.regions, f"{SOLUTION}.py", "has the line `### BEGIN SOLUTON`, which is not", also=(exercises.fresh,))
def a_delimiter_is_misspelt(tree: Tree) -> None:
    edit_solution(tree, "### BEGIN SOLUTION", "### BEGIN SOLUTON")


@breaks(exercises.regions, f"{SOLUTION}.py", "a `### BEGIN SOLUTION` that is never closed", also=(exercises.fresh,))
def a_region_is_not_closed(tree: Tree) -> None:
    edit_solution(tree, "    ### END SOLUTION\n", "")


@breaks(
    exercises.fresh, f"{EXERCISE}/{SLUG}.ipynb", "it is not what nbgrader releases from solutions/01_demo/01_demo.ipynb"
)
def an_exercise_was_edited(tree: Tree) -> None:
    edit(tree.exercise(SLUG), "Prove that double is linear.", "Prove that double is linear!")


@breaks(exercises.fresh, f"{EXERCISE}/{SLUG}.ipynb", "it is not what nbgrader releases from")
def a_solution_was_not_released(tree: Tree) -> None:
    edit_solution(tree, "is linear", "is additive")


@breaks(exercises.leaks, f"{EXERCISE}/{SLUG}.ipynb", "holds the line `total_of_both = x + x`", also=(exercises.fresh,))
def an_answer_reached_the_exercise(tree: Tree) -> None:
    change(tree.exercise(SLUG), lambda nb: cell(nb, "setup").update(source="# total_of_both = x + x"))


@breaks(exercises.leaks, f"{EXERCISE}/{SLUG}.ipynb", "cell 'demo-proof' holds the line `By", also=(exercises.fresh,))
def a_proof_reached_the_exercise(tree: Tree) -> None:
    proof = cell(read(tree.solution(SLUG)), "demo-proof")["source"]
    change(tree.exercise(SLUG), lambda nb: cell(nb, "demo-proof").update(source=proof))


@breaks(exercises.leaks, f"{EXERCISE}/{SLUG}.ipynb", "cell 'setup' holds `BEGIN SOLUTION`", also=(exercises.fresh,))
def a_marker_reached_the_exercise(tree: Tree) -> None:
    change(tree.exercise(SLUG), lambda nb: cell(nb, "setup").update(source="### BEGIN SOLUTION"))


@breaks(exercises.leaks, f"{EXERCISE}/{SLUG}.ipynb", "cell 'setup' holds an output", also=(exercises.fresh,))
def an_exercise_was_run(tree: Tree) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "4\n"}
    change(tree.exercise(SLUG), lambda nb: cell(nb, "setup").update(outputs=[output]))


# Imports, tables, sizes


def module(tree: Tree, name: str, source: str) -> None:
    """A module of the tree's packages."""
    path = tree.root / f"{name.replace('.', '/')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")


@breaks(imports.imports, "attn_core/masks.py", "attn_core.masks imports autograder.curriculum.Tree, which is above")
def the_answer_key_imports_the_grader(tree: Tree) -> None:
    module(tree, "attn_core.masks", "def f():\n    from autograder.curriculum import Tree\n")


@breaks(
    imports.imports, "attn_core/lab/plots.py", "attn_core.lab.plots imports attn_core.softmax, which is above or beside"
)
def the_lab_imports_the_answer_key(tree: Tree) -> None:
    module(tree, "attn_core.lab.plots", "from .. import softmax\n")


@breaks(
    imports.imports, "autograder/checking/engine.py", "imports autograder.tasks.mistakes, which is above or beside it"
)
def the_engine_imports_the_tasks(tree: Tree) -> None:
    module(tree, "autograder.checking.engine", "import autograder.tasks.mistakes\n")


@breaks(
    imports.imports, "autograder/classroom/export.py", "autograder.classroom.export imports autograder.authoring.build"
)
def the_classroom_imports_authoring(tree: Tree) -> None:
    module(tree, "autograder.classroom.export", "from autograder.authoring import build\n")


@breaks(
    imports.imports, "autograder/judge/player.py", "imports autograder.checking.compare, which is above or beside it"
)
def the_player_imports_the_grader(tree: Tree) -> None:
    module(tree, "autograder.judge.player", "from autograder.checking import compare, probe\n")


@breaks(
    imports.imports,
    "autograder/authoring/two.py",
    "jupytext is imported by 2 modules: autograder/authoring/one.py, auto",
)
def two_modules_import_jupytext(tree: Tree) -> None:
    module(tree, "autograder.authoring.one", "import jupytext\n")
    module(tree, "autograder.authoring.two", "from jupytext.config import x\n")


@breaks(imports.imports, "autograder/classroom/two.py", "nbgrader's converters is imported by 2 modules")
def two_modules_import_the_converters(tree: Tree) -> None:
    module(tree, "autograder.classroom.one", "from nbgrader.converters import Autograde\n")
    module(tree, "autograder.classroom.two", "from nbgrader.apps import NbGraderAPI\n")


@breaks(imports.imports, "autograder/extra.py", "autograder.extra belongs to no layer")
def a_module_has_no_layer(tree: Tree) -> None:
    module(tree, "autograder.extra", "")


@breaks(derived.tables, "README.md", "its generated table is not fresh")
def the_topic_table_is_stale(tree: Tree) -> None:
    edit(tree.readme, "Twice as much", "Thrice as much")


@breaks(derived.tables, "notebooks/00_start.py", "its generated table is not fresh", also=STALE)
def the_questions_of_the_start_page_are_stale(tree: Tree) -> None:
    edit(tree.lecture_text(START.slug), "| Q001 |", "| Q009 |")


@breaks(derived.tables, "docs/claims.md", "its generated table is not fresh")
def the_claims_page_was_edited(tree: Tree) -> None:
    edit(tree.claims_page, "Twice two is four.", "Twice two is five.")


@breaks(derived.tables, "README.md", "README.md lacks the markers")
def the_markers_are_gone(tree: Tree) -> None:
    edit(tree.readme, "<!-- topics:end -->", "")


@breaks(derived.sizes, "tests/answers/01_demo/right.py", "it has 401 lines, more than 400")
def a_module_is_too_long(tree: Tree) -> None:
    (tree.answers(SLUG) / "right.py").write_text("x = 1\n" * 401)


@breaks(derived.sizes, f"{LECTURE}.ipynb", "MB, more than 3")
def a_notebook_is_too_large(tree: Tree) -> None:
    stream = {"output_type": "stream", "name": "stdout", "text": "noise " * 550_000}
    change(tree.lecture(SLUG), lambda nb: cell(nb, "twice-as-much-2-001")["outputs"].append(stream))
