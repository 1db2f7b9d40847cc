"""The learning rate, the gradient's length, the averages of the weights."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from apps.common.optimizer import AdamW, adamw, averaged


def small_model(**options):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(AdamW(0.1, **options), loss="mse")
    return model


def train(model, steps):
    random = np.random.default_rng(0)
    history = []
    for _ in range(steps):
        x, y = random.normal(size=(4, 3)), random.normal(size=(4, 2))
        model.train_on_batch(x.astype("float32"), y.astype("float32"))
        history.append(model.get_weights())
    return history


@pytest.mark.parametrize("jit_compile", [False, True])
def test_steps_are_those_of_adamw(jit_compile):
    """Loshchilov and Hutter, 2019, algorithm 2, on clipped gradients."""
    keras.utils.set_random_seed(0)
    model = small_model()
    _, bias = model.trainable_variables
    optimizer = AdamW(
        0.1, weight_decay=0.3, global_clipnorm=0.5, slow=[bias], slowness=0.2
    )
    optimizer.exclude_from_weight_decay([bias])
    model.compile(optimizer, loss="mse", jit_compile=jit_compile)
    weights = [w.astype("float64") for w in model.get_weights()]
    m, v = ([np.zeros_like(w) for w in weights] for _ in range(2))
    random = np.random.default_rng(0)
    for time in range(1, 9):
        x, y = random.normal(size=(4, 3)), random.normal(size=(4, 2))
        model.train_on_batch(x.astype("float32"), y.astype("float32"))
        error = (x @ weights[0] + weights[1] - y) / 4  # of two outputs: 2 / 8
        gradients = [x.T @ error, error.sum(axis=0)]
        norm = np.sqrt(sum((g**2).sum() for g in gradients))
        for n, (rate, decay) in enumerate([(0.1, 0.03), (0.02, 0)]):
            g = gradients[n] * min(1, 0.5 / norm)
            m[n] = 0.9 * m[n] + 0.1 * g
            v[n] = 0.999 * v[n] + 0.001 * g**2
            # Kingma and Ba, 2015, end of section 2: epsilon hat
            step = rate * np.sqrt(1 - 0.999**time) / (1 - 0.9**time)
            weights[n] *= 1 - decay
            weights[n] -= step * m[n] / (np.sqrt(v[n]) + 1e-7)
        for own, expected in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-5)


def test_averages_follow_their_formula():
    keras.utils.set_random_seed(0)
    model = small_model(averaging=0.5)
    history = train(model, 12)
    expected = [np.zeros_like(w) for w in history[0]]
    for time, weights in enumerate(history, 1):
        keep = min(0.5, time / (9 + time))
        expected = [
            keep * average + (1 - keep) * weight
            for average, weight in zip(expected, weights, strict=True)
        ]
    with averaged(model):
        for one, other in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    for one, other in zip(model.get_weights(), history[-1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_come_back_after_an_error():
    model = small_model(averaging=0.9)
    before = train(model, 3)[-1]
    with pytest.raises(KeyError), averaged(model):
        raise KeyError
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_averages_nothing_is_put_in_place():
    model = small_model()
    before = train(model, 2)[-1]
    with averaged(model):
        for one, other in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_gradient_norm_is_that_of_all_gradients_before_clipping():
    model = small_model(global_clipnorm=1e-3)
    x, y = np.ones((1, 3), "float32"), np.full((1, 2), 7, "float32")
    error = model.predict(x, verbose=0) - y  # d mse / d output = error
    model.train_on_batch(x, y)
    expected = np.sqrt((error**2).sum() * (3 + 1))  # three inputs, a bias
    assert float(model.optimizer.gradient_norm) == pytest.approx(expected, 1e-4)


def test_the_variables_of_the_model_are_not_the_optimizers():
    model = small_model(averaging=0.9)
    model.optimizer.build(model.trainable_variables)
    names = [variable.path for variable in model.optimizer.variables]
    assert sum("average" in name for name in names) == 2
    own = {id(variable) for variable in model.optimizer.variables}
    assert not own & {id(variable) for variable in model.variables}


@pytest.mark.parametrize("graph", [False, True])
def test_rows_of_one_word_are_added_up_in_the_gradient_norm(graph):
    table = keras.layers.Embedding(5, 2)
    table.build()
    optimizer = AdamW(0.1)
    optimizer.build([table.embeddings])

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(table(np.array([3, 3, 1])))
        gradients = tape.gradient(loss, [table.embeddings.value])
        optimizer.apply(gradients, [table.embeddings])

    (tf.function(step) if graph else step)()
    # Row 3 has the gradient (2, 2), row 1 has (1, 1).
    assert float(optimizer.gradient_norm) == pytest.approx(np.sqrt(10))


def learning_rate(step, peak, steps, **options):
    config = types.SimpleNamespace(
        learning_rate=peak, weight_decay=0.0, clip_norm=0.0
    )
    optimizer = adamw(config, steps, **options)
    optimizer.iterations.assign(step)
    return float(optimizer.learning_rate)


def test_warm_up_is_linear_and_the_decay_a_cosine():
    options = dict(peak=2.0, steps=100, warmup=20, floor=0.1)
    for step in range(21):
        rate = learning_rate(step, **options)
        assert rate == pytest.approx(2.0 * step / 20)
    for step in range(20, 101, 7):
        share = (1 + np.cos(np.pi * (step - 20) / 80)) / 2
        expected = 2.0 * (0.1 + 0.9 * share)
        rate = learning_rate(step, **options)
        assert rate == pytest.approx(expected, rel=1e-5)
    assert learning_rate(100, **options) == pytest.approx(0.2)


def test_the_shortest_training_has_a_schedule():
    assert learning_rate(0, 1.0, 1, warmup=0, floor=0.05) == 1
