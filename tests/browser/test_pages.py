"""Feedback and similarity pages in a real browser: nothing runs, nothing is loaded, and they can be read everywhere."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest

from autograder.checking.report import Example, Report, State
from autograder.classroom.feedback import feedback
from autograder.classroom.gradebook import Mark, Marks
from autograder.classroom.page import render
from autograder.classroom.similarity import Compared, Pair
from autograder.curriculum import find_topic
from autograder.judge.ledger import Ledger, Result, Submission

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt install chromium), to look at the pages"),
]
SLUG = "06_scaling"
FORBIDDEN = "script, img, iframe, svg, a, form, input, base, link, object, embed, [style], [id], [http-equiv=refresh]"
RUNS = "window.ran = true"
HOSTILE = {
    "script": f"<script>{RUNS}</script></title></style></pre><script>{RUNS}</script>",
    "image": f'<img src="http://127.0.0.1:9/x.png" onerror="{RUNS}"><svg onload="{RUNS}">',
    "link": f'<a id=bad href="javascript:{RUNS}">click</a> <iframe src="javascript:{RUNS}"></iframe>',
    "attribute": f'" onmouseover="{RUNS}" style="position:fixed" x="\' autofocus onfocus=\'{RUNS}',
    "style": "</style><style>* { display: none } @import url(http://127.0.0.1:9/x.css)</style>",
    "meta": '<meta http-equiv="refresh" content="0;url=http://127.0.0.1:9/"><base href="http://127.0.0.1:9/">',
    "form": '<form action="http://127.0.0.1:9/"><input name=x autofocus></form>',
    "template": "{{ 7 * 7 }}{% for x in y %}&#x3c;script&#x3e;",
    "ansi": "\x1b[31mred\x1b[0m\x1b]0;title\x07\x9b31m\x08\x7f",
    "bidi": "abc\u202e\u2066fed\u2069\u200f\u061c 10 / 10",
    "nul": "a\x00b\ud800c",
    "long line": "x" * 100_000,
    "long words": " ".join("W" * 300 for _ in range(20)),
    "arabic": "مرحبا بالعالم 12 / 20",
}


def page_of(text: str, sandbox: str = "bwrap") -> str:
    """A feedback page that holds a text wherever one of a learner's can stand."""
    entries = find_topic(SLUG).tasks
    example = Example(((text, text),), text, text)
    report = Report("scaling.softmax", text, State.WRONG, 0.5, (text,), text, text, example, lecture=text)
    states = [State.CRASHED, State.RIGHT, State.NOT_ATTEMPTED, State.NOT_VERIFIABLE, State.WRONG]
    others = [Report(e.id, "f", state, sentences=(text,)) for e, state in zip(entries[1:-1], states, strict=True)]
    reports = [report, *others, Report(entries[-1].id, "proof", State.NOT_VERIFIABLE)]
    results = tuple(Result(r, 1.0, e.points, manual=e.written) for r, e in zip(reports, entries, strict=True))
    found = Ledger(text[:128], SLUG, "f" * 64, text, sandbox, results, remarks=(text,))
    marks = [Mark(e.id, 1.0, e.points) for e in entries]
    marks[-1] = replace(marks[-1], by_hand=True, comment=text)
    return feedback(
        text,
        found,
        Marks(found.student, SLUG, tuple(marks)),
        Submission("x", SLUG, (), ((entries[-1].id, text, True),)),
    )


