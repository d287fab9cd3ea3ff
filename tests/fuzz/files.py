"""Mutators of the file and of the folder that it lies in."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fuzz.mutate import DAMAGE, ENCODING, FOLDER, TEXT, WRAPPING, Effect, mutator

KEEPS, LOSES, KILLS = Effect.KEEPS, Effect.LOSES, Effect.KILLS
OURS = "ids marks text"  # what a notebook under another name is recognised by


@mutator(TEXT, KEEPS)
def other_json(rng: random.Random, text: str) -> str:
    """The same notebook, written by another program."""
    style: dict[str, Any] = rng.choice(({"indent": 1}, {"indent": 4, "sort_keys": True}, {"separators": (",", ":")}))
    return json.dumps(json.loads(text), **style)


@mutator(TEXT, KEEPS)
def windows_file(_: random.Random, text: str) -> str:
    """Windows line ends in the file."""
    return json.dumps(json.loads(text), indent=1).replace("\n", "\r\n") + "\r\n"


@mutator(TEXT, KEEPS)
def keys_twice(_: random.Random, text: str) -> str:
    """Every source stands twice; the last one counts, as in JupyterLab."""
    return text.replace('"source": ', '"source": "raise ValueError", "source": ')


@mutator(TEXT, KEEPS)
def blanks_around(rng: random.Random, text: str) -> str:
    """Blank lines before and after."""
    return "\n" * rng.randint(0, 300) + text + " \t\r\n" * rng.randint(0, 300)


@mutator(DAMAGE, KILLS)
def cut_off(rng: random.Random, data: bytes) -> bytes:
    """An upload that broke off."""
    return data[: rng.randrange(len(data.strip()))]


@mutator(DAMAGE, KILLS)
def garbage_before(rng: random.Random, data: bytes) -> bytes:
    """Something else before the notebook."""
    return (
        rng.choice((b"x", b"<html>", b"%PDF-1.7", b"<<<<<<< HEAD\n", b"{" * 10, b"PK\x03\x04", b"[" * 100_000)) + data
    )


@mutator(DAMAGE, KILLS)
def something_else(rng: random.Random, data: bytes) -> bytes:
    """Another file under the notebook's name."""
    numbers = rng.randbytes(len(data))
    return rng.choice(
        (b"", b"null", b"[]", b'"x"', b"\0" * 999, numbers, b"[" * 10**6, b"[[],", b'{"cells": {}}', b"7" * 9999)
    )


@mutator(DAMAGE, LOSES)
def flipped_bytes(rng: random.Random, data: bytes) -> bytes:
    """A few bytes are others."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 20)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


@mutator(DAMAGE, LOSES)
def moved_slices(rng: random.Random, data: bytes) -> bytes:
    """A piece is missing, or there twice."""
    a, b = sorted(rng.sample(range(len(data)), 2))
    return rng.choice((data[:a] + data[b:], data[:b] + data[a:]))


@mutator(ENCODING, KEEPS)
def byte_order_mark(_: random.Random, data: bytes) -> bytes:
    """What some editors put before a text."""
    return b"\xef\xbb\xbf" + data


@mutator(ENCODING, KEEPS, breaks="bytes")
def utf_16_or_32(rng: random.Random, data: bytes) -> bytes:
    """What PowerShell writes."""
    return data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-16-be", "utf-32")))


@mutator(ENCODING, KEEPS, breaks="text")
def latin_1(_: random.Random, data: bytes) -> bytes:
    """A title with an accent, saved as in 1995."""
    return data.replace(b"Assignment 06", b"Assignment n\xb0 06")


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)  # without the time of day
    return out.getvalue()


@mutator(WRAPPING, KEEPS, needs=OURS, breaks="bytes")
def zip_archive(rng: random.Random, data: bytes) -> bytes:
    """What a learning platform hands over."""
    name = rng.choice(("06_scaling.ipynb", "a/b.ipynb", "../../x.ipynb", "/etc/x.ipynb", "C:\\x.ipynb"))
    return zipped({name: data, "__MACOSX/._x.ipynb": b"\0", "data.csv": b"1"})


@mutator(WRAPPING, KEEPS, needs=OURS, breaks="bytes")
def gzip_file(_: random.Random, data: bytes) -> bytes:
    """What a browser does not unpack."""
    return gzip.compress(data, mtime=0)


@mutator(WRAPPING, KILLS)
def useless_archive(rng: random.Random, data: bytes) -> bytes:
    """Archives in archives, bombs, two notebooks, none."""
    return rng.choice(
        (
            zipped({"a.zip": zipped({"06_scaling.ipynb": data})}),
            zipped({"06_scaling.ipynb": b" " * 21_000_000}),
            zipped({f"{i}.ipynb": data + b" " * i for i in range(12)}),
            zipped({"06_scaling.ipynb": data}, zipfile.ZIP_LZMA),
            zipped({"06_scaling.ipynb": data})[:-40],
            zipped({"readme.txt": b"see e-mail"}),
            zipped({}),
            gzip.compress(gzip.compress(data, mtime=0), mtime=0),
            b"Rar!\x1a\x07" + data,
        )
    )


def put(path: Path, data: bytes) -> None:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@mutator(FOLDER, KEEPS, needs=OURS)
def other_name(rng: random.Random, path: Path, data: bytes) -> None:
    """A browser's, a Mac's, a stranger's idea of a name."""
    names = (
        "06_scaling (1).ipynb",
        "06_Scaling.IPYNB",
        "06_scaling.ipynb.txt",
        "a.json",
        "mon été \n.ipynb",
        "x",
        "$(ls).ipynb",
    )
    put(path.with_name(rng.choice(names)), data)


