"""The captioner: one token at a time, its first loss, and as a file."""

import keras
import numpy as np
import pytest
from keras import ops

from apps.captioning import decoders, model, picture_encoder
from apps.captioning.config import Config
from apps.common import checkpoint, encoders
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.text.word_vectors import load_token_vectors
from tests.apps.captioning.tiny import (
    FEATURES,
    RANDOM,
    B,
    C,
    D,
    R,
    U,
    built,
    memory_and_vector,
    words,
)
from tests.apps.squares import SIDE, pixels, write_network
from tests.apps.tools import ROOT, in_a_new_process

CELLS = [
    ("gru", 1, {"attention_units": 3}),
    ("lstm", 2, {"tied": False}),
    ("peephole_lstm", 1, {"units": D}),
    ("coupled_lstm", 1, {"attention_score": "general"}),
    ("min_gru", 2, {"attention_score": "dot"}),
    ("projection_lstm", 2, {"embedding_size": U}),
]


@pytest.mark.parametrize(
    ("conditioning", "cell", "depth", "more"),
    [
        pytest.param(
            conditioning,
            *case,
            # Each cell once, with one conditioning after another.
            marks=() if column == row % 4 else pytest.mark.slow,
        )
        for row, case in enumerate(CELLS)
        for column, conditioning in enumerate(decoders.CONDITIONING)
    ],
)
def test_steps_agree_with_teacher_forcing(conditioning, cell, depth, more):
    _, captioner = built(
        cell=cell, depth=depth, conditioning=conditioning, **more
    )
    steps = model.IncrementalDecoder(captioner, conditioning)
    picture = steps.encode(FEATURES)
    for beams in (1, 2):  # hypotheses of each picture, side by side
        tokens = words(B * beams)
        inputs = np.repeat(FEATURES, beams, axis=0)
        logits = np.array(captioner([inputs, tokens]))
        state = keras.tree.map_structure(
            lambda x, beams=beams: ops.repeat(x, beams, axis=0),
            steps.initial_state(picture),
        )
        for t in range(tokens.shape[1]):
            found, state = steps.step(tokens[:, t], state, picture)
            np.testing.assert_allclose(found, logits[:, t], atol=5e-5)
        if steps.has_attention:
            looked = np.array(steps.attention(inputs, tokens))
            np.testing.assert_allclose(looked.sum(-1), 1, rtol=1e-5)
            np.testing.assert_allclose(
                looked[:, -1], state["weights"], atol=1e-5
            )


@pytest.mark.parametrize("conditioning", decoders.CONDITIONING)
def test_steps_in_half_precision_agree_with_teacher_forcing(conditioning):
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        _, captioner = built(conditioning=conditioning)
    finally:
        keras.config.set_dtype_policy(usual)
    steps = model.IncrementalDecoder(captioner, conditioning)
    picture = steps.encode(FEATURES)
    tokens = words(B)
    logits = np.array(captioner([FEATURES, tokens]))
    state = steps.initial_state(picture)
    for t in range(tokens.shape[1]):
        found, state = steps.step(tokens[:, t], state, picture)
        np.testing.assert_allclose(found, logits[:, t], atol=0.2)


@pytest.mark.parametrize("conditioning", ["attention", "initial_state"])
def test_every_picture_has_its_own_logits(conditioning):
    """No picture looks at its neighbours."""
    _, captioner = built(conditioning=conditioning)
    tokens = words(B)
    whole = np.array(captioner([FEATURES, tokens]))
    for row in range(B):
        part = slice(row, row + 1)
        alone = captioner([FEATURES[part], tokens[part]])
        np.testing.assert_allclose(alone, whole[part], atol=1e-5)