def similarity_of(text: str) -> str:
    """A similarity page that holds it."""
    pair = Pair((text[:128], "bob"), (0.9, 0.8), (((text, True), (text, False)), ((text, True),)))
    return render(
        "similarity.html.jinja",
        slug=SLUG,
        tasks=[Compared("scaling.softmax", 2, (text[:128],), (pair,))],
        threshold=0.6,
        run=20,
        common=10,
    )


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture
def show(browser, tmp_path):
    """Open a page as a learner does, from a file; gives it with all addresses that it asked for, and what it said."""
    contexts = []

    def opened(html: str, **options):
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.asked, page.refused, page.said = [], [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("requestfailed", lambda request: page.refused.append((request.url, request.failure)))
        page.on("console", lambda message: page.said.append(message.text))
        page.on("dialog", lambda dialog: (page.said.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()


EVERYTHING = " ".join(HOSTILE.values())
CASES = [pytest.param(page_of, text, id=name) for name, text in HOSTILE.items() if not name.startswith("long")]


@pytest.mark.parametrize(("make", "text"), [*CASES, pytest.param(similarity_of, EVERYTHING, id="everything")])
def test_hostile_text_runs_nothing_and_loads_nothing(show, make, text):
    """Wherever it stands, it is shown as text: no script ran, one address was asked for, nothing was refused either."""
    page = show(make(text))
    page.locator("summary").evaluate_all("found => found.forEach(one => one.click())")
    page.mouse.move(100, 100)
    assert page.evaluate("window.ran") is None
    assert page.asked == [page.url]
    assert page.said == []
    assert page.locator(FORBIDDEN).count() == 0
    assert page.locator("style").count() == 1
    assert "49" not in page.inner_text("main")


@pytest.mark.parametrize("make", [page_of, similarity_of])
def test_the_policy_refuses_what_an_escaping_mistake_would_let_in(show, make):
    """The second layer: a script, an image from the network and a style attribute that were in the page all the same."""
    html = make("x").replace(
        "</main>", f'<script>{RUNS}</script><img src="http://127.0.0.1:9/x"><p id="p" style="color: red">x</p></main>'
    )
    page = show(html)
    assert page.evaluate("window.ran") is None
    assert page.evaluate("getComputedStyle(document.getElementById('p')).color") != "rgb(255, 0, 0)"
    assert page.refused == [("http://127.0.0.1:9/x", "csp")]
    assert len([line for line in page.said if "Content Security Policy" in line]) == 3


@pytest.mark.parametrize("make", [page_of, similarity_of])
def test_the_pages_own_style_is_let_in(show, make):
    """The digest in the policy is that of the style sheet."""
    page = show(make("x"), viewport={"width": 1280, "height": 900})
    assert page.evaluate("getComputedStyle(document.body).marginTop") == "0px"
    assert page.evaluate("document.querySelector('main').getBoundingClientRect().width") < 1280
    assert page.said == []


@pytest.mark.parametrize("make", [page_of, similarity_of])
def test_no_page_scrolls_sideways(show, make):
    """On a phone and on a desktop, a line of 100,000 characters and words of 300 included."""
    page = show(make(EVERYTHING))
    page.locator("summary").evaluate_all("found => found.forEach(one => one.click())")
    for width in (320, 375, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        right = "[...document.querySelectorAll('main *')].map(e => e.getBoundingClientRect().right)"
        assert page.evaluate(f"Math.max(...{right})") <= width


CONTRASTS = """() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b }
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor
    if (c !== 'rgba(0, 0, 0, 0)') return c } return 'rgb(255, 255, 255)' }
  return [...document.querySelectorAll('main *')].filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => { const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x)
      return [(a + 0.05) / (b + 0.05), e.className || e.tagName] }) }"""


@pytest.mark.parametrize("make", [page_of, similarity_of])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_asks_for(show, make, scheme):
    """4.5 to 1 or more, by day and by night (WCAG 2.2, 1.4.3)."""
    page = show(make("x").replace("<details>", "<details open>"), color_scheme=scheme)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 10
    assert min(found)[0] >= 4.5, min(found)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 27)"
    assert dark is (scheme == "dark")


def test_a_page_is_printed_on_white_whatever_the_screen_is(show):
    """Ink for the text only; the print is a PDF of some pages."""
    page = show(page_of("x"), color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    ) == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    assert min(page.evaluate(CONTRASTS))[0] >= 4.5
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) <= 4


def test_what_turns_the_reading_direction_is_named_and_turns_nothing(show):
    """The points stay where they are and in their order; right-to-left languages are read from right to left."""
    page = show(page_of(HOSTILE["bidi"]))
    text = page.inner_text("main")
    assert "abc[U+202E][U+2066]fed[U+2069][U+200F][U+061C] 10 / 10" in text
    assert not set(text) & set("\u202e\u2066\u2069\u200f\u061c")
    box = page.locator("header .points").first.bounding_box()
    assert box == show(page_of("plain")).locator("header .points").first.bounding_box() | {"y": box["y"]}
    arabic = show(page_of(HOSTILE["arabic"]))
    assert arabic.locator("pre.prose").first.evaluate("e => getComputedStyle(e).direction") == "rtl"
    assert arabic.locator("header .points").first.evaluate("e => getComputedStyle(e).direction") == "ltr"


def test_characters_for_terminals_and_files_are_gone(show):
    """Colours are dropped, other control characters are shown as replaced."""
    assert "red\ufffd31m\ufffd\ufffd" in show(page_of(HOSTILE["ansi"])).inner_text("main")
    assert "a\ufffdb\ufffdc" in show(page_of(HOSTILE["nul"])).inner_text("main")
