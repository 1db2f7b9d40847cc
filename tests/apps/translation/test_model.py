"""The translator: one token at a time equals the whole; own tokens."""

import numpy as np
import pytest

from apps.common import decoding
from apps.translation import model, predict
from apps.translation.config import ATTENTION, Config
from data_pipelines.text.tokenizers import Tokenizer
from tests.apps.translations import SENTENCES, translation


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize(
    ("cell", "depth"),
    [
        ("gru", 1),
        pytest.param("lstm", 2, marks=pytest.mark.slow),
        ("projection_lstm", 2),
    ],
)
def test_steps_agree_with_teacher_forcing(attention, cell, depth):
    config = Config(
        cell=cell, depth=depth, attention=attention, units=6, embedding_size=4
    )
    _, translator = model.build(config, 11, 9)
    random = np.random.default_rng(0)
    source = random.integers(4, 11, (3, 5)).astype("int32")
    source[0, 3:] = 0
    target = random.integers(4, 9, (3, 4)).astype("int32")
    target[:, 0] = Tokenizer.BEGIN
    logits = np.array(translator([source, target]))
    decoder = model.IncrementalDecoder(translator)
    memory = decoder.encode(source)
    state = decoder.initial_state(memory)
    for t in range(target.shape[1]):
        logits_t, state = decoder.step(target[:, t], state, memory)
        np.testing.assert_allclose(logits_t, logits[:, t], atol=2e-5)
    if attention != "none":
        weights = np.array(decoder.attention(source, target))
        np.testing.assert_allclose(
            weights[:, -1], np.array(state["weights"]), atol=1e-5
        )
        assert (weights[0, :, 3:] == 0).all()


def test_forced_scores_are_the_losses_of_the_model(predictor):
    """A reference costs the same by steps as in one pass."""
    ids = predict.padded(predictor.encode(SENTENCES))
    targets = [
        [*predictor.target.encode(translation(s)), Tokenizer.END]
        for s in SENTENCES
    ]
    target = predict.padded(targets)
    memory = predictor.decoder.encode(ids)
    decoded = decoding.score(
        lambda tokens, state: predictor.decoder.step(tokens, state, memory),
        predictor.decoder.initial_state(memory),
        target,
        decoding.Rules(Tokenizer.BEGIN, Tokenizer.END, target.shape[1]),
    )
    begin = np.full((3, 1), Tokenizer.BEGIN, "int32")
    read = np.concatenate([begin, target[:, :-1]], axis=1)
    logits = np.float64(predictor.model([ids, read]))
    known = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    for row, tokens in enumerate(targets):
        expected = sum(known[row, t, token] for t, token in enumerate(tokens))
        assert float(decoded.log_probabilities[row]) == pytest.approx(
            expected, rel=1e-4, abs=1e-4
        )


def test_scheduled_sampling_reads_predictions_in_training_alone():
    layer = model.OwnTokens(0.5, seed=0)
    target = np.full((50, 20), 3, "int32")
    target[:, 0], target[:, 15:] = 1, 0
    logits = np.zeros((50, 20, 9), "float32")
    logits[..., 7] = 1
    assert (np.array(layer(target, logits)) == target).all()
    read = np.array(layer(target, logits, training=True))
    assert (read[:, 15:] == 0).all()
    assert (read[:, 0] == 1).all()
    assert set(np.unique(read[:, 1:15])) == {3, 7}
    assert 0.4 < (read[:, 1:15] == 7).mean() < 0.6


def test_scheduled_sampling_shares_all_weights():
    config = Config(scheduled_sampling=0.3, units=6, embedding_size=4)
    trained, translator = model.build(config, 11, 9)
    assert trained is not translator
    assert {id(v) for v in trained.trainable_variables} == {
        id(v) for v in translator.trainable_variables
    }
