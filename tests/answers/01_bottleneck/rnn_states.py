"""Right and wrong answers to bottleneck.rnn_states."""

import torch
from answers import right, wrong
from torch import nn

# --- right, in different styles


@right
def loop_and_stack(x, W_x, W_h, b):
    state = x.new_zeros(x.shape[0], W_h.shape[0])
    states = []
    for t in range(x.shape[1]):
        state = torch.tanh(x[:, t] @ W_x.T + state @ W_h.T + b)
        states.append(state)
    return torch.stack(states, dim=1)


@right
def inputs_first_and_linear(x, W_x, W_h, b):
    projected = nn.functional.linear(x, W_x, b)
    states = [torch.tanh(projected[:, 0])]
    for z in projected.unbind(1)[1:]:
        states.append(torch.tanh(z + nn.functional.linear(states[-1], W_h)))
    return torch.stack(states, 1)


@right
def einsum_by_columns(x, W_x, W_h, b):
    h, out = torch.zeros(x.shape[0], len(b), dtype=x.dtype), []
    for x_t in x.transpose(0, 1):
        h = torch.einsum("hd,bd->bh", W_x, x_t) + torch.einsum("hk,bk->bh", W_h, h) + b
        h = h.tanh()
        out += [h[:, None]]
    return torch.cat(out, dim=1)


@right
def torchs_own_network(x, W_x, W_h, b):
    """torch's own kernel, run with these weights."""
    start = x.new_zeros(1, x.shape[0], W_h.shape[0])
    weights = [W_x.contiguous(), W_h.contiguous(), b.contiguous(), torch.zeros_like(b)]
    return torch.rnn_tanh(x.contiguous(), start, weights, True, 1, 0.0, False, False, True)[0]


@right
def writes_into_its_own_tensor(x, W_x, W_h, b):
    batch, steps, _ = x.shape
    out = torch.empty(batch, steps, W_h.shape[0], dtype=x.dtype)
    h = torch.zeros_like(out[:, 0])
    for t in range(steps):
        h = torch.tanh(torch.addmm(b, x[:, t], W_x.mT) + h @ W_h.mT)
        out[:, t] = h
    return out


@right
def one_matrix_for_both(x, W_x, W_h, b):
    W = torch.cat([W_x, W_h, b[:, None]], 1)
    ones = x.new_ones(x.shape[0], 1)
    h, states = x.new_zeros(x.shape[0], W_h.shape[0]), []
    for t in range(x.shape[1]):
        h = (torch.cat([x[:, t], h, ones], -1) @ W.mT).tanh()
        states.append(h)
    return torch.stack(states, -2)


@right
def sequence_by_sequence(x, W_x, W_h, b):
    rows = []
    for row in x:
        h, states = x.new_zeros(W_h.shape[0]), []
        for x_t in row:
            h = torch.tanh(W_x @ x_t + W_h @ h + b)
            states.append(h)
        rows.append(torch.stack(states))
    return torch.stack(rows)


@right
def tanh_by_sigmoid(x, W_x, W_h, b):
    h, states = 0.0 * b.expand(x.shape[0], -1), []
    for t in range(x.shape[1]):
        h = 2 * torch.sigmoid(2 * (x[:, t] @ W_x.T + h @ W_h.T + b)) - 1
        states.append(h)
    return torch.stack(states, 1)


# --- wrong, the way learners write it


def run(x, W_x, W_h, b, step):
    """The right loop around a wrong step."""
    h, states = x.new_zeros(x.shape[0], W_h.shape[0]), []
    for t in range(x.shape[1]):
        h = step(x[:, t], h)
        states.append(h)
    return torch.stack(states, 1)


@wrong("leaves out the bias")
def no_bias(x, W_x, W_h, b):
    return run(x, W_x, W_h, b, lambda x_t, h: torch.tanh(nn.functional.linear(x_t, W_x) + nn.functional.linear(h, W_h)))


@wrong("adds the bias twice, once with the input and once with the state")
def two_biases_as_torch_has(x, W_x, W_h, b):
    return run(
        x, W_x, W_h, b, lambda x_t, h: torch.tanh(nn.functional.linear(x_t, W_x, b) + nn.functional.linear(h, W_h, b))
    )


@wrong("adds the bias outside the tanh")
def bias_outside(x, W_x, W_h, b):
    return run(x, W_x, W_h, b, lambda x_t, h: b + torch.tanh(x_t @ W_x.T + h @ W_h.T))


@wrong("multiplies the state by the transpose of W_h")
def forgets_one_transpose(x, W_x, W_h, b):
    return run(x, W_x, W_h, b, lambda x_t, h: torch.tanh(x_t @ W_x.T + h @ W_h + b))


@wrong("leaves out the tanh")
def linear(x, W_x, W_h, b):
    return run(x, W_x, W_h, b, lambda x_t, h: x_t @ W_x.T + h @ W_h.T + b)


