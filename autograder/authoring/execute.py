"""Run a notebook in a fresh kernel, and keep of the run only what is the same every time."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from autograder.authoring.notebook import Notebook, code_cells, notebook
from autograder.curriculum import CurriculumError

CELL_TIMEOUT = 300  # seconds; a whole lecture may take 30
WIDGET = "application/vnd.jupyter.widget-view+json"  # refers to a running kernel by a random id
FAILED_LINE = re.compile(r"^Cell In\[\d+\], line (\d+)", re.MULTILINE)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class ExecutionFailed(Exception):  # noqa: N818  # it says what happened, to one caller
    """A cell did not run to its end: its id, the line that failed in it (0 if unknown), and what happened."""

    def __init__(self, cell: str, problem: str, line: int = 0) -> None:
        super().__init__(problem)
        self.cell, self.line = cell, line


def environment(home: Path) -> dict[str, str]:
    """The variables a build runs under: this Python's programs first, and nothing of the author's own settings."""
    kept = {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}  # it would suppress all figures
    programs = str(Path(sys.executable).parent)
    return kept | {"PATH": programs + os.pathsep + kept.get("PATH", ""), "IPYTHONDIR": str(home)}


def execute(nb: Notebook, folder: Path) -> Notebook:
    """A copy of `nb` with its outputs, run in `folder`; a failing cell raises ExecutionFailed."""
    running = nbformat.from_dict(nb)  # type: ignore[no-untyped-call]  # nbformat has no types
    client = NotebookClient(
        running,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        extra_arguments=[
            "--IPKernelApp.log_level=40"
        ],  # it warns of TCP on every start; the kernel lives for one build
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
    )
    with tempfile.TemporaryDirectory() as home:
        try:
            client.execute(env=environment(Path(home)))
        except CellExecutionError as error:
            message = ANSI.sub("", str(error.evalue)).strip().splitlines()[:1]  # empty after a bare assert
            line = FAILED_LINE.search(ANSI.sub("", error.traceback))  # the first frame is the cell's own
            raise ExecutionFailed(
                _failed_cell(running), ": ".join([error.ename, *message]), int(line.group(1)) if line else 0
            ) from None
        except CellTimeoutError:
            raise ExecutionFailed(_failed_cell(running), f"ran longer than {CELL_TIMEOUT} s") from None
        except DeadKernelError:
            raise ExecutionFailed(_failed_cell(running), "the kernel died (out of memory?)") from None
    return _settle(running)


def _failed_cell(nb: Notebook) -> str:
    """The first cell with an error, or else the first one that has not finished."""
    for cell in code_cells(nb):
        if any(output["output_type"] == "error" for output in cell["outputs"]):
            return str(cell["id"])
    unfinished = [cell["id"] for cell in code_cells(nb) if cell["execution_count"] is None and cell["source"].strip()]
    return str(unfinished[0]) if unfinished else "?"


def _settle(nb: Notebook) -> Notebook:
    """Counts from 1, no times, no ids of widgets, no versions: an unchanged text gives unchanged bytes."""
    for count, cell in enumerate(code_cells(nb), start=1):
        cell["execution_count"] = count
        cell["metadata"].pop("execution", None)
        for output in cell["outputs"]:
            output.get("data", {}).pop(WIDGET, None)
            if output["output_type"] == "execute_result":
                output["execution_count"] = count
        cell["outputs"] = [output for output in cell["outputs"] if output.get("data") != {}]
    return notebook(nb["cells"])


def require_kernel() -> None:
    """Raise CurriculumError where no Python kernel is installed."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        raise CurriculumError("There is no Jupyter kernel called python3. Run `pip install ipykernel`.") from None
