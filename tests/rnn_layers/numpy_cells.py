"""Every cell again, in NumPy and float64, straight from the equations.

A twin is a function of the weights by name, the input of one step and the
states; it returns the new states, the output first. It knows nothing of the
code it checks: gates are computed one by one from their own columns.
"""

import numpy as np


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


def simple_rnn(w, x, states, **options):
    (h,) = states
    return [np.tanh(affine(w, x, h, 0, 1))]


def lstm(w, x, states, **options):
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


TWINS = {
    "simple_rnn": simple_rnn,
    "lstm": lstm,
    "peephole_lstm": peephole_lstm,
    "coupled_lstm": coupled_lstm,
    "gru": gru,
}

# Options beside the defaults under which a cell is tested too.
FORMS = {
    "peephole_lstm": [{"peephole": "full"}],
    "coupled_lstm": [{"peephole": "diagonal"}],
    "gru": [{"reset_after": False}],
}


def run(name, weights, sequences, states, **options):
    """Runs a twin over `(B, T, F)`: all states of all steps, time first."""
    history = []
    for t in range(sequences.shape[1]):
        states = TWINS[name](weights, sequences[:, t], states, **options)
        history.append(states)
    return history
