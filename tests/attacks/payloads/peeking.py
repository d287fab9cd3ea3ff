"""Peeking: looking for the reference, the tests, the secret, the gradebook, other learners and the teacher."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

from attack import CODEC, FILES, JUDGE, NOTHING_GOT, PROCESSES, SAY_GOT, Attack, attempts, probe


class Payload:
    """Runs `open(...)` when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        """What pickle calls."""
        return open, (self.path, "w")


def _pickled(folder: Path, words: Mapping[str, str]) -> None:
    """Row 68: data files that run code for whoever loads them."""
    data = pickle.dumps(Payload(f"{words['OUTSIDE']}/{words['MARK']}"))
    for name in ("weights.pt", "data.pkl", "results.pickle", ".OTTER_LOG", "cache.npy"):
        (folder / name).write_bytes(data)


READ = """
def read(path):
    found = os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(1)
    if not found: raise OSError
"""
HOOK = """
import sys
files = set()
sys.setprofile(lambda frame, event, arg: files.add(frame.f_code.co_filename))
def softmax(scores, axis=-1):
    sys.setprofile(None)
    foreign = [f for f in files if 'tasks' in f or 'engine' in f or '/tests/' in f or 'solutions' in f or 'attn_core/' in f and '/lab' not in f]
    raise RuntimeError(f'got {foreign}')
"""
# The words stand here backwards, or it would find itself.
OWN_MEMORY = """
import gc
words = ['elacs eht tuo sevael', 'bd.koobedarg', 'NEKOT_SREHCAET', 'snoitpecnocsim']
for holder in gc.get_objects():
    for o in gc.get_referents(holder):
        if isinstance(o, (str, bytes)) and len(o) < 1 << 20:
            text = o if isinstance(o, str) else o.decode('latin-1')
            got += [w for w in words if w in text[::-1] and w not in got]
"""
DESCRIPTORS = """
import os, stat
for fd in range(3, 1024):
    try: about = os.fstat(fd)
    except OSError: continue
    if stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode):
        where = os.readlink(f'/proc/self/fd/{fd}')
        if not where.startswith(('/learner', '/usr', '@SITE@', '/proc/self')) : got.append(where)
"""
SNOOP = """
import os
mine = os.getpid()
for pid in [p for p in os.listdir('/proc') if p.isdigit() and int(p) != mine]:
    for name in ('environ', 'mem', 'maps', 'cwd', 'root', 'fd'):
        try:
            path = f'/proc/{pid}/{name}'
            seen = os.listdir(path) if name in ('fd', 'cwd', 'root') else open(path, 'rb').read(64)
            if seen and name in ('environ', 'maps') and b'TEACHERS' not in seen: continue
            if seen: got.append(path)
        except (OSError, OverflowError): pass
"""
PEER_MEMORY = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
class Vec(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]
space = ctypes.create_string_buffer(64)
local, remote = Vec(ctypes.addressof(space), 64), Vec(0x400000, 64)
for pid in [p for p in range(1, 300) if p != os.getpid()]:
    if libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) > 0: got.append(pid)
"""
UPWARDS = """
import os
for fd in [*range(3, 64), None]:
    for path in ('../' * 12 + 'etc/shadow', '../' * 12 + '@COURSE@'.lstrip('/'), '../' * 12 + '@PROJECT@/solutions'.lstrip('/')):
        try:
            os.close(os.open(path, os.O_RDONLY, dir_fd=fd)); got.append((fd, path))
        except OSError: pass
