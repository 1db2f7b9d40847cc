r"""Videos and a label for every frame -> batches of consecutive chunks.

Record    (video, labels): a video and as many labels as it has frames
Files     --data-path FOLDER with labels.csv and the videos, in videos/ or
          beside it: files of any kind, or folders of pictures. Its columns
          are video, frame, label (every frame once, from 0 on) or video,
          start, end, label (frames of the video, the end not included; what no
          segment covers is `background`; times go by start_seconds, start_ms
          or start_time in the place of start), and, if you have them, split
          (train, valid or test) and group (all videos of a group are in one
          split). A missing split is cut from train: a tenth of its videos or
          groups, by a hash of their names. Or precomputed features in
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

With `fps` a video is resampled (`vision.video` has the rule), and its labels
alike: a frame keeps the label that it has in the video. Scores are then those
of the frames that are left, and `times` says when they are.

Frames are decoded once, or the features that an `encoder` makes of them
computed once, and mapped from disk (`vision.frame_store`). Videos that cannot
be read are left out, counted and listed; more than 5 % of them are an error.

Labels come from train only, two at least, and each split needs a video that
can be read.

Letters of shapes: B rows of a batch, K frames of a chunk, H height, W width, R
regions, C channels.
"""

import contextlib
import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_pipelines.files import tfds_records
from data_pipelines.files.errors import DataError
from data_pipelines.files.file_index import FileIndex
from data_pipelines.files.progress import progress_bar
from data_pipelines.files.sources import Request
from data_pipelines.files.splits import SPLITS, data_folder
from data_pipelines.video_labeling import clips as video_clips
from data_pipelines.video_labeling import labels_csv, mstcn, tfds_clips
from data_pipelines.video_labeling.clips import Clip, Clips
from data_pipelines.video_labeling.datasets import Datasets, Split, Video
from data_pipelines.video_labeling.demo import generator as demo
from data_pipelines.vision.frame_store import Encoder, FrameStore, Stored
from data_pipelines.vision.images import BadFiles, printable
from data_pipelines.vision.video import VideoError

# A video that can be read: its labels, its frames or features, and `(T,)` the
# label of each of these, an index into the names of all.
_Readable = tuple[Clip, Stored, np.ndarray]


class Files(NamedTuple):
    """How a user's files are read.

    Attributes:
        allow_outside: Whether names of videos may leave the folder.
        frames_first: Whether arrays of features are (T, C).
        encoding: Of tables, lists and labels.
    """

    allow_outside: bool
    frames_first: bool
    encoding: str


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
    allow_outside: bool = False,
    frames_first: bool = False,
    encoding: str = "",
    labels: tuple[str, ...] | None = None,
) -> Datasets:
    """Read a data set; the second time from a cache.

    Args:
        dataset: A name from `SOURCES`.
        data_path: For `files` the folder; for a public set TFDS's own folder;
            not for `demo`, which is written below `cache_path`.
        cache_path: Folder of the caches. It may be deleted at any time.
        encoder: What makes features of frames, with its own size; None:
            batches hold the frames themselves.
        frame_size: Height and width of the frames; one number is both.
        mode: How they get that size, one of `images.MODES`.
        fps: Frames a second that videos are resampled to; 0: as they are.
        chunk: K, frames of a row; 0: whole videos.
        batch_size: B, rows of a batch.
        seed: Random seed of the order of training, and of the cut of missing
            splits.
        mirror: Whether training shows half of the videos of a pass mirrored,
            left to right; not for features.
        download: Whether a public set may be downloaded.
        allow_outside: Whether names of videos may leave the folder.
        frames_first: Whether arrays of precomputed features are (T, C).
        encoding: Of tables, lists and labels; empty: UTF-8, or as they show.
        labels: Of an old run, instead of those of train. The data need no
            train split then.

    Returns:
        The splits and what belongs to them.

    Raises:
        DataError: If the data are not as described; the message says where.
    """
    if chunk < 0:
        raise ValueError(f"chunk must be 0 or more, not {chunk}")
    cache_path = Path(cache_path)
    request = Request(data_path, cache_path, download, labels is None)
    clips = SOURCES[dataset](
        request, Files(allow_outside, frames_first, encoding)
    )
    if encoder is not None and clips.medium.holds_features:
        raise DataError(
            f"{clips.name}: holds features, which no encoder can read; train "
            "without one"
        )
    if mirror and (encoder is not None or clips.medium.holds_features):
        raise DataError(
            f"{clips.name}: only pictures can be mirrored, not features"
        )
    if frames_first and not clips.medium.holds_features:
        raise DataError(
            f"{clips.name}: holds no features, whose axes --frames-first is "
            "about; leave it out"
        )
    clips.cut(seed, request.training)
    if encoder is not None:
        frame_size = encoder.size
    elif isinstance(frame_size, int):
        frame_size = (frame_size, frame_size)
    readable, bad = _read(
        clips, cache_path / "videos", encoder, tuple(frame_size), mode, fps
    )
    names = tuple(labels or _labels(clips, readable, bad))
    videos: dict[str, list[Video]] = {split: [] for split in SPLITS}
    for clip, stored, indices in readable:
        targets = video_clips.relabel(clip, indices, clips.label_names, names)
        video = Video(clip.name, clip.path, targets, stored)
        videos[clip.split].append(video)
    if labels is None and len(names) < 2:
        # With one label every answer is right, whatever the model is.
        raise DataError(
            f"{clips.name}: all frames of train have one label, {names[0]!r}; "
            "expected at least two labels"
        )
    return Datasets(
        **{
            split: Split(videos[split], batch_size, chunk, seed, mirror)
            for split in SPLITS
        },
        labels=names,
        bad=bad,
        name=clips.name,
        notes=clips.notes,
    )


