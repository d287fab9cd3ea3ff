r"""How many numbers attention moves between memory and chip: what tiling saves, and what a larger chip memory buys.

Formula
    untiled: reads Q, K, V and writes O, 4nd; writes and reads the scores, writes and reads the weights, 4n²
    tiled, B_c = ⌈sram/(4d)⌉ keys and B_r = min(B_c, d) queries at once, outer loop over queries: Q is read and O written
    once, 2nd; K and V are read once for each of the ⌈n/B_r⌉ blocks of queries, 2nd ⌈n/B_r⌉
Shapes
    n       tokens, as queries and as keys
    d       features of a query, a key and a value
    sram    numbers that the chip memory holds
Cost
    none to speak of
Errors
    ValueError for a size below 1; TypeError for what is not a whole number
Source
    Dao et al. 2022, FlashAttention, algorithm 1 (the block sizes) and theorem 2: Θ(nd + n²) untiled, Θ(n²d²/sram) tiled;
    the outer loop over queries: Dao 2023, FlashAttention-2, section 3.1
"""

from operator import index


def hbm_traffic(n: int, d: int, sram: int, tiled: bool) -> int:
    """Numbers moved in the forward pass of one head.

    >>> hbm_traffic(1024, 64, 32768, tiled=False), hbm_traffic(1024, 64, 32768, tiled=True)
    (4456448, 2228224)
    """
    n, d, sram = (_size(name, value) for name, value in (("n", n), ("d", d), ("sram", sram)))
    if not tiled:
        return 4 * n * d + 4 * n * n
    keys_at_once = -(-sram // (4 * d))
    queries_at_once = min(keys_at_once, d)
    return 2 * n * d + 2 * n * d * -(-n // queries_at_once)


def _size(argument: str, value: int) -> int:
    try:
        size = index(value)
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"hbm_traffic: {argument} is of type {kind}, but it must be a whole number.") from None
    if size < 1:
        raise ValueError(f"hbm_traffic: {argument} is {size}, but it must be 1 or more.")
    return size
