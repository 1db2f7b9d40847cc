"""Label videos with a finished run: segments, and a page to look at.

    make predict-video-labeling ARGS="my.mp4"
    make predict-video-labeling ARGS="--run demo-gru --output labels clips"
    python -m apps.video_labeling.predict one.avi two.webm folder-of-frames

Inputs are videos, folders of videos, or videos that are folders of pictures; if
the run was trained on precomputed features, `.npy` files of features.  For
each, `<name>.csv`, `<name>.json` and `<name>.html` are written; a video that
cannot be read is named and left out.  A segment is a longest run of frames
of one label: `start` and `end` are frames of the video, the end not included,
as `labels.csv` has them, so that a corrected CSV can be trained on; its
probability is the mean over its frames.
"""

import contextlib
import csv
import dataclasses
import html
import io
import itertools
import json
import os
import sys
import typing
from collections.abc import Iterable
from pathlib import Path

import numpy as np

import rnn_layers  # noqa: F401 (the saved model is made of its layers)
from apps.common import cli, encoders, report, runs
from data_pipelines.files.atomic import replacing
from data_pipelines.files.errors import DataError
from data_pipelines.vision import video
from data_pipelines.vision.images import printable

from . import inputs, scores, timeline
from .inference import VideoInference, padded

COLUMNS = (
    "video",
    "start",
    "end",
    "label",
    "probability",
    "start_seconds",
    "end_seconds",
)


@dataclasses.dataclass(frozen=True)
class Options:
    """Label videos."""

    videos: tuple = cli.positional("videos, or folders of them")
    output: str = cli.flag(
        "", "folder to write to; empty: predictions/ of the run"
    )
    run: str = cli.flag("", "name or folder of a run; empty: the newest")
    runs_path: str = cli.flag("runs", "folder of all runs")


class Labelled(typing.NamedTuple):
    """The predictions of a video of T frames, L labels.

    Attributes:
        name: Of its file.
        probabilities: `(T, L)`.
        numbers: `(T + 1,)` which frames of the video they are, and its length.
        times: `(T + 1,)` their seconds, and those of the end.
    """

    name: str
    probabilities: np.ndarray
    numbers: np.ndarray
    times: np.ndarray


class Labeler:
    """A finished run: videos in, probabilities of labels out.

    Args:
        model: The labeller, a `keras.Model`.
        labels: Names of its labels.
        config: Dict, the configuration that it was trained with.
        encoder: The `encoders.Encoder` of its frames, or `None` if it takes
            pictures, or was trained on precomputed features.

    Attributes:
        shape: Of a frame as the model reads it, (H, W, 3) or (R, C).
        takes_features: Whether its videos are files of features.
    """

    def __init__(self, model, labels, config, encoder=None):
        self.model = model
        self.labels = labels
        self.encoder = encoder
        self.shape = model.inputs[0].shape[2:]
        self.takes_features = encoder is None and len(self.shape) == 2
        self.size = config["frame_height"], config["frame_width"]
        self.fps = config["fps"]
        self.framing = config["framing"]
        self.inference = VideoInference(model, config["chunk"])

    @classmethod
    def of_run(cls, run: runs.Run) -> "Labeler":
        """Open the best model of a run.

        Raises:
            UserError: The files of the run do not belong together.
        """
        model = runs.load_model(run.file("model.keras"))
        labels = runs.read_lines(run.file("labels.txt"))
        encoder = None
        if run.record["config"]["encoder"] != encoders.SMALL:
            encoder = encoders.load(run.file("encoder.keras"))
        if model.output.shape[-1] != len(labels):
            raise cli.UserError(
                f"{run.path}: model.keras was trained for another labels.txt"
            )
        return cls(model, labels, run.record["config"], encoder)

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
        path = Path(path)
        reader = self.reader(path)
        numbers, times = [], []

        def chunks():
            frames = iter(reader)
            while chunk := list(itertools.islice(frames, self.inference.chunk)):
                numbers.extend(frame.number for frame in chunk)
                times.extend(frame.seconds for frame in chunk)
                yield self.frames(np.stack([frame.pixels for frame in chunk]))

        probabilities = self.inference(chunks())
        stop = timeline.end(path, times[-1], reader.fps, reader.count)
        return Labelled(
            inputs.name(path),
            probabilities,
            np.array([*numbers, reader.count]),
            np.array([*times, stop]),
        )

    def reader(self, path: Path) -> video.Reader | inputs.Features:
        """Return what reads a video as the run was trained."""
        if self.takes_features:
            return inputs.Features(path, self.shape, self.fps)
        return video.Reader(path, self.size, self.fps, self.framing)

    def frames(self, pictures: np.ndarray) -> np.ndarray:
        """Take uint8 `(n, H, W, 3)` to what the model reads."""
        if self.encoder is None:
            return pictures
        count = len(pictures)
        # Always as many, so that it is compiled once.
        return self.encoder(padded(pictures, self.inference.chunk))[:count]


def distinct(labelled: Labelled) -> Labelled:
    """Return a `Labelled` with each frame of the video in it once.

    A video that is read at a higher rate than its own shows frames again; the
    probabilities of such a frame are their mean, and its time is its first.
    """
    numbers, first = np.unique(labelled.numbers[:-1], return_index=True)
    sums = np.add.reduceat(labelled.probabilities, first, axis=0)
    times = np.diff([*first, len(labelled.probabilities)])
    return Labelled(
        labelled.name,
        sums / times[:, None],
        np.append(numbers, labelled.numbers[-1]),
        np.append(labelled.times[first], labelled.times[-1]),
    )


