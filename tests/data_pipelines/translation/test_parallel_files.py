import csv
import gzip
import json
import re

import pyarrow
import pytest
from pyarrow import parquet

from data_pipelines.files.errors import DataError
from data_pipelines.translation import parallel_files
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


def test_alternatives_are_references_too(folder):
    rows = sentences(50, 2)
    lines = [target for _, target in rows]
    lines[0] = f" eins  zwei \t{rows[0][1]}\t\tdrei"
    path = folder / "test.alternatives"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    data = make(folder)
    assert data.test.references[:2] == [
        [rows[0][1], "eins zwei", "drei"],
        [rows[1][1]],
    ]
    assert data.valid.references == [[t] for t in data.valid.target_texts]
    assert written(data.test) == rows
    assert fails(folder, languages="").endswith("one of de-en, en-de")


def test_alternatives_that_do_not_fit(folder):
    path = folder / "test.alternatives"
    path.write_text("x\n" * 49)
    assert fails(folder) == (
        "FOLDER/test.en:50: test.en has 50 lines and test.alternatives has 49; "
        "line n of one must be the translation of line n of the other"
    )
    path.write_text("x\n" * 6 + " \t\n" + "x\n" * 43)
    assert fails(folder) == (
        "FOLDER/test.alternatives:7: the line is empty; expected one "
        "translation or several with tabs between"
    )
    (folder / "test.de").unlink()
    (folder / "test.en").rename(folder / "test.tsv")
    assert fails(folder) == (
        "FOLDER: holds test.tsv and test.alternatives; expected one or the "
        "other"
    )
    (folder / "test.tsv").unlink()
    assert fails(folder) == (
        "FOLDER: has test.alternatives but no test.en; found test.alternatives"
    )


def test_missing_files_and_languages(folder):
    (folder / "test.de").rename(folder / "test.fr")
    assert fails(folder) == (
        "FOLDER: has test.en but no test.de; found test.en, test.fr"
    )
    assert fails(folder, languages="it-es") == (
        "FOLDER: has no train files; expected train.it and train.es, or "
        "a table such as train.tsv, or these with .gz; found train.de, "
        "train.en, valid.de, valid.en, test.en, test.fr"
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
            "a table such as train.tsv, or these with .gz"
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
    table.write_text("id\ten\tde\n1\ta\tb\n\n2\tc\n")
    assert "train.tsv:4: expected 3 columns, found 2; a line" in fails(folder)
    table.write_text("en\tfr\na\tb\n")
    assert fails(folder) == (
        "FOLDER/train.tsv:1: the columns are en and fr, expected en and de, "
        "as --languages says"
    )


def test_files_that_are_no_text(folder):
    path = folder / "train.de"
    raw = path.read_bytes()
    path.write_bytes("größer\n".encode("latin-1") * 600)
    assert fails(folder) == (
        "FOLDER/train.de:1: is not UTF-8, 12 broken bytes begin here; if it "
        "is cp1252, add --encoding cp1252, save it as UTF-8, or have them "
        "replaced by --encoding utf-8"
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


@pytest.mark.parametrize("names", [("EN", "de"), ("source", "target")])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_tables_with_a_column_for_each_language(folder, suffix, names):
    rows = [("", "x"), *sentences(50, 2)]
    for path in folder.glob("t*.*"):
        path.unlink()
    for split, pairs in (("train", sentences(600)), ("test", rows)):
        table(folder / f"{split}.{suffix}", pairs, names)
    data = make(folder)
    assert written(data.test) == rows[1:]
    assert "1 pairs with an empty side left out" in "\n".join(data.report())
    # One file is cut into splits, or all of it is test.
    path = folder / f"test.{suffix}"
    table(path, sentences(600), names)
    data = make(path, cache_path=folder.parent / "cache")
    assert sum(data.examples.values()) == 600
    assert data.examples["train"] > 400
    assert fails(path, languages="").endswith(
        "which way to translate? add --languages with the names of two of its "
        "columns, source first, such as en-de; the columns are "
        + ", ".join(map(repr, names))
    )
    tokenizers = data.tokenizers
    whole = make(path, tokenizers=tokenizers, whole=True)
    assert whole.examples == {"train": 0, "valid": 0, "test": 600}


def table(path, pairs, names):
    columns = dict(zip(names, map(list, zip(*pairs, strict=True)), strict=True))
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.table(columns), path)
        return
    rows = [dict(zip(names, pair, strict=True)) for pair in pairs]
    with path.open("w", newline="") as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(row) + "\n" for row in rows)
            return
        writer = csv.DictWriter(file, names, delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


def test_pairs_as_hubs_give_them_out(folder):
    for path in folder.glob("train.*"):
        path.unlink()
    pairs = [{"en": s, "de": t} for s, t in sentences(600)]
    path = folder / "train-00000-of-00001.parquet"
    parquet.write_table(
        pyarrow.table({"id": range(600), "translation": pairs}), path
    )
    assert written(make(folder).train) == sentences(600)
    parts = [f"train-0000{k}-of-00002.parquet" for k in range(2)]
    pairs[-1]["en"] = ""
    for part, rows in zip(parts, (pairs[:100], pairs[100:]), strict=True):
        table = pyarrow.table({"translation": rows})
        parquet.write_table(table, folder / part)
    path.unlink()
    data = make(folder)
    assert written(data.train) == sentences(600)[:-1]
    assert (
        f"note     {folder}/train-*-of-00002.parquet: 1 pairs with an empty "
        f"side left out, the first: {folder}/{parts[1]}:500"
    ) in data.report()


def test_one_file_that_is_no_table(folder):
    assert fails(folder / "train.en") == "FOLDER: is a file; expected a folder"


def test_a_named_encoding(folder):
    for split in ("train", "valid", "test"):
        path = folder / f"{split}.de"
        path.write_bytes(path.read_text().replace("u", "ü").encode("cp1252"))
    data = make(folder, encoding="cp1252")
    expected = [t.replace("u", "ü") for _, t in sentences(50, 2)]
    assert list(data.test.target_texts) == expected


@pytest.mark.parametrize(
    ("languages", "names", "pair"),
    [
        ("en-de", (), ("en", "de")),
        ("en-zh-CN", (), ("en", "zh-CN")),
        ("zh-CN-en", (), ("zh-CN", "en")),
        ("pt-br-en", ("pt-br", "en"), ("pt-br", "en")),
        ("pt-br-en", ("pt", "br-en"), ("pt", "br-en")),
    ],
)
def test_languages_with_a_hyphen(languages, names, pair):
    assert parallel_files.parse(languages, names) == pair
    with pytest.raises(DataError, match=r"^--languages pt-br-en: expected two"):
        parallel_files.parse("pt-br-en")
