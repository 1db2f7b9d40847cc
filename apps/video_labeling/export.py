"""Write a run's SavedModel: frames in, labels and probabilities out.

    make export-video-labeling ARGS="--run demo-gru"

Training has written it already; this writes it again, for instance after a
change to what it returns. It needs nothing but tensorflow:

    served = tf.saved_model.load("runs/video_labeling/demo-gru/export/1")
    served.serve(frames)["label"]  # uint8 (T, H, W, 3) of one video, any size

or, of a run that was trained on precomputed features, float32 (T, R, C).

A run of `--mode live` can also be fed as the frames come, one or a few at a
time, with the state from call to call:

    state = served.initial_state()["state"]
    for frames in camera:
        result = served.step(frames, state)
        label, state = result["label"], result["state"]

`--format onnx,litert` writes networks for other runtimes: `docs/formats.md`.
"""

from apps.common import cli

from .config import ExportOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

import rnn_layers
from apps.common import export, networks, runs
from apps.common.networks import Network, Portable, Tensor
from data_pipelines.vision import graph_images

from . import evaluate
from .config import Config
from .predict import Predictor

# Frames of the example that the exported model is compared on.
LENGTH = 50
# Videos that int8 weights are scored on.
MOST_VIDEOS = 30


@rnn_layers.plain_loops()
def write(run: runs.Run, labeler: Predictor) -> None:
    """Write `export/`.

    Signature `serve`: `frames (T, H, W, 3)` uint8, RGB, of one video, at the
    rate that the run was trained with, to a dict of `label (T,)` strings,
    `probability (T,)` of that label, `probabilities (T, L)` and the names of
    its columns, `labels (T, L)`. Of a run that was trained on precomputed
    features it is `features (T, R, C)` float32 in place of `frames`.

    A live run has two more. `step`: `frames (n, H, W, 3)` and `state (1, S)`
    to the same, of these frames, and the new `state`. `initial_state`: nothing
    to the `state` before the first frame.
    """
    graph = Graph(labeler)
    frames, example = _input(labeler)
    more = []
    if labeler.inference.live:
        state = labeler.inference.initial_state()
        spec = tf.TensorSpec((1, state.shape[-1]), tf.float32, name="state")
        more = [
            export.Endpoint(
                "step",
                graph.step,
                [frames, spec],
                [(example[:1], state), (example[:7], state)],
            ),
            export.Endpoint(
                "initial_state",
                lambda: {"state": labeler.inference.initial_state()},
                [],
                [()],
            ),
        ]
    export.write(
        run,
        labeler.model,
        graph.serve,
        [frames],
        predict=lambda frames: _predicted(labeler, frames.numpy()),
        track=[] if labeler.encoder is None else [labeler.encoder.model],
        examples=[(example,), (example[:1],)],
        more=more,
    )


def _predicted(labeler, frames):
    """Label frames as `predict` does, from a file or a folder of pictures."""
    with tempfile.TemporaryDirectory() as folder:
        if labeler.takes_features:
            path = Path(folder, "features.npy")
            np.save(path, frames[:, 0].T)
        else:
            path = Path(folder, "frames")
            path.mkdir()
            for number, frame in enumerate(frames):
                Image.fromarray(frame).save(path / f"{number:03}.png")
        probabilities = labeler.label(path).probabilities
    labels = np.array([label.encode() for label in labeler.labels], object)
    return {
        "label": labels[probabilities.argmax(axis=-1)],
        "probabilities": probabilities,
    }


class Graph:
    """What the signatures compute."""

    def __init__(self, labeler: Predictor):
        self.labeler = labeler
        self.inference = labeler.inference
        self.names = tf.constant(list(labeler.labels))

    def serve(self, frames):
        """Label a video, its pictures encoded a chunk at a time."""
        chunk = self.inference.chunk
        length = tf.shape(frames)[0]
        rest = [(0, 0)] * (len(frames.shape) - 1)
        missing = tf.where(length == 0, chunk, -length % chunk)
        padded = tf.pad(frames, [(0, missing), *rest])
        parts = tf.reshape(
            padded, tf.concat([[-1, chunk], tf.shape(frames)[1:]], 0)
        )
        vectors, _ = tf.scan(
            lambda previous, part: self._encode(part, previous[1]),
            parts,
            (
                tf.zeros((chunk, self.inference.pooling.output.shape[-1])),
                self.inference.initial_frame(),
            ),
        )  # N K V
        vectors = tf.reshape(vectors, [-1, vectors.shape[-1]])[:length]
        return self._answer(self.inference.label(vectors))

    def step(self, frames, state):
        """Label the next frames of a video."""
        real = tf.ones(tf.shape(frames)[:1], tf.bool)
        probabilities, state = self.inference.step(
            self._inputs(frames), real, state
        )
        return {**self._answer(probabilities), "state": state}

    def _encode(self, frames, previous):
        """Take frames to vectors, as `VideoInference.encode` does."""
        vectors, last = self.inference.encode(self._inputs(frames), previous)
        return tf.cast(vectors, tf.float32), last

    def _inputs(self, frames):
        """Take uint8 frames of any size, or features, to the model's inputs."""
        if self.labeler.takes_features:
            # As they are stored for training.
            return tf.cast(tf.cast(frames, tf.float16), tf.float32)
        pictures = sized(frames, self.labeler.size, self.labeler.framing)
        if self.labeler.encoder is None:
            return pictures
        return self.labeler.encoder.model(pictures, training=False)

    def _answer(self, probabilities):
        return {
            "label": tf.gather(self.names, tf.argmax(probabilities, axis=-1)),
            "probability": tf.reduce_max(probabilities, axis=-1),
            "probabilities": probabilities,
            "labels": tf.repeat(
                self.names[None], tf.shape(probabilities)[0], axis=0
            ),
        }


