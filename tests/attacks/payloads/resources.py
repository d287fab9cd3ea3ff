"""Resources: time, memory, processes, threads, files, output. All sizes are bounded, should a limit be missing."""

from __future__ import annotations

from attack import HONEST, JUDGE, LIMITS, PAGES, PROCESSES, SOFTMAX, Attack, Notebook, attempts, probe


def _deadly_cells(notebook: Notebook) -> None:
    cells = [
        {"cell_type": "code", "id": f"deadly-{i}", "metadata": {}, "source": "import os\nos._exit(7)"} for i in range(6)
    ]
    first = next(i for i, cell in enumerate(notebook["cells"]) if cell["cell_type"] == "code")
    notebook["cells"][first:first] = cells


FORK = """
import os, time
made = 0
for _ in range(300):
    try: pid = os.fork()
    except OSError: break
    if pid == 0:
        time.sleep(20)
        os._exit(0)
    made += 1
if made >= 256: got.append(made)
"""
# Not threading.Thread: its start() waits for ever when memory runs out just as the new thread begins to run.
THREADS = """
import _thread, threading, time
stop, running = threading.Event(), []
def wait():
    running.append(1)
    stop.wait(60)
try:
    for _ in range(3000): _thread.start_new_thread(wait, ())
except (RuntimeError, MemoryError): pass
time.sleep(0.5)
stop.set()
if len(running) >= 3000: got.append(len(running))
"""
DISK = """
import os
for place in (os.path.expanduser('~'), '/dev/shm', '/tmp', '/dev', '/var/tmp', '/run'):
    written, files = 0, []
    try:
        while written < 320 << 20:    # more than twice what is allowed
            files.append(os.path.join(place, f'@MARK@-{len(files)}'))
            with open(files[-1], 'wb') as file:
                for _ in range(20): written += file.write(bytes(1 << 20))
    except OSError: pass
    for path in files:
        if os.path.exists(path): os.unlink(path)
    if written >= 320 << 20: got.append(place)
"""
SLOW_LORIS = """
import time
def softmax(scores, axis=-1):
    time.sleep(1.2)
    return np.zeros_like(scores)
"""


UNMAPPED = """
import os
taken, kept, part = 0, [], bytes(1 << 20)
try:
    for _ in range(6):
        kept.append(os.memfd_create('x'))
        for _ in range(60): taken += os.write(kept[-1], part)
except OSError: pass
for fd in kept: os.close(fd)
if taken > 300 << 20: got.append(f'{taken >> 20} MiB')
"""
SYSTEM_V = """
import ctypes
libc = ctypes.CDLL(None)
if libc.shmget(0, ctypes.c_size_t(8 << 30), 0o1600) >= 0: got.append('8 GiB of shared memory')
if sum(libc.semget(0, 32000, 0o1600) >= 0 for _ in range(40)) == 40: got.append('40 sets of 32000 semaphores')
"""


def stops(
    id: str, title: str, body: str, says: str = "softmax: crashed", before: str = "", layer=LIMITS, **more
) -> Attack:
    """softmax has this body; it costs softmax and nothing else."""
    return Attack(
        id, title, layer, before=before, softmax=f"def softmax(scores, axis=-1):\n    {body}", says=says, **more
    )


