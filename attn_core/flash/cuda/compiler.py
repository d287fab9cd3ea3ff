"""From a kernel's source to machine code for one GPU architecture: NVRTC through cuda-core, and a cache on disk.

The target is always a cubin, never PTX: a driver of CUDA 13.0 could not translate the PTX of a newer compiler. No host
compiler and no CUDA header are needed; a kernel includes only the .cuh files beside it. A cache entry is named by what
went into it (source, headers, functions, options, versions) and begins with the digest of its contents, so an entry that
is damaged, or from another version, is compiled anew; where nothing can be written, every process compiles for itself.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import platformdirs

FOLDER = Path(__file__).parent
OPTIONS: Mapping[str, Any] = {"std": "c++17", "ptxas_options": ["-v"], "no_source_include": True}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
FORMAT = b"attn flash cubin 1\n"


class CompileError(RuntimeError):
    """NVRTC refused a kernel; the message ends with its log."""


@dataclass(frozen=True)
class Usage:
    """What one kernel takes per thread and, of shared memory with a size known to the compiler, per block."""

    registers: int
    spill_bytes: int
    shared_bytes: int


@dataclass(frozen=True)
class Compiled:
    """Machine code, the name of each function in it, and what the compiler said."""

    cubin: bytes
    names: Mapping[str, str]
    log: str

    @property
    def warnings(self) -> tuple[str, ...]:
        """Every line in which the compiler or the assembler warns."""
        return tuple(line for line in self.log.splitlines() if re.search(r"\bwarning\s*[:#]", line))

    @property
    def usage(self) -> dict[str, Usage]:
        """By function as it was asked for: registers, spilled bytes (stored and loaded), shared memory."""
        found = usage(self.log)
        return {function: found[name] for function, name in self.names.items()}


def usage(log: str) -> dict[str, Usage]:
    """Read what `ptxas -v` reports, by the function's name in the machine code."""
    parts = re.split(r"Compiling entry function '([^']+)'", log)
    return {
        name: Usage(_number(r"Used (\d+) registers", text), _spilled(text), _number(r"(\d+) bytes smem", text))
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def compile_kernels(file: Path, functions: Iterable[str], architecture: str, *, folder: Path | None = None) -> Compiled:
    """The machine code of these instances, such as `forward<float, 64, 64, 32, true>`, for an architecture like sm_90a.

    Headers are looked for in `folder`, by default the package's own. CompileError says why where NVRTC refuses.
    """
    functions, headers = sorted(set(functions)), folder or FOLDER
    key = _key(file, headers, functions, architecture)
    entry = cache_folder() / f"{file.stem}-{architecture}-{key[:32]}.bin"
    found = _read(entry, functions)
    if found is None:
        found = _compile(file, headers, functions, architecture)
        if _key(file, headers, functions, architecture) == key:  # else a file was edited meanwhile: the key would lie
            _write(entry, found)
    return found


def cache_folder() -> Path:
    """Where machine code is kept: ATTN_CUDA_CACHE, or the user's cache folder."""
    chosen = os.environ.get("ATTN_CUDA_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("attn-curriculum") / "cuda"


def sources(file: Path, folder: Path) -> dict[str, str]:
    """The text of a kernel and of every header that it includes, however far down; a missing one is left to NVRTC."""
    texts = {file.name: file.read_text(encoding="utf-8")}
    waiting = [file.name]
    while waiting:
        for name in INCLUDE.findall(texts[waiting.pop()]):
            if name not in texts and (folder / name).is_file():
                texts[name] = (folder / name).read_text(encoding="utf-8")
                waiting.append(name)
    return texts


@cache
def versions() -> dict[str, str]:
    """What translates: NVRTC as it is loaded, and the packages around it."""
    _, major, minor = import_module("cuda.bindings.nvrtc").nvrtcVersion()
    found = {"NVRTC": f"{major}.{minor}", "cuda-core": import_module("cuda.core").__version__}
    with suppress(metadata.PackageNotFoundError):  # NVRTC may also come with a CUDA toolkit, or from conda
        found["nvidia-cuda-nvrtc"] = metadata.version("nvidia-cuda-nvrtc")
    return found


def _compile(file: Path, folder: Path, functions: list[str], architecture: str) -> Compiled:
    core, log = import_module("cuda.core"), io.StringIO()
    text = file.read_text(encoding="utf-8")
    options = core.ProgramOptions(name=file.name, arch=architecture, include_path=[str(folder)], **OPTIONS)
    try:
        code = core.Program(text, "c++", options).compile("cubin", name_expressions=tuple(functions), logs=log)
    except Exception as error:  # NVRTCError of a private module of cuda-core  # noqa: BLE001
        raise CompileError(
            f"{file.name} cannot be compiled for {architecture} by NVRTC {versions()['NVRTC']} "
            f"({', '.join(functions)}). The compiler says:\n{str(error).strip(chr(0) + ' ')}"
        ) from None
    names = {function: _text(code.symbol_mapping[function]) for function in functions}
    return Compiled(bytes(code.code), names, log.getvalue().strip("\0 \n"))


def _key(file: Path, folder: Path, functions: list[str], architecture: str) -> str:
    """All that decides what the compiler returns, as one digest."""
    parts = [sources(file, folder), functions, architecture, dict(OPTIONS), versions()]
    return hashlib.sha256(FORMAT + json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _read(entry: Path, functions: list[str]) -> Compiled | None:
    """What the cache holds; None for an entry that is missing, unreadable, damaged or about something else."""
    try:
        head, digest, body = entry.read_bytes().split(b"\n", 2)
        if head + b"\n" != FORMAT or hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        about, cubin = body.split(b"\n", 1)
        names, log = json.loads(about)
    except (OSError, ValueError):
        return None
    return Compiled(cubin, names, log) if sorted(names) == functions else None


def _write(entry: Path, found: Compiled) -> None:
    """Keep it, whole or not at all; a full, forbidden or missing disk only costs the next process a second."""
    body = json.dumps([dict(found.names), found.log]).encode() + b"\n" + found.cubin
    with suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=entry.parent, prefix=entry.stem, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(FORMAT + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            os.replace(temporary, entry)
        finally:
            Path(temporary).unlink(missing_ok=True)


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def _spilled(text: str) -> int:
    found = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", text)
    return int(found[1]) + int(found[2]) if found else 0


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