def sized(frames: tf.Tensor, size: tuple[int, int], framing: str) -> tf.Tensor:
    """Give frames the size of the model, as `video.py` does, in a graph."""
    height, width = size
    if framing == "crop":
        shape = tf.cast(tf.shape(frames), tf.float64)
        scale = tf.minimum(shape[2] / width, shape[1] / height)
        cropped = [
            tf.maximum(tf.cast(tf.round(scale * side), tf.int32), 1)
            for side in size
        ]
        top = (tf.shape(frames)[1] - cropped[0]) // 2
        left = (tf.shape(frames)[2] - cropped[1]) // 2
        frames = frames[:, top : top + cropped[0], left : left + cropped[1]]
    return tf.map_fn(
        lambda frame: graph_images.resized(frame, size),
        frames,
        fn_output_signature=tf.TensorSpec((*size, 3), tf.float32),
    )


def _input(labeler):
    """Return the `tf.TensorSpec` of a video, and noise for an example."""
    random = np.random.default_rng(0)
    if labeler.takes_features:
        noise = random.normal(size=(LENGTH, *labeler.shape)).astype("float32")
        spec = tf.TensorSpec((None, *labeler.shape), tf.float32, "features")
    else:
        height, width = labeler.size  # of the example another one
        noise = random.integers(
            0, 256, (LENGTH, height + 4, width + 6, 3), np.uint8
        )
        spec = tf.TensorSpec((None, None, None, 3), tf.uint8, "frames")
    return spec, tf.constant(noise)


def portable(run: runs.Run, labeler: Predictor) -> Portable:
    """Return the labeller for other runtimes: frames to probabilities.

    Of a live run it is the step, which takes any number of frames in ONNX and
    one in LiteRT; offline it takes a whole video, in ONNX alone.
    """
    shape, meaning = labeler.shape, "features of the frames"
    if not labeler.takes_features:
        shape = (*labeler.size, 3)
        meaning = f"RGB, 0 to 255, made to fit by: {labeler.framing}"
    frames = Tensor("frames", ("frames", *shape), "float32", meaning)
    noise = np.random.default_rng(0).uniform(0, 255, (7, *shape))
    noise = noise.astype("float32")
    inference = labeler.inference
    outputs = {"probabilities": "of each frame's labels, lines of labels.txt"}

    def encoded(frames):
        if labeler.encoder is None:
            return frames
        return labeler.encoder.model(frames, training=False)

    def label(frames):
        whole = labeler.model(encoded(frames)[None], training=False)
        return {"probabilities": whole[0]}

    def step(frames, state):
        real = tf.ones(tf.shape(frames)[:1], tf.bool)
        result, state = inference.step(encoded(frames), real, state)
        return {"probabilities": result, "next_state": state}

    if inference.live:
        first = inference.initial_state()
        (state,) = networks.states(first)
        state = state._replace(name="state", shape=(1, *state.shape[1:]))
        first = np.asarray(first)
        network = Network(
            "step",
            step,
            [frames, state],
            {**outputs, "next_state": state.meaning},
            [(noise, first), (noise[:1], first)],
        )
    else:
        network = Network(
            "labeler",
            label,
            [frames],
            outputs,
            [(noise,), (noise[:1],)],
            ["onnx"],
        )
    settings = {"frames_per_second": labeler.fps}
    return Portable(
        [network],
        {"labels.txt": "labels"},
        settings,
        score=lambda folder: score(run, labeler, folder),
    )


def score(run: runs.Run, labeler: Predictor, folder: Path) -> dict:
    """Return the share of right frames of some videos of valid."""
    config, right = run.config(Config), []
    data = evaluate.datasets(
        labeler,
        config,
        config.dataset,
        config.data_path or None,
        config.encoding,
    )
    (file,) = folder.glob("*.onnx")
    network = networks.Written(file)
    state = np.asarray(labeler.inference.initial_state())
    for video in data.valid.videos[:MOST_VIDEOS]:
        frames = [frame.pixels for frame in labeler.reader(video.path)]
        frames = np.stack(frames).astype("float32")
        answer = network(frames=frames, state=state)["probabilities"]
        right += [*(answer.argmax(-1) == video.labels[: len(answer)])]
    return {"accuracy": float(np.mean(right))}


def main(options: Options) -> None:
    """Export a run again."""
    run = runs.open_run("video_labeling", options.run, options.runs_path)
    labeler = Predictor.of_run(run)
    networks.write(
        run,
        options,
        lambda: write(run, labeler),
        lambda: portable(run, labeler),
        rnn_layers.plain_loops,
    )


if __name__ == "__main__":
    cli.main(lambda: main(options))
