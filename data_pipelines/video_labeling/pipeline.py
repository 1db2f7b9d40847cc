r"""Videos and a label for every frame -> batches of chunks that go on.

Record    (video, labels): a video and as many labels as it has frames
Files     --data-path FOLDER with labels.csv and the videos, in videos/ or
          beside it: files of any kind, or folders of pictures.  Its columns
          are video, frame, label (every frame once, from 0 on) or video,
          start, end, label (frames of the video, the end not included; what no
          segment covers is `background`), and, if you have them, split
          (train, valid or test) and group (all videos of a group are in one
          split).  A missing split is cut from train: a tenth of its videos or
          groups, by a hash of their names.  Or features that are ready, in
          the layout of MS-TCN: features/*.npy (C, T), groundTruth/*.txt,
          mapping.txt and splits/*.bundle; R is 1 then.
Batch     ({"frames": uint8 (B, K, H, W, 3) or float16 (B, K, R, C),
          "begins": bool (B,)}, labels int32 (B, K), weights float32 (B, K));
          row b continues row b of the batch before unless it `begins`; weights
          are 0 for padding, on the right

    data = make_datasets("files", "my-videos", cache_path="data/cache",
                         frame_size=(64, 96), fps=10, chunk=64, batch_size=8,
                         seed=0)
    data.train.dataset(training=True, start_step=0)  # endless; fit needs
    data.train.steps_per_pass                        # steps_per_epoch
    for video in data.valid.videos:
        video.frames, video.labels, video.times, video.chunks(256)
    data.labels, data.frequencies, data.examples, data.bad, data.digest
    print(*data.report(), sep="\n")

With `fps` a video is resampled (`video.py` has the rule), and its labels
alike: a frame keeps the label that it has in the video.  Scores are then those
of the frames that are left, and `times` says when they are.

Frames are decoded once, or the features that an `encoder` makes of them
computed once, and mapped from disk (`video_store.py`).  Videos that cannot be
read are left out, counted and listed; more than 5 % of them are an error.

Labels come from train only, two at least, and each split needs a video that
can be read.  To evaluate an old run on new data pass its `labels`; then valid
or test alone will do.

B rows of a batch, K frames of a chunk, H height, W width, R regions, C
channels.
"""

import functools
from pathlib import Path

import numpy as np

from data_pipelines.files import cache, tfds_records
from data_pipelines.files.errors import DataError
from data_pipelines.files.splits import SPLITS
from data_pipelines.video_labeling import clips as video_clips
from data_pipelines.video_labeling import labels_csv, mstcn, tfds_clips
from data_pipelines.video_labeling.clips import Clips
from data_pipelines.video_labeling.datasets import Datasets, Split, Video
from data_pipelines.video_labeling.demo import generator as demo
from data_pipelines.video_labeling.frame_store import Encoder, Store, Stored
from data_pipelines.vision.images import printable

__all__ = ["SOURCES", "SPLITS", "Datasets", "Split", "Video", "make_datasets"]


def make_datasets(
    dataset: str,
    data_path: str | Path | None = None,
    *,
    cache_path: str | Path,
    encoder: Encoder | None = None,
    frame_size: int | tuple[int, int],
    mode: str = "stretch",
    fps: float = 0.0,
    chunk: int,
    batch_size: int,
    seed: int,
    mirror: bool = False,
    download: bool = False,
    labels: tuple[str, ...] | None = None,
) -> Datasets:
    """Reads a data set; the second time from a cache.

    Args:
        dataset: a name from `SOURCES`.
        data_path: for `files` the folder; for a public set TFDS's own folder;
            not for `demo`, which is written below `cache_path`.
        cache_path: folder of the caches.  It may be deleted at any time.
        encoder: what makes features of frames, with its own size; None:
            batches hold the frames themselves.
        frame_size: height and width of the frames; one number is both.
        mode: how they get that size, one of `images.MODES`.
        fps: frames a second that videos are resampled to; 0: as they are.
        chunk: K, frames of a row; 0: whole videos.
        batch_size: B, rows of a batch.
        seed: of the order of training, and of the cut of missing splits.
        mirror: whether training shows half of the videos of a pass mirrored,
            left to right; not for features.
        download: whether a public set may be downloaded.
        labels: of an old run, instead of those of train.  The data need no
            train split then.

    Returns:
        The splits and what belongs to them.

    Raises:
        DataError: if the data are not as described; the message says where.
    """
    if chunk < 0:
        raise ValueError(f"chunk must be 0 or more, not {chunk}")
    cache_path = Path(cache_path)
    clips = SOURCES[dataset](data_path, cache_path, download)
    if encoder is not None and isinstance(clips.medium, mstcn.Ready):
        raise DataError(
            f"{clips.name}: holds features, which no encoder can read; train "
            "without one"
        )
    clips.cut(seed, training=labels is None)
    square = isinstance(frame_size, int)
    store = Store(
        cache_path / "videos",
        clips.medium,
        size=(frame_size, frame_size) if square else tuple(frame_size),
        mode=mode,
        fps=fps,
        encoder=encoder,
    )
    if mirror and (encoder or isinstance(clips.medium, mstcn.Ready)):
        raise DataError(
            f"{clips.name}: only pictures can be mirrored, not features"
        )
    stored, indices = _stored(clips, store)
    names = _labels(clips, indices) if labels is None else tuple(labels)
    videos = _videos(clips, stored, indices, names)
    if labels is None:
        _check_number(names, clips.name)
    return Datasets(
        **{
            split: Split(videos[split], batch_size, chunk, seed, mirror)
            for split in SPLITS
        },
        labels=names,
        bad=clips.bad,
        name=clips.name,
        notes=clips.notes,
    )


