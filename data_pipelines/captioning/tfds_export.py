"""Pictures and captions of TFDS as files, as a user could have brought them.

Files   images/..., the pictures as they are in the set, not decoded
        captions.csv with the columns image,caption,split
"""

import csv
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_pipelines.files.errors import DataError
from data_pipelines.files.progress import progress_bar

# Raise it with any change of the files.
VERSION = 1

# Our split -> TFDS's. As Karpathy and Li cut the set of 2014, which is what
# published scores are of: what their valid and test leave of COCO's is train.
SPLITS = {"train": "train+restval", "valid": "val", "test": "test"}


def write(builder: Any, folder: Path) -> None:
    """Write all files.

    Args:
        builder: From `tfds_records.prepared`; its examples have `image`,
            `image/filename` and `captions`.
        folder: An existing empty folder.

    Raises:
        DataError: If there is no room.
    """
    _refuse_too_large(builder, folder)
    images = folder / "images"
    images.mkdir()
    count = 0
    path = folder / "captions.csv"
    with (
        path.open("w", encoding="utf-8", newline="") as file,
        progress_bar(f"writing {builder.name}", "pictures") as bar,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("image", "caption", "split"))
        for split in SPLITS:
            for name, picture, texts in _examples(builder, SPLITS[split]):
                count += 1
                # In front, because no one says that names are unique.
                name = f"{split}_{count:06}_{name}"
                (images / name).write_bytes(picture)
                writer.writerows((name, text, split) for text in texts)
                bar.update()


def _examples(
    builder: Any, split: str
) -> Iterator[tuple[str, bytes, list[str]]]:
    """Yield (name, file, captions) of pictures that have a caption."""
    # Slow to import, and needed for nothing but public sets.
    import tensorflow_datasets as tfds

    dataset = builder.as_dataset(
        split=split, decoders={"image": tfds.decode.SkipDecoding()}
    )
    for example in dataset.as_numpy_iterator():
        name = Path(example["image/filename"].decode("utf-8", "replace")).name
        captions = (
            " ".join(raw.decode("utf-8", "replace").split())
            for raw in example["captions"]["text"]
        )
        if texts := list(filter(None, captions)):
            yield name, example["image"], texts


def _refuse_too_large(builder: Any, folder: Path) -> None:
    needed = builder.info.dataset_size or 0
    free = shutil.disk_usage(folder).free
    line = (
        f"{builder.name}: its pictures are written to {folder.parent}, "
        f"{needed / 1e9:.3g} GB"
    )
    if free < needed:
        raise DataError(f"{line}; free are {free / 1e9:.3g} GB")
    print(line, file=sys.stderr)
