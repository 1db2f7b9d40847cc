"""Timelines: what happens in a video, from left to right.

From above: pictures of the video, the true labels if they are known, the
predicted labels, and their probabilities.

Letters of shapes: T frames, L labels.
"""

import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from apps.common import report
from data_pipelines.vision import images, video

from . import scores

# Colours for the colour-blind, too; `QUIET` is for labels that mean nothing of
# interest.
COLORS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#66ccee",
    "#aa3377",
    "#ee8866",
    "#44bb99",
    "#997700",
    "#8866cc",
    "#5d7a3a",
    "#c25d8b",
)
QUIET = "#c9d1d9"
QUIET_LABELS = {"background", "normal", "none", "nothing", "still"}

THUMBNAILS = 10
WIDTH = 5.0  # inches: as many as TensorBoard shows at their size
BAR = 0.3  # inches
LEGEND_COLUMNS = 4

# Of the probability of a segment on a page.
MOST_CORNERS = 60


def colors(labels: list[str]) -> list[str]:
    """Return a colour of each label."""
    strong = itertools.cycle(COLORS)
    return [
        QUIET if label.lower() in QUIET_LABELS else next(strong)
        for label in labels
    ]


def thumbnails(
    path: Path, count: int = THUMBNAILS, height: int = 96
) -> np.ndarray:
    """Return pictures evenly spread over a video, uint8 `(N, H, W, 3)`.

    Each is the first of its part of the video, more or less.

    Raises:
        PictureError: The video cannot be read.
    """
    about = video.probe(path)
    rows, columns = video.upright_size(path)
    size = height, max(8, min(3 * height, round(height * columns / rows)))
    if about.seconds and not path.is_dir():
        frames = video.frames(path, size, fps=count / about.seconds)
        return np.stack(list(itertools.islice(frames, count)))
    return np.stack(evenly_spread(video.frames(path, size), count))


def firsts(frames: int, count: int = THUMBNAILS) -> np.ndarray:
    """Return which of so many frames begin each of `count` even parts."""
    return np.arange(count) * frames // count


def evenly_spread(frames: Iterable, count: int) -> list:
    """Return `count` of frames, however many will come, evenly spread."""
    sample, step = [], 1
    for number, frame in enumerate(frames):
        if number % step == 0:
            sample.append(frame)
        if len(sample) == 4 * count:
            sample, step = sample[::2], 2 * step
    return [sample[index] for index in firsts(len(sample), count)]


def end(path: Path, last: float, fps: float, frames: int) -> float:
    """Return when the last frame of a video ends, in seconds.

    It is shown for 1 / fps, but not longer than its video: one that is read at
    a lower rate than its own ends between two of the frames that are read.

    Args:
        path: The video, a folder of pictures, or what else it was made from.
        last: Seconds of the last frame.
        fps: The rate that it is read at.
        frames: How many the video itself has.
    """
    stop = last + 1 / fps
    if not path.is_file():
        return stop
    try:
        about = video.probe(path)
    except video.VideoError:  # features
        return stop
    length = about.seconds or frames / about.fps
    return min(stop, length) if length > last else stop


def shown(
    labels: list[str],
    times: np.ndarray,
    probabilities: np.ndarray,
    targets: np.ndarray | None = None,
    thumbnails: np.ndarray | None = None,
) -> dict:
    """Return a timeline for a page; the arguments are those of `draw`."""
    predictions = probabilities.argmax(axis=1)
    bars = {"prediction": predictions}
    if targets is not None:
        bars = {"truth": targets, **bars}
        wrong = np.where(predictions == targets, -1, len(labels))
        bars["wrong"] = wrong
    names = [*labels, "wrong", ""]
    begin, span = float(times[0]), max(float(times[-1] - times[0]), 1e-3)
    used = sorted(
        {*predictions.tolist(), *(() if targets is None else targets.tolist())}
    )
    return {
        "begin": begin,
        "end": float(times[-1]),
        "bars": {
            name: [
                {
                    "label": names[label],
                    "start_seconds": float(times[start]),
                    "end_seconds": float(times[end]),
                }
                for start, end, label in scores.segments(numbers)
            ]
            for name, numbers in bars.items()
        },
        "colours": dict(zip(labels, colors(labels), strict=True)),
        "used": [labels[number] for number in used],
        "bands": [
            (
                names[label],
                " ".join(
                    f"{1000 * (time - begin) / span:.1f},{100 * (1 - p):.1f}"
                    for time, p in _area(
                        times[start : end + 1], probabilities[start:end, label]
                    )
                ),
            )
            for start, end, label in scores.segments(predictions)
        ],
        "film": [
            images.jpeg(Image.fromarray(pixels))
            for pixels in ([] if thumbnails is None else thumbnails)
        ],
    }


