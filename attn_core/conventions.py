r"""Read this first: what shapes, masks and empty rows mean in every file of attn_core.

**Shape letters.** A shape is written in letters, and a letter means the same number wherever it stands in one call.
`SHAPE_LETTERS` below is the table; error messages quote it.

**Batch first.** Batch axes come first and are written "...": none, one or many, the same in every argument. A size
of 1 is not stretched to fit, except in a mask or a bias.

**Mask polarity.** A mask is boolean and True means "may attend". Here 4 queries (rows) may see the keys (columns)
up to their own position, but never key 0, which is padding:

    >>> import numpy as np
    >>> from attn_core import apply_mask, causal_mask, softmax
    >>> mask = causal_mask(4) & np.array([False, True, True, True])
    >>> mask.astype(int)
    array([[0, 0, 0, 0],
           [0, 1, 0, 0],
           [0, 1, 1, 0],
           [0, 1, 1, 1]])

**Empty rows.** A query that may attend to nothing, like query 0 above, gets zeros: zero weights, and from them a
zero context and finite gradients (zero through its scores). Forbidden keys get a weight of exactly 0 in every row:

    >>> softmax(apply_mask(np.zeros((4, 4)), mask)).round(2)
    array([[0.  , 0.  , 0.  , 0.  ],
           [0.  , 1.  , 0.  , 0.  ],
           [0.  , 0.5 , 0.5 , 0.  ],
           [0.  , 0.33, 0.33, 0.33]])

**Causal alignment.** With n queries and m keys the last query stands at the last key (bottom-right alignment):
query i sees key j if and only if j ≤ i + (m − n). For n = m this is the lower triangle; the 2 newest queries over a
cache of 4 keys are its 2 bottom rows; with more queries than keys, the first n − m rows are empty:

    >>> causal_mask(2, 4).astype(int)
    array([[1, 1, 1, 0],
           [1, 1, 1, 1]])
    >>> causal_mask(4, 2).astype(int)
    array([[0, 0],
           [0, 0],
           [1, 0],
           [1, 1]])

**One source for NumPy and torch.** Functions take NumPy arrays or torch tensors, of one library and one floating
dtype per call, and give back the same. Shapes are checked (ValueError), so are libraries and dtypes (TypeError).
"""

from typing import Any, TypeAlias

from array_api_compat import array_namespace, is_array_api_obj, is_numpy_array, is_torch_array

Array: TypeAlias = Any  # a NumPy array or a torch tensor: the array API standard has no static type for both yet

SHAPE_LETTERS = {
    "...": "any number of batch axes, the same in every argument",
    "B": "the number of sequences in a batch",
    "T": "the number of time steps, or of decoder steps",
    "n": "the number of queries, or of source positions in a recurrent model",
    "m": "the number of keys, and of values",
    "d_k": "the number of features of a query and of a key",
    "d_v": "the number of features of a value",
    "d_a": "the number of hidden units of an additive score",
    "d_h": "the number of features of an encoder state",
    "d_s": "the number of features of a decoder state",
    "d_x": "the number of features of an input of a recurrent cell",
    "d_y": "the number of features of an embedded output token",
    "d_o": "the number of features of an attentional state",
    "d_p": "the number of hidden units of a predicted position",
    "N": "the number of sampled pairs",
    "d": "the number of features of a token",
    "b": "the number of keys of a block",
    "total_q": "the number of queries of all sequences together",
    "total_k": "the number of keys of all sequences together",
    "heads": "the number of heads",
    "layers": "the number of layers",
    "vocabulary": "the number of different tokens",
    "H_q": "the number of query heads",
    "H_kv": "the number of key-value heads",
    "group": "the number of query heads that share a key-value head",
    "C": "the number of channels of an image or a feature map",
    "H": "the height of an image or a feature map",
    "W": "the width of an image or a feature map",
    "C/r": "the number of hidden units of a channel gate",
    "V": "the number of nodes of a graph",
    "E": "the number of edges of a graph",
    "F": "the number of features of a node",
    "F'": "the number of features of a node behind the layer, per head",
}


def shape_error(function: str, argument: str, expected: str, got: str, reason: str = "") -> ValueError:
    """Build the error for an argument of the wrong shape: `expected` in letters, `got` in numbers, then the reason.

    >>> str(shape_error("dot", "k", "it must be (..., m, d_k)", "shape (5,)", "m is the number of keys"))
    'dot: k has shape (5,), but it must be (..., m, d_k); m is the number of keys.'
    """
    return ValueError(f"{function}: {argument} has {got}, but {expected}{reason and '; ' + reason}.")


