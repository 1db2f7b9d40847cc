"""The captioner: its equations in NumPy, one token at a time, and as a file."""

import dataclasses
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from apps.captioning import decoders, model, picture_encoder
from apps.captioning.config import Config
from apps.common import checkpoint, encoders
from apps.common.cli import UserError
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.text.word_vectors import load_token_vectors
from tests.apps.squares import SIDE, pixels, write_network
from tests.apps.tools import ROOT

# B pictures of R regions of C channels; D size of a word vector, U units.
B, R, C, D, U, V = 3, 6, 5, 4, 7, 11
RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(B, R, C)).astype("float32")
COUNTS = RANDOM.integers(0, 50, V)


@pytest.fixture(autouse=True)
def not_compiled(monkeypatch):
    """Takes the plain loops: to compile each takes longer than all tests."""
    monkeypatch.setattr(model, "COMPILED", False)


def built(encoder=(R, C), several=False, vectors=None, **more):
    """Returns both models, with weights of which none is zero."""
    config = Config(**{"units": U, "embedding_size": D, **more})
    trained, captioner = model.build(config, encoder, COUNTS, several, vectors)
    random = np.random.default_rng(1)
    for weight in captioner.weights:
        if "seed" not in weight.path and "moving" not in weight.path:
            weight.assign(random.normal(size=weight.shape) * 0.6)
    return trained, captioner


def words(rows, length=5):
    """Random captions without an end, `(rows, length)`."""
    tokens = RANDOM.integers(4, V, (rows, length)).astype("int32")
    tokens[:, 0] = Tokenizer.BEGIN
    return tokens


# One token at a time equals the whole.


