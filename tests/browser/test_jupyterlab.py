"""A learner's first minutes in a real browser: open the exercise, make a mistake, be told which, mend it, validate."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.curriculum import Tree, find_tree
from autograder.study import lab_command, prepare

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt install chromium), to drive JupyterLab"),
]
SLUG = "06_scaling"
WRONG = "def scaled_scores(q, k):\n    return q @ k.transpose(-2, -1)"
RIGHT = "def scaled_scores(q, k):\n    return q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5"
SECOND = 1000  # Playwright counts milliseconds


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Tree:
    """A copy of what a learner's clone holds, so that nothing is written into this one."""
    ours, root = find_tree(Path(__file__)), tmp_path_factory.mktemp("clone")
    shutil.copy(ours.root / "nbgrader_config.py", root)
    for folder in ("solutions", "exercises", "notebooks"):
        shutil.copytree(ours.root / folder, root / folder)
    copy = find_tree(root)
    prepare(copy)
    return copy


@pytest.fixture(scope="module")
def address(tree, tmp_path_factory) -> Iterator[str]:
    """JupyterLab as `attn study` starts it, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token, home = secrets.token_hex(8), tmp_path_factory.mktemp("home")
    settings = home / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"windowingMode": "none"}))  # all cells in the page, so that they can be found
    environment = os.environ | {
        "HOME": str(home),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PATH": os.pathsep.join((str(Path(lab_command(tree, False)[0]).parent), os.environ["PATH"])),
    }
    command = lab_command(
        tree, False, ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--IdentityProvider.token={token}"]
    )
    log = (home / "log").open("w")
    server = subprocess.Popen(command, cwd=tree.root, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api?token={token}", home / "log")
        yield f"http://127.0.0.1:{port}/lab/tree/work/{SLUG}/{SLUG}.ipynb?token={token}"
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def _wait_for(url: str, log: Path) -> None:
    for _ in range(120):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture
def page(address, tmp_path) -> Iterator:
    """The exercise, open in headless Chromium. A picture of the end lies in the test's temporary folder."""
    from playwright.sync_api import sync_playwright

    quiet = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=quiet)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(60 * SECOND)
        page.goto(address)
        page.locator(".jp-NotebookPanel .jp-CodeCell").first.wait_for()
        page.locator("#jp-main-statusbar", has_text="| Idle").wait_for()  # the kernel is there
        yield page
        page.screenshot(path=tmp_path / "end.png")
        browser.close()


def cell_with(page, text: str):
    """The code cell whose source holds this text."""
    return page.locator(".jp-CodeCell", has=page.locator(".jp-InputArea", has_text=text)).first


def run(page, cell) -> None:
    """Run a cell as a person does."""
    before = cell.locator(".jp-InputPrompt").first.inner_text()
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "([cell, before]) => /\\[\\d+\\]/.test(cell.innerText) && cell.innerText !== before",
        arg=[cell.locator(".jp-InputPrompt").first.element_handle(), before],
    )


def write(page, cell, source: str) -> None:
    """Replace a cell's source."""
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(source)


def test_a_wrong_answer_is_named_a_right_one_accepted_and_validate_works(page):
    """The whole loop: wrong → the mistake by name; right → accepted; Validate → says what is still open."""
    run(page, cell_with(page, "from autograder import check, hint"))
    answer, check = cell_with(page, "def scaled_scores"), cell_with(page, 'check("scaling.scaled_scores"')

    write(page, answer, WRONG)
    run(page, answer)
    run(page, check)
    check.locator(".attn-report", has_text="leaves out the scale").wait_for()
    assert "what is the variance of a sum of d_k products?" in check.locator(".jp-OutputArea").inner_text()

    write(page, answer, RIGHT)
    run(page, answer)
    run(page, check)
    check.locator(".attn-report", has_text="✓ scaling.scaled_scores: right").wait_for()
    assert "CheckFailed" not in check.locator(".jp-OutputArea").inner_text()

    page.get_by_text("Validate", exact=True).first.click()
    dialog = page.locator(".jp-Dialog", has_text="failed")
    dialog.wait_for(timeout=120 * SECOND)
    text = dialog.inner_text()
    assert 'check("scaling.softmax", softmax)' in text
    assert 'check("scaling.scaled_scores"' not in text
