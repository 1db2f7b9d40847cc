import numpy as np
import pytest

from data_pipelines.files import cache, splits, tables
from data_pipelines.files.errors import DataError

THREE = {"train": 0.8, "valid": 0.1, "test": 0.1}


def digests(count, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 2**63, count, np.int64)


def cut(digests, shares=THREE, seed=0):
    return splits.by_hash(digests, shares, seed, "a.csv", "texts")


def test_shares():
    assert splits.shares("valid", ["train", "valid"]) == {"valid": 1.0}
    assert splits.shares("train", splits.SPLITS) == {"train": 1.0}
    assert splits.shares("train", ["train", "test"]) == {
        "train": 0.9,
        "valid": 0.1,
    }
    assert splits.shares("train", ["train"]) == pytest.approx(THREE)


def test_a_hash_cuts_about_as_asked_and_keeps_the_order():
    rows = cut(digests(10_000))
    assert list(rows) == ["train", "valid", "test"]
    together = np.concatenate([*rows.values()])
    assert sorted(together.tolist()) == list(range(10_000))
    for split, share in THREE.items():
        assert len(rows[split]) == pytest.approx(10_000 * share, rel=0.1)
        assert (np.diff(rows[split]) > 0).all()


def test_equal_hashes_are_in_one_split():
    some = digests(300)
    groups = np.random.default_rng(1).integers(0, 300, 4000)
    rows = cut(some[groups])
    sides = [set(groups[own].tolist()) for own in rows.values()]
    assert sum(map(len, sides)) == len(set.union(*sides))


def test_the_cut_depends_on_hash_and_seed_alone():
    some = digests(500)
    rows = cut(some, seed=3)
    # Every example stays where it is when others join.
    more = cut(np.concatenate([some, digests(700, 5)]), seed=3)
    for split in THREE:
        own = more[split][more[split] < 500]
        np.testing.assert_array_equal(own, rows[split])
    assert cut(some, seed=4)["test"].tolist() != rows["test"].tolist()


@pytest.mark.parametrize("count", [3, 4, 7, 20])
@pytest.mark.parametrize("seed", range(5))
def test_no_split_is_empty_where_there_are_enough(count, seed):
    some = np.repeat(digests(count), 2)
    rows = cut(some, seed=seed)
    assert sum(map(len, rows.values())) == 2 * count
    for own in rows.values():
        assert len(own) >= 2
        assert len(own) == 2 * len(set(some[own].tolist()))


def test_too_few_to_cut():
    with pytest.raises(DataError) as caught:
        cut(np.array([5, 5, 7]))
    assert str(caught.value) == (
        "a.csv: too few different texts to cut valid and test from; expected "
        "at least 3, or your own valid and test"
    )
    with pytest.raises(DataError, match=r"^a\.csv: has no texts for test$"):
        cut(digests(0), {"test": 1.0})
    assert cut(digests(1), {"test": 1.0})["test"].tolist() == [0]


@pytest.mark.parametrize("count", [3, 10, 99, 1000])
def test_time_cuts_the_last_part(count):
    rows = splits.by_time(count, THREE, "a.csv", "rows")
    assert list(rows) == ["train", "valid", "test"]
    # Nothing is left out, and nothing that is later is learned from.
    np.testing.assert_array_equal(
        np.concatenate([*rows.values()]), np.arange(count)
    )
    for split in ("valid", "test"):
        assert len(rows[split]) == max(1, round(count / 10))


def test_too_few_to_cut_by_time():
    with pytest.raises(DataError, match=r"^a\.csv: too few different rows to"):
        splits.by_time(2, THREE, "a.csv", "rows")
    rows = splits.by_time(4, {"train": 1.0}, "a.csv", "rows")
    assert rows["train"].tolist() == [0, 1, 2, 3]


def files(folder, *names):
    for name in names:
        (folder / name).write_text("x")
    return splits.find(folder, (".csv", ".tsv"), "train.csv" in names)


def test_files_of_the_splits(tmp_path):
    paths = files(tmp_path, "train.csv", "test.tsv.gz", "other.csv", "valid.x")
    assert {split: path.name for split, path in paths.items()} == {
        "train": "train.csv",
        "test": "test.tsv.gz",
    }


def test_lines_of_json_have_two_names(tmp_path):
    path = tmp_path / "train.ndjson"
    path.write_text('{"text": "a"}')
    assert splits.find(tmp_path, tables.SUFFIXES) == {"train": path}
    assert [*tables.Table(path, ["text"])] == [{"text": "a"}]
    (tmp_path / "train.jsonl").touch()
    with pytest.raises(DataError, match="expected one train file"):
        splits.find(tmp_path, tables.SUFFIXES)


def test_a_single_kind_of_file_is_named_once(tmp_path):
    (tmp_path / "input.txt").touch()
    with pytest.raises(
        DataError,
        match=r"no train file; expected train\.txt or train\.txt\.gz$",
    ):
        splits.find(tmp_path, [".txt"])


