"""Every cell again, in NumPy and float64, straight from the equations.

A twin is a function of the weights by name, the input of one step and the
states; it returns the new states, the output first. It knows nothing of the
code it checks: gates are computed one by one from their own columns.
"""

import numpy as np

from rnn_layers import names


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def columns(weights, gate, gates, name="kernel"):
    """The block of columns of one gate."""
    return np.split(weights[name], gates, axis=-1)[gate]


def affine(w, x, h, gate, gates):
    """x @ W + h @ R + b for one gate."""
    return (
        x @ columns(w, gate, gates)
        + h @ columns(w, gate, gates, "recurrent_kernel")
        + columns(w, gate, gates, "bias")
    )


def simple_rnn(w, x, states):
    (h,) = states
    return [np.tanh(affine(w, x, h, 0, 1))]


def lstm(w, x, states):
    h, c = states
    i = sigmoid(affine(w, x, h, 0, 4))
    f = sigmoid(affine(w, x, h, 1, 4))
    g = np.tanh(affine(w, x, h, 2, 4))
    o = sigmoid(affine(w, x, h, 3, 4))
    c = f * c + i * g
    return [o * np.tanh(c), c]


def peephole_lstm(w, x, states, peephole="diagonal"):
    h, c = states
    if peephole == "full":
        look = [
            lambda c, k=k: c @ columns(w, k, 3, "peephole_kernel")
            for k in range(3)
        ]
    else:
        look = [lambda c, k=k: w["peephole"][k] * c for k in range(3)]
    i = sigmoid(affine(w, x, h, 0, 4) + look[0](c))
    f = sigmoid(affine(w, x, h, 1, 4) + look[1](c))
    g = np.tanh(affine(w, x, h, 2, 4))
    c = f * c + i * g
    o = sigmoid(affine(w, x, h, 3, 4) + look[2](c))
    return [o * np.tanh(c), c]


def coupled_lstm(w, x, states, peephole=None):
    h, c = states
    p_f, p_o = w["peephole"] if peephole else (0, 0)
    f = sigmoid(affine(w, x, h, 0, 3) + p_f * c)
    g = np.tanh(affine(w, x, h, 1, 3))
    c = f * c + (1 - f) * g
    o = sigmoid(affine(w, x, h, 2, 3) + p_o * c)
    return [o * np.tanh(c), c]


def jordan(w, x, states):
    (y,) = states
    h = np.tanh(affine(w, x, y, 0, 1))
    return [np.tanh(h @ w["output_kernel"] + w["output_bias"])]


def ind_rnn(w, x, states):
    (h,) = states
    a = x @ w["kernel"] + w["recurrent_kernel"] * h + w["bias"]
    return [np.maximum(a, 0)]


def lstm_1997(w, x, states):
    h, c = states
    i = sigmoid(affine(w, x, h, 0, 3))
    g = np.tanh(affine(w, x, h, 1, 3))
    o = sigmoid(affine(w, x, h, 2, 3))
    c = c + i * g
    return [o * np.tanh(c), c]


def odyssey(w, x, states, order, looking):
    """The vanilla LSTM of Greff et al.; a gate not in `order` is one."""
    h, c = states
    a = {k: affine(w, x, h, n, len(order)) for n, k in enumerate(order)}
    p = dict(zip(looking, w["peephole"], strict=True))
    i = sigmoid(a["i"] + p["i"] * c) if "i" in order else 1
    f = sigmoid(a["f"] + p["f"] * c) if "f" in order else 1
    c = f * c + i * np.tanh(a["g"])
    o = sigmoid(a["o"] + p["o"] * c) if "o" in order else 1
    return [o * np.tanh(c), c]


def no_input_gate_lstm(w, x, states):
    return odyssey(w, x, states, "fgo", "fo")


def no_forget_gate_lstm(w, x, states):
    return odyssey(w, x, states, "igo", "io")


def no_output_gate_lstm(w, x, states):
    return odyssey(w, x, states, "ifg", "if")


def no_input_activation_lstm(w, x, states):
    h, c = states
    p = w["peephole"]
    i = sigmoid(affine(w, x, h, 0, 4) + p[0] * c)
    f = sigmoid(affine(w, x, h, 1, 4) + p[1] * c)
    c = f * c + i * affine(w, x, h, 2, 4)
    o = sigmoid(affine(w, x, h, 3, 4) + p[2] * c)
    return [o * np.tanh(c), c]


def no_output_activation_lstm(w, x, states):
    h, c = states
    p = w["peephole"]
    i = sigmoid(affine(w, x, h, 0, 4) + p[0] * c)
    f = sigmoid(affine(w, x, h, 1, 4) + p[1] * c)
    c = f * c + i * np.tanh(affine(w, x, h, 2, 4))
    o = sigmoid(affine(w, x, h, 3, 4) + p[2] * c)
    return [o * c, c]


