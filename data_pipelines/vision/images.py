"""Pictures of any kind and state -> uint8 (H, W, 3), or one line why not.

Picture   RGB, 0 to 255, of the size that was asked for; H height, W width
Formats   JPEG, PNG, BMP, GIF, WebP, known by their first bytes, not by a name

    read("cat.jpg", 192)                       # (192, 192, 3)
    read(content, (128, 256), mode="crop")     # bytes; (128, 256, 3)
    for picture in in_order(lambda path: read(path, 192), paths):  # ahead
        if isinstance(picture, PictureError):
            bad.add(picture)                   # bad = BadFiles()
    bad.check(len(paths))                      # DataError if too many are bad

A picture is turned as its EXIF data say; what is transparent becomes white;
CMYK, grey, palette and 16 bits become RGB. Its size is read from its header
before anything is decoded. Animations are refused: which of its frames a
caption would be about is not known. Everything that is wrong with a picture
is a `PictureError`. A changed bit in the data of a JPEG cannot be noticed.
"""

import contextlib
import functools
import io
import os
import re
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data_pipelines.files import atomic
from data_pipelines.files.ahead import worked_ahead
from data_pipelines.files.errors import EXHAUSTED, DataError
from data_pipelines.files.names import printable

# Changes when the same file would give other pixels.
VERSION = 2

# 67 million; decoded it is 200 MB, and no camera but a few phones' has more.
MOST_PIXELS = 2**26
MOST_BYTES = 2**28

# More bad pictures than this share are no accident.
MOST_BAD = 0.05

MODES = ("stretch", "crop")

# Of pictures on pages.
_QUALITY = 82

# First bytes -> Pillow's name; so one reader sees a file, and not fifty.
_FORMATS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
}

# What phones have in place of JPEG.
_OTHER_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")

# Each scan of a progressive JPEG is decoded over the whole picture, however few
# bytes it has; usual ones have ten.
_SCAN = re.compile(rb"\xff\xda\0(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")
_MOST_SCANS = 100

# EXIF's orientation -> what turns the picture upright.
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)

# Nothing is printed about what is in a picture. The filter stays, because
# warnings.catch_warnings is not for threads: two that overlap can leave each
# other's filters behind.
_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