def namespace(*arrays: Array, function: str = "namespace", names: tuple[str, ...] = ()) -> Any:
    """The array API namespace of `arrays`. Lists, and two libraries at once, raise TypeError with the cure."""
    first = arrays[0]
    if type(first) in _SEEN and all(type(array) is type(first) for array in arrays):
        return _SEEN[type(first)]
    names = names or tuple(f"argument {position}" for position in range(1, len(arrays) + 1))
    for name, array in zip(names, arrays, strict=True):
        if not is_array_api_obj(array):
            cure = "numpy.asarray(...) or torch.as_tensor(...) makes one"
            raise TypeError(f"{function}: {name} is {_kind(array)}, but it must be an array; {cure}.")
        if _kind(array) != _kind(arrays[0]):
            other = f"{names[0]} is {_kind(arrays[0])}"
            cure = "convert one of them, with torch.from_numpy(...) or tensor.numpy()"
            raise TypeError(f"{function}: {name} is {_kind(array)}, but {other}; {cure}.")
    found = array_namespace(*arrays)
    if all(type(array) is type(first) for array in arrays):
        _SEEN[type(first)] = found
    return found


_SEEN: dict[type, Any] = {}  # the namespace by the class of the arrays: looking it up takes longer than a small softmax


def check_arguments(function: str, kind: str = "real floating", /, **arguments: tuple[Array, str]) -> Any:
    """Check name=(array, letters) for library, dtype and shape, and return the namespace of the arrays.

    Letters are separated by spaces, "... n d_k", and are bound from left to right: the argument that contradicts an
    earlier one is the one that the error names. Without letters the shape is left to the caller.
    """
    arrays = tuple(array for array, _ in arguments.values())
    xp = namespace(*arrays, function=function, names=tuple(arguments))
    first, dtype = next(iter(arguments)), arrays[0].dtype
    bound: dict[str, tuple[Any, str]] = {}  # letter -> its size, and the argument that it comes from
    for name, (array, letters) in arguments.items():
        if not xp.isdtype(array.dtype, kind):
            raise TypeError(f"{function}: {name} has dtype {array.dtype}, but it must be {_DTYPE_KINDS[kind]}.")
        if array.dtype != dtype:
            reason = "convert one of them, so that no digits are lost unseen"
            raise TypeError(f"{function}: {name} has dtype {array.dtype}, but {first} has {dtype}; {reason}.")
        if letters:
            _bind(function, name, tuple(array.shape), letters.split(), bound)
    return xp


def check_broadcast(function: str, argument: str, array: Array, scores: Array) -> None:
    """Check that a mask or a bias can be stretched to the shape of the scores, and not the scores to its own."""
    shape, target = tuple(array.shape), tuple(scores.shape)
    tail = target[len(target) - len(shape) :]
    if len(shape) > len(target) or any(size not in (1, wanted) for size, wanted in zip(shape, tail, strict=True)):
        reason = "counted from the right, each of its sizes is 1 or equal to that of the scores"
        raise shape_error(function, argument, f"it must broadcast to the scores' {target}", f"shape {shape}", reason)


_DTYPE_KINDS = {"real floating": "floating point (booleans belong in a mask)", "integral": "whole numbers"}


def _kind(value: object) -> str:
    if is_numpy_array(value):
        return "a NumPy array"
    return "a torch tensor" if is_torch_array(value) else f"of type {type(value).__name__}"


def _bind(function: str, name: str, shape: tuple[int, ...], letters: list[str], bound: dict[str, Any]) -> None:
    core = [letter for letter in letters if letter != "..."]
    cut = len(shape) - len(core)  # the number of batch axes
    if cut < 0 or (cut > 0 and "..." not in letters):
        written = f"({', '.join(letters)}{',' if len(letters) == 1 else ''})"
        meanings = ", ".join(f"{letter} is {SHAPE_LETTERS[letter]}" for letter in core)
        raise shape_error(function, name, f"it must be {written}", f"shape {shape}", meanings)
    batch = {"...": shape[:cut]} if "..." in letters else {}  # a weight matrix has no batch axes to agree in
    sizes = batch | dict(zip(core, shape[cut:], strict=True))
    for letter, size in sizes.items():
        known, other, other_shape = bound.setdefault(letter, (size, name, shape))
        if size != known:
            label = "batch axes " if letter == "..." else f"{letter}="
            reason = f"{letter} is {SHAPE_LETTERS[letter]}"
            if len(core) == 2 and letter in core and shape[cut:][1 - core.index(letter)] == known:
                reason += f"; {name} may have been transposed by mistake"
            expected = f"{other} has {label}{known} in shape {other_shape}"
            raise shape_error(function, name, expected, f"{label}{size} in shape {shape}", reason)
