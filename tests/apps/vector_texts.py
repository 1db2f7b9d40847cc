"""What the tests of the word vectors app share: a small text, and flags."""

import shlex
from pathlib import Path

from data_pipelines.word_vectors.demo import generator
from tests.apps.tools import file_flags

SIZES = {"train": 4000}
SMALL = shlex.split("--embedding-size 24 --epochs 8 --minimum-count 1")


def write_text(folder: Path):
    """Sentences of the demo, fewer, and all that they are tested on."""
    folder.mkdir(parents=True, exist_ok=True)
    generator.write(folder, sizes=SIZES)
    return folder


def flags(folder, *more):
    return file_flags(folder, "text", *SMALL, *more)
