"""Errors that bite: exceptions, hooks, destructors and names made to hurt whoever looks at them."""

from __future__ import annotations

from attack import CODEC, JUDGE, LIMITS, PAGES, Attack

STR_RAISES = "class Bad(Exception):\n    def __str__(self): raise Bad()\n    __repr__ = __str__"
STR_LOOPS = "class Bad(Exception):\n    def __str__(self):\n        while True: pass"
STR_IS_HUGE = "class Bad(Exception):\n    def __str__(self): return 'x' * 200_000_000"
NAMED = "Bad = type('<img src=x onerror=alert(1)>\\u202e\\x1b[2J', (Exception,), {'__module__': '<script>'})"
MANY_BASES = (
    "kinds = [Exception]\nfor i in range(300): kinds.append(type(f'E{i}' * 20, (kinds[-1],), {}))\nBad = kinds[-1]"
)
NOT_A_STRING = "class Meta(type):\n    __name__ = property(lambda self: 5)\n    __mro__ = property(lambda self: [self])\nclass Bad(Exception, metaclass=Meta): pass"
CYCLE = "def bad():\n    a, b = ValueError('a'), ValueError('b')\n    a.__cause__, b.__cause__, a.__context__, b.__context__ = b, a, b, a\n    raise a"


def raises(
    id: str,
    title: str,
    before: str,
    action: str = "raise Bad('x')",
    layer=JUDGE,
    says: str = "softmax: crashed",
    **more,
) -> Attack:
    """softmax ends with this error; the other answers are right."""
    return Attack(
        id, title, layer, before=before, softmax=f"def softmax(scores, axis=-1):\n    {action}", says=says, **more
    )


ATTACKS = (
    raises("X1", "An exception whose text raises", STR_RAISES),
    raises("X2", "An exception whose text never ends", STR_LOOPS, layer=LIMITS),
    raises("X3", "An exception with 200 MB of text", STR_IS_HUGE, layer=PAGES),
    raises("X4", "An exception whose class is named in HTML, with escapes", NAMED, layer=PAGES),
    raises("X5", "An exception with three hundred base classes", MANY_BASES, layer=CODEC),
    raises("X6", "An exception whose class has no name and no bases", NOT_A_STRING, layer=CODEC),
    raises("X7", "Exceptions that cause each other", CYCLE, "bad()"),
    raises(
        "X8",
        "BaseException, KeyboardInterrupt, GeneratorExit",
        "",
        "raise KeyboardInterrupt if scores.ndim else GeneratorExit",
    ),
    raises(
        "X9",
        "A group of exceptions, nested a hundred deep",
        "def nested():\n    e = ValueError('x')\n    for _ in range(100): e = ExceptionGroup('g', [e])\n    return e",
        "raise nested()",
    ),
    raises(
        "X10",
        "Claim to be the stub: NotImplementedError, later",
        "calls = []",
        "calls.append(1)\n    if len(calls) > 1: raise NotImplementedError\n    return np.zeros_like(scores)",
        says="softmax: ",
    ),
    raises(
        "X11",
        "sys.settrace and sys.setprofile that raise in the grader's code",
        "import sys\ndef trace(frame, event, arg): raise SystemExit\n",
        "sys.settrace(trace)\n    sys.setprofile(trace)\n    return np.zeros_like(scores)",
        says="softmax",
        breaks_itself=True,
    ),
    raises(
        "X12",
        "Callbacks of the garbage collector that raise and that collect",
        "import gc\ngc.callbacks.append(lambda *a: 1 / 0)\ngc.set_threshold(1)",
        "return np.zeros_like(scores)",
        says="softmax: ",
    ),
    raises(
        "X13",
        "sys.exit in __del__ of the result",
        "import sys\nclass Gone(np.ndarray):\n    def __del__(self): sys.exit(0)",
        "return np.zeros_like(scores).view(Gone)",
        says="softmax: ",
        layer=CODEC,
    ),
    raises(
        "X14",
        "A line of code for the report that is not the one that failed: linecache and __file__",
        "import linecache\nbad = compile('\\n' * 6 + 'def bad(): raise ValueError(1)', '/etc/passwd', 'exec')\nexec(bad)\nlinecache.cache.clear()\nlinecache.getline = lambda *a: 'right, 5.0 points'\nlinecache.getlines = lambda *a: ['right, 5.0 points'] * 100",
        "bad()",
        layer=PAGES,
    ),
    raises(
        "X15",
        "Errors in the middle of a write: descriptors and output closed",
        "import os, sys",
        "sys.stdout.close()\n    sys.stderr.close()\n    os.close(1)\n    os.close(2)\n    raise ValueError('x')",
        says="softmax: crashed",
    ),
    raises(
        "X16",
        "Async functions, generators, coroutines and awaitables as answers",
        "async def later(x): return x",
        "return later(scores)",
        says="softmax: ",
        layer=CODEC,
    ),
    raises(
        "X17",
        "Bidi marks, escapes and NUL in the message",
        "",
        "raise ValueError('\\u202e\\x1b]0;owned\\x07\\x00 <script>alert(1)</script>')",
        layer=PAGES,
    ),
    raises("X18", "A message of lone surrogates", "", "raise ValueError('\\ud800' * 600)", layer=PAGES),
    raises(
        "X19",
        "Patch the exceptions' machinery: traceback, str, type",
        "import builtins, traceback\ntraceback.extract_tb = lambda *a: 1 / 0\nbuiltins.str = lambda *a: 1 / 0",
        "raise ValueError('x')",
        says="softmax",
        breaks_itself=True,
    ),
    raises(
        "X20",
        "Weak references and finalizers that restart the call",
        "import weakref\nclass Thing: pass\ndef again(): softmax(np.zeros(3))",
        "t = Thing()\n    weakref.finalize(t, again)\n    return np.zeros_like(scores)",
        says="softmax: ",
    ),
)
