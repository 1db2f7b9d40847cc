"""What is being traced, on TensorFlow, and whether XLA compiles it."""

import tensorflow as tf


def in_graph() -> bool:
    """Return whether a graph is being traced."""
    return not tf.executing_eagerly()


def under_xla() -> bool:
    """Return whether XLA will compile this graph as a part of a larger one."""
    # Private, as in Keras itself: there is no public way to ask.
    from tensorflow.python.ops import control_flow_util

    graph = tf.compat.v1.get_default_graph()
    return control_flow_util.GraphOrParentsInXlaContext(graph)
