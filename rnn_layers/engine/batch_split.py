"""Two halves of a batch side by side on TensorFlow.

A loop of small products keeps little more than one core busy, whatever the
threads of XLA do, and the rows of a batch know nothing of each other. So where
another core is free, each half of them has a loop of its own.

Letters of shapes: B batch, T time, U units.
"""

import os
from collections.abc import Callable

import tensorflow as tf

from rnn_layers.engine.xla import under_xla

MIN_ROWS = 32  # fewest rows of a batch that is split
MAX_UNITS = 384  # with more of them one loop's products keep all cores busy
MIN_UNCOMPILED_UNITS = 128  # without XLA, where below the steps cost most


def split_pays_off(
    states: list, training: bool, compiled: bool, at_once: int
) -> bool:
    """Return whether two loops over halves take less time than one.

    Args:
        states: List of tensors `(B, U)`.
        training: Whether a gradient will be asked for. Then a batch of unknown
            size is taken for a large one, and else for a small one.
        compiled: Whether XLA compiles the loop.
        at_once: How many loops run at once without a split.
    """
    rows, units = states[0].shape
    is_large = training if rows is None else rows >= MIN_ROWS
    least = 1 if compiled else MIN_UNCOMPILED_UNITS
    return (
        is_large
        and least <= units <= MAX_UNITS
        and cores() >= 2 * at_once
        and not _has_accelerator()
        # One function of XLA runs one loop after the other.
        and not under_xla()
    )


def run_split(
    run: Callable, inputs: list, states: list, constants: list
) -> tuple[tf.Tensor, list]:
    """Run a loop over each half of a batch.

    Args:
        run: Function `(inputs, states, constants)` as below, which returns the
            outputs `(T, B, U)` and the last states.
        inputs: List of tensors `(T, B, ...)`.
        states: List of tensors `(B, U)`.
        constants: List of tensors `(B, U)`.

    Returns:
        What `run` returns for the whole batch.
    """
    rows = states[0].shape[0]
    if rows is None:
        rows = tf.shape(states[0])[0]
    sizes = [rows - rows // 2, rows // 2]

    def cut(tensors, axis):
        parts = [tf.split(x, sizes, axis) for x in tensors]
        return [[first for first, _ in parts], [second for _, second in parts]]

    halves = zip(cut(inputs, 1), cut(states, 0), cut(constants, 0), strict=True)
    outputs, last = zip(*(run(*half) for half in halves), strict=True)
    last = [tf.concat(pair, 0) for pair in zip(*last, strict=True)]
    return tf.concat(outputs, 1), last


def cores() -> int:
    """Return how many operations TensorFlow runs at once."""
    threads = tf.config.threading.get_inter_op_parallelism_threads()
    if threads:
        return threads
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _has_accelerator():
    devices = tf.config.get_visible_devices()
    return any(device.device_type != "CPU" for device in devices)
