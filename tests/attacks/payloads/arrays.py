"""Arrays that lie: lazy, hostile, shared, endless, or of kinds that the judge does not know."""

from __future__ import annotations

from attack import CODEC, JUDGE, LIMITS, SOFTMAX, Attack

WRONG_SCALED = "def scaled_scores(q, k):\n    return "


def returns(id: str, title: str, value: str, before: str = "", layer=CODEC, says: str = "softmax: ", **more) -> Attack:
    """softmax returns this expression of `scores`; it is never right."""
    return Attack(
        id, title, layer, before=before, softmax=f"def softmax(scores, axis=-1):\n    return {value}", says=says, **more
    )


def tensor(
    id: str, title: str, value: str, before: str = "", layer=CODEC, says: str = "scaled_scores: ", **more
) -> Attack:
    """scaled_scores returns this expression of `q` and `k`; it is never right."""
    return Attack(id, title, layer, before=before, answers={"scaled_scores": WRONG_SCALED + value}, says=says, **more)


PROXY = """
class Proxy(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func.__name__ in ('allclose', 'equal', 'eq'): return torch.tensor(True)
        return super().__torch_function__(func, types, args, kwargs or {})
"""
LYING_INTERFACE = """
class Lies:
    def __init__(self, like, shape=None, strides=None):
        self.keep = np.zeros(4)
        self.__array_interface__ = {'shape': shape or like.shape, 'typestr': '<f8', 'data': (self.keep.ctypes.data, False), 'strides': strides, 'version': 3}
"""
LYING_CLASS = """
class Liar:
    @property
    def __class__(self): return np.ndarray
    shape, dtype, ndim = (1,), np.dtype('f8'), 1
    def __array__(self, *a, **k): raise RuntimeError('asked')
    def __getattr__(self, name): return lambda *a, **k: True
"""
AFTERWARDS = """
import threading, time
def softmax(scores, axis=-1):
    result = np.zeros_like(scores)
    def change():
        for _ in range(200):
            result[...] = np.exp(scores) / np.exp(scores).sum(axis=axis, keepdims=True)
            time.sleep(0.001)
    threading.Thread(target=change, daemon=True).start()
    return result
"""
ONE_BUFFER = """
buffer = {}
def softmax(scores, axis=-1):
    result = buffer.setdefault((scores.shape, scores.dtype), np.empty_like(scores))
    exp = np.exp(scores - scores.max(axis=axis, keepdims=True))
    result += exp / exp.sum(axis=axis, keepdims=True)   # what is left from the last call stays in it
    return result
"""
BY_IDENTITY = """
seen = {}
def softmax(scores, axis=-1):
    return seen.setdefault(id(scores), np.zeros_like(scores))
"""
GENERATOR = """
calls = []
def softmax(scores, axis=-1):
    calls.append(scores)
    return (s for s in calls)
"""
MASKED = "np.ma.masked_all(scores.shape)"

