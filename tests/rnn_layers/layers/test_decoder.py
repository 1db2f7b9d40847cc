"""Attention against its equations, and the decoder's two ways to run."""

import keras
import numpy as np
import pytest
from keras import ops

import rnn_layers
from tests.rnn_layers.tools import array, close, gradients, random, randomize

QUERY = random(3, 2, 4)  # (B, T, Q)
MEMORY = random(3, 5, 6)  # (B, S, M)
MEMORY_MASK = np.array([[1, 1, 1, 0, 0], [1, 0, 1, 1, 1], [0] * 5], bool)
TARGETS = random(3, 4, 5)
TARGET_MASK = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 0]], bool)


def additive(layer):
    w, v, b, score = (array(weight) for weight in layer.weights)
    return lambda q, m: np.tanh(q @ w + m @ v + b) @ score[:, 0]


def general(layer):
    kernel = array(layer.kernel)
    return lambda q, m: q @ (m @ kernel)


def dot(layer):
    return lambda q, m: q @ m


SCORES = {
    additive: lambda: rnn_layers.AdditiveAttention(3, dtype="float64"),
    general: lambda: rnn_layers.DotAttention(dtype="float64"),
    dot: lambda: rnn_layers.DotAttention(general=False, dtype="float64"),
}


@pytest.mark.parametrize("score", SCORES)
def test_attention_equals_its_equations(score):
    layer = SCORES[score]()
    memory = MEMORY[..., :4] if score is dot else MEMORY
    layer(QUERY, memory)
    randomize(layer)
    context, weights = layer(QUERY, memory, memory_mask=MEMORY_MASK)
    function = score(layer)
    for row, valid in enumerate(MEMORY_MASK):
        for t in range(QUERY.shape[1]):
            e = [function(QUERY[row, t], m) for m in memory[row, valid]]
            a = np.exp(e) / max(np.exp(e).sum(), 1e-300)
            expected = np.zeros(len(valid))
            expected[valid] = a
            close(weights[row, t], expected)
            close(context[row, t], expected @ memory[row])
    one, of_one = layer(QUERY[:, 0], memory, memory_mask=MEMORY_MASK)
    close([one, of_one], [context[:, 0], weights[:, 0]])


def test_dot_attention_refuses_other_widths():
    with pytest.raises(ValueError, match="same width, not 4 and 6"):
        rnn_layers.DotAttention(general=False)(QUERY, MEMORY)


DECODERS = [
    ("gru", "additive", {}, 1),
    ("lstm", "general", {"zoneout": 0.25}, 1),
    ("projection_lstm", "additive", {"projection": 2}, 2),
    ("peephole_lstm", "dot", {}, 3),
]


def make(cell, attention, options, depth=1):
    decoder = rnn_layers.AttentionDecoder(
        cell, 6, attention, options, depth, dtype="float64"
    )
    decoder(TARGETS, MEMORY)
    randomize(decoder)
    return decoder


@pytest.mark.parametrize(("cell", "attention", "options", "depth"), DECODERS)
def test_step_by_step_equals_the_whole_sequence(
    cell, attention, options, depth
):
    decoder = make(cell, attention, options, depth)
    first = [random(*state.shape) for state in decoder.get_initial_state(3)]
    arguments = {"initial_state": first, "memory_mask": MEMORY_MASK}
    outputs = decoder(TARGETS, MEMORY, **arguments)
    looked_at = decoder.attention_weights(TARGETS, MEMORY, **arguments)
    prepared = decoder.prepare(
        ops.convert_to_tensor(MEMORY), ops.convert_to_tensor(MEMORY_MASK)
    )
    states = first
    for t in range(TARGETS.shape[1]):
        output, states, weights = decoder.step(
            ops.convert_to_tensor(TARGETS[:, t]), states, prepared
        )
        close(output, outputs[:, t])
        close(weights, looked_at[:, t])
        close(array(weights).sum(axis=1), MEMORY_MASK.any(axis=1))


def test_hypotheses_share_the_memory_of_their_sentence():
    decoder = make("lstm", "additive", {})
    mask = ops.convert_to_tensor(MEMORY_MASK)
    inputs = ops.convert_to_tensor(random(6, 5))
    states = [random(*s.shape) for s in decoder.get_initial_state(6)]
    shared = decoder.step(
        inputs, states, decoder.prepare(ops.convert_to_tensor(MEMORY), mask)
    )
    repeated = decoder.prepare(
        ops.repeat(MEMORY, 2, axis=0), ops.repeat(mask, 2, axis=0)
    )
    for one, other in zip(
        keras.tree.flatten(shared),
        keras.tree.flatten(decoder.step(inputs, states, repeated)),
        strict=True,
    ):
        close(one, other)