ATTACKS = (
    stops(
        "31",
        "Leave through SystemExit, in a cell and in the function",
        "raise SystemExit(0)",
        before="import sys\nsys.exit(0)",
    ),
    stops("32", "An endless loop", "while True: pass", says="did not finish within"),
    stops(
        "33",
        "A loop that swallows every interruption",
        "import signal\n    [signal.signal(s, lambda *a: None) for s in range(1, 64) if s not in (9, 19, 32, 33)]\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass",
        says="softmax: crashed",
    ),
    stops("34", "A memory bomb: 16 GiB", "return bytearray(16 << 30)", says="MemoryError"),
    probe("35", "A fork bomb (300 processes)", LIMITS, FORK, breaks_itself=True),
    probe(
        "36",
        "Fill the disk: one large file, a sparse one, an endless home",
        LIMITS,
        attempts(
            "open('big', 'wb').truncate(1 << 40)",
            "os.posix_fallocate(os.open('big', os.O_CREAT | os.O_RDWR), 0, 8 << 30)",
            setup="import os, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
        )
        + DISK,
    ),
    stops(
        "37",
        "Print 80 MB of HTML",
        "print('<b>x</b>' * 100_000)\n    return np.zeros_like(scores)",
        before="print('<b>x</b>' * 10_000_000)",
        says="softmax: wrong",
        layer=PAGES,
    ),
    stops(
        "38",
        "Print 300 000 lines, to stdout, stderr and straight to the descriptors",
        "import os, sys\n    for _ in range(3000):\n        print('x' * 50)\n        print('y' * 50, file=sys.stderr)\n        os.write(1, b'z' * 50 + b'\\n')\n        os.write(2, b'z' * 50 + b'\\n')\n    return np.zeros_like(scores)",
        before="for _ in range(300_000): print('a line')",
        says="softmax: wrong",
        layer=PAGES,
    ),
    Attack(
        "71",
        "No attack: right answers that warn and write to stderr",
        JUDGE,
        before="import sys, warnings\nwarnings.warn('careful')\nprint('careful', file=sys.stderr)",
        softmax=SOFTMAX.replace(
            "    peak = scores.max",
            "    import sys, warnings\n    warnings.warn('careful')\n    print('careful', file=sys.stderr)\n    peak = scores.max",
            1,
        ),
        earns=HONEST + 3,
        says="softmax_jacobian: not attempted",
        note="a warning is no mistake",
    ),
    probe(
        "R1",
        "Open all descriptors that there are",
        LIMITS,
        "import os\nkept = []\ntry:\n    while len(kept) < 20_000: kept.append(os.open('/dev/null', os.O_RDONLY))\nexcept OSError: pass\nif len(kept) >= 20_000: got.append(len(kept))\nfor fd in kept: os.close(fd)",
    ),
    probe("R2", "Start three thousand threads", LIMITS, THREADS),
    probe(
        "R3",
        "Map a terabyte, with and without reserving it",
        LIMITS,
        attempts(
            "mmap.mmap(-1, 1 << 40)",
            "mmap.mmap(-1, 1 << 40, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)",
            "np.zeros(1 << 37)",
            "torch.zeros(1 << 37)",
            "np.memmap('sparse', mode='w+', shape=(1 << 40,))",
            setup="import mmap, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
        ),
    ),
    stops(
        "R4",
        "Memory that no limit of one mapping sees: many small ones",
        "kept = []\n    while len(kept) < 3_000: kept.append(np.ones(1 << 20))\n    return np.zeros_like(scores)",
        says="softmax: crashed",
    ),
    stops(
        "R5",
        "A shared memory file that grows",
        "import os, mmap\n    fd = os.memfd_create('x')\n    os.ftruncate(fd, 8 << 30)\n    m = mmap.mmap(fd, 8 << 30)\n    return np.zeros_like(scores)",
        says="softmax: crashed",
    ),
    Attack(
        "R6",
        "Sleep in every call, each time a little less than is allowed",
        LIMITS,
        softmax=SLOW_LORIS,
        says="softmax: crashed",
    ),
    stops("R7", "Endless recursion", "return softmax(scores)", says="RecursionError"),
    stops(
        "R8",
        "Recursion without Python's limit, until the C stack ends",
        "import sys\n    sys.setrecursionlimit(10**9)\n    def down(x): return list(map(down, [x]))\n    return down(1)",
        says="softmax: crashed",
    ),
    stops("R9", "A number of a billion digits", "return 9 ** 9 ** 9", says="softmax: crashed"),
    stops(
        "R10",
        "A regular expression that never ends",
        "import re\n    re.match(r'(a+)+$', 'a' * 64 + 'b')",
        says="softmax: crashed",
    ),
    stops(
        "R11",
        "Abort with a core dump",
        "import os, resource\n    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n    os.abort()",
        says="softmax: crashed",
    ),
    stops("R12", "Stop the own process (SIGSTOP)", "import os\n    os.kill(os.getpid(), 19)", says="softmax: "),
    stops(
        "R13",
        "Timers and signal handlers that go off in the grader's code",
        "import signal\n    signal.signal(signal.SIGALRM, lambda *a: (_ for _ in ()).throw(SystemExit))\n    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\n    return np.zeros_like(scores)",
        says="softmax: ",
        breaks_itself=True,
    ),
    stops(
        "R14",
        "Stop the clocks: time.time and time.monotonic stand still",
        "import time\n    time.sleep(0.01)\n    while True: pass",
        before="import time\ntime.time = time.monotonic = time.perf_counter = lambda: 0.0",
        says="did not finish within",
    ),
    probe(
        "R15",
        "A command line of a hundred megabytes",
        LIMITS,
        attempts(
            "subprocess.run(['/bin/true', 'x' * 100_000_000], timeout=2)",
            "os.execv('/bin/true', ['x' * 100_000_000])",
            "subprocess.run(['/bin/true', *['x' * 100_000] * 1000], timeout=2)",
            setup="import subprocess",
        ),
    ),
    stops(
        "R16",
        "Processes that survive in another session while the call goes on",
        "import os\n    if os.fork() == 0:\n        os.setsid()\n        import time; time.sleep(30); os._exit(0)\n    while True: pass",
        says="softmax: crashed",
        layer=PROCESSES,
    ),
    stops("R17", "An array of 60 MB, once per call", "return np.ones(7_500_000)", says="softmax: "),
    stops(
        "R18", "A string of a hundred million characters as the result", "return 'x' * 100_000_000", says="softmax: "
    ),
    stops(
        "R19",
        "A cell that never ends, with the answers after it",
        "return np.zeros_like(scores)",
        before="while True: pass",
        says="softmax",
        breaks_itself=True,
    ),
    stops(
        "R20",
        "A cell that takes all memory",
        "return np.zeros_like(scores)",
        before="try:\n    kept = []\n    while len(kept) < 3_000: kept.append(bytearray(1 << 23))\nexcept MemoryError: pass",
        says="softmax",
        breaks_itself=True,
    ),
    probe("R21", "Memory in files that are never mapped (memfd)", LIMITS, UNMAPPED),
    probe("R22", "System V shared memory, semaphores and queues without end", LIMITS, SYSTEM_V),
    probe(
        "R23",
        "Millions of empty files",
        LIMITS,
        "import os\nfor place in (os.path.expanduser('~'), '/dev/shm'):\n    if os.path.isdir(place) and os.statvfs(place).f_files > 200_000 and os.access(place, os.W_OK): got.append(place)",
    ),
    probe(
        "R24",
        "Make the process dumpable again, so that its crash is stored by the machine",
        LIMITS,
        "import ctypes\nlibc = ctypes.CDLL(None)\nif libc.prctl(4, 1, 0, 0, 0) == 0 and libc.prctl(3, 0, 0, 0, 0) == 1: got.append('dumpable')",
    ),
    stops(
        "R25",
        "Become another program, which keeps the wire",
        "import os\n    os.execv('/bin/sleep', ['@MARK@', '30'])",
        layer=PROCESSES,
    ),
    stops(
        "R26",
        "A string of a million characters as the result, below every limit",
        "return 'x' * 900_000",
        says="softmax: wrong",
        layer=PAGES,
    ),
    stops("R27", "Fifteen megabytes in every reply, below every limit", "return np.zeros(1_900_000)", says="softmax: "),
    Attack(
        "R28",
        "Six cells that each end their process, before the answers",
        LIMITS,
        edit=_deadly_cells,
        breaks_itself=True,
        says="Running the notebook's cells failed",
    ),
)
