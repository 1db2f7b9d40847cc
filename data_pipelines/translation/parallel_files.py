"""Files of sentences and their translations: which they are, and readers.

Row       source and target as they stand in the file
aligned   train.en and train.de: line n of one translates line n of the other;
          beside them may be train.alternatives, whose line n has further
          translations that are right, tabs between
.tsv      train.tsv: two columns, source and target or as its first line says
tables    train.csv, .jsonl or .parquet: columns named as the languages, or
          `source` and `target`

Every file may be gzipped, its name then ends in .gz.
"""

import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from data_pipelines.files.errors import DataError
from data_pipelines.files.lines import Lines
from data_pipelines.files.sources import Request
from data_pipelines.files.splits import data_folder, scan
from data_pipelines.files.tables import SUFFIXES, Row, Table, kind, parts

_LINES = "tsv"
_ALTERNATIVES = "alternatives"
_CODE = re.compile(r"[a-z]{2,3}([_-][A-Za-z0-9]+)*")


class Aligned:
    """Pairs of two files with as many lines, read anew every time.

    Args:
        paths: Sources, translations and, if there are any, alternatives.
        encoding: Of all.

    Attributes:
        name: What messages call both.
        sides: What they call each side.
    """

    def __init__(self, paths: Sequence[Path], encoding: str) -> None:
        self.paths = tuple(paths)
        source, target = paths[:2]
        self.name = f"{source} and {target.name}"
        self.sides = (str(source), str(target))
        self._lines = [Lines(path, encoding) for path in self.paths]

    def __iter__(self) -> Iterator[Row]:
        for number, lines in enumerate(itertools.zip_longest(*self._lines), 1):
            if None in lines:
                raise self._unequal()
            source, target, *alternatives = lines
            row = {"source": source, "target": target}
            for line in alternatives:
                if not line.strip():
                    raise DataError(
                        f"{self.paths[2]}:{number}: the line is empty; expected"
                        " one translation or several with tabs between"
                    )
                row[_ALTERNATIVES] = line.split("\t")
            yield Row(row, number)

    def notes(self) -> list[str]:
        """See `Lines`."""
        return [note for side in self._lines for note in side.notes()]

    def _unequal(self) -> DataError:
        counts = [sum(1 for _ in side) for side in self._lines]
        first = self.paths[0]
        other, count = next(
            (path, count)
            for path, count in zip(self.paths, counts, strict=True)
            if count != counts[0]
        )
        return DataError(
            f"{first}:{min(count, counts[0]) + 1}: {first.name} has "
            f"{counts[0]:,} lines and {other.name} has {count:,}; line n of "
            "one must be the translation of line n of the other"
        )


class PairLines(Lines):
    """Pairs of a .tsv file.

    Its first line may name the two languages; without it the columns are in
    the order of `languages`.

    Attributes:
        name: What messages call it.
        sides: What they call each side.
    """

    def __init__(
        self, path: Path, languages: tuple[str, str], encoding: str
    ) -> None:
        super().__init__(path, encoding)
        self.paths = (path,)
        self.languages = languages
        self.name = str(path)
        self.sides = tuple(f"{path} ({language})" for language in languages)

    def __iter__(self) -> Iterator[Row]:
        order, width = (0, 1), 2
        for number, line in enumerate(super().__iter__(), 1):
            fields = [field.strip() for field in line.split("\t")]
            if number == 1 and self._is_header(fields):
                order = tuple(map(fields.index, self.languages))
                width = len(fields)
            elif len(fields) == width:
                source, target = (fields[column] for column in order)
                yield Row({"source": source, "target": target}, number)
            elif fields == [""]:
                yield Row({"source": "", "target": ""}, number)
            else:
                raise DataError(
                    f"{self.path}:{number}: expected {width} columns, found "
                    f"{len(fields)}; a line is a sentence, one tab, and its "
                    "translation"
                )

    def _is_header(self, fields: list[str]) -> bool:
        if {*self.languages} <= {*fields}:
            return True
        if _are_codes(fields) and set(fields) & set(self.languages):
            raise DataError(
                f"{self.name}:1: the columns are {' and '.join(fields)}, "
                f"expected {' and '.join(self.languages)}, as --languages says"
            )
        return False


class PairTable(Table):
    """Pairs of a table with a column for each language.

    Attributes:
        name: What messages call it.
        sides: What they call each side.
    """

    def __init__(
        self, path: Path, languages: tuple[str, str], encoding: str
    ) -> None:
        also = {
            language: (f"translation.{language}", side)
            for language, side in zip(
                languages, ("source", "target"), strict=True
            )
        }
        super().__init__(path, languages, encoding=encoding, also=also)
        self.paths = (path,)
        self.name = str(path)
        self.sides = tuple(f"{path} ({language})" for language in languages)

    def __iter__(self) -> Iterator[Row]:
        for row in super().__iter__():
            source, target = (row[language] for language in self.required)
            pair = {"source": source, "target": target}
            yield Row(pair, row.line, file=row.file)


def _are_codes(fields: Sequence[str]) -> bool:
    """Return whether the fields can be a header: two language codes."""
    return len(set(fields)) == len(fields) == 2 and all(
        map(_CODE.fullmatch, fields)
    )


