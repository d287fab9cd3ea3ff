"""The wire carries arrays and messages unchanged, and refuses everything else with a plain reason."""

import json
import socket
import struct
import threading
import time

import numpy as np
import pytest
import torch

from autograder.checking.cost import ARRAYS, SHAPES, Cost, Made
from autograder.checking.probe import Crash, Observation, Opaque, Request
from autograder.judge import wire


def through(message: dict) -> dict:
    """Send a message through a socket and read it again."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = threading.Thread(target=wire.Channel(theirs).send, args=(message,))
        writer.start()
        try:
            return wire.Channel(ours).receive(time.monotonic() + 10)
        finally:
            writer.join()


def raw(data: bytes, close: bool = True) -> dict:
    """Read what these bytes give."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        if close:
            theirs.close()
        return wire.Channel(ours).receive(time.monotonic() + 1)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 3), np.float32),
        np.array(1.5),
        np.zeros((0, 4)),
        np.arange(6).reshape(2, 3)[:, ::2],
        np.array([True, False]),
        np.array([np.nan, -np.inf, np.inf]),
    ],
    ids=["float32", "0-d", "empty", "strided", "bool", "not finite"],
)
def test_numpy_arrays_arrive_bit_by_bit(array):
    """Values, shape and dtype survive, and the copy can be written to."""
    got = through({"a": array})["a"]
    np.testing.assert_array_equal(got, array)
    assert (got.dtype, got.shape, got.flags.writeable) == (array.dtype, array.shape, True)


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.bool]
)
def test_tensors_arrive_bit_by_bit(dtype):
    """All dtypes that tasks use, half precisions included."""
    tensor = torch.arange(6).reshape(2, 3).to(dtype).mT
    got = through({"t": tensor})["t"]
    assert got.dtype == dtype
    assert torch.equal(got, tensor)


def test_nested_python_values_arrive_unchanged():
    """Tuples stay tuples, lists stay lists; None, text, big and odd numbers survive."""
    value = {"x": (1, [2.5, None], "text", True, float("inf")), "opaque": Opaque("a set")}
    assert through(value) == value


def test_observation_survives_the_wire():
    """Both directions of the two messages are inverse to each other."""
    seen = Observation(
        (1.0, np.ones(2)),
        (None,),
        (0,),
        True,
        False,
        Cost(3, 4, {"mm": 1}, (Made((2, 0), 5, 1),), (80, 24)),
        Crash(("ValueError",), "no", "x = 1", 7),
    )
    got = wire.observation_from(through(wire.observation_message(seen)), inputs=1)
    assert (got.gradients, got.changed, got.drew_random, got.cost, got.crash) == (
        seen.gradients,
        seen.changed,
        True,
        seen.cost,
        seen.crash,
    )
    asked = wire.request_from(through(wire.request_message(Request((1, 2.0), strided=True, seed=3))))
    assert asked == Request((1, 2.0), (), True, 3)
    asked = Request((1,), through="attn_core.lab.simulator.attention:run_attention")
    assert wire.request_from(through(wire.request_message(asked))) == asked


def test_the_largest_cost_that_is_kept_survives_the_wire():
    """An answer that makes more shapes than a tuple of its own may have entries is no liar."""
    cost = Cost(3, 4, {}, tuple(Made((i,), 1, 1) for i in range(SHAPES)), tuple(range(ARRAYS)))
    got = wire.observation_from(through(wire.observation_message(Observation(1.0, cost=cost))), inputs=1)
    assert got.cost == cost


