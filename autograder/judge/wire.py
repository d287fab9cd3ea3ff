"""The narrow wire between judge and player: a JSON message and raw typed arrays, with caps on everything.

A frame is two lengths, a JSON message, and the bytes of the arrays in the order in which the message names them, each with
its dtype and shape. Nothing that arrives is executed, unpickled or compared by its own `__eq__`, and what arrives is no larger
in memory than on the wire. This module also runs in the player, so it imports no grader code but `probe`, and torch
only if a tensor is sent.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from typing import Any

import numpy as np

from autograder.checking.cost import ARRAYS, SHAPES, Cost, Made
from autograder.checking.probe import DTYPES, WIDEST_INTEGER, Crash, Observation, Opaque, Request, dtype_name

MAX_MESSAGE = 1 << 20
MAX_ARRAYS = 1 << 26  # bytes of all arrays
MAX_COUNT = 64  # arrays of one value, entries of one tuple
MAX_QUESTION = 4096  # arrays of one message
MAX_RANK = 8
MAX_AXIS = 1 << 31
LENGTHS = struct.Struct(">II")


class WireError(Exception):
    """What came is not a frame of this protocol, or it is too large, or it never came."""


class Channel:
    """One end of a connected socket. A deadline is a time.monotonic(); past it, TimeoutError; at the end, EOFError."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._ahead = bytearray()  # read already, but of the next part

    def send(self, message: dict[str, Any], deadline: float | None = None) -> None:
        """Write a message. Arrays may stand anywhere in it."""
        self._wait_until(deadline)
        self._socket.sendall(pack(message))

    def receive(self, deadline: float | None = None, most: int = MAX_ARRAYS) -> dict[str, Any]:
        """Read a message with at most `most` bytes of arrays; anything but a well-formed one raises WireError."""
        sizes = LENGTHS.unpack(self._take(LENGTHS.size, deadline))
        for size, limit in zip(sizes, (MAX_MESSAGE, most), strict=True):
            if size > limit:
                raise WireError(f"a part of the reply has {size} bytes; at most {limit} are accepted")
        return unpack(self._take(sizes[0], deadline), self._take(sizes[1], deadline))

    def _take(self, size: int, deadline: float | None) -> bytes:
        while len(self._ahead) < size:
            self._wait_until(deadline)
            chunk = self._socket.recv(max(1 << 16, size - len(self._ahead)))
            if not chunk:
                raise EOFError
            self._ahead += chunk
        taken = bytes(self._ahead[:size])
        del self._ahead[:size]
        return taken

    def _wait_until(self, deadline: float | None) -> None:
        if deadline is None:
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

    @property
    def closed(self) -> bool:
        """Has this end been closed?"""
        return self._socket.fileno() < 0

    def close(self) -> None:
        """Close this end."""
        self._socket.close()


def pack(message: dict[str, Any]) -> bytes:
    """A message as one frame."""
    parts: list[bytes] = []
    text = json.dumps(_encode(message, parts)).encode()
    return b"".join((LENGTHS.pack(len(text), sum(map(len, parts))), text, *parts))


def unpack(text: bytes, data: bytes) -> dict[str, Any]:
    """The message of a frame; WireError if it is none."""
    arrays = _Arrays(data)
    try:
        decoded = _decode(json.loads(text), arrays)
    except WireError:
        raise
    except Exception as error:  # whatever a hostile frame makes the parser raise
        raise WireError(f"the reply cannot be read ({type(error).__name__})") from error
    if arrays.left:
        raise WireError("the reply holds bytes that no array of it names")
    if not isinstance(decoded, dict):
        raise WireError("the reply is not a message")
    return decoded