@pytest.mark.parametrize("conditioning", decoders.CONDITIONING)
@pytest.mark.parametrize(
    ("cell", "depth", "more"),
    [
        ("gru", 1, {}),
        ("lstm", 2, {"tied": False}),
        ("peephole_lstm", 1, {"units": D}),
        ("coupled_lstm", 1, {"attention_score": "general"}),
        ("min_gru", 2, {"attention_score": "dot"}),
        ("projection_lstm", 2, {"embedding_size": U}),
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


# The equations.


def arrays(layer):
    return [np.array(w, "float64") for w in layer.weights]


def seen(captioner):
    """Memory and vector of the pictures, from the weights alone."""
    look = captioner.get_layer("picture")
    gamma, beta = arrays(look.get_layer("normal"))
    epsilon = look.get_layer("normal").epsilon
    x = np.float64(FEATURES)
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(
        x.var(-1, keepdims=True) + epsilon
    )
    kernel, bias = arrays(look.get_layer("memory"))
    (places,) = arrays(look.get_layer("places"))
    memory = (x * gamma + beta) @ kernel + bias + places
    kernel, bias = arrays(look.get_layer("vector"))
    return memory, np.tanh(memory.mean(axis=1) @ kernel + bias)


def test_a_picture_is_its_regions_with_their_places_and_their_mean():
    _, captioner = built()
    found = captioner.get_layer("picture")(FEATURES)
    for ours, theirs in zip(found, seen(captioner), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def logits_of(captioner, h):
    """Takes states `(B, T, U)` to logits."""
    kernel, bias = arrays(captioner.get_layer("outputs"))
    (table,) = arrays(captioner.get_layer("tokens"))
    (each,) = arrays(captioner.get_layer("bias"))
    return (h @ kernel + bias) @ table.T + each[0]


def elman(projected, recurrent, h):
    """h_t = tanh(projected_t + W_hh h_{t-1}), `(B, T, U)`."""
    found = []
    for t in range(projected.shape[1]):
        h = np.tanh(projected[:, t] + h @ recurrent)
        found.append(h)
    return np.stack(found, axis=1)


@pytest.mark.parametrize(
    "conditioning", ["every_step", "first_step", "initial_state"]
)
def test_the_ways_of_the_simple_cell(conditioning):
    _, captioner = built(cell="simple_rnn", conditioning=conditioning)
    tokens = words(B)
    _, v = seen(captioner)
    (table,) = arrays(captioner.get_layer("tokens"))
    w = table[tokens] * D**0.5  # B T D
    kernel, recurrent, bias = arrays(captioner.get_layer("recurrent"))
    zeros = np.zeros((B, U))
    if conditioning == "every_step":
        # tanh(W_xh w + W_hh h + W_ih v + b)
        projected = w @ kernel[:D] + (v @ kernel[D:])[:, None] + bias
        h = elman(projected, recurrent, zeros)
    elif conditioning == "first_step":
        first = (v @ kernel + bias)[:, None]
        projected = np.concatenate([first, w @ kernel + bias], axis=1)
        h = elman(projected, recurrent, zeros)[:, 1:]
    else:
        into, add = arrays(captioner.get_layer("first_states"))
        h = elman(w @ kernel + bias, recurrent, np.tanh(v @ into + add))
    np.testing.assert_allclose(
        captioner([FEATURES, tokens]), logits_of(captioner, h), atol=1e-4
    )


@pytest.mark.parametrize("cell", ["gru", "lstm", "peephole_lstm", "min_gru"])
def test_every_step_adds_the_picture_to_the_projection_of_any_cell(cell):
    _, captioner = built(cell=cell, conditioning="every_step")
    tokens = words(B)
    _, v = seen(captioner)
    (table,) = arrays(captioner.get_layer("tokens"))
    own = captioner.get_layer("recurrent").layers[0].cell
    kernel = np.array(own.kernel, "float64")
    bias = np.array(own.project(np.zeros((1, D + U), "float32")))
    states = own.get_initial_state(B)
    outputs = []
    for t in range(tokens.shape[1]):
        x = table[tokens[:, t]] * D**0.5
        projected = x @ kernel[:D] + v @ kernel[D:] + bias
        states = own.step(ops.cast(projected, "float32"), states, ops.matmul)
        outputs.append(np.array(states[0]))
    np.testing.assert_allclose(
        captioner([FEATURES, tokens]),
        logits_of(captioner, np.stack(outputs, axis=1)),
        atol=1e-4,
    )


@pytest.mark.parametrize("cell", ["lstm", "sru", "slstm", "projection_lstm"])
def test_the_initial_state_of_every_cell_matters(cell):
    """Of both layers and, where there is one, of the memory too."""
    _, captioner = built(cell=cell, conditioning="initial_state", depth=2)
    tokens = words(B)
    before = np.array(captioner([FEATURES, tokens]))
    first = captioner.get_layer("first_states")
    own = captioner.get_layer("recurrent").layers[0].cell
    sizes = own.state_size[:2] * 2
    assert first.units == sum(sizes)
    kernel, bias = first.get_weights()
    ends = np.cumsum(sizes)
    # One does not read its last output, and the other no memory at first.
    unread = {"sru": 0, "slstm": 1}.get(cell)
    for number, end in enumerate(ends):
        if number % 2 == unread:
            continue
        begin = end - sizes[number]
        changed = bias.copy()
        changed[begin:end] += 1
        first.set_weights([kernel, changed])
        after = np.array(captioner([FEATURES, tokens]))
        assert np.abs(after - before).max() > 1e-3, number


def test_attention_begins_with_the_picture_too():
    """Without regions to tell apart, the context is their common memory."""
    _, captioner = built(cell="simple_rnn", attention_score="general")
    tokens = words(B)
    memory, v = seen(captioner)
    (table,) = arrays(captioner.get_layer("tokens"))
    decoder = captioner.get_layer("decoder")
    kernel, recurrent, bias = arrays(decoder.recurrent[0])
    w = table[tokens] * D**0.5
    h = elman(w @ kernel + bias, recurrent, v)  # B T U
    looked = np.array(
        model.IncrementalDecoder(captioner, "attention").attention(
            FEATURES, tokens
        )
    )
    context = looked @ memory  # B T U
    (output,) = arrays(decoder.output_layer)
    y = np.tanh(np.concatenate([context, h], axis=-1) @ output)
    np.testing.assert_allclose(
        captioner([FEATURES, tokens]), logits_of(captioner, y), atol=1e-4
    )


# What only training has.


def test_the_penalty_is_equation_14_without_padding():
    trained, captioner = built(attention_penalty=0.7)
    tokens = words(2)
    tokens[1, 3:] = Tokenizer.END, 0  # as teacher forcing reads it
    inputs = FEATURES[:2]
    steps = model.IncrementalDecoder(captioner, "attention")
    looked = np.array(steps.attention(inputs, tokens))
    # Steps that have a word to predict: all five, and three.
    missed = [
        ((1 - looked[row, :real].sum(axis=0)) ** 2).sum()
        for row, real in enumerate((5, 3))
    ]
    logits = trained([inputs, tokens])
    (loss,) = trained.losses
    assert float(loss) == pytest.approx(0.7 * np.mean(missed), rel=1e-4)
    np.testing.assert_allclose(logits, captioner([inputs, tokens]), atol=1e-5)
    assert captioner.losses == []
    assert not any(
        isinstance(layer, decoders.AttentionPenalty)
        for layer in captioner.layers
    )


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


# How it begins.


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


# Encoders that are trained along.


def test_finetuning_leaves_batch_normalization_as_it_is(tmp_path):
    path = write_network(tmp_path / "network.keras")
    encoder = picture_encoder.build(Config(encoder=path, finetune=True))
    assert encoder.trained
    assert encoder.frozen is None
    config = Config(encoder=path, finetune=True, units=U, averaging=0.0)
    trained, _ = model.build(config, encoder.source, COUNTS, several=True)
    network = keras.models.load_model(path)
    before = network.get_weights()
    model.compile_model(trained, config, 3)
    pictures = np.stack([pixels(n) for n in range(B)]).astype("float32")
    tokens = words(2 * B)
    for _ in range(3):
        trained.train_on_batch([pictures, tokens], tokens)
    inside = [w for w in encoder.network.model.weights if "seed" not in w.path]
    changed = [
        not np.array_equal(new, old)
        for new, old in zip(inside, before, strict=True)
    ]
    of_norm = [
        any(weight is own for layer in network.layers for own in layer.weights)
        and "batch_normalization" in weight.path
        for weight in network.weights
    ]
    assert changed == [not norm for norm in of_norm]


def test_finetuning_begins_at_a_layer_and_takes_smaller_steps(tmp_path):
    path = write_network(tmp_path / "network.keras")
    network = keras.models.load_model(path)
    names = [layer.name for layer in network.layers if layer.weights]
    config = Config(
        encoder=path, finetune=True, units=U, averaging=0.0, weight_decay=0.0
    )
    config = dataclasses.replace(config, finetune_from=names[-1])
    pictures = np.stack([pixels(n) for n in range(B)]).astype("float32")
    tokens = words(2 * B)
    steps = {}
    for rate in (1.0, 0.1):
        keras.utils.set_random_seed(0)
        config = dataclasses.replace(config, finetune_rate=rate)
        encoder = picture_encoder.build(config)
        trained, _ = model.build(config, encoder.source, COUNTS, several=True)
        inside = [
            w for w in encoder.network.model.weights if "seed" not in w.path
        ]
        before = [np.array(w) for w in inside]
        model.compile_model(trained, config, 100)
        for _ in range(2):  # the first one's rate is zero
            trained.train_on_batch([pictures, tokens], tokens)
        steps[rate] = [
            np.array(w) - old for w, old in zip(inside, before, strict=True)
        ]
    moved = [bool(step.any()) for step in steps[1.0]]
    own = len(network.get_layer(names[-1]).weights)
    assert moved == [False] * (len(moved) - own) + [True] * own
    for slow, usual in zip(steps[0.1], steps[1.0], strict=True):
        np.testing.assert_allclose(slow, 0.1 * usual, atol=1e-6)


def test_finetuning_from_a_layer_without_finetuning():
    with pytest.raises(UserError, match="without --finetune"):
        picture_encoder.build(Config(finetune_from="fire8"))


def test_finetuning_from_a_layer_that_is_not_there(tmp_path):
    path = write_network(tmp_path / "network.keras")
    with pytest.raises(UserError, match="--finetune-from there"):
        picture_encoder.build(
            Config(encoder=path, finetune=True, finetune_from="there")
        )


def test_a_frozen_encoder_is_no_part_of_the_model(tmp_path):
    path = write_network(tmp_path / "network.keras")
    encoder = picture_encoder.build(Config(encoder=path, grid=3))
    assert encoder.frozen is encoder.network
    assert encoder.captions_per_picture == 1
    assert encoder.source == (9, 12)
    assert not encoder.network.model.trainable_weights


# As a file.


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
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    for name, logits in expected.items():
        found = np.load(tmp_path / f"{name}-found.npy")
        np.testing.assert_allclose(found, logits, atol=1e-5, err_msg=name)
