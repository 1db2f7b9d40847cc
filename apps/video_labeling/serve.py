"""The page and the JSON of a run: a video in, a label for every frame out."""

import collections
import dataclasses
import functools
import itertools
import time
import typing
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from apps.common import cli
from apps.common.serving import service
from data_pipelines.files.errors import DataError
from data_pipelines.vision import images, video

from .config import Config

MOST_FRAMES = 20_000
FPS = 10.0  # of a live video, where training does not say it
WINDOW = 20.0  # seconds of it that are shown
VIDEO = cli.flag(None, "mp4, webm, mkv, avi, mov or gif", at_most=2**27)


class Segment(typing.TypedDict):
    """A longest run of frames of one label; `end` is not included."""

    start: int
    end: int
    label: str
    probability: float
    start_seconds: float
    end_seconds: float


class Answer(typing.TypedDict):
    """What is labelled so far, of the seconds from `begin` to `end`."""

    labels: list[str]
    frames: int
    seconds: float
    begin: float
    end: float
    probabilities: dict[str, float]
    segments: list[Segment]


@dataclasses.dataclass(frozen=True)
class Request:
    """A video to label."""

    video: Path = VIDEO


@functools.lru_cache(4)
def thumbnails(path: Path) -> list[bytes]:
    """Return pictures evenly spread over a video, as JPEG."""
    from . import timeline

    return [
        images.jpeg(Image.fromarray(pixels))
        for pixels in timeline.thumbnails(path)
    ]


def colours(labels: list[str]) -> dict[str, str]:
    """Return the colour of each label, as in the reports."""
    from . import timeline

    return dict(zip(labels, timeline.colors(labels), strict=True))


class Service(service.Service):
    """Labels videos."""

    title = "Video labelling"
    lead = "Drop a video: a label for every frame."
    template = "video_labeling/serve.html.jinja"
    helpers: typing.ClassVar = {"thumbnails": thumbnails, "colours": colours}
    Request = Request
    Answer = Answer
    streams = True

    def __init__(self, predictor, of_frames):
        super().__init__(predictor)
        self.of_frames = of_frames

    @classmethod
    def of_run(cls, run):
        """Load the model of a run."""
        from .predict import Predictor

        predictor = Predictor.of_run(run)
        if predictor.takes_features:
            raise cli.UserError(
                f"{run.path} takes precomputed features, no videos; use"
                " `make predict-video-labeling`"
            )
        # The same model, a frame at a time.
        config = dataclasses.replace(run.config(Config), chunk=1)
        parts = predictor.model, predictor.labels, config, predictor.encoder
        return cls(predictor, Predictor(*parts))

    @classmethod
    def live_fps(cls, run):
        """Return the rate that the run was trained at, if it is live."""
        config = run.config(Config)
        return (config.fps or FPS) if config.mode == "live" else 0.0

    def warm(self, run):
        """Label a black frame."""
        black = np.zeros((1, *self.predictor.size, 3), "uint8")
        self.predictor.inference([self.predictor.frames(black)])
        if self.live_fps(run):
            self.of_frames.inference([self.of_frames.frames(black)])

    def stream(self, request: Request) -> Iterator[Answer]:
        """Yield what is labelled so far, after each chunk.

        Raises:
            DataError: The video cannot be read, or is too long.
        """
        from . import segments

        try:
            length, parts = video.probe(request.video).seconds, []
            for part in self.predictor.follow(request.video):
                parts.append(part)
                labelled = segments.joined(parts)
                frames = len(labelled.probabilities)
                if frames > MOST_FRAMES:
                    raise DataError(
                        f"video: more than {MOST_FRAMES:,} frames; cut it, or"
                        " use `make predict-video-labeling`"
                    )
                seconds = float(labelled.times[-1])
                yield {
                    "labels": self.predictor.labels,
                    "frames": frames,
                    "seconds": seconds,
                    "begin": 0.0,
                    "end": max(length, seconds),
                    "probabilities": self._shares(labelled.probabilities),
                    "segments": [
                        {name: row[name] for name in Segment.__annotations__}
                        for row in segments.rows(
                            self.predictor.labels, labelled
                        )
                    ]
                    if frames
                    else [],
                }
        except images.PictureError as error:
            raise DataError(f"video: {error.reason}") from None

    def prepare_frame(self, content: bytes) -> np.ndarray:
        """Decode a frame as training would have read it."""
        predictor = self.predictor
        return images.decode(
            content, predictor.size, predictor.framing, "frame"
        )

    def live(self) -> Callable[[np.ndarray], Answer]:
        """Return a function of the frames of one live video."""
        waiting: list[np.ndarray] = []
        frames = (waiting.pop() for _ in itertools.count())
        follow = self.of_frames.inference.follow(frames)
        labelled: collections.deque = collections.deque()
        begun, count = time.monotonic(), 0

        def label(frame: np.ndarray) -> Answer:
            nonlocal count
            waiting.append(self.of_frames.frames(frame[None]))
            probabilities = next(follow)
            seconds = time.monotonic() - begun
            labelled.append((count, seconds, probabilities[0]))
            count += 1
            while labelled[0][1] < seconds - WINDOW:
                labelled.popleft()
            return self._live_answer(labelled)

        return label

    def _live_answer(self, labelled) -> Answer:
        from . import scores

        numbers, times, rows = map(np.array, zip(*labelled, strict=True))
        stops = [*times[1:], times[-1]]
        return {
            "labels": self.predictor.labels,
            "frames": int(numbers[-1]) + 1,
            "seconds": float(times[-1]),
            "begin": max(0.0, float(times[-1]) - WINDOW),
            "end": max(WINDOW, float(times[-1])),
            "probabilities": self._shares(rows),
            "segments": [
                {
                    "start": int(numbers[start]),
                    "end": int(numbers[end - 1]) + 1,
                    "label": self.predictor.labels[label],
                    "probability": float(rows[start:end, label].mean()),
                    "start_seconds": float(times[start]),
                    "end_seconds": float(stops[end - 1]),
                }
                for start, end, label in scores.segments(rows.argmax(axis=1))
            ],
        }

    def _shares(self, probabilities):
        """Return the probabilities of the last frame, if there is one."""
        last = probabilities[-1].tolist() if len(probabilities) else []
        return dict(zip(self.predictor.labels, last, strict=False))
