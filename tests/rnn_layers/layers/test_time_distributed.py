"""A layer at every step, against the layer alone."""

import keras
import numpy as np
import pytest
from keras import ops

import rnn_layers


def sequences(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("length", [5, None])
def test_every_step_is_the_layer_alone(length):
    layer = rnn_layers.TimeDistributed(keras.layers.Conv2D(4, 3))
    given = keras.Input((length, 6, 6, 2))
    model = keras.Model(given, layer(given))
    assert model.output.shape == (None, length, 4, 4, 4)
    for rows in (1, 3):  # more steps than rows, in the same graph
        x = sequences(rows, 5, 6, 6, 2)
        found = model.predict(x, verbose=0)
        expected = [layer.layer(x[:, t]) for t in range(5)]
        expected = ops.convert_to_numpy(ops.stack(expected, axis=1))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_lengths_that_change_need_no_other_model():
    given = keras.Input((None, 3))
    layer = rnn_layers.TimeDistributed(keras.layers.Dense(2))
    model = keras.Model(given, layer(given))
    for length in (4, 9, 1):
        x = sequences(2, length, 3)
        expected = ops.convert_to_numpy(layer.layer(x))
        found = model.predict(x, verbose=0)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_layer_knows_of_training():
    layer = rnn_layers.TimeDistributed(keras.layers.Dropout(0.5, seed=0))
    x = np.ones((4, 8, 16), "float32")
    dropped = ops.convert_to_numpy(layer(x, training=True))
    assert set(np.unique(dropped)) == {0, 2}
    np.testing.assert_array_equal(layer(x, training=False), x)


def test_the_mask_goes_on_behind_it():
    given = keras.Input((None, 3))
    masked = keras.layers.Masking()(given)
    x = rnn_layers.TimeDistributed(keras.layers.Dense(2))(masked)
    y = rnn_layers.rnn("gru", 4)(x)
    x = sequences(2, 6, 3)
    x[:, 4:] = 0
    model = keras.Model(given, y)
    np.testing.assert_allclose(
        model.predict(x, verbose=0),
        model.predict(x[:, :4], verbose=0),
        atol=1e-6,
    )


def test_it_is_saved_and_loaded(tmp_path):
    given = keras.Input((None, 6, 6, 2))
    inner = keras.Sequential(
        [keras.layers.Conv2D(4, 3), keras.layers.Flatten()]
    )
    model = keras.Model(given, rnn_layers.TimeDistributed(inner)(given))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = sequences(2, 3, 6, 6, 2)
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), again.predict(x, verbose=0)
    )


def padded_documents():
    """Tokens `(B, T, S)`: sentences of several lengths, and an empty one."""
    tokens = np.random.default_rng(1).integers(1, 9, (2, 3, 5))
    for row, step, length in ((0, 0, 2), (0, 2, 4), (1, 1, 1), (1, 2, 0)):
        tokens[row, step, length:] = 0
    return tokens


@pytest.mark.parametrize(
    "length", [pytest.param(5, marks=pytest.mark.slow), None]
)
def test_a_padded_sentence_equals_itself_alone(length):
    tokens = keras.Input((None, length), dtype="int32")
    words = keras.layers.Embedding(9, 4, mask_zero=True)(tokens)
    sentences = rnn_layers.TimeDistributed(
        rnn_layers.rnn("lstm", 6, compiled=False)
    )(words)
    document = rnn_layers.rnn("gru", 3, compiled=False)(sentences)
    model = keras.Model(tokens, [sentences, document])
    x = padded_documents()
    vectors, whole = model.predict(x, verbose=0)
    for row, steps in enumerate((3, 2)):  # the last sentence is empty
        for step in range(steps):
            words = x[row, step][x[row, step] > 0]
            if length:
                words = np.pad(words, (0, length - len(words)))
            alone, _ = model.predict(words[None, None], verbose=0)
            np.testing.assert_allclose(
                vectors[row, step], alone[0, 0], atol=1e-6
            )
        _, shorter = model.predict(x[row : row + 1, :steps], verbose=0)
        np.testing.assert_allclose(whole[row], shorter[0], atol=1e-6)


@pytest.mark.parametrize(
    "backwards", [pytest.param(False, marks=pytest.mark.slow), True]
)
def test_a_mask_inside_the_steps_goes_on_where_they_still_are(backwards):
    tokens = keras.Input((3, 5), dtype="int32")
    words = keras.layers.Embedding(9, 4, mask_zero=True)(tokens)
    inner = rnn_layers.rnn(
        "gru", 6, return_sequences=True, go_backwards=backwards
    )
    last = rnn_layers.rnn("gru", 3)
    hidden = rnn_layers.TimeDistributed(inner)(words)
    model = keras.Model(tokens, rnn_layers.TimeDistributed(last)(hidden))
    x = padded_documents()
    words = x[0, 0][x[0, 0] > 0]
    embedded = model.layers[1](words[None])
    expected = ops.convert_to_numpy(last(inner(embedded)))[0]
    found = model.predict(x, verbose=0)[0, 0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="graphs of TensorFlow"
)
@pytest.mark.parametrize("inside", [(), (5,)])
def test_a_graph_refuses_a_mask_of_other_steps(inside):
    import tensorflow as tf

    inner = rnn_layers.rnn("simple_rnn", 2, compiled=False)
    layer = rnn_layers.TimeDistributed(inner)
    layer.build((None, None, 5, 3))
    function = tf.function(
        lambda x, mask: layer(x, mask=mask),
        input_signature=[
            tf.TensorSpec((None, None, 5, 3)),
            tf.TensorSpec((None, None, *inside), tf.bool),
        ],
        autograph=False,
    )
    x, mask = sequences(2, 3, 5, 3), np.ones((2, 3, *inside), bool)
    assert function(x, mask).shape == (2, 3, 2)
    for wrong in (mask[:, :2], np.ones((2, 4, *inside), bool)):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="mask` must have the shape"
        ):
            function(x, wrong)


@pytest.mark.parametrize("shape", [(2, 4), (3, 3), (2,)])
def test_a_mask_of_other_steps_is_refused(shape):
    layer = rnn_layers.TimeDistributed(keras.layers.Dense(2))
    with pytest.raises(ValueError, match="mask` must have the shape"):
        layer(sequences(2, 3, 5), mask=np.ones(shape, bool))