@mutator(FOLDER, KEEPS, needs=OURS)
def other_place(rng: random.Random, path: Path, data: bytes) -> None:
    """A folder deeper."""
    put(path.parent / rng.choice(("06_scaling", "my work", path.name)) / path.name, data)


@mutator(FOLDER, KEEPS)
def things_beside(rng: random.Random, path: Path, data: bytes) -> None:
    """The notebook, and around it whatever a folder collects."""
    put(path, data)
    put(path.parent / ".ipynb_checkpoints" / "06_scaling-checkpoint.ipynb", data[: len(data) // 2])
    put(path.with_name("numpy.py"), b"raise SystemExit")
    os.mkfifo(path.with_name("pipe.ipynb"))
    path.with_name("link.ipynb").symlink_to(rng.choice(("/dev/zero", "/etc/passwd", "../../..", path.name)))
    for number in range(rng.choice((1, 40))):
        put(path.with_name(f"{number}.ipynb"), rng.randbytes(50))


@mutator(FOLDER, KEEPS)
def hard_link(_: random.Random, path: Path, data: bytes) -> None:
    """The file has a second name elsewhere."""
    put(path, data)
    os.link(path, path.parent.parent / "elsewhere.ipynb")


@mutator(FOLDER, KEEPS)
def odd_permissions(rng: random.Random, path: Path, data: bytes) -> None:
    """A file that may only be read."""
    put(path, data)
    path.chmod(rng.choice((0o400, 0o444, 0o777)))


@mutator(FOLDER, KILLS)
def no_file(rng: random.Random, path: Path, data: bytes) -> None:
    """An empty folder, or one with another file."""
    path.parent.mkdir(parents=True)
    if rng.random() < 0.5:
        put(path.with_name("proof.pdf"), b"%PDF" + data)


@mutator(FOLDER, KILLS)
def no_ordinary_file(rng: random.Random, path: Path, data: bytes) -> None:
    """A link, a pipe, a socket, a folder, a file larger than the disk."""
    path.parent.mkdir(parents=True)
    outside = path.parents[3] / "outside.ipynb"
    put(outside, data)
    kinds: tuple[Callable[[], Any], ...] = (
        *[lambda: path.symlink_to(outside)] * 4,  # what a link could win
        lambda: path.symlink_to("nowhere"),
        lambda: path.symlink_to(path),
        lambda: path.symlink_to("/dev/zero"),
        lambda: os.mkfifo(path),
        lambda: path.mkdir(),
        lambda: os.truncate(path, path.write_bytes(b"{") * 2**40),
        lambda: _socket(path),
    )
    rng.choice(kinds)()


def _socket(path: Path) -> None:
    short = Path(f"/proc/self/fd/{(fd := os.open(path.parent, os.O_RDONLY))}") / path.name  # such a path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(short))
    os.close(fd)


@mutator(FOLDER, KILLS)
def no_folder(rng: random.Random, path: Path, data: bytes) -> None:
    """A link, a pipe or a file where the folder belongs."""
    outside = path.parents[3] / "outside" / path.parent.name
    put(outside / path.name, data)
    if rng.random() < 0.2:
        path.parents[2].mkdir(parents=True, exist_ok=True)
        path.parents[1].symlink_to(outside.parent)
        return
    path.parents[1].mkdir(parents=True)
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: path.parent.symlink_to(outside),
        lambda: path.parent.symlink_to("nowhere"),
        lambda: os.mkfifo(path.parent),
        lambda: path.parent.write_bytes(data),
    )
    rng.choice(kinds)()


@mutator(FOLDER, KILLS, needs="bytes")
def two_that_differ(_: random.Random, path: Path, data: bytes) -> None:
    """Two notebooks, neither under its name."""
    put(path.with_name("a.ipynb"), data)
    put(path.with_name("b.ipynb"), data.rstrip() + b"\n \n")
