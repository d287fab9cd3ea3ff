"""Sandboxes are found, checked before use, and missing ones are explained."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.judge import sandbox as module
from autograder.judge.sandbox import SandboxError, Unprotected, find_bubblewrap, find_sandbox
from autograder.judge.selftest import assert_closed, leaks, probes
from autograder.judge.stage import build_stage

PROJECT = Path(__file__).parents[2]


@pytest.mark.sandbox
def test_the_default_sandbox_stops_every_probe(sandbox):
    """The self-test that runs before each grading finds nothing."""
    assert leaks(sandbox) == {}
    assert len(probes()) >= 10
    assert_closed(sandbox)


class Leaky:
    """Bubblewrap with one bind too many."""

    def __init__(self, inner, *extra: str) -> None:
        self.inner, self.extra = inner, extra
        self.name, self.layers, self.drops_root = inner.name, inner.layers, inner.drops_root

    def command(self, library: Path) -> list[str]:
        """The inner command with the extra binds before Python starts."""
        command = self.inner.command(library)
        at = command.index("--remount-ro", command.index("/player"))
        return [*command[:at], *self.extra, *command[at:]]

    def environment(self) -> dict[str, str]:
        """The inner one."""
        return self.inner.environment()


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("extra", "probe"),
    [
        (
            ("--ro-bind", str(PROJECT / "solutions"), str(PROJECT / "solutions")),
            "read the reference, the solutions or the gradebook",
        ),
        (
            (),
            "import the reference, the tasks or the judge",
        ),
        (("--ro-bind", "/etc", "/etc"), "read the teacher's files"),
        (("--proc", "/proc", "--setenv", "USER_TOKEN", "x"), "see the teacher's environment"),
    ],
    ids=["solutions", "reference", "etc", "environment"],
)
def test_a_leak_is_found_and_grading_refuses_to_start(sandbox, extra, probe, monkeypatch):
    """Each hole that we make on purpose is seen by its probe, and named in the error."""
    monkeypatch.setenv("USER_TOKEN", "x")
    if not extra:  # the hole is in the player's library
        monkeypatch.setattr("autograder.judge.process.build_stage", stage_with_reference)
    found = leaks(Leaky(sandbox, *extra))
    assert probe in found
    with pytest.raises(SandboxError, match=r"leaks, so nothing was graded\. A player could: "):
        assert_closed(Leaky(sandbox, *extra))


def stage_with_reference(folder: Path) -> Path:
    """A stage into which somebody copied the reference."""
    build_stage(folder)
    for name in ("softmax.py", "conventions.py"):
        shutil.copyfile(PROJECT / "attn_core" / name, folder / "attn_core" / name)
    return folder


def test_a_missing_bubblewrap_says_what_to_install_and_what_is_lost(monkeypatch):
    """The sentence that a teacher sees on a machine without it."""
    find_bubblewrap.cache_clear()
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(SandboxError) as caught:
        find_sandbox("bwrap")
    find_bubblewrap.cache_clear()
    assert str(caught.value) == (
        "bubblewrap is not installed, so learners' code would run with your own rights: it could read and change every "
        "file that you can. Install it (Debian, Ubuntu: `sudo apt install bubblewrap`; Fedora: `sudo dnf install "
        "bubblewrap`), or grade without protection with `--sandbox none`; every result is then stamped with it."
    )


def test_a_bubblewrap_that_is_not_allowed_to_work_says_which_setting_is_missing(monkeypatch, tmp_path):
    """Inside containers and on Ubuntu 24.04 bubblewrap exists and fails; its own words are passed on."""
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    find_bubblewrap.cache_clear()
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(SandboxError) as caught:
        find_sandbox("bwrap")
    find_bubblewrap.cache_clear()
    assert "cannot make a sandbox here: bwrap: No permissions to create new namespace" in str(caught.value)
    assert "kernel.apparmor_restrict_unprivileged_userns must be 0" in str(caught.value)


def test_an_unknown_sandbox_is_refused_by_name():
    """A typing error never means "no protection"."""
    with pytest.raises(SandboxError, match=r"There is no sandbox 'bwarp'; there are bwrap \(the default\) and none\."):
        find_sandbox("bwarp")


def test_none_says_that_it_protects_nothing():
    """Its only layer is a warning."""
    assert find_sandbox("none") == Unprotected()
    assert Unprotected().layers == ("NO SANDBOX",)
    assert_closed(Unprotected())  # it is not probed: its probes would really write


@pytest.mark.sandbox
def test_a_wheel_beside_torch_is_hidden_as_well(sandbox, tmp_path):
    """Installed as a wheel, the reference lies in site-packages; the player must not find it there either."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    for package in ("attn_core", "autograder"):  # what a wheel unpacks
        shutil.copytree(PROJECT / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    (site / "torch.pth").write_text(f"{module.site_folders()[0]}\n")
    program = (
        "from autograder.judge.sandbox import find_sandbox, site_folders\n"
        "from autograder.judge.selftest import leaks\n"
        "import attn_core, pathlib\n"
        f"assert pathlib.Path(attn_core.__file__).is_relative_to({str(site)!r}), attn_core.__file__\n"
        "print(leaks(find_sandbox()), len(site_folders()))\n"
    )
    python = tmp_path / "venv" / "bin" / "python"
    done = subprocess.run([python, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "{} 2", done.stderr


@pytest.mark.sandbox
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user to become")
def test_an_ordinary_user_gets_a_sandbox_too(sandbox):
    """The variant without root, tried here through a user namespace of our own, runs Python as nobody."""
    ways = [way for way in module._candidates() if not way.drops_root]
    for way in ways:
        shell = way.command(Path("/usr"))
        code = "import os; print(os.getuid())"
        done = subprocess.run(
            [*shell[: shell.index(sys.executable)], sys.executable, "-I", "-c", code],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            assert done.stdout.strip() == "65534"
            assert leaks(replace(way)) == {}
            return
    pytest.skip(f"user namespaces are not allowed here: {done.stderr.strip()}")