class PictureError(DataError):
    """A picture that cannot be read, in one line.

    Attributes:
        name: Which picture; empty if it came as bytes.
        reason: What is wrong with it.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}" if name else reason)
        self.name = name
        self.reason = reason


def read(
    source: str | Path | bytes,
    size: int | tuple[int, int],
    mode: str = "stretch",
) -> np.ndarray:
    """Read one picture.

    Args:
        source: A file, or its content.
        size: Height and width of the result; one number is both.
        mode: `stretch` changes the ratio of the sides; `crop` keeps it, and
            cuts off what is too much, alike on both sides.

    Returns:
        uint8 `(H, W, 3)`.

    Raises:
        PictureError: Whatever is wrong with the picture.
    """
    if isinstance(source, bytes):
        return decode(source, size, mode)
    return decode(content(source), size, mode, printable(source))


def content(path: str | Path) -> bytes:
    """Return the bytes of a picture's file, or raise `PictureError`."""
    name = printable(path)
    try:
        status = os.stat(path)
        # To open a pipe would wait for its other end.
        is_file = stat.S_ISREG(status.st_mode)
        if is_file and status.st_size <= MOST_BYTES:
            return Path(path).read_bytes()
    except FileNotFoundError:
        raise PictureError(name, "there is no such file") from None
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        raise PictureError(name, f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise PictureError(name, f"is no file name: {error}") from None
    if not is_file:
        raise PictureError(name, "is a folder or a device, not a file")
    size = f"{status.st_size:,} bytes; expected at most {MOST_BYTES:,}"
    raise PictureError(name, f"the file has {size}")


def thumbnail(content: bytes, side: int) -> Image.Image:
    """Return a small picture to show, RGB and upright, of the same ratio.

    Args:
        content: The file.
        side: Most pixels of its longer side.

    Raises:
        PictureError: As `read`.
    """
    with _damage_named(""):
        picture, orientation = _opened(content, "")
        picture.draft("RGB", (2 * side, 2 * side))
        small = _rgb(picture)
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        if orientation in _TURNS:
            small = small.transpose(_TURNS[orientation])
        return small


def jpeg(picture: Image.Image) -> bytes:
    """Return a picture as a JPEG for a page."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()


def decode(
    content: bytes,
    size: int | tuple[int, int],
    mode: str = "stretch",
    name: str = "",
) -> np.ndarray:
    """Decode a picture from the bytes of its file; see `read`.

    Args:
        content: The file.
        size: Height and width of the result; one number is both.
        mode: One of `MODES`.
        name: Of the picture, for messages.
    """
    if mode not in MODES:
        raise ValueError(f"unknown mode {mode!r}; expected {', '.join(MODES)}")
    height, width = (size, size) if isinstance(size, int) else size
    if warnings.filters[:1] != [_QUIET]:
        warnings.filterwarnings("ignore", module=_QUIET[3].pattern)
    with _damage_named(name):
        picture, orientation = _opened(content, name)
        if orientation in _SIDEWAYS:
            height, width = width, height
        picture = resized(_rgb(picture), height, width, mode)
        if orientation in _TURNS:
            picture = picture.transpose(_TURNS[orientation])
        return np.array(picture)


@contextlib.contextmanager
def _damage_named(name: str) -> Iterator[None]:
    try:
        yield
    except PictureError:
        raise
    # A broken file makes Pillow raise nearly anything, from struct.error to
    # ZeroDivisionError; each of them says that the picture is broken.
    except Exception as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise PictureError(name, f"is cut off or damaged ({why})") from None


def _opened(content: bytes, name: str) -> tuple[Image.Image, int | None]:
    """Read the header alone: the picture to decode, and its orientation."""
    if not content:
        raise PictureError(name, "the file is empty")
    formats = [f for start, f in _FORMATS.items() if content.startswith(start)]
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        formats = ["WEBP"]
    if content[4:8] == b"ftyp" and content[8:12] in _OTHER_BRANDS:
        raise PictureError(name, "is HEIC or AVIF; save it as JPEG or PNG")
    if not formats:
        raise PictureError(name, "is no JPEG, PNG, BMP, GIF or WebP picture")
    if len(_SCAN.findall(content)) > _MOST_SCANS:
        raise PictureError(name, "is a JPEG of too many scans; save it anew")
    most = f"expected at most {MOST_PIXELS:,}"
    try:
        picture = Image.open(io.BytesIO(content), formats=formats)
    except Image.DecompressionBombError:
        raise PictureError(name, f"has too many pixels; {most}") from None
    except Image.UnidentifiedImageError:
        raise PictureError(
            name, f"is cut off or damaged (the header of a {formats[0]} file)"
        ) from None
    width, height = picture.size
    if width < 1 or height < 1:
        raise PictureError(name, f"is {width} x {height} pixels")
    if width * height > MOST_PIXELS:
        raise PictureError(name, f"is {width:,} x {height:,} pixels; {most}")
    transparent = picture.info.get("transparency")
    if picture.format == "PNG" and picture.mode == "L" and transparent:
        # A level of so many bits as the file has; Pillow makes 8 of them.
        picture.info["transparency"] = (
            transparent * 255 // (2 ** content[24] - 1)
        )
    # The second picture in a JPEG is the same for the other eye, or smaller.
    if picture.format != "MPO" and getattr(picture, "is_animated", False):
        raise PictureError(name, "is animated; expected a single picture")
    # Not ImageOps.exif_transpose: it fails on EXIF data that are broken, and
    # a picture with broken EXIF data is a good picture.
    try:
        return picture, picture.getexif().get(_ORIENTATION)
    except Exception:
        return picture, None


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits of grey
        levels = np.asarray(picture)
        grey = (levels >> 8).astype(np.uint8)
        transparent = picture.info.get("transparency")
        if isinstance(transparent, int):
            grey[levels == transparent] = 255
        return Image.fromarray(grey).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


def resized(
    picture: Image.Image,
    height: int,
    width: int,
    mode: str,
    aspect: float = 1.0,
) -> Image.Image:
    """Return a picture of another size.

    Args:
        picture: The picture.
        height: Of the result.
        width: Of the result.
        mode: See `read`.
        aspect: How wide a pixel of the picture is shown for its height.
    """
    if mode == "crop":
        across, down = picture.size
        scale = min(across * aspect / width, down / height)
        columns = max(1, round(scale * width / aspect))
        rows = max(1, round(scale * height))
        left, top = (across - columns) // 2, (down - rows) // 2
        # Not `box` of resize, which looks at pixels outside of it.
        picture = picture.crop((left, top, left + columns, top + rows))
    # Across first, then down: in one call Pillow's version would decide, and
    # `graph_images.py` has to do the same.
    picture = picture.resize((width, picture.height), Image.Resampling.BILINEAR)
    return picture.resize((width, height), Image.Resampling.BILINEAR)


def in_order(
    work: Callable[[Any], Any],
    items: Iterable,
    workers: int | None = None,
    ahead: int = 0,
) -> Iterator[Any]:
    """Yield what `work` returns for each item, in order, worked on ahead.

    A `PictureError` is yielded, any other exception raised.

    Args:
        work: Takes an item; is called by threads, which Pillow lets run side
            by side.
        items: What to work on.
        workers: Threads; by default as many as the machine has cores.
        ahead: How many items are worked on before they are wanted, two for
            each thread at least: so a batch is ready when one is done with.
    """
    workers = workers or os.cpu_count() or 1
    results = worked_ahead(
        functools.partial(_caught, work),
        items,
        workers,
        max(2 * workers, ahead),
    )
    with contextlib.closing(results):
        for _, result in results:
            yield result


def _caught(work: Callable[[Any], Any], item: Any) -> Any:
    try:
        return work(item)
    except PictureError as error:
        # A new one, because the old one holds on to the frames it passed
        # through, and these to the picture's bytes.
        return PictureError(error.name, error.reason)


class BadFiles:
    """Pictures or videos that cannot be read, and why.

    Args:
        kind: What they are, for messages: "pictures" or "videos".
        known: Some that are known already.

    Attributes:
        reasons: Name -> what is wrong with it, in the order they were added.
    """

    def __init__(
        self, kind: str = "pictures", known: "BadFiles | None" = None
    ) -> None:
        self.kind = kind
        self.reasons = {} if known is None else dict(known.reasons)

    def __len__(self) -> int:
        return len(self.reasons)

    def add(self, error: PictureError) -> None:
        """Count one, once."""
        self.reasons[error.name] = error.reason

    def report(self, total: int) -> str:
        """Return how many there are among how many, and the first of them."""
        first = [f"{n}: {why}" for n, why in list(self.reasons.items())[:3]]
        more = "; ..." if len(self) > len(first) else ""
        return (
            f"{len(self):,} of {total:,} {self.kind} "
            f"({len(self) / total:.1%}) cannot be read: "
            f"{'; '.join(first)}{more}"
        )

    def write(self, path: str | Path) -> None:
        """Write all of them into a file, a line each."""
        with atomic.replacing(path) as temporary:
            lines = (f"{name}: {why}\n" for name, why in self.reasons.items())
            temporary.write_text("".join(lines), "utf-8")

    def check(self, total: int, path: Path | None = None) -> None:
        """Raise a `DataError` if they are more than `MOST_BAD` of all.

        Args:
            total: How many files there are, bad ones among them.
            path: Where all of them are listed, if there are any; a list of
                an earlier time is removed.
        """
        if path is not None:
            path.unlink(missing_ok=True)
            if self:
                path.parent.mkdir(parents=True, exist_ok=True)
                self.write(path)
        if len(self) > MOST_BAD * total:
            listed = "" if path is None else f"; all are listed in {path}"
            raise DataError(
                f"{self.report(total)}; expected at most {MOST_BAD:.0%}{listed}"
            )
