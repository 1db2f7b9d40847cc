"""Labels videos with a finished run: segments, and a page to look at.

    make predict-video-labeling ARGS="my.mp4"
    make predict-video-labeling ARGS="--run demo-gru --output found clips"
    python -m apps.video_labeling.predict one.avi two.webm folder-of-frames

Given are videos, folders of videos, or videos that are folders of pictures.
For each, `<name>.csv`, `<name>.json` and `<name>.html` are written; a video
that cannot be read is named and left out.  A segment is a longest run of frames
of one label: `start` and `end` are frames of the video, the end not included,
as `labels.csv` has them, so that a corrected CSV can be trained on; its
probability is the mean over its frames.
"""

import csv
import dataclasses
import html
import itertools
import json
import sys
import typing
from pathlib import Path

import numpy as np

import rnn_layers  # noqa: F401 (the saved model is made of its layers)
from apps.common import cli, encoders, report, runs
from data_pipelines import video
from data_pipelines.files import replacing

from . import scores, timeline
from .whole import Whole, padded

# Ends of names that are taken for videos when a folder is given.
VIDEOS = (
    *(".avi", ".gif", ".m4v", ".mkv", ".mov"),
    *(".mp4", ".mpeg", ".mpg", ".ts", ".webm"),
)
COLUMNS = (
    *("video", "start", "end", "label", "probability"),
    *("start_seconds", "end_seconds"),
)


@dataclasses.dataclass(frozen=True)
class Options:
    """Labels videos."""

    videos: tuple = cli.positional("videos, or folders of them")
    output: str = cli.flag(
        "", "folder to write into; empty: predictions in the run folder"
    )
    run: str = cli.flag("", "name or folder of a run; empty: the newest")
    runs_path: str = cli.flag("runs", "folder of all runs")


class Labelled(typing.NamedTuple):
    """What was found in a video; T frames were read, L labels.

    Attributes:
        name: of its file.
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
        encoder: The `encoders.Encoder` of its frames, or `None` if it looks at
            pictures itself.
    """

    def __init__(self, model, labels, config, encoder=None):
        self.model = model
        self.labels = labels
        self.encoder = encoder
        self.size = config["frame_height"], config["frame_width"]
        self.fps = config["fps"]
        self.framing = config["framing"]
        self.whole = Whole(model, config["chunk"])

    @classmethod
    def of_run(cls, run):
        """Opens the best model of a run.

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

    def __call__(self, path):
        """Labels a video.

        Raises:
            VideoError: It cannot be read.
        """
        reader = video.Reader(path, self.size, self.fps, self.framing)
        numbers, times = [], []

        def chunks():
            frames = iter(reader)
            while some := list(itertools.islice(frames, self.whole.chunk)):
                numbers.extend(frame.number for frame in some)
                times.extend(frame.seconds for frame in some)
                yield self.frames(np.stack([frame.pixels for frame in some]))

        probabilities = self.whole(chunks())
        return Labelled(
            Path(path).name,
            probabilities,
            np.array([*numbers, reader.count]),
            np.array([*times, times[-1] + 1 / reader.fps]),
        )

    def frames(self, pictures):
        """Takes uint8 `(n, H, W, 3)` to what the model reads."""
        if self.encoder is None:
            return pictures
        count = len(pictures)
        # Always as many, so that it is compiled once.
        return self.encoder(padded(pictures, self.whole.chunk))[:count]


def segments(labels, found):
    """Returns the segments of a `Labelled` as a list of dicts."""
    best = found.probabilities.argmax(axis=1)
    return [
        {
            "video": found.name,
            "start": int(found.numbers[start]),
            "end": int(found.numbers[end]),
            "label": labels[label],
            "probability": round(
                float(found.probabilities[start:end, label].mean()), 4
            ),
            "start_seconds": round(float(found.times[start]), 3),
            "end_seconds": round(float(found.times[end]), 3),
        }
        for start, end, label in scores.segments(best)
    ]


def listed(paths):
    """Yields the videos among files and folders.

    Raises:
        UserError: There is nothing of that name, or no video in it.
    """
    for path in map(Path, paths):
        if not path.exists():
            raise cli.UserError(f"{path}: there is no such file or folder")
        if not path.is_dir() or video.pictures(path):
            yield path
            continue
        inside = [
            one
            for one in sorted(path.iterdir())
            if one.suffix.lower() in VIDEOS
            or (one.is_dir() and video.pictures(one))
        ]
        if not inside:
            raise cli.UserError(
                f"{path}: has no videos ({', '.join(VIDEOS)}), and no folders"
                " of pictures"
            )
        yield from inside


def main(options):
    """Labels all videos, one after the other."""
    run = runs.open_run("video_labeling", options.run, options.runs_path)
    paths = list(listed(options.videos))
    if not paths:
        raise cli.UserError("no video to label; give one, or a folder of them")
    folder = Path(options.output or run.file("predictions"))
    folder.mkdir(parents=True, exist_ok=True)
    labeler = Labeler.of_run(run)
    taken, bad = set(), []
    for path in paths:
        try:
            found = labeler(path)
        except video.VideoError as error:
            bad.append(str(error))
            print(f"note: left out: {error}", file=sys.stderr)
            continue
        name = _free(path.stem, taken)
        rows = segments(labeler.labels, found)
        _write(folder, name, labeler.labels, found, rows)
        write_page(folder / f"{name}.html", path, labeler.labels, found, rows)
        print(f"{path}: {len(found.probabilities):,} frames -> {folder / name}")
        for row in rows:
            seconds = f"{row['start_seconds']:.2f}\t{row['end_seconds']:.2f}"
            print(f"{seconds}\t{row['label']}\t{row['probability']:.3f}")
        sys.stdout.flush()
    if len(bad) == len(paths):
        raise cli.UserError("; ".join(bad[:3]))
    if bad:
        note = f"{len(bad)} of {len(paths)} videos could not be read"
        print(f"note: {note}", file=sys.stderr)


def _free(name, taken):
    """Returns a name that no other video has got."""
    more = (f"{name}-{number}" for number in itertools.count(2))
    chosen = next(n for n in itertools.chain([name], more) if n not in taken)
    taken.add(chosen)
    return chosen


def _write(folder, name, labels, found, rows):
    """Writes segments as CSV and JSON."""
    with (
        replacing(folder / f"{name}.csv") as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    record = {
        "video": found.name,
        "frames": int(found.numbers[-1]),
        "seconds": round(float(found.times[-1]), 3),
        "labels": list(labels),
        "segments": [
            {k: v for k, v in r.items() if k != "video"} for r in rows
        ],
    }
    with replacing(folder / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def write_page(path, source, labels, found, rows):
    """Writes a page with the timeline of a video and its segments."""
    picture = timeline.draw(
        labels,
        found.times,
        found.probabilities,
        thumbnails=timeline.thumbnails(source),
    )
    cells = {
        f"{row['start_seconds']:.2f} to {row['end_seconds']:.2f} s": {
            "frames": f"{row['start']} to {row['end'] - 1}",
            "label": row["label"],
            "probability": row["probability"],
        }
        for row in rows
    }
    body = [
        report.image(picture, f"labels of {found.name} over time"),
        "<h2>Segments</h2>",
        report.html_table(cells, ["frames", "label", "probability"], "seconds"),
        f"<p>{html.escape(found.name)}: {found.numbers[-1]:,} frames,"
        f" {found.times[-1]:.1f} s.  The band shows how sure the model was of"
        " its label.</p>",
    ]
    report.write_page(path, found.name, "\n".join(body))


if __name__ == "__main__":
    cli.main(lambda: main(cli.parse(Options)))