@wrong("applies ReLU instead of tanh")
def relu(x, W_x, W_h, b):
    return run(x, W_x, W_h, b, lambda x_t, h: (x_t @ W_x.T + h @ W_h.T + b).clamp(min=0))


@wrong("applies a sigmoid instead of tanh")
def sigmoid(x, W_x, W_h, b):
    return run(x, W_x, W_h, b, lambda x_t, h: 1 / (1 + torch.exp(-(x_t @ W_x.T + h @ W_h.T + b))))


@wrong("applies tanh to the input part only")
def bracket_closed_too_early(x, W_x, W_h, b):
    return run(x, W_x, W_h, b, lambda x_t, h: torch.tanh(x_t @ W_x.T + b) + h @ W_h.T)


@wrong("forgets the state: every step starts from zeros")
def not_assigned(x, W_x, W_h, b):
    h = x.new_zeros(x.shape[0], W_h.shape[0])
    return torch.stack([torch.tanh(x_t @ W_x.T + h @ W_h.T + b) for x_t in x.unbind(1)], 1)


@wrong("forgets the state: every step starts from zeros")
def all_steps_at_once(x, W_x, W_h, b):
    return torch.tanh(x @ W_x.mT + b)


@wrong("cuts the state off from the step before: the gradient reaches one step only")
def truncated_backpropagation(x, W_x, W_h, b):
    return run(x, W_x, W_h, b, lambda x_t, h: torch.tanh(x_t @ W_x.T + h.detach() @ W_h.T + b))


@wrong("cuts the state off from the step before: the gradient reaches one step only")
def state_kept_as_data(x, W_x, W_h, b):
    h, states = x.new_zeros(x.shape[0], W_h.shape[0]), []
    for t in range(x.shape[1]):
        new = torch.tanh(x[:, t] @ W_x.T + h @ W_h.T + b)
        states.append(new)
        h = new.data
    return torch.stack(states, 1)


@wrong("starts from ones instead of zeros")
def starts_from_ones(x, W_x, W_h, b):
    h, states = torch.ones(x.shape[0], W_h.shape[0], dtype=x.dtype), []
    for t in range(x.shape[1]):
        h = torch.tanh(x[:, t] @ W_x.T + h @ W_h.T + b)
        states.append(h)
    return torch.stack(states, 1)


@wrong("reads the sequence backwards")
def backwards(x, W_x, W_h, b):
    h, states = x.new_zeros(x.shape[0], W_h.shape[0]), []
    for t in reversed(range(x.shape[1])):
        h = torch.tanh(x[:, t] @ W_x.T + h @ W_h.T + b)
        states.insert(0, h)
    return torch.stack(states, 1)


@wrong("returns the last state only")
def only_the_last(x, W_x, W_h, b):
    h = x.new_zeros(x.shape[0], W_h.shape[0])
    for t in range(x.shape[1]):
        h = torch.tanh(x[:, t] @ W_x.T + h @ W_h.T + b)
    return h


@wrong("returns h_0 as well: one state too many")
def with_the_start(x, W_x, W_h, b):
    states = [x.new_zeros(x.shape[0], W_h.shape[0])]
    for t in range(x.shape[1]):
        states.append(torch.tanh(x[:, t] @ W_x.T + states[-1] @ W_h.T + b))
    return torch.stack(states, 1)


@wrong("is one step late: it returns the states before the inputs")
def appended_before_the_step(x, W_x, W_h, b):
    h, states = x.new_zeros(x.shape[0], W_h.shape[0]), []
    for t in range(x.shape[1]):
        states.append(h)
        h = torch.tanh(x[:, t] @ W_x.T + h @ W_h.T + b)
    return torch.stack(states, 1)


@wrong("puts the time axis first")
def time_first(x, W_x, W_h, b):
    h, states = x.new_zeros(x.shape[0], W_h.shape[0]), []
    for t in range(x.shape[1]):
        h = torch.tanh(x[:, t] @ W_x.T + h @ W_h.T + b)
        states.append(h)
    return torch.stack(states)


@wrong("runs along the batch instead of the time")
def batch_as_time(x, W_x, W_h, b):
    h, states = x.new_zeros(x.shape[1], W_h.shape[0]), []
    for row in x:
        h = torch.tanh(row @ W_x.T + h @ W_h.T + b)
        states.append(h)
    return torch.stack(states)


@wrong("stacks along the wrong axis: (B, H, T)")
def stacked_last(x, W_x, W_h, b):
    h, states = x.new_zeros(x.shape[0], W_h.shape[0]), []
    for t in range(x.shape[1]):
        h = torch.tanh(x[:, t] @ W_x.T + h @ W_h.T + b)
        states.append(h)
    return torch.stack(states, -1)


@wrong("carries the last state of one sequence into the next one")
def not_reset(x, W_x, W_h, b):
    h, rows = x.new_zeros(W_h.shape[0]), []
    for row in x:
        states = []
        for x_t in row:
            h = torch.tanh(W_x @ x_t + W_h @ h + b)
            states.append(h)
        rows.append(torch.stack(states))
    return torch.stack(rows)


