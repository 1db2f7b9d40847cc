"""Products of the same shapes as those of the layers, and their ratios."""

import keras
import numpy as np
import pytest

import rnn_layers
from benchmarks import steps


def shapes(run):
    return [tuple(tensor.shape) for tensor in run()]


def test_the_products_of_layers_have_their_shapes():
    picture = keras.Input((8, 10, 3))
    x = keras.layers.Conv2D(4, 3, 2, padding="same")(picture)
    x = keras.layers.Conv2D(5, 1)(x)
    x = keras.layers.Dense(6)(x)
    encoder = keras.Model(picture, x)
    video = keras.Input((None, 8, 10, 3))
    x = rnn_layers.TimeDistributed(encoder)(video)
    x = keras.layers.Dense(7, name="lowest")(x)
    model = keras.Model(video, x)
    runs = list(steps.layer_products(model.layers, 2, 3, "lowest"))
    first, second, dense, lowest = map(shapes, runs)
    # Six pictures; the pixels need no gradient.
    assert first == [(6, 4, 5, 4), (3, 3, 3, 4)]
    assert second == [(6, 4, 5, 5), (1, 1, 4, 5), (6, 4, 5, 4)]
    assert dense == [(120, 6), (5, 6), (120, 5)]
    assert lowest == [(120, 7), (6, 7)]
    steps.together(runs, [])()


def test_batched_products_are_a_product_and_its_gradients():
    assert shapes(steps.batched(2, 3, 4, 5)) == [
        (2, 3, 5),
        (2, 4, 5),
        (2, 3, 4),
    ]


def test_ratios_are_of_medians():
    times = {
        "step": np.array([[0.004, 0.002], [0.006, 0.003], [9, 9]]),
        "products": np.array([[0.002, 0.002]] * 3),
        "batch": np.array([[0.0005, 0]]),
    }
    row = steps.cells(times, "step", "products")
    assert row[0].startswith("6.0 (5.0 to ")
    assert row[1:] == ["2.0 (2.0 to 2.0)", "3.00", "1.50", "0.5"]


@pytest.mark.slow
@pytest.mark.parametrize("name", steps.CASES)
def test_every_case_takes_steps(name, tmp_path):
    functions = steps.CASES[name](str(tmp_path))
    for _ in range(2):
        for run in functions.values():
            run()
