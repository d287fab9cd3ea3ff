"""Archives that are handed in instead of the notebook. Nothing in them is ever unpacked to the disk."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import PurePosixPath

from autograder.classroom.text import one_line

ZIP, GZIP = b"PK\x03\x04", b"\x1f\x8b"  # how the files begin
ENTRY = b"PK\x01\x02"  # begins each entry of a zip's table of contents
MOST_ENTRIES = 1000
MOST_NOTEBOOKS = 10
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others cannot be unpacked up to a limit
ENCRYPTED = 0x1
ITSELF = "Hand in the notebook itself"


class Closed(Exception):  # noqa: N818 - a verdict on the archive, not a defect
    """The archive is not opened; the message ends the sentence "NAME …"."""


def is_archive(data: bytes) -> bool:
    """Is it one of those that are opened?"""
    return data.startswith((ZIP, GZIP))


def notebooks_in(data: bytes, limit: int) -> list[tuple[str, bytes]]:
    """Names and bytes of the notebooks in an archive, `limit` bytes together; Closed says why there are none.

    Archives in archives stay closed. A name in a zip is a claim: it is shown, and never used as a path.
    """
    return _in_gzip(data, limit) if data.startswith(GZIP) else _in_zip(data, limit)


def _in_gzip(data: bytes, limit: int) -> list[tuple[str, bytes]]:
    try:
        stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        found = stream.decompress(data, limit + 1)
    except zlib.error:
        raise Closed(f"is a damaged gzip file. {ITSELF}") from None
    if len(found) > limit:
        raise Closed(f"holds more than {limit / 1e6:g} MB. {ITSELF}")
    return [("the file in it", found)]


def _in_zip(data: bytes, limit: int) -> list[tuple[str, bytes]]:
    if data.count(ENTRY) > MOST_ENTRIES:
        raise Closed(f"holds more than {MOST_ENTRIES} files. {ITSELF}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if _is_notebook(entry.filename)]
            if not entries:
                raise Closed(f"is a zip archive without a notebook. {ITSELF}")
            if len(entries) > MOST_NOTEBOOKS:
                raise Closed(f"holds {len(entries)} notebooks. {ITSELF}")
            found = []
            for entry in entries:
                found.append((one_line(entry.filename, 60), _member(archive, entry, limit)))
                limit -= len(found[-1][1])
            return found
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, struct.error):
        raise Closed(f"is a damaged zip archive. {ITSELF}") from None


def _is_notebook(name: str) -> bool:
    """Not what a Mac or Jupyter adds to a folder."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    hidden = any(part.startswith(".") and part != ".." for part in parts)
    return name.lower().endswith(".ipynb") and not hidden and "__MACOSX" not in parts


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    if entry.flag_bits & ENCRYPTED:
        raise Closed(f"is locked with a password. {ITSELF}")
    if entry.compress_type not in METHODS:
        raise Closed(f"is packed in a way that is not opened here. {ITSELF}")
    with archive.open(entry) as file:
        found = file.read(limit + 1)
    if len(found) > limit:
        raise Closed(f"holds more than the {limit / 1e6:g} MB that are read. {ITSELF}")
    return found
