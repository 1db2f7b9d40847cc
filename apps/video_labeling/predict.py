"""Label videos with a finished run: segments, and a page to look at.

    make predict-video-labeling ARGS="my.mp4"
    make predict-video-labeling ARGS="--run demo-gru --output labels clips"
    python -m apps.video_labeling.predict one.avi two.webm folder-of-frames

Inputs are videos, folders of videos, or videos that are folders of pictures; if
the run was trained on precomputed features, `.npy` files of features. For
each, `<name>.csv`, `<name>.json` and `<name>.html` are written (`segments.py`
says what is in them); a video that cannot be read is named and left out.
"""

from apps.common import cli
from apps.common.terminal import echo

from .config import PredictOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

import rnn_layers  # noqa: F401 (the saved model is made of its layers)
from apps.common import encoders, ensemble, runs
from data_pipelines.files.errors import DataError
from data_pipelines.video_labeling import mstcn
from data_pipelines.vision import video
from data_pipelines.vision.images import printable

from . import inputs, segments, timeline
from .config import Config
from .inference import VideoInference, padded
from .segments import Labelled


class Predictor:
    """A finished run: videos in, probabilities of labels out.

    Args:
        model: The labeller.
        labels: Names of its labels.
        config: The configuration that it was trained with.
        encoder: The `encoders.Encoder` of its frames, or `None` if it takes
            pictures, or was trained on precomputed features.

    Attributes:
        shape: Of a frame as the model reads it, (H, W, 3) or (R, C).
        takes_features: Whether its videos are files of features.
    """

    def __init__(
        self,
        model: keras.Model,
        labels: list[str],
        config: Config,
        encoder: encoders.Encoder | None = None,
    ):
        self.model = model
        self.labels = labels
        self.encoder = encoder
        self.shape = model.inputs[0].shape[2:]
        self.takes_features = encoder is None and len(self.shape) == 2
        self.size = config.frame_height, config.frame_width
        self.fps = config.fps
        self.framing = config.framing
        self.frames_first = config.frames_first
        self.inference = VideoInference(model, config.chunk)

    @classmethod
    def of_run(cls, run: runs.Run) -> "Predictor":
        """Open the best model of a run.

        Raises:
            UserError: The files of the run do not belong together.
        """
        model = runs.load_model(run.file("model.keras"))
        labels = runs.read_lines(run.file("labels.txt"))
        config, encoder = run.config(Config), None
        if config.encoder != encoders.SMALL:
            encoder = encoders.load(run.file("encoder.keras"))
        if model.output.shape[-1] != len(labels):
            raise cli.UserError(
                f"{run.path}: model.keras was trained for another labels.txt"
            )
        return cls(model, labels, config, encoder)

    def __call__(self, paths: Iterable[str | Path]) -> list[Labelled]:
        """Label videos.

        Raises:
            DataError: One cannot be read.
        """
        return [self.label(path) for path in paths]

    def label(self, path: str | Path) -> Labelled:
        """Label one video.

        Raises:
            DataError: It cannot be read.
        """
        return segments.joined(list(self.follow(path)))

    def follow(self, path: str | Path) -> Iterator[Labelled]:
        """Yield the next frames of a video after each chunk that is read.

        Offline there are none until the whole video is read; what ends a
        `Labelled` is how far it is read.

        Raises:
            DataError: It cannot be read.
        """
        path, count = Path(path), 0
        reader = self.reader(path)
        numbers, times = [], []

        def chunks():
            frames = iter(reader)
            while chunk := list(itertools.islice(frames, self.inference.chunk)):
                numbers.extend(frame.number for frame in chunk)
                times.extend(frame.seconds for frame in chunk)
                yield self.frames(np.stack([frame.pixels for frame in chunk]))

        for probabilities in self.inference.gradually(chunks()):
            part = slice(count, count + len(probabilities))
            count = part.stop
            yield Labelled(
                inputs.name(path),
                probabilities,
                np.array([*numbers[part], numbers[-1] + 1]),
                np.array([*times[part], times[-1] + 1 / reader.fps]),
            )
        stop = timeline.end(path, times[-1], reader.fps, reader.count)
        yield Labelled(
            inputs.name(path),
            probabilities[:0],
            np.array([reader.count]),
            np.array([stop]),
        )

    def reader(self, path: Path) -> video.Reader | mstcn.FeatureSource:
        """Return what reads a video as the run was trained."""
        if self.takes_features:
            return mstcn.FeatureSource(
                path, self.fps, self.shape[-1], self.frames_first
            )
        return video.Reader(path, self.size, self.fps, self.framing)

    def frames(self, pictures: np.ndarray) -> np.ndarray:
        """Take uint8 `(n, H, W, 3)` to what the model reads."""
        if self.encoder is None:
            return pictures
        count = len(pictures)
        # Always as many, so that it is compiled once.
        return self.encoder(padded(pictures, self.inference.chunk))[:count]


