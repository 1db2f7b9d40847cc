import gzip

import numpy as np
import pytest

from data_pipelines.files.errors import DataError
from data_pipelines.text.word_vectors import load_vectors
from data_pipelines.text.words import Vocabulary

VOCABULARY = Vocabulary(["[PAD]", "[UNK]", "good", "bad", "ü"])
GLOVE = "good 1 2 -3\nother 0 0 0\nü 4 5 6e-1\n. . 7 8 9\ngood 0 0 0\n"


@pytest.mark.parametrize("header", ["", "4 3\n"])
@pytest.mark.parametrize("name", ["v.txt", "v.txt.gz", "v.vec"])
def test_with_and_without_header_and_gzip(tmp_path, header, name):
    data = (header + GLOVE).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    table, actual = load_vectors(path, VOCABULARY)
    assert actual == 2
    assert table.shape == (5, 3)
    assert table.dtype == np.float32
    np.testing.assert_allclose(table[2], [1, 2, -3])
    np.testing.assert_allclose(table[4], [4, 5, 0.6], rtol=1e-6)
    assert not table[0].any()
    for row in (1, 3):
        assert 0 < np.abs(table[row]).max() <= 0.05
    again, _ = load_vectors(path, VOCABULARY)
    np.testing.assert_array_equal(table, again)
    other, _ = load_vectors(path, VOCABULARY, seed=1)
    assert (other[1] != table[1]).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a 1 2\nb 1\n", ":2: expected a word and 2 numbers, found 2"),
        ("a 1 2\nb 1 2 3\n", ":2: expected a word and 2 numbers"),
        ("a 1 2\ngood 1 x\n", ":2: a vector holds what is no number"),
        ("a 1 2\ngood 1 nan\n", ":2: a vector holds an infinite"),
        ("a 1 2\ngood 1 0." + "0" * 10**5, ":2: a vector holds what is no num"),
        ("word\nword\n", ":1: expected a word and its numbers, at most 4,096"),
        ("9 99999999\na 1\n", ":1: expected a word and its numbers, at most"),
        ("9 " + "9" * 5000 + "\na 1\n", ":1: expected a word and its numbers"),
        ("a" + " 1" * 5000 + "\n", ":1: expected a word and its numbers"),
        ("a 1\n" + "b " * 600_000, ":2: the line is longer than 1,048,576 let"),
        ("9 2\n", ": has fewer than two lines"),
        ("", ": the file is empty"),
    ],
)
def test_bad_files(tmp_path, content, message):
    path = tmp_path / "v.txt"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        load_vectors(path, VOCABULARY)
    assert str(caught.value).startswith(f"{path}{message}")


def test_truncated_gzip(tmp_path):
    path = tmp_path / "v.txt.gz"
    lines = "".join(f"w{i} {i * 0.37} 1\n" for i in range(5000))
    path.write_bytes(gzip.compress(lines.encode())[:-5000])
    with pytest.raises(DataError, match=r"v.txt.gz:\d+: the gzip file is"):
        load_vectors(path, VOCABULARY)
