"""What a player can see and do, and what the judge makes of it when it misbehaves. Every test goes looking from inside."""

import math
import os
import platform
import subprocess
from pathlib import Path

import numpy as np
import pytest

from autograder.checking.probe import Request
from autograder.judge import seccomp
from autograder.judge.limits import Limits
from autograder.judge.process import Player, PlayerDied, warm
from autograder.judge.sandbox import site_folders

pytestmark = pytest.mark.sandbox
PROJECT = Path(__file__).parents[2]
RUN = "attn_core.lab.simulator.attention:run_attention"
SHORT = Limits(call_seconds=2.0, load_seconds=30.0)


@pytest.fixture
def player(sandbox):
    """A fresh player."""
    with Player(sandbox, SHORT) as player:
        yield player


def look(player: Player, code: str) -> str:
    """Run code that leaves what it saw in `seen`, and bring that back as text."""
    errors = player.load([("look", code), ("tell", "def tell(_): return str(seen)")])
    assert errors == {}
    value = player.observe("tell", Request((0,))).value
    assert isinstance(value, str)
    return value


def test_a_cell_runs_and_its_function_answers(player):
    """The ordinary case: define, call, get the array back."""
    assert player.load([("a", "import numpy as np\ndef double(x): return 2 * x")]) == {}
    assert player.has("double")
    seen = player.observe("double", Request((np.array([1.0, 2.0]),)))
    np.testing.assert_array_equal(seen.value, [2.0, 4.0])


def test_a_failing_cell_names_its_line_and_the_next_cell_runs(player):
    """One broken cell costs itself only."""
    errors = player.load([("a", "x = 1\ny = x / 0"), ("b", "def f(x): return x"), ("c", "def g(:")])
    assert errors["a"] == "ZeroDivisionError: division by zero in line 2: y = x / 0"
    assert errors["c"].startswith("SyntaxError: invalid syntax in line 1: def g(:")
    assert player.has("f")


KERNEL = """
import math
def attention_kernel(thread, q, k, v, out, lse, tile):
    k_tile = thread.shared((tile, q.shape[1]))
    k_tile[0] = k[0]
    yield
    out[thread.position] = v[0]
    lse[thread.position] = q[thread.position] @ k_tile[0] / math.sqrt(q.shape[1])
"""


def test_a_kernel_runs_in_the_simulator_that_the_player_has(player):
    """The request says what calls it; a fault names the learner's own line."""
    assert player.load([("kernel", KERNEL)]) == {}
    asked = Request((np.eye(2), np.eye(2)[:1], np.ones((1, 3)), 1, 1, "first-in"), through=RUN)
    out, lse, traffic = player.observe("attention_kernel", asked).value
    np.testing.assert_array_equal(out, np.ones((2, 3)))
    np.testing.assert_array_equal(lse, [1 / math.sqrt(2), 0.0])
    assert traffic == "elements read: q 4, k 4, v 6; written: out 6, lse 2"
    crash = player.observe("attention_kernel", Request((*asked.inputs[:3], 2, 1, 0), through=RUN)).crash
    assert crash.kinds[0] == "KernelFault"
    assert crash.message.startswith("two writers: threads ")
    assert "(line 5 of attention_kernel, `k_tile[0] = k[0]`)" in crash.message
    assert (crash.line, crash.number) == ("", 0)


def test_what_is_printed_does_not_disturb_the_wire(player):
    """Output by print, by os.write and to the real standard error ends nowhere."""
    noise = "import os, sys\nprint('x' * 10000)\nos.write(1, b'garbage')\nprint('more', file=sys.__stderr__)\ndef f(x):\n    os.write(1, b'noise'); return x"
    assert player.load([("noise", noise)]) == {}
    assert player.observe("f", Request((3,))).value == 3


@pytest.mark.parametrize(
    "module",
    [
        "attn_core.softmax",
        "attn_core.attention",
        "autograder.tasks",
        "autograder.checking.engine",
        "autograder.judge.judge",
        "autograder.curriculum",
        "tests",
    ],
)
def test_the_reference_and_the_tests_cannot_be_imported(player, module):
    """Only attn_core.lab and the four modules that run functions are there."""
    found = look(
        player,
        f"import importlib\ntry:\n    importlib.import_module({module!r}); seen = 'imported'\nexcept ImportError: seen = 'absent'",
    )
    assert found == "absent"


def test_the_lab_can_be_imported(player):
    """What learners may always use is on their side of the wall."""
    assert look(player, "import attn_core.lab, numpy, torch\nseen = 'here'") == "here"


def test_a_notebook_that_plots_finds_its_library_warm(sandbox):
    """Who writes of matplotlib does not wait for it in every player; who does not, has none of it in memory."""
    code = "import sys\nseen = 'matplotlib.pyplot' in sys.modules"
    warm(sandbox).close()  # another test may have warmed it
    with Player(sandbox, SHORT) as plain:
        assert look(plain, code) == "False"
    with Player(sandbox, SHORT, ["matplotlib"]) as plots:
        assert look(plots, code) == "True"


