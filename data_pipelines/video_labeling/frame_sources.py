"""Where the frames of a video come from, and what makes it another video."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from data_pipelines.files.file_index import FileIndex, file_identity
from data_pipelines.vision import image_sequence, images, video
from data_pipelines.vision.images import printable
from data_pipelines.vision.video import Frame, Reader, VideoError


class Source(Protocol):
    """The frames of one video, as they are stored.

    Attributes:
        shape: of a frame.
        dtype: of a frame.
        count: how many frames the video itself has, once it has been read.
        fps: the rate of what is yielded, once something has been.
    """

    shape: tuple[int, ...]
    dtype: str
    count: int
    fps: float

    def __iter__(self) -> Iterator[Frame]:
        """Yields frames, or features in their place."""

    def expected(self) -> int:
        """About how many there will be, without reading them."""


class Medium(Protocol):
    """A kind of videos.

    Attributes:
        name: changes when the same video would give other frames.
    """

    name: str

    def content(self, path: Path, known: FileIndex) -> str:
        """A short name for what a video holds, remembered in `known`.

        Raises:
            VideoError: if it cannot be read.
        """

    def open(
        self, path: Path, size: tuple[int, int], fps: float, mode: str
    ) -> Source:
        """Frames of a size and a rate; see `video.Reader`."""


class Files:
    """Files of videos, and folders of pictures."""

    name = f"files {video.VERSION} {images.VERSION}"

    def content(self, path: Path, known: FileIndex) -> str:
        """That of a folder is made from names and contents of its pictures."""
        if not path.is_dir():
            return content(path, known)
        parts = [
            [p.name, content(p, known)] for p in image_sequence.pictures(path)
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def open(
        self, path: Path, size: tuple[int, int], fps: float, mode: str
    ) -> Reader:
        """See `video.Reader`."""
        return Reader(path, size, fps, mode)


def content(path: Path, known: FileIndex) -> str:
    """A short name for what a file holds, remembered in `known`."""
    where = file_identity(path)
    if where is None:
        raise VideoError(printable(path), "there is no such file")
    if where not in known.entries:
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise VideoError(
                printable(path), f"cannot be read: {error.strerror}"
            ) from None
        known.add(where, digest[:32])
    return known.entries[where]