def parse(languages: str, names: Collection[str] = ()) -> tuple[str, str]:
    """Return ("en", "de") for "en-de", and ("en", "zh-CN") for "en-zh-CN".

    Args:
        languages: What the user says.
        names: What the files call their languages; decides where a name has
            a hyphen in it.
    """
    parts = languages.split("-")
    pairs = [
        ("-".join(parts[:cut]), "-".join(parts[cut:]))
        for cut in range(1, len(parts))
    ]
    if len(pairs) > 1:
        present = [pair for pair in pairs if {*pair} <= {*names}]
        pairs = present or [pair for pair in pairs if _are_codes(pair)]
    if len(pairs) != 1 or not all(pairs[0]) or pairs[0][0] == pairs[0][1]:
        raise DataError(
            f"--languages {languages}: expected two languages, source and "
            "target, as the files' endings with a hyphen between, such as en-de"
        )
    return pairs[0]


def find(
    request: Request, languages: str
) -> tuple[tuple[str, str], dict[str, Aligned | PairLines | PairTable]]:
    """Find the files of the splits in a user's folder.

    Args:
        request: Names the folder, or one file of pairs.
        languages: Source and target as the files' endings or columns, "en-de";
            may be empty if train is a .tsv whose first line says it.

    Returns:
        The languages, and split -> its pairs, for the splits with files.
    """
    if kind(request.data_path or "") and Path(request.data_path).is_file():
        folder = Path(request.data_path)
        split = "test" if request.whole else "train"
        files = {split: {kind(folder)[1:]: folder}}
    else:
        folder = data_folder(request.data_path)
        files = scan(folder)
    if languages:
        endings = {ending for names in files.values() for ending in names}
        pair = parse(languages, endings)
    else:
        pair = _inferred(folder, files, request.encoding)
    every = {
        split: _pairs(folder, split, endings, pair, request.encoding)
        for split, endings in files.items()
    }
    pairs = {split: own for split, own in every.items() if own is not None}
    if not pairs or (request.training and "train" not in pairs):
        raise _no_train(folder, files, pair, request.training)
    return pair, pairs


def _inferred(folder: Path, files: dict, encoding: str) -> tuple[str, str]:
    """Return the languages that the files themselves name."""
    endings = files.get("train", {})
    if _LINES in endings:
        path = endings[_LINES]
        first = next(iter(Lines(path, encoding)))
        fields = [field.strip() for field in first.split("\t")]
        if _are_codes(fields):
            return fields[0], fields[1]
        raise DataError(
            f"{path}:1: the first line does not name two languages; add "
            "--languages en-de, or what the columns are, or a first line en, "
            "tab, de"
        )
    for table in _tables(endings):
        columns = next(iter(Table(table, (), encoding=encoding, whole=True)))
        names = ", ".join(repr(name.strip()) for name in columns.cells)
        raise DataError(
            f"{table}: which way to translate? add --languages with the names "
            "of two of its columns, source first, such as en-de; the columns "
            f"are {names}"
        )
    names = [name for name in endings if name != _ALTERNATIVES]
    if len(names) < 2:
        raise _no_train(folder, files, None, True)
    choices = [f"{a}-{b}" for a, b in itertools.permutations(names[:4], 2)]
    raise DataError(
        f"{folder}: which way to translate? add --languages with one of "
        f"{', '.join(choices)}"
    )


def _tables(endings: dict[str, Path]) -> list[Path]:
    """Return the files of a split that are tables."""
    return [
        path for end, path in endings.items() if f".{end}".lower() in SUFFIXES
    ]


def _pairs(
    folder: Path,
    split: str,
    endings: dict,
    languages: tuple[str, str],
    encoding: str,
) -> Aligned | PairLines | PairTable | None:
    """Return a split's pairs; None if it has no file in these languages."""
    present = [
        endings[own] for own in (*languages, _ALTERNATIVES) if own in endings
    ]
    missing = [own for own in languages if own not in endings]
    tables = _tables(endings)
    if tables:
        if len(tables + present) > 1:
            first, second, *_ = tables + present
            raise DataError(
                f"{folder}: holds {first.name} and {second.name}; expected one "
                "or the other"
            )
        reader = PairLines if kind(tables[0]) == ".tsv" else PairTable
        if parts(tables[0]) != tables:
            reader = PairTable  # each of them has a header
        return reader(tables[0], languages, encoding)
    if not present:
        return None
    if missing:
        raise DataError(
            f"{folder}: has {present[0].name} but no {split}.{missing[0]}; "
            f"found {', '.join(path.name for path in endings.values())}"
        )
    return Aligned(present, encoding)


def _no_train(
    folder: Path, files: dict, languages: tuple | None, training: bool
) -> DataError:
    source, target = languages or ("en", "de")
    split = "train" if training else "test"
    names = [path.name for paths in files.values() for path in paths.values()]
    present = f"; found {', '.join(names)}" if names else ""
    return DataError(
        f"{folder}: has no {split} files; expected {split}.{source} and "
        f"{split}.{target}, or a table such as {split}.tsv, or these with .gz"
        f"{present}"
    )
