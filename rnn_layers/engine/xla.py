"""Whether XLA compiles what is being traced, on TensorFlow."""

import tensorflow as tf


def under_xla() -> bool:
    """Return whether XLA will compile this graph as a part of a larger one."""
    # Private, as in Keras itself: there is no public way to ask.
    from tensorflow.python.ops import control_flow_util

    graph = tf.compat.v1.get_default_graph()
    return control_flow_util.GraphOrParentsInXlaContext(graph)
