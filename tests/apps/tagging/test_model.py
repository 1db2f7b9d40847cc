"""The models: shapes, padding, what the outputs mean, saving."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from apps.tagging.config import Config
from apps.tagging.model import compile_model
from apps.tagging.predict import Decoder
from data_pipelines.text.words import Vocabulary
from tests.apps.tagging.tiny import FEATURES, LABELS, built

WORDS = tf.ragged.constant(
    [["a", "Rome", "?", "blue"], ["river"], ["a", "unknown"]]
)
LENGTHS = [4, 1, 2]


@pytest.mark.parametrize(
    ("task", "characters"),
    [
        ("tag", "cnn"),
        ("parse", "rnn"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("tag", "rnn"),
                ("tag", "none"),
                ("parse", "cnn"),
                ("parse", "none"),
            )
        ),
    ],
)
def test_padding_is_inert_and_a_saved_model_answers_alike(
    task, characters, tmp_path
):
    model = built(2 * (task == "tag"), task=task, characters=characters)
    decoder = Decoder(model, LABELS, ["p", "q"], eager=True)
    answers = decoder(FEATURES.of_texts(WORDS), LENGTHS)
    for row, length in enumerate(LENGTHS):
        alone = FEATURES.of_texts(WORDS[row : row + 1])
        (answer,) = decoder(alone, [length])
        assert answer.tags == answers[row].tags
        assert answer.heads == answers[row].heads
        np.testing.assert_allclose(
            answer.probabilities, answers[row].probabilities, atol=1e-5
        )
        assert answer.intent == answers[row].intent
        assert len(answer.tags) == length
        assert list(answer.heads).count(0) == (task == "parse")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    again = Decoder(loaded, LABELS, ["p", "q"], eager=True)
    assert again(FEATURES.of_texts(WORDS), LENGTHS) == answers


def test_a_softmax_is_a_field_without_transitions():
    model = built(output="softmax")
    assert not model.get_layer("crf").trainable_weights
    decoder = Decoder(model, LABELS, eager=True)
    inputs = FEATURES.of_texts(WORDS)
    scores = np.asarray(model(inputs))
    softmax = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    for row, answer in enumerate(decoder(inputs, LENGTHS)):
        own = softmax[row, : LENGTHS[row]]
        assert answer.tags == [LABELS[n] for n in own.argmax(axis=-1)]
        np.testing.assert_allclose(
            answer.probabilities, own.max(axis=-1), atol=1e-5
        )


def test_a_field_keeps_to_the_scheme():
    for seed in range(5):
        model = built()
        scores = model.get_layer("scores")
        random = np.random.default_rng(seed)
        scores.set_weights(
            [9 * random.normal(size=w.shape) for w in scores.weights]
        )
        for answer in Decoder(model, LABELS, eager=True)(
            FEATURES.of_texts(WORDS), LENGTHS
        ):
            pairs = zip(["O", *answer.tags], answer.tags, strict=False)
            assert all(b != "I-x" or a in ("B-x", "I-x") for a, b in pairs)


def test_relations_are_those_to_the_heads_that_are_given():
    model = built(task="parse")
    inputs = FEATURES.of_texts(WORDS)
    arcs, relations = model([*inputs, tf.zeros((3, 4), "int32")])
    arcs = np.asarray(arcs)
    assert arcs.shape == (3, 4, 5)
    # No word is its own head, and padding is none.
    assert (arcs[0, range(4), range(1, 5)] < -1e8).all()
    assert (arcs[1, 0, 1:] < -1e8).all()
    assert arcs[1, 0, 0] > -1e8
    _, others = model([*inputs, tf.constant([[2, 0, 0, 0]] * 3)])
    changed = np.abs(np.asarray(others - relations)).max(axis=-1) > 1e-6
    assert changed[0].tolist() == [True, False, False, False]


def test_a_parse_with_parts_of_speech_and_a_further_column():
    features = dataclasses.replace(
        FEATURES, columns={"kind": Vocabulary(["[PAD]", "[UNK]", "u", "v"])}
    )
    model = built(task="parse", pos=3, features=features)
    assert [i.name for i in model.inputs] == [
        *("word_ids", "shape_ids", "character_ids", "kind_ids", "heads")
    ]
    kinds = tf.ragged.constant([["u", "v", "u", "?"], ["v"], ["u", "u"]])
    decoder = Decoder(model, LABELS, (), ["N", "V", "X"], eager=True)
    answers = decoder(features.of_texts(WORDS, kinds), LENGTHS)
    others = decoder(features.of_texts(WORDS, kinds[:, ::-1]), LENGTHS)
    assert [len(answer.pos) for answer in answers] == LENGTHS
    assert {*answers[0].pos} <= {"N", "V", "X"}
    assert answers[0].probabilities != others[0].probabilities
    assert answers[1].probabilities == pytest.approx(others[1].probabilities)
    graph = Decoder(model, LABELS, (), ["N", "V", "X"], True, exact=False)
    for answer in graph(features.of_texts(WORDS, kinds), LENGTHS):
        assert answer.heads.count(0) == 1


@pytest.mark.parametrize("task", ["tag", "parse"])
def test_a_loss_creates_no_variable(task):
    """Else the first training step would be traced twice."""
    is_parse = task == "parse"
    model = built(2 * (not is_parse), task=task, pos=3 * is_parse)
    compile_model(model, Config(task=task), 10)
    variables = len(model.metrics_variables)
    zeros = tf.zeros((3, 4), "int32")
    scores = model([*FEATURES.of_texts(WORDS), *[zeros] * is_parse])
    targets = [zeros] * 3 if is_parse else [zeros, zeros[:, 0]]
    model.compute_loss(y=targets, y_pred=scores)
    assert len(model.metrics_variables) == variables


def test_word_vectors_are_where_training_begins():
    size = len(FEATURES.words)
    vectors = np.arange(size * 3, dtype="float32").reshape(size, 3)
    network = built(vectors=vectors, randomized=False)
    np.testing.assert_array_equal(
        network.get_layer("words").get_weights()[0], vectors
    )
