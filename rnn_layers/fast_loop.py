"""The time loop on TensorFlow; the only file that imports it.

Letters of shapes: B batch, T time, U units.
"""

import tensorflow as tf


def scan(step, states, inputs):
    """Does what `keras.ops.scan` does, for any number of time steps.

    Args:
        step: Function of the states and the inputs of one step, which returns
            the new states twice.
        states: List of tensors `(B, U)`.
        inputs: List of tensors `(T, B, ...)`.

    Returns:
        The last states, and the first state of all steps `(T, B, U)`.
    """
    length = tf.shape(inputs[0])[0]
    arrays = [
        tf.TensorArray(x.dtype, length, element_shape=x.shape[1:]).unstack(x)
        for x in inputs
    ]
    outputs = tf.TensorArray(
        states[0].dtype, length, element_shape=states[0].shape
    )

    def body(t, states, outputs):
        new, _ = step(states, [array.read(t) for array in arrays])
        for state, like in zip(new, states, strict=True):
            state.set_shape(like.shape)
        return t + 1, new, outputs.write(t, new[0])

    _, states, outputs = tf.while_loop(
        lambda t, *_: t < length,
        body,
        (0, list(states), outputs),
        maximum_iterations=length,
    )
    return states, outputs.stack()
