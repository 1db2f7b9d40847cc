"""What `make check-video-labeling` shows of the data."""

import io

import numpy as np
from PIL import Image

from apps.common import duplicates
from apps.common.data_page import Description, Example, splits_of
from apps.common.samples import spread
from apps.common.tables import duration
from data_pipelines import video_labeling as pipeline

from . import baselines, scores, show, timeline
from .config import Config

EXAMPLES = 2

# Frames by which a video is known.
FRAMES = 4


def describe(data: pipeline.Datasets, config: Config) -> Description:
    """Return what there is to say of videos and the labels of their frames."""
    splits = splits_of(data)
    videos = {name: split.videos for name, split in splits.items()}
    contents = {n: [v.stored.content for v in vs] for n, vs in videos.items()}
    return Description(
        counts={
            name: {
                "videos": len(split),
                "frames": int(split.lengths.sum()),
                "duration": duration(sum(len(v) / v.fps for v in split.videos)),
            }
            for name, split in splits.items()
        },
        measured={
            "frames of a video": {n: s.lengths for n, s in splits.items()},
            "frames of a segment": {
                name: np.array(
                    [
                        end - start
                        for video in split.videos
                        for start, end, _ in scores.segments(video.labels)
                    ],
                    np.int64,
                )
                for name, split in splits.items()
            },
        },
        classes={
            name: dict(
                zip(
                    data.labels,
                    split.counts(len(data.labels)).tolist(),
                    strict=True,
                )
            )
            for name, split in splits.items()
        },
        overlaps=duplicates.of_hashes(
            {name: hashes(split) for name, split in splits.items()},
            contents,
            {n: [v.name for v in vs] for n, vs in videos.items()},
        ),
        repeated=duplicates.repeated(contents["train"]),
        left_out=data.bad.reasons,
        examples=[
            _example(name, split.videos[row], data.labels)
            for name, split in splits.items()
            for row in spread(len(split), EXAMPLES)
        ],
        baselines=_baselines(data, config) if len(data.valid) else {},
    )


def hashes(split: pipeline.Split) -> np.ndarray:
    """Return what tells the videos of a split from others, `(N, bytes)`.

    Of features, which are no pictures, the first numbers stand for one.
    """
    rows = [
        [duplicates.bits(_small(video.frames[frame])) for frame in frames]
        for video in split.videos
        for frames in [timeline.firsts(len(video), FRAMES)]
    ]
    return np.array(rows, np.uint8).reshape(len(split), -1)


def _small(frame):
    if frame.ndim == 3:
        return np.asarray(Image.fromarray(frame).resize((17, 16)))
    return 1000 * np.resize(frame.astype(np.float32), (16, 17, 1))


def _example(split, video, labels):
    pictures = show.thumbnails(video)
    return Example(
        f"{split}: {video.name}, {len(video):,} frames, {video.fps:.3g} fps",
        [
            ", ".join(
                f"{labels[label]} {start}-{end - 1}"
                for start, end, label in scores.segments(video.labels)
            )
        ],
        None if pictures is None else _strip(pictures),
        wide=True,
    )


def _strip(pictures):
    """Return pictures `(N, H, W, 3)` side by side, PNG bytes."""
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(list(pictures), axis=1)).save(buffer, "PNG")
    return buffer.getvalue()


def _baselines(data, config):
    return {
        "majority": scores.score(
            baselines.majority(data, data.valid),
            [video.labels for video in data.valid.videos],
            scores.background(config.background, data.labels),
        )
    }