@pytest.mark.parametrize("cell", ["lstm", "slstm"])
def test_first_states_given_the_others_are_as_the_cell_begins(cell):
    decoder = make(cell, "general", {})
    output, *others = decoder.recurrent[0].cell.get_initial_state(3)
    first = random(*output.shape)
    given = decoder(TARGETS, MEMORY, initial_state=[first])
    close(given, decoder(TARGETS, MEMORY, initial_state=first))
    close(given, decoder(TARGETS, MEMORY, initial_state=[first, *others]))
    assert np.abs(array(given - decoder(TARGETS, MEMORY))).max() > 1e-3


def test_states_keep_their_type_in_mixed_precision():
    decoder = rnn_layers.AttentionDecoder("lstm", 6, dtype="mixed_float16")
    decoder(TARGETS.astype("float16"), MEMORY.astype("float16"))
    first = ops.ones((3, 6), "float16")
    states = decoder.get_initial_state(3, [first])
    prepared = decoder.prepare(ops.convert_to_tensor(MEMORY))
    _, after, _ = decoder.step(ops.ones((3, 5)), states, prepared)
    kinds = [keras.backend.standardize_dtype(s.dtype) for s in states]
    assert kinds == [keras.backend.standardize_dtype(s.dtype) for s in after]


def test_masks_that_inputs_carry_are_seen():
    decoder = make("gru", "additive", {})

    def masked(x, mask):
        x = ops.convert_to_tensor(np.where(mask[..., None], x, 0))
        return keras.layers.Masking(dtype="float64")(x)

    y = decoder(masked(TARGETS, TARGET_MASK), masked(MEMORY, MEMORY_MASK))
    expected = decoder(
        np.where(TARGET_MASK[..., None], TARGETS, 0),
        np.where(MEMORY_MASK[..., None], MEMORY, 0),
        sequences_mask=TARGET_MASK,
        memory_mask=MEMORY_MASK,
    )
    close(y, expected)
    assert (array(y._keras_mask) == TARGET_MASK).all()
    memory = masked(MEMORY, MEMORY_MASK)
    weights = array(decoder.attention_weights(TARGETS, memory))
    assert (np.moveaxis(weights, 1, 2)[~MEMORY_MASK] == 0).all()
    np.testing.assert_array_equal(decoder.prepare(memory)[2], MEMORY_MASK)


def test_masked_memory_has_no_gradient():
    decoder = make("gru", "additive", {})

    def loss(memory):
        outputs = decoder(TARGETS, memory, memory_mask=MEMORY_MASK)
        return ops.sum(outputs**2)

    *_, by_memory = gradients(loss, decoder, [MEMORY])
    assert (by_memory[~MEMORY_MASK] == 0).all()
    assert np.abs(by_memory[MEMORY_MASK]).max() > 1e-4


def test_the_hidden_layer_of_the_score_may_be_narrower():
    decoder = rnn_layers.AttentionDecoder(
        "gru", 6, attention_units=2, dtype="float64"
    )
    decoder(TARGETS, MEMORY)
    randomize(decoder)
    shapes = [weight.shape for weight in decoder.attend.weights]
    assert shapes == [(6, 2), (6, 2), (2,), (2, 1)]
    h = array(decoder.recurrent[0](TARGETS))
    score = additive(decoder.attend)
    e = np.exp(
        [
            [[score(q, m) for m in M] for q in H]
            for H, M in zip(h, MEMORY, strict=True)
        ]
    )
    close(
        decoder.attention_weights(TARGETS, MEMORY),
        e / e.sum(axis=-1, keepdims=True),
    )


@pytest.mark.parametrize(
    ("attention", "more"),
    [("general", {"depth": 2}), ("additive", {"attention_units": 3})],
)
def test_decoder_survives_saving(tmp_path, attention, more):
    targets = keras.Input((None, 5))
    memory = keras.Input((None, 6))
    decoder = rnn_layers.AttentionDecoder("lstm", 4, attention, **more)
    model = keras.Model([targets, memory], decoder(targets, memory))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    inputs = [TARGETS.astype("float32"), MEMORY.astype("float32")]
    close(again(inputs), model(inputs), 1e-6)


def test_bad_options_are_one_clear_line():
    with pytest.raises(ValueError, match="no option 'stateful'"):
        rnn_layers.AttentionDecoder("gru", 4, options={"stateful": True})
    states = [random(3, 4)] * 3
    with pytest.raises(ValueError, match="There are 2 states, not 3"):
        rnn_layers.AttentionDecoder("lstm", 4).get_initial_state(3, states)
    with pytest.raises(ValueError, match="must be one of 'additive'"):
        rnn_layers.AttentionDecoder("gru", 4, attention="luong")
