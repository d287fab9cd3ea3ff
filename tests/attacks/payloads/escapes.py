"""Ways out: the network, other processes, namespaces, devices, and system calls that no exercise needs."""

from __future__ import annotations

from attack import FILES, INSIDE_ONLY, LIMITS, NETWORK, PROCESSES, RIGHTS, Attack, attempts, probe

LIBC = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.syscall.restype = ctypes.c_long\ndef ok(result):\n    if result < 0: raise OSError\n    return result\n"
CONNECT = "import socket\ndef tcp(host, port):\n    with socket.create_connection((host, port), 0.3) as s: s.sendall(b'@MARK@')\ndef unix(name):\n    with socket.socket(socket.AF_UNIX) as s: s.connect(name)\n"
OWN_ADDRESSES = """
import socket
for host in ('127.0.0.1', '0.0.0.0', '::1', 'localhost', '10.0.2.2', '172.17.0.1', '169.254.169.254'):
    try: tcp(host, @PORT@); got.append(host)
    except OSError: pass
try: unix('\\0@MARK@-teacher'); got.append('abstract')
except OSError: pass
for name in ('/var/run/docker.sock', '/run/dbus/system_bus_socket', '/run/systemd/private', '/tmp/.X11-unix/X0'):
    try: unix(name); got.append(name)
    except OSError: pass
try:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s: s.sendto(b'@MARK@', ('192.0.2.1', 53)); got.append('udp')
except OSError: pass
"""
KERNELS = """
import glob, json, os
for folder in ('@HOME@/.local/share/jupyter/runtime', '/tmp', os.path.expanduser('~/.local/share/jupyter/runtime')):
    got += glob.glob(os.path.join(folder, 'kernel-*.json'))
for port in range(5555, 5560):
    try: tcp('127.0.0.1', port); got.append(port)
    except OSError: pass
"""
KILL_ALL = """
import os, signal
if os.getpid() == 1:    # the first process of a namespace of its own, never outside of a sandbox
    for target in (1, 2, os.getppid(), 0, -1):
        for s in (signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL):
            try: os.kill(target, s)
            except OSError: pass
def softmax(scores, axis=-1):
    if os.getpid() == 1:
        os.kill(-1, signal.SIGKILL)
        os.kill(0, signal.SIGKILL)
    return np.zeros_like(scores)
"""
PTRACE = """
ATTACH, SEIZE = 16, 0x4206
for pid in [1, os.getppid(), *[int(p) for p in os.listdir('/proc') if p.isdigit()]]:
    if pid == os.getpid() or pid == 0: continue
    for request in (ATTACH, SEIZE):
        if libc.ptrace(request, pid, 0, 0) == 0: got.append((pid, request))
"""
MOUNT = attempts(
    "ok(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None))",
    "ok(libc.mount(b'/', b'/tmp', None, 4096, None))",
    "ok(libc.mount(None, b'/usr', None, 32 | 4096, None))",
    "ok(libc.umount2(b'/proc', 2))",
    "ok(libc.syscall(428, -1, b'/', 1))",
    "ok(libc.syscall(430, b'tmpfs', 0))",
    "ok(libc.syscall(155, b'/', b'/tmp'))",
    "os.chroot('/tmp')",
    setup=INSIDE_ONLY + LIBC,
)
UNSHARE = """
for name, flag in (('user', 0x10000000), ('mount', 0x20000), ('pid', 0x20000000), ('net', 0x40000000), ('ipc', 0x8000000), ('time', 0x80)):
    child = os.fork() if forks else 0
    if libc.unshare(flag) == 0:
        if not child: got.append(name)
    if forks and child == 0: os._exit(0)
"""
ODD_CALLS = (
    ("bpf", "321, 0, 0, 0"),
    ("perf_event_open", "298, ctypes.create_string_buffer(128), 0, -1, -1, 0"),
    ("userfaultfd", "323, 0"),
    ("io_uring_setup", "425, 4, ctypes.create_string_buffer(120)"),
    ("keyctl", "250, 0, -3, 1"),
    ("add_key", "248, b'user', b'@MARK@', b'x', 1, -2"),
    ("kexec_load", "246, 0, 0, 0, 0"),
    ("init_module", "175, 0, 0, b''"),
    ("open_by_handle_at", "304, -100, ctypes.create_string_buffer(64), 0"),
    ("fanotify_init", "300, 0, 0"),
    ("acct", "163, b'/tmp/acct'"),
    ("swapon", "167, b'/tmp/swap', 0"),
    ("settimeofday", "164, ctypes.create_string_buffer(16), 0"),
    ("sethostname", "170, b'taken', 5"),
    ("syslog", "103, 3, ctypes.create_string_buffer(64), 64"),
)
ODD_CODE = (
    INSIDE_ONLY
    + LIBC
    + "\n".join(f"if libc.syscall({arguments}) >= 0: got.append({name!r})" for name, arguments in ODD_CALLS)
)
WARM_PROCESS = """
import socket, sys
seen = []
f = sys._getframe()
while f := f.f_back:
    for name, value in [*f.f_locals.items()]:
        if isinstance(value, socket.socket) and value.fileno() != 3:
            seen.append(name)
            try:
                value.sendall(b'{"op": "end", "pid": 1}\\n')
                got.append(name)
            except OSError: pass
        if name == 'home_of_processes':
            seen.append(name)
            try:
                sys.modules['autograder.judge.enclosure'].join(value, 0x20000000)
                got.append(name)
            except OSError: pass
for fd in range(4, 256):
    try:
        os.write(fd, b'{"op": "fork", "plan": {}}\\n')
        got.append(fd)
    except OSError: pass
"""
SETUID = """
import glob, os, subprocess
for path in ('/usr/bin/su', '/usr/bin/passwd', '/usr/bin/mount', '/usr/bin/sudo', '/usr/bin/newgrp', '/usr/bin/chsh'):
    if os.path.exists(path):
        try:
            done = subprocess.run([path, '-c', 'id -u'], capture_output=True, timeout=1, stdin=subprocess.DEVNULL)
            if done.stdout.strip() == b'0': got.append(path)
        except (OSError, subprocess.SubprocessError): pass
"""