def test_train_is_needed_to_train(tmp_path):
    assert list(files(tmp_path, "test.csv")) == ["test"]
    with pytest.raises(DataError, match="has no train file; expected train"):
        splits.find(tmp_path, (".csv", ".tsv"))
    with pytest.raises(DataError, match=r"holds test\.csv and test\.tsv; exp"):
        files(tmp_path, "test.tsv")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/train.xlsx").touch()
    with pytest.raises(DataError, match=r"; train\.xlsx has to be exported"):
        splits.find(tmp_path / "a", (".csv", ".tsv"))
    with pytest.raises(DataError, match="there is no such folder"):
        splits.find(tmp_path / "none", (".csv",))
    with pytest.raises(DataError, match="--data-path FOLDER is needed"):
        splits.find(None, (".csv",))


def test_hidden_files_are_no_splits(tmp_path):
    for name in ("train.csv", "._train.csv", ".train.tsv", "Thumbs.db"):
        (tmp_path / name).touch()
    assert splits.scan(tmp_path) == {"train": {"csv": tmp_path / "train.csv"}}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("validation.csv", "valid"),
        ("val.tsv.gz", "valid"),
        ("dev.csv", "valid"),
        ("test.TSV", "test"),
        ("Test.csv", "test"),
        ("test.csv.x", ""),
        ("VALID.csv", "valid"),
        ("de_gsd-ud-dev.csv", "valid"),
        ("my-test.csv", ""),
        ("validation-00000-of-00001.csv", "valid"),
        ("test-00000-of-00001.csv", "test"),
        ("test-00000-of-00001-b42a775f407cee45.csv", "test"),
        ("test-0-of-x.csv", ""),
        ("._test.csv", ""),
    ],
)
def test_other_names_of_splits(tmp_path, name, split):
    paths = files(tmp_path, "train.csv", name)
    assert sorted(paths) == sorted({"train", split} - {""})
    if split == "valid":
        with pytest.raises(DataError, match="expected one valid"):
            files(tmp_path, "valid" + name[name.index(".") :])


def test_a_split_in_several_files(tmp_path):
    (tmp_path / "test").mkdir()
    paths = files(
        tmp_path,
        *(
            "train-00001-of-00002.csv",
            "train-00000-of-00002.csv",
            "train.csv.x",
        ),
        *(
            "validation-00000-of-00002-3f.csv",
            "validation-00001-of-00002-9.csv",
        ),
        *("test/part-1.csv", "test/part-0.csv", "test/_SUCCESS", "test/.x.csv"),
    )
    names = {
        split: [str(part.relative_to(tmp_path)) for part in tables.parts(path)]
        for split, path in paths.items()
    }
    assert names == {
        "train": ["train-00000-of-00002.csv", "train-00001-of-00002.csv"],
        "valid": [
            "validation-00000-of-00002-3f.csv",
            "validation-00001-of-00002-9.csv",
        ],
        "test": ["test/part-0.csv", "test/part-1.csv"],
    }
    before = cache.file_fingerprint(paths["test"])
    files(tmp_path, "test/part-2.csv")
    assert before == cache.file_fingerprint(paths["test"])[:2]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("train.csv", "expected one train.csv"),
        ("train-00001-of-00003.csv", "expected one train.csv"),
        ("train/a.csv", "expected one train.csv"),
        (
            "train-00002-of-00002.csv",
            r"train-\*-of-00002\.csv: holds 2 of 2 parts, missing is number 1",
        ),
        ("train-00000-of-00002.csv.gz", "expected one train.csv"),
        ("test-7-of-9.csv", r"test-\*-of-9\.csv: holds 1 of 9 parts, miss"),
    ],
)
def test_parts_that_do_not_belong_together(tmp_path, name, message):
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match=message):
        files(tmp_path, "train-00000-of-00002.csv", name)


def test_a_part_twice_and_tables_of_two_kinds(tmp_path):
    names = [
        f"train-{part}.csv" for part in ("0-of-2-a", "0-of-2-b", "1-of-2-c")
    ]
    with pytest.raises(DataError, match="3 of 2 parts, one of them twice"):
        files(tmp_path, *names)
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match=r"test: holds a\.csv and b\.tsv; ex"):
        files(tmp_path, "test/a.csv", "test/b.tsv")


@pytest.mark.parametrize(
    ("name", "split"),
    [("train", "train"), ("Val", "valid"), ("dev", "valid"), ("TEST", "test")],
)
def test_names_in_a_column(name, split):
    assert splits.check(name, "a.csv:2") == split
    with pytest.raises(
        DataError, match=r"^a\.csv:2: unknown split 'fold 1'; exp"
    ):
        splits.check("fold 1", "a.csv:2")


def test_one_file(tmp_path):
    path = tmp_path / "reviews.csv"
    path.touch()
    assert splits.find(path, (".csv",)) == {"train": path}
    assert splits.find(path, (".csv",), False, whole=True) == {"test": path}
    with pytest.raises(DataError, match=r"reviews\.csv: is a file; expected a"):
        splits.data_folder(path)
