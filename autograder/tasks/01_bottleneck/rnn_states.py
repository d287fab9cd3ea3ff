"""bottleneck.rnn_states: All states of a tanh network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from attn_core.seq2seq.recurrent import rnn_states
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "bottleneck.rnn_states",
    reference=rnn_states,
    kind="torch",
    lecture="01_bottleneck#one-vector-for-a-whole-source",
    hints=(
        "A loop over the steps. What has to survive from one step to the next, and what is it before the first?",
        "Inputs are rows here, x_t of shape (B, D), while the formula multiplies columns: W x becomes x Wᵀ. Collect the states in a list.",
        "state = zeros (B, H) in x's dtype; at each t: state = torch.tanh(x[:, t] @ W_x.T + state @ W_h.T + b), append it; "
        "torch.stack(states, dim=1).",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("T", 1, 8)
    draw.size("d_x", 1, 8)
    draw.size("d_h", 1, 8)
    x = draw.array("B", "T", "d_x", mean=0.2, fixed=True)  # large ones have a case of their own: tanh goes deaf there
    return x, *_weights(draw)


def _weights(draw: Draw, scale: float = 0.5) -> tuple[Array, ...]:
    """Weights for which states are neither all near 0 nor all near ±1, so that every mistake shows."""
    inputs = draw.array("d_h", "d_x", scale=0.5, fixed=True)
    recurrent = draw.array("d_h", "d_h", mean=0.1, scale=scale, fixed=True)
    return inputs, recurrent, draw.array("d_h", mean=0.2, scale=0.3, fixed=True)


@task.special("large inputs", share=0.2, gradients=False)
def _(draw: Draw) -> tuple[Array, ...]:
    return draw.array("B", "T", "d_x", scale=1000.0), *_weights(draw)


@task.special("small inputs, no bias", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    W_x, W_h, b = _weights(draw)
    return draw.array("B", "T", "d_x", scale=0.02), W_x, W_h, torch.zeros_like(b)


@task.special("no input: every x is zero", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("T", 3, 6)
    return torch.zeros_like(draw.array("B", "T", "d_x")), *_weights(draw)


@task.special("no recurrence: W_h is zero", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    x = draw.array("B", "T", "d_x")
    W_x, W_h, b = _weights(draw)
    return x, W_x, torch.zeros_like(W_h), b


@task.special("many steps", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("T", 30, 40)
    draw.size("d_h", 1, 6)
    return draw.array("B", "T", "d_x", scale=0.5), *_weights(draw, scale=0.3)


@task.special("gradients that grow with the distance", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("T", 30, 36)
    width = draw.size("d_h", 1, 4)
    x, W_x, b = torch.zeros_like(draw.array("B", "T", "d_x")), draw.array("d_h", "d_x"), draw.array("d_h")
    return x, W_x, 1.2 * torch.eye(width, dtype=x.dtype), torch.zeros_like(b)  # 1.2³⁰ = 237; every state is 0


@task.property("the first state does not depend on later inputs")
def _(call: Callable[..., Array], inputs: tuple[Array, ...], output: Array) -> str | None:
    x, *weights = inputs
    changed = x.clone()
    changed[:, 1:] += 1.0
    same = torch.allclose(call(changed, *weights)[:, 0], output[:, 0], atol=1e-4)
    return None if same else "here h_1 changes when x_2 does."


Step = Callable[[Array, Array, Array, Array, Array], Array]


def _run(x: Array, W_x: Array, W_h: Array, b: Array, step: Step | None = None, first: Array | None = None) -> Array:
    """The loop with one part exchanged: what most mistakes are."""
    state = x.new_zeros(x.shape[0], W_h.shape[0]) if first is None else first
    states = []
    for t in range(x.shape[1]):
        state = (step or _right)(x[:, t], state, W_x, W_h, b)
        states.append(state)
    return torch.stack(states, 1)


def _right(x: Array, state: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    return torch.tanh(x @ W_x.T + state @ W_h.T + b)


def _mistake(name: str, ask: str, step: Step) -> None:
    """A mistake inside one step."""

    @task.misconception(name, ask=ask)
    def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
        return _run(x, W_x, W_h, b, step)


_mistake(
    "leaves out the bias",
    "Which state does an input of zeros give?",
    lambda x, s, W_x, W_h, _b: torch.tanh(x @ W_x.T + s @ W_h.T),
)
_mistake(
    "adds the bias twice, once with the input and once with the state",
    "How many biases does the formula have?",
    lambda x, s, W_x, W_h, b: torch.tanh(x @ W_x.T + b + s @ W_h.T + b),
)
_mistake(
    "adds the bias outside the tanh",
    "Between which two numbers does every state lie?",
    lambda x, s, W_x, W_h, b: torch.tanh(x @ W_x.T + s @ W_h.T) + b,
)
_mistake(
    "multiplies the state by the transpose of W_h",
    "In W_h h with columns, which index of W_h is summed over? Which one is it in your product of rows?",
    lambda x, s, W_x, W_h, b: torch.tanh(x @ W_x.T + s @ W_h + b),
)
_mistake(
    "leaves out the tanh",
    "What keeps the state from growing without bound?",
    lambda x, s, W_x, W_h, b: x @ W_x.T + s @ W_h.T + b,
)
_mistake(
    "applies a sigmoid instead of tanh",
    "Can a state of this network be negative?",
    lambda x, s, W_x, W_h, b: torch.sigmoid(x @ W_x.T + s @ W_h.T + b),
)
_mistake(
    "applies ReLU instead of tanh",
    "Can a state of this network be negative?",
    lambda x, s, W_x, W_h, b: torch.relu(x @ W_x.T + s @ W_h.T + b),
)
_mistake(
    "applies tanh to the input part only",
    "What does the bracket of the formula hold?",
    lambda x, s, W_x, W_h, b: torch.tanh(x @ W_x.T + b) + s @ W_h.T,
)
_mistake(
    "applies tanh to the state part only",
    "What does the bracket of the formula hold?",
    lambda x, s, W_x, W_h, b: x @ W_x.T + torch.tanh(s @ W_h.T + b),
)
_mistake(
    "applies tanh twice",
    "How often does a number pass through tanh on its way into h_t?",
    lambda x, s, W_x, W_h, b: torch.tanh(_right(x, s, W_x, W_h, b)),
)
_mistake(
    "adds the old state to the new one",
    "Is this network residual?",
    lambda x, s, W_x, W_h, b: s + _right(x, s, W_x, W_h, b),
)
_mistake(
    "takes the mean of the old state and the new one",
    "Does the formula have a gate?",
    lambda x, s, W_x, W_h, b: (s + _right(x, s, W_x, W_h, b)) / 2,
)
_mistake(
    "multiplies the input part by the state part instead of adding it",
    "Which sign stands between W_x x and W_h h?",
    lambda x, s, W_x, W_h, b: torch.tanh(x @ W_x.T * (s @ W_h.T) + b),
)
_mistake(
    "forgets the state: every step starts from zeros",
    "Which variable must be assigned at the end of a step?",
    lambda x, _s, W_x, _W_h, b: torch.tanh(x @ W_x.T + b),
)
_mistake(
    "cuts the state off from the step before: the gradient reaches one step only",
    "The gradient shall flow through all T steps. Which line stops it?",
    lambda x, s, W_x, W_h, b: _right(x, s.detach(), W_x, W_h, b),
)
_mistake(
    "subtracts the state part",
    "Which sign stands before W_h h?",
    lambda x, s, W_x, W_h, b: torch.tanh(x @ W_x.T - s @ W_h.T + b),
)


@task.misconception("starts from ones instead of zeros", ask="What is h_0?")
def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    return _run(x, W_x, W_h, b, first=x.new_ones(x.shape[0], W_h.shape[0]))


@task.misconception("starts from the bias instead of zeros", ask="What is h_0?")
def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    return _run(x, W_x, W_h, b, first=b.expand(x.shape[0], -1))


@task.misconception("reads the sequence backwards", ask="Which input has h_1 seen?")
def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    return rnn_states(x.flip(1), W_x, W_h, b).flip(1)


@task.misconception("reads the sequence backwards", ask="Which input has h_1 seen?")
def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    return rnn_states(x.flip(1), W_x, W_h, b)


@task.misconception("returns the last state only", ask="How many states does a sequence of T steps have?")
def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    return rnn_states(x, W_x, W_h, b)[:, -1]


@task.misconception("returns h_0 as well: one state too many", ask="Is h_0 the state after any input?")
def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    states = rnn_states(x, W_x, W_h, b)
    return torch.cat([torch.zeros_like(states[:, :1]), states], 1)


@task.misconception(
    "is one step late: it returns the states before the inputs", ask="Has the first state that you return seen x_1?"
)
def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    states = rnn_states(x, W_x, W_h, b)
    return torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], 1)


@task.misconception("puts the time axis first", ask="Along which axis must the states be stacked to get (B, T, H)?")
def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    return rnn_states(x, W_x, W_h, b).transpose(0, 1)


@task.misconception("runs along the batch instead of the time", ask="Which axis of x is the time?")
def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    return rnn_states(x.transpose(0, 1), W_x, W_h, b).transpose(0, 1)


@task.misconception(
    "stacks along the wrong axis: (B, H, T)", ask="Along which axis must the states be stacked to get (B, T, H)?"
)
def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    return rnn_states(x, W_x, W_h, b).transpose(1, 2)


@task.misconception(
    "carries the last state of one sequence into the next one", ask="What does one sequence of a batch know of another?"
)
def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    rows, state = [], x.new_zeros(1, W_h.shape[0])
    for row in x:
        rows.append(_run(row[None], W_x, W_h, b, first=state)[0])
        state = rows[-1][-1:]
    return torch.stack(rows)


@task.misconception("cuts the gradient to the inputs", ask="Where does x leave the graph?")
def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    return rnn_states(x.detach(), W_x, W_h, b)


def _by_time(name: str, ask: str, bias: Callable[[int], bool]) -> None:
    """The bias is added at some steps only."""

    @task.misconception(name, ask=ask)
    def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
        state, states = x.new_zeros(x.shape[0], W_h.shape[0]), []
        for t in range(x.shape[1]):
            state = _right(x[:, t], state, W_x, W_h, b if bias(t) else torch.zeros_like(b))
            states.append(state)
        return torch.stack(states, 1)


_by_time("adds the bias at the first step only", "Which steps does the formula hold for?", lambda t: t == 0)
_by_time("leaves out the bias at the first step", "Which steps does the formula hold for?", lambda t: t > 0)


@task.misconception(
    "feeds the inputs one step late: the first state has seen no input", ask="Which input stands in the formula of h_1?"
)
def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    return rnn_states(torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1), W_x, W_h, b)


@task.misconception(
    "reshapes x to time first instead of transposing it, which mixes the sequences",
    ask="After your reshape, from which sequence does the second row of the first step come?",
)
def _(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    batch, steps, width = x.shape
    return rnn_states(x.reshape(steps, batch, width).transpose(0, 1), W_x, W_h, b)


def _clipped(x: Array, W_x: Array, W_h: Array, b: Array, bound: float) -> Array:
    def step(*parts: Array) -> Array:
        state = _right(*parts)
        if state.requires_grad:
            state.register_hook(lambda gradient: gradient.clamp(-bound, bound))
        return state

    return _run(x, W_x, W_h, b, step)


for _bound in (1.0, 5.0, 10.0, 20.0):
    task.misconception(
        "clips the gradient on its way back through the steps",
        ask="The gradient shall be the true one. What changes it between two steps?",
    )(partial(_clipped, bound=_bound))
