"""The network: chunks that go on, tokens one by one, a sampled softmax."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from apps.common.cli import UserError
from apps.common.token_loss import TokenCrossentropy
from apps.language_model import model
from apps.language_model.config import Config
from apps.language_model.model import LanguageModel

SIZE = 30
SMALL = {"units": 6, "embedding_size": 5, "batch_size": 2, "chunk": 4}


@pytest.fixture(scope="module", params=[1, 2])
def built(request):
    config = Config(**SMALL, depth=request.param, dropout=0.0)
    return model.build(config, SIZE)


@pytest.fixture(scope="module")
def tokens():
    return np.random.default_rng(0).integers(1, SIZE, (2, 12)).astype("int32")


def test_chunks_with_carried_states_are_the_whole(built, tokens):
    trained, language_model = built
    whole = language_model(tokens)
    for start in (0, 4, 8):
        batch = {
            "tokens": tokens[:, start : start + 4],
            "begins": np.full(2, start == 0),
        }
        np.testing.assert_allclose(
            trained(batch), whole[:, start : start + 4], atol=1e-5
        )


def test_steps_and_chunks_are_the_whole(built, tokens):
    _, language_model = built
    network = LanguageModel(language_model)
    whole = np.asarray(language_model(tokens))
    states = network.initial_state(2)
    none = network.after(tokens[:, :0], states)
    np.testing.assert_array_equal(none[0][0], states[0][0])
    first, states = network.run(tokens[:, :5], states)
    np.testing.assert_allclose(first, whole[:, :5], atol=1e-5)
    for place in range(5, 12):
        logits, states = network.step(tokens[:, place], states)
        np.testing.assert_allclose(logits, whole[:, place], atol=1e-5)


def test_a_row_that_begins_forgets(built, tokens):
    trained, _ = built
    begins = {"tokens": tokens[:, :4], "begins": np.array([True, True])}
    first = np.asarray(trained(begins))
    again = trained({**begins, "begins": np.array([True, False])})
    np.testing.assert_allclose(again[0], first[0], atol=1e-6)
    assert np.abs(np.asarray(again[1]) - first[1]).max() > 1e-4


def test_variational_dropout_drops_alike_at_every_token():
    config = Config(**SMALL, dropout=0.5, variational=True, zoneout=0.1)
    keras.utils.set_random_seed(0)
    layer = model._dropout(config, 0.5, 2)
    out = np.asarray(layer(np.ones((2, 4, 50)), training=True))
    assert (out == out[:, :1]).all()
    assert 0.2 < (out == 0).mean() < 0.8


def test_a_dropped_token_is_dropped_everywhere():
    keras.utils.set_random_seed(1)
    layer = model.TokenDropout(0.5, SIZE, 0)
    tokens = np.random.default_rng(0).integers(0, SIZE, (3, 50))
    out = np.asarray(layer(np.ones((3, 50, 2)), tokens, training=True))
    shares = [out[tokens == token].mean() for token in range(SIZE)]
    assert set(shares) == {0.0, 2.0}
    np.testing.assert_array_equal(
        layer(np.ones((3, 50, 2)), tokens, training=False), 1.0
    )


@pytest.mark.parametrize("tied", [True, False])
def test_the_sampled_softmax_estimates_the_whole(tied):
    """With many samples its loss is that over the vocabulary."""
    embedding = keras.layers.ReversibleEmbedding(
        SIZE,
        5,
        tie_weights=tied,
        embeddings_initializer=keras.initializers.RandomNormal(1.0, seed=3),
    )
    embedding.build((None, None))
    random = np.random.default_rng(0)
    vectors = random.normal(size=(2, 8, 5)).astype("float32")
    targets = random.integers(1, SIZE, (2, 8)).astype("int32")
    loss = TokenCrossentropy()
    whole = loss(targets, embedding(vectors, reverse=True))
    sampled = model.SampledSoftmax(embedding, 200_000, 0)(vectors, targets)
    _, classes = model.sampled_targets({}, tf.constant(targets))
    assert float(loss(classes, sampled)) == pytest.approx(
        float(whole), rel=0.02
    )


def test_a_cell_without_products_has_no_recurrent_dropout():
    config = Config(**SMALL, cell="min_gru", recurrent_dropout=0.1)
    with pytest.raises(UserError, match=r"--recurrent-dropout 0\.1: min_gru"):
        model.build(config, SIZE)
