"""Public data sets by their TFDS name, never downloaded unasked."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from data_pipelines.files import cache
from data_pipelines.files.errors import DataError
from data_pipelines.files.tables import Row, decode


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
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return [builder.info.full_name, *map(cache.file_fingerprint, files)]


class TextRecords:
    """Rows `text` and `label` of one split of a prepared set.

    Args:
        builder: From `prepared`.
        split: TFDS's name of the split.
        texts: The features that make up the text, joined by line breaks.
        label: The feature that is the label, a ClassLabel.

    Attributes:
        repaired: Broken sequences replaced in the last iteration.
    """

    def __init__(
        self, builder: Any, split: str, texts: Sequence[str], label: str
    ) -> None:
        self.builder = builder
        self.split = split
        self.texts = texts
        self.label = label
        self.repaired = 0

    def __iter__(self) -> Iterator[Row]:
        self.repaired = 0
        names = self.builder.info.features[self.label].names
        dataset = self.builder.as_dataset(split=self.split)
        for number, example in enumerate(dataset.as_numpy_iterator(), 1):
            raw = b"\n".join(example[feature] for feature in self.texts)
            text, repaired = decode(raw)
            self.repaired += repaired
            label = names[int(example[self.label])]
            yield Row({"text": text, "label": label}, number)


class PairRecords:
    """Pairs of one split of a prepared set of translations.

    Args:
        builder: From `prepared`.
        split: TFDS's name of the split.
        languages: The features that are source and target.

    Attributes:
        name: What messages call it.
        names: What they call each side.
        repaired: Broken sequences replaced in the last iteration.
    """

    def __init__(
        self, builder: Any, split: str, languages: tuple[str, str]
    ) -> None:
        self.builder = builder
        self.split = split
        self.languages = languages
        self.name = f"{builder.info.full_name} ({split})"
        self.names = tuple(f"{self.name}, {name}" for name in languages)
        self.repaired = 0

    def __iter__(self) -> Iterator[tuple[str, str, int]]:
        self.repaired = 0
        dataset = self.builder.as_dataset(split=self.split)
        for number, example in enumerate(dataset.as_numpy_iterator(), 1):
            sides = []
            for language in self.languages:
                text, repaired = decode(example[language])
                self.repaired += repaired
                sides.append(text)
            yield sides[0], sides[1], number