def frame(text: bytes, data: bytes = b"", sizes: tuple[int, int] | None = None) -> bytes:
    """A frame made by hand."""
    return struct.pack(">II", *(sizes or (len(text), len(data)))) + text + data


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (frame(b"{}", sizes=(1 << 30, 0)), "a part of the reply has 1073741824 bytes; at most 1048576 are accepted"),
        (frame(b"{}", sizes=(2, 1 << 30)), "a part of the reply has 1073741824 bytes; at most 67108864 are accepted"),
        (frame(b"not json"), "the reply cannot be read (JSONDecodeError)"),
        (frame(b"[" * 50_000), "the reply cannot be read (RecursionError)"),
        (frame(b'{"value": ' + b"9" * 5000 + b"}"), "the reply cannot be read (ValueError)"),
        (frame(b"[1]"), "a bare list is not part of the protocol"),
        (frame(b"3"), "the reply is not a message"),
        (frame(b'{"$numpy": ["float64", [2]]}', b"12345678"), "the reply names a larger array than it holds"),
        (frame(b'{"$numpy": ["float64", [1e9]]}'), "the reply holds an array of a dtype or shape that is not accepted"),
        (
            frame(b'{"$numpy": ["O", [1]]}', b"12345678"),
            "the reply holds an array of a dtype or shape that is not accepted",
        ),
        (
            frame(b'{"$torch": ["float8_e4m3fn", [1]]}', b"1"),
            "the reply holds an array of a dtype or shape that is not accepted",
        ),
        (
            frame(b'{"$numpy": ["float64", [-1]]}', b"12345678"),
            "the reply holds an array of a dtype or shape that is not accepted",
        ),
        (frame(b'{"a": {"$numpy": {}}}'), "the reply cannot be read (KeyError)"),
        (frame(b"{}", b"\xff" * 40), "the reply holds bytes that no array of it names"),
    ],
)
def test_anything_else_is_refused_with_a_reason(data, sentence):
    """Oversized, malformed and hostile frames raise WireError; nothing of them is executed."""
    with pytest.raises(wire.WireError) as caught:
        raw(data)
    assert str(caught.value) == sentence


def test_a_small_reply_never_becomes_a_large_one():
    """Bytes are taken once: a hundred names for the same array are ninety-nine too many."""
    one = b'{"$numpy": ["float64", [1000]]}'
    with pytest.raises(wire.WireError, match="names a larger array than it holds"):
        raw(frame(b'{"$tuple": [' + b", ".join([one] * 60) + b"]}", bytes(8000)))


def test_a_forged_bool_is_still_true_or_false():
    """A byte that is neither 0 nor 1 would be a bool unequal to both."""
    got = raw(frame(b'{"a": {"$numpy": ["bool", [3]]}}', b"\x00\x02\xff"))["a"]
    assert got.tolist() == [False, True, True]
    assert got.tobytes() == b"\x00\x01\x01"


def test_a_reader_who_never_reads_does_not_hold_the_sender_up():
    """A player that stops reading costs its time limit, not for ever."""
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(TimeoutError):
        wire.Channel(ours).send({"a": np.zeros(4_000_000)}, time.monotonic() + 0.2)


def test_too_many_axes_are_refused():
    """A rank cap keeps odd arrays out of the comparison."""
    with pytest.raises(wire.WireError, match="at most 4096 arrays of at most 8 axes"):
        through({"a": np.zeros((1,) * 9)})


def test_a_silent_player_times_out_and_a_closed_one_ends():
    """No reply is a TimeoutError, half a reply and then the end is an EOFError."""
    with pytest.raises(TimeoutError):
        raw(b"\0\0", close=False)
    with pytest.raises(EOFError):
        raw(b"\0\0")


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"value": 1, "gradients": 3, "changed": (), "flags": (0, 0), "cost": None, "crash": None},
        {"value": {"a": 1}, "gradients": (), "changed": (), "flags": (0, 0), "cost": None, "crash": None},
        {"value": 1, "gradients": (), "changed": (), "flags": (0, 0), "cost": (1,), "crash": None},
        {"value": ((((1,),),),), "gradients": (), "changed": (), "flags": (0, 0), "cost": None, "crash": None},
        {"value": (None,) * 65, "gradients": (), "changed": (), "flags": (0, 0), "cost": None, "crash": None},
        {"value": 10**30, "gradients": (), "changed": (), "flags": (0, 0), "cost": None, "crash": None},
        {"value": 1, "gradients": ("x",), "changed": (), "flags": (0, 0), "cost": None, "crash": None},
        {"value": 1, "gradients": (), "changed": (), "flags": (0, 0), "cost": (float("inf"), 1, {}), "crash": None},
        {
            "value": 1,
            "gradients": (),
            "changed": (),
            "flags": (0, 0),
            "cost": None,
            "crash": (("E",), "m", "l", float("inf")),
        },
    ],
)
def test_a_reply_that_is_no_observation_is_refused(reply):
    """Parts that are missing or of the wrong kind raise WireError, never anything else."""
    with pytest.raises(wire.WireError, match="the reply is not an observation"):
        wire.observation_from(reply, inputs=1)


def test_pickled_data_is_text_to_the_wire():
    """A pickle in a reply is never loaded: it is not even representable but as text."""
    payload = json.dumps({"value": "\x80\x04cos\nsystem\n"}).encode()
    assert raw(frame(payload))["value"].startswith("\x80")
