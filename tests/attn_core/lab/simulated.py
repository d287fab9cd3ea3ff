"""What the tests of the block simulator share: orders of the threads, and the fault that a kernel must end in."""

import numpy as np
import pytest

from attn_core.lab.block_simulator import KernelFault, launch

ORDERS = ("first-in", "last-in", 0, 1, 2, 3)


def fault(kernel, blocks=1, threads=4, order="first-in", **more):
    """The fault of a launch, with x = 0 … 7 as input and four zeros as output if nothing else is given."""
    more = {"inputs": [np.arange(8.0)], "outputs": [np.zeros(4)]} | more
    with pytest.raises(KernelFault) as caught:
        launch(kernel, blocks, threads, order=order, **more)
    assert str(caught.value).startswith(caught.value.kind + ": ")
    return caught.value


def says(error, *parts):
    """The message holds all of these."""
    for part in parts:
        assert part in str(error), str(error)
