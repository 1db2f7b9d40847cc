"""Encoders of pictures: frozen, and trained along."""

import dataclasses

import keras
import numpy as np
import pytest

from apps.captioning import evaluate, model, picture_encoder, train
from apps.captioning.config import PRESETS, Config
from apps.common import cli, encoders
from apps.common.cli import UserError
from tests.apps import squares
from tests.apps.captioning.tiny import COUNTS, B, U, words
from tests.apps.squares import flags, opened, pixels, write_network


def test_colours_of_a_region_are_the_same_wherever_its_pixels_lie():
    encoder = picture_encoder.small_cnn(24)
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (2, 24, 24, 3)).astype("float32")
    moved = pictures.copy()
    moved[:, 8:16, 16:] = np.roll(pictures[:, 8:16, 16:], (2, 4), (1, 2))
    ours, others = np.array(encoder(pictures)), np.array(encoder(moved))
    assert ours.shape == (2, 9, 5 * picture_encoder.CHANNELS)
    cut = -picture_encoder.CHANNELS
    np.testing.assert_allclose(ours[..., cut:], others[..., cut:], atol=1e-6)
    assert (abs(ours - others)[..., :cut].max(axis=(0, 2)) > 1e-3).all()


@pytest.mark.slow
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
    trained.optimizer.build(trained.trainable_variables)
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


@pytest.mark.slow
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
    several = Config(encoder=path, captions_per_picture=5)
    assert picture_encoder.build(several).captions_per_picture == 5
    assert encoder.source == (9, 12)
    assert not encoder.network.model.trainable_weights


@pytest.mark.parametrize(
    ("more", "captions"),
    [
        ({}, 2),
        ({"captions_per_picture": 3}, 3),
    ],
)
def test_how_many_captions_of_a_picture_share_a_batch(more, captions):
    encoder = picture_encoder.build(Config(picture_size=16, **more))
    assert encoder.captions_per_picture == captions


@pytest.mark.slow
def test_a_second_start_computes_no_features(frozen, monkeypatch, capsys):
    run, captioner = opened(frozen)

    def fail(*_):
        raise AssertionError("a picture was looked at")

    monkeypatch.setattr(encoders.Encoder, "__call__", fail)
    config = Config(**run.record["config"])
    data = evaluate.datasets(captioner, config.dataset, None)
    assert data.test.example_input(0).shape == (16, 12)
    again = picture_encoder.build(config).frozen
    assert again.key == captioner.encoder.frozen.key
    assert "computing" not in capsys.readouterr().err


@pytest.mark.parametrize("finetune", ["false", "true"])
def test_wrong_pixels_are_refused_before_training(tmp_path, capsys, finetune):
    squares.write_pictures(tmp_path / "pictures")
    network = write_network(tmp_path / "n.keras", lambda x: x / 127.5 - 1)
    arguments = flags(
        *(tmp_path, "--name", "x", "--encoder", network),
        *("--finetune", finetune),
    )
    wrong = cli.parse(Config, PRESETS, arguments)
    with pytest.raises(SystemExit) as ended:
        cli.main(lambda: train.train(wrong))
    assert ended.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: the encoder was trained on other pixels")
    assert error.endswith("try another --encoder-pixels: raw, tf, torch, caffe")
    assert not (tmp_path / "runs" / "captioning" / "x").exists()
    if finetune == "false":
        assert not list((tmp_path / "data" / "features").rglob("*.npy"))
    right = cli.parse(Config, PRESETS, [*arguments, "--encoder-pixels", "tf"])
    encoder = picture_encoder.build(right)
    pictures = np.stack([pixels(number) for number in range(24)])
    assert encoder.network.check(pictures) == pytest.approx(1, rel=0.01)
