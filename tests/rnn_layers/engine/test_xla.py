"""What is told of XLA while a graph is traced."""

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("XLA of TensorFlow", allow_module_level=True)

import tensorflow as tf

from rnn_layers.engine.xla import under_xla


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_graph_is_compiled_with_the_one_that_it_is_inside_of(jit_compile):
    answers = []

    @tf.function(autograph=False)
    def inner(x):
        answers.append(under_xla())
        return x + 1

    @tf.function(jit_compile=jit_compile, autograph=False)
    def outer(x):
        answers.append(under_xla())
        return inner(x)

    outer(tf.constant(1.0))
    assert answers == [jit_compile] * 2
    assert not under_xla()
