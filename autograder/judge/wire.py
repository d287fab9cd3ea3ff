"""The narrow wire between judge and player: a JSON message and raw typed arrays, with caps on everything.

A frame is three lengths, a JSON message, and two safetensors blobs (NumPy's arrays, torch's tensors). Nothing that arrives
is executed, unpickled or compared by its own `__eq__`. This module also runs in the player, so it imports no grader code
but `probe`, and torch only if a tensor is sent.
"""

from __future__ import annotations

import json
import os
import select
import struct
import time
from typing import Any

import numpy as np
import safetensors.numpy

from autograder.checking.cost import Cost
from autograder.checking.probe import Crash, Observation, Opaque, Request

MAX_MESSAGE = 1 << 20
MAX_ARRAYS = 1 << 26  # bytes of all arrays of one kind
MAX_COUNT = 64
MAX_RANK = 8
LENGTHS = struct.Struct(">III")


class WireError(Exception):
    """What came is not a frame of this protocol, or it is too large, or it never came."""


def pack(message: dict[str, Any]) -> bytes:
    """A message as one frame. Arrays may stand anywhere in it."""
    arrays: dict[str, Any] = {}
    tensors: dict[str, Any] = {}
    text = json.dumps(_encode(message, arrays, tensors)).encode()
    numpy_blob = safetensors.numpy.save(arrays) if arrays else b""
    torch_blob = b""
    if tensors:
        from safetensors.torch import save

        torch_blob = save(tensors)
    return LENGTHS.pack(len(text), len(numpy_blob), len(torch_blob)) + text + numpy_blob + torch_blob


def send(fd: int, message: dict[str, Any]) -> None:
    """Write a frame."""
    frame = memoryview(pack(message))
    while frame:
        frame = frame[os.write(fd, frame) :]


def receive(fd: int, deadline: float | None = None) -> dict[str, Any]:
    """Read a frame before `deadline` (time.monotonic()); anything else than a well-formed frame raises WireError."""
    sizes = LENGTHS.unpack(_read(fd, LENGTHS.size, deadline))
    for size, limit in zip(sizes, (MAX_MESSAGE, MAX_ARRAYS, MAX_ARRAYS), strict=True):
        if size > limit:
            raise WireError(f"a part of the reply has {size} bytes; at most {limit} are accepted")
    text, numpy_blob, torch_blob = (_read(fd, size, deadline) for size in sizes)
    try:
        message = json.loads(text)
        arrays = safetensors.numpy.load(numpy_blob) if numpy_blob else {}
        tensors = _load_tensors(torch_blob) if torch_blob else {}
        decoded = _decode(message, _capped(arrays), _capped(tensors))
    except WireError:
        raise
    except Exception as error:  # whatever a hostile frame makes the parsers raise
        raise WireError(f"the reply cannot be read ({type(error).__name__})") from error
    if not isinstance(decoded, dict):
        raise WireError("the reply is not a message")
    return decoded


def _load_tensors(blob: bytes) -> dict[str, Any]:
    from safetensors.torch import load

    tensors: dict[str, Any] = load(blob)
    return tensors


def _capped(arrays: dict[str, Any]) -> dict[str, Any]:
    if len(arrays) > MAX_COUNT or any(array.ndim > MAX_RANK for array in arrays.values()):
        raise WireError(f"at most {MAX_COUNT} arrays of at most {MAX_RANK} axes are accepted")
    return arrays


def _read(fd: int, size: int, deadline: float | None) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise TimeoutError
        chunk = os.read(fd, min(size - len(parts), 1 << 20))
        if not chunk:
            raise EOFError
        parts += chunk
    return bytes(parts)


def _encode(value: Any, arrays: dict[str, Any], tensors: dict[str, Any]) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = np.array(value, order="C")
        return {"$numpy": name}
    if isinstance(value, dict):
        return {str(k): _encode(v, arrays, tensors) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        kind = "$tuple" if isinstance(value, tuple) else "$list"
        return {kind: [_encode(v, arrays, tensors) for v in value]}
    if isinstance(value, Opaque):
        return {"$opaque": value.description}
    name = str(len(tensors))
    tensors[name] = value.detach().clone().contiguous()
    return {"$torch": name}


def _decode(value: Any, arrays: dict[str, Any], tensors: dict[str, Any]) -> Any:
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise WireError("a bare list is not part of the protocol")
        return value
    if len(value) == 1:
        (kind, content), *_ = value.items()
        if kind == "$numpy":
            return arrays[content].copy()
        if kind == "$torch":
            return tensors[content]
        if kind == "$opaque":
            return Opaque(str(content)[:200])
        if kind in ("$tuple", "$list"):
            items = [_decode(v, arrays, tensors) for v in content]
            return tuple(items) if kind == "$tuple" else items
    return {k: _decode(v, arrays, tensors) for k, v in value.items()}


def request_message(request: Request) -> dict[str, Any]:
    """A request as a message."""
    return {
        "inputs": request.inputs,
        "cotangents": request.cotangents,
        "strided": request.strided,
        "seed": request.seed,
        "cost": request.cost,
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
        "cost": None if seen.cost is None else (seen.cost.largest, seen.cost.peak, seen.cost.calls),
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
            gradients=tuple(_checked_value(g) for g in _tuple(message["gradients"]))[:inputs],
            changed=tuple(i for i in _tuple(message["changed"]) if isinstance(i, int) and 0 <= i < inputs),
            drew_random=bool(flags[0]),
            printed=bool(flags[1]),
            cost=None
            if cost is None
            else Cost(int(cost[0]), int(cost[1]), {str(k): int(v) for k, v in cost[2].items()}),
            crash=None if crash is None else _checked_crash(crash),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise WireError(f"the reply is not an observation ({type(error).__name__})") from error


def _tuple(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, tuple):
        raise TypeError
    return value


def _checked_value(value: Any, depth: int = 0) -> Any:
    if isinstance(value, dict) or depth > 2:
        raise TypeError
    if isinstance(value, (tuple, list)):
        return tuple(_checked_value(v, depth + 1) for v in value)
    return value


def _checked_crash(crash: Any) -> Crash:
    kinds = tuple(str(k)[:80] for k in _tuple(crash[0])) or ("Exception",)
    return Crash(kinds, str(crash[1])[:500], str(crash[2])[:300], int(crash[3]))