"""

ATTACKS = (
    Attack("13", "Hook every call and look which tests run", JUDGE, softmax=HOOK, says="got []"),
    probe(
        "14",
        "Search the garbage collector, the modules and all closures for the reference",
        JUDGE,
        "import gc, sys\nfor o in gc.get_objects():\n    if type(o).__name__ in ('Task', 'Misconception', 'Expectation', 'Property', 'Tolerance', 'Gradebook'): got.append(type(o).__name__)\nfor f in gc.get_objects():\n    code = getattr(f, '__code__', None)\n    if getattr(code, 'co_filename', '').rpartition('/')[2] in ('softmax.py', 'engine.py', 'diagnose.py', 'mistakes.py'): got.append(code.co_filename)",
    ),
    probe(
        "15",
        "Import the reference and return it",
        FILES,
        attempts(
            "__import__('attn_core.softmax')",
            "__import__('attn_core.attention')",
            "__import__('attn_core.conventions')",
            "__import__('autograder.tasks.mistakes')",
            "__import__('autograder.checking.engine')",
            "__import__('autograder.judge.judge')",
            "__import__('autograder.classroom.gradebook')",
            setup="import sys\nsys.path[:0] = ['@PROJECT@', '@PROJECT@/solutions', '@PROJECT@/tests']",
        ),
    ),
    probe(
        "16",
        "Read the solutions, the graders and the tests from disk",
        FILES,
        attempts(
            "read('@PROJECT@/solutions')",
            "read('@PROJECT@/solutions/06_scaling.py')",
            "read('@PROJECT@/autograder/tasks')",
            "read('@PROJECT@/attn_core/softmax.py')",
            "read('@PROJECT@/tests')",
            "read('@PROJECT@/.git')",
            "read('@COURSE@/../solutions')",
            "read('/proc/1/root@PROJECT@/solutions')",
            "read('/proc/1/cwd/solutions')",
            "read('/proc/self/cwd/../solutions')",
            setup="import os" + READ,
        ),
    ),
    probe(
        "17",
        "Read the other learners' submissions",
        FILES,
        attempts(
            "read('@COURSE@/submitted')",
            "read('@COURSE@/submitted/00/06_scaling/06_scaling.ipynb')",
            "read('@COURSE@/autograded')",
            "read('@COURSE@/feedback')",
            "read('@COURSE@/journal')",
            setup="import os" + READ,
        ),
    ),
    probe(
        "20",
        "Look for test files beside the working directory",
        FILES,
        "import os, sys\nfor root in ('.', os.path.dirname(sys.modules['autograder'].__file__), '/tests', '/autograder', '/grade'):\n    for folder, _, names in os.walk(root):\n        if '/proc' in folder or folder.count('/') > 6: continue\n        got += [n for n in names if n.startswith(('test_', 'hidden')) or n in ('ans.py', 'softmax.py', 'engine.py')]",
    ),
    Attack(
        "68",
        "Ship pickles and .pt files that run code when they are loaded",
        CODEC,
        folder=_pickled,
        before="import os\ngot, how = [n for n in ('weights.pt', 'data.pkl', 'results.pickle') if os.path.exists(n)], 'after all attempts'",
        softmax=SAY_GOT,
        says=NOTHING_GOT,
    ),
    probe(
        "P1",
        "Read the secret from which all inputs are drawn, the settings and the gradebook",
        FILES,
        attempts(
            "read('@COURSE@/secret')",
            "read('@COURSE@/course.toml')",
            "read('@COURSE@/gradebook.db')",
            setup="import os" + READ,
        ),
    ),
    probe(
        "P2",
        "Read the teacher's environment and home",
        FILES,
        "import os\ngot += [k for k in os.environ if k in ('TEACHERS_TOKEN', 'SUDO_USER', 'SSH_AUTH_SOCK', 'VIRTUAL_ENV')]\n"
        + attempts(
            "read('@HOME@/.ssh')",
            "read('@HOME@/.bashrc')",
            "read('@HOME@/.cache')",
            "read('/etc/shadow')",
            "read('/etc/passwd')",
            setup=READ,
        ),
    ),
    probe("P3", "Look through /proc at other processes' memory, files and environment", PROCESSES, SNOOP),
    probe("P4", "Inherit open files of the grader", FILES, DESCRIPTORS),
    probe("P5", "Read other processes' memory with process_vm_readv", PROCESSES, PEER_MEMORY),
    probe("P6", "Search the own memory for what the parent process has known", JUDGE, OWN_MEMORY),
    probe("P7", "Climb out with .. from the working directory and from every inherited descriptor", FILES, UPWARDS),
    probe(
        "P8",
        "Read the kernel's log, other users' mail and the disks",
        FILES,
        attempts(
            "read('/dev/kmsg')",
            "read('/dev/sda')",
            "read('/dev/vda')",
            "read('/dev/mem')",
            "read('/var/log')",
            "read('/var/mail')",
            "read('/home')",
            "read('/run')",
            "read('/sys')",
            "read('/proc/kcore')",
            "read('/proc/kallsyms') and None or int(open('/proc/kallsyms').readline().split()[0], 16) or 1 / 0",
            setup="import os" + READ,
        ),
    ),
)
