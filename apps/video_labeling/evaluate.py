"""Score a run on whole videos.

    make evaluate-video-labeling ARGS="--run demo-gru"
    make evaluate-video-labeling ARGS="--run demo-gru --split valid"
    python -m apps.video_labeling.evaluate --dataset files --data-path my-videos

`scores.py` says what the scores are, `baselines.py` what stands beside them:
those were computed when the run was trained, and are in its `metrics.json`.
"""

from apps.common import cli, outcome, scoring
from apps.common.terminal import echo

from .config import EvaluateOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import keras
import numpy as np

from apps.common import classification_metrics, ensemble, report, runs, tables
from apps.common.optimizer import averaged
from data_pipelines import video_labeling as pipeline

from . import scores
from .config import Config
from .inference import VideoInference
from .predict import Ensemble, Predictor, together


def label(inference: VideoInference, split: pipeline.Split) -> list[np.ndarray]:
    """Return the probabilities `(T, L)` of every video, in order."""
    return [inference(v.chunks(inference.chunk)) for v in split.videos]


def score(
    inference: VideoInference,
    split: pipeline.Split,
    background: tuple[int, ...],
) -> tuple[dict[str, float | None], list[np.ndarray]]:
    """Return the scores of a split, and the probabilities of its videos."""
    probabilities = label(inference, split)
    targets = [video.labels for video in split.videos]
    return scores.score(probabilities, targets, background), probabilities


def monitored(config: Config, data: pipeline.Datasets) -> str:
    """Return the name of the score by which the best epoch is chosen.

    Raises:
        UserError: It cannot be computed on valid.
    """
    two = len(data.labels) == 2
    monitor = config.monitor or ("roc_auc" if two else "macro_f1")
    both = two and data.valid.counts(2).all()
    if monitor == "roc_auc" and not both:
        raise cli.UserError(
            "--monitor roc_auc needs two labels, and frames of both in valid;"
            " take another one, say macro_f1"
        )
    return monitor


class Validation(keras.callbacks.Callback):
    """Each epoch: the scores of the validation split, whole videos each.

    Attributes:
        probabilities: Of the videos of the split, after the last epoch.
    """

    def __init__(self, split, inference, background):
        super().__init__()
        self.split = split
        self.inference = inference
        self.background = background
        self.probabilities = []

    def on_epoch_end(self, epoch, logs=None):
        with averaged(self.model):
            metrics, self.probabilities = score(
                self.inference, self.split, self.background
            )
        logs["val_loss"] = classification_metrics.nll(
            *frames_of(self.split, self.probabilities)
        )
        logs.update(
            {f"val_{k}": v for k, v in metrics.items() if v is not None}
        )


def frames_of(
    split: pipeline.Split, probabilities: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return targets and probabilities of the frames of all videos together."""
    targets = np.concatenate([video.labels for video in split.videos])
    return targets, np.concatenate(probabilities)


def confusion(
    split: pipeline.Split, probabilities: list[np.ndarray]
) -> np.ndarray:
    """Return the counts of frames: rows are targets, columns predictions."""
    return classification_metrics.confusion(*frames_of(split, probabilities))


def datasets(
    labeler: Predictor,
    config: Config,
    dataset: str,
    data_path: str | None,
    encoding: str = "",
) -> pipeline.Datasets:
    """Return a data set as a finished run reads it."""
    return pipeline.make_datasets(
        dataset,
        data_path,
        cache_path=config.cache_path,
        encoder=labeler.encoder,
        frame_size=labeler.size,
        mode=labeler.framing,
        fps=labeler.fps,
        chunk=config.chunk,
        batch_size=config.batch_size,
        seed=config.seed,
        allow_outside=config.allow_outside,
        encoding=encoding,
        frames_first=labeler.frames_first,
        labels=tuple(labeler.labels),
    )


def _kind(shape):
    kind = "pictures" if len(shape) == 3 else "features"
    return f"{kind} of {' x '.join(map(str, shape))}"


def main(options: Options) -> None:
    """Print the scores of a run on one split of its data, or of others."""
    opened = runs.open_runs("video_labeling", options.run, options.runs_path)
    labeler = Ensemble(opened)
    run = opened[0]
    named = options.background or run.config(Config).background
    background = scores.background(named, labeler.labels)
    # Each member reads the frames in its own way.
    every, targets = {}, []
    for own, member in zip(opened, labeler.members, strict=True):
        dataset, split = _split(options, own, member)
        every[own.path] = label(member.inference, split)
        targets.append([video.labels for video in split.videos])
        if list(map(len, targets[-1])) != list(map(len, targets[0])):
            raise ensemble.misfit(
                own,
                run,
                "it was trained on other videos; name some by --dataset",
            )

    def joined(members):
        probabilities = list(map(together, zip(*members, strict=True)))
        metrics = scores.score(probabilities, targets[0], background)
        return metrics, probabilities

    rows, probabilities = ensemble.score(
        opened,
        lambda run: [every[run.path]],
        [*every.values()],
        joined,
        options.split,
        dataset,
    )
    if options.split == "test" and not options.dataset and run.finished:
        rows |= outcome.read_metrics(run.path)["baselines"]
    echo(tables.text(rows, scores.METRICS))
    if len(labeler.labels) > report.MOST_NAMED:
        return
    matrix = confusion(split, probabilities)
    echo("\n" + tables.confusion(matrix, labeler.labels))


def _split(options, run, labeler):
    """Return the data set to score a run on, and the split as it reads it."""
    config = run.config(Config)
    dataset = scoring.data_to_score(options, vars(config), pipeline.SOURCES)
    encoding = (options if options.dataset else config).encoding
    data = datasets(labeler, config, *dataset, encoding)
    split = scoring.split_to_score(run, data, options)
    if data.shape != labeler.shape:
        raise cli.UserError(
            f"{data.name}: frames are {_kind(data.shape)}; the run was trained"
            f" on {_kind(labeler.shape)}"
        )
    return dataset, split


if __name__ == "__main__":
    cli.main(lambda: main(options))