def _labels(clips: Clips, indices: dict[str, np.ndarray]) -> tuple[str, ...]:
    """Those of the videos of train that can be read; no split may be empty."""
    for split in SPLITS:
        parts = [clip for clip in clips.found if clip.split == split]
        if not any(clip.name in indices for clip in parts):
            first = printable(parts[0].path)
            raise DataError(
                f"{clips.name}: no video of {split} can be read; {first}: "
                f"{clips.bad.reasons[first]}"
            )
    train = [
        indices[clip.name]
        for clip in clips.found
        if clip.split == "train" and clip.name in indices
    ]
    return video_clips.choose_labels(clips.names, train)


def _check_number(labels: tuple[str, ...], name: str) -> None:
    """With one label every answer is right, whatever the model is."""
    if len(labels) < 2:
        raise DataError(
            f"{name}: all frames of train have one label, {labels[0]!r}; "
            "expected at least two labels"
        )


def _videos(
    clips: Clips,
    stored: dict[str, Stored],
    indices: dict[str, np.ndarray],
    labels: tuple[str, ...],
) -> dict[str, list[Video]]:
    """Split -> its videos, in the order of the file."""
    videos: dict[str, list[Video]] = {split: [] for split in SPLITS}
    for clip in clips.found:
        if clip.name in stored:
            found = video_clips.translated(
                clip, indices[clip.name], clips.names, labels
            )
            one = Video(clip.name, clip.path, found, stored[clip.name])
            videos[clip.split].append(one)
    return videos


def _stored(
    clips: Clips, store: Store
) -> tuple[dict[str, Stored], dict[str, np.ndarray]]:
    """Name -> video, and name -> `(T,)` indices of its labels."""
    by_name = {clip.name: clip for clip in clips.found}
    indices = {}

    def check(name: str, stored: Stored) -> None:
        found = by_name[name].labels.indices(stored.frames)
        indices[name] = found[stored.numbers]

    videos = [(clip.name, clip.path) for clip in clips.found if clip.there]
    return store.read(videos, clips.bad, check), indices


def _files(
    data_path: str | Path | None, cache_path: Path, download: bool
) -> Clips:
    """A folder of the user's."""
    if data_path is None:
        raise DataError("--data-path FOLDER is needed to read files")
    path = Path(data_path)
    if path.suffix == ".bundle":
        return mstcn.read(path)
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder")
    table = (path / labels_csv.NAME).is_file()
    ready = mstcn.is_layout(path)
    if table and ready:
        raise DataError(
            f"{path}: holds {labels_csv.NAME} and groundTruth; expected one "
            "of them"
        )
    if ready:
        return mstcn.read(path)
    if table:
        return labels_csv.read(path)
    raise DataError(
        f"{path}: has no {labels_csv.NAME}; expected one with the columns "
        "video, frame, label or video, start, end, label, or mapping.txt, "
        "groundTruth, features and splits"
    )


def _demo(
    data_path: str | Path | None,
    cache_path: Path,
    download: bool,
    small: bool = False,
) -> Clips:
    """Clips of sprites, the same for every seed."""
    if data_path is not None:
        raise DataError(
            "demo: takes no --data-path FOLDER; to read your own files add "
            "--dataset files"
        )
    name = f"video_labeling-{demo.VERSION}" + "-small" * small
    sizes = demo.SMALL_SIZES if small else demo.SIZES
    return _files(
        cache.folder(
            cache_path / "demo" / name,
            functools.partial(demo.write, sizes=sizes),
        ),
        cache_path,
        download,
    )


def _ucf101(
    data_path: str | Path | None, cache_path: Path, download: bool
) -> Clips:
    """13,320 clips of sport and the like; its first list of train and test."""
    builder = tfds_records.prepared("ucf101", data_path, download)
    return tfds_clips.read(builder, {"train": "train", "test": "test"}, 25.0)


# Counts (train, test) and licence as published:
# ucf101     9,537  3,783   101 labels; research use
SOURCES = {
    "demo": _demo,
    "demo_small": functools.partial(_demo, small=True),
    "files": _files,
    "ucf101": _ucf101,
}