def _area(times, heights):
    """Yield the corners of the area below steps, at most so many of them."""
    edges = np.unique(np.linspace(0, len(heights), MOST_CORNERS).astype(int))
    yield times[0], 0.0
    for start, end in itertools.pairwise(edges):
        mean = heights[start:end].mean()
        yield from ((times[start], mean), (times[end], mean))
    yield times[-1], 0.0


def draw(
    labels: list[str],
    times: np.ndarray,
    probabilities: np.ndarray,
    targets: np.ndarray | None = None,
    thumbnails: np.ndarray | None = None,
) -> bytes:
    """Draw a timeline.

    Args:
        labels: Names of the labels.
        times: `(T + 1,)` seconds of the frames, and of the end.
        probabilities: `(T, L)`.
        targets: `(T,)` numbers of the true labels, if they are known.
        thumbnails: Pictures `(N, H, W, 3)`, evenly spread, if there are any.

    Returns:
        PNG bytes.
    """
    predictions = probabilities.argmax(axis=1)
    bars = [("truth", targets)] if targets is not None else []
    bars.append(("prediction", predictions))
    heights = [BAR] * len(bars) + [2 * BAR]
    if thumbnails is not None:
        count, rows, columns = thumbnails.shape[:3]
        heights.insert(0, WIDTH * 0.92 / count * rows / columns)
    used = np.unique(np.concatenate([numbers for _, numbers in bars]))
    lines = -(-len(used) // LEGEND_COLUMNS)
    figure, parts = _rows(heights, 0.1 + 0.24 * lines)
    palette = colors(labels)
    if thumbnails is not None:
        _pictures(parts.pop(0), thumbnails, times)
    for axes, (name, numbers) in zip(parts, bars, strict=False):
        _bar(axes, name, times, numbers, palette)
    _band(parts[-1], times, predictions, probabilities, palette)
    _legend(figure, [(palette[n], labels[n]) for n in used])
    return report.png(figure, dpi=160)


def _legend(figure, entries):
    legend = figure.legend(
        handles=[Patch(color=color, label=" ") for color, _ in entries],
        loc="upper center",
        ncols=LEGEND_COLUMNS,
        frameon=False,
        fontsize=8,
        handlelength=1,
        handleheight=1,
        columnspacing=1.2,
    )
    # Not above: a label may have a dollar sign, which would begin a formula, or
    # begin with an underscore, which would hide it.
    for text, (_, label) in zip(legend.get_texts(), entries, strict=True):
        text.set_parse_math(False)
        text.set_text(label)


def _rows(heights, above):
    """Return a figure and its rows, some inches free above them."""
    below = 0.35  # inches, for seconds
    total = sum(heights) + above + below
    figure = Figure(figsize=(WIDTH, total))
    grid = figure.add_gridspec(
        len(heights),
        height_ratios=heights,
        hspace=0.06,
        left=0.135,
        right=0.985,
        top=1 - above / total,
        bottom=below / total,
    )
    return figure, grid.subplots(sharex=True, squeeze=False)[:, 0].tolist()


def _pictures(axes, thumbnails, times):
    edges = np.linspace(times[0], times[-1], len(thumbnails) + 1)
    for left, end, picture in zip(
        edges[:-1], edges[1:], thumbnails, strict=True
    ):
        gap = 0.02 * (end - left)
        axes.imshow(picture, extent=(left, end - gap, 0, 1), aspect="auto")
    axes.set_ylim(0, 1)
    _hide_axes(axes, "")


def _bar(axes, name, times, numbers, palette):
    for start, end, number in scores.segments(numbers):
        axes.axvspan(
            times[start], times[end], color=palette[number], linewidth=0
        )
    _hide_axes(axes, name)


def _band(axes, times, predictions, probabilities, palette):
    """Draw an area as high as the probability, in the label's colour."""
    axes.set_ylim(0, 1)
    axes.axhline(0.5, color="#e3e7eb", linewidth=0.8, zorder=0)
    for start, end, number in scores.segments(predictions):
        heights = probabilities[start:end, number]
        axes.stairs(
            heights,
            times[start : end + 1],
            fill=True,
            color=(*to_rgb(palette[number]), 0.75),
        )
    _hide_axes(axes, "probability")
    axes.set_xlim(times[0], times[-1])
    axes.set_xlabel("seconds", fontsize=8, labelpad=1)
    axes.tick_params(bottom=True, labelbottom=True, length=2, labelsize=8)


def _hide_axes(axes, name):
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_yticks([])
    axes.tick_params(bottom=False, labelbottom=False)
    axes.set_ylabel(
        name, rotation=0, ha="right", va="center", fontsize=8, labelpad=4
    )
