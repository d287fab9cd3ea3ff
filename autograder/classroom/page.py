"""Pages for people: one file that needs nothing else, runs nothing, and shows hostile text as text.

Every value in a template is escaped, and what would steer the reading direction or a terminal is made visible. The page's
policy lets in nothing but its own style sheet, by its digest; so there is no style attribute either.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from autograder.classroom.text import printable

FOLDER = Path(__file__).with_name("templates")
TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # what turns the reading direction
POLICY = "default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'"


def visible(text: str) -> str:
    """`text` fit for a page: colours for terminals gone, what turns the reading direction named, the rest as it is."""
    return printable(TURNING.sub(lambda found: f"[U+{ord(found[0]):04X}]", text))


def _finalize(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER),
    autoescape=True,
    finalize=_finalize,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGES.filters["points"] = "{:g}".format


def render(template: str, **values: Any) -> str:
    """A page from a template in templates/; every one of them extends page.html.jinja."""
    style, policy = _style_and_policy()
    return PAGES.get_template(template).render(values, style=style, policy=policy)


@cache
def _style_and_policy() -> tuple[Markup, Markup]:
    style = (FOLDER / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return Markup(style), Markup(POLICY.format(digest))
