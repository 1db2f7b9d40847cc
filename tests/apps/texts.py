"""What the tests of the language model app share: a small text, and flags."""

import shlex
from pathlib import Path

from data_pipelines.language_model.demo import generator
from tests.apps.tools import file_flags

SIZES = {"train": 700, "valid": 40, "test": 60}
SMALL = shlex.split(
    "--units 24 --embedding-size 24 --batch-size 8 --chunk 20 --epochs 3"
    " --learning-rate 0.02 --dropout 0.1"
)


def write_text(folder: Path):
    """Sentences of the demo, fewer."""
    folder.mkdir(parents=True, exist_ok=True)
    generator.write(folder, sizes=SIZES)
    return folder


def flags(folder, *more):
    return file_flags(folder, "text", *SMALL, *more)
