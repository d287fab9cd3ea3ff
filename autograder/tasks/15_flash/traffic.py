"""flash.traffic: How many numbers attention moves between memory and chip."""

from __future__ import annotations

from attn_core.flash import hbm_traffic
from autograder.checking.draw import Draw
from autograder.checking.task import Task

Given = tuple[int, int, int, bool]

task = Task(
    "flash.traffic",
    reference=hbm_traffic,
    kind="py",
    lecture="15_flash#bytes-moved",
    hints=(
        "Write two lists, one per way of computing: each matrix that is read and each that is written, with its size. S and P are n × n and exist only in one of them.",
        "With the outer loop over blocks of queries, Q and O are touched once. How often are *all* keys and values read? Once per block of queries, and a short last block counts as one.",
        "ceil of whole numbers a/b without floats: -(-a // b). B_c = -(-sram // (4*d)), B_r = min(B_c, d), tiled: 2*n*d + 2*n*d * -(-n // B_r).",
    ),
)


@task.inputs
def _(draw: Draw) -> Given:
    d = draw.size("d", 1, 24)
    return draw.size("n", 1, 400), d, draw.size("sram", 1, 8 * d * d + 40), draw.flag()


def _tiled(draw: Draw, tiled: bool = True) -> Given:
    """A head of ordinary size whose block sizes are whole numbers."""
    d, keys = draw.size("d", 2, 24), draw.size("keys", 2, 40)
    return min(keys, d) * draw.size("blocks", 2, 9), d, 4 * d * keys, tiled


@task.special("untiled", share=0.5)
def _(draw: Draw) -> Given:
    return _tiled(draw, tiled=False)


@task.special("tiled, all blocks full", share=0.5)
def _(draw: Draw) -> Given:
    return _tiled(draw)


@task.special("a short last block of queries", share=0.3)
def _(draw: Draw) -> Given:
    n, d, sram, _ = _tiled(draw)
    return n + 1, d, sram, True


@task.special("memory that is no multiple of 4d", share=0.3)
def _(draw: Draw) -> Given:
    n, d, sram, _ = _tiled(draw)
    return n, d, sram - draw.choice([1, 4 * d - 1]), True


@task.special("large memory: d bounds the block of queries", share=0.3)
def _(draw: Draw) -> Given:
    d = draw.size("d", 2, 24)
    return draw.size("n", d, 9 * d), d, 4 * d * (d + draw.size("more", 1, 30)), True


@task.special("little memory: fewer than d queries at once", share=0.3)
def _(draw: Draw) -> Given:
    d = draw.size("d", 4, 24)
    return draw.size("n", d, 9 * d), d, 4 * d * draw.size("keys", 1, d - 1) - draw.choice([0, 1]), True


@task.special("memory that holds fewer than 4d numbers", share=0.2)
def _(draw: Draw) -> Given:
    d = draw.size("d", 2, 24)
    return draw.size("n", 2, 60), d, draw.size("sram", 1, 4 * d - 1), True


@task.special("a sequence shorter than one block", share=0.2)
def _(draw: Draw) -> Given:
    d = draw.size("d", 6, 24)
    return draw.size("n", 1, d - 2), d, 4 * d * (d + 5), True


