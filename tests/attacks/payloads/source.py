"""Source tricks: magics, characters that hide, cells that break the parser or never compile."""

from __future__ import annotations

from attack import FILES, INTAKE, JUDGE, PAGES, TEMPLATE, WRONG_SOFTMAX, Attack, probe

DEEP = "deep = " + "(" * 80_000 + ")" * 80_000


def cell(id: str, title: str, source: str, layer=JUDGE, says: str = "softmax: wrong", **more) -> Attack:
    """A cell with this source stands before the answers, which must be graded all the same."""
    return Attack(id, title, layer, before=source, says=says, **more)


ATTACKS = (
    Attack(
        "69",
        "Magics: shell lines, %%bash, %run, %pip",
        TEMPLATE,
        before="!touch @OUTSIDE@/@MARK@\n%run /etc/passwd\n%pip install evil\nfound = !cat @COURSE@/secret\n%env PATH=/tmp",
        after="%%bash\ntouch @OUTSIDE@/@MARK@ @COURSE@/@MARK@",
        says="lines for IPython or the shell do not run when grading",
    ),
    cell("S1", "Eighty thousand nested parentheses", DEEP),
    cell("S2", "A hundred thousand unary minus signs", "deep = " + "-" * 100_000 + "1"),
    cell(
        "S3",
        "A chain of eighty thousand attributes",
        "def f(a): return a" + ".b" * 80_000,
        breaks_itself=True,
        says="softmax",
    ),
    cell(
        "S4",
        "A chain of sixty thousand calls, subscripts and powers",
        "def f(a): return a" + "()[0]**2" * 20_000,
        breaks_itself=True,
        says="softmax",
    ),
    cell(
        "S5",
        "Constants that the compiler folds for ever: 9**9**9 and 'x' * 10**10",
        "def f(): return 9 ** 9 ** 9, 'x' * 10 ** 10, (0,) * 10 ** 10",
    ),
    cell(
        "S6", "Thirteen thousand elifs", "if 0: pass\n" + "elif 0: pass\n" * 13_000, breaks_itself=True, says="softmax"
    ),
    cell("S7", "NUL, form feeds and vertical tabs in the source", "x = 1\x00\ny = 2\x0c\nz = 3\x0b", layer=INTAKE),
    cell(
        "S8", "A coding cookie that says another encoding", "# -*- coding: utf-7 -*-\nx = 1\n+AGkAbQBwAG8AcgB0ACAAbwBz-"
    ),
    cell(
        "S9",
        "A bidi override that makes a comment look like code",
        "level = 'user\u202e \u2066# only admins\u2069 \u2066'\nif level != 'user': pass",
        layer=PAGES,
    ),
    Attack(
        "S10",
        "A homoglyph that looks like the right name",
        JUDGE,
        softmax="def ѕoftmax(scores, axis=-1):\n    return 'cyrillic'",
        says="No function named softmax is defined",
    ),
    cell(
        "S11",
        "__future__ imports, walrus in comprehensions, match and async at the top level",
        "from __future__ import annotations, barry_as_FLUFL\nx = [y := 1, y <> 2]",
    ),
    cell("S12", "from __future__ where it may not stand", "x = 1\nfrom __future__ import division"),
    cell(
        "S13",
        "Replace the names of the module: __name__, __file__, __builtins__, __spec__",
        "__builtins__ = {}\n__name__ = __file__ = __spec__ = None",
        breaks_itself=True,
        says="softmax",
    ),
    cell(
        "S14",
        "Delete everything that is defined",
        "for name in list(globals()): del globals()[name]",
        breaks_itself=True,
        says="softmax",
    ),
    cell(
        "S15",
        "Redefine exec, compile and print",
        "import builtins\nbuiltins.compile = builtins.exec = builtins.print = lambda *a, **k: None",
        breaks_itself=True,
        says="softmax",
    ),
    cell(
        "S16",
        "A regular expression in a magic line that takes exponential time",
        "%time " + "-a 1 " * 5_000 + "!\n" + "x = %" + " " * 5_000 + "\n" + "? " * 20_000,
        says="softmax: wrong",
    ),
    Attack(
        "S17", "More code than a notebook can have", INTAKE, before="x = '" + "y" * 1_200_000 + "'", says="left out"
    ),
    cell(
        "S18",
        "Lone surrogates and noncharacters in names and strings",
        "x = '\ud800'\ny = '\ufffe\uffff'\n",
        layer=INTAKE,
    ),
    cell(
        "S19",
        "Tabs and spaces mixed, CRLF, and line ends of other alphabets",
        "if 1:\r\n\tx = 1\r\n        y = 2\r\nz = 'a\u2028b\u0085c'\r\n",
    ),
    probe(
        "S20",
        "Import hooks and meta paths that answer for the grader's modules",
        FILES,
        "import sys\nclass Finder:\n    def find_spec(self, name, *more):\n        if name.startswith(('attn_core.', 'autograder.tasks')): got.append(name)\nsys.meta_path.insert(0, Finder())",
    ),
    Attack(
        "S21",
        "A module-level __getattr__ that has every function",
        JUDGE,
        softmax="def __getattr__(name): return lambda *a, **k: 5.0",
        says="softmax: ",
    ),
    Attack(
        "S22",
        "A class, a partial, a builtin and a mock in the place of the function",
        JUDGE,
        softmax="from unittest.mock import MagicMock\nsoftmax = MagicMock(return_value=MagicMock())",
        says="softmax: ",
    ),
    Attack(
        "S23",
        "A function whose signature and name lie",
        JUDGE,
        softmax=WRONG_SOFTMAX + "\nsoftmax.__signature__ = softmax.__wrapped__ = softmax.__name__ = None",
    ),
)
