"""Reads a feedback page the way a browser would, and collects what it could run or load."""

from __future__ import annotations

import re
from html.parser import HTMLParser

ALLOWED_TAGS = frozenset(
    re.findall(
        r"\w+",
        "html head meta title style body header main section article footer div span p pre code h1 h2 h3 h4 b strong em i small "
        "table caption thead tbody tr th td ul ol li dl dt dd hr br details summary nav a bdi",
    )
)


class Tags(HTMLParser):
    """Collects what a page could load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.suspicious: list[str] = []

    def handle_starttag(self, tag, attrs):
        """Note what is not on the list."""
        if tag not in ALLOWED_TAGS:
            self.suspicious.append(f"<{tag}>")
        for name, value in attrs:
            if (
                name.startswith("on")
                or name in ("src", "srcdoc", "formaction")
                or (value or "").strip().lower().startswith("javascript:")
            ):
                self.suspicious.append(f"{tag} {name}={value}")
