"""coverage.repetition: The share of n-grams that were there before."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from attn_core.seq2seq.repetition import repetition_rate
from autograder.checking.draw import Draw
from autograder.checking.task import Task

Tokens = list[int]

task = Task(
    "coverage.repetition",
    reference=repetition_rate,
    kind="py",
    lecture="24_coverage#counting-repetition-and-omission",
    hints=(
        "Write down all bigrams of [7, 8, 7, 8, 7] one below the other. How many are there, and which of them have you seen before?",
        "Slices of a list cannot be put into a set, tuples can. How do the number of n-grams and the number of different ones tell you how many are repeats?",
        "grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]; repeats = len(grams) - len(set(grams)); divide by len(grams), "
        "or return 0.0 if there are none.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Tokens, int]:
    length, n = draw.size("m", 1, 24), draw.choice([1, 1, 2, 2, 3, 4])
    return _tokens(draw, length), n


def _tokens(draw: Draw, length: int) -> Tokens:
    """Few different numbers, so that much is repeated, some of them of two digits and some of them negative."""
    alphabet = draw.choice([[0, 1], [1, 11, 111], [3, 7, 8, 9], [-1, 1, 12, 2, 21], list(range(40))])
    return [int(draw.choice(alphabet)) for _ in range(length)]


@task.special("no tokens", share=0.25)
def _(draw: Draw) -> tuple[Tokens, int]:
    return [], draw.choice([1, 2, 3])


@task.special("fewer tokens than n", share=0.25)
def _(draw: Draw) -> tuple[Tokens, int]:
    n = draw.choice([2, 3, 5])
    return _tokens(draw, int(draw.rng.integers(1, n))), n


@task.special("exactly n tokens", share=0.25)
def _(draw: Draw) -> tuple[Tokens, int]:
    n = draw.choice([1, 2, 4])
    return _tokens(draw, n), n


@task.special("one token again and again")
def _(draw: Draw) -> tuple[Tokens, int]:
    return [draw.choice([0, 5])] * draw.size("m", 3, 20), draw.choice([1, 2, 3])


@task.special("a phrase again and again")
def _(draw: Draw) -> tuple[Tokens, int]:
    phrase = [int(x) for x in draw.rng.permutation(9)[: draw.choice([2, 3, 4])]]
    return phrase * draw.choice([2, 3, 5]), draw.choice([1, 2, 3])


@task.special("numbers whose digits run together", share=0.25)
def _(draw: Draw) -> tuple[Tokens, int]:
    return [*draw.choice([[1, 12, 11, 2], [1, 23, 12, 3], [4, 44, 44, 4]]), *_tokens(draw, 6)], 2


@task.special("the same tokens in another order", share=0.25)
def _(draw: Draw) -> tuple[Tokens, int]:
    a, b, c = (int(x) for x in draw.rng.permutation(9)[:3])
    return [a, b, c, b, a, c, a, b], 2


@task.special("token ids up to 50,000", share=0.25)
def _(draw: Draw) -> tuple[Tokens, int]:
    """Bigrams that differ, but not in any common number made of them; the last one stood at the beginning."""
    a, b = (int(x) for x in draw.rng.integers(12_000, 28_000, size=2))
    pairs = [(a, b), (a + 256, b), (a + 1000, b), (40_000, b), (40_001, b)]  # mod 256, mod 1000, in half precision
    for base in (10, 31, 100, 256, 1000, 10_007):  # x + base · y, base · x + y
        pairs += [(a + base, b - 1), (a - 1, b + base)]
    between = [int(x) for x in draw.rng.permutation(9_000)[: len(pairs)] + 41_000]
    return [t for pair, x in zip(pairs, between, strict=True) for t in (*pair, x)] + [a, b], 2


@task.special("−1 and −2 in the same places", share=0.25)
def _(draw: Draw) -> tuple[Tokens, int]:
    x = draw.choice([3, 7, 50_000])
    return draw.choice([[-1, x, -2, x], [-2, x, x, -1, x], [x, -1, x, -2, -2]]), draw.choice([1, 2])


@task.special("five or six tokens in an n-gram", share=0.25)
def _(draw: Draw) -> tuple[Tokens, int]:
    x, y, *phrase = (int(t) for t in draw.rng.permutation(9)[:7])
    return [*phrase, x, *phrase[:4], y, *phrase, x, *_tokens(draw, draw.size("m", 1, 24))], draw.choice([5, 6])


@task.special("a long text that comes back to its beginning", share=0.25)
def _(draw: Draw) -> tuple[Tokens, int]:
    start, n = [int(x) for x in draw.rng.integers(100, size=6)], draw.choice([1, 2, 3])
    return [*start, *(int(x) for x in 100 + draw.rng.permutation(60)), *start, *start[: draw.choice([0, 3])]], n


def _grams(tokens: Tokens, n: int) -> list[tuple[int, ...]]:
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def _share(part: int, whole: int) -> float:
    return part / whole if whole > 0 else 0.0


@task.misconception("cuts the text into pieces that do not overlap", ask="How many bigrams does [1, 2, 3] have?")
def _(tokens: Tokens, n: int) -> float:
    grams = _grams(tokens, n)[::n]
    return _share(len(grams) - len(set(grams)), len(grams))


@task.misconception(
    "returns the share of different n-grams", ask="What is the rate of a text that never repeats itself?"
)
def _(tokens: Tokens, n: int) -> float:
    return _share(len(set(_grams(tokens, n))), len(_grams(tokens, n)))


@task.misconception(
    "counts the first occurrence as a repetition too",
    ask="When a word is said for the first time, has it occurred before?",
)
def _(tokens: Tokens, n: int) -> float:
    counts = Counter(_grams(tokens, n))
    return _share(sum(k for k in counts.values() if k > 1), sum(counts.values()))


@task.misconception(
    "counts how many different n-grams are repeated, not how often",
    ask="Is something said five times one repetition, or four?",
)
def _(tokens: Tokens, n: int) -> float:
    counts = Counter(_grams(tokens, n))
    return _share(sum(k > 1 for k in counts.values()), sum(counts.values()))


@task.misconception(
    "returns the share of the different n-grams that are repeated", ask="By which number does the task divide?"
)
def _(tokens: Tokens, n: int) -> float:
    counts = Counter(_grams(tokens, n))
    return _share(sum(k > 1 for k in counts.values()), len(counts))


@task.misconception("divides by the number of different n-grams", ask="By which number does the task divide?")
def _(tokens: Tokens, n: int) -> float:
    grams = _grams(tokens, n)
    return _share(len(grams) - len(set(grams)), len(set(grams)))


@task.misconception(
    "divides by the number of tokens",
    ask="How many n-grams does a list of m tokens have, and what is tokens[i : i + n] at its very end?",
)
def _(tokens: Tokens, n: int) -> float:
    grams = _grams(tokens, n)
    return _share(len(grams) - len(set(grams)), len(tokens))


@task.misconception("divides by m − n, one too few", ask="How many bigrams does [1, 2, 3] have?")
def _(tokens: Tokens, n: int) -> float:
    grams = _grams(tokens, n)
    return _share(len(grams) - len(set(grams)), len(tokens) - n)


@task.misconception("misses the last n-gram", ask="Where does the last n-gram begin? Does your range reach it?")
def _(tokens: Tokens, n: int) -> float:
    grams = _grams(tokens, n)[:-1]
    return _share(len(grams) - len(set(grams)), len(grams))


@task.misconception("reads on at the beginning when the end is reached", ask="Is a text a circle?")
def _(tokens: Tokens, n: int) -> float:
    grams = [tuple((tokens + tokens)[i : i + n]) for i in range(len(tokens))] if len(tokens) >= n else []
    return _share(len(grams) - len(set(grams)), len(grams))


@task.misconception("ignores the order within an n-gram", ask="Is “dog bites man” a repetition of “man bites dog”?")
def _(tokens: Tokens, n: int) -> float:
    grams = [tuple(sorted(gram)) for gram in _grams(tokens, n)]
    return _share(len(grams) - len(set(grams)), len(grams))


@task.misconception(
    "compares each n-gram with the one just before it only", ask="Is it a repetition if other words stand in between?"
)
def _(tokens: Tokens, n: int) -> float:
    grams = _grams(tokens, n)
    return _share(sum(a == b for a, b in pairwise(grams)), len(grams))


@task.misconception(
    "accepts only an earlier occurrence that does not overlap",
    ask="Does the task ask that the two occurrences be apart?",
)
def _(tokens: Tokens, n: int) -> float:
    grams = _grams(tokens, n)
    return _share(sum(gram in grams[: max(0, i - n + 1)] for i, gram in enumerate(grams)), len(grams))


@task.misconception("returns the number of repetitions instead of their share", ask="How large can a share be?")
def _(tokens: Tokens, n: int) -> float:
    grams = _grams(tokens, n)
    return float(len(grams) - len(set(grams)))


@task.misconception("returns percent", ask="How large can a share be?")
def _(tokens: Tokens, n: int) -> float:
    return 100 * repetition_rate(tokens, n)


@task.misconception("looks at single tokens whatever n is", ask="Which argument does your result not depend on?")
def _(tokens: Tokens, n: int) -> float:  # noqa: ARG001 - ignoring n is the mistake
    return repetition_rate(tokens, 1)


@task.misconception(
    "counts the shorter n-grams as well", ask="Does a rate for n = 3 know of bigrams, and how many n-grams are there?"
)
def _(tokens: Tokens, n: int) -> float:
    grams = [gram for k in range(1, n + 1) for gram in _grams(tokens, k)] if len(tokens) >= n else []
    return _share(len(grams) - len(set(grams)), len(grams))


@task.misconception(
    "looks at the last n-gram only",
    ask="How many n-grams can be repetitions of an earlier one, and for how many do you ask?",
)
def _(tokens: Tokens, n: int) -> float:
    grams = _grams(tokens, n)
    return float(grams[-1] in grams[:-1]) if grams else 0.0


@task.misconception("drops token 0 as if it were padding", ask="Which of the tokens does the task call padding?")
def _(tokens: Tokens, n: int) -> float:
    return repetition_rate([t for t in tokens if t], n)


@task.misconception(
    "compares the hashes of the n-grams instead of the n-grams", ask="What are hash((-1,)) and hash((-2,)) in Python?"
)
def _(tokens: Tokens, n: int) -> float:
    grams = _grams(tokens, n)
    return _share(len(grams) - len({hash(gram) for gram in grams}), len(grams))


@task.misconception("looks at bigrams whatever n is", ask="Which argument does your result not depend on?")
def _(tokens: Tokens, n: int) -> float:  # noqa: ARG001 - ignoring n is the mistake
    return repetition_rate(tokens, 2)


@task.misconception("returns 1 where there is no n-gram", ask="How much of a text that has no n-gram is repeated?")
def _(tokens: Tokens, n: int) -> float:
    return repetition_rate(tokens, n) if len(tokens) >= n else 1.0


@task.misconception(
    "divides by zero where there is no n-gram",
    ask="How many n-grams has a list that is shorter than n, and what is asked for then?",
)
def _(tokens: Tokens, n: int) -> float:
    grams = _grams(tokens, n)
    return (len(grams) - len(set(grams))) / len(grams)


@task.misconception("gives NaN where there is no n-gram", ask="What does the task ask for if there are no n-grams?")
def _(tokens: Tokens, n: int) -> float:
    return repetition_rate(tokens, n) if len(tokens) >= n else float("nan")


@task.misconception(
    "joins the numbers without a sign between them",
    ask="Are the pairs (1, 12) and (11, 2) the same once their digits run together?",
)
def _(tokens: Tokens, n: int) -> float:
    grams = ["".join(map(str, gram)) for gram in _grams(tokens, n)]
    return _share(len(grams) - len(set(grams)), len(grams))


@task.misconception(
    "counts an n-gram if each of its tokens was seen before", ask="[1, 2, 2, 1]: has the pair (2, 1) occurred before?"
)
def _(tokens: Tokens, n: int) -> float:
    grams = _grams(tokens, n)
    return _share(sum(set(gram) <= set(tokens[:i]) for i, gram in enumerate(grams)), len(grams))


@task.misconception("rounds the share to a whole number", ask="What is 1 // 2?")
def _(tokens: Tokens, n: int) -> float:
    return float(repetition_rate(tokens, n) // 1)
