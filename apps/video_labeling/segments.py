"""The labels of a video as segments: CSV, JSON and a page.

A segment is a longest run of frames of one label: `start` and `end` are frames
of the video, the end not included, as `labels.csv` has them, so that a
corrected CSV can be trained on; its probability is the mean over its frames.

Letters of shapes: T frames that were read, L labels.
"""

import contextlib
import csv
import json
import typing
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from apps.common import cli, report
from data_pipelines.files.atomic import replacing
from data_pipelines.files.table_writer import to_cell
from data_pipelines.vision.images import printable

from . import scores

COLUMNS = (
    "video",
    "start",
    "end",
    "label",
    "probability",
    "start_seconds",
    "end_seconds",
)


class Labelled(typing.NamedTuple):
    """The predictions of a video.

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


def joined(parts: Sequence[Labelled]) -> Labelled:
    """Return the parts of a video as one."""
    last = parts[-1]
    return Labelled(
        last.name,
        np.concatenate([part.probabilities for part in parts]),
        np.array(
            [*(n for p in parts for n in p.numbers[:-1]), last.numbers[-1]]
        ),
        np.array([*(t for p in parts for t in p.times[:-1]), last.times[-1]]),
    )


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


def rows(labels: Sequence[str], labelled: Labelled) -> list[dict]:
    """Return the segments of a video, dicts of `COLUMNS`."""
    name, probabilities, numbers, times = distinct(labelled)
    segments = []
    for start, end, label in scores.segments(probabilities.argmax(axis=1)):
        probability = probabilities[start:end, label].mean()
        segments.append(
            {
                "video": name,
                "start": int(numbers[start]),
                "end": int(numbers[end]),
                "label": labels[label],
                "probability": round(float(probability), 4),
                "start_seconds": round(float(times[start]), 3),
                "end_seconds": round(float(times[end]), 3),
            }
        )
    return segments


def write(
    path: Path,
    labels: Sequence[str],
    labelled: Labelled,
    segments: list[dict],
    drawn: dict,
) -> None:
    """Write `<path>.csv`, `.json` and `.html`: all three or none.

    The page shows what `timeline.shown` returns.

    Raises:
        UserError: They cannot be written.
    """
    record = {
        "video": labelled.name,
        "frames": int(labelled.numbers[-1]),
        "seconds": round(float(labelled.times[-1]), 3),
        "labels": list(labels),
        "segments": [
            {k: v for k, v in segment.items() if k != "video"}
            for segment in segments
        ],
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as files:
            csv_file, json_file, page = (
                files.enter_context(replacing(f"{path}.{suffix}"))
                for suffix in ("csv", "json", "html")
            )
            with open(csv_file, "w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(
                    {name: to_cell(value) for name, value in row.items()}
                    for row in segments
                )
            json_file.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
            report.render(
                page,
                "video_labeling/segments.html.jinja",
                title=labelled.name,
                drawn=drawn,
                segments={
                    f"{s['start_seconds']:.2f} to {s['end_seconds']:.2f} s": {
                        "frames": f"{s['start']} to {s['end'] - 1}",
                        "label": s["label"],
                        "probability": s["probability"],
                    }
                    for s in segments
                },
                frames=record["frames"],
                seconds=record["seconds"],
            )
    except OSError as error:
        raise cli.UserError(
            f"{printable(path)}: cannot be written: {error.strerror}"
        ) from None
