"""The classifier: shapes, padding, vectors to begin from."""

import keras
import numpy as np
import pytest

from apps.sentiment import model, ratios
from apps.sentiment.config import Config

NO_RATIOS = ratios.Ratios(None, 2, 0)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_model_has_the_shapes_it_says(depth, bidirectional, tmp_path):
    config = Config(
        units=4, embedding_size=3, depth=depth, bidirectional=bidirectional
    )
    _, built = model.build(config, 10, 3, NO_RATIOS)
    tokens = np.array([[2, 3, 4, 0, 0], [5, 6, 7, 8, 9]])
    probabilities = built(tokens).numpy()
    assert probabilities.shape == (2, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    # Padding is inert: the first row alone, without it.
    np.testing.assert_allclose(
        built(tokens[:1, :3]).numpy()[0], probabilities[0], atol=1e-6
    )
    built.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    _, weights = model.explainer(loaded)(tokens)
    np.testing.assert_allclose(weights.numpy().sum(1), 1, rtol=1e-5)
    assert np.all(weights.numpy()[0, 3:] == 0)


def test_word_vectors_are_where_training_begins():
    vectors = np.arange(30, dtype="float32").reshape(10, 3)
    _, built = model.build(Config(units=4), 10, 2, NO_RATIOS, vectors)
    table = built.get_layer("words").get_weights()[0]
    np.testing.assert_array_equal(table, vectors)
