import os
import re

import pytest
import tensorflow as tf

from data_pipelines.files.errors import DataError
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.translation import pair_store
from data_pipelines.translation import pipeline as translation
from data_pipelines.translation.demo import generator as demo
from tests.data_pipelines.translation.tools import (
    batches,
    fails,
    make,
    sentences,
    write,
    written,
)

PUBLIC = [name for name in translation.SOURCES if "/" in name]


def test_demo(tmp_path):
    data = translation.make_datasets(
        "demo", cache_path=tmp_path, vocabulary_size=3000, batch_tokens=1500,
        max_length=60, seed=3,
    )  # fmt: skip
    assert data.languages == ("en", "fr")
    assert data.examples == demo.SIZES
    expected = [(pair.english, pair.french) for pair in demo.splits()["test"]]
    assert written(data.test) == expected
    assert [side.unknown_rate for side in data.test.sides] == [0, 0]
    with pytest.raises(DataError, match=r"^demo: takes no --data-path FOLDER"):
        make(tmp_path, "demo")


def test_vocabulary_is_from_train_only(folder):
    write(folder, "test", [("the zebra \u65e5", "das Zebra \u65e5")] * 2)
    for tokens in ("words", "characters", "subwords"):
        data = make(folder, tokens=tokens)
        for tokenizer in (data.source_tokenizer, data.target_tokenizer):
            pieces = "".join(tokenizer.pieces[4:])
            assert not {"b", "Z", "\u65e5"} & set(pieces)
        assert [side.unknown_rate for side in data.train.sides] == [0, 0]
        assert data.test.sides[0].unknown_rate > 0
    mixed = make(folder, tokens="characters", target_tokens="words")
    assert [t.kind for t in mixed.tokenizers] == ["characters", "words"]
    words = make(folder, tokens="words")
    assert mixed.target_tokenizer.pieces == words.target_tokenizer.pieces
    assert [side.unknown_rate for side in words.test.sides] == [2 / 3, 2 / 3]


def test_tokens_and_sizes(folder):
    data = make(folder, tokens="words", vocabulary_size=8)
    assert len(data.source_tokenizer) == len(data.target_tokenizer) == 8
    assert data.source_tokenizer.kind == "words"
    rare = make(folder, tokens="words", minimum_count=10**6)
    assert len(rare.source_tokenizer) == 4


def test_an_old_run_on_new_data(folder):
    old = make(folder).tokenizers
    for path in folder.glob("*"):
        if path.stem != "test":
            path.unlink()
    write(folder, "test", [("the zebra", "das Zebra")])
    data = make(folder, tokenizers=old)
    assert data.tokenizers == old
    assert data.examples == {"train": 0, "valid": 0, "test": 1}
    ((source, _),) = batches(data.test.dataset())
    assert source[0].tolist() == [*old[0].encode("the zebra"), 3]
    assert list(data.train.sources(8)) == []
    assert data.train.in_order([]) == []
    assert "train    no pairs" in data.report()
    with pytest.raises(ValueError, match="there are no examples"):
        data.train.dataset()
    assert fails(folder) == (
        "FOLDER: has no train files; expected train.en and train.de, or "
        "a table such as train.tsv, or these with .gz; found test.de, test.en"
    )


def test_dropout_is_of_subwords(folder):
    assert fails(folder, tokens="words", subword_dropout=0.1) == (
        "--subword-dropout is for --tokens subwords, not for words"
    )


def test_the_second_time_nothing_is_read(folder, monkeypatch):
    first = make(folder)

    def never(*_):
        raise AssertionError("done again")

    monkeypatch.setattr(pair_store, "build", never)
    monkeypatch.setattr(Tokenizer, "learn", never)
    monkeypatch.setattr(Tokenizer, "encode_batch", never)
    changes = ({}, {"seed": 5}, {"max_length": 5, "batch_tokens": 90})
    for change in changes:
        again = make(folder, **change)
        assert written(again.test) == written(first.test)
        assert again.source_tokenizer.pieces == first.source_tokenizer.pieces


def test_a_changed_file_is_read_again(folder):
    make(folder)
    write(folder, "test", sentences(50, 7))
    assert written(make(folder).test) == sentences(50, 7)
    os.utime(folder / "test.en", ns=(1, 1))
    count = len(list((folder.parent / "cache").iterdir()))
    make(folder)
    # Pairs, ids, and the words of either side.
    assert len(list((folder.parent / "cache").iterdir())) == count + 4


def as_dataset(self, split=None, **_):
    """Pairs with the languages that the set declares."""
    languages = list(self.info.features)

    def examples():
        for i in range({"train": 120}.get(split, 30)):
            yield {
                name: f"{name} {split} número {i}".encode()
                + b" \xff" * (i == 3)
                for name in languages
            }

    specs = {name: tf.TensorSpec((), tf.string) for name in languages}
    return tf.data.Dataset.from_generator(examples, output_signature=specs)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_sets(name, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    own = tuple(re.split("_to_|-", name.split("/")[1]))
    with pytest.raises(DataError) as caught:
        make(tmp_path / "tfds", name, languages="")
    assert re.fullmatch(
        rf"{name}: not found in .*; add --download to fetch it",
        str(caught.value),
    )
    assert not (tmp_path / "cache").exists()
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        data = make(tmp_path / "tfds", name, languages="")
        other = make(tmp_path / "tfds", name, languages="-".join(own[::-1]))
    assert data.languages == own
    assert data.examples == {"train": 120, "valid": 30, "test": 30}
    assert written(data.test)[7] == tuple(f"{n} test número 7" for n in own)
    assert other.languages == own[::-1]
    assert other.test.target_texts[7] == f"{own[0]} test número 7"
    assert any("2 broken bytes replaced" in line for line in data.report())


def test_languages_of_a_public_set(tmp_path):
    name = "ted_hrlr_translate/pt_to_en"
    assert fails(tmp_path / "x", dataset=name, languages="en-de") == (
        f"{name}: --languages en-de: expected pt-en or en-pt"
    )