ATTACKS = (
    Attack(
        "5",
        "Return a tensor subclass that answers every comparison with yes",
        CODEC,
        before=PROXY,
        answers={
            "scaled_scores": WRONG_SCALED + "torch.zeros(*q.shape[:-1], k.shape[-2], dtype=q.dtype).as_subclass(Proxy)"
        },
        says="scaled_scores: ",
    ),
    returns(
        "A1",
        "A lazy object whose __array__ gives the answer only when asked",
        "Lazy()",
        "class Lazy:\n    def __array__(self, *a, **k): return np.zeros(3)",
    ),
    returns(
        "A2",
        "An __array_interface__ that lies about its shape",
        "np.asarray(Lies(scores, shape=(1 << 20,)))[:1]",
        LYING_INTERFACE,
        breaks_itself=True,
    ),
    returns(
        "A3",
        "An __array_interface__ with strides far out of bounds",
        "np.asarray(Lies(scores, strides=(1 << 40,) * max(scores.ndim, 1), shape=(2,) * max(scores.ndim, 1)))",
        LYING_INTERFACE,
        breaks_itself=True,
    ),
    returns("A4", "An object whose __class__ says that it is an array", "Liar()", LYING_CLASS),
    returns(
        "A5", "A broadcast view of 2^40 elements", "np.broadcast_to(np.float64(1), (1 << 20, 1 << 20))", layer=LIMITS
    ),
    returns("A6", "An array of objects", "np.array([object(), None, lambda: 1], dtype=object)", says="dtype object"),
    returns(
        "A7",
        "A structured array, and one of strings",
        "(np.zeros(3, dtype=[('a', 'f8'), ('b', 'O')]), np.array(['5.0']))",
    ),
    returns("A8", "A masked array in which everything wrong is masked", MASKED, says="MaskedArray"),
    returns(
        "A9",
        "A memory map of /proc/self/mem and of /dev/zero",
        "np.memmap('/dev/zero', dtype='f8', mode='r', shape=(64,)) if scores.ndim else np.memmap('/proc/self/mem', mode='r')",
    ),
    returns("A10", "A recarray, a matrix, a chararray", "(scores.reshape(-1).view(np.recarray), np.matrix([[1.0]]))"),
    returns("A11", "The input itself", "scores", layer=JUDGE, says="softmax: wrong"),
    returns("A12", "A view of the input with negative strides", "scores[::-1] if scores.ndim else scores", layer=JUDGE),
    Attack(
        "A13",
        "Right values in Fortran order, with negative strides, read-only, and in the other byte order",
        JUDGE,
        softmax=SOFTMAX.replace("def softmax", "def plain_softmax")
        + "def softmax(scores, axis=-1):\n    found = np.asfortranarray(plain_softmax(scores, axis))[..., ::-1].copy(order='F')[..., ::-1]\n    found.flags.writeable = False\n    return found",
        earns=6.0,
        says="softmax_jacobian: not attempted",
        note="its values are right, and layout is no mistake",
    ),
    returns(
        "A14",
        "Numbers that claim to be arrays: float subclasses, Decimal, Fraction",
        "Fancy(0.5)",
        "class Fancy(float):\n    shape = (1,)\n    def __eq__(self, other): return True\n    __hash__ = float.__hash__",
    ),
    returns(
        "A15",
        "Dates, complex numbers and bytes as floats",
        "(np.array(['2026-01-01'], dtype='M8[D]'), np.ones(3, complex), np.void(b'abc'))",
    ),
    returns("A16", "A tuple that contains itself", "loop", "loop = []\nloop.append(loop)", breaks_itself=True),
    returns("A17", "A tuple of a hundred thousand entries", "tuple(range(100_000))"),
    returns("A18", "65 arrays, and arrays in tuples in tuples in tuples", "(((((scores,),),),),) + (scores,) * 65"),
    returns("A19", "An array of 60 MB where three numbers are asked for", "np.zeros(7_500_000)", layer=LIMITS),
    returns("A20", "An array of 64 axes", "np.zeros((1,) * 64)"),
    Attack(
        "A21", "A generator that gives away what earlier calls were asked", JUDGE, softmax=GENERATOR, says="a generator"
    ),
    Attack("A22", "A thread that corrects the returned array afterwards", JUDGE, softmax=AFTERWARDS, says="softmax: "),
    Attack(
        "A23",
        "One buffer for all results, which keeps what the last call left in it",
        JUDGE,
        softmax=ONE_BUFFER,
        says="softmax: ",
    ),
    Attack("A24", "Results remembered by id()", JUDGE, softmax=BY_IDENTITY, says="softmax: wrong"),
    returns(
        "A25",
        "NaN, infinity and minus zero as wildcards",
        "np.where(scores < 0, np.nan, np.inf) * -0.0",
        layer=JUDGE,
        says="softmax: wrong",
    ),
    tensor(
        "A26",
        "A meta tensor, which has a shape and no numbers",
        "torch.empty(*q.shape[:-1], k.shape[-2], device='meta')",
    ),
    tensor(
        "A27", "A sparse tensor", "torch.zeros(*q.shape[:-1], k.shape[-2], dtype=q.dtype).to_sparse()", says="layout"
    ),
    tensor(
        "A28",
        "A nested and a quantized tensor",
        "torch.nested.nested_tensor([q.reshape(-1), k.reshape(-1)]) if q.ndim > 2 else torch.quantize_per_tensor(torch.zeros(2, 2), 0.1, 0, torch.qint8)",
    ),
    tensor("A29", "float8, which few operations know", "(q @ k.transpose(-2, -1)).to(torch.float8_e4m3fn)"),
    tensor(
        "A30",
        "A complex tensor whose real part is right",
        "torch.complex(s := q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, torch.ones_like(s))",
        says="complex",
    ),
    tensor(
        "A31",
        "A tensor of stride 0 with 2^40 elements",
        "torch.zeros(1, dtype=q.dtype).expand(1 << 20, 1 << 20)",
        layer=LIMITS,
    ),
    tensor(
        "A32",
        "A tensor over memory that was freed",
        "np_tensor(q)",
        "import ctypes\ndef np_tensor(q):\n    space = (ctypes.c_double * 4)()\n    t = torch.frombuffer(space, dtype=torch.float64)\n    return torch.as_strided(t, (4,), (1,)).clone() * 0",
        layer=JUDGE,
    ),
    tensor(
        "A33",
        "A custom autograd function with a forged gradient",
        "Forged.apply(q, k)",
        "class Forged(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, q, k): return q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5\n    @staticmethod\n    def backward(ctx, g): return torch.ones(1), 'everything'",
        layer=JUDGE,
    ),
    tensor(
        "A34",
        "Right numbers without gradients: no_grad, detach, inference mode",
        "(q.detach() @ k.detach().transpose(-2, -1)) / q.shape[-1] ** 0.5",
        layer=JUDGE,
        says="scaled_scores: wrong",
    ),
    tensor(
        "A35",
        "A Parameter, a tensor with hooks and attributes",
        "hooked(q, k)",
        "def hooked(q, k):\n    t = torch.nn.Parameter(torch.zeros(*q.shape[:-1], k.shape[-2], dtype=q.dtype))\n    t.register_hook(lambda g: print('5.0'))\n    t.points = 100\n    return t",
        layer=CODEC,
    ),
    Attack(
        "A36",
        "Right answers as views of larger buffers, which must not be refused",
        CODEC,
        answers={
            "scaled_scores": "def scaled_scores(q, k):\n    s = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5\n    return torch.stack([s, s * 0], dim=-1).expand(3, *s.shape, 2)[1, ..., 0]"
        },
        earns=5.0,
        says="softmax: wrong",
        note="its values are right, and so are its gradients",
    ),
)
