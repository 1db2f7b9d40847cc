"""A whole video, labelled in chunks: exact, however long it is.

    forward only     the chunks in order, the states carried along
    both directions  one layer after the other: the chunks in order with the
                     forward states carried, then in reverse order with the
                     backward states carried

A stage that refines runs alike over the probabilities of the stage before. So
the results are those of one run over the whole video. Pictures are never
all in memory, and what a chunk computes is gone with it. A layer that reads
backwards begins at the end of the video, so there, of each frame, its vector
and the outputs of the layers are written to temporary files: some hundred
numbers.

Letters of shapes: T frames of a video, K frames of a chunk, R regions of a
frame, D numbers of a region, V size of a frame's vector, U units, P numbers
of the previous frame, S of all that is carried together, L labels.
"""

import contextlib
import functools
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from apps.common import graph
from data_pipelines.files.atomic import naming

from .motion import Motion


class Stage(NamedTuple):
    """What takes vectors, or the probabilities of a stage, to probabilities.

    Attributes:
        stack: The `rnn_layers.Stack`, `None` where frames stand alone.
        classify: Its outputs to logits.
    """

    stack: keras.Layer | None
    classify: keras.Layer


class VideoInference:
    """Labels whole videos by the layers that were trained.

    Args:
        labeler: The `keras.Model`, just built or loaded; its weights may
            change later.
        chunk: K, the frames that are computed at once.
    """

    def __init__(self, labeler: keras.Model, chunk: int):
        self.chunk = chunk
        self.encoder = labeler.get_layer("regions").layer
        self.pooling = labeler.get_layer("look")
        self.motion = Motion.of_labeler(labeler)
        self.softmax = labeler.get_layer("probabilities")
        self.stages = _stages(labeler)
        self._encode = graph.compile_once(self.encode)
        self._step = graph.compile_once(self.step)
        self._heads = [
            graph.compile_once(functools.partial(self._head, stage.classify))
            for stage in self.stages
        ]
        self._directions = {}

    @property
    def live(self) -> bool:
        """Whether a frame is labelled without those behind it."""
        return not any(stack.bidirectional for stack in self._stacks)

    @property
    def _stacks(self):
        return [stage.stack for stage in self.stages if stage.stack is not None]

    def __call__(self, chunks: Iterable[np.ndarray]) -> np.ndarray:
        """Return the probabilities `(T, L)` of a video.

        Its chunks are frames `(K, ...)`, as the labeler takes them; the last
        may be shorter.
        """
        return np.concatenate(list(self.gradually(chunks)))

    def gradually(self, chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the probabilities of the next frames after each chunk.

        Offline there are none, `(0, L)`, until the whole video is read.
        """
        if self.live:
            yield from self.follow(chunks)
            return
        labels = self.stages[0].classify.output.shape[-1]
        none = np.zeros((0, labels), "float32")
        with naming(tempfile.gettempdir()), contextlib.ExitStack() as files:
            file = files.enter_context(tempfile.TemporaryFile())
            previous = self.initial_frame()
            for frames in chunks:
                vectors, previous = self._encode(
                    padded(frames, self.chunk), previous
                )
                vectors = np.asarray(vectors, "float32")
                file.write(vectors[: len(frames)].tobytes())
                yield none
            file.flush()
            x = np.memmap(file, "float32", "r")
            x = x.reshape(-1, self.pooling.output.shape[-1])  # T V
            for stage, head in zip(self.stages, self._heads, strict=True):
                for layer in stage.stack.layers:
                    file = files.enter_context(tempfile.TemporaryFile())
                    x = self._bidirectional(layer, x, file)  # T 2U
                parts = (
                    np.asarray(head(padded(x[part], self.chunk)))[
                        : len(x[part])
                    ]
                    for part in self._parts(len(x))
                )
                if stage is self.stages[-1]:
                    yield from parts
                    return
                file = files.enter_context(tempfile.TemporaryFile())
                file.writelines(p.tobytes() for p in parts)
                file.flush()
                x = np.memmap(file, "float32", "r").reshape(-1, labels)  # T L

    def follow(self, chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the probabilities of each chunk as it comes, `(K, L)`."""
        state = np.asarray(self.initial_state())
        for frames in chunks:
            real = np.arange(self.chunk) < len(frames)
            p, state = self._step(padded(frames, self.chunk), real, state)
            yield np.asarray(p)[: len(frames)]

    def initial_state(self):
        """Return what is carried before the first frame, `(1, S)`."""
        states = [stack.get_initial_state(1) for stack in self._stacks]
        return ops.concatenate(
            [self.initial_frame(), *map(_pack, states)], axis=-1
        )

    def step(self, frames, real, state):
        """Label a chunk.

        Args:
            frames: `(K, ...)`.
            real: Boolean `(K,)`, false at padding on the right.
            state: `(1, S)`, as `initial_state` or a step returns it.

        Returns:
            `(K, L)` probabilities, and the state behind the chunk.
        """
        size = self.initial_frame().shape[-1]
        x, last = self.encode(frames, state[:, :size])
        parts, state = [last], state[:, size:]
        for stack, classify in self.stages:
            if stack is not None:
                states, state = _unpack(state, stack.get_initial_state(1))
                x, states = stack.run(x[None], states, real[None])
                x = x[0]
                parts.append(_pack(states))
            x = self._head(classify, x)
        return x, ops.concatenate(parts, axis=-1)

    def label(self, vectors):
        """Take all vectors of a video `(T, V)` to probabilities `(T, L)`."""
        x = vectors
        for stack, classify in self.stages:
            x = x if stack is None else stack(x[None])[0]
            x = self._head(classify, x)
        return x

    def initial_frame(self):
        """Return what stands for the frame before the first, `(1, P)`.

        These are its numbers, and a last one that says whether there was one:
        a black frame is zero, too.
        """
        if self.motion.model is None:
            return ops.zeros((1, 0))
        return ops.zeros((1, self.motion.size + 1))

    def encode(self, frames, previous):
        """Take frames `(K, ...)` to their vectors `(K, V)`.

        Return the last frame, too, `(1, P)`: for the next chunk it is
        `previous`, before the first one that is `initial_frame`.
        """
        x, compared = self.motion(
            ops.cast(frames, "float32")[None],
            lambda x: self.encoder(x[0], training=False)[None],
            lambda x: (
                ops.reshape(previous[:, :-1], (1, *x.shape[2:])),
                previous[:, -1:],
            ),
        )
        if compared is not None:
            last = ops.cast(ops.reshape(compared[:, -1], (1, -1)), "float32")
            previous = ops.concatenate([last, ops.ones((1, 1))], axis=-1)
        return self.pooling(x, training=False)[0], previous

    def _head(self, classify, outputs):
        """Take outputs of the last layer `(K, U)` to probabilities."""
        return self.softmax(classify(outputs))

    def _parts(self, length):
        return [
            slice(start, min(start + self.chunk, length))
            for start in range(0, length, self.chunk)
        ]

    def _bidirectional(self, layer, x, file):
        """Run a layer in both directions over `(T, F)`, into a file."""
        parts = self._parts(len(x))
        width = layer.forward_layer.cell.output_size
        if hasattr(os, "posix_fallocate"):  # not on macOS
            # To write to what is mapped kills, if the disk is full.
            os.posix_fallocate(file.fileno(), 0, len(x) * 2 * width * 4)
        y = np.memmap(file, "float32", "w+", shape=(len(x), 2 * width))
        for direction, columns, order in (
            (layer.forward_layer, slice(width), parts),
            (layer.backward_layer, slice(width, None), parts[::-1]),
        ):
            states = direction.get_initial_state(1)
            for part in order:
                y[part, columns], states = self._run(direction, x[part], states)
        return y

    def _run(self, layer, frames, states):
        """Run one direction of a layer over a chunk `(n, F)`."""
        if layer not in self._directions:
            self._directions[layer] = graph.compile_once(_direction(layer))
        real = np.arange(self.chunk) < len(frames)
        y, states = self._directions[layer](
            padded(frames, self.chunk), real, states
        )
        return np.asarray(y)[: len(frames)], states


def _stages(labeler):
    """Return the stages of a labeller: the first one, and those of --refine."""
    layers = {layer.name: layer for layer in labeler.layers}
    stages = [Stage(layers.get("recurrent"), layers["labels"])]
    while refine := layers.get(f"refine_{len(stages)}"):
        stages.append(Stage(refine, layers[f"refined_{len(stages)}"]))
    return stages


def _direction(layer):
    """Return a function that runs a layer over one chunk."""

    def run(x, real, states):
        y, *states = layer(x[None], initial_state=states, mask=real[None])
        if layer.go_backwards:
            y = ops.flip(y, axis=1)
        return ops.cast(y, "float32")[0], states

    return run


def _pack(states):
    """Join the states of layers to one tensor `(1, S)`."""
    flat = [ops.cast(s, "float32") for layer in states for s in layer]
    return ops.concatenate(flat, axis=-1)


def _unpack(packed, like):
    """Take apart what `_pack` has joined, of states `like` these.

    Return what is behind them, too.
    """
    states, end = [], 0
    for layer in like:
        states.append([])
        for state in layer:
            begin, end = end, end + state.shape[-1]
            states[-1].append(packed[:, begin:end])
    return states, packed[:, end:]


def padded(frames: np.ndarray, length: int) -> np.ndarray:
    """Return frames `(n, ...)` with zeros behind them, `(length, ...)`."""
    frames = np.asarray(frames)
    missing = length - len(frames)
    return np.pad(frames, [(0, missing)] + [(0, 0)] * (frames.ndim - 1))