def test_no_object_in_the_process_is_the_reference(player):
    """A search through all loaded modules and all objects finds no reference, no task and no expected value."""
    code = """
import gc, sys
names = [n for n in sys.modules if n.startswith(("attn_core", "autograder")) and not n.startswith("attn_core.lab")]
suspects = [o for o in gc.get_objects() if type(o).__name__ in ("Task", "Expectation", "Misconception", "Ledger")]
seen = (sorted(names), suspects)
"""
    assert look(player, code) == str(
        (
            [
                "attn_core",
                "autograder",
                "autograder.checking",
                "autograder.checking.cost",
                "autograder.checking.probe",
                "autograder.judge",
                "autograder.judge.enclosure",
                "autograder.judge.landlock",
                "autograder.judge.player",
                "autograder.judge.seccomp",
                "autograder.judge.wire",
                "autograder.judge.zygote",
            ],
            [],
        )
    )


def test_no_file_of_the_project_can_be_found(player):
    """A walk over the whole file system meets no file with the name and the size of one of the project's."""
    folders = [PROJECT / name for name in ("attn_core", "autograder", "solutions", "exercises", "tests")]
    files = [p for folder in folders for p in folder.rglob("*") if p.is_file() and not p.name.startswith("__")]
    ours = {
        (p.name, p.stat().st_size)
        for p in files
        if p.stat().st_size > 200 and "lab" not in p.parts and "__pycache__" not in p.parts
    }
    assert ("softmax.py", (PROJECT / "attn_core/softmax.py").stat().st_size) in ours
    code = f"""
import os, autograder
library = os.path.dirname(os.path.dirname(autograder.__file__))
ours, seen = {ours!r}, []
for folder, _, names in os.walk("/"):
    if not folder.startswith(("/proc", library, "/dev")):
        seen += [f"{{folder}}/{{n}}" for n in names if not os.path.islink(f"{{folder}}/{{n}}") and (n, os.path.getsize(f"{{folder}}/{{n}}")) in ours]
"""
    assert look(player, code) == "[]"


def test_the_player_folder_holds_the_allow_list_only(player):
    """The library of a player is exactly what stage.py copies."""
    code = """
import os, autograder
library = os.path.dirname(os.path.dirname(autograder.__file__))
seen = sorted(os.path.relpath(os.path.join(d, f), library) for d, _, fs in os.walk(library) for f in fs if '/lab' not in d)
"""
    assert look(player, code) == str(
        [
            "attn_core/__init__.py",
            "autograder/__init__.py",
            "autograder/checking/__init__.py",
            "autograder/checking/cost.py",
            "autograder/checking/probe.py",
            "autograder/judge/__init__.py",
            "autograder/judge/enclosure.py",
            "autograder/judge/landlock.py",
            "autograder/judge/player.py",
            "autograder/judge/seccomp.py",
            "autograder/judge/wire.py",
            "autograder/judge/zygote.py",
        ]
    )


@pytest.mark.parametrize(
    "path",
    [
        PROJECT / "attn_core",
        PROJECT / "solutions",
        PROJECT / ".git",
        Path.home(),
        Path("/etc/passwd"),
        Path("/var/log"),
    ],
)
def test_the_teachers_files_are_not_there(player, path):
    """Neither the project nor the home nor the system's configuration is mounted."""
    assert look(player, f"import os\ntry:\n    seen = os.listdir({str(path)!r})\nexcept OSError: seen = []") in (
        "[]",
        "['.pyenv']",
    )


def test_a_note_left_by_one_player_is_gone_for_the_next(sandbox):
    """Every player has its own temporary home; nothing passes from one submission to another."""
    places = ("os.path.expanduser('~/note')", "os.environ['TMPDIR'] + '/note'", "'/tmp/note'", "'/dev/shm/note'")
    leave = """
import os
seen = []
for place in ({}):
    try:
        open(place, "w").close()
        seen.append(place)
    except OSError:  # /tmp, where Python's own environment lies in it
        pass
""".format(", ".join(places))
    find = f"import os\nseen = [p for p in ({', '.join(places)}) if os.path.exists(p)]"
    with Player(sandbox, SHORT) as first:
        left = look(first, leave)
        assert left.count("note") >= 3
        assert look(first, find) == left
    with Player(sandbox, SHORT) as second:
        assert look(second, find) == "[]"


def test_the_player_has_no_rights(player):
    """Not root, no capability, no new privileges, no other process, no network."""
    code = """
import os, socket
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
try:
    socket.create_connection(("127.0.0.1", 22), 1); net = True
except OSError:
    net = False
seen = (os.geteuid() != 0, int(status["CapEff"], 16), status["NoNewPrivs"].strip(), len([p for p in os.listdir("/proc") if p.isdigit()]) <= 2, net)
"""
    assert look(player, code) == "(True, 0, '1', True, False)"