@wrong("adds the old state to the new one")
def residual(x, W_x, W_h, b):
    return run(x, W_x, W_h, b, lambda x_t, h: h + torch.tanh(x_t @ W_x.T + h @ W_h.T + b))


@wrong("gives another result the second time it is called")
def keeps_its_state(x, W_x, W_h, b, kept={}):  # noqa: B006 - a mutable default is the mistake
    key = (x.shape[0], W_h.shape[0])
    h, states = kept.get(key, x.new_zeros(*key)).to(x.dtype), []
    for t in range(x.shape[1]):
        h = torch.tanh(x[:, t] @ W_x.T + h @ W_h.T + b)
        states.append(h)
    kept[key] = h.detach()
    return torch.stack(states, 1)


@wrong("changes its input x in place")
def adds_the_bias_in_place(x, W_x, W_h, b):
    x += 0.0 * x.sum() + 1e-3
    return loop_and_stack(x - 1e-3, W_x, W_h, b)


@wrong("does not keep the dtype of its inputs")
def zeros_in_float32_and_cast(x, W_x, W_h, b):
    return loop_and_stack(x.float(), W_x.float(), W_h.float(), b.float())


@wrong("loses precision: its float64 results are only as good as float32")
def rounds_the_state(x, W_x, W_h, b):
    return run(x, W_x, W_h, b, lambda x_t, h: torch.tanh(x_t @ W_x.T + h @ W_h.T + b).float().to(x.dtype))


@wrong("touches the global random generator")
def random_start(x, W_x, W_h, b):
    h, states = 1e-12 * torch.randn(x.shape[0], W_h.shape[0], dtype=x.dtype), []
    for t in range(x.shape[1]):
        h = torch.tanh(x[:, t] @ W_x.T + h @ W_h.T + b)
        states.append(h)
    return torch.stack(states, 1)


@wrong("returns a list or tuple instead of a float64 tensor")
def list_of_states(x, W_x, W_h, b):
    return list(loop_and_stack(x, W_x, W_h, b).unbind(1))


@wrong("is right except when T > …")
def stops_after_twenty_steps(x, W_x, W_h, b):
    states = loop_and_stack(x[:, :20], W_x, W_h, b)
    missing = x.shape[1] - states.shape[1]
    return torch.cat([states, states[:, -1:].expand(-1, missing, -1)], 1)


@wrong("cuts the gradient to the inputs")
def inputs_as_data(x, W_x, W_h, b):
    return loop_and_stack(x.data, W_x, W_h, b)


@wrong(None, why="clamps the states at 0.9; no report knows that one")
def clamped(x, W_x, W_h, b):
    return run(x, W_x, W_h, b, lambda x_t, h: torch.tanh(x_t @ W_x.T + h @ W_h.T + b).clamp(-0.9, 0.9))


@wrong("adds the bias at the first step only")
def bias_as_a_start(x, W_x, W_h, b):
    states = [torch.tanh(x[:, 0] @ W_x.T + b)]
    for x_t in x.unbind(1)[1:]:
        states.append(torch.tanh(x_t @ W_x.T + states[-1] @ W_h.T))
    return torch.stack(states, 1)


@wrong("leaves out the bias at the first step")
def first_step_by_hand(x, W_x, W_h, b):
    states = [torch.tanh(x[:, 0] @ W_x.T)]
    for x_t in x.unbind(1)[1:]:
        states.append(torch.tanh(x_t @ W_x.T + states[-1] @ W_h.T + b))
    return torch.stack(states, 1)


@wrong("feeds the inputs one step late: the first state has seen no input")
def previous_input(x, W_x, W_h, b):
    h, states = x.new_zeros(x.shape[0], W_h.shape[0]), []
    for t in range(x.shape[1]):
        x_t = x[:, t - 1] if t else torch.zeros_like(x[:, 0])
        h = torch.tanh(x_t @ W_x.T + h @ W_h.T + b)
        states.append(h)
    return torch.stack(states, 1)


@wrong("reshapes x to time first instead of transposing it, which mixes the sequences")
def reshaped(x, W_x, W_h, b):
    h, states = x.new_zeros(x.shape[0], W_h.shape[0]), []
    for x_t in x.reshape(x.shape[1], x.shape[0], -1):
        h = torch.tanh(x_t @ W_x.T + h @ W_h.T + b)
        states.append(h)
    return torch.stack(states, 1)


@wrong("clips the gradient on its way back through the steps")
def clipped_at_twenty(x, W_x, W_h, b):
    def step(x_t, h):
        h = torch.tanh(x_t @ W_x.T + h @ W_h.T + b)
        if h.requires_grad:
            h.register_hook(lambda gradient: gradient.clamp(-20, 20))
        return h

    return run(x, W_x, W_h, b, step)
