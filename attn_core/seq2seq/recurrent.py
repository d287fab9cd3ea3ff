r"""A recurrent network reads one input per step and keeps what it has seen in one state of fixed size.

Formula
    tanh cell    h_t = tanh(W_x x_t + W_h h_{t−1} + b), h_0 = 0
    GRU cell     r = σ(W_ir x + b_ir + W_hr s + b_hr), z likewise, c = tanh(W_ic x + b_ic + r ⊙ (W_hc s + b_hc)),
                 s' = (1 − z) ⊙ c + z ⊙ s: z = 1 keeps the old state
Shapes
    x          (B, T, d_x) for rnn_states, (B, d_x) for gru_cell
    W_x, W_h   (d_h, d_x), (d_h, d_h); b (d_h,)
    h          (B, T, d_h), all states; lengths (B,), whole numbers from 1 to T
    s          (B, d_s)
    W_ih       (3 d_s, d_x), W_hh (3 d_s, d_s), b_ih and b_hh (3 d_s,): the rows of reset gate, update gate and
               candidate, in this order, as in torch.nn.GRUCell
Cost
    rnn_states: T (d_x d_h + d_h²) multiply-adds per sequence, one step after the other. gru_cell: 3 d_s (d_x + d_s).
Errors
    ValueError for shapes that do not fit and for a length outside 1 … T; TypeError for anything but floating arrays of
    one library and one dtype
Source
    Elman 1990, Finding Structure in Time; Cho et al. 2014, Learning Phrase Representations using RNN Encoder–Decoder,
    section 2.3. The reset gate stands behind the product with W_hc, as in torch and cuDNN; in the paper, before it.
"""

from array_api_compat import device

from attn_core.conventions import Array, check_arguments, shape_error


def rnn_states(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    """All states (B, T, d_h) of a tanh network that starts from zeros.

    >>> import numpy as np
    >>> one = np.ones((1, 1))
    >>> rnn_states(np.array([[[0.5], [0.0]]]), one, one, np.zeros(1)).round(3)
    array([[[0.462],
            [0.432]]])
    """
    xp = check_arguments("rnn_states", x=(x, "B T d_x"), W_x=(W_x, "d_h d_x"), W_h=(W_h, "d_h d_h"), b=(b, "d_h"))
    inputs = xp.matmul(x, W_x.T) + b  # (B, T, d_h): all steps at once, only the state has to wait for the one before
    states: list[Array] = []
    for t in range(x.shape[1]):
        past = xp.matmul(states[-1], W_h.T) if states else 0.0
        states.append(xp.tanh(inputs[:, t, :] + past))
    return xp.stack(states, axis=1)


def last_state(h: Array, lengths: Array) -> Array:
    """The state (B, d_h) at each sequence's own last real step, not at the end of the padding."""
    xp = check_arguments("last_state", h=(h, "B T d_h"))
    check_arguments("last_state", "integral", lengths=(lengths, "B"))
    B, T = h.shape[:2]
    if lengths.shape[0] != B:
        raise shape_error("last_state", "lengths", f"h has B={B} sequences", f"shape {tuple(lengths.shape)}")
    outside = lengths[(lengths < 1) | (lengths > T)]
    if outside.shape[0] > 0:
        got = f"an entry {outside[0].item()}"
        raise shape_error("last_state", "lengths", f"every length must be between 1 and T={T}", got)
    return h[xp.arange(B, device=device(h)), lengths - 1]


def gru_cell(x: Array, state: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    """The next state (B, d_s) of a GRU, with the weights of a torch.nn.GRUCell."""
    xp = check_arguments("gru_cell", x=(x, "B d_x"), state=(state, "B d_s"))
    d_x, d_s = x.shape[1], state.shape[1]
    parameters = {
        "W_ih": (W_ih, (3 * d_s, d_x)),
        "W_hh": (W_hh, (3 * d_s, d_s)),
        "b_ih": (b_ih, (3 * d_s,)),
        "b_hh": (b_hh, (3 * d_s,)),
    }
    for name, (array, shape) in parameters.items():
        check_arguments("gru_cell", x=(x, ""), **{name: (array, "")})
        if tuple(array.shape) != shape:
            reason = f"d_x={d_x} in x and d_s={d_s} in state; the rows are those of reset gate, update gate, candidate"
            raise shape_error("gru_cell", name, f"it must be {shape}", f"shape {tuple(array.shape)}", reason)
    from_x = xp.matmul(x, W_ih.T) + b_ih  # (B, 3 d_s)
    from_state = xp.matmul(state, W_hh.T) + b_hh  # (B, 3 d_s)
    reset = _sigmoid(from_x[:, :d_s] + from_state[:, :d_s])
    update = _sigmoid(from_x[:, d_s : 2 * d_s] + from_state[:, d_s : 2 * d_s])
    candidate = xp.tanh(from_x[:, 2 * d_s :] + reset * from_state[:, 2 * d_s :])
    return (1.0 - update) * candidate + update * state


def _sigmoid(x: Array) -> Array:
    """1 / (1 + exp(−x)), which tanh gives without an overflow."""
    xp = check_arguments("sigmoid", x=(x, ""))
    return 0.5 + 0.5 * xp.tanh(0.5 * x)