def full_gate_lstm(w, x, states):
    h, c, i, f, o = states
    p = w["peephole"]
    gates = np.concatenate([i, f, o], axis=1)
    seen = [gates @ columns(w, k, 3, "gate_kernel") for k in range(3)]
    i = sigmoid(affine(w, x, h, 0, 4) + seen[0] + p[0] * c)
    f = sigmoid(affine(w, x, h, 1, 4) + seen[1] + p[1] * c)
    c = f * c + i * np.tanh(affine(w, x, h, 2, 4))
    o = sigmoid(affine(w, x, h, 3, 4) + seen[2] + p[2] * c)
    return [o * np.tanh(c), c, i, f, o]


def janet(w, x, states):
    (c,) = states
    f = sigmoid(affine(w, x, c, 0, 2))
    g = np.tanh(affine(w, x, c, 1, 2))
    return [f * c + (1 - f) * g]


def projection_lstm(w, x, states, projection=None):
    h, c = lstm(w, x, states)
    return [h @ w["projection_kernel"], c]


def norm(a):
    """Mean 0 and variance 1, with the small number that keeps it finite."""
    a = a - a.mean(axis=1, keepdims=True)
    return a / np.sqrt((a**2).mean(axis=1, keepdims=True) + 1e-5)


def layer_norm_lstm(w, x, states):
    h, c = states
    p, q = w["gain"]
    z = p * norm(x @ w["kernel"]) + q * norm(h @ w["recurrent_kernel"])
    i, f, g, o = np.split(z + w["bias"], 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    shown = w["cell_gain"] * norm(c) + w["cell_bias"]
    return [sigmoid(o) * np.tanh(shown), c]


def slstm(w, x, states):
    h, c, n, m = states
    a, b, g, o = (affine(w, x, h, k, 4) for k in range(4))
    # Without the stabilizer: c and n are kept divided by exp(m).
    i, f = np.exp(a), sigmoid(b)
    true_c = f * c * np.exp(m) + i * np.tanh(g)
    true_n = f * n * np.exp(m) + i
    m = np.maximum(np.log(f) + m, a)
    h = sigmoid(o) * true_c / true_n
    return [h, true_c / np.exp(m), true_n / np.exp(m), m]


def gru(w, x, states, reset_after=True):
    (h,) = states
    w_z, w_r, w_h = np.split(w["kernel"], 3, axis=1)
    r_z, r_r, r_h = np.split(w["recurrent_kernel"], 3, axis=1)
    if reset_after:
        b_z, b_r, b_h = np.split(w["bias"][0], 3)
        d_z, d_r, d_h = np.split(w["bias"][1], 3)
        z = sigmoid(x @ w_z + b_z + h @ r_z + d_z)
        r = sigmoid(x @ w_r + b_r + h @ r_r + d_r)
        n = np.tanh(x @ w_h + b_h + r * (h @ r_h + d_h))
    else:
        b_z, b_r, b_h = np.split(w["bias"], 3)
        z = sigmoid(x @ w_z + b_z + h @ r_z)
        r = sigmoid(x @ w_r + b_r + h @ r_r)
        n = np.tanh(x @ w_h + b_h + (r * h) @ r_h)
    return [z * h + (1 - z) * n]


def layer_norm_gru(w, x, states, recurrent_shift=False):
    (h,) = states
    w_z, w_r, w_h = np.split(w["kernel"], 3, axis=1)
    r_z, r_r, r_h = np.split(w["recurrent_kernel"], 3, axis=1)
    p_z, p_r, p_h = np.split(w["gain"][0], 3)
    q_z, q_r, q_h = np.split(w["gain"][1], 3)
    b_z, b_r, b_h = np.split(w["bias"], 3)
    x_z, x_r = np.split(norm(x @ np.concatenate([w_z, w_r], 1)), 2, axis=1)
    h_z, h_r = np.split(norm(h @ np.concatenate([r_z, r_r], 1)), 2, axis=1)
    z = sigmoid(p_z * x_z + q_z * h_z + b_z)
    r = sigmoid(p_r * x_r + q_r * h_r + b_r)
    s = w["recurrent_shift"] if recurrent_shift else 0
    n = np.tanh(p_h * norm(x @ w_h) + b_h + r * (q_h * norm(h @ r_h) + s))
    return [z * h + (1 - z) * n]


def mgu(w, x, states):
    (h,) = states
    f = sigmoid(affine(w, x, h, 0, 2))
    n = np.tanh(affine(w, x, f * h, 1, 2))
    return [(1 - f) * h + f * n]


def light_gru(w, x, states):
    (h,) = states

    def part(k):
        scaled = columns(w, k, 2, "gain") * norm(x @ columns(w, k, 2))
        recurrent = h @ columns(w, k, 2, "recurrent_kernel")
        return scaled + columns(w, k, 2, "bias") + recurrent

    z = sigmoid(part(0))
    return [z * h + (1 - z) * np.maximum(part(1), 0)]


def ugrnn(w, x, states):
    (h,) = states
    z = sigmoid(affine(w, x, h, 0, 2))
    n = np.tanh(affine(w, x, h, 1, 2))
    return [z * h + (1 - z) * n]


def mut1(w, x, states):
    (h,) = states
    w_z, w_r, w_h = np.split(w["kernel"], 3, axis=1)
    b_z, b_r, b_h = np.split(w["bias"], 3)
    r_r, r_h = np.split(w["recurrent_kernel"], 2, axis=1)
    z = sigmoid(x @ w_z + b_z)
    r = sigmoid(x @ w_r + h @ r_r + b_r)
    n = np.tanh((r * h) @ r_h + np.tanh(x @ w_h) + b_h)
    return [n * z + h * (1 - z)]


def mut2(w, x, states):
    (h,) = states
    z = sigmoid(affine(w, x, h, 0, 3))
    r = sigmoid(affine(w, x, h, 1, 3))
    n = np.tanh(affine(w, x, r * h, 2, 3))
    return [n * z + h * (1 - z)]


def mut3(w, x, states):
    (h,) = states
    z = sigmoid(affine(w, x, np.tanh(h), 0, 3))
    r = sigmoid(affine(w, x, h, 1, 3))
    n = np.tanh(affine(w, x, r * h, 2, 3))
    return [n * z + h * (1 - z)]


def slim_gru(w, x, states, form=1):
    (h,) = states
    units = h.shape[1]
    r_z, r_r, r_h = np.split(
        np.concatenate([np.zeros((units, 2 * units)), w["recurrent_kernel"]], 1)
        if form == 3
        else w["recurrent_kernel"],
        3,
        axis=1,
    )
    bias = w["bias"]
    if form == 2:
        bias = np.concatenate([np.zeros(2 * units), bias])
    b_z, b_r, b_h = np.split(bias, 3)
    z = sigmoid(h @ r_z + b_z)
    r = sigmoid(h @ r_r + b_r)
    n = np.tanh(x @ w["kernel"] + (r * h) @ r_h + b_h)
    return [z * h + (1 - z) * n]


def always_positive(a):
    return np.where(a >= 0, a + 0.5, sigmoid(a))


def min_gru(w, x, states):
    (h,) = states
    z, n = np.split(x @ w["kernel"] + w["bias"], 2, axis=1)
    z = sigmoid(z)
    return [(1 - z) * h + z * always_positive(n)]


def min_lstm(w, x, states):
    (h,) = states
    f, i, n = np.split(x @ w["kernel"] + w["bias"], 3, axis=1)
    f, i = sigmoid(f), sigmoid(i)
    return [f / (f + i) * h + i / (f + i) * always_positive(n)]


def sru(w, x, states):
    _, c = states
    w_f, w_r, w_c, w_x = np.split(w["kernel"], 4, axis=1)
    b_f, b_r = np.split(w["bias"], 2)
    v_f, v_r = w["peephole"]
    f = sigmoid(x @ w_f + v_f * c + b_f)
    r = sigmoid(x @ w_r + v_r * c + b_r)
    c = f * c + (1 - f) * (x @ w_c)
    return [r * c + (1 - r) * (x @ w_x), c]


# A cell has the name of its twin.
TWINS = {name: globals()[name] for name in names()}

# Options beside the defaults under which a cell is tested too.
FORMS = {
    "peephole_lstm": [{"peephole": "full"}],
    "coupled_lstm": [{"peephole": "diagonal"}],
    "projection_lstm": [{"projection": 3}],
    "gru": [{"reset_after": False}],
    "layer_norm_gru": [{"recurrent_shift": True}],
    "slim_gru": [{"form": 2}, {"form": 3}],
}


def run(name, weights, sequences, states, mask=None, **options):
    """Runs a twin over `(B, T, F)`: all states of all steps, time first."""
    history = []
    for t in range(sequences.shape[1]):
        new = TWINS[name](weights, sequences[:, t], states, **options)
        if mask is not None:
            here = mask[:, t, None]
            new = [np.where(here, *s) for s in zip(new, states, strict=True)]
        history.append(states := new)
    return history
