"""Test of the testers: kernels with a bug planted in them, each of which the emulator must catch, and how it tells.

What a bug is: text of one file replaced by other text. `caught` is part of the report, or VALUES where numbers come out
wrong, or CONFLICTS where they are right but slow.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from cases import SCHEDULES, Case, assert_right, draw, run

from attn_core.flash.cuda import emulator
from attn_core.flash.cuda.kernels import FOLDER, STAGES

pytestmark = pytest.mark.skipif(bool(emulator.why_unavailable()), reason=emulator.why_unavailable())
VALUES, CONFLICTS = "other numbers", "bank conflicts"
FUSED, REGISTERS, TENSOR_CORES, PIPELINE = 1, 2, 3, 4
PAIR = Case(((70, 130),))
CAUSAL = Case(((70, 130),), causal=True)


@dataclass(frozen=True)
class Bug:
    """A mistake that one makes."""

    title: str
    stage: int
    old: str
    new: str
    caught: str = VALUES
    case: Case = PAIR
    file: str = ""  # the stage's own, if not named
    count: int = 1  # how often `old` stands there; all are replaced


BUGS = (
    Bug("chunks are stored where no one looks for them", PIPELINE, "tile + swizzled<WIDTH>(row, feature)", "tile + row * WIDTH + feature"),
    Bug("no swizzle at all", PIPELINE, "((feature / 8) ^ (row % 8)) * 8", "(feature / 8) * 8", CONFLICTS),
    Bug("half of the swizzle", PIPELINE, "^ (row % 8)", "^ (row % 4)", CONFLICTS),
    Bug("no barrier before the keys are read", PIPELINE, "block_barrier();  // the keys are here", "// the keys are here"),
    Bug("no barrier before the values are read", PIPELINE, "block_barrier();  // the values are here", "// the values are here"),
    Bug("keys are not waited for", PIPELINE, "    wait_for_copies();\n    block_barrier();  // the keys", "    block_barrier();  // the keys"),
    Bug("values are not waited for", PIPELINE, "    wait_for_copies();\n    block_barrier();  // the values", "    block_barrier();  // the values"),
    Bug(
        "the next keys arrive while the old ones are read",
        PIPELINE,
        "    copy_tile<D, WIDTH, KEYS, THREADS>(v_tile, at.v, at.v_row, start, end);\n",
        "    copy_tile<D, WIDTH, KEYS, THREADS>(v_tile, at.v, at.v_row, start, end);\n"
        "    if (start + KEYS < end) copy_tile<D, WIDTH, KEYS, THREADS>(k_tile, at.k, at.k_row, start + KEYS, end);\n",
    ),
    Bug("the thread ends with copies on their way", PIPELINE, "  wait_for_copies();  // with no key to see", "  // with no key to see", "did not wait for", Case(((70, 0),))),
    Bug("copies beyond the last row", PIPELINE, "    bool valid = first + row < end;", "    bool valid = true;", "past the end of"),
    Bug("a copy to an odd address", PIPELINE, "k_tile = q_tile + ROWS * WIDTH,", "k_tile = q_tile + ROWS * WIDTH + 4,", "multiples of 16 bytes"),
    Bug("the output is not rescaled", PIPELINE, "out[f][d][2 * i] *= rescale, out[f][d][2 * i + 1] *= rescale;", ";"),
    Bug("the sum is not rescaled", PIPELINE, "sum[f][i] = sum[f][i] * rescale + row;", "sum[f][i] = sum[f][i] + row;"),
    Bug("rescaled by the wrong one of two rows", PIPELINE, "exp2_approx(peak[f][i] * factor - shift)", "exp2_approx(peak[f][1 - i] * factor - shift)"),
    Bug("the maximum of the tile only", PIPELINE, "new_peak = fmaxf(peak[f][i], row_max<4>(new_peak));", "new_peak = row_max<4>(new_peak);", case=Case(((33, 200),), spread=300.0)),
    Bug("the maximum over two of four threads", PIPELINE, "distance /= 2) value = fmaxf(", "distance = 0) value = fmaxf(", file="rows.cuh"),
    Bug("the sum over two of four threads", PIPELINE, "distance /= 2) value +=", "distance = 0) value +=", file="rows.cuh"),
    Bug("the last tile is not masked", PIPELINE, "bool edge = start + KEYS > seen_by_all;", "bool edge = false;"),
    Bug("only the last tile is masked", PIPELINE, "bool edge = start + KEYS > seen_by_all;", "bool edge = start + KEYS >= end;", case=Case(((128, 128),), causal=True)),
    Bug("an empty row turns to NaN", PIPELINE, "new_peak == -infinity() ? 0 : new_peak * factor", "new_peak * factor", case=Case(((130, 67),), causal=True)),
    Bug("fragments of the weights in the wrong order", PIPELINE, "weights[f][0] = pack<T>(left[0], left[1]), weights[f][1] = pack<T>(left[2], left[3]);\n        weights[f][2] = pack<T>(right[0], right[1]),", "weights[f][0] = pack<T>(left[0], left[1]), weights[f][2] = pack<T>(left[2], left[3]);\n        weights[f][1] = pack<T>(right[0], right[1]),"),
    Bug("fragments of the keys in the wrong order", PIPELINE, "mma<T>(score[f][2 * n], q[f], k[0], k[1]);", "mma<T>(score[f][2 * n], q[f], k[0], k[2]);"),
    Bug("values are not transposed", PIPELINE, "load_matrices_transposed(v,", "load_matrices(v,"),
    Bug("columns and rows of the lanes' addresses swapped", PIPELINE, "swizzled<WIDTH>(step * 16 + lane % 16, d * 16 + lane / 16 * 8)", "swizzled<WIDTH>(step * 16 + lane / 16 * 8 + lane % 8, d * 16 + lane / 8 % 2 * 8)"),
    Bug("the log-sum-exp without the maximum", PIPELINE, "peak[f][i] * p.scale + logf(total)", "logf(total)"),
    Bug("a shuffle that not all threads of a warp reach", PIPELINE, "float total = row_sum<4>(sum[f][i]), factor = total == 0 ? 0 : 1 / total;\n      if (query >= at.queries) continue;", "if (query >= at.queries) continue;\n      float total = row_sum<4>(sum[f][i]), factor = total == 0 ? 0 : 1 / total;", "a shuffle"),
    Bug("a barrier that only one warp reaches", PIPELINE, "    block_barrier();  // the values are here", "    if (own == 0) block_barrier();  // the values are here", "line"),
    Bug("shared heads in the wrong order", PIPELINE, "first_row<T>(p.k, batch, head / p.group, first_key)", "first_row<T>(p.k, batch, head % p.group, first_key)", case=Case(((20, 30),), heads=4, group=2), file="params.cuh"),
    Bug("causal: one key too many", PIPELINE, "query + 1 + keys - queries", "query + 2 + keys - queries", case=CAUSAL, file="params.cuh"),
    Bug("causal: aligned to the top left", PIPELINE, "query + 1 + keys - queries", "query + 1", case=CAUSAL, file="params.cuh"),
    Bug("packed: keys begin at the queries", PIPELINE, "p.cu_keys ? p.cu_keys[batch] : 0;", "p.cu_keys ? p.cu_queries[batch] : 0;", case=Case(((20, 30), (5, 9)), packed=True), file="params.cuh"),
    Bug("packed: a sequence ends where the next one ends", PIPELINE, "? p.cu_keys[batch + 1] - first_key", "? p.cu_keys[batch + 1]", "past the end of k", case=Case(((20, 30), (5, 9)), packed=True), file="params.cuh"),
    Bug("lengths of the keys are ignored", PIPELINE, "p.key_lengths ? p.key_lengths[batch] : p.keys", "p.keys", case=Case(((20, 30), (20, 9)), padded=True), file="params.cuh"),
    Bug("the last, short tile is dropped", TENSOR_CORES, "start < end; start += KEYS", "start + KEYS <= end; start += KEYS"),
    Bug("low and high half of a register swapped", TENSOR_CORES, "pair(v[0], v[D])", "pair(v[D], v[0])"),
    Bug("no barrier before the tile is replaced", TENSOR_CORES, "    block_barrier();  // all are done with the tile before\n", ""),
    Bug("no barrier between weights and values", REGISTERS, "    block_barrier();  // the weights are complete, and all are done with the keys\n", ""),
    Bug("the scale is left out", REGISTERS, "score[i][j] * (p.scale * LOG2_E)", "score[i][j] * LOG2_E"),
    Bug("natural and binary exponents mixed up", REGISTERS, "peak[i] * LN_2 + logf(sum[i])", "peak[i] + logf(sum[i])"),
    Bug("the maximum begins at 0", FUSED, "peak = -infinity(), sum = 0;", "peak = 0, sum = 0;", case=Case(((33, 100),), shift=-300.0)),
    Bug("threads without a query leave before the barrier", FUSED, "int visible = query < at.queries", "if (query >= at.queries) return;\n  int visible = query < at.queries"),
    Bug("the block loads only what its first query sees", FUSED, "at.visible<CAUSAL>(min(first + ROWS, at.queries) - 1);", "at.visible<CAUSAL>(first);", case=CAUSAL),
)  # fmt: skip


def planted(bug: Bug, folder: Path) -> Path:
    """A copy of the ladder with the bug in it; returns the stage's file."""
    copy = folder / "cuda"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / (bug.file or STAGES[bug.stage].file.name)
    text = file.read_text(encoding="utf-8")
    assert text.count(bug.old) == bug.count, (
        f"{file.name} has changed: {bug.old!r} stands there {text.count(bug.old)} times"
    )
    file.write_text(text.replace(bug.old, bug.new), encoding="utf-8")
    return copy / STAGES[bug.stage].file.name


