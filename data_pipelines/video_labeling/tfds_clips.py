"""Clips of a public set, each with one label, which all its frames get."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from data_pipelines.files import cache, tfds_records
from data_pipelines.files.file_index import FileIndex
from data_pipelines.files.tables import clean_label
from data_pipelines.video_labeling.clips import Clip, Clips, Medium
from data_pipelines.vision import images
from data_pipelines.vision.frame_store import Stored
from data_pipelines.vision.video import Frame, resampled


def read(builder: Any, parts: dict[str, str], fps: float) -> Clips:
    """Return the clips of a prepared set of TFDS.

    Args:
        builder: From `tfds_records.prepared`; its features are `video` and
            `label`.
        parts: Split -> TFDS's name of it.
        fps: The rate that the clips were recorded with.
    """
    import tensorflow_datasets as tfds

    feature = builder.info.features["label"].names
    names = [clean_label(label, builder.name) for label in feature]
    only = {"decoders": tfds.decode.PartialDecoding({"label": True})}
    clips = []
    for split, part in parts.items():
        labelled = builder.as_dataset(split=part, **only)
        for number, example in enumerate(labelled.as_numpy_iterator()):
            name = f"{part}/{number:06}"
            line = f"{builder.name} ({name})"
            annotation = OneLabel(int(example["label"]), line)
            path = Path(builder.name, name)
            clips.append(Clip(name, path, annotation, split, "", line))
    full = builder.info.full_name
    notes = [
        f"{full}: clips of one group are not known; those that are cut from "
        "train may look like some that stay there"
    ]
    version = cache.key(tfds_records.builder_fingerprint(builder))
    source = functools.partial(ExampleSource, Examples(builder, fps))
    medium = Medium(version, False, _content, source)
    return Clips(full, clips, names, notes, medium)


def _content(path: Path, known: FileIndex) -> str:
    """Return the number of the clip; the set is in the medium's name."""
    return f"{path.parent.name}-{path.name}"


class OneLabel(NamedTuple):
    """One label for all frames.

    Attributes:
        label: Its index.
        line: Where it stands.
    """

    label: int
    line: str

    def label_indices(self, stored: Stored) -> np.ndarray:
        """Return that label, `(T,)` int32."""
        return np.full(stored.size, self.label, np.int32)

    def first_line(self, index: int) -> str:
        """Return the clip."""
        return self.line


class Examples:
    """Clips whose paths are `<set>/<split>/<number>`, read in order."""

    def __init__(self, builder: Any, fps: float) -> None:
        self.builder = builder
        self.fps = fps
        self._part = ""
        self._next = 0
        self._examples: Iterator = iter(())

    def frames(self, path: Path) -> np.ndarray:
        """Return uint8 `(T, H, W, 3)` of a clip."""
        part, number = path.parent.name, int(path.name)
        if part != self._part or number < self._next:
            dataset = self.builder.as_dataset(split=part)
            self._examples = dataset.as_numpy_iterator()
            self._part, self._next = part, 0
        for example in self._examples:
            self._next += 1
            if self._next > number:
                return example["video"]
        raise ValueError(f"{path}: the set has become smaller")


class ExampleSource:
    """The frames of one clip; see `video.Reader`."""

    def __init__(
        self,
        examples: Examples,
        path: Path,
        size: tuple[int, int],
        fps: float,
        mode: str,
    ) -> None:
        self.examples = examples
        self.path = path
        self.size = size
        self.mode = mode
        self.wanted_fps = fps
        self.fps = fps or examples.fps
        self.count = 0

    def expected(self) -> int:
        """Return what clips of people doing something have, more or less."""
        return round(7 * self.fps)

    def __iter__(self) -> Iterator[Frame]:
        frames = self.examples.frames(self.path)
        self.count = len(frames)
        rate = self.examples.fps
        timed = ((frame, i / rate) for i, frame in enumerate(frames))
        chosen = resampled(timed, self.wanted_fps, lambda _: 1 / rate)
        for frame, number, seconds in chosen:
            picture = Image.fromarray(frame)
            pixels = np.array(images.resized(picture, *self.size, self.mode))
            yield Frame(pixels, number, seconds)
