"""Rows are matched by names, weights by layers; what is new begins anew."""

import dataclasses
import functools
import json

import keras
import numpy as np
import pytest
from keras import layers

import rnn_layers
from apps.common import cli, runs, transfer
from apps.common.cli import UserError
from apps.common.transfer import Names, Origin
from apps.sentiment.config import PRESETS, Config
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.text.words import Vocabulary

WORDS = ["[PAD]", "[UNK]", "a", "b"]


def network(words, labels, units=3, prelude=0):
    """A model with a nested one, a stack, layers without names, and a field."""
    for _ in range(prelude):  # other numbers in the names that Keras gives
        layers.Dense(1)
    inner = keras.Input((None,), dtype="int32")
    x = layers.Embedding(words, 2, name="words")(inner)
    x = layers.Dense(2)(layers.Dense(2, "tanh")(x))
    encoder = keras.Model(inner, x, name="encoder")
    tokens = keras.Input((None,), dtype="int32")
    x = rnn_layers.stack(
        "gru", units, bidirectional=True, return_sequences=True, name="states"
    )(encoder(tokens))
    scores = layers.Dense(labels, name="scores")(x)
    model = keras.Model(tokens, rnn_layers.CRF(labels, name="crf")(scores))
    random = np.random.default_rng(words + labels)
    for weight in model.weights:
        weight.assign(random.normal(size=weight.shape))
    return model


@pytest.fixture
def old(tmp_path):
    """A run of four words and two labels, with its model."""
    (tmp_path / "vocabulary.txt").write_text("\n".join(WORDS) + "\n")
    (tmp_path / "labels.txt").write_text("x\ny\n")
    origin = Origin(tmp_path, False, True)
    origin.__dict__["model"] = network(4, 2)
    return origin


def names(old, words, labels):
    of_labels = old.names("labels", "labels.txt", labels)
    return {
        "encoder/words": old.names("words", "vocabulary.txt", words),
        "scores": of_labels,
        "crf": of_labels,
    }


def test_rows_are_those_of_their_names(old, capsys):
    words, labels = [*WORDS, "c"], ["y", "z", "x"]
    new = network(5, 3, prelude=7)
    first = [np.array(weight) for weight in new.weights]
    transfer.transfer(old, new, names(old, words, labels))
    tokens = np.array([[2, 3, 1, 2]])
    theirs, ours = np.array(old.model(tokens)), np.array(new(tokens))
    # What the run said of x and y the new model says of x and y.
    np.testing.assert_allclose(ours[..., [2, 0]], theirs, atol=1e-6)
    start, transitions, end = map(np.array, new.get_layer("crf").weights)
    before = [np.array(w) for w in old.model.get_layer("crf").weights]
    for one, two in ((start, before[0]), (end, before[2])):
        np.testing.assert_array_equal(one[[2, 0]], two)
    kept = transitions[np.ix_([2, 0], [2, 0])]
    np.testing.assert_array_equal(kept, before[1])
    # What is new is as it was drawn.
    table = np.array(new.get_layer("encoder").get_layer("words").embeddings)
    np.testing.assert_array_equal(table[4], first[0][4])
    kernel = np.array(new.get_layer("scores").kernel)
    drawn = next(w for w in first if w.shape == kernel.shape)
    np.testing.assert_array_equal(kernel[:, 1], drawn[:, 1])
    assert capsys.readouterr().out.splitlines() == [
        "layers   6 of the run",
        "words    4 of the run, 1 new",
        "labels   2 of the run, 1 new",
    ]


def test_other_labels_have_a_new_head(old, capsys):
    new = network(4, 2)
    first = np.array(new.get_layer("scores").kernel)
    old.model.get_layer("scores").kernel.assign(first + 1)
    transfer.transfer(old, new, names(old, WORDS, ["p", "q"]))
    np.testing.assert_array_equal(new.get_layer("scores").kernel, first)
    assert (
        "labels   2 new, 2 of the run left out: a new head"
        in capsys.readouterr().out
    )


def test_inputs_of_a_recurrent_layer_are_matched_by_name():
    kernel = np.arange(12.0).reshape(3, 4)
    other = Names("inputs", ["v", "r x", "r y"], ["v", "r y"], inputs=True)
    by_name = functools.partial(transfer._by_name, None, names=other)
    result = by_name("kernel", kernel, np.zeros((2, 4)))
    np.testing.assert_array_equal(result, kernel[[0, 2]])
    assert by_name("recurrent_kernel", kernel, kernel + 1) is kernel


def test_several_columns_of_a_name_stay_together():
    old = Names("labels", ["x", "y"], ["y", "z", "x"])
    kernel = np.arange(8.0).reshape(2, 4)  # two columns each
    result = transfer._by_name(
        layers.Dense(6), "kernel", kernel, np.full((2, 6), -1.0), old
    )
    expected = [[2, 3, -1, -1, 0, 1], [6, 7, -1, -1, 4, 5]]
    np.testing.assert_array_equal(result, expected)