def test_a_picture_is_its_regions_with_their_places_and_their_mean():
    _, captioner = built()
    found = captioner.get_layer("picture")(FEATURES)
    for ours, theirs in zip(found, memory_and_vector(captioner), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_training_shares_all_weights_with_what_is_kept():
    trained, captioner = built(attention_penalty=0.7, several=True)
    assert trained is not captioner
    assert {id(w) for w in trained.trainable_weights} == {
        id(w) for w in captioner.trainable_weights
    }
    trained, captioner = built()
    assert trained is captioner


@pytest.mark.parametrize("conditioning", decoders.CONDITIONING)
def test_several_captions_share_a_picture(conditioning):
    trained, captioner = built(several=True, conditioning=conditioning)
    tokens = words(3 * B)
    each = np.repeat(FEATURES, 3, axis=0)
    np.testing.assert_allclose(
        trained([FEATURES, tokens]), captioner([each, tokens]), atol=1e-5
    )


def test_for_each_caption_repeats_a_picture_for_its_own():
    layer = model.ForEachCaption()
    found = layer(FEATURES, np.zeros((3 * B, 2), "int32"))
    np.testing.assert_array_equal(found, np.repeat(FEATURES, 3, axis=0))


@pytest.mark.parametrize("conditioning", decoders.CONDITIONING)
def test_the_first_loss_is_the_entropy_of_single_words(conditioning):
    keras.utils.set_random_seed(0)
    counts = (10_000 / np.arange(1, 301) ** 1.2).astype(int)
    config = Config(units=64, embedding_size=64, conditioning=conditioning)
    trained, _ = model.build(config, (R, C), counts)
    p = (counts + 1) / (counts + 1).sum()
    np.testing.assert_allclose(
        trained.get_layer("bias").embeddings, np.log(p)[None], rtol=1e-5
    )
    tokens = RANDOM.choice(300, (B, 200), p=p).astype("int32")
    tokens[tokens == 0] = 1
    model.compile_model(trained, Config(smoothing=0.0), 10)
    loss = trained.evaluate(
        (FEATURES, tokens)[:2], tokens, verbose=0, return_dict=True
    )["loss"]
    surprise = -np.log(p)[tokens].mean()
    assert loss == pytest.approx(surprise, abs=0.35)
    assert loss < np.log(300) - 1


def write_vectors(path, size=3):
    """Writes vectors of some words, and returns them."""
    known = {w: RANDOM.normal(size=size) for w in ("cat", "dog", "bird")}
    lines = [
        f"{w} {' '.join(map(repr, map(float, v)))}" for w, v in known.items()
    ]
    path.write_text("\n".join(lines) + "\n")
    return known


@pytest.mark.parametrize("conditioning", decoders.CONDITIONING)
def test_word_vectors_of_a_file_reach_the_model(tmp_path, conditioning):
    known = write_vectors(tmp_path / "vectors.txt")
    tokenizer = Tokenizer.learn(["a dog and a cat", "a cat"], "words", 50)
    config = Config(
        vectors=str(tmp_path / "vectors.txt"),
        **dict(units=U, embedding_size=D, conditioning=conditioning),
    )
    vectors, count = load_token_vectors(config.vectors, tokenizer)
    assert count == 2
    counts = np.ones(len(tokenizer))
    _, captioner = model.build(config, (R, C), counts, vectors=vectors)
    table = np.array(captioner.get_layer("tokens").embeddings)
    assert table.shape == (len(tokenizer), 3)
    # All as long as random ones are, on average.
    assert (table**2).sum(axis=1).mean() == pytest.approx(1, rel=1e-4)
    for word in ("cat", "dog"):
        (row,) = tokenizer.encode(word)
        ratio = table[row] / known[word]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    assert captioner([FEATURES, words(B) % 8]).shape == (B, 5, len(tokenizer))


def kept(tmp_path):
    """Yields (name, captioner, inputs) of every kind that is saved."""
    path = write_network(tmp_path / "network.keras")
    pictures = np.stack([pixels(n) for n in range(B)]).astype("float32")
    small = encoders.small_cnn((SIDE, SIDE))
    own = picture_encoder.build(
        Config(encoder=path, finetune=True)
    ).network.model
    for name, encoder, inputs, conditioning, cell in [
        ("frozen", (R, C), FEATURES, "attention", "gru"),
        ("first", (R, C), FEATURES, "first_step", "lstm"),
        ("along", small, pictures, "every_step", "peephole_lstm"),
        ("tuned", own, pictures, "initial_state", "min_gru"),
        ("both", small, pictures, "attention", "coupled_lstm"),
    ]:
        _, captioner = built(
            encoder,
            True,
            conditioning=conditioning,
            cell=cell,
            attention_penalty=0.1,
        )
        yield name, captioner, inputs


@pytest.mark.slow
def test_what_is_kept_loads_with_rnn_layers_alone(tmp_path):
    tokens = words(B)
    expected = {}
    for name, captioner, inputs in kept(tmp_path):
        checkpoint.save_model(captioner, tmp_path / f"{name}-model.keras")
        np.save(tmp_path / f"{name}-inputs.npy", inputs)
        expected[name] = np.array(captioner([inputs, tokens]))
    np.save(tmp_path / "tokens.npy", tokens)
    (tmp_path / "rnn_layers").symlink_to(ROOT / "rnn_layers")
    script = f"""
import sys, numpy as np, keras, rnn_layers
for name in {list(expected)!r}:
    model = keras.models.load_model(f"{{name}}-model.keras")
    found = model([np.load(f"{{name}}-inputs.npy"), np.load("tokens.npy")])
    np.save(f"{{name}}-found.npy", np.array(found))
loaded = {{m.split(".")[0] for m in sys.modules}}
assert not loaded & {{"apps", "data_pipelines"}}
"""
    in_a_new_process(script, tmp_path)
    for name, logits in expected.items():
        found = np.load(tmp_path / f"{name}-found.npy")
        np.testing.assert_allclose(found, logits, atol=1e-5, err_msg=name)
