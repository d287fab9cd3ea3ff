"""Sandboxes are found, checked before use, and missing ones are explained."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.judge import sandbox as module
from autograder.judge import seccomp
from autograder.judge.limits import Limits
from autograder.judge.process import warm
from autograder.judge.sandbox import Bubblewrap, SandboxError, Unprotected, find_bubblewrap, find_sandbox
from autograder.judge.selftest import assert_closed, examine, probes
from autograder.judge.stage import build_stage

PROJECT = Path(__file__).parents[2]


@pytest.mark.sandbox
def test_every_sandbox_stops_every_probe(sandbox):
    """The self-test that runs before each grading finds nothing, and tells which layers are in force."""
    leaks, layers = examine(sandbox)
    assert leaks == {}
    assert {"own processes, mounts and IPC", "limits", "seccomp"} <= set(layers)
    assert set(layers) < set(assert_closed(sandbox))
    assert len(probes(Limits(), 1, "x")) >= 10


NETWORK = ("with the network",)


class Leaky:
    """A sandbox with something missing: more binds in front of Python, or another plan."""

    def __init__(self, inner, *extra: str, **plan) -> None:
        self.inner, self.extra, self.changed = inner, extra, plan
        self.name, self.layers = inner.name, inner.layers
        self.environment, self.setup = inner.environment, inner.setup

    def command(self, library: Path) -> list[str]:
        """The inner command with the extra binds before Python starts."""
        command = self.inner.command(library)
        at = command.index("--remount-ro", command.index(str(library))) if self.extra else 0
        if self.extra == NETWORK:
            return [part for part in command if part != "--unshare-net"]
        return [*command[:at], *self.extra, *command[at:]]

    def plan(self, *arguments) -> dict:
        """The inner one with changes."""
        return self.inner.plan(*arguments) | self.changed


@pytest.fixture
def bubblewrap() -> Bubblewrap:
    """Bubblewrap, or the reason why there is none."""
    try:
        return find_bubblewrap()
    except SandboxError as error:
        pytest.skip(f"needs bubblewrap: {error}")


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("extra", "plan", "probe"),
    [
        (
            ("--ro-bind", str(PROJECT / "solutions"), str(PROJECT / "solutions")),
            {},
            "read the reference, the solutions or the gradebook",
        ),
        ((), {"disk_bytes": 1 << 26}, "import the reference, the tasks or the judge"),
        (("--ro-bind", "/etc", "/etc"), {}, "read the teacher's files"),
        (("--setenv", "USER_TOKEN", "x"), {}, "see the teacher's environment"),
        (NETWORK, {"processes": 0}, "open a connection"),
        ((), {"processes": 0}, "make a namespace"),
        ((), {"limits": {}}, "take more memory than it may"),
        ((), {"namespaces": False, "user": None, "nested_user": False}, "leave a file for the next player"),
        ((), {"user": None, "nested_user": False}, "be root"),
    ],
    ids=["solutions", "reference", "etc", "environment", "network", "seccomp", "limits", "namespaces", "user"],
)
def test_a_leak_is_found_and_grading_refuses_to_start(bubblewrap, extra, plan, probe, monkeypatch):
    """Each hole that we make on purpose is seen by its probe, and named in the error."""
    monkeypatch.setenv("USER_TOKEN", "x")
    if probe.startswith("import"):  # the hole is in the player's library
        monkeypatch.setattr("autograder.judge.process.build_stage", stage_with_reference)
    leaky = Leaky(bubblewrap, *extra, **plan)
    leaks, _ = examine(leaky)
    assert probe in leaks
    with pytest.raises(SandboxError, match=r"leaks, so nothing was graded\. A player could: "):
        assert_closed(leaky)
    warm(leaky).close()


def stage_with_reference(folder: Path) -> Path:
    """A stage into which somebody copied the reference."""
    build_stage(folder)
    for name in ("softmax.py", "conventions.py"):
        shutil.copyfile(PROJECT / "attn_core" / name, folder / "attn_core" / name)
    return folder


def test_without_any_sandbox_the_error_says_what_is_missing_and_what_is_lost(monkeypatch):
    """The sentence that a teacher sees on a machine without bubblewrap, Landlock and seccomp."""
    find_bubblewrap.cache_clear()
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("autograder.judge.landlock.version", lambda: 0)
    monkeypatch.setattr("autograder.judge.seccomp.supported", lambda: False)
    with pytest.raises(SandboxError) as caught:
        find_sandbox("auto")
    find_bubblewrap.cache_clear()
    assert str(caught.value) == (
        "bubblewrap is not installed (Debian, Ubuntu: `sudo apt install bubblewrap`; Fedora: `sudo dnf install "
        "bubblewrap`). The built-in sandbox needs Landlock (Linux 5.13 or newer, with `landlock` in the kernel's list of "
        "lsm=) and seccomp (x86_64 or aarch64); this machine has neither. Without a sandbox learners' code would run with "
        "your own rights: it could read and change every file that you can. `--sandbox none` grades so all the same, and "
        "stamps that into every result."
    )


def test_without_bubblewrap_the_built_in_sandbox_takes_its_place(monkeypatch):
    """`auto` never ends with "no protection"."""
    find_bubblewrap.cache_clear()
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("autograder.judge.landlock.version", lambda: 3)
    found = find_sandbox("auto")
    find_bubblewrap.cache_clear()
    assert found.name == "builtin"


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
    with pytest.raises(SandboxError, match=r"There is no sandbox 'bwarp'; there are auto, bwrap, builtin and none\."):
        find_sandbox("bwarp")


def test_none_says_that_it_protects_nothing():
    """Its only layer is a warning."""
    assert find_sandbox("none") == Unprotected()
    assert Unprotected().layers == ("NO SANDBOX",)
    assert_closed(Unprotected())  # it is not probed: its probes would really write


@pytest.mark.sandbox
def test_a_wheel_beside_torch_is_hidden_as_well(bubblewrap, tmp_path):
    """Installed as a wheel, the reference lies in site-packages; the player must not find it there either."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    for package in ("attn_core", "autograder"):  # what a wheel unpacks
        shutil.copytree(PROJECT / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    (site / "torch.pth").write_text(f"{module.site_folders()[0]}\n")
    program = (
        "from autograder.judge.sandbox import find_sandbox, site_folders\n"
        "from autograder.judge.selftest import examine\n"
        "import attn_core, pathlib\n"
        f"assert pathlib.Path(attn_core.__file__).is_relative_to({str(site)!r}), attn_core.__file__\n"
        "print(examine(find_sandbox('bwrap'))[0], examine(find_sandbox('builtin'))[0], len(site_folders()))\n"
    )
    python = tmp_path / "venv" / "bin" / "python"
    done = subprocess.run([python, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "{} {} 2", done.stderr


PROGRAM = """
from autograder.judge.sandbox import Builtin, find_sandbox
from autograder.judge.selftest import examine
for sandbox in (find_sandbox("bwrap"), find_sandbox("builtin"), Builtin(with_root=False)):
    leaks, layers = examine(sandbox)
    print(leaks, "own processes, mounts and IPC" in layers, "no capabilities, no new privileges, user 65534" in layers)
"""


@pytest.mark.sandbox
@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has tried all of this already")
@pytest.mark.skipif(sys.platform != "linux", reason="the sandboxes need Linux")
def test_an_ordinary_user_is_protected_too(bubblewrap):
    """As nobody: bubblewrap, the built-in sandbox with namespaces, and what is left of it where they are forbidden."""
    python = shutil.which("python3", path="/usr/bin")  # ours may lie where nobody may read
    version = python and subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
    if not version or version.split(".")[:2] != [str(n) for n in sys.version_info[:2]]:
        pytest.skip(f"needs a Python {sys.version_info[0]}.{sys.version_info[1]} in /usr/bin that every user may run")
    path = os.pathsep.join([str(PROJECT), *map(str, module.site_folders())])
    done = subprocess.run(
        [python, "-c", PROGRAM],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        user=65534,
        group=65534,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    if "PermissionError" in done.stderr:
        pytest.skip("needs a checkout that every user may read")
    assert done.stdout.splitlines() == ["{} True True", "{} True True", "{} False True"], done.stderr


def call_numbers(header: Path) -> dict[str, int]:
    """The numbers of system calls in a header of Linux."""
    if not header.exists():
        pytest.skip(f"needs {header}, of Debian's linux-libc-dev")
    lines = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\b", header.read_text())
    return {name: int(number) for name, number in lines}


@pytest.mark.parametrize(
    ("machine", "header"),
    [
        ("x86_64", Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")),
        ("aarch64", Path("/usr/include/asm-generic/unistd.h")),
    ],
)
def test_the_numbers_of_system_calls_are_the_kernels(machine, header):
    """A wrong number would refuse an innocent call and let a dangerous one through."""
    known, column = call_numbers(header), seccomp.ARCHITECTURES[machine][1]
    constants = {name.lower(): value for name, value in vars(seccomp).items() if name.isupper()}
    single = ("socket", "clone", "clone3", "ioctl", "openat2", "kill", "tgkill", "openat", "open", "prctl")
    ours = {**seccomp.NUMBERS, **seccomp.FORKS, **seccomp.SHARED_HOST, **{name: constants[name] for name in single}}
    ours["prlimit64"] = constants["prlimit"]
    wrong = {name: (n[column], known.get(name)) for name, n in ours.items() if n[column] != known.get(name, n[column])}
    missing = {name for name, n in ours.items() if n[column] < 0 and name in known}
    assert (wrong, missing) == ({}, set())
