"""Label a video as it comes, by the exported model of a live run.

    make label-stream ARGS="--run demo-live source.mp4"
    python -m apps.video_labeling.stream --frames 4 source.mp4

Read a frame, or a few, label them with the states of those before, and print a
line whenever the label changes: seconds, label, probability; at the end the
frames per second. It needs the `step` of
`export/`, which only a run of `--mode live` has.
"""

from apps.common import cli
from apps.common.terminal import echo

from .config import StreamOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from apps.common import export, runs
from data_pipelines.video_labeling import mstcn
from data_pipelines.vision import video

from .config import Config


class Stream:
    """The exported model of a live run, and its state.

    Raises:
        UserError: It was not trained live, or has no export.
    """

    def __init__(self, run: runs.Run):
        if run.config(Config).mode != "live":
            raise cli.UserError(
                f"{run.path} was trained with --mode offline, which needs the"
                " whole video; train a run with --mode live"
            )
        if not run.file("export").exists():
            raise cli.UserError(
                f"{run.path} has no export/; write it with"
                f' `make export-video-labeling ARGS="--run {run.name}"`'
            )
        self.model = export.load(run.file("export"))
        (_, inputs) = self.model.signatures["step"].structured_input_signature
        # The spec of precomputed features (n, R, C), or `None` for pictures.
        self.features = inputs.get("features")
        self.state = self.model.initial_state()["state"]

    def __call__(self, frames):
        """Label the next frames, `(n, H, W, 3)`, or features `(n, R, C)`.

        Returns:
            Labels `(n,)` as strings, and all probabilities `(n, L)`.
        """
        kind = tf.uint8 if self.features is None else tf.float32
        result = self.model.step(tf.cast(frames, kind), self.state)
        self.state = result["state"]
        labels = [label.decode() for label in result["label"].numpy()]
        return labels, result["probabilities"].numpy()


def follow(
    stream: Stream, reader: video.Reader, count: int
) -> Iterator[tuple[float, str, np.ndarray]]:
    """Yield seconds, label and probabilities of each frame, `count` at once."""
    frames = iter(reader)
    while chunk := list(itertools.islice(frames, count)):
        results = stream(np.stack([frame.pixels for frame in chunk]))
        for frame, label, probabilities in zip(chunk, *results, strict=True):
            yield frame.seconds, label, probabilities


def main(options: Options) -> None:
    """Label one video."""
    (source,) = options.source
    path = Path(source)
    run = runs.open_run("video_labeling", options.run, options.runs_path)
    config = run.config(Config)
    stream = Stream(run)
    if stream.features is not None:
        channels = stream.features.shape[-1]
        frames_first = config.frames_first
        reader = mstcn.FeatureSource(path, config.fps, channels, frames_first)
    else:
        size = config.frame_height, config.frame_width
        reader = video.Reader(path, size, config.fps, config.framing)
    begun, last, count = None, None, 0
    for seconds, label, probabilities in follow(stream, reader, options.frames):
        if begun is None:  # the first call takes longer than all others
            begun = time.perf_counter()
        count += 1
        if options.every or label != last:
            echo(f"{seconds:.2f}\t{label}\t{probabilities.max():.3f}")
        last = label
    taken = time.perf_counter() - begun
    rate = (count - 1) / taken if count > 1 else 0.0
    echo(
        f"{count:,} frames, {rate:,.1f} a second with decoding; the video has"
        f" {reader.fps:.4g} a second",
        file=sys.stderr,
    )


if __name__ == "__main__":
    cli.main(lambda: main(options))
