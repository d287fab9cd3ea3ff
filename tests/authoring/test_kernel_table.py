"""The README's table of CUDA kernels."""

import json

import pytest

from attn_core.flash.cuda.kernels import STAGES
from autograder.authoring.kernel_table import NOTHING, kernel_table
from autograder.authoring.tables import stale_tables, write_tables
from autograder.curriculum import CurriculumError, Tree

MACHINE = {
    "gpu": "NVIDIA H200",
    "driver": "580.1, CUDA 13.0",
    "torch": "2.13.0, CUDA 13.0, cuDNN 91900",
    "date": "2026-12-01",
    "revision": "abc",
}


def measured(name: str, causal: bool, tflops: float, best: float | None, **other: object) -> dict[str, object]:
    """A row as benchmarks/gpu/speed.py makes it, of the setting that the table shows."""
    shape = {"config": "A", "dtype": "bfloat16", "length": 8192, "causal": causal, **other}
    return {**shape, "name": name, "milliseconds": 1.0, "tflops": tflops, "of_best_backend": best}


def write_results(tree: Tree, name: str, speed: list[dict[str, object]], **machine: str) -> None:
    """A results file of `make gpu`."""
    folder = tree.root / "benchmarks" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"machine": {**MACHINE, **machine}, "speed": speed}))


def row_of(table: str, name: str) -> list[str]:
    """The cells of a stage."""
    (line,) = [line for line in table.splitlines() if line.startswith(f"| `{name}`")]
    return line.strip("| ").split(" | ")


def test_without_results_every_kernel_is_listed_and_none_has_a_number(tree: Tree):
    """What is not measured says so."""
    table = kernel_table(tree)
    assert [line.split("`")[1] for line in table.splitlines()[2:-2]] == [stage.name for stage in STAGES]
    assert row_of(table, STAGES[-1].name)[4:] == ["not measured"] * 4
    assert table.endswith(NOTHING)


def test_numbers_come_from_the_setting_that_the_table_is_about(tree: Tree):
    """Other lengths, configurations and dtypes are in the file, not in the table."""
    name = "forward_4_pipeline"
    others = [
        measured(name, False, 1.0, 0.1, length=4096),
        measured(name, False, 2.0, 0.1, config="C"),
        measured("SDPA cuDNN", False, 690.0, 1.0),
        {
            "config": "A",
            "dtype": "bfloat16",
            "length": 8192,
            "causal": False,
            "name": "SDPA efficient",
            "why_not": "no",
        },
    ]
    write_results(
        tree, "nvidia-h200", [*others, measured(name, False, 351.2, 0.512), measured(name, True, 300.0, None)]
    )
    table = kernel_table(tree)
    assert row_of(table, name)[0] == f"`{name}` (ships)"
    assert row_of(table, name)[4:] == ["351.2", "300", "0.51", "not measured"]
    assert row_of(table, "forward_3_tensor_cores")[4:] == ["not measured"] * 4
    assert "Measured on NVIDIA H200, driver 580.1, CUDA 13.0, torch 2.13.0" in table
    assert "2026-12-01, revision abc: float32 with 4096 tokens, bfloat16 with 8192 tokens, head size 128" in table


def test_the_newest_results_count_and_other_benchmarks_do_not(tree: Tree):
    """By date; a file of another benchmark has no speeds."""
    name = "forward_4_pipeline"
    write_results(tree, "a100", [measured(name, False, 100.0, 0.5)], date="2026-12-03", gpu="NVIDIA A100")
    write_results(tree, "h200", [measured(name, False, 300.0, 0.5)], date="2026-12-02")
    (tree.root / "benchmarks" / "results" / "grading.json").write_text('{"machine": {"date": "2027-01-01"}}')
    assert row_of(kernel_table(tree), name)[4] == "100"
    write_results(tree, "h200", [measured(name, False, 300.0, 0.5)], date="2026-12-03")
    assert row_of(kernel_table(tree), name)[4] == "300"


def test_a_damaged_file_is_named(tree: Tree):
    """It is not left out in silence."""
    write_results(tree, "h200", [])
    (tree.root / "benchmarks" / "results" / "h200.json").write_text("{")
    with pytest.raises(CurriculumError, match=r"^benchmarks/results/h200.json is no JSON: run the benchmark again\.$"):
        kernel_table(tree)


def test_the_readme_has_it_where_its_markers_are(tree: Tree):
    """A page without them stays as it is; with them it is stale until it is written."""
    assert stale_tables(tree) == []
    page = tree.readme.read_text() + "\n<!-- kernels:begin -->\n<!-- kernels:end -->\n"
    tree.readme.write_text(page)
    assert stale_tables(tree) == write_tables(tree) == [tree.readme]
    assert f"\n<!-- kernels:begin -->\n{kernel_table(tree)}\n<!-- kernels:end -->\n" in tree.readme.read_text()
    assert stale_tables(tree) == []


def test_results_of_a_cpu_are_not_taken_for_those_of_a_gpu(tree: Tree):
    """benchmarks/results holds other files, some of which have speeds too."""
    folder = tree.root / "benchmarks" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flash_cpu.json").write_text(json.dumps({"machine": {"date": "2026-12-01"}, "speed": {"forward": {}}}))
    (folder / "other.json").write_text("[1]")
    assert NOTHING in kernel_table(tree)
