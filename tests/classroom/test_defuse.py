"""A learner's Markdown cannot run anything in the grader's browser, and still reads as it was meant."""

from html.parser import HTMLParser
from pathlib import Path

import nbformat
import nbgrader
import pytest
from nbconvert.exporters import HTMLExporter

from autograder.classroom.defuse import defused

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<SCRIPT SRC=//evil.example>",
    "<svg/onload=alert(1)>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<iframe src='javascript:alert(1)'></iframe>",
    "</div></div><form action=//evil.example><input>",
    "[click](javascript:alert(1))",
    "[click](JaVaScRiPt:alert(1))",
    "[click](&#106;avascript:alert(1))",
    "[click](<javascript:alert(1)>)",
    "[click](data:text/html,<script>alert(1)</script>)",
    "[click][a]\n\n[a]: javascript:alert(1)",
    "> [click][b]\n>\n> [b]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    "![beacon](https://evil.example/seen.png)",
    "![x](attachment:missing.png)",
    '```mermaid\ngraph TD; A-->B; click A href "javascript:alert(1)"\n```',
    "~~~ mermaid\n<img src=x onerror=alert(1)>\n~~~",
    "`<b>` and ``<script>``",
    "    <script>alert(1)</script>",
    "| a |\n|---|\n| <script>alert(1)</script> |",
    "$$<script>alert(1)</script>$$",
    "\\begin{x}<script>alert(1)</script>\\end{x}",
    "$x<img src=x onerror=alert(1)>$",
]


class Page(HTMLParser):
    """What a browser would act on, within the marked part of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = False
        self.active: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        """Collect what runs or loads something."""
        names = dict(attrs)
        if not self.inside:
            return
        if tag in ("script", "iframe", "form", "input", "object", "svg", "style", "link", "base", "meta"):
            self.active.append(tag)
        self.active += [f"{tag} {name}" for name in names if name.startswith("on")]
        self.active += [f"{tag} class" for name in names if "mermaid" in (names.get("class") or "")]
        address = (names.get("href") or names.get("src") or "#").strip().lower()
        if not address.startswith(("#", "https://" if tag == "a" else "data:image/png;base64,")):
            self.active.append(f"{tag} {address}")

    def handle_data(self, data):
        """Find the marks, and keep the text between them."""
        self.inside = "FROM-HERE" in data or (self.inside and "TO-HERE" not in data)
        self.text += data


def shown(*cells: nbformat.NotebookNode) -> Page:
    """Cells as formgrader's own template shows them."""
    templates = Path(nbgrader.__file__).parent / "server_extensions" / "formgrader" / "templates"
    exporter = HTMLExporter(template_name="formgrade", extra_template_basedirs=[str(templates)])
    marked = [markdown("FROM-HERE"), *cells, markdown("TO-HERE")]
    names = ("base_url", "submission_id", "notebook_id", "assignment_id", "student", "first_name", "last_name")
    resources = dict.fromkeys((*names, "notebook_path"), "x") | {"index": 0, "total": 1}
    found = Page()
    found.html = exporter.from_notebook_node(nbformat.v4.new_notebook(cells=marked), resources=resources)[0]
    found.feed(found.html)
    return found


def markdown(text: str, **more) -> nbformat.NotebookNode:
    """A Markdown cell."""
    return nbformat.v4.new_markdown_cell(text, **more)


def test_nothing_that_a_learner_writes_is_active_in_formgrader():
    """No script, no handler, no form, no foreign picture, no link but to the web."""
    page = shown(*(markdown(defused(text)) for text in HOSTILE))
    assert page.active == []
    assert "TO-HERE" in page.text  # nothing swallowed the rest of the page


WOULD = {
    "<script>alert(1)</script>": "script",
    "<img src=x onerror=alert(1)>": "img onerror",
    "</div></div><form action=//evil.example><input>": "form",
    "[click](javascript:alert(1))": "a javascript:alert(1)",
    "[click][a]\n\n[a]: javascript:alert(1)": "a javascript:alert(1)",
    "![beacon](https://evil.example/seen.png)": "img https://evil.example/seen.png",
}


@pytest.mark.parametrize(("text", "active"), WOULD.items())
def test_formgrader_would_run_it_otherwise(text, active):
    """The same texts, not defused, are active: so the test above can fail."""
    assert text in HOSTILE
    assert active in shown(markdown(text)).active


def test_harmless_markdown_keeps_its_meaning():
    """Links to the web, pasted pictures, bold text and formulas are shown."""
    picture = {"p.png": {"image/png": "aGk="}}
    text = "[a link](https://good.example/x) ![p](attachment:p.png) [above](#top) **bold** $a < b$"
    html = shown(markdown(defused(text, picture), attachments=picture)).html
    for part in ('href="https://good.example/x"', 'src="data:image/png;base64,aGk="', "<strong>bold", "$a &lt; b$"):
        assert part in html


@pytest.mark.parametrize(
    "text", ["a < b and c > d", "$[0, 1)$ or $]a[$", "x = y[0]", "5! is 120", "**bold** _it_ `code`", "- [ ] x"]
)
def test_ordinary_text_is_not_changed(text):
    """Comparisons, intervals, indices and factorials are no markup."""
    assert defused(text) == text
