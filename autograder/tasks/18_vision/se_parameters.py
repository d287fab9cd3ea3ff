"""vision.se_parameters: How many weights the blocks add to a network."""

from __future__ import annotations

from collections.abc import Callable

from attn_core.vision.squeeze_excitation import se_parameters
from autograder.checking.draw import Draw
from autograder.checking.task import Task

Stages = list[tuple[int, int]]

task = Task(
    "vision.se_parameters",
    reference=se_parameters,
    kind="py",
    lecture="18_vision#what-se-costs",
    hints=(
        "Count one block first: which two matrices has it, and how many entries has each?",
        "Each matrix has C · (C/r) entries, and there are two. Every block of every stage has its own. Which C has no C/r?",
        "For each (channels, blocks): if channels % r, raise ValueError; add blocks * 2 * channels * (channels // r).",
    ),
)


def _stages(draw: Draw, count: int, r: int, high: int = 9) -> Stages:
    return [(r * int(draw.rng.integers(1, high + 1)), int(draw.rng.integers(1, 7))) for _ in range(count)]


@task.inputs
def _(draw: Draw) -> tuple[Stages, int]:
    r = draw.size("r", 1, 16)
    return _stages(draw, draw.size("stages", 1, 5), r), r


@task.special("several stages of several blocks")
def _(draw: Draw) -> tuple[Stages, int]:
    r = draw.choice([2, 3, 4])
    return [(r * draw.choice([2, 3, 5]), draw.choice([2, 3])) for _ in range(3)], r


@task.special("a network as deep as ResNet-50, -101 or -152")
def _(draw: Draw) -> tuple[Stages, int]:
    blocks = draw.choice([(3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)])
    return list(zip((256, 512, 1024, 2048), blocks, strict=True)), draw.choice([4, 8, 16, 32])


@task.special("no reduction at all")
def _(draw: Draw) -> tuple[Stages, int]:
    return _stages(draw, draw.choice([1, 2, 3]), 1), 1


@task.special("a single hidden unit")
def _(draw: Draw) -> tuple[Stages, int]:
    r = draw.choice([2, 5, 16])
    return [(r, draw.choice([2, 3]))], r


@task.special("the same stage twice")
def _(draw: Draw) -> tuple[Stages, int]:
    r = draw.choice([2, 3])
    stage = (r * draw.choice([2, 4]), draw.choice([2, 3]))
    return [stage, stage, (r, 1)], r


@task.special("two stages of the same width", share=0.5)
def _(draw: Draw) -> tuple[Stages, int]:
    r = draw.choice([2, 3])
    return [(4 * r, 1), (4 * r, draw.choice([2, 3]))], r


@task.special("counts beyond 63 bits", share=0.2)
def _(draw: Draw) -> tuple[Stages, int]:
    r, blocks = draw.choice([3, 5]), draw.choice([41, 43])
    hidden = int((1.1 * 2**57 / r) ** 0.5) | 1  # the sum lies between 2**63, where int64 ends, and 2**64
    return [(r * hidden, blocks), (r, 1)], r  # and no float is exactly that


@task.special("counts beyond 32 bits", share=0.2)
def _(draw: Draw) -> tuple[Stages, int]:
    r = draw.choice([1, 2])
    return [(r * (int(draw.rng.integers(50_000, 60_000)) | 1), 1), (r, 1)], r


def _wrong_r(draw: Draw, C: int, r: int) -> tuple[Stages, int]:
    return [(C, draw.choice([1, 2]))], r


@task.error("A reduction that leaves a remainder", ValueError, naming="")
def _(draw: Draw) -> tuple[Stages, int]:
    return _wrong_r(draw, 20, 16)


@task.error("A reduction that does not divide the channels, but their square", ValueError, naming="")
def _(draw: Draw) -> tuple[Stages, int]:
    return _wrong_r(draw, 6, 4)


@task.error("A reduction that does not divide the channels, but twice their square", ValueError, naming="")
def _(draw: Draw) -> tuple[Stages, int]:
    return _wrong_r(draw, 2, 8)


@task.error("A reduction that divides the channels of all blocks together only", ValueError, naming="")
def _(_draw: Draw) -> tuple[Stages, int]:
    return [(6, 2)], 4


@task.error("A reduction that does not divide the last stage", ValueError, naming="")
def _(_draw: Draw) -> tuple[Stages, int]:
    return [(8, 1), (16, 2), (6, 1)], 4


@task.error("A reduction that does not divide the first stage", ValueError, naming="")
def _(_draw: Draw) -> tuple[Stages, int]:
    return [(6, 1), (8, 1), (16, 2)], 4


