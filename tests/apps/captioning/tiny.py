"""A captioner of a few units, and its equations in NumPy."""

import numpy as np

from apps.captioning import model
from apps.captioning.config import Config
from data_pipelines.text.tokenizers import Tokenizer

# B pictures of R regions of C channels; D size of a word vector, U units.
B, R, C, D, U, V = 3, 6, 5, 4, 7, 11


RANDOM = np.random.default_rng(0)


FEATURES = RANDOM.normal(size=(B, R, C)).astype("float32")


COUNTS = RANDOM.integers(0, 50, V)


def built(encoder=(R, C), several=False, vectors=None, **more):
    """Returns both models, with weights of which none is zero."""
    config = Config(**{"units": U, "embedding_size": D, **more})
    trained, captioner = model.build(config, encoder, COUNTS, several, vectors)
    random = np.random.default_rng(1)
    for weight in captioner.weights:
        if "seed" not in weight.path and "moving" not in weight.path:
            weight.assign(random.normal(size=weight.shape) * 0.6)
    return trained, captioner


def words(rows, length=5):
    """Random captions without an end, `(rows, length)`."""
    tokens = RANDOM.integers(4, V, (rows, length)).astype("int32")
    tokens[:, 0] = Tokenizer.BEGIN
    return tokens


def arrays(layer):
    return [np.array(w, "float64") for w in layer.weights]


def memory_and_vector(captioner):
    """Memory and vector of the pictures, from the weights alone."""
    picture = captioner.get_layer("picture")
    gamma, beta = arrays(picture.get_layer("normal"))
    epsilon = picture.get_layer("normal").epsilon
    x = np.float64(FEATURES)
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(
        x.var(-1, keepdims=True) + epsilon
    )
    kernel, bias = arrays(picture.get_layer("memory"))
    (places,) = arrays(picture.get_layer("places"))
    memory = (x * gamma + beta) @ kernel + bias + places
    kernel, bias = arrays(picture.get_layer("vector"))
    return memory, np.tanh(memory.mean(axis=1) @ kernel + bias)


def logits_of(captioner, h):
    """Takes states `(B, T, U)` to logits."""
    kernel, bias = arrays(captioner.get_layer("outputs"))
    (table,) = arrays(captioner.get_layer("tokens"))
    (each,) = arrays(captioner.get_layer("bias"))
    return (h @ kernel + bias) @ table.T + each[0]


def elman(projected, recurrent, h):
    """h_t = tanh(projected_t + W_hh h_{t-1}), `(B, T, U)`."""
    found = []
    for t in range(projected.shape[1]):
        h = np.tanh(projected[:, t] + h @ recurrent)
        found.append(h)
    return np.stack(found, axis=1)
