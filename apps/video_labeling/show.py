"""What a training shows: timelines, the report, the summary."""

import functools

import numpy as np

from apps.common import outcome, report, runs, samples, tables
from apps.common.samples import spread
from apps.common.terminal import echo
from data_pipelines import video_labeling as pipeline
from data_pipelines.vision.images import PictureError

from . import scores, timeline
from .baselines import BASELINES
from .evaluate import confusion, frames_of
from .predict import Predictor
from .scores import METRICS

# Validation videos of each epoch, and test videos of the report.
SAMPLES = 3
REPORTED = 8


class Samples(samples.Samples):
    """Each epoch: timelines of some validation videos, and the confusion."""

    columns = ("video", "", "segments")
    count = SAMPLES

    @functools.cached_property
    def thumbnails(self):
        """Pictures of each of the videos."""
        return [thumbnails(self.split.videos[row]) for row in self.rows]

    def lines(self, epoch):
        lines = []
        for row in self.rows:
            video = self.split.videos[row]
            target, predicted = in_words(
                self.data.labels, video, self.validation.probabilities[row]
            )
            lines.append((video.name, "target", target))
            lines.append((video.name, "predicted", predicted))
        return lines

    def pictures(self, epoch):
        probabilities = self.validation.probabilities
        pictures = {
            f"timeline/{number}": timeline.draw(
                *arguments(
                    self.data.labels,
                    self.split.videos[row],
                    probabilities[row],
                    self.thumbnails[number - 1],
                )
            )
            for number, row in enumerate(self.rows, 1)
        }
        if len(self.data.labels) <= report.MOST_NAMED:
            matrix = confusion(self.split, probabilities)
            pictures["confusion"] = report.confusion_picture(
                matrix, self.data.labels
            )
        return pictures


def in_words(
    labels: list[str], video: pipeline.Video, probabilities: np.ndarray
) -> list[str]:
    """Return targets and predictions as words: `still 0-14, left 15-40`."""
    return [
        ", ".join(
            f"{labels[label]} {start}-{end - 1}"
            for start, end, label in scores.segments(numbers)
        )
        for numbers in (video.labels, probabilities.argmax(axis=1))
    ]


def thumbnails(video: pipeline.Video) -> np.ndarray | None:
    """Return pictures of a labelled video; `None` if there are none.

    From its file, or else, if there is none, from the frames that are stored.
    """
    try:
        return timeline.thumbnails(video.path)
    except PictureError:
        frames = video.frames
    if frames.ndim != 4:  # features, T R C
        return None
    return np.array(frames[timeline.firsts(len(frames))])


def arguments(
    labels: list[str],
    video: pipeline.Video,
    probabilities: np.ndarray,
    thumbnails: np.ndarray | None,
) -> tuple:
    """Return what `timeline.draw` takes of a labelled video."""
    times = video.times
    stop = timeline.end(video.path, times[-1], video.fps, video.stored.frames)
    return (
        labels,
        np.append(times, stop),
        probabilities,
        video.labels,
        thumbnails,
    )


def write_report(
    run: runs.Run, data: pipeline.Datasets, result: outcome.Result, monitor: str
) -> None:
    """Write `report.html`."""
    videos, probabilities = data.test.videos, result.predictions
    wrong = [
        np.mean(p.argmax(axis=1) != video.labels)
        for video, p in zip(videos, probabilities, strict=True)
    ]
    sure = [p.max(axis=1).mean() for p in probabilities]
    report.of_training(
        run,
        "video_labeling/report.html.jinja",
        result,
        test_set=_size(videos),
        metrics=METRICS,
        baselines=BASELINES,
        main=monitor,
        curves=list(dict.fromkeys(["loss", "accuracy", monitor])),
        **report.by_class(
            *frames_of(data.test, probabilities),
            data.labels,
            data.train.counts(len(data.labels)),
        ),
        examples=[
            {
                "name": videos[row].name,
                "frames": len(videos[row]),
                "wrong": wrong[row],
                "timeline": timeline.shown(
                    *arguments(
                        data.labels,
                        videos[row],
                        probabilities[row],
                        thumbnails(videos[row]),
                    )
                ),
            }
            for row in samples.instructive(sure, wrong, REPORTED)
        ],
    )


def _size(videos):
    return f"{len(videos):,} videos, {sum(map(len, videos)):,} frames"


def summary(
    run: runs.Run,
    labeler: Predictor,
    data: pipeline.Datasets,
    result: outcome.Result,
    monitor: str,
) -> None:
    """Print scores beside baselines, some videos, and what is next."""
    videos = data.test.videos
    echo(f"\nscores on the test set ({_size(videos)})")
    echo(tables.text({run.name: result.scores, **result.baselines}, METRICS))
    echo("", *report.remarks(run, result, monitor), sep="\n")
    for name, signature in result.signatures.items():
        echo(f"{name}: {signature}")
    for row in spread(len(videos), 3):
        target, predicted = in_words(
            data.labels, videos[row], result.predictions[row]
        )
        echo(f"""
{videos[row].name}
  target     {target}
  predicted  {predicted}""")
    mine = "my.npy" if labeler.takes_features else "my.mp4"
    then = 'make train-video-labeling ARGS="--mode live"'
    if labeler.inference.live:
        then = f'make label-stream ARGS="--run {run.name} {mine}"'
    echo(f"""
next
  make predict-video-labeling ARGS="{mine}"
  {then}
  make train-video-labeling ARGS="--dataset files --data-path FOLDER"
  make demo
  make tensorboard
  open {run.file("report.html")}, with timelines""")
