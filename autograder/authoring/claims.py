"""Claims: what a lecture says of the statements one hears, and what its cells measured."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from attn_core.lab.claims import ClaimLine, parse_claim_line
from autograder.authoring.notebook import Cell, Notebook, code_cells

SHAPE = "**C024 · false.** *“The statement one hears.”* What is right."
VERDICTS = ("true", "imprecise", "false", "outdated", "depends")
PARAGRAPH = re.compile(r"^\*\*(C\d{3}) · (\w+)\.\*\*\s+\*“(.+?)”\*(?:[ \t]+|\n)(\S.*)", re.DOTALL)


@dataclass(frozen=True)
class Claim:
    """A statement one hears, judged."""

    id: str
    verdict: str
    statement: str
    answer: str  # what is right


def claims(nb: Notebook) -> list[Claim]:
    """All claims of a lecture that have the fixed shape, in order."""
    return [claim for cell in nb["cells"] if "claims" in cell["metadata"] for claim in claims_of(cell)]


def claims_of(cell: Cell) -> list[Claim]:
    """The claims of one cell."""
    found = (PARAGRAPH.match(paragraph) for paragraph in paragraphs(cell))
    return [Claim(*(" ".join(group.split()) for group in match.groups())) for match in found if match]


def announced(cell: Cell) -> list[str]:
    """The ids that a cell's header announces: `claims="C024, C025"`."""
    return re.findall(r"[^\s,]+", str(cell["metadata"].get("claims", "")))


def paragraphs(cell: Cell) -> list[str]:
    """The paragraphs of a Markdown cell."""
    return [part.strip() for part in re.split(r"\n\s*\n", cell["source"]) if part.strip()]


def faults(cell: Cell) -> list[str]:
    """What is wrong with the shape of a claim cell, in words."""
    found = claims_of(cell)
    shaped = [claim.id for claim in found]
    problems = [
        f"{claim.id} has the verdict {claim.verdict!r}, expected one of {', '.join(VERDICTS)}"
        for claim in found
        if claim.verdict not in VERDICTS
    ]
    problems += [
        f"{id} is announced in the header, but no paragraph of the cell states it in the fixed shape"
        for id in announced(cell)
        if id not in shaped
    ]
    problems += [
        f"{id} has a paragraph, but the header announces only {announced(cell)}"
        for id in shaped
        if id not in announced(cell)
    ]
    return problems


def asserted(nb: Notebook) -> set[str]:
    """The claims for which a code cell calls `claim("C024", …)`."""
    return {id for cell in code_cells(nb) for id in _calls(cell["source"])}


def measured_lines(nb: Notebook) -> dict[str, list[ClaimLine]]:
    """What the cells of an executed lecture printed about its claims, by claim."""
    found: dict[str, list[ClaimLine]] = {}
    for cell in code_cells(nb):
        printed = "".join(str(output["text"]) for output in cell["outputs"] if output.get("name") == "stdout")
        for line in filter(None, map(parse_claim_line, printed.splitlines())):
            found.setdefault(line.id, []).append(line)
    return found


def _calls(source: str) -> list[str]:
    plain = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())
    try:
        module = ast.parse(plain)
    except SyntaxError:  # an unfinished cell: the build reports it
        return []
    return [
        str(node.args[0].value)
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "claim"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]
