"""Draw docs/report.svg: the report on a wrong answer, as a terminal shows it. A test compares the file with a fresh drawing."""

import io
import re
from pathlib import Path

from rich.console import Console
from rich.text import Text

from autograder.notebook import examine

PICTURE = Path(__file__).with_name("report.svg")


def scaled_scores(q, k):
    """The most common mistake of all."""
    return q @ k.transpose(-2, -1)


def draw() -> str:
    """The picture, from a real check."""
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True)
    console.print('[bold]>>> check("scaling.scaled_scores", scaled_scores)[/]')
    for line in examine("scaling.scaled_scores", scaled_scores).text().splitlines():
        style = (
            "bold red"
            if line.startswith("✗")
            else "yellow"
            if "mistake" in line
            else "cyan"
            if "Ask yourself" in line
            else ""
        )
        console.print(Text(line, style=style))
    picture = console.export_svg(title="attn", unique_id="attn-report")
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # rich loads its font from the network


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
    print(f"{PICTURE} written")
