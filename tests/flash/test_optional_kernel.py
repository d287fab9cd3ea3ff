"""The ungraded end of assignment 15: a real CUDA kernel with a gap, which learners fill and run."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from attn_core.flash.cuda import emulator, launch
from attn_core.flash.cuda.kernels import STAGES
from autograder.curriculum import find_tree

ASSIGNMENT = find_tree(Path(__file__)).root / "solutions" / "15_flash.py"
needs_compiler = pytest.mark.skipif(
    bool(emulator.why_unavailable()), reason=emulator.why_unavailable() or "g++ is here"
)


@pytest.fixture
def cell(tmp_path, monkeypatch):
    """The two cells: GAP as it is handed out, and try_kernel."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = ASSIGNMENT.read_text(encoding="utf-8")
    gap = text[text.index('GAP = """') : text.index('\n\n\n# %% locked="cuda-try"')]
    function = text[text.index("def try_kernel") : text.index("\n\n\nprint(try_kernel(GAP))")]
    names = {"np": np, "torch": torch}
    exec(f"{gap}\n{function}", names)  # noqa: S102 - the project's own cells
    return SimpleNamespace(**{name: names[name] for name in ("GAP", "try_kernel")})


def right_gap() -> str:
    """The lines that the gap replaces, from the kernel itself."""
    text = STAGES[1].file.read_text(encoding="utf-8")
    return text[text.index("      sum = sum * rescale") : text.index("      peak = new_peak;")]


@needs_compiler
def test_the_gap_as_handed_out_is_wrong_and_the_kernels_own_lines_are_right(cell):
    """What a learner sees before and after."""
    assert cell.try_kernel(cell.GAP).endswith(
        "not yet right: what was summed under the old maximum must be brought to the new one."
    )
    assert cell.try_kernel(right_gap()).endswith(
        "(the emulator, first in; the emulator, last in; the emulator, random): right."
    )


@needs_compiler
def test_what_does_not_compile_and_what_is_nan(cell):
    """Mistakes end in a sentence too, and NaN is no success."""
    assert cell.try_kernel("nonsense").startswith("On the emulator, first in: g++ does not compile forward_1_fused.cu:")
    assert "The largest error is nan" in cell.try_kernel("      sum = infinity() - infinity();\n")


@needs_compiler
def test_where_there_is_a_gpu_it_runs_there_too(cell, monkeypatch):
    """The learner's text goes to the launch, not the stage's own file."""
    seen = []

    def forward(q, *_, stage, source, **__):
        seen.append((stage, "nothing = 1" in source.read_text()))
        return torch.zeros_like(q), None

    monkeypatch.setattr(launch, "why_unavailable", lambda: "")
    monkeypatch.setattr(launch, "forward", forward)
    monkeypatch.setattr(torch.Tensor, "cuda", lambda tensor: tensor)
    assert "the GPU): not yet right" in cell.try_kernel("      float nothing = 1;\n" + right_gap())
    assert seen == [("forward_1_fused", True)]


def test_without_a_compiler_or_the_package_it_is_one_sentence(cell, monkeypatch):
    """Also where a submission is graded, in a player without attn_core.flash."""
    monkeypatch.setattr(emulator.shutil, "which", lambda _: None)
    assert cell.try_kernel(cell.GAP) == emulator.why_unavailable()
    monkeypatch.setitem(sys.modules, "attn_core.flash.cuda", None)
    assert cell.try_kernel(cell.GAP) == "The package's kernels are not installed here, so there is nothing to run."
