"""Encoders: any Keras network as a model of regions, fed with its pixels."""

import keras
import numpy as np
import pytest
from keras import layers

from apps.common import encoders
from apps.common.cli import UserError

PICTURES = np.random.default_rng(0).integers(0, 256, (4, 24, 36, 3), np.uint8)


def saved(folder, output, shape=(None, None, 3), inputs=None):
    """Writes the network `output(x)` and returns its file."""
    x = keras.Input(shape)
    path = folder / "network.keras"
    keras.Model(inputs or x, output(x)).save(path)
    return str(path)


def convolution(x):
    return layers.Conv2D(5, 3, 2, padding="same", name="last")(x)


def test_regions_are_the_networks_output_row_by_row(tmp_path):
    path = saved(tmp_path, convolution)
    encoder = encoders.open_encoder(path, size=(24, 36))
    network = keras.models.load_model(path)
    expected = network.predict(PICTURES.astype("float32"), verbose=0)
    assert encoder.grid == (12, 18)
    assert encoder.model.output_shape[-1] == 5
    np.testing.assert_allclose(
        encoder(PICTURES), expected.reshape(4, 12 * 18, 5), atol=1e-4
    )


def test_a_grid_averages_neighbours(tmp_path):
    path = saved(tmp_path, convolution)
    whole = encoders.open_encoder(path, size=(24, 36))(PICTURES)
    encoder = encoders.open_encoder(path, size=(24, 36), grid=6)
    expected = whole.reshape(4, 6, 2, 6, 3, 5).mean(axis=(2, 4))
    np.testing.assert_allclose(
        encoder(PICTURES), expected.reshape(4, 36, 5), atol=1e-4
    )


def test_a_grid_is_never_finer_than_the_network(tmp_path):
    path = saved(tmp_path, convolution)
    encoder = encoders.open_encoder(path, size=(24, 36), grid=16)
    assert encoder.grid == (12, 16)


@pytest.mark.parametrize(
    ("output", "grid"),
    [
        (lambda x: layers.GlobalAveragePooling2D()(x), (1, 1)),
        (lambda x: layers.Reshape((24 * 36, 3))(x), (24 * 36, 1)),
    ],
)
def test_other_outputs_are_regions_too(tmp_path, output, grid):
    path = saved(tmp_path, output, (24, 36, 3))
    assert encoders.open_encoder(path).grid == grid


def test_a_layer_can_be_chosen(tmp_path):
    def output(x):
        return layers.GlobalAveragePooling2D()(convolution(x))

    path = saved(tmp_path, output)
    encoder = encoders.open_encoder(path, layer="last", size=(24, 36))
    assert encoder.grid == (12, 18)


