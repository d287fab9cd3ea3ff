"""A learner's Markdown, made safe to show.

nbgrader's pages render Markdown with raw HTML and any link, in the teacher's browser and with the teacher's rights.
Nothing is deleted here: a space is put where a tag, a link or a picture would begin, so that it is shown as text.
Formulas look the same with such a space.
"""

from __future__ import annotations

import re
from collections.abc import Collection

TAG = re.compile(r"<(?=[A-Za-z/!?])")
LINK = re.compile(r"\](?=\()(?!\(https?://)(?!\(#)")  # any link but to a web address or within the page
DEFINITION = re.compile(r"\](?=:)")  # [name]: address, the other way to write a link
PICTURE = re.compile(r"!(?=\[)")
PASTED = re.compile(r"!\[([^\[\]\n]{0,200})\]\(attachment:([^()\s]{1,200})\)")
DRAWING = re.compile(r"(?<=```)[ \t]*(?=mermaid)|(?<=~~~)[ \t]*(?=mermaid)")  # a fence that a script would draw


def defused(text: str, images: Collection[str] = ()) -> str:
    """`text` with all HTML, links to anything but web addresses, and pictures but the pasted `images` shown as text."""
    kept: list[str] = []
    position = 0
    for pasted in PASTED.finditer(text):
        if pasted[2] in images:
            kept += [_plain(text[position : pasted.start()]), pasted[0]]
            position = pasted.end()
    return "".join([*kept, _plain(text[position:])])


def _plain(text: str) -> str:
    for pattern, replacement in ((TAG, "< "), (LINK, "] "), (DEFINITION, "] "), (PICTURE, "! "), (DRAWING, " text ")):
        text = pattern.sub(replacement, text)
    return text