@task.error("Two stages whose remainders cancel", ValueError, naming="")
def _(_draw: Draw) -> tuple[Stages, int]:
    return [(6, 1), (6, 1), (2, 2)], 4


@task.error("A reduction that divides the sum of all channels only", ValueError, naming="")
def _(_draw: Draw) -> tuple[Stages, int]:
    return [(3, 1), (5, 1)], 4


@task.error("A remainder that is small beside the channels", ValueError, naming="")
def _(_draw: Draw) -> tuple[Stages, int]:
    return [(16_000_001, 1)], 16


@task.error("A reduction larger than the number of channels", ValueError, naming="")
def _(_draw: Draw) -> tuple[Stages, int]:
    return [(4, 1)], 8


def _checked(stages: Stages, r: int) -> None:
    se_parameters(stages, r)


def _each(count: Callable[[int, int, int], float]) -> Callable[[Stages, int], float]:
    """The sum over the stages of count(C, blocks, r), with the right errors."""

    def total(stages: Stages, r: int) -> float:
        _checked(stages, r)
        return sum(count(C, blocks, r) for C, blocks in stages)

    return total


def _mistake(name: str, ask: str, count: Callable[[int, int, int], float]) -> None:
    task.misconception(name, ask)(_each(count))


_mistake("counts one of the two matrices", "Which matrices has a block?", lambda C, blocks, r: blocks * C * C // r)
_mistake(
    "counts each stage once instead of each block",
    "Do the blocks of a stage share their weights?",
    lambda C, _blocks, r: 2 * C * C // r,
)
_mistake(
    "counts the biases too",
    "Are the biases asked for?",
    lambda C, blocks, r: blocks * (2 * C * C // r + C + C // r),
)
_mistake(
    "counts the biases of the wide layer",
    "Are the biases asked for?",
    lambda C, blocks, r: blocks * (2 * C * C // r + C),
)
_mistake(
    "counts the biases of the narrow layer",
    "Are the biases asked for?",
    lambda C, blocks, r: blocks * (2 * C * C // r + C // r),
)
_mistake(
    "divides by r twice",
    "Which of the two axes of W_1, of shape (C/r, C), is reduced?",
    lambda C, blocks, r: blocks * 2 * (C // r) ** 2,
)
_mistake(
    "does not divide by r: counts full matrices",
    "Which shape has W_1: (C, C), or (C/r, C)?",
    lambda C, blocks, _r: blocks * 2 * C * C,
)
_mistake(
    "multiplies by r instead of dividing",
    "Does a larger r make a block larger?",
    lambda C, blocks, r: blocks * 2 * C * C * r,
)
_mistake(
    "forgets the square: 2C/r",
    "How many entries has a matrix of shape (C/r, C)?",
    lambda C, blocks, r: blocks * 2 * C // r,
)
_mistake(
    "adds the sizes of the matrices instead of multiplying",
    "How many entries has a matrix of shape (C/r, C)?",
    lambda C, blocks, r: blocks * 2 * (C + C // r),
)
_mistake(
    "squares the number of blocks",
    "Do two blocks have two or four times the weights of one?",
    lambda C, blocks, r: blocks**2 * 2 * C * C // r,
)
_mistake(
    "adds the number of blocks instead of multiplying by it",
    "How many weights have two equal blocks?",
    lambda C, blocks, r: blocks + 2 * C * C // r,
)
_mistake(
    "exchanges channels and blocks",
    "Which of the two numbers of a stage is the width?",
    lambda C, blocks, r: C * 2 * blocks * blocks // r,
)
_mistake(
    "takes the number of blocks for the width",
    "Which of the two numbers of a stage is the width?",
    lambda C, blocks, r: C * 2 * blocks * (blocks // r),
)
_mistake(
    "counts the second matrix as (C/r, C/r)",
    "Which shape has W_2: how many gates must come out?",
    lambda C, blocks, r: blocks * (C * (C // r) + (C // r) ** 2),
)
_mistake(
    "has the reduction 16, whatever it is called with",
    "Which argument does your result not depend on?",
    lambda C, blocks, _r: blocks * 2 * C * (C // 16),
)
_mistake(
    "counts the network's own 3 × 3 convolutions", "Which weights are extra?", lambda C, blocks, _r: blocks * 9 * C * C
)
_mistake("doubles the result", "How many matrices has a block?", lambda C, blocks, r: blocks * 4 * C * C // r)
_mistake(
    "counts the network's own 3 × 3 convolutions as well",
    "Which weights are extra?",
    lambda C, blocks, r: blocks * (2 * C * C // r + 9 * C * C),
)
_mistake(
    "counts the 98 weights of a spatial gate as well",
    "Which block has a spatial gate: SE, or CBAM?",
    lambda C, blocks, r: blocks * (2 * C * C // r + 98),
)


@task.misconception("counts the last stage only", ask="Where does a loop have to add instead of overwrite?")
def _(stages: Stages, r: int) -> int:
    _checked(stages, r)
    return se_parameters(stages[-1:], r)


@task.misconception("counts the first stage only", ask="Where does the `return` stand: in the loop, or behind it?")
def _(stages: Stages, r: int) -> int:
    _checked(stages, r)
    return se_parameters(stages[:1], r)


@task.misconception("leaves out the last stage", ask="Does every stage get its blocks?")
def _(stages: Stages, r: int) -> int:
    _checked(stages, r)
    return se_parameters(stages[:-1], r)


@task.misconception("counts stages that are alike only once", ask="Do two stages of the same size share their weights?")
def _(stages: Stages, r: int) -> int:
    return se_parameters(sorted(set(stages)), r)


@task.misconception(
    "keeps one entry per width: a later stage of the same width replaces the earlier one",
    ask="What does a dictionary do with a key that it has already?",
)
def _(stages: Stages, r: int) -> int:
    return se_parameters(dict(stages).items(), r)


@task.misconception(
    "adds up the channels first and squares the sum", ask="Is the sum of squares the square of the sum?"
)
def _(stages: Stages, r: int) -> int:
    _checked(stages, r)
    return 2 * sum(C * blocks for C, blocks in stages) ** 2 // r


@task.misconception(
    "multiplies the number of all blocks by the squares of all widths",
    ask="How many blocks have the width of this stage?",
)
def _(stages: Stages, r: int) -> int:
    _checked(stages, r)
    return sum(blocks for _, blocks in stages) * sum(2 * C * C // r for C, _ in stages)


@task.misconception("returns the count of each stage instead of their sum", ask="How many numbers are asked for?")
def _(stages: Stages, r: int) -> tuple[int, ...]:
    _checked(stages, r)
    return tuple(se_parameters([stage], r) for stage in stages)


@task.misconception("returns the mean over the stages", ask="What is asked for: the sum, or the mean?")
def _(stages: Stages, r: int) -> int:
    return se_parameters(stages, r) // max(1, len(stages))


_FLOATS: tuple[Callable[[Stages, int], float], ...] = (
    lambda stages, r: float(se_parameters(stages, r)),
    lambda stages, r: sum(2 * blocks * C * C / r for C, blocks in stages),
    lambda stages, r: sum(2 * blocks * C * (C / r) for C, blocks in stages),
    lambda stages, r: 2 / r * sum(blocks * C * C for C, blocks in stages),
)
for _floats in _FLOATS:

    @task.misconception(
        "computes with floats, which are exact only up to 2**53",
        ask="Is int(float(2**53 + 1)) still 2**53 + 1? Which of your operations turns whole numbers into floats?",
    )
    def _(stages: Stages, r: int, floats: Callable[[Stages, int], float] = _floats) -> int:
        _checked(stages, r)
        return int(floats(stages, r))


for _bits in (32, 64):

    @task.misconception(
        f"computes with integers of {_bits} bits, which wrap around",
        ask=f"What is the largest number that an int{_bits} holds, and what has Python's own int instead?",
    )
    def _(stages: Stages, r: int, bits: int = _bits) -> int:
        half = 1 << (bits - 1)
        return (se_parameters(stages, r) + half) % (2 * half) - half


@task.misconception(
    "returns a float, which is exact only up to 2**53",
    ask="Which of your operations turns whole numbers into floats: / or //?",
)
def _(stages: Stages, r: int) -> float:
    return float(se_parameters(stages, r))


@task.misconception(
    "takes the previous stage's width for one side of the first matrix",
    ask="A block gates the feature map it stands behind. How many channels go in, and how many gates come out?",
)
def _(stages: Stages, r: int) -> int:
    _checked(stages, r)
    before = [stages[0][0] if stages else 0, *(C for C, _ in stages)]
    return sum(blocks * (P * (P // r) + C * (C // r)) for P, (C, blocks) in zip(before, stages, strict=False))


@task.misconception(
    "tests whether the channels divide r, instead of whether r divides the channels",
    ask="What is 64 % 16, and what is 16 % 64?",
)
def _(stages: Stages, r: int) -> int:
    if any(r % C for C, _ in stages):
        raise ValueError
    return sum(blocks * 2 * C * (C // r) for C, blocks in stages)


for _least in (1, 2):

    @task.misconception(
        "raises where a single hidden unit, or no reduction, is left", ask="Is C/r = 1 an error? Is r = 1?"
    )
    def _(stages: Stages, r: int, least: int = _least) -> int:
        if (least == 1 and r in dict(stages)) or (least == 2 and r == 1):
            raise ValueError
        return se_parameters(stages, r)