@task.special("heads and chips as they are built", share=0.2)
def _(draw: Draw) -> Given:
    n, d = draw.choice([1024, 4096, 16384, 131072]), draw.choice([64, 80, 128])
    return n, d, draw.choice([96 * 1024, 48 * 1024, 114 * 1024 // 2]) // 2, draw.flag()


for _tiling in (False, True):

    @task.special(f"counts beyond 53 bits, {'tiled' if _tiling else 'untiled'}", share=0.1)
    def _(draw: Draw, tiling: bool = _tiling) -> Given:
        """Odd numbers: 4n² or n times the number of blocks is above 2⁵³, and no float is exactly that."""
        n = int(draw.rng.integers(10**9, 14 * 10**8)) | 1
        d = int(draw.rng.integers(3, 9)) | 1
        return n, d, 4 * d * int(draw.rng.integers(2, 8)), tiling


def _ceil(a: int, b: int) -> int:
    return -(-a // b)


def _blocks(d: int, sram: int) -> tuple[int, int]:
    """Keys and queries at once."""
    keys = _ceil(sram, 4 * d)
    return keys, min(keys, d)


def _with(n: int, d: int, queries: int) -> int:
    """The tiled count with so many queries at once."""
    return 2 * n * d + 2 * n * d * _ceil(n, queries)


@task.misconception("ignores `tiled`: gives the untiled count", ask="Which argument does your result not depend on?")
def _(n: int, d: int, sram: int, tiled: bool) -> int:  # noqa: ARG001 - ignoring them is the mistake
    return hbm_traffic(n, d, sram, False)


@task.misconception("ignores `tiled`: gives the tiled count", ask="Which argument does your result not depend on?")
def _(n: int, d: int, sram: int, tiled: bool) -> int:  # noqa: ARG001 - ignoring it is the mistake
    return hbm_traffic(n, d, sram, True)


@task.misconception("takes `tiled` the wrong way round", ask="Which of the two writes n × n numbers?")
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return hbm_traffic(n, d, sram, not tiled)


for _square in (1, 2, 3, 8):

    @task.misconception(
        "does not count four passes over n × n: writing and reading the scores, writing and reading the weights",
        ask="Three kernels, one after the other: which of them writes S, which reads it, and what about P?",
    )
    def _(n: int, d: int, sram: int, tiled: bool, square: int = _square) -> int:
        return hbm_traffic(n, d, sram, True) if tiled else 4 * n * d + square * n * n


for _linear in (0, 1, 2, 3):

    @task.misconception(
        "forgets some of Q, K, V and O when it does not tile",
        ask="Which n × d matrices does the chip read, and which does it write?",
    )
    def _(n: int, d: int, sram: int, tiled: bool, linear: int = _linear) -> int:
        return hbm_traffic(n, d, sram, True) if tiled else linear * n * d + 4 * n * n


@task.misconception(
    "counts bytes instead of elements", ask="Does the task ask for elements or for bytes, and does it name a dtype?"
)
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return 4 * hbm_traffic(n, d, sram, tiled)


task.misconception("counts bytes of 16-bit numbers instead of elements", "Does the task name a dtype?")(
    lambda n, d, sram, tiled: 2 * hbm_traffic(n, d, sram, tiled)
)


@task.misconception(
    "rounds the size of a block of keys down", ask="How is B_c rounded in the task, and what is it for sram < 4d?"
)
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return _with(n, d, min(max(1, sram // (4 * d)), d)) if tiled else hbm_traffic(n, d, sram, False)


@task.misconception(
    "rounds the size of a block of keys down, so that little memory gives blocks of no keys",
    ask="What is sram // (4d) for sram < 4d?",
)
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return _with(n, d, min(sram // (4 * d), d)) if tiled else hbm_traffic(n, d, sram, False)


@task.misconception(
    "rounds the number of blocks of queries down", ask="Who reads the keys for the queries of a short last block?"
)
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return 2 * n * d + 2 * n * d * (n // _blocks(d, sram)[1]) if tiled else hbm_traffic(n, d, sram, False)


@task.misconception(
    "adds a block where the last one is full", ask="How many blocks of 4 are there in 8 queries, and how many in 9?"
)
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return 2 * n * d + 2 * n * d * (n // _blocks(d, sram)[1] + 1) if tiled else hbm_traffic(n, d, sram, False)


@task.misconception(
    "divides n by B_c: forgets that a block has d queries at most, or goes over blocks of keys on the outside",
    ask="What is B_r when the memory is large: B_c, or the smaller of two? Of which blocks are there ceil(n/B_r)?",
)
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return _with(n, d, _blocks(d, sram)[0]) if tiled else hbm_traffic(n, d, sram, False)


@task.misconception("always takes blocks of d queries", ask="What if the memory holds fewer than 4d² numbers?")
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return _with(n, d, d) if tiled else hbm_traffic(n, d, sram, False)


@task.misconception("takes the larger of B_c and d", ask="Do more queries than B_c fit beside their keys?")
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return _with(n, d, max(_blocks(d, sram)[0], d)) if tiled else hbm_traffic(n, d, sram, False)


@task.misconception(
    "shares the memory by d instead of 4d", ask="How many matrices of the block's size must lie on the chip at once?"
)
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return _with(n, d, min(_ceil(sram, d), d)) if tiled else hbm_traffic(n, d, sram, False)


@task.misconception(
    "forgets to count Q and O when it tiles", ask="Which matrices are touched once each, whatever the block size is?"
)
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return hbm_traffic(n, d, sram, tiled) - 2 * n * d * bool(tiled)


@task.misconception(
    "reads only the keys in the inner loop, not the values", ask="What are the weights multiplied with?"
)
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return 2 * n * d + n * d * _ceil(n, _blocks(d, sram)[1]) if tiled else hbm_traffic(n, d, sram, False)


@task.misconception(
    "reads keys and values once only, as if all of them fitted on the chip",
    ask="The next block of queries meets all keys again: where are they read from?",
)
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return 4 * n * d if tiled else hbm_traffic(n, d, sram, False)


@task.misconception(
    "has the outer loop over the keys, and reads and writes the output each time",
    ask="In the task's order, which matrices are read once, and which once per block of the others?",
)
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return 2 * n * d + 3 * n * d * _ceil(n, _blocks(d, sram)[0]) if tiled else hbm_traffic(n, d, sram, False)


@task.misconception(
    "moves Q and O once per block as well", ask="The block of queries stays on the chip: how often is it read?"
)
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return 4 * n * d * _ceil(n, _blocks(d, sram)[1]) if tiled else hbm_traffic(n, d, sram, False)


@task.misconception(
    "writes the n × n scores although it tiles", ask="Where does a block of scores live, and for how long?"
)
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return hbm_traffic(n, d, sram, tiled) + 2 * n * n * bool(tiled)


@task.misconception(
    "divides without rounding up", ask="Is a short block half as expensive to begin with, or must it be begun at all?"
)
def _(n: int, d: int, sram: int, tiled: bool) -> float:
    return 2 * n * d + 2 * n * d * (n / min(sram / (4 * d), d)) if tiled else hbm_traffic(n, d, sram, False)


@task.misconception(
    "gives the order of growth, n²d²/sram, instead of the count", ask="Which constants and roundings has the formula?"
)
def _(n: int, d: int, sram: int, tiled: bool) -> int:
    return n * n * d * d // sram if tiled else n * d + n * n


for _linear in (1, 2):  # with one division by a float, or with the whole count in floats

    @task.misconception(
        "computes with floats, which are exact only up to 2**53",
        ask="Is int(float(2**53 + 1)) still 2**53 + 1? Which of your operations turns whole numbers into floats?",
    )
    def _(n: int, d: int, sram: int, tiled: bool, ways: int = _linear) -> int:
        queries = _blocks(d, sram)[1]
        if ways == 1:
            return int(float(hbm_traffic(n, d, sram, tiled)))
        blocks = float(_ceil(n, queries))
        return int(2 * n * d + 2 * n * d * blocks) if tiled else int(4 * n * d + 4 * n**2.0)
