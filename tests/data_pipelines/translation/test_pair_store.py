import itertools

import pytest

from tests.data_pipelines.translation.tools import (
    batches,
    fails,
    make,
    sentences,
    texts_of,
    write,
    written,
)


def test_aligned_files(folder):
    data = make(folder)
    assert data.examples == {"train": 600, "valid": 40, "test": 50}
    assert data.languages == ("en", "de")
    for seed, split in enumerate((data.train, data.valid, data.test)):
        assert written(split) == sentences(len(split), seed)
    assert written(data.test)[7] == sentences(50, 2)[7]
    assert data.test.target_texts[3:5] == [t for _, t in sentences(50, 2)[3:5]]
    assert data.test.target_texts[-1] == sentences(50, 2)[-1][1]


def test_white_space_is_one_space(folder):
    (folder / "test.en").write_text("\ufeff a\u2003 b\t\r\nc\r\n", "utf-8")
    (folder / "test.de").write_text("x\n  y \u2581z", "utf-8")
    assert written(make(folder).test) == [("a b", "x"), ("c", "y z")]


def test_pairs_with_an_empty_side_are_skipped_and_counted(folder):
    rows = sentences(600)
    rows[4:4] = [("", "x"), ("a", " "), ("", ""), ("\u2581", "x")]
    write(folder, "train", rows)
    data = make(folder)
    assert written(data.train) == sentences(600)
    assert (
        f"note     {folder}/train.en and train.de: 4 pairs with an empty side "
        "left out, the first: line 5"
    ) in data.report()


def test_broken_bytes_are_repaired_and_counted(folder):
    write(folder, "test", [("a", "b"), ("c", "d")])
    (folder / "test.de").write_bytes(b"\xffb\nd \xfe\n")
    data = make(folder)
    assert written(data.test) == [("a", "\ufffdb"), ("c", "d \ufffd")]
    assert any(
        "2 broken bytes, which are not UTF-8" in line for line in data.report()
    )


@pytest.mark.parametrize("missing", [["valid"], ["test"], ["valid", "test"]])
def test_missing_splits_are_cut_from_train(folder, missing):
    again = [(source, "anders") for source, _ in sentences(600)[:300]]
    write(folder, "train", sentences(600) + again)
    for split, language in itertools.product(missing, ("en", "de")):
        (folder / f"{split}.{language}").unlink()
    data = make(folder)
    train = set(data.train.source_texts)
    total = len(data.train)
    for split in missing:
        actual = getattr(data, split)
        assert not train & set(actual.source_texts)
        assert 30 < len(set(actual.source_texts)) < 90
        total += len(actual)
        # In the order of the file.
        order = [sentences(600).index(p) for p in written(actual) if p in
                 sentences(600)]  # fmt: skip
        assert order == sorted(order)
    assert total == 900
    other = make(folder, seed=1)
    for split in missing:
        assert written(getattr(other, split)) != written(getattr(data, split))
        same = make(folder, cache_path=folder.parent / "again")
        assert written(getattr(same, split)) == written(getattr(data, split))


def test_three_pairs_are_enough(folder):
    for path in folder.iterdir():
        path.unlink()
    write(folder, "train", sentences(3))
    data = make(folder)
    assert list(data.examples.values()) == [1, 1, 1]
    source, target = batches(data.train.dataset(training=True), 1)[0]
    assert texts_of(data, source, target) == written(data.train)
    write(folder, "train", sentences(2))
    assert fails(folder) == (
        "FOLDER/train.en and train.de: too few different sentences to cut "
        "valid and test from; expected at least 3, or your own valid and "
        "test"
    )


def test_nothing_but_empty_lines(folder):
    write(folder, "train", [("", "a"), ("b", "")])
    assert fails(folder) == (
        "FOLDER/train.en and train.de: none of the 2 lines has a sentence on "
        "both sides"
    )


def test_the_same_text_on_both_sides(folder):
    write(folder, "train", [(s, s) for s, _ in sentences(600)])
    assert fails(folder) == (
        "FOLDER/train.en and FOLDER/train.de: 600 of 600 lines are the same "
        "on both sides; expected two languages, or --same-language for "
        "corrections"
    )
    assert len(make(folder, same_language=True).train) == 600


def test_exchanged_files(folder):
    write(folder, "valid", sentences(40, 1), ("de", "en"))
    assert fails(folder) == (
        "FOLDER/valid.en reads like FOLDER/train.de, and FOLDER/valid.de like "
        "FOLDER/train.en; exchange the two"
    )
    write(folder, "valid", sentences(10, 1), ("de", "en"))
    assert len(make(folder).valid) == 10
