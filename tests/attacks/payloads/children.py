"""Own processes: what children could do in a course whose settings allow them. By default a player may have none."""

from __future__ import annotations

from attack import INSIDE_ONLY, LIMITS, PROCESSES, RIGHTS, Attack, probe

NAMED = "import ctypes, os, signal, time\ndef named(): ctypes.CDLL(None).prctl(15, b'@MARK@', 0, 0, 0)\n"
DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        named()
        for _ in range(600):
            time.sleep(0.1)
            try: open('@OUTSIDE@/@MARK@', 'a').write('x')
            except OSError: pass
    os._exit(0)
os.wait()
"""
BOMB = """
made = 0
for _ in range(400):
    try: pid = os.fork()
    except OSError: break
    if pid == 0:
        named()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
        os._exit(0)
    made += 1
if made >= 400: got.append(made)
"""
ANSWERS_FOR_ITS_PARENT = """
import struct
def softmax(scores, axis=-1):
    if os.fork() == 0:
        named()
        text = b'{"id": %d, "value": 5.0, "gradients": {"$tuple": []}, "changed": {"$tuple": []}, "flags": {"$tuple": [false, false]}, "cost": null, "crash": null}'
        for id in range(300):
            try: os.write(3, struct.pack('>II', len(text % id), 0) + text % id)
            except OSError: break
        time.sleep(60)
        os._exit(0)
    time.sleep(0.05)
    return np.zeros_like(scores)
"""
KILLS_ITS_PARENT = """
if os.fork() == 0:
    for s in (signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV):
        try: os.kill(1, s)
        except OSError: pass
    os._exit(0)
time.sleep(0.05)
"""
TRACES_ITS_PARENT = """
libc = ctypes.CDLL(None)
reader, writer = os.pipe()
if os.fork() == 0:
    if libc.ptrace(16, 1, 0, 0) == 0: os.write(writer, b'attached')
    try: open('/proc/1/mem', 'rb').read(1); os.write(writer, b'memory')
    except (OSError, ValueError): pass
    os._exit(0)
os.close(writer)
if said := os.read(reader, 64): got.append(said)
"""

ATTACKS = (
    Attack("D1", "A daemon in a session of its own that outlives the grading", PROCESSES, before=NAMED + DAEMON),
    probe(
        "D2",
        "Four hundred processes that ignore the signal to end, when the next player wants to start",
        LIMITS,
        NAMED + BOMB,
    ),
    Attack(
        "D3",
        "A child that answers the judge in its parent's place",
        PROCESSES,
        before=NAMED + ANSWERS_FOR_ITS_PARENT,
        softmax="pass",
        says="softmax: ",
    ),
    Attack(
        "D4",
        "A child that stops and kills its parent",
        PROCESSES,
        before=INSIDE_ONLY + NAMED + KILLS_ITS_PARENT,
        breaks_itself=True,
    ),
    probe("D5", "A child that traces its parent and reads its memory", RIGHTS, INSIDE_ONLY + NAMED + TRACES_ITS_PARENT),
    Attack(
        "D6",
        "Programs of the system in the background: shells, interpreters, nohup, setsid",
        PROCESSES,
        before="import os, subprocess\nchildren = []\nfor command in (['sleep', '60'], ['setsid', 'sleep', '60'], ['nohup', 'sh', '-c', 'exec -a @MARK@ sleep 60'], ['sh', '-c', 'sleep 60 & sleep 60 & exit 0'], ['python3', '-c', 'import time; time.sleep(60)', '@MARK@']):\n    try: children.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))\n    except OSError: pass",
    ),
    Attack(
        "D7",
        "Hold the wire open in a child after the parent has ended",
        PROCESSES,
        before=NAMED,
        softmax="def softmax(scores, axis=-1):\n    if os.fork() == 0:\n        named()\n        time.sleep(60)\n    os._exit(0)",
        says="softmax: crashed",
    ),
)
