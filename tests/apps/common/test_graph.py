"""Functions compiled once."""

import keras
import pytest
import tensorflow as tf

from apps.common import graph


def counting():
    """Returns a function, and the list of the shapes it is traced for."""
    shapes = []

    def double(x):
        shapes.append(x.shape)
        return x * 2

    return double, shapes


@pytest.mark.parametrize(
    ("signature", "traces"), [([((None, 2), "float32")], 1), ([], 2)]
)
def test_a_signature_is_traced_once(signature, traces):
    function, shapes = counting()
    compiled = graph.compile_once(function, *signature)
    for rows in (1, 3, 1, 3):
        x = tf.ones((rows, 2))
        assert compiled(x).numpy().tolist() == [[2.0, 2.0]] * rows
    assert len(shapes) == traces


def test_other_backends_call_the_function_itself(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    function, _ = counting()
    assert graph.compile_once(function, ((None,), "float32")) is function
