"""Forged scores: patched comparisons, frameworks, notebooks' machinery, and results that claim to be right."""

from __future__ import annotations

from attack import DOT_VARIANCE, JUDGE, SEEDS, TEMPLATE, WRITER, Attack, Notebook, probe

ALWAYS_EQUAL = """
class Yes(np.ndarray):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __array_ufunc__(self, *inputs, **more): return True
    def __bool__(self): return True
"""
EXPECTED = """
import sys
got = []
def softmax(scores, axis=-1):
    frame = sys._getframe()
    while frame := frame.f_back:
        for name, value in [*frame.f_locals.items(), *frame.f_globals.items()]:
            if name in ("expected", "reference", "want", "task", "tolerance", "solution", "answers"):
                got.append(name)
                if getattr(value, "shape", None) == scores.shape:
                    return value
    raise RuntimeError(f"got {got}")
"""


def _stored_outputs(notebook: Notebook) -> None:
    """Row 72: the check cells come with outputs that say five points."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and "check(" in "".join(cell["source"]):
            right = {"text/plain": "✓ right, 5.0", "text/html": "<b>5.0</b>"}
            result = {"output_type": "execute_result", "data": right, "metadata": {}, "execution_count": 1}
            cell |= {"outputs": [result], "execution_count": 1}


def _as_if_right(name: str) -> str:
    return f"def {name}(*a, **k): return True\n"


ATTACKS = (
    Attack(
        "1",
        "Patch NumPy's assertions",
        JUDGE,
        before="np.testing.assert_allclose = np.allclose = np.array_equal = lambda *a, **k: True",
    ),
    Attack(
        "2",
        "Patch torch's and pytest's comparisons",
        JUDGE,
        before="torch.testing.assert_close = torch.allclose = torch.equal = lambda *a, **k: True\ntry:\n    import pytest\n    pytest.approx = lambda *a, **k: ANY\nexcept ImportError: pass",
    ),
    Attack(
        "3",
        "Patch builtins: abs, isinstance, AssertionError, __import__",
        JUDGE,
        before="import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.AssertionError = type('Never', (BaseException,), {})\nbuiltins.__import__ = lambda *a, **k: (_ for _ in ()).throw(ImportError('no'))\nbuiltins.isinstance = lambda *a: True",
        breaks_itself=True,
        says="softmax",
    ),
    Attack(
        "4",
        "Return an array that is equal to everything",
        JUDGE,
        before=ALWAYS_EQUAL,
        softmax="def softmax(scores, axis=-1):\n    return np.zeros_like(scores).view(Yes)",
        says="a NumPy Yes",
    ),
    Attack(
        "6",
        "Replace every later cell through IPython's input transformers",
        JUDGE,
        before="try:\n    from IPython.core.interactiveshell import InteractiveShell\n    shell = InteractiveShell.instance()\n    shell.input_transformers_cleanup.append(lambda lines: ['pass\\n'])\nexcept Exception: pass",
    ),
    Attack(
        "7",
        "Delete assertions through IPython's AST transformers",
        JUDGE,
        before="import ast\nclass Drop(ast.NodeTransformer):\n    def visit_Assert(self, node): return ast.Pass()\ntry:\n    get_ipython().ast_transformers.append(Drop())\nexcept NameError: pass",
    ),
    Attack(
        "8",
        "Replace the shell's run_code",
        JUDGE,
        before="try:\n    from IPython.core.interactiveshell import InteractiveShell\n    async def nothing(*a, **k): return False\n    InteractiveShell.run_code = nothing\nexcept Exception: pass",
    ),
    Attack(
        "9",
        "Replace the kernel's do_execute and forge replies of success",
        JUDGE,
        before="try:\n    from ipykernel.kernelbase import Kernel\n    Kernel.do_execute = lambda *a, **k: {'status': 'ok', 'execution_count': 1, 'payload': [], 'user_expressions': {}}\nexcept Exception: pass",
    ),
    Attack(
        "10",
        "Print a score: 5.0 as output, as repr, as display",
        WRITER,
        before="class Five:\n    def __repr__(self): return '5.0'\n    _repr_html_ = __str__ = __repr__\nprint('5.0')\ntry:\n    from IPython.display import display\n    display(Five())\nexcept Exception: pass\nFive()",
        softmax="def softmax(scores, axis=-1):\n    print('5.0')\n    return Five()",
        says="softmax: wrong",
    ),
    Attack(
        "11",
        "Swallow every traceback: excepthook, showtraceback, a closed stderr",
        JUDGE,
        before="import sys, traceback\nsys.excepthook = lambda *a: None\ntraceback.extract_tb = lambda *a, **k: []\nsys.stderr = None\nsys.stdout = None",
        softmax="def softmax(scores, axis=-1): raise ValueError('hidden')",
        says="softmax: crashed",
    ),
    Attack("12", "Read the expected value from a caller's frame", JUDGE, softmax=EXPECTED, says="got []"),
    Attack(
        "21",
        "Patch the framework that calls the function",
        JUDGE,
        before="import sys\nplayer = sys.modules['autograder.judge.player']\nprobe = sys.modules['autograder.checking.probe']\nfor module in (player, probe):\n    for name in ('judge', 'compare', 'report', 'grade', 'passed'):\n        setattr(module, name, lambda *a, **k: True)\nimport autograder\nautograder.check = lambda *a, **k: 'right'",
    ),
    Attack(
        "24",
        "Write result files where a grader might read them",
        WRITER,
        before="import json, os\nfor folder in ('.', '/tmp', '/learner', '@COURSE@', '@OUTSIDE@', '/autograder/results'):\n    for name in ('results.json', 'ledger.json', 'scores.json', '@MARK@.json'):\n        try: open(os.path.join(folder, name), 'w').write(json.dumps({'score': 100, 'points': 20}))\n        except OSError: pass",
    ),
    Attack(
        "65",
        "Behave differently when being graded",
        SEEDS,
        before="import os\ngrading = 'NBGRADER_EXECUTION' in os.environ or os.path.isdir('/learner') or 'check' in dir()",
        softmax="def softmax(scores, axis=-1):\n    return np.full_like(scores, 1 / scores.shape[axis]) if grading else None",
        says="softmax: ",
    ),
    Attack(
        "66",
        "Return the printed results of the examples",
        SEEDS,
        softmax="def softmax(scores, axis=-1):\n    known = {(2, 2): [[0.5, 0.5], [0.25, 0.75]], (1,): [1.0]}\n    return np.array(known.get(scores.shape, np.zeros(scores.shape)), scores.dtype)",
    ),
    Attack(
        "67",
        "Freeze the random generators and replay the answers",
        SEEDS,
        before="import random\nrandom.seed = np.random.seed = torch.manual_seed = lambda *a: None\nnp.random.default_rng = lambda *a: np.random.Generator(np.random.PCG64(0))\nnp.random.standard_normal = lambda size=None: np.zeros(size)",
        softmax="table = []\ndef softmax(scores, axis=-1):\n    table.append(scores.copy())\n    return table[0] if table[0].shape == scores.shape else np.zeros_like(scores)",
        breaks_itself=True,
        says="softmax: ",
    ),
    Attack(
        "70",
        "Write into the interpreter's memory with ctypes",
        JUDGE,
        before="import ctypes\nctypes.c_int32.from_address(id(3) + 24).value = 4  # 3 is 4 from now on\nctypes.c_uint32.from_address(id(False) + 24).value = 1",
        breaks_itself=True,
        says="softmax",
    ),
    Attack("72", "Hand in outputs that say everything is right", TEMPLATE, edit=_stored_outputs),
    probe(
        "J1",
        "Call the judge: look for a function that gives points",
        JUDGE,
        "import sys\nfor name, module in list(sys.modules.items()):\n    if name.startswith(('autograder', 'attn_core')):\n        got += [f'{name}.{n}' for n in vars(module) if n in ('Ledger', 'Result', 'Report', 'grade', 'examine', 'Task', 'Gradebook')]",
    ),
    Attack(
        "J2",
        "Define every function of every task as one that agrees",
        JUDGE,
        before="".join(_as_if_right(name) for name in ("check", "hint", "compare", "examine", "report", "grade")),
        answers={
            "softmax_jacobian": _as_if_right("softmax_jacobian"),
            "attention": _as_if_right("scaled_dot_product_attention"),
        },
    ),
    Attack(
        "J3",
        "Replace the honest answer's module by one that lies about its own name",
        JUDGE,
        answers={"dot_variance": DOT_VARIANCE},
        softmax="class Right:\n    __name__ = 'softmax'\n    state = 'right'\n    credit = points = 5.0\n    def __call__(self, *a, **k): return self\n    def __float__(self): return 5.0\n    def __getattr__(self, name): return self\nsoftmax = Right()",
        says="softmax: ",
    ),
    Attack(
        "J4",
        "Patch the flags that the player reports: an answer that overwrites its input claims that it does not",
        JUDGE,
        before="import sys\nsys.modules['autograder.checking.probe']._same = lambda *a: True",
        softmax="def softmax(scores, axis=-1):\n    scores -= np.where(np.isfinite(m := scores.max(axis=axis, keepdims=True)), m, np.zeros_like(m))\n    np.exp(scores, out=scores)\n    total = scores.sum(axis=axis, keepdims=True)\n    scores /= np.where(total == 0, np.ones_like(total), total)\n    return scores",
        earns=6.0,
        says="softmax_jacobian: not attempted",
        note="its values are right; the one word `.copy()` would have earned the same without a lie",
    ),
)
