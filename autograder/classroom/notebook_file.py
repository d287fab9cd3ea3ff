"""A learner's .ipynb file as plain cells. Nothing in it is trusted: not its shape, not its types, not its ids.

Only the standard library is used: it is fast, and it repairs nothing in silence.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from autograder.classroom.text import one_line, storable

IMAGES = ("image/png", "image/jpeg", "image/gif")
BEGINNINGS = (  # how files begin that are handed in by mistake
    (b"PK\x03\x04", "is a zip archive. Unpack it and hand in the notebook in it"),
    (b"%PDF", "is a PDF. Hand in the notebook itself"),
    (b"<", "is a web page, not the notebook. Download the file itself (in JupyterLab: File, Download)"),
    (b"\xff\xfe", "is not UTF-8 text. Open it in JupyterLab and save it"),
)
AGAIN = "Open it in JupyterLab, save it, and hand it in again."


class Unreadable(Exception):  # noqa: N818 - a verdict on the file, not a defect
    """The file is no notebook; the message says to the learner why, and what to do."""


@dataclass(frozen=True)
class LearnerCell:
    """One cell as it was handed in; `grade_id` and `id` are claims, not facts."""

    type: str
    source: str
    id: str = ""
    grade_id: str = ""
    attachments: dict[str, dict[str, str]] = field(default_factory=dict)
    repaired: bool = False  # held characters that no file can


@dataclass(frozen=True)
class LearnerNotebook:
    """The cells in order, and what had to be left out."""

    cells: tuple[LearnerCell, ...]
    remarks: tuple[str, ...] = ()


def parse(data: bytes, name: str) -> LearnerNotebook:
    """The notebook in `data`; Unreadable says why there is none. `name` is how messages call the file."""
    found = _json(data, name)
    if not isinstance(found, dict):
        raise Unreadable(f"{name} is not a notebook: it holds a JSON {_kind(found)}, expected cells. {AGAIN}")
    version = found.get("nbformat", 4)
    if "worksheets" in found or (isinstance(version, int) and version < 4):
        raise Unreadable(f"{name} is in an old notebook format (before 4). {AGAIN}")
    if version != 4:
        raise Unreadable(f"{name} is in the notebook format {one_line(str(version), 20)}, expected 4. {AGAIN}")
    cells = found.get("cells")
    if not isinstance(cells, list):
        raise Unreadable(f"{name} is not a notebook: it has no list of cells. {AGAIN}")
    parsed, remarks = [], []
    for number, raw in enumerate(cells, start=1):
        cell = _cell(raw)
        if cell is None:
            remarks.append(f"Cell {number} is damaged and was left out.")
        else:
            if cell.repaired:
                remarks.append(f"Cell {number} held characters that cannot be stored; they were replaced.")
            parsed.append(cell)
    return LearnerNotebook(tuple(parsed), tuple(remarks))


def _json(data: bytes, name: str) -> Any:
    if not data.strip():
        raise Unreadable(f"{name} is empty. Save the notebook and hand it in again.")
    for beginning, sentence in BEGINNINGS:
        if data.lstrip().startswith(beginning) and not data.lstrip().startswith(b"<<<<<<<"):
            raise Unreadable(f"{name} {sentence}.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"{name} is not UTF-8 text (byte {error.start} is the first wrong one). {AGAIN}") from None
    if "\n<<<<<<< " in text or text.startswith("<<<<<<< "):
        raise Unreadable(f"{name} holds git's marks of an unresolved conflict (<<<<<<<). Resolve it and hand in again.")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} of {text.count(chr(10)) + 1}"
        raise Unreadable(f"{name} is not a notebook: its JSON is broken in {where}. {AGAIN}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, lists in lists in lists
        raise Unreadable(f"{name} is not a notebook: no notebook holds such JSON. {AGAIN}") from None


def _kind(value: Any) -> str:
    names = {list: "list", str: "text", bool: "value", type(None): "null"}
    return names.get(type(value), "number")


def _cell(raw: Any) -> LearnerCell | None:
    if not isinstance(raw, dict) or raw.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    source = raw.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    metadata = raw.get("metadata")
    claims = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = claims.get("grade_id") if isinstance(claims, dict) else ""
    id = raw.get("id", "")
    return LearnerCell(
        type=raw["cell_type"],
        source=storable(source),
        id=id if isinstance(id, str) else "",
        grade_id=grade_id if isinstance(grade_id, str) else "",
        attachments=_images(raw.get("attachments")),
        repaired=storable(source) != source,
    )


def _images(attachments: Any) -> dict[str, dict[str, str]]:
    """Pasted images: a written answer may be a photograph. Anything else that is attached is dropped."""
    found: dict[str, dict[str, str]] = {}
    if isinstance(attachments, dict):
        for name, kinds in attachments.items():
            images = kinds.items() if isinstance(kinds, dict) else ()
            kept = {k: v for k, v in images if k in IMAGES and isinstance(v, str) and _is_base64(v)}
            if kept:
                found[storable(name)] = kept
    return found


def _is_base64(text: str) -> bool:
    return text.isascii() and all(c.isalnum() or c in "+/=\n" for c in text)
