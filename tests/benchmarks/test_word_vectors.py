"""The table beside gensim, with it and without it."""

import sys

import numpy as np
import pytest

from apps.common import cli
from apps.word_vectors import evaluate
from apps.word_vectors.config import PRESETS
from benchmarks import word_vectors as benchmark


@pytest.fixture
def options(tmp_path):
    words = ["--preset", "smoke", "--cache-path", str(tmp_path)]
    return cli.parse(benchmark.Options, PRESETS, words)


def test_gensim_gets_the_same_texts(options):
    data = evaluate.read_data(options)
    texts = list(benchmark.Texts(data))
    split, words = data.train, data.vocabulary.words
    assert len(texts) == len(split.texts)
    for row in (0, 7, len(texts) - 1):
        ids = split.word_ids[split.texts[row]]
        assert texts[row] == [words[i] for i in ids if i > 1]
    assert sum(map(len, texts)) == split.counts.sum()


def test_without_gensim_one_line_says_so(options, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim", None)
    monkeypatch.setattr(
        benchmark, "ours", lambda data, config: (np.ones((305, 16)), 5.0, 4.0)
    )
    benchmark.main(options)
    lines = capsys.readouterr().out.splitlines()
    assert sum("gensim is not installed" in line for line in lines) == 1
    assert lines[-1].startswith("ours ")


@pytest.mark.slow
def test_ours_is_trained_from_the_beginning(options):
    """The step that compiles leaves nothing behind."""
    data = evaluate.read_data(options)
    first, *speeds = benchmark.ours(data, options)
    assert min(speeds) > 0
    again, *_ = benchmark.ours(data, options)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first[2:]).max() > 0.5 / options.embedding_size
