import gzip
import re

import pytest

from data_pipelines.files.errors import DataError
from data_pipelines.translation import pipeline as translation
from tests.data_pipelines.translation.tools import (
    fails,
    make,
    sentences,
    write,
    written,
)


def test_languages_say_the_direction(folder):
    data = make(folder, languages="de-en")
    assert data.languages == ("de", "en")
    assert written(data.test) == [(t, s) for s, t in sentences(50, 2)]


def test_gzipped_files(folder):
    for path in list(folder.iterdir()):
        raw = path.read_bytes()
        path.unlink()
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(raw))
    assert written(make(folder).test) == sentences(50, 2)


@pytest.mark.parametrize("header", ["en\tde", "de\ten", ""])
@pytest.mark.parametrize("languages", ["en-de", "de-en", ""])
def test_tables(folder, header, languages):
    rows = sentences(50, 2)
    for path in folder.iterdir():
        path.unlink()
    places = (1, 0) if header == "de\ten" else (0, 1)
    lines = [header] if header else []
    for split, pairs_of_it in (("train", sentences(600)), ("test", rows)):
        body = [f"{row[places[0]]}\t{row[places[1]]}" for row in pairs_of_it]
        text = "\n".join([*lines, *body, ""])
        (folder / f"{split}.tsv").write_text(text, "utf-8")
    if not header and not languages:
        assert fails(folder, languages="") == (
            "FOLDER/train.tsv:1: the first line does not name two languages; "
            "add --languages en-de, or what the columns are, or a first line "
            "en, tab, de"
        )
        return
    data = make(folder, languages=languages)
    expected = languages or header.replace("\t", "-")
    assert "-".join(data.languages) == expected
    # Without a header the columns are what --languages says.
    if header and expected == "de-en":
        rows = [(target, source) for source, target in rows]
    assert written(data.test) == rows


def test_a_table_of_valid_with_lines_that_look_like_languages(folder):
    (folder / "valid.en").unlink()
    (folder / "valid.de").unlink()
    (folder / "valid.tsv").write_text("so\tja\nthe\tdas\n", "utf-8")
    assert written(make(folder).valid) == [("so", "ja"), ("the", "das")]


def test_unequal_numbers_of_lines(folder):
    write(folder, "valid", sentences(40, 1))
    with (folder / "valid.de").open("a") as file:
        file.write("zu viel\n")
    assert fails(folder) == (
        "FOLDER/valid.en:41: valid.en has 40 lines and valid.de has 41; line "
        "n of one must be the translation of line n of the other"
    )


def test_missing_files_and_languages(folder):
    (folder / "test.de").rename(folder / "test.fr")
    assert fails(folder) == (
        "FOLDER: has test.en but no test.de; found test.en, test.fr"
    )
    assert fails(folder, languages="it-es") == (
        "FOLDER: has no train files; expected train.it and train.es, or "
        "train.tsv, or these with .gz; found train.de, train.en, valid.de, "
        "valid.en, test.en, test.fr"
    )
    assert fails(folder, languages="") == (
        "FOLDER: which way to translate? add --languages with one of de-en, "
        "en-de"
    )
    for languages in ("ende", "en-en", "en-", "en-de-fr"):
        assert fails(folder, languages=languages) == (
            f"--languages {languages}: expected two languages, source and "
            "target, as the files' endings with a hyphen between, such as en-de"
        )


def test_folders(folder, tmp_path):
    empty = tmp_path / "empty"
    assert fails(empty) == "FOLDER: there is no such folder"
    empty.mkdir()
    for languages in ("", "en-de"):
        assert fails(empty, languages=languages) == (
            "FOLDER: has no train files; expected train.en and train.de, or "
            "train.tsv, or these with .gz"
        )
    with pytest.raises(DataError, match=r"^--data-path FOLDER is needed"):
        translation.make_datasets(
            "files", cache_path=tmp_path, vocabulary_size=10, batch_tokens=10,
            max_length=10, seed=0,
        )  # fmt: skip


def test_one_kind_of_file_for_each_split(folder):
    (folder / "train.en.gz").write_bytes(b"")
    assert fails(folder) == (
        "FOLDER: holds train.en and train.en.gz; expected one train.en"
    )
    (folder / "train.en.gz").unlink()
    (folder / "train.tsv").write_text("en\tde\na\tb\n")
    assert fails(folder) == (
        "FOLDER: holds train.tsv and train.en; expected one or the other"
    )


def test_columns_of_a_table(folder):
    for path in folder.glob("train.*"):
        path.unlink()
    table = folder / "train.tsv"
    table.write_text("en\tde\na\tb\n\nc\n")
    assert fails(folder) == (
        "FOLDER/train.tsv:4: expected 2 columns, found 1; a line is a "
        "sentence, one tab, and its translation"
    )
    table.write_text("en\tfr\na\tb\n")
    assert fails(folder) == (
        "FOLDER/train.tsv:1: the columns are en and fr, expected en and de, "
        "as --languages says"
    )


def test_files_that_are_no_text(folder):
    path = folder / "train.de"
    raw = path.read_bytes()
    path.write_bytes(raw.decode().encode("utf-16"))
    assert fails(folder) == (
        "FOLDER/train.de:1: the file is UTF-16; save it as UTF-8"
    )
    path.write_bytes(gzip.compress(raw)[:-20])
    assert re.fullmatch(
        r"FOLDER/train\.de:\d+: the gzip file is damaged or cut off here; "
        r"compress or copy it again \(.*\)",
        fails(folder),
    )
    path.write_bytes(b"")
    assert fails(folder) == "FOLDER/train.de: the file is empty"
    path.write_bytes(b"x" * 2**24 + b"\n" + raw)
    assert fails(folder) == (
        "FOLDER/train.de:1: the line is longer than 16,777,216 bytes; "
        "expected one record per line of text"
    )