def test_another_shape_is_refused_in_one_line(old):
    new = network(4, 2, units=4)
    with pytest.raises(
        UserError, match=r"its layer states/layer_1 has .*shape"
    ):
        transfer.transfer(old, new, names(old, WORDS, ["x", "y"]))


def test_layers_of_one_side_alone_are_said(old, capsys):
    tokens = keras.Input((None,), dtype="int32")
    x = layers.Embedding(4, 2, name="words")(tokens)
    encoder = keras.Model(tokens, x, name="encoder")
    new = keras.Model(tokens, layers.Dense(1, name="more")(encoder(tokens)))
    transfer.transfer(old, new, names(old, WORDS, ["x", "y"]))
    printed = capsys.readouterr().out
    assert "new      more\n" in printed
    assert "left out encoder/dense_1, encoder/dense, states/layer_1" in printed


@pytest.mark.parametrize("extend", [True, False])
@pytest.mark.parametrize(
    ("kind", "new", "expected"),
    [
        ("words", Vocabulary(["[PAD]", "[UNK]", "c", "a"]), [*WORDS, "c"]),
        (
            "subwords",
            Tokenizer(
                ["[PAD]", "[UNK]", "[BOS]", "[EOS]", "▁", "c"], "subwords"
            ),
            None,
        ),
    ],
)
def test_words_of_the_run_come_first(kind, new, expected, extend, tmp_path):
    old = Vocabulary(WORDS)
    if kind == "subwords":
        old = Tokenizer([*new.pieces[:5], "a"], kind)
    old.save(tmp_path / "v.txt")
    (both,) = Origin(tmp_path, False, extend).words("v.txt")(new)
    before = list(getattr(old, "words", None) or old.pieces)
    after = list(getattr(both, "words", None) or both.pieces)
    assert type(both) is type(new)
    assert after == (expected if extend and expected else before)


# Flags.


@pytest.fixture
def run_of(tmp_path):
    """Writes a folder that looks like a run."""

    def write(folder, config, model="model.keras"):
        folder = tmp_path / "sentiment" / folder
        (folder / model).parent.mkdir(parents=True)
        (folder / model).touch()
        config = dataclasses.asdict(config)
        record = {"app": "sentiment", "config": config, "command": ""}
        (folder / "config.json").write_text(json.dumps(record))
        return folder

    return write


def parsed(tmp_path, *words):
    return cli.parse(Config, PRESETS, [*words, "--runs-path", str(tmp_path)])


def test_the_run_gives_its_architecture(run_of, tmp_path):
    run_of("a", Config(units=7, cell="lstm", max_length=50, learning_rate=0.01))
    config = parsed(tmp_path, "--from-run", "a", "--preset", "smoke")
    assert (config.units, config.cell, config.max_length) == (7, "lstm", 50)
    assert config.learning_rate == 0.002
    assert config.epochs == 1  # of the preset
    words = ("--max-length", "9", "--learning-rate", "0.3", "--units", "7")
    config = parsed(tmp_path, "--from-run", "a", *words)
    assert (config.max_length, config.learning_rate) == (9, 0.3)


def test_its_own_configuration_repeats_what_goes_on(run_of, tmp_path):
    run_of("a", Config(units=7, learning_rate=0.01))
    config = parsed(tmp_path, "--from-run", "a", "--epochs", "2")
    path = run_of("b", config) / "config.json"
    assert parsed(tmp_path, "--config", str(path)) == config


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--from-run a --units 9", "--units 9: of --from-run a it is 7; leave"),
        (
            "--from-run a --cell lstm",
            "--cell lstm: of --from-run a it is 'gru'",
        ),
        ("--from-run b", "no run 'b'; the runs are: a"),
    ],
)
def test_what_contradicts_the_run_is_one_line(
    words, message, run_of, tmp_path, capsys
):
    run_of("a", Config(units=7))
    with pytest.raises(SystemExit) as end:
        parsed(tmp_path, *words.split())
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_training_that_has_begun_needs_the_run_no_more(run_of, tmp_path):
    config = Config(units=7, from_run="gone", learning_rate=0.3)
    damaged = run_of("a", config, "backup/state.npz")
    (damaged / "config.json").write_text("torn")
    run_of("b", config, "backup/state.npz")
    again = parsed(tmp_path, "--from-run", "gone")
    assert (again.units, again.learning_rate) == (7, 0.3)
    record = runs.read_record(tmp_path / "sentiment" / "b")
    begun = runs.Run("sentiment", tmp_path / "sentiment" / "b", record)
    start = transfer.origin(begun, Config(from_run="gone"))
    assert (start.path, start.begun) == (begun.path, True)
    transfer.transfer(start, None, {})  # nothing is loaded or changed