def _read(
    clips: Clips,
    folder: Path,
    encoder: Encoder | None,
    size: tuple[int, int],
    mode: str,
    fps: float,
) -> tuple[list[_Readable], BadFiles]:
    """Read the frames of videos that are not stored yet.

    Return the videos that can be read, in their order, and the others. Labels
    that do not fit their video are an error before the next one is read.
    """
    medium, bad = clips.medium, BadFiles("videos")
    contents = _contents(clips, folder, bad)
    clips.join_copies(contents)
    about = {"medium": medium.name, "size": size, "mode": mode, "fps": fps}
    readable = []
    with FrameStore(folder, about, encoder) as store:
        sources = {
            clip.name: medium.source(clip.path, size, fps, mode)
            for clip, content in contents
            if content not in store
        }
        frames = 0
        for source in sources.values():
            # What is bad is counted when it is read.
            with contextlib.suppress(VideoError):
                frames += source.expected()
        counted = f"{len(sources):,} videos, about {frames:,} frames"
        store.expect("reading videos", counted, frames)
        with progress_bar("reading videos", "frames", total=frames) as bar:
            for clip, content in contents:
                try:
                    # Two videos may have the same content.
                    if content not in store:
                        name = printable(clip.path)
                        store.add_video(content, sources[clip.name], name)
                        bar.update(store[content].size)
                except VideoError as error:
                    bad.add(error)
                    continue
                stored = store[content]
                indices = clip.annotation.label_indices(stored)
                first, like, _ = (readable or [(clip, stored, None)])[0]
                shape, usual = stored.shard.shape[1:], like.shard.shape[1:]
                if shape != usual:
                    raise DataError(
                        f"{printable(clip.path)}: has {shape[-1]:,} features a "
                        f"frame, and {printable(first.path)} {usual[-1]:,}; "
                        "expected as many in all files"
                    )
                readable.append((clip, stored, indices))
    bad.check(len(clips.clips), store.path / "bad_videos.txt")
    return readable, bad


def _contents(
    clips: Clips, folder: Path, bad: BadFiles
) -> list[tuple[Clip, str]]:
    """Return the videos that can be read, and their content."""
    known = FileIndex(folder / "videos.jsonl")
    contents = []
    for clip in progress_bar("looking at videos", "videos", clips.clips):
        try:
            content = clips.medium.content(clip.path, known)
            contents.append((clip, content))
        except VideoError as error:
            bad.add(error)
    known.save()
    return contents


def _labels(
    clips: Clips, readable: list[_Readable], bad: BadFiles
) -> tuple[str, ...]:
    """Return the labels of train; no split may be empty."""
    for split in SPLITS:
        if not any(clip.split == split for clip, _, _ in readable):
            first = next(clip for clip in clips.clips if clip.split == split)
            path = printable(first.path)
            raise DataError(
                f"{clips.name}: no video of {split} can be read; {path}: "
                f"{bad.reasons[path]}"
            )
    train = [rows for clip, _, rows in readable if clip.split == "train"]
    return video_clips.choose_labels(clips.label_names, train)


def _files(request: Request, files: Files) -> Clips:
    """Return the clips of a folder of the user's."""
    if Path(request.data_path or "").suffix == ".bundle":
        return mstcn.read(Path(request.data_path), *files)
    path = data_folder(request.data_path)
    table = labels_csv.find(path)
    features = mstcn.is_layout(path)
    if table and features:
        raise DataError(
            f"{path}: holds {table.name} and groundTruth; expected one of them"
        )
    if features:
        return mstcn.read(path, *files)
    if table:
        return labels_csv.read(path, files.allow_outside, files.encoding)
    raise DataError(
        f"{path}: has no {labels_csv.NAME}; expected one with the columns "
        "video, frame, label or video, start, end, label, or mapping.txt, "
        "groundTruth, features and splits"
    )


def _demo(request: Request, files: Files, small: bool = False) -> Clips:
    """Return clips of sprites, the same for every seed."""
    return _files(request.demo("video_labeling", demo, small), files)


def _ucf101(request: Request, files: Files) -> Clips:
    """Return 13,320 clips of sport and the like, by its first lists."""
    builder = tfds_records.prepared(
        "ucf101", request.data_path, request.download
    )
    return tfds_clips.read(builder, {"train": "train", "test": "test"}, 25.0)


# Counts (train, test) and licence as published:
# ucf101     9,537  3,783   101 labels; research use
SOURCES = {
    "demo": _demo,
    "demo_small": functools.partial(_demo, small=True),
    "files": _files,
    "ucf101": _ucf101,
}
