"""Pictures with their captions on a page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from apps.common.generation import Hypothesis
from data_pipelines.vision import images

from . import attention

TEMPLATE = "captioning/report.html.jinja"

# The longer side of a picture on a page, in pixels.
SIDE = 448


def example(
    path: Path,
    captions: list[Hypothesis],
    words_and_weights: tuple[list[str], np.ndarray] | None,
    references: Sequence[str] = (),
    errors: dict[str, list[str]] | None = None,
) -> dict:
    """Return a picture and its captions for the page.

    Args:
        path: The file of the picture.
        captions: The best first.
        words_and_weights: Of the best, the words and `(T, rows, columns)`, or
            `None`.
        references: Captions of people.
        errors: Of the best caption, the facts that are missing and those that
            are false; `None` if the facts of the picture are not known.
    """
    picture, size = thumbnail(images.content(path))
    return {
        "name": images.printable(path.name),
        "picture": picture,
        "size": size,
        "captions": captions,
        "references": references,
        "errors": errors,
        "attention": [
            (word, attention.fog(weights).tolist())
            for word, weights in zip(*words_and_weights, strict=True)
        ]
        if words_and_weights
        else [],
    }


def thumbnail(content: bytes) -> tuple[bytes, tuple[int, int]]:
    """Return a small JPEG of the bytes of any picture, its width and height."""
    small = images.thumbnail(content, SIDE)
    return images.jpeg(small), small.size
