"""How a picture conditions the decoder: the equations in NumPy."""

import numpy as np
import pytest
from keras import ops

from apps.captioning import decoders, model
from data_pipelines.text.tokenizers import Tokenizer
from tests.apps.captioning.tiny import (
    FEATURES,
    B,
    D,
    U,
    arrays,
    built,
    elman,
    logits_of,
    memory_and_vector,
    words,
)


@pytest.mark.parametrize(
    "conditioning", ["every_step", "first_step", "initial_state"]
)
def test_conditioning_of_the_simple_cell(conditioning):
    _, captioner = built(cell="simple_rnn", conditioning=conditioning)
    tokens = words(B)
    _, v = memory_and_vector(captioner)
    (table,) = arrays(captioner.get_layer("tokens"))
    w = table[tokens] * D**0.5  # B T D
    kernel, recurrent, bias = arrays(captioner.get_layer("recurrent"))
    zeros = np.zeros((B, U))
    if conditioning == "every_step":
        # tanh(W_xh w + W_hh h + W_ih v + b)
        projected = w @ kernel[:D] + (v @ kernel[D:])[:, None] + bias
        h = elman(projected, recurrent, zeros)
    elif conditioning == "first_step":
        first = (v @ kernel + bias)[:, None]
        projected = np.concatenate([first, w @ kernel + bias], axis=1)
        h = elman(projected, recurrent, zeros)[:, 1:]
    else:
        into, add = arrays(captioner.get_layer("first_states"))
        h = elman(w @ kernel + bias, recurrent, np.tanh(v @ into + add))
    np.testing.assert_allclose(
        captioner([FEATURES, tokens]), logits_of(captioner, h), atol=1e-4
    )


@pytest.mark.parametrize("cell", ["gru", "lstm", "peephole_lstm", "min_gru"])
def test_every_step_adds_the_picture_to_the_projection_of_any_cell(cell):
    _, captioner = built(cell=cell, conditioning="every_step")
    tokens = words(B)
    _, v = memory_and_vector(captioner)
    (table,) = arrays(captioner.get_layer("tokens"))
    own = captioner.get_layer("recurrent").layers[0].cell
    kernel = np.array(own.kernel, "float64")
    bias = np.array(own.project(np.zeros((1, D + U), "float32")))
    states = own.get_initial_state(B)
    outputs = []
    for t in range(tokens.shape[1]):
        x = table[tokens[:, t]] * D**0.5
        projected = x @ kernel[:D] + v @ kernel[D:] + bias
        states = own.step(ops.cast(projected, "float32"), states, own.product)
        outputs.append(np.array(states[0]))
    np.testing.assert_allclose(
        captioner([FEATURES, tokens]),
        logits_of(captioner, np.stack(outputs, axis=1)),
        atol=1e-4,
    )


@pytest.mark.parametrize("cell", ["lstm", "sru", "slstm", "projection_lstm"])
def test_the_initial_state_of_every_cell_matters(cell):
    """Of both layers and, where there is one, of the memory too."""
    _, captioner = built(cell=cell, conditioning="initial_state", depth=2)
    tokens = words(B)
    before = np.array(captioner([FEATURES, tokens]))
    first = captioner.get_layer("first_states")
    own = captioner.get_layer("recurrent").layers[0].cell
    sizes = own.state_size[:2] * 2
    assert first.units == sum(sizes)
    kernel, bias = first.get_weights()
    ends = np.cumsum(sizes)
    # One does not read its last output, and the other no memory at first.
    unread = {"sru": 0, "slstm": 1}.get(cell)
    for number, end in enumerate(ends):
        if number % 2 == unread:
            continue
        begin = end - sizes[number]
        changed = bias.copy()
        changed[begin:end] += 1
        first.set_weights([kernel, changed])
        after = np.array(captioner([FEATURES, tokens]))
        assert np.abs(after - before).max() > 1e-3, number


def test_attention_begins_with_the_picture_too():
    """Without regions to tell apart, the context is their common memory."""
    _, captioner = built(cell="simple_rnn", attention_score="general")
    tokens = words(B)
    memory, v = memory_and_vector(captioner)
    (table,) = arrays(captioner.get_layer("tokens"))
    decoder = captioner.get_layer("decoder")
    kernel, recurrent, bias = arrays(decoder.recurrent[0])
    w = table[tokens] * D**0.5
    h = elman(w @ kernel + bias, recurrent, v)  # B T U
    weights = np.array(
        model.IncrementalDecoder(captioner, "attention").attention(
            FEATURES, tokens
        )
    )
    context = weights @ memory  # B T U
    (output,) = arrays(decoder.output_layer)
    y = np.tanh(np.concatenate([context, h], axis=-1) @ output)
    np.testing.assert_allclose(
        captioner([FEATURES, tokens]), logits_of(captioner, y), atol=1e-4
    )


def test_the_penalty_is_equation_14_without_padding():
    trained, captioner = built(attention_penalty=0.7)
    tokens = words(2)
    tokens[1, 3:] = Tokenizer.END, 0  # as teacher forcing reads it
    inputs = FEATURES[:2]
    steps = model.IncrementalDecoder(captioner, "attention")
    weights = np.array(steps.attention(inputs, tokens))
    # Steps that have a word to predict: all five, and three.
    missed = [
        ((1 - weights[row, :real].sum(axis=0)) ** 2).sum()
        for row, real in enumerate((5, 3))
    ]
    logits = trained([inputs, tokens])
    (loss,) = trained.losses
    assert float(loss) == pytest.approx(0.7 * np.mean(missed), rel=1e-4)
    np.testing.assert_allclose(logits, captioner([inputs, tokens]), atol=1e-5)
    assert captioner.losses == []
    assert not any(
        isinstance(layer, decoders.AttentionPenalty)
        for layer in captioner.layers
    )
