"""A learner's .ipynb file as plain cells. Nothing in it is trusted: not its shape, not its types, not its ids.

Only the standard library is used: it is fast, and it repairs nothing in silence. What a file would cost to read is
bounded before it is read.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from autograder.classroom.text import count_up, one_line, storable

MOST_CELLS = 2000  # that hold something
MOST_BLANK = 20_000  # blank ones among them
MOST_VALUES = 500_000  # numbers, texts, lists and objects of a file: each takes up to 200 bytes in memory
MOST_SOURCE = 200_000  # characters of one code cell
MOST_PROSE = 50_000  # characters of one Markdown cell
MOST_DIGITS = 300  # of a whole number; no cell depends on one
IMAGES = ("image/png", "image/jpeg", "image/gif")
BASE64 = re.compile(r"[A-Za-z0-9+/=\n]*")
QUOTED = re.compile(r'"[^"]*"')
BEGINNINGS = (  # how files begin that are handed in by mistake
    (b"PK", "is an empty or damaged zip archive. Hand in the notebook itself"),
    (b"Rar!", "is a RAR archive. Unpack it and hand in the notebook in it"),
    (b"7z\xbc\xaf", "is a 7-Zip archive. Unpack it and hand in the notebook in it"),
    (b"%PDF", "is a PDF. Hand in the notebook itself"),
    (b"<", "is a web page, not the notebook. Download the file itself (in JupyterLab: File, Download)"),
    (b"SQLite format 3", "is a database, not the notebook. Hand in the notebook itself"),
)
CONFLICT = "<<<<<<< "
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


@dataclass(frozen=True)
class LearnerNotebook:
    """The cells in order, and what had to be left out."""

    cells: tuple[LearnerCell, ...]
    remarks: tuple[str, ...] = ()


def parse(data: bytes, name: str) -> LearnerNotebook:
    """The notebook in `data`; Unreadable says why there is none. `name` is how messages call the file.

    A key that stands twice counts as JupyterLab reads it: the last one does.
    """
    text, remarks = _text(data, name)
    found = _json(text, name, bool(remarks))
    del text  # of a large file every copy counts
    if not isinstance(found, dict):
        raise Unreadable(f"{name} is not a notebook: it holds a JSON {_kind(found)}, expected cells. {AGAIN}")
    raw_cells = _raw_cells(found, remarks)
    if raw_cells is None:
        raise Unreadable(f"{name} is not a notebook: it has no list of cells. {AGAIN}")
    if len(raw_cells) > MOST_CELLS + MOST_BLANK or sum(map(_holds_something, raw_cells)) > MOST_CELLS:
        raise Unreadable(f"{name} has {len(raw_cells)} cells; at most {MOST_CELLS} are read. Shorten it.")
    cells, damaged, long, repaired = [], [], [], []
    for number, raw in enumerate(raw_cells, start=1):
        cell = _cell(raw)
        if cell is None:
            damaged.append(f"cell {number}")
        elif cell.type == "code" and len(cell.source) > MOST_SOURCE:
            long.append(f"cell {number}")
        else:
            source = storable(cell.source)
            if source != cell.source:
                repaired.append(f"cell {number}")
            cells.append(LearnerCell(cell.type, source, cell.id, cell.grade_id, cell.attachments))
    for numbers, sentence in (
        (damaged, "Damaged, left out"),
        (long, f"Longer than the {MOST_SOURCE // 1000} kB of code that are run, left out"),
        (repaired, "Held characters that cannot be stored, they were replaced"),
    ):
        if numbers:
            remarks.append(f"{sentence}: {count_up(numbers)}.")
    return LearnerNotebook(tuple(cells), tuple(remarks))


def _text(data: bytes, name: str) -> tuple[str, list[str]]:
    """The file as text, and a remark when it was not UTF-8."""
    if not data.strip(b"\0 \t\r\n\f\v"):
        raise Unreadable(f"{name} is empty. Save the notebook and hand it in again.")
    start = data[:100].lstrip()
    for beginning, sentence in BEGINNINGS:
        if start.startswith(beginning) and not start.startswith(CONFLICT.encode()):
            raise Unreadable(f"{name} {sentence}.")
    encoding = json.detect_encoding(data)
    try:
        text = data.decode(encoding)
        shown = encoding[:6].upper()
        return text, [] if encoding.startswith("utf-8") else [f"Saved as {shown}, not as UTF-8; read all the same."]
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        return text, ["Holds bytes that are not UTF-8 text; they were replaced. Save it in JupyterLab next time."]


def _json(text: str, name: str, odd: bool) -> Any:
    if f"\n{CONFLICT}" in text or text.startswith(CONFLICT):
        raise Unreadable(f"{name} holds git's marks of an unresolved conflict (<<<<<<<). Resolve it and hand in again.")
    if _too_many_values(text):
        raise Unreadable(f"{name} holds more than {MOST_VALUES} values, which no notebook of this course does. {AGAIN}")
    try:
        return json.loads(text, parse_int=_whole_number)
    except json.JSONDecodeError as error:
        if odd:
            raise Unreadable(f"{name} is not UTF-8 text, and not a notebook. {AGAIN}") from None
        where = f"line {error.lineno} of {text.count(chr(10)) + 1}"
        raise Unreadable(f"{name} is not a notebook: its JSON is broken in {where}. {AGAIN}") from None
    except RecursionError:  # lists in lists in lists
        raise Unreadable(f"{name} is not a notebook: no notebook holds such JSON. {AGAIN}") from None


def _whole_number(digits: str) -> int:
    """Python refuses to read thousands of digits, for their cost; such a number must not cost the notebook."""
    return int(digits) if len(digits) < MOST_DIGITS else 0


def _too_many_values(text: str) -> bool:
    """A value begins with a bracket or after a comma. Counted before parsing, in less time than that takes."""
    if sum(map(text.count, "[{,")) <= MOST_VALUES:
        return False
    text = text.replace("\\\\", "").replace('\\"', "")  # now each " opens or closes a text
    if text.count('"') > 4 * MOST_VALUES:
        return True
    count = position = 0
    for quoted in QUOTED.finditer(text):
        gap = text[position : quoted.start()]
        count += sum(map(gap.count, "[{,"))
        position = quoted.end()
    return count + sum(map(text[position:].count, "[{,")) > MOST_VALUES


def _kind(value: Any) -> str:
    names = {list: "list", str: "text", bool: "value", type(None): "null"}
    return names.get(type(value), "number")


def _raw_cells(found: dict[str, Any], remarks: list[str]) -> list[Any] | None:
    """The list of cells. Before format 4 they lay in worksheets; of a format to come, what is known is read."""
    sheets = found.get("worksheets")
    if "cells" not in found and isinstance(sheets, list):
        remarks.append("Saved in an old notebook format (before 4); its cells were taken. Save it in JupyterLab.")
        lists = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
        return [cell for cells in lists if isinstance(cells, list) for cell in cells]
    version = found.get("nbformat")
    if isinstance(version, int) and version > 4:
        remarks.append(f"Saved in notebook format {one_line(str(version), 20)}; read as format 4, the newest known.")
    cells = found.get("cells")
    return cells if isinstance(cells, list) else None


def _holds_something(raw: Any) -> bool:
    source = raw.get("source", raw.get("input")) if isinstance(raw, dict) else raw
    return not isinstance(source, str) or not (source.isspace() or source == "")


def _cell(raw: Any) -> LearnerCell | None:
    """One cell; a type that nobody knows counts as raw text."""
    if not isinstance(raw, dict) or not isinstance(raw.get("cell_type"), str):
        return None
    source = raw.get("source", raw.get("input"))  # `input` before format 4
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    type = raw["cell_type"] if raw["cell_type"] in ("code", "markdown", "heading") else "raw"
    if type == "heading":
        type, level = "markdown", raw.get("level")
        source = "#" * (level if level in (1, 2, 3, 4, 5, 6) else 1) + " " + source
    if "\r" in source[: MOST_SOURCE + 1]:
        source = source.replace("\r\n", "\n").replace("\r", "\n")
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    claims = metadata.get("nbgrader")
    return LearnerCell(
        type=type,
        source=source[: (MOST_SOURCE if type == "code" else MOST_PROSE) + 1],
        id=_first_text(raw.get("id"), metadata.get("id"), metadata.get("cell_id")),  # Colab, Deepnote: in the metadata
        grade_id=_first_text(claims.get("grade_id")) if isinstance(claims, dict) else "",
        attachments=_images(raw.get("attachments")),
    )


def _first_text(*values: Any) -> str:
    return next((value for value in values if isinstance(value, str)), "")


def _images(attachments: Any) -> dict[str, dict[str, str]]:
    """Pasted images: a written answer may be a photograph. Anything else that is attached is dropped."""
    found: dict[str, dict[str, str]] = {}
    if isinstance(attachments, dict):
        for name, kinds in attachments.items():
            images = kinds.items() if isinstance(kinds, dict) else ()
            kept = {k: v for k, v in images if k in IMAGES and isinstance(v, str) and BASE64.fullmatch(v)}
            if kept:
                found[storable(name)] = kept
    return found
