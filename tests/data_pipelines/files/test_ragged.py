import numpy as np
import pytest

from data_pipelines.files.ragged import (
    ArrayWriter,
    RaggedArray,
    RaggedWriter,
    Texts,
    mapped,
)

ROWS = [[3, 1, 4], [], [1], [5, 9, 2, 6]]


@pytest.fixture
def path(tmp_path):
    with RaggedWriter(tmp_path / "a", np.int32) as writer:
        writer.append([3, 1, 4], [3, 0])
        writer.append([], [])
        writer.append([1, 5, 9, 2, 6], [1, 4])
    return tmp_path / "a"


def test_rows_come_back(path):
    array = RaggedArray.load(path)
    assert [row.tolist() for row in array] == ROWS
    assert array.lengths.tolist() == [3, 0, 1, 4]
    assert array.values.dtype == np.int32
    assert len(array) == 4


def test_a_row_may_be_longer_than_two_billion_values(tmp_path):
    with RaggedWriter(tmp_path / "a", np.uint8, np.int64) as writer:
        writer.append([], [2**31])
    assert RaggedArray.load(tmp_path / "a").lengths.tolist() == [2**31]


def test_files_are_plain_numpy(path):
    assert np.load(f"{path}.npy").tolist() == [3, 1, 4, 1, 5, 9, 2, 6]
    assert np.load(f"{path}.lengths.npy").tolist() == [3, 0, 1, 4]


def test_rows_are_mapped_not_read(path):
    row = RaggedArray.load(path)[3]
    assert not row.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        row[0] = 7


def test_chosen_rows(path):
    array = RaggedArray.load(path)
    some = array.chosen(np.array([3, 0, 3]))
    assert [row.tolist() for row in some] == [ROWS[3], ROWS[0], ROWS[3]]
    assert some.values is array.values
    again = some.chosen(np.array([1]))
    assert [row.tolist() for row in again] == [ROWS[0]]
    assert len(array.chosen(np.arange(0))) == 0


def test_no_rows(tmp_path):
    with RaggedWriter(tmp_path / "a", np.uint8):
        pass
    array = RaggedArray.load(tmp_path / "a")
    assert len(array) == len(array.values) == 0
    assert array.values.dtype == np.uint8


def test_an_array_of_any_length(tmp_path):
    with ArrayWriter(tmp_path / "a.npy", np.int64) as writer:
        for start in range(0, 100_000, 1000):
            writer.append(range(start, start + 1000))
    array = mapped(tmp_path / "a.npy")
    np.testing.assert_array_equal(array, np.arange(100_000))
    assert array.dtype == np.int64


def test_texts(tmp_path):
    texts = ["one", "", "zwei\nZeilen", "três 三"]
    with RaggedWriter(tmp_path / "a", np.uint8) as writer:
        writer.append_texts([text.encode() for text in texts[:2]])
        writer.append_texts([text.encode() for text in texts[2:]])
    loaded = Texts.load(tmp_path / "a")
    assert list(loaded) == texts
    assert loaded[1:3] == texts[1:3]
    assert loaded[-1] == texts[-1]
    assert list(loaded.chosen(np.array([2, 0]))) == [texts[2], texts[0]]
    with pytest.raises(IndexError):
        loaded[4]