class _Arrays:
    """Takes arrays off the bytes of a frame, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position, self._count = data, 0, 0

    @property
    def left(self) -> int:
        """How many bytes nobody has taken."""
        return len(self._data) - self._position

    def take(self, dtype: Any, shape: Any) -> Any:
        """The next array, as one of NumPy; bfloat16 as int16."""
        self._count += 1
        if not isinstance(shape, list) or len(shape) > MAX_RANK or self._count > MAX_QUESTION:
            raise WireError(f"at most {MAX_QUESTION} arrays of at most {MAX_RANK} axes are accepted")
        if dtype not in DTYPES or not all(type(n) is int and 0 <= n < MAX_AXIS for n in shape):
            raise WireError("the reply holds an array of a dtype or shape that is not accepted")
        kind = np.dtype("int16" if dtype == "bfloat16" else "uint8" if dtype == "bool" else dtype)
        size = math.prod(shape) * kind.itemsize
        if size > self.left:
            raise WireError("the reply names a larger array than it holds")
        found = np.frombuffer(self._data, kind, math.prod(shape), self._position).reshape(shape)
        self._position += size
        return found != 0 if dtype == "bool" else found.copy()


def _encode(value: Any, parts: list[bytes]) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray):
        parts.append(value.tobytes())
        return {"$numpy": [dtype_name(value.dtype), value.shape]}
    if isinstance(value, dict):
        return {str(k): _encode(v, parts) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        kind = "$tuple" if isinstance(value, tuple) else "$list"
        return {kind: [_encode(v, parts) for v in value]}
    if isinstance(value, Opaque):
        return {"$opaque": value.description}
    return {"$torch": _tensor(value.detach(), parts)}


def _tensor(tensor: Any, parts: list[bytes]) -> list[Any]:
    import torch

    name = dtype_name(tensor.dtype)
    raw = tensor.cpu().contiguous()
    parts.append((raw.view(torch.int16) if name == "bfloat16" else raw).numpy().tobytes())
    return [name, list(tensor.shape)]


def _decode(value: Any, arrays: _Arrays) -> Any:
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise WireError("a bare list is not part of the protocol")
        return value
    if len(value) == 1:
        ((kind, content),) = value.items()
        if kind == "$numpy" and content[0] != "bfloat16":
            return arrays.take(*content)
        if kind == "$torch":
            import torch

            found = torch.from_numpy(np.asarray(arrays.take(*content)))
            return found.view(torch.bfloat16) if content[0] == "bfloat16" else found
        if kind == "$opaque":
            return Opaque(str(content)[:200])
        if kind in ("$tuple", "$list"):
            items = [_decode(v, arrays) for v in content]
            return tuple(items) if kind == "$tuple" else items
    return {k: _decode(v, arrays) for k, v in value.items()}


def request_message(request: Request) -> dict[str, Any]:
    """A request as a message."""
    return {
        "inputs": request.inputs,
        "cotangents": request.cotangents,
        "strided": request.strided,
        "seed": request.seed,
        "cost": request.cost,
        "through": request.through,
    }


def request_from(message: dict[str, Any]) -> Request:
    """The inverse of request_message."""
    return Request(**message)


def observation_message(seen: Observation) -> dict[str, Any]:
    """An observation as a message."""
    return {
        "value": seen.value,
        "gradients": seen.gradients,
        "changed": seen.changed,
        "flags": (seen.drew_random, seen.printed),
        "cost": None
        if seen.cost is None
        else (
            seen.cost.largest,
            seen.cost.peak,
            seen.cost.calls,
            tuple((t.shape, t.made, t.alive) for t in seen.cost.tensors),
            seen.cost.arrays,
        ),
        "crash": None
        if seen.crash is None
        else (seen.crash.kinds, seen.crash.message, seen.crash.line, seen.crash.number),
    }


def observation_from(message: dict[str, Any], inputs: int) -> Observation:
    """The inverse of observation_message, for what a player sent: every part is checked, not trusted."""
    try:
        crash, cost, flags = message["crash"], message["cost"], message["flags"]
        return Observation(
            value=_checked_value(message["value"]),
            gradients=tuple(_checked_gradient(g) for g in _tuple(message["gradients"]))[:inputs],
            changed=tuple(i for i in _tuple(message["changed"]) if isinstance(i, int) and 0 <= i < inputs),
            drew_random=bool(flags[0]),
            printed=bool(flags[1]),
            cost=None if cost is None else _checked_cost(cost),
            crash=None if crash is None else _checked_crash(crash),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise WireError(f"the reply is not an observation ({type(error).__name__})") from error


def _tuple(value: Any, most: int = MAX_COUNT) -> tuple[Any, ...]:
    if not isinstance(value, tuple) or len(value) > most:
        raise TypeError
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or abs(value) > WIDEST_INTEGER:
        raise TypeError
    return value


def _checked_cost(cost: Any) -> Cost:
    tensors = tuple(
        Made(tuple(_count(n) for n in _tuple(shape)), _count(made), _count(alive))
        for shape, made, alive in _tuple(cost[3], SHAPES)
    )
    calls, arrays = {str(k): _count(v) for k, v in cost[2].items()}, tuple(_count(n) for n in _tuple(cost[4], ARRAYS))
    return Cost(_count(cost[0]), _count(cost[1]), calls, tensors, arrays)


def _checked_value(value: Any, depth: int = 0) -> Any:
    if isinstance(value, dict) or depth > 2:
        raise TypeError
    if isinstance(value, (tuple, list)):
        return tuple(_checked_value(v, depth + 1) for v in _tuple(tuple(value)))
    if isinstance(value, int):
        _count(value)
    return value


def _checked_gradient(value: Any) -> Any:
    if value is not None and not hasattr(value, "dtype"):
        raise TypeError
    return value


def _checked_crash(crash: Any) -> Crash:
    kinds = tuple(str(k)[:80] for k in _tuple(crash[0])) or ("Exception",)
    return Crash(kinds, str(crash[1])[:500], str(crash[2])[:300], _count(crash[3]))
