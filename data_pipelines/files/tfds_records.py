"""Public data sets by their TFDS name, never downloaded unasked."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from data_pipelines.files import cache, names
from data_pipelines.files.errors import DataError
from data_pipelines.files.lines import decode
from data_pipelines.files.tables import Row


def prepared(name: str, data_path: str | Path | None, download: bool) -> Any:
    """Return the TFDS builder of a prepared set.

    Args:
        name: TFDS's name of the set.
        data_path: TFDS's folder; by default its own choice.
        download: Whether to fetch the set if it is missing.
    """
    # Slow to import, and needed for nothing but public sets.
    import tensorflow_datasets as tfds

    data_dir = None if data_path is None else str(data_path)
    builder = tfds.builder(name, data_dir=data_dir)
    if not download:
        try:
            builder.as_dataset(split="train")
        except AssertionError:
            raise DataError(
                f"{name}: not found in {builder.data_dir}; add --download to "
                "fetch it"
            ) from None
        return builder
    try:
        builder.download_and_prepare()
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{name}: could not be downloaded: {reason}") from None
    return builder


def builder_fingerprint(builder: Any) -> list:
    """Return what changes when the prepared set changes."""
    folder = Path(builder.data_dir)
    files = names.listed(folder) if folder.is_dir() else []
    return [builder.info.full_name, *map(cache.file_fingerprint, files)]


class TfdsRows:
    """Rows of one split of a prepared set, read anew by every iteration.

    Args:
        builder: From `prepared`.
        split: TFDS's name of the split.
        columns: Column -> the features that it is made of, joined by line
            breaks; a ClassLabel gives its name.

    Attributes:
        name: What messages call it.
        repaired: Broken sequences replaced in the last iteration.
    """

    def __init__(
        self, builder: Any, split: str, columns: Mapping[str, Sequence[str]]
    ) -> None:
        self.builder = builder
        self.split = split
        self.columns = columns
        self.name = f"{builder.info.full_name} ({split})"
        self.repaired = 0

    def __iter__(self) -> Iterator[Row]:
        self.repaired = 0
        dataset = self.builder.as_dataset(split=self.split)
        for number, example in enumerate(dataset.as_numpy_iterator(), 1):
            fields = {
                column: "\n".join(self._text(f, example[f]) for f in features)
                for column, features in self.columns.items()
            }
            yield Row(fields, number, file=self.name)

    def notes(self) -> list[str]:
        """Return a line about what the last iteration replaced, if it did."""
        if not self.repaired:
            return []
        return [f"{self.name}: {self.repaired:,} broken bytes replaced"]

    def _text(self, feature: str, value: Any) -> str:
        names = getattr(self.builder.info.features[feature], "names", None)
        if names:
            return names[int(value)]
        text, repaired = decode(value)
        self.repaired += repaired
        return text