def verdict(bug: Bug, source: Path | None) -> str:
    """What the tests of this folder would say: the first report or difference; empty if nothing shows."""
    stage = STAGES[bug.stage]
    dtype, (low, *_) = stage.dtypes[-1], stage.head_sizes
    data = draw(bug.case, dtype, low)
    for order, late_copies, seed in SCHEDULES:
        try:
            outs, lses, result = run(
                stage, bug.case, data, dtype, order=order, late_copies=late_copies, seed=seed, source=source
            )
        except emulator.EmulatorError as report:
            return str(report)
        try:
            assert_right(bug.case, data, dtype, outs, lses)
        except AssertionError:
            return VALUES
        if any(counters.wavefronts > counters.matrices for counters in result.counters):
            return CONFLICTS
    return ""


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """Kernels with bugs are compiled into a cache that goes away."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.title)
def test_a_planted_bug_is_caught(bug: Bug, tmp_path: Path):
    """Each bug shows, in the way that it should."""
    assert bug.caught in verdict(bug, planted(bug, tmp_path))


@pytest.mark.parametrize(
    "bug", {(bug.stage, bug.case): bug for bug in BUGS}.values(), ids=lambda bug: f"{bug.stage}-{bug.case}"
)
def test_without_the_bug_nothing_is_reported(bug: Bug):
    """The kernels as they are pass what catches the bugs."""
    assert verdict(bug, None) == ""
