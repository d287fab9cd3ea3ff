"""Every stage of the ladder, on a grid of shapes and masks, under several schedules, against float64."""

import numpy as np
import pytest
from cases import CASES, SCHEDULES, Case, assert_right, draw, packed_twin, run

from attn_core.flash.cuda import emulator
from attn_core.flash.cuda.kernels import HEAD_SIZES, STAGES, Stage

pytestmark = pytest.mark.skipif(bool(emulator.why_unavailable()), reason=emulator.why_unavailable())
# One worker per file of kernels: what one test has compiled, the next one finds.
EVERY = [
    pytest.param(
        stage,
        dtype,
        head_size,
        id=f"{stage.name}-{dtype}-{head_size}",
        marks=pytest.mark.xdist_group(f"{stage.name}-{dtype}-{head_size}"),
    )
    for stage in STAGES
    for dtype in stage.dtypes
    for head_size in stage.head_sizes
]
MAIN = [parameter for parameter in EVERY if parameter.values[2] == 64]
LARGE = Case(((129, 130),), causal=True, heads=2, group=2)


@pytest.mark.parametrize(("stage", "dtype", "head_size"), MAIN)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_case_under_every_schedule(stage: Stage, dtype: str, head_size: int, case: Case):
    """Output and log-sum-exp are right, whichever thread runs ahead and whenever a copy arrives; to the last bit the same."""
    data = draw(case, dtype, head_size)
    first = None
    for order, late_copies, seed in SCHEDULES:
        outs, lses, _ = run(stage, case, data, dtype, order=order, late_copies=late_copies, seed=seed)
        assert_right(case, data, dtype, outs, lses)
        numbers = np.concatenate([array.ravel() for array in (*outs, *lses)])
        first = numbers if first is None else first
        assert np.array_equal(numbers, first)


@pytest.mark.parametrize(("stage", "dtype", "head_size"), EVERY)
@pytest.mark.parametrize("case", [LARGE, CASES[8], CASES[10], CASES[12]], ids=str)
def test_every_head_size(stage: Stage, dtype: str, head_size: int, case: Case):
    """The kernels of all head sizes are right, with causal masks, padding, packed sequences and shared heads."""
    data = draw(case, dtype, head_size, seed=1)
    outs, lses, _ = run(stage, case, data, dtype, order="last in", late_copies=True)
    assert_right(case, data, dtype, outs, lses)


@pytest.mark.parametrize(("stage", "dtype", "head_size"), MAIN)
def test_packed_is_padded_without_the_padding(stage: Stage, dtype: str, head_size: int):
    """The same sequences, padded or packed, give the same bits: a sequence knows nothing of its neighbours."""
    case = CASES[10]
    data = draw(case, dtype, head_size)
    padded, _, _ = run(stage, case, data, dtype)
    packed, _, _ = run(stage, packed_twin(case), data, dtype)
    for one, other in zip(padded, packed, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("head_size", HEAD_SIZES)
@pytest.mark.xdist_group("forward_4_pipeline-bfloat16")
def test_no_bank_conflicts(head_size: int):
    """Every fragment that ldmatrix fetches costs one access to shared memory: that is what the swizzle is for."""
    stage = STAGES[4]
    _, _, result = run(stage, LARGE, draw(LARGE, "bfloat16", head_size), "bfloat16")
    (counters,) = result.counters
    assert counters.matrices > 0
    assert counters.wavefronts == counters.matrices


def test_tiles_above_the_diagonal_are_skipped():
    """With as many keys as queries, a causal kernel does the products of the lower triangle of tiles and no more."""
    stage, size = STAGES[3], 256  # tiles of 64 × 64: 10 of 16
    products = {}
    for causal in (False, True):
        case = Case(((size, size),), causal=causal)
        _, _, result = run(stage, case, draw(case, "float16", 64), "float16")
        products[causal] = result.counters[0].mma
    assert products[True] * 16 == products[False] * 10
