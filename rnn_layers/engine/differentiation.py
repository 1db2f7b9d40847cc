"""Gradients by the graph itself, and what a graph reads, on TensorFlow.

A tape sees nothing where recording is stopped, as it is around a function that
is recomputed on the way back, and a trace from there would be wrong for good.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf


def gradients(
    results: Sequence, sources: Sequence, upstream: Sequence
) -> list[tf.Tensor]:
    """Return the gradients of tensors in a graph, zeros where there is none."""
    found = tf.gradients(results, sources, upstream)
    return dense(found, sources)


def custom_gradient(function: Callable) -> Callable:
    """Do what `tf.custom_gradient` does, also for forward accumulators.

    That one, in a graph, shows them the operations inside, and their tangents
    stay: zeros where the gradient of what is inside is stopped.
    """
    # Private, as in Keras itself: no public name records without a tape.
    from tensorflow.python.eager import record

    def run(*tensors):
        gradients = []

        @tf.custom_gradient
        def inner(*tensors):
            results, gradient = function(*tensors)
            gradients.append(gradient)
            return results, gradient

        # Of this graph: what it captures has to be recorded.
        tensors = [tf.identity(x) for x in tensors]
        with record.stop_recording():
            results = inner(*tensors)
        record.record_operation(
            "CustomGradient", list(results), tensors, *gradients
        )
        return results

    return run


def is_saved() -> bool:
    """Return whether a gradient is traced as a function of a SavedModel.

    That holds each custom gradient once more, for who differentiates what it
    loads, and can bind its captured tensors, but no arrays.
    """
    # The name of the function in `tf.custom_gradient`.
    graph = tf.compat.v1.get_default_graph()
    return getattr(graph, "name", "") == "internal_grad_fn"


def dense(gradients: Sequence, like: Sequence) -> list[tf.Tensor]:
    """Make tensors like others of what may be slices, or `None` for zeros."""
    return [
        tf.zeros_like(x) if d is None else tf.convert_to_tensor(d)
        for d, x in zip(gradients, like, strict=True)
    ]


def trace(function: Callable) -> None:
    """Run a function in a graph of its own, which must not read variables."""
    graph = tf.function(function, autograph=False).get_concrete_function().graph
    if graph.trainable_variables:
        names = ", ".join(v.name for v in graph.trainable_variables)
        raise ValueError(
            f"A cell reads the variables {names}, which are not among its own, "
            "so no gradient would reach them: make them attributes of the cell."
        )


def read_by(results: Sequence, tensors: Sequence) -> list[int]:
    """Return the indices of the tensors that results are computed from."""
    operations, inputs = [x.op for x in results], {id(x) for x in results}
    visited = set(operations)
    while operations:
        for x in operations.pop().inputs:
            inputs.add(id(x))
            if x.op not in visited:
                visited.add(x.op)
                operations.append(x.op)
    return [k for k, x in enumerate(tensors) if id(x) in inputs]
