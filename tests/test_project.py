"""The project's own files agree with each other."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"torch": "pytorch"}


def name_of(requirement: str) -> str:
    """The package that a requirement is about."""
    return re.split(r"[<>=!~ \[;]", requirement)[0].lower()


def test_environment_yml_is_in_step_with_pyproject():
    """The conda twin asks for the same packages in the same versions."""
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = {entry for entry in listed if isinstance(entry, str)} - {"pip"}
    wanted = set()
    for requirement in PROJECT["dependencies"]:
        name = name_of(requirement)
        wanted.add(CONDA_NAMES.get(name, name) + requirement[len(name) :])
    assert conda == wanted | {f"python{PROJECT['requires-python']}"}


def test_every_requirement_has_an_exact_version_in_the_constraints():
    """What `make` installs does not depend on the day."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {name_of(line).replace("_", "-") for line in lines if "==" in line}
    extras = [r for extra in PROJECT["optional-dependencies"].values() for r in extra]
    asked = {name_of(r) for r in [*PROJECT["dependencies"], *extras]} - {PROJECT["name"]}
    assert asked - pinned == set()
    assert [line for line in lines if not re.fullmatch(r"[\w.\-]+==[\w.\-]+", line)] == []


def test_ci_runs_the_readmes_test_command():
    """CI, the forge's workflow and the README name the same command."""
    assert "\nmake test\n" in (ROOT / ".ci/run").read_text()
    assert "run: make test" in (ROOT / ".github/workflows/test.yml").read_text()
    assert "make test " in (ROOT / "README.md").read_text()


def test_tests_that_share_an_expensive_fixture_run_in_one_process(request):
    """Each file stays with one worker. Versions that do not fit scatter it in silence, and every worker grades all classes."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("says something only with workers that share tests by group, as in `make test`")
    assert request.node.nodeid.endswith(f"@{request.path}"), "pytest-xdist does not see the groups of tests/conftest.py"


def test_every_make_target_of_the_readme_exists():
    """A command that is documented can be run."""
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    assert {m for m in re.findall(r"make ([a-z]+)\b", readme) if not re.search(rf"^{m}:", makefile, re.M)} - {
        "or"
    } == set()


def test_the_picture_of_a_report_is_fresh():
    """docs/report.svg is what the check prints now."""
    spec = importlib.util.spec_from_file_location("make_report", ROOT / "docs/make_report.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PICTURE.read_text(encoding="utf-8") == module.draw(), "run: python docs/make_report.py"
    assert "leaves out the scale" in module.draw().replace("&#160;", " ")
