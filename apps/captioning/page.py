"""Pictures with their captions on a page."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from apps.common.generation import Hypothesis
from data_pipelines.vision import images

from . import attention

TEMPLATE = "captioning/report.html.jinja"

# The longer side of a picture on a page, in pixels, and Pillow's quality.
SIDE = 256
QUALITY = 82


def example(
    path: Path,
    pixels: np.ndarray,
    captions: list[Hypothesis],
    words_and_weights: tuple[list[str], np.ndarray] | None,
    references: Sequence[str] = (),
    errors: dict[str, list[str]] | None = None,
) -> dict:
    """Return a picture and its captions for the page.

    Args:
        path: The file of the picture.
        pixels: uint8 `(H, W, 3)`, in the size of the model.
        captions: The best first.
        words_and_weights: Of the best, see `attention.strip`, or `None`.
        references: Captions of people.
        errors: Of the best caption, the facts that are missing and those that
            are false; `None` if the facts of the picture are not known.
    """
    strip = None
    if words_and_weights is not None:
        strip = attention.strip(pixels, *words_and_weights)
    return {
        "name": images.printable(path.name),
        "picture": thumbnail(images.content(path)),
        "captions": captions,
        "references": references,
        "errors": errors,
        "attention": strip,
    }


def thumbnail(content: bytes) -> bytes:
    """Return a small JPEG of the bytes of any picture."""
    buffer = io.BytesIO()
    small = images.thumbnail(content, SIDE)
    small.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()
