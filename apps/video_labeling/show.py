"""What a training shows: timelines, the report, the summary."""

import html

import keras
import numpy as np
import tensorflow as tf

from apps.common import classification_metrics, report
from data_pipelines.files.atomic import replacing
from data_pipelines.vision.images import PictureError

from . import scores, timeline
from .scores import METRICS

# Validation videos of each epoch, and test videos of the report.
SAMPLES = 3
REPORTED = 8


class Samples(keras.callbacks.Callback):
    """Each epoch: timelines of some validation videos, and the confusion.

    The segments go to `samples.txt`, pictures to TensorBoard.

    Args:
        run: The `runs.Run`.
        data: The `Datasets`.
        validation: The `evaluate.Validation` that has just labelled.
    """

    def __init__(self, run, data, validation):
        super().__init__()
        self.file = run.file("samples.txt")
        self.labels = data.labels
        self.videos = data.valid.videos
        self.validation = validation
        self.rows = spread(len(self.videos), SAMPLES)
        self.pictures = [thumbnails(self.videos[row]) for row in self.rows]
        self.writer = tf.summary.create_file_writer(
            str(run.file("tensorboard") / "validation"),
            filename_suffix=".shown",
        )

    def on_epoch_end(self, epoch, logs=None):
        probabilities = self.validation.probabilities
        with self.writer.as_default(epoch + 1):
            for number, row in enumerate(self.rows):
                picture = draw(
                    self.labels,
                    self.videos[row],
                    probabilities[row],
                    self.pictures[number],
                )
                _image(f"timeline/{number + 1}", picture)
            if len(self.labels) <= report.MOST_NAMED:
                matrix = confusion(self.videos, probabilities)
                picture = report.confusion_picture(matrix, self.labels)
                _image("confusion", picture)
        self.writer.flush()
        self._write(
            epoch + 1,
            [(self.videos[row], probabilities[row]) for row in self.rows],
        )

    def _write(self, epoch, samples):
        """Write the epoch's lines behind those of the epochs before."""
        begin = f"epoch {epoch}\n"
        before = ""
        if self.file.exists():  # a killed run may have written them already
            before = self.file.read_text("utf-8").split(begin)[0]
        lines = []
        for video, probabilities in samples:
            target, predicted = in_words(self.labels, video, probabilities)
            lines += [
                f"{video.name}\ttarget\t{target}",
                f"{video.name}\tpredicted\t{predicted}",
            ]
        with replacing(self.file) as temporary:
            text = before + begin + "\n".join([*lines, "", ""])
            temporary.write_text(text, "utf-8")

    def on_train_end(self, logs=None):
        self.writer.close()


def _image(name, png):
    tf.summary.image(name, tf.io.decode_png(png, channels=3)[None])


def spread(count: int, most: int) -> list[int]:
    """Return at most so many of `count` rows, evenly spread."""
    return np.unique(np.linspace(0, count - 1, most).astype(int)).tolist()


def in_words(labels, video, probabilities):
    """Return targets and predictions as words: `still 0-14, left 15-40`."""
    return [
        ", ".join(
            f"{labels[label]} {start}-{end - 1}"
            for start, end, label in scores.segments(numbers)
        )
        for numbers in (video.labels, probabilities.argmax(axis=1))
    ]


def thumbnails(video):
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


def draw(labels, video, probabilities, thumbnails):
    """Return the timeline of a labelled video as PNG bytes."""
    times = video.times
    stop = timeline.end(video.path, times[-1], video.fps, video.stored.frames)
    return timeline.draw(
        labels,
        np.append(times, stop),
        probabilities,
        video.labels,
        thumbnails,
    )


def confusion(videos, probabilities):
    """Return the counts of frames: rows are targets, columns predictions."""
    return classification_metrics.confusion(
        np.concatenate([video.labels for video in videos]),
        np.concatenate(probabilities),
    )


def write_report(run, data, result, monitor):
    """Write `report.html` with its pictures.

    Args:
        run: The `runs.Run`.
        data: The `Datasets`.
        result: The `runs.Result`; its predictions are the probabilities of the
            frames of every test video.
        monitor: Name of the score that the best epoch was chosen by.
    """
    probabilities = result.predictions
    videos = data.test.videos
    names = list(dict.fromkeys(["loss", "accuracy", monitor]))
    curve = report.curve(result.progress.rows, names)
    run.file("curve.png").write_bytes(curve)
    body = [
        f"<p>Scores on the test set: {len(videos):,} videos,"
        f" {sum(map(len, videos)):,} frames.</p>",
        report.html_table(
            {run.name: result.scores, **result.baselines}, METRICS
        ),
        "<h2>Training</h2>"
        + report.image(curve, " and ".join(names) + " over the epochs"),
    ]
    if len(data.labels) <= report.MOST_NAMED:
        picture = report.confusion_picture(
            confusion(videos, probabilities), data.labels
        )
        run.file("confusion.png").write_bytes(picture)
        body.append(
            "<h2>Confusion</h2>" + report.image(picture, "confusion of frames")
        )
    body.append(
        "<h2>Test videos</h2><p>Evenly spread over the split. The band below"
        " each shows the probability of the predicted label.</p>"
    )
    for row in spread(len(videos), REPORTED):
        body.append(article(data.labels, videos[row], probabilities[row]))
    first = draw(
        data.labels,
        videos[0],
        probabilities[0],
        thumbnails(videos[0]),
    )
    run.file("timeline.png").write_bytes(first)
    report.write_page(run.file("report.html"), run.name, "\n".join(body))


def article(labels, video, probabilities):
    """Return one labelled video as HTML."""
    picture = draw(labels, video, probabilities, thumbnails(video))
    accuracy = (probabilities.argmax(axis=1) == video.labels).mean()
    return (
        f"<article><header>{html.escape(video.name)}, {len(video):,} frames,"
        f" accuracy {accuracy:.1%}</header>"
        f"{report.image(picture, 'timeline of ' + video.name)}</article>"
    )


def summary(run, labeler, data, result):
    """Print scores beside baselines, some videos, and what is next."""
    videos, probabilities = data.test.videos, result.predictions
    print(
        f"\nscores on the test set ({len(videos):,} videos,"
        f" {sum(map(len, videos)):,} frames)"
    )
    rows = {run.name: result.scores, **result.baselines}
    print(report.table(rows, METRICS))
    for name, signature in result.signatures.items():
        print(f"{name}: {signature}")
    for row in spread(len(videos), 3):
        target, predicted = in_words(
            data.labels, videos[row], probabilities[row]
        )
        print(f"""
{videos[row].name}
  target     {target}
  predicted  {predicted}""")
    mine = "my.npy" if labeler.takes_features else "my.mp4"
    then = 'make train-video-labeling ARGS="--mode live"'
    if labeler.inference.live:
        then = f'make label-stream ARGS="--run {run.name} {mine}"'
    print(f"""
next
  make predict-video-labeling ARGS="{mine}"
  {then}
  make train-video-labeling ARGS="--dataset files --data-path FOLDER"
  make tensorboard
  open {run.file("report.html")}, with timelines""")
