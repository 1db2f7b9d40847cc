import numpy as np
import pytest

from data_pipelines.files.ragged import RaggedWriter, Texts
from data_pipelines.text import token_rows
from data_pipelines.text.token_rows import pad_rows
from data_pipelines.text.tokenizers import Tokenizer

WORDS = ["a b a c", "b", "a z z b a", "c a"]
TOKENIZER = Tokenizer.learn(["a b c"], "words", 20)


@pytest.fixture(params=[2, 20_000])
def rows(request, tmp_path, monkeypatch):
    """The texts at most 3 tokens long, written in chunks of 2 or at once."""
    monkeypatch.setattr(token_rows, "_CHUNK", request.param)
    with RaggedWriter(tmp_path / "texts", np.uint8) as writer:
        writer.append_texts([text.encode() for text in WORDS])
    texts = Texts.load(tmp_path / "texts")
    encoded = {"a": (texts, TOKENIZER)}
    return token_rows.encode(tmp_path / "ids", encoded, limit=3)["a"]


def test_ids_are_those_of_the_tokenizer_cut(rows):
    assert len(rows) == 4
    for row, text in enumerate(WORDS):
        assert rows.ids(row).tolist() == TOKENIZER.encode(text)[:3]
    # The end counts.
    assert rows.lengths.tolist() == [4, 2, 4, 3]
    assert rows.cut == 2
    assert rows.unknown.tolist() == [0, 0, 2, 0]
    assert rows.unknown_rate == pytest.approx(2 / 12)


def test_chosen_rows(rows):
    some = rows.chosen(np.array([2, 1]))
    assert list(some.texts) == [WORDS[2], WORDS[1]]
    assert some.ids(0).tolist() == rows.ids(2).tolist()
    assert some.lengths.tolist() == [4, 2]
    assert some.unknown_rate == pytest.approx(2 / 6)
    assert rows.chosen(np.arange(0)).unknown_rate == 0


@pytest.mark.parametrize("begin", [False, True])
def test_padded_rows(begin):
    batch = pad_rows([np.array([7, 8]), np.array([9])], 5, begin)
    first = [Tokenizer.BEGIN] if begin else []
    assert batch.dtype == np.int32
    for row, ids in zip(batch.tolist(), ([7, 8], [9]), strict=True):
        written = [*first, *ids, Tokenizer.END]
        assert row == written + [Tokenizer.PADDING] * (5 - len(written))
