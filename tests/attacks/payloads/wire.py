"""Replies that lie: frames forged by hand, in the place of, before, after and instead of the player's own."""

from __future__ import annotations

from attack import CODEC, JUDGE, LIMITS, SCALED_SCORES, Attack, Layer

# `replies(make)`: from now on make(id) stands for every reply that holds a result, while `armed` is not empty.
FORGE = """
import json, os, socket, struct, sys, time
wire = sys.modules['autograder.judge.wire']
plain_send = wire.Channel.send
def base(id, **more):
    return {'id': id, 'value': None, 'gradients': {'$tuple': []}, 'changed': {'$tuple': []}, 'flags': {'$tuple': [False, False]}, 'cost': None, 'crash': None, **more}
def frame(text, data=b''):
    text = text if isinstance(text, bytes) else json.dumps(text).encode()
    return struct.pack('>II', len(text), len(data)) + text + data
def write(fd, data):
    data = memoryview(data)
    while data: data = data[os.write(fd, data):]
def replies(make):
    def send(self, message, deadline=None):
        if 'value' in message and armed: write(self._socket.fileno(), make(message['id']))
        else: plain_send(self, message)
    wire.Channel.send = send
armed = []
"""
FIND_ID = """
def request():
    f = sys._getframe()
    while f := f.f_back:
        if isinstance(m := f.f_locals.get('message'), dict) and 'id' in m: return m['id']
    raise RuntimeError('no request found')
def everywhere(data):
    for fd in range(3, 64):
        try: write(fd, data)
        except OSError: pass
"""
SLOWLY = """
def slowly(self, message, deadline=None):
    if 'value' not in message or not armed: return plain_send(self, message)
    for byte in frame(base(message['id'], value=5.0)):
        write(self._socket.fileno(), bytes([byte]))
        time.sleep(0.2)
wire.Channel.send = slowly
"""
ARM = "def softmax(scores, axis=-1):\n    armed.append(1)\n    return np.zeros_like(scores)"
DISARM = {
    "additive_bound": "def additive_score_bound(v):\n    armed.clear()\n    return float(np.abs(v.astype(np.float64)).sum())",
    "dot_variance": "def dot_variance(q, k):\n    armed.clear()\n    return float((q.astype(np.float64) * k).sum(axis=1).var(ddof=1))",
}
UNUSABLE = "The reply could not be used"
ANSWERING = "def softmax(scores, axis=-1):\n"


def forged(id: str, title: str, make: str, layer: Layer = CODEC, says: str = UNUSABLE, **more) -> Attack:
    """While softmax is examined every reply is what the expression `make` of `id` gives."""
    return Attack(id, title, layer, f"{FORGE}replies(lambda id: {make})", ARM, answers=DISARM, says=says, **more)


def array(id: str, title: str, dtype: str, shape: str, data: str = "b''", **more) -> Attack:
    """The value is an array of this dtype and shape, with these bytes."""
    return forged(id, title, f"frame(base(id, value={{'$numpy': [{dtype}, {shape}]}}), {data})", **more)


def altered(id: str, title: str, change: str, layer: Layer = CODEC, says: str = "scaled_scores: ", **more) -> Attack:
    """While scaled_scores, which is right, is examined its observations are changed by the statement `change` on `m`."""
    patch = f"import sys\nwire = sys.modules['autograder.judge.wire']\nplain = wire.observation_message\ndef lie(seen):\n    m = plain(seen)\n    if armed:\n        {change}\n    return m\nwire.observation_message = lie\narmed = []"
    arm = SCALED_SCORES.replace("    return", "    armed.append(1)\n    return")
    return Attack(id, title, layer, patch, answers={"scaled_scores": arm, **DISARM}, says=says, **more)


def writes(id: str, title: str, body: str, layer: Layer = CODEC, says: str = "softmax: ", **more) -> Attack:
    """softmax itself writes to the wire."""
    return Attack(id, title, layer, FORGE + FIND_ID, ANSWERING + body, says=says, **more)


