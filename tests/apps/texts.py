"""What the tests of the language model app share: a small text, and flags."""

import shlex
from pathlib import Path

from data_pipelines.language_model.demo import generator

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
    return [
        *("--dataset", "files", "--data-path", str(folder / "text")),
        *("--runs-path", str(folder / "runs")),
        *("--cache-path", str(folder / "data"), *SMALL, *more),
    ]
