r"""An image as a sequence: it is cut into squares of equal size, and each square, read row by row, is a token.

Formula
    patchify      token (p, q) holds x[:, size p : size (p + 1), size q : size (q + 1)], channel by channel, row by row
    unpatchify    the inverse
    positions on another grid: bilinear, new place i stands at (i + 1/2) · old/new − 1/2 of the old grid, at the rim
    the nearest old one
Shapes
    x          (B, C, H, W), size dividing H and W
    patches    (B, n, C size²), n = H/size · W/size, row after row of the grid (H/size, W/size)
    positions  (n, d), one vector for each place of a grid, row after row, without that of a class token
Cost
    patchify moves B C H W numbers and computes nothing; attention among n tokens costs n², so 1/size⁴
Errors
    ValueError for shapes that do not fit and a size that does not divide H or W; TypeError for anything but floating
    arrays
Source
    Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, section 3.1; positions on another grid: section 3.2
"""

from attn_core.conventions import Array, check_arguments, shape_error


def token_count(height: int, width: int, size: int) -> int:
    """The number of patches of an image, without a class token.

    >>> token_count(224, 224, 16), token_count(512, 512, 16)
    (196, 1024)
    """
    rows, columns = _grid("token_count", height, width, size)
    return rows * columns


def patchify(x: Array, size: int) -> Array:
    """Images (B, C, H, W) as tokens (B, n, C size²).

    >>> import numpy as np
    >>> patchify(np.arange(8.0).reshape(1, 1, 2, 4), size=2)
    array([[[0., 1., 4., 5.],
            [2., 3., 6., 7.]]])
    """
    xp = check_arguments("patchify", x=(x, "B C H W"))
    B, C, H, W = x.shape
    rows, columns = _grid("patchify", H, W, size)
    cut = xp.reshape(x, (B, C, rows, size, columns, size))
    return xp.reshape(xp.permute_dims(cut, (0, 2, 4, 1, 3, 5)), (B, rows * columns, C * size * size))


def unpatchify(patches: Array, size: int, height: int, width: int) -> Array:
    """The images (B, C, height, width) that these tokens (B, n, C size²) were cut from."""
    xp = check_arguments("unpatchify", patches=(patches, "B n d"))
    rows, columns = _grid("unpatchify", height, width, size)
    B, n, d = patches.shape
    if n != rows * columns or d % size**2:
        expected = f"it must be (B, {rows * columns}, C · {size**2})"
        reason = f"the image is {height} × {width}, a patch {size} × {size}"
        raise shape_error("unpatchify", "patches", expected, f"shape {tuple(patches.shape)}", reason)
    cut = xp.reshape(patches, (B, rows, columns, d // size**2, size, size))
    return xp.reshape(xp.permute_dims(cut, (0, 3, 1, 4, 2, 5)), (B, d // size**2, height, width))


def interpolate_positions(positions: Array, old: tuple[int, int], new: tuple[int, int]) -> Array:
    """Position vectors (n, d) of the grid `old`, (rows, columns), as those of the grid `new`.

    >>> import numpy as np
    >>> interpolate_positions(np.array([[0.0], [4.0]]), (1, 2), (1, 4))
    array([[0.],
           [1.],
           [3.],
           [4.]])
    """
    xp = check_arguments("interpolate_positions", positions=(positions, "n d"))
    if positions.shape[0] != old[0] * old[1]:
        expected = f"the old grid of {old[0]} × {old[1]} has {old[0] * old[1]} places"
        got = f"shape {tuple(positions.shape)}"
        raise shape_error("interpolate_positions", "positions", expected, got, "one vector per place, no class token")
    d = positions.shape[1]
    grid = xp.reshape(positions, (*old, d))
    rows = _blend(xp, positions, old[0], new[0])  # (new rows, old rows)
    columns = _blend(xp, positions, old[1], new[1])
    tall = xp.reshape(xp.matmul(rows, xp.reshape(grid, (old[0], old[1] * d))), (new[0], old[1], d))
    return xp.reshape(xp.matmul(columns, tall), (new[0] * new[1], d))  # the matrix meets each row of the grid


def _blend(xp: Array, like: Array, old: int, new: int) -> Array:
    """The shares (new, old) of the old places in each new one: two neighbours, linear in the distance."""
    places = xp.arange(old, dtype=like.dtype, device=like.device)
    wanted = (xp.arange(new, dtype=like.dtype, device=like.device) + 0.5) * (old / new) - 0.5
    wanted = xp.clip(wanted, 0, old - 1)
    return xp.clip(1 - xp.abs(wanted[:, None] - places[None, :]), 0, 1)


def _grid(function: str, height: int, width: int, size: int) -> tuple[int, int]:
    """How many patches fit into the height and into the width."""
    if size < 1 or height % size or width % size:
        wanted = "it must divide both; crop, pad or resize the image"
        raise ValueError(f"{function}: patches of size {size} do not fill an image of {height} × {width}; {wanted}.")
    return height // size, width // size