ATTACKS = (
    Attack(
        "22",
        "Return objects that run code when they are unpickled",
        CODEC,
        before="import os\nclass Poison:\n    def __reduce__(self): return os.system, ('touch @OUTSIDE@/@MARK@',)\n    def __reduce_ex__(self, protocol): return self.__reduce__()",
        softmax=ANSWERING + "    return [Poison(), np.array([Poison()], dtype=object)]",
        says="softmax: wrong",
    ),
    writes(
        "23",
        "Write the reply by hand and exit at once",
        "    everywhere(frame({**base(request()), 'state': 'right', 'credit': 1.0, 'points': 5.0, 'score': 5.0}))\n    os._exit(0)",
    ),
    writes(
        "W1",
        "Write the replies to the next questions in advance",
        "    for i in range(8): everywhere(frame(base(request() + i, value=5.0)))\n    return np.zeros_like(scores)",
        layer=JUDGE,
    ),
    writes(
        "W2",
        "Write a reply, and then never read the next question",
        "    everywhere(frame(base(request(), value=5.0)))\n    while True: pass",
        layer=LIMITS,
    ),
    forged("W3", "Send every reply twice", "frame(base(id, value=0.0)) * 2", says="softmax: "),
    forged("W4", "Lengths of four gigabytes", "struct.pack('>II', 2**32 - 1, 2**32 - 1)"),
    forged(
        "W5",
        "A length and no content: the judge is to wait for the rest",
        "struct.pack('>II', 1000, 0) + b'{'",
        layer=LIMITS,
        says="did not finish",
    ),
    Attack(
        "W6",
        "A reply that comes one byte at a time",
        LIMITS,
        FORGE + SLOWLY,
        ARM,
        answers=DISARM,
        says="did not finish",
    ),
    forged("W7", "Half a million nested brackets", "frame(b'[' * 500_000 + b']' * 500_000)"),
    forged(
        "W8",
        "A value of forty thousand nested tuples",
        "frame(b'{\"id\": %d, \"value\": ' % id + b'{\"$tuple\":[' * 40_000 + b']}' * 40_000 + b'}')",
    ),
    forged(
        "W9",
        "An integer of a hundred thousand digits",
        "frame(b'{\"id\": %d, \"value\": ' % id + b'9' * 100_000 + b'}')",
    ),
    forged(
        "W10",
        "One megabyte, claimed by a thousand arrays",
        "frame(base(id, value={'$tuple': [{'$numpy': ['float64', [131072]]}] * 1000}), bytes(1 << 20))",
    ),
    forged(
        "W11",
        "Fifteen thousand empty arrays",
        "frame(base(id, value={'$tuple': [{'$numpy': ['int8', [0]]}] * 15_000}))",
    ),
    array("W12", "An array that claims more bytes than there are", "'float64'", "[1000]", "bytes(8)"),
    forged("W13", "Bytes that no array names", "frame(base(id, value=1.0), bytes(64))"),
    array("W14", "A shape whose size overflows", "'float64'", "[2**62, 4]"),
    array("W15", "An empty array with an axis of 2^62", "'float64'", "[0, 2**62]"),
    forged(
        "W16",
        "Eight thousand arrays in one reply",
        "frame(base(id, value={'$tuple': [{'$tuple': [{'$numpy': ['int8', [1]]}] * 64}] * 128}), bytes(8192))",
    ),
    array("W17", "An array of rank 9", "'float64'", "[1] * 9", "bytes(8)"),
    array("W18", "A negative axis, one of True, and one of 1.0", "'float64'", "[-1, True, 1.0]", "bytes(8)"),
    forged(
        "W19",
        "The codec's own words as values: nested, empty, with numbers and objects in them",
        "frame(base(id, value={'$tuple': [{'$list': 1.5}, {'$torch': {}}]}))",
    ),
    forged(
        "W20",
        "NaN and Infinity where numbers of lines and bytes stand",
        "frame(base(id, cost={'$tuple': [float('inf'), float('nan'), {}]}, crash={'$tuple': [{'$tuple': ['E']}, 'm', 'l', float('inf')]}))",
    ),
    forged("W21", "Bytes that are no UTF-8, and text that is no JSON", "frame(b'\\xff\\xfe{\"id\": 1')"),
    forged(
        "W22",
        "The reply to another question",
        "frame(base(id - 1, value=5.0))",
        says="The reply does not belong to the question",
    ),
    forged(
        "W23",
        "A reply full of scores, states and reports",
        "frame(base(id, state='right', credit=1.0, points=5.0, score=5.0, report={'state': 'right'}, results={'$tuple': []}))",
        layer=JUDGE,
        says="softmax: wrong",
    ),
    array("W24", "An array of Python objects", "'object'", "[1]", "bytes(8)"),
    array("W25", "An array of dates, of complex numbers, of text", "'complex64'", "[1]", "bytes(8)"),
    array("W26", "An array whose dtype is no word", "{'names': ['a']}", "[1]", "bytes(8)"),
    forged(
        "W27",
        "A crash with texts of three hundred thousand characters",
        "frame(base(id, crash={'$tuple': [{'$tuple': ['E' * 300_000]}, 'm' * 300_000, 'l' * 300_000, 1]}))",
        says="softmax: crashed",
    ),
    forged(
        "W28",
        "A crash that claims to be the untouched stub",
        "frame(base(id, crash={'$tuple': [{'$tuple': ['NotImplementedError']}, '', '', 0]}))",
        layer=JUDGE,
        says="softmax: not attempted",
    ),
    altered("W29", "Gradients that are words", "m['gradients'] = ('x', 'y')"),
    altered("W30", "Gradients that are numbers, tuples and nothing", "m['gradients'] = (1, (True, None))"),
    altered(
        "W31",
        "Gradients as NumPy integers of another shape",
        "m['gradients'] = tuple(np.zeros(3, np.int8) for g in m['gradients'])",
    ),
    altered("W32", "A hundred gradients", "m['gradients'] = m['gradients'] * 40"),
    altered(
        "W33",
        "Claims that the cost was nothing",
        "m['cost'] = (-1, -1, {'mm': -5}, (), ())",
        layer=JUDGE,
        earns=5.0,
        says="softmax: wrong",
        note="its answer is right, and this task has no cost limit",
    ),
    altered(
        "W34",
        "Indexes of changed inputs far out of range",
        "m['changed'] = (-1, 10**9, 'x', 1.5)",
        earns=5.0,
        says="softmax: wrong",
        note="its answer is right",
    ),
    altered(
        "W35",
        "NumPy arrays where tensors are asked for, with the right numbers",
        "m['value'] = m['value'].numpy() if hasattr(m['value'], 'numpy') else m['value']",
    ),
    writes(
        "W36",
        "Close the wire, and keep running",
        "    os.closerange(0, 64)\n    while True: pass",
        layer=LIMITS,
        says="softmax: crashed",
    ),
    writes(
        "W37",
        "Flood the wire with noise",
        "    for _ in range(200): everywhere(bytes(1 << 20))\n    return np.zeros_like(scores)",
        says="softmax: crashed",
    ),
    writes(
        "W38",
        "Read the next questions from the wire, so that nobody answers them",
        "    for fd in range(3, 64):\n        try:\n            os.set_blocking(fd, False)\n            os.read(fd, 1 << 16)\n        except OSError: pass\n    return np.zeros_like(scores)",
        layer=LIMITS,
    ),
    writes(
        "W39",
        "Pass descriptors over the wire",
        "    try: socket.send_fds(socket.socket(fileno=os.dup(3)), [frame(base(request(), value=1.0))], [os.open('/dev/zero', os.O_RDONLY)] * 60)\n    except OSError: pass\n    return np.zeros_like(scores)",
    ),
    writes(
        "W40",
        "Shut the judge's side of the wire down, fill its buffers, send out-of-band bytes",
        "    s = socket.socket(fileno=os.dup(3))\n    try: s.send(b'!', socket.MSG_OOB)\n    except OSError: pass\n    s.shutdown(socket.SHUT_RD)\n    return np.zeros_like(scores)",
    ),
)