def test_the_environment_holds_nothing_of_the_teachers(player):
    """The variables are the player's own list."""
    names = set(eval(look(player, "import os\nseen = sorted(os.environ)")))  # noqa: S307 - a list of names, from our own probe
    assert names <= {
        "HOME",
        "LANG",
        "LC_CTYPE",
        "MPLBACKEND",
        "OMP_NUM_THREADS",
        "PATH",
        "PWD",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONHASHSEED",
        "TMPDIR",
    }


@pytest.mark.parametrize("folder", [*map(str, site_folders()), "/usr", "/dev", "/"])
def test_libraries_cannot_be_written(player, folder):
    """What one player could leave there, the next would import."""
    assert (
        look(
            player,
            f"import os\ntry:\n    open(os.path.join({folder!r}, 'x.pth'), 'w'); seen = 'written'\nexcept OSError: seen = 'refused'",
        )
        == "refused"
    )


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("while True: pass", "It did not finish within 2 seconds."),
        (
            "try:\n        while True: pass\n    except BaseException: pass\n    while True: pass",
            "It did not finish within 2 seconds.",
        ),
        ("import os; os._exit(7)", "It ended its own process (os._exit or similar, code 7)."),
        ("import ctypes; ctypes.string_at(0)", "It crashed the Python interpreter (SIGSEGV)."),
    ],
    ids=["loop", "loop that swallows", "exit", "segfault"],
)
def test_a_player_that_dies_says_why(player, body, sentence):
    """Loops and deaths become a sentence for the learner, and the process is gone."""
    assert player.load([("f", f"def f(x):\n    {body}")]) == {}
    with pytest.raises(PlayerDied) as caught:
        player.observe("f", Request((1,)))
    assert str(caught.value) == sentence


def test_a_forged_reply_is_only_data(player):
    """Bytes written straight to the judge's pipe end the player or are refused; they are never a result."""
    forge = """
import os
def f(x):
    for fd in range(3, 20):
        try: os.write(fd, b"\\0\\0\\0\\2\\0\\0\\0\\0{}")
        except OSError: pass
    return x
"""
    player.load([("f", forge)])
    with pytest.raises(PlayerDied, match="The reply does not belong to the question"):
        player.observe("f", Request((1,)))


def test_a_huge_result_is_refused(player):
    """An array over the cap costs the task it happened in."""
    player.load([("f", "import numpy as np\ndef f(x): return np.zeros(9_000_000)")])
    with pytest.raises(PlayerDied, match=r"a part of the reply has 72000000 bytes; at most 16777216 are accepted"):
        player.observe("f", Request((1,)))


def test_a_player_has_one_descriptor_besides_the_standard_ones(player):
    """Nothing of the warm process's or the judge's is inherited."""
    assert look(
        player,
        "import os, stat\nseen = []\nfor f in range(99):\n    try: seen.append((f, stat.S_ISSOCK(os.fstat(f).st_mode)))\n    except OSError: pass",
    ) == str([(0, False), (1, False), (2, False), (3, True)])


@pytest.mark.parametrize(
    "call", ["unshare", "ptrace", "keyctl", "bpf", "io_uring_setup", "userfaultfd", "perf_event_open"]
)
def test_calls_that_no_answer_needs_are_refused(player, call):
    """The filter refuses them before the kernel looks at their arguments."""
    number = seccomp.NUMBERS[call][seccomp.ARCHITECTURES[platform.machine()][1]]
    assert (
        look(
            player,
            f"import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nseen = (libc.syscall({number}, 0, 0, 0, 0, 0, 0), ctypes.get_errno())",
        )
        == "(-1, 1)"
    )


def test_what_a_killed_judge_left_behind_is_removed_by_the_next(sandbox, tmp_path, monkeypatch):
    """Its folder names its process, which is gone; the folder of one that runs stays."""
    monkeypatch.setattr("autograder.judge.process._outside_tmp", lambda: str(tmp_path))
    os.chmod(tmp_path, 0o755)
    gone = subprocess.Popen(["true"])
    gone.wait()
    for process in (gone.pid, os.getpid()):
        (tmp_path / f"attn-player-{process}-abc").mkdir()
    warm(sandbox).close()
    warm(sandbox).close()  # the first call may have found one that was warm
    assert [p.name for p in tmp_path.iterdir()] == [f"attn-player-{os.getpid()}-abc"]


def test_nothing_is_left_in_the_temporary_folder(sandbox, tmp_path, monkeypatch):
    """A player's library folder is removed with it."""
    monkeypatch.setattr("autograder.judge.process._outside_tmp", lambda: str(tmp_path))
    os.chmod(tmp_path, 0o755)
    with Player(sandbox, SHORT) as player:
        assert player.load([]) == {}
    warm(sandbox).close()
    with Player(sandbox, SHORT) as player:  # starts a new warm process
        assert list(tmp_path.iterdir()) != []
    warm(sandbox).close()
    assert list(tmp_path.iterdir()) == []