ATTACKS = (
    probe("39", "Open a connection to the teacher's machine and beyond", NETWORK, CONNECT + OWN_ADDRESSES),
    probe("40", "Find other kernels and talk to them over loopback", NETWORK, CONNECT + KERNELS),
    Attack(
        "41",
        "kill(1), kill(parent), kill(-1) and kill(0)",
        PROCESSES,
        before=KILL_ALL,
        softmax=KILL_ALL,
        breaks_itself=True,
        says="softmax: crashed",
    ),
    probe("42", "ptrace the parent, the first process and all others", RIGHTS, INSIDE_ONLY + LIBC + PTRACE),
    probe("E1", "Mount, remount, unmount, pivot, chroot", RIGHTS, MOUNT),
    probe("E2", "Make namespaces of one's own, with all rights in them", RIGHTS, LIBC + "forks = False" + UNSHARE),
    probe(
        "E3",
        "Fifteen system calls that no exercise needs: bpf, perf_event_open, userfaultfd, io_uring, …",
        RIGHTS,
        ODD_CODE,
    ),
    probe(
        "E30",
        "Become root: setuid(0), capabilities, setuid programs",
        RIGHTS,
        attempts(
            "os.setuid(0)",
            "os.setresuid(0, 0, 0)",
            "os.setgroups([0])",
            "os.seteuid(0)",
            "ok(libc.capset(ctypes.create_string_buffer(b'\\x22\\x05\\x08\\x20' + b'\\0' * 4), ctypes.create_string_buffer(b'\\xff' * 24)))",
            setup=LIBC,
        )
        + SETUID,
    ),
    probe(
        "E31",
        "Raw packets, netlink, vsock and other socket families",
        NETWORK,
        attempts(
            "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
            "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
            "socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).connect((2, 22))",
            "socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).bind(('hash', 'sha256'))",
            "socket.socket(31, socket.SOCK_RAW, 1)",
            setup="import socket",
        ),
    ),
    probe(
        "E32",
        "Write to /proc and /sys",
        RIGHTS,
        attempts(
            "write('/proc/sysrq-trigger', '')",
            "write('/proc/sys/kernel/hostname', 'taken')",
            "write('/proc/sys/kernel/core_pattern', '|/tmp/x')",
            "write('/proc/sys/vm/drop_caches', '0')",
            "write('/proc/1/oom_score_adj', '1000')",
            "write('/proc/self/oom_score_adj', '-1000')",
            "write('/sys/kernel/mm/ksm/run', '0')",
            "write('/proc/self/uid_map', '0 0 1')",
            setup=INSIDE_ONLY + "def write(path, text):\n    with open(path, 'w') as f: f.write(text)",
        ),
    ),
    probe(
        "E33",
        "Make device nodes and open the machine's",
        FILES,
        attempts(
            "os.mknod('/tmp/null', 0o020666, os.makedev(1, 3))",
            "os.mknod('/dev/disk', 0o060666, os.makedev(8, 0))",
            "open('/dev/fuse', 'rb')",
            "open('/dev/kvm', 'rb')",
            "open('/dev/loop-control', 'rb')",
            "open('/dev/net/tun', 'rb')",
            "open('/dev/nvidia0', 'rb')",
            "open('/dev/vhost-vsock', 'rb')",
        ),
    ),
    probe(
        "E34",
        "Type into the teacher's terminal (TIOCSTI, TIOCLINUX)",
        PROCESSES,
        attempts(
            "fcntl.ioctl(os.open('/dev/tty', os.O_RDWR), 0x5412, b'x')",
            "fcntl.ioctl(0, 0x5412, b'x')",
            "fcntl.ioctl(1, 0x541C, b'\\2')",
            "[fcntl.ioctl(fd, 0x5412, b'x') for fd in range(64)]",
            setup=INSIDE_ONLY + "import fcntl, os",
        ),
    ),
    probe(
        "E35",
        "Raise the limits again",
        LIMITS,
        attempts(
            "resource.setrlimit(resource.RLIMIT_AS, (1 << 50, 1 << 50))",
            "resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6))",
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 50, 1 << 50))",
            "resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30))",
            "resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))",
            "resource.prlimit(1, resource.RLIMIT_AS, (1 << 50, 1 << 50))",
            setup="import resource",
        ),
    ),
    probe(
        "E36",
        "Take priority: nice, real time, I/O classes, all processors",
        RIGHTS,
        attempts(
            "os.nice(-20)",
            "os.setpriority(os.PRIO_PROCESS, 1, -20)",
            "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))",
            "os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))",
            "ok(libc.syscall(251, 1, 0, 1 << 13))",
            setup=LIBC,
        ),
    ),
    probe(
        "E37",
        "Signal and stop other processes by number, group and pidfd",
        PROCESSES,
        LIBC
        + "for pid in range(2, 400):\n    if pid == os.getpid(): continue\n    try: os.kill(pid, 0); got.append(pid)\n    except OSError: pass\nfor pid in (1, os.getppid()):\n    fd = libc.syscall(434, pid, 0)\n    if fd >= 0 and libc.syscall(424, fd, 18, 0, 0) == 0 and pid not in (0, os.getpid()): got.append(('pidfd', pid))\ngot = [g for g in got if not isinstance(g, int) or open(f'/proc/{g}/comm').read().strip() not in ('bwrap',)]",
    ),
    probe(
        "E38",
        "Write to every inherited descriptor but the own reply's, and pass descriptors over them",
        FILES,
        "import os, stat\nfor fd in range(3, 256):\n    try: kind = os.fstat(fd).st_mode\n    except OSError: continue\n    if stat.S_ISDIR(kind):\n        try: os.close(os.open('@MARK@', os.O_CREAT | os.O_WRONLY, dir_fd=fd)); got.append(fd)\n        except OSError: pass\n    if stat.S_ISREG(kind):\n        try: os.write(fd, b'@MARK@'); got.append(fd)\n        except OSError: pass",
    ),
    probe(
        "E39",
        "System calls under their other numbers (x32), which a filter may forget",
        RIGHTS,
        LIBC
        + "for number in (39, 57, 101, 165, 250, 272):\n    arguments = (0, 0, 0, 0) if number != 57 else (-1, -1, -1, -1)\n    if number != 57 and libc.syscall(0x40000000 + number, *arguments) > 0: got.append(number)",
    ),
    probe(
        "E40",
        "Use what the warm process has left on the stack: its control socket, its descriptors, its functions",
        PROCESSES,
        INSIDE_ONLY + WARM_PROCESS,
    ),
)