class Ensemble:
    """Several runs as one, each of which reads a video by itself.

    Args:
        opened: The runs; of a single one it is that.

    Raises:
        UserError: They do not fit together.
    """

    def __init__(self, opened: Sequence[runs.Run]):
        ensemble.check(opened, Config, ["labels.txt"], ["fps"])
        self.members = [Predictor.of_run(run) for run in opened]
        self.labels = self.members[0].labels
        self.takes_features = self.members[0].takes_features
        for run, member in zip(opened, self.members, strict=True):
            if member.takes_features != self.takes_features:
                why = "one reads videos, the other features"
                raise ensemble.misfit(run, opened[0], why)

    def label(self, path: str | Path) -> Labelled:
        """Label one video; see `Predictor.label`."""
        labelled = [member.label(path) for member in self.members]
        probabilities = [one.probabilities for one in labelled]
        return labelled[0]._replace(probabilities=together(probabilities))


def together(members: Sequence[np.ndarray]) -> np.ndarray:
    """Return the probabilities `(T, L)` of an ensemble, of its members'."""
    if len(members) == 1:
        return members[0]
    return np.asarray(ensemble.probabilities(members))


def main(options: Options) -> None:
    """Label all videos, one after the other."""
    opened = runs.open_runs("video_labeling", options.run, options.runs_path)
    folder = Path(options.output or opened[0].file("predictions"))
    labeler = Ensemble(opened)
    paths = list(inputs.listed(options.videos, labeler.takes_features))
    taken, bad = set(), []
    for path in paths:
        try:
            labelled = labeler.label(path)
            thumbnails = None
            if not labeler.takes_features:
                thumbnails = timeline.thumbnails(path)
        except DataError as error:
            bad.append(str(error))
            echo(f"note: left out: {error}", file=sys.stderr)
            continue
        drawn = timeline.shown(
            labeler.labels,
            labelled.times,
            labelled.probabilities,
            thumbnails=thumbnails,
        )
        rows = segments.rows(labeler.labels, labelled)
        target = folder / _unused(inputs.stem(path), taken)
        segments.write(target, labeler.labels, labelled, rows, drawn)
        _print(path, target, rows, len(labelled.probabilities))
    if len(bad) == len(paths):
        raise cli.UserError("; ".join(bad[:3]))
    if bad:
        note = f"{len(bad)} of {len(paths)} videos could not be read"
        echo(f"note: {note}", file=sys.stderr)


def _print(path, target, rows, count):
    echo(f"{printable(path)}: {count:,} frames -> {printable(target)}")
    for row in rows:
        seconds = f"{row['start_seconds']:.2f}\t{row['end_seconds']:.2f}"
        echo(f"{seconds}\t{row['label']}\t{row['probability']:.3f}")
    sys.stdout.flush()


def _unused(name, taken):
    """Return a name that no other video has got."""
    more = (f"{name}-{number}" for number in itertools.count(2))
    unused = next(n for n in itertools.chain([name], more) if n not in taken)
    taken.add(unused)
    return unused


if __name__ == "__main__":
    cli.main(lambda: main(options))
