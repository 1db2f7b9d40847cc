"""A whole video, labelled in chunks: exact, however long it is.

    forward only     the chunks in order, the states carried along
    both directions  one layer after the other: the chunks in order with the
                     forward states carried, then in reverse order with the
                     backward states carried

So the results are those of one run over the whole video.  Pictures are never
all in memory, and what a chunk computes is gone with it.  A layer that reads
backwards begins at the end of the video, so there, of each frame, its vector
and what the layers give are kept in temporary files: some hundred numbers.

Letters of shapes: T frames of a video, K frames of a chunk, R regions of a
frame, D numbers of a region, V size of a frame's vector, U units, P numbers
that are remembered of the frame before, S of all that is remembered together, L
labels.
"""

import contextlib
import math
import tempfile

import keras
import numpy as np
from keras import ops

from . import motion
from .chunked_stack import Recurrence


class Whole:
    """Labels whole videos by the layers that were trained.

    Args:
        labeler: The `keras.Model`, just built or loaded; its weights may
            change later.
        chunk: K, the frames that are computed at once.
    """

    def __init__(self, labeler, chunk):
        self.chunk = chunk
        self.eyes = labeler.get_layer("regions").layer
        self.look = labeler.get_layer("look")
        self.change, self.motion = motion.of(labeler)
        self.classify = labeler.get_layer("labels")
        self.softmax = labeler.get_layer("probabilities")
        self.recurrence = None
        if "recurrent" in [layer.name for layer in labeler.layers]:
            self.recurrence = Recurrence(labeler.get_layer("recurrent"))
        self._see = compiled(self.see)
        self._step = compiled(self.step)
        self._end = compiled(self.end)
        self._layers = {}

    @property
    def live(self):
        """Whether a frame is labelled without those behind it."""
        return self.recurrence is None or not self.recurrence.backward

    def __call__(self, chunks):
        """Labels a video.

        Args:
            chunks: Iterable of frames `(K, ...)`, as the labeler takes them;
                the last may be shorter.

        Returns:
            `(T, L)` probabilities.
        """
        if self.live:
            return np.concatenate(list(self.follow(chunks)))
        with contextlib.ExitStack() as files:
            file = files.enter_context(tempfile.TemporaryFile())
            before = self.blank()
            for frames in chunks:
                vectors, before = self._see(padded(frames, self.chunk), before)
                vectors = np.asarray(vectors, "float32")
                vectors[: len(frames)].tofile(file)
            x = np.memmap(file, "float32", "r")
            x = x.reshape(-1, self.look.output.shape[-1])  # T V
            for number in range(len(self.recurrence.forward)):
                file = files.enter_context(tempfile.TemporaryFile())
                x = self._both(number, x, file)  # T 2U
            found = [
                np.asarray(self._end(padded(x[place], self.chunk)))[
                    : len(x[place])
                ]
                for place in self._places(len(x))
            ]
            return np.concatenate(found)  # T L

    def follow(self, chunks):
        """Yields the probabilities of each chunk as it comes, `(K, L)`."""
        states = np.asarray(self.initial_state())
        for frames in chunks:
            real = np.arange(self.chunk) < len(frames)
            p, states = self._step(padded(frames, self.chunk), real, states)
            yield np.asarray(p)[: len(frames)]

    def initial_state(self):
        """Returns what is remembered before the first frame, `(1, S)`."""
        parts = [self.blank()]
        if self.recurrence is not None:
            states = self.recurrence.initial_states(1)
            parts.append(self.recurrence.pack(states))
        return ops.concatenate(parts, axis=-1)

    def step(self, frames, real, states):
        """Labels a chunk.

        Args:
            frames: `(K, ...)`.
            real: Boolean `(K,)`, false at padding on the right.
            states: `(1, S)`, as `initial_state` or a step returns them.

        Returns:
            `(K, L)` probabilities, and the states behind the chunk.
        """
        size = self.blank().shape[-1]
        x, last = self.see(frames, states[:, :size])
        parts = [last]
        if self.recurrence is not None:
            before = self.recurrence.unpack(states[:, size:])
            x, after = self.recurrence(x[None], before, real[None])
            x = x[0]
            parts.append(self.recurrence.pack(after))
        return self.end(x), ops.concatenate(parts, axis=-1)

    def blank(self):
        """Returns what stands for the frame before the first, `(1, P)`.

        These are its numbers, and a last one that says whether there was one:
        a black frame is zero, too.
        """
        if self.change is None:
            return ops.zeros((1, 0))
        return ops.zeros((1, math.prod(self.change.inputs[1].shape[1:]) + 1))

    def see(self, frames, before):
        """Takes frames `(K, ...)` to their vectors `(K, V)`.

        Args:
            frames: `(K, ...)`.
            before: What `see` returned of the chunk before, or `blank`.

        Returns:
            The vectors, and what to remember of the last frame, `(1, P)`.
        """
        x, compared = motion.seen(
            *(self.motion, self.change),
            lambda x: self.eyes(x[0], training=False)[None],
            ops.cast(frames, "float32")[None],
            lambda x: (
                ops.reshape(before[:, :-1], (1, *x.shape[2:])),
                before[:, -1:],
            ),
        )
        if compared is not None:
            last = ops.cast(ops.reshape(compared[:, -1], (1, -1)), "float32")
            before = ops.concatenate([last, ops.ones((1, 1))], axis=-1)
        return self.look(x, training=False)[0], before

    def end(self, outputs):
        """Takes outputs of the last layer `(K, U)` to probabilities."""
        return self.softmax(self.classify(outputs))

    def _places(self, length):
        return [
            slice(start, min(start + self.chunk, length))
            for start in range(0, length, self.chunk)
        ]

    def _both(self, number, x, file):
        """Runs a layer in both directions over `(T, F)`, into a file."""
        places = self._places(len(x))
        y = None
        for side, order in ((0, places), (1, places[::-1])):
            states = None
            for place in order:
                part, states = self._run(number, side, x[place], states)
                if y is None:
                    shape = len(x), 2 * part.shape[-1]
                    y = np.memmap(file, "float32", "w+", shape=shape)
                width = part.shape[-1]
                y[place, side * width : (side + 1) * width] = part
        return y

    def _run(self, number, side, frames, states):
        """Runs one direction of a layer over a chunk `(n, F)`."""
        if (number, side) not in self._layers:
            layer = getattr(self.recurrence, ("forward", "backward")[side])
            self._layers[number, side] = compiled(
                _direction(layer[number], side)
            )
        if states is None:
            states = self.recurrence.initial_states(1)[number]
        real = np.arange(self.chunk) < len(frames)
        y, states = self._layers[number, side](
            padded(frames, self.chunk), real, states
        )
        return np.asarray(y)[: len(frames)], states


def _direction(layer, backwards):
    """Returns a function that runs a layer over one chunk."""

    def run(x, real, states):
        y, *after = layer(x[None], initial_state=states, mask=real[None])
        y = ops.cast(ops.flip(y, axis=1) if backwards else y, "float32")
        return y[0], after

    return run


def padded(frames, length):
    """Returns frames `(n, ...)` with zeros behind them, `(length, ...)`."""
    frames = np.asarray(frames)
    missing = length - len(frames)
    return np.pad(frames, [(0, missing)] + [(0, 0)] * (frames.ndim - 1))


def compiled(function):
    """Returns a function that is compiled once for each shape."""
    if keras.config.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(function, autograph=False)