def test_several_layers_are_joined_in_the_smallest_grid(tmp_path):
    def output(x):
        early = layers.Conv2D(3, 3, 2, padding="same", name="early")(x)
        return layers.Conv2D(5, 3, 2, padding="same", name="last")(early)

    path = saved(tmp_path, output)
    early, last = (
        encoders.open_encoder(path, layer=name, size=(24, 36))(PICTURES)
        for name in ("early", "last")
    )
    early = early.reshape(4, 6, 2, 9, 2, 3).mean(axis=(2, 4))
    parts = [early.reshape(4, 6 * 9, 3), last]
    expected = [
        (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
        for x in parts
    ]
    joined = [
        encoders.open_encoder(path, layer="early,last", size=(24, 36))
        for _ in range(2)
    ]
    assert joined[0].grid == (6, 9)
    assert joined[0].key == joined[1].key
    np.testing.assert_allclose(
        joined[0](PICTURES), np.concatenate(expected, -1), atol=1e-2
    )


@pytest.mark.parametrize("pixels", ["tf", "torch", "caffe"])
def test_pixels_are_what_keras_makes_of_them(tmp_path, pixels):
    path = saved(tmp_path, lambda x: layers.Activation("linear")(x))
    encoder = encoders.open_encoder(path, size=(24, 36), pixels=pixels)
    module = getattr(keras.applications, encoders.PIXELS[pixels])
    expected = module.preprocess_input(PICTURES.astype("float32"))
    np.testing.assert_allclose(
        encoder(PICTURES), expected.reshape(4, 24 * 36, 3), atol=1e-4
    )


def test_saved_and_loaded_it_is_the_same(tmp_path):
    encoder = encoders.open_encoder(
        saved(tmp_path, convolution), size=(24, 36), grid=4, pixels="caffe"
    )
    encoder.model.save(tmp_path / "encoder.keras")
    loaded = encoders.load(tmp_path / "encoder.keras")
    assert (loaded.key, loaded.grid, loaded.size) == (
        *(encoder.key, encoder.grid),
        encoder.size,
    )
    np.testing.assert_allclose(loaded(PICTURES), encoder(PICTURES))


def test_the_key_tells_networks_apart(tmp_path):
    path = saved(tmp_path, convolution)
    keys = {
        encoders.open_encoder(path, **options).key
        for options in (
            dict(size=24),
            dict(size=36),
            dict(size=24, grid=2),
            dict(size=24, pixels="tf"),
        )
    }
    again = saved(tmp_path, convolution)  # other random weights
    keys.add(encoders.open_encoder(again, size=24).key)
    assert len(keys) == 5


@pytest.mark.parametrize(
    ("trained", "pixels", "right"),
    [
        ("tf", "tf", True),
        ("tf", "raw", False),
        ("caffe", "caffe", True),
        ("caffe", "tf", False),
        ("torch", "torch", True),
    ],
)
def test_wrong_pixels_are_noticed(tmp_path, trained, pixels, right):
    """A network that has seen pixels of one kind refuses those of another."""
    module = getattr(keras.applications, encoders.PIXELS[trained])
    seen = module.preprocess_input(PICTURES.astype("float32"))

    def output(x):
        norm = layers.BatchNormalization(momentum=0.0)
        y = norm(x)
        norm(seen, training=True)
        return convolution(y)

    encoder = encoders.open_encoder(
        saved(tmp_path, output), size=(24, 36), pixels=pixels
    )
    if right:
        assert encoder.check(PICTURES) == pytest.approx(1, rel=0.01)
        return
    with pytest.raises(UserError, match="was trained on other pixels"):
        encoder.check(PICTURES)


def test_without_batch_normalization_there_is_nothing_to_compare(tmp_path):
    encoder = encoders.open_encoder(saved(tmp_path, convolution), size=24)
    assert encoder.check(PICTURES[:, :, :24]) is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet51", "expected a file ending in .keras or one of small_cnn"),
        ("gone.keras", "gone.keras: there is no such file"),
        ("xception", "its weights are not on this machine; add --download"),
    ],
)
def test_no_such_encoder(monkeypatch, tmp_path, name, message):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(UserError, match=message):
        encoders.open_encoder(name)


def test_networks_that_do_not_fit(tmp_path):
    path = saved(tmp_path, convolution, (32, 32, 3))
    with pytest.raises(UserError, match="takes pictures of 32 x 32, not of 24"):
        encoders.open_encoder(path, size=24)
    with pytest.raises(UserError, match="no such layer; its layers are"):
        encoders.open_encoder(path, layer="last,lost")
    with pytest.raises(UserError, match="of any size; choose one with --pic"):
        encoders.open_encoder(saved(tmp_path, convolution))
    path = saved(tmp_path, lambda x: layers.Dense(2)(x), (7,))
    with pytest.raises(UserError, match="expected pictures, \\(batch, height"):
        encoders.open_encoder(path)
    (tmp_path / "text.keras").write_text("no model")
    with pytest.raises(UserError, match="loaded as a Keras model"):
        encoders.open_encoder(str(tmp_path / "text.keras"))


@pytest.mark.parametrize("size", [(96, 96), (48, 64), (8, 8)])
def test_the_small_network_halves_until_the_grid_is_small(size):
    encoder = encoders.Encoder(encoders.small_cnn(size))
    assert encoder.size == size
    assert max(encoder.grid) <= 8
    assert encoder(np.zeros((2, *size, 3), np.uint8)).shape == (
        *(2, encoder.grid[0] * encoder.grid[1]),
        encoder.model.output_shape[-1],
    )


@pytest.mark.parametrize("name", sorted(encoders.APPLICATIONS))
def test_an_application_sees_the_pixels_that_it_wants(name, monkeypatch):
    """With a small network in its place, since its weights are a download."""
    inputs = keras.Input((None, None, 3))
    network = keras.Model(inputs, keras.layers.Conv2D(4, 8, 8)(inputs))
    monkeypatch.setattr(encoders, "_application", lambda *_: network)
    encoder = encoders.open_encoder(name, size=32)
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (2, 32, 32, 3), np.uint8)
    library = getattr(keras.applications, encoders.APPLICATIONS[name][0])
    pixels = library.preprocess_input(pictures.astype("float32"))
    expected = np.asarray(network(pixels)).reshape(2, 16, 4)
    np.testing.assert_allclose(
        encoder(pictures), expected, rtol=1e-4, atol=1e-3
    )


def test_every_application_is_one_of_keras():
    for module, cls, size, _ in encoders.APPLICATIONS.values():
        library = getattr(keras.applications, module)
        assert callable(getattr(library, cls))
        assert callable(library.preprocess_input)
        assert size >= 32