def segments(labels: list[str], labelled: Labelled) -> list[dict]:
    """Return the segments of a `Labelled` as a list of dicts."""
    labelled = distinct(labelled)
    best = labelled.probabilities.argmax(axis=1)
    return [
        {
            "video": labelled.name,
            "start": int(labelled.numbers[start]),
            "end": int(labelled.numbers[end]),
            "label": labels[label],
            "probability": round(
                float(labelled.probabilities[start:end, label].mean()), 4
            ),
            "start_seconds": round(float(labelled.times[start]), 3),
            "end_seconds": round(float(labelled.times[end]), 3),
        }
        for start, end, label in scores.segments(best)
    ]


def main(options: Options) -> None:
    """Label all videos, one after the other."""
    run = runs.open_run("video_labeling", options.run, options.runs_path)
    if not options.videos:
        raise cli.UserError("no video to label; give one, or a folder of them")
    folder = Path(options.output or run.file("predictions"))
    _check(folder)
    labeler = Labeler.of_run(run)
    paths = list(inputs.listed(options.videos, labeler.takes_features))
    taken, bad = set(), []
    for path in paths:
        try:
            labelled = labeler.label(path)
            picture = _draw(labeler, path, labelled)
        except DataError as error:
            bad.append(str(error))
            print(f"note: left out: {error}", file=sys.stderr)
            continue
        rows = segments(labeler.labels, labelled)
        name = _unused(inputs.stem(path), taken)
        write(folder, name, labeler.labels, labelled, rows, picture)
        _print_segments(path, folder / name, labelled, rows)
    if len(bad) == len(paths):
        raise cli.UserError("; ".join(bad[:3]))
    if bad:
        note = f"{len(bad)} of {len(paths)} videos could not be read"
        print(f"note: {note}", file=sys.stderr)


def _print_segments(path, where, labelled, rows):
    count = len(labelled.probabilities)
    print(f"{printable(path)}: {count:,} frames -> {printable(where)}")
    for row in rows:
        seconds = f"{row['start_seconds']:.2f}\t{row['end_seconds']:.2f}"
        print(f"{seconds}\t{row['label']}\t{row['probability']:.3f}")
    sys.stdout.flush()


def _check(folder):
    """Refuse a folder that cannot be one, before all the work."""
    parts = (folder, *folder.parents)
    existing = next(part for part in parts if os.path.exists(part))
    if not existing.is_dir():
        raise cli.UserError(
            f"{printable(existing)}: is a file; expected a folder"
        )


def _unused(name, taken):
    """Return a name that no other video has got."""
    more = (f"{name}-{number}" for number in itertools.count(2))
    unused = next(n for n in itertools.chain([name], more) if n not in taken)
    taken.add(unused)
    return unused


def _draw(labeler, path, labelled):
    """Return the timeline of a video as PNG bytes."""
    return timeline.draw(
        labeler.labels,
        labelled.times,
        labelled.probabilities,
        thumbnails=None
        if labeler.takes_features
        else timeline.thumbnails(path),
    )


def write(folder, name, labels, labelled, rows, picture):
    """Write segments as CSV, JSON and a page: all three or none."""
    table, record = _table(rows), _record(labels, labelled, rows)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as files:
            csv_file, json_file, page = (
                files.enter_context(replacing(folder / f"{name}.{end}"))
                for end in ("csv", "json", "html")
            )
            csv_file.write_text(table, "utf-8", newline="")
            json_file.write_text(record, "utf-8")
            _write_page(page, labelled, rows, picture)
    except OSError as error:
        raise cli.UserError(
            f"{printable(folder / name)}: cannot be written: {error.strerror}"
        ) from None


def _table(rows):
    """Return segments as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _record(labels, labelled, rows):
    """Return segments as JSON."""
    record = {
        "video": labelled.name,
        "frames": int(labelled.numbers[-1]),
        "seconds": round(float(labelled.times[-1]), 3),
        "labels": list(labels),
        "segments": [
            {k: v for k, v in r.items() if k != "video"} for r in rows
        ],
    }
    return json.dumps(record, indent=1) + "\n"


def _write_page(path, labelled, rows, picture):
    """Write a page with the timeline of a video and its segments."""
    cells = {
        f"{row['start_seconds']:.2f} to {row['end_seconds']:.2f} s": {
            "frames": f"{row['start']} to {row['end'] - 1}",
            "label": row["label"],
            "probability": row["probability"],
        }
        for row in rows
    }
    body = [
        report.image(picture, f"labels of {labelled.name} over time"),
        "<h2>Segments</h2>",
        report.html_table(cells, ["frames", "label", "probability"], "seconds"),
        f"<p>{html.escape(labelled.name)}: {labelled.numbers[-1]:,} frames,"
        f" {labelled.times[-1]:.1f} s. The band shows the probability of the"
        " label.</p>",
    ]
    report.write_page(path, labelled.name, "\n".join(body))


if __name__ == "__main__":
    cli.main(lambda: main(cli.parse(Options)))
