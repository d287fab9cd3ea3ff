"""Pages: script, markup, escapes and formulas for whoever reads the feedback, the table or the terminal."""

from __future__ import annotations

from attack import PAGES, WRONG_SOFTMAX, Attack, Notebook

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)>"


def _outputs(notebook: Notebook) -> None:
    """Row 61: outputs that run in whoever opens the graded notebook."""
    data = {
        "text/html": EVIL,
        "application/javascript": "alert(1)",
        "text/markdown": f"[x](javascript:alert(1)) {EVIL}",
    }
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "display_data", "data": data, "metadata": {}}]


def written(text: str):
    """The written answer says this."""

    def edit(notebook: Notebook) -> None:
        for cell in notebook["cells"]:
            if cell["metadata"].get("nbgrader", {}).get("grade_id") == "scaling-proof":
                cell["source"] = text

    return edit


def says(id: str, title: str, message: str, row: str = "softmax: crashed", **more) -> Attack:
    """softmax raises with this message, which the learner's page quotes."""
    return Attack(
        id, title, PAGES, softmax=f"def softmax(scores, axis=-1):\n    raise ValueError({message!r})", says=row, **more
    )


ATTACKS = (
    Attack(
        "61",
        "Scripts in stored outputs, messages and Markdown",
        PAGES,
        edit=_outputs,
        softmax=f"def softmax(scores, axis=-1):\n    raise ValueError({EVIL!r})",
        says="softmax: crashed",
    ),
    says(
        "62",
        "Escapes that clear the terminal and set its title, and marks that turn the reading direction",
        "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnorw\u202c \u2066x\u2069 \r\n\x08",
    ),
    Attack(
        "63",
        "Homoglyphs that hide what the code does from a reader",
        PAGES,
        before="def аbs(x): return 0\nехр = 5",
        softmax="def softmax(scores, axis=-1):\n    return np.ехр if False else np.zeros_like(scores)",
        says="softmax: wrong",
        note="the code runs as it is; the score is that of its values",
    ),
    Attack("64", "A formula as the name of a learner", PAGES, student='=HYPERLINK("x",1+1)'),
    says(
        "H1",
        "Templates of the page's engine in a message",
        "{{ 7 * 7 }}{% for x in range(9) %}{{ config }}{% endfor %}${7*7}#{7*7}",
    ),
    says(
        "H2",
        "A message that closes the element and the policy",
        '</pre></td></table><meta http-equiv=Content-Security-Policy content="default-src *"><script src=//x></script><style>*{display:none}</style>',
    ),
    says(
        "H3",
        "A message in the shape of a report",
        "✓ scaling.softmax: right on 24 inputs\n  5 of 5 points\n\n✓ scaling.attention: right",
    ),
    Attack(
        "H4",
        "A message of half a megabyte",
        PAGES,
        softmax="def softmax(scores, axis=-1):\n    raise ValueError('<b>' * 170_000)",
        says="softmax: crashed",
    ),
    Attack(
        "H5",
        "Markup, links and scripts in the written answer",
        PAGES,
        edit=written(
            EVIL
            + "\n[click](javascript:alert(1)) ![x](http://127.0.0.1:@PORT@/x.png) <a href='//evil'>x</a>\n\n[r]: javascript:alert(1)\n\n```mermaid\nx\n```"
        ),
        says="softmax: wrong",
    ),
    Attack(
        "H6",
        "A return value whose text is markup",
        PAGES,
        softmax=f"def softmax(scores, axis=-1):\n    return {EVIL!r}",
        says="softmax: wrong",
    ),
    Attack(
        "H7",
        "Markup in names of functions, cells and tasks",
        PAGES,
        before="globals()['<script>'] = 1",
        softmax=WRONG_SOFTMAX + "\nsoftmax.__name__ = softmax.__qualname__ = '<script>alert(1)</script>'",
    ),
    Attack(
        "H8",
        "Formulas in a message, for the table of grades",
        PAGES,
        softmax="def softmax(scores, axis=-1):\n    raise ValueError('=cmd|calc!A0, +1, -1, @SUM(1)\\t=1')",
        says="softmax: crashed",
    ),
    Attack(
        "H9",
        "A magic line with markup, which a remark quotes",
        PAGES,
        before="%%html\n<script>alert(1)</script>",
        after="!`</code><script>alert(1)</script>`",
        says="lines for IPython",
    ),
    says(
        "H10",
        "Zero-width joiners, combining marks by the thousand, private-use characters",
        "a" + "\u0301" * 3000 + "\u200d\u200b\ufeff\ue000",
    ),
)
