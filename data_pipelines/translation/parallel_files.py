"""Files of sentences and their translations: which they are, and readers.

Row       source and target as they stand in the file
aligned   train.en and train.de: line n of one translates line n of the other
.tsv      train.tsv: two columns, source and target or as its first line says

Every file may be gzipped, its name then ends in .gz.
"""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from data_pipelines.files.errors import DataError
from data_pipelines.files.splits import data_folder, scan
from data_pipelines.files.tables import Lines, Row

_TABLE = "tsv"
_CODE = re.compile(r"[a-z]{2,3}([_-][A-Za-z0-9]+)*")


class Aligned:
    """Pairs of two files with as many lines, read anew every time.

    Attributes:
        name: What messages call both.
        names: What they call each side.
        repaired: Broken sequences that the last iteration replaced.
    """

    def __init__(self, source: Path, target: Path) -> None:
        self.paths = (source, target)
        self.name = f"{source} and {target.name}"
        self.names = (str(source), str(target))
        self.repaired = 0

    def __iter__(self) -> Iterator[Row]:
        sides = [Lines(path) for path in self.paths]
        pairs = itertools.zip_longest(*sides)
        for number, (source, target) in enumerate(pairs, 1):
            if source is None or target is None:
                raise self._unequal()
            yield Row({"source": source, "target": target}, number)
        self.repaired = sum(lines.repaired for lines in sides)

    def _unequal(self) -> DataError:
        first, second = self.paths
        counts = [sum(1 for _ in Lines(path)) for path in self.paths]
        return DataError(
            f"{first}:{min(counts) + 1}: {first.name} has {counts[0]:,} lines "
            f"and {second.name} has {counts[1]:,}; line n of one must be the "
            "translation of line n of the other"
        )


class PairTable(Lines):
    """Pairs of a .tsv file.

    Its first line may name the two languages; without it the columns are in
    the order of `languages`.

    Attributes:
        name: What messages call it.
        names: What they call each side.
    """

    def __init__(self, path: Path, languages: tuple[str, str]) -> None:
        super().__init__(path)
        self.paths = (path,)
        self.languages = languages
        self.name = str(path)
        self.names = tuple(f"{path} ({language})" for language in languages)

    def __iter__(self) -> Iterator[Row]:
        order = (0, 1)
        for number, line in enumerate(super().__iter__(), 1):
            fields = [field.strip() for field in line.split("\t")]
            if number == 1 and self._is_header(fields):
                order = tuple(map(fields.index, self.languages))
            elif len(fields) == 2:
                source, target = (fields[column] for column in order)
                yield Row({"source": source, "target": target}, number)
            elif fields == [""]:
                yield Row({"source": "", "target": ""}, number)
            else:
                raise DataError(
                    f"{self.path}:{number}: expected 2 columns, found "
                    f"{len(fields)}; a line is a sentence, one tab, and its "
                    "translation"
                )

    def _is_header(self, fields: list[str]) -> bool:
        if sorted(fields) == sorted(self.languages):
            return True
        if _are_codes(fields) and set(fields) & set(self.languages):
            raise DataError(
                f"{self.name}:1: the columns are {' and '.join(fields)}, "
                f"expected {' and '.join(self.languages)}, as --languages says"
            )
        return False


def _are_codes(fields: list[str]) -> bool:
    """Return whether the fields can be a header: two language codes."""
    return len(set(fields)) == len(fields) == 2 and all(
        map(_CODE.fullmatch, fields)
    )


def parse(languages: str) -> tuple[str, str]:
    """Return ("en", "de") for "en-de"."""
    parts = languages.split("-")
    if len(parts) != 2 or not all(parts) or parts[0] == parts[1]:
        raise DataError(
            f"--languages {languages}: expected two languages, source and "
            "target, as the files' endings with a hyphen between, such as en-de"
        )
    return parts[0], parts[1]


def find(
    data_path: str | Path | None, languages: str, training: bool
) -> tuple[tuple[str, str], dict[str, Aligned | PairTable]]:
    """Find the files of the splits in a user's folder.

    Args:
        data_path: The folder.
        languages: Source and target as the files' endings, "en-de"; may be
            empty if train is a .tsv whose first line says it.
        training: Whether train is needed; else any one will do.

    Returns:
        The languages, and split -> its pairs, for the splits with files.
    """
    folder = data_folder(data_path)
    files = scan(folder)
    pair = parse(languages) if languages else _inferred(folder, files)
    every = {
        split: _pairs(folder, split, endings, pair)
        for split, endings in files.items()
    }
    pairs = {split: own for split, own in every.items() if own is not None}
    if not pairs or (training and "train" not in pairs):
        raise _no_train(folder, files, pair, training)
    return pair, pairs


def _inferred(folder: Path, files: dict) -> tuple[str, str]:
    """Return the languages that the files themselves name."""
    endings = files.get("train", {})
    if _TABLE in endings:
        path = endings[_TABLE]
        first = next(iter(Lines(path)))
        fields = [field.strip() for field in first.split("\t")]
        if _are_codes(fields):
            return fields[0], fields[1]
        raise DataError(
            f"{path}:1: the first line does not name two languages; add "
            "--languages en-de, or what the columns are, or a first line en, "
            "tab, de"
        )
    names = list(endings)
    if len(names) < 2:
        raise _no_train(folder, files, None, True)
    choices = [f"{a}-{b}" for a, b in itertools.permutations(names[:4], 2)]
    raise DataError(
        f"{folder}: which way to translate? add --languages with one of "
        f"{', '.join(choices)}"
    )


def _pairs(
    folder: Path, split: str, endings: dict, languages: tuple[str, str]
) -> Aligned | PairTable | None:
    """Return a split's pairs; None if it has no file in these languages."""
    present = [language for language in languages if language in endings]
    if _TABLE in endings:
        if present:
            raise DataError(
                f"{folder}: holds {endings[_TABLE].name} and "
                f"{endings[present[0]].name}; expected one or the other"
            )
        return PairTable(endings[_TABLE], languages)
    if len(present) == 1:
        (missing,) = set(languages) - set(present)
        raise DataError(
            f"{folder}: has {endings[present[0]].name} but no "
            f"{split}.{missing}; found "
            f"{', '.join(path.name for path in endings.values())}"
        )
    if not present:
        return None
    return Aligned(*(endings[language] for language in languages))


def _no_train(
    folder: Path, files: dict, languages: tuple | None, training: bool
) -> DataError:
    source, target = languages or ("en", "de")
    split = "train" if training else "test"
    names = [path.name for paths in files.values() for path in paths.values()]
    present = f"; found {', '.join(names)}" if names else ""
    return DataError(
        f"{folder}: has no {split} files; expected {split}.{source} and "
        f"{split}.{target}, or {split}.tsv, or these with .gz{present}"
    )
