"""Inference functions as graphs of TensorFlow, compiled once."""

from collections.abc import Callable

import keras


def compile_once(
    function: Callable, *signature, eager: bool = False
) -> Callable:
    """Return a function compiled once for all shapes of its signature.

    Args:
        function: Of tensors, to a nest of tensors.
        *signature: Pairs of a shape, `None` where it varies, and a dtype: one
            for each argument. Without any the function is compiled anew for
            every shape that it is called with.
        eager: Whether to return the function itself: a single call takes less
            time than compiling.

    On another backend than TensorFlow the function itself is returned.
    """
    if eager or keras.config.backend() != "tensorflow":
        return function
    import tensorflow as tf

    specs = [tf.TensorSpec(shape, dtype) for shape, dtype in signature]
    return tf.function(function, input_signature=specs or None, autograph=False)
