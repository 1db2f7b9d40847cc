"""Training steps of captioning and video labelling beside their products.

    python -m benchmarks.steps --seconds 5 --encoder network.keras

What is compared runs in turn, again and again, in one process: a training step
of the app on a batch in memory, with its optimizer, averages and metrics; and
its matrix products and convolutions alone, forward and backward, of the same
shapes. `batch` is what the app's pipeline takes to make a batch, in threads of
its own while a step runs. With an encoder, the file of a Keras model, features
are computed of pictures, from JPEG files to the store, beside the encoder's
`predict` on their pixels in memory.

Printed are medians in milliseconds of wall-clock time, with quartiles; and
ratios of medians, also of CPU time, on which other processes have less
influence.

Letters of shapes: N rows of a product, B batch, T time, R regions, C channels,
U units.
"""

import argparse
import functools
import itertools
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

import rnn_layers
from apps.captioning import config as captioning_config
from apps.captioning import model as captioning_model
from apps.captioning import picture_encoder
from apps.common import cli, encoders, tables
from apps.common.token_loss import teacher_forced
from apps.video_labeling import config as video_config
from apps.video_labeling import model as video_model
from benchmarks.layers import products as recurrent_products
from benchmarks.layers import quartiles
from data_pipelines import captioning as captions
from data_pipelines import video_labeling as videos
from data_pipelines.vision import images, picture_inputs

# Like Flickr8k: words of the vocabulary and of a caption, and features.
WORDS, LENGTH, FEATURES = 3000, 13, (36, 1280)
# Of action segmentation: features of a frame, as I3D has them, and labels.
CHANNELS, LABELS = 2048, 19
PICTURES = 160


def matmul(n, inputs, outputs, first=False):
    """Return a function of a dense layer's products; `first`: two of them."""
    x = tf.random.normal((n, inputs))
    kernel = tf.random.normal((inputs, outputs))
    gradient = tf.random.normal((n, outputs))

    def run():
        yield tf.matmul(x, kernel)
        yield tf.matmul(x, gradient, transpose_a=True)
        if not first:
            yield tf.matmul(gradient, kernel, transpose_b=True)

    return run


def batched(b, rows, inner, columns):
    """Return the same of `(B, rows, inner)` by `(B, inner, columns)`."""
    x = tf.random.normal((b, rows, inner))
    y = tf.random.normal((b, inner, columns))
    gradient = tf.random.normal((b, rows, columns))

    def run():
        yield tf.matmul(x, y)
        yield tf.matmul(x, gradient, transpose_a=True)
        yield tf.matmul(gradient, y, transpose_b=True)

    return run


def convolution(layer, n, first):
    """Return the same of a `Conv2D` over N pictures."""
    x = tf.random.normal((n, *layer.input.shape[1:]))
    kernel = tf.random.normal(layer.kernel.shape)
    gradient = tf.random.normal((n, *layer.output.shape[1:]))
    options = {
        "strides": [1, *layer.strides, 1],
        "padding": layer.padding.upper(),
    }

    def run():
        yield tf.nn.conv2d(x, kernel, **options)
        yield tf.raw_ops.Conv2DBackpropFilter(
            input=x,
            filter_sizes=tf.shape(kernel),
            out_backprop=gradient,
            **options,
        )
        if not first:
            yield tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(x),
                filter=kernel,
                out_backprop=gradient,
                **options,
            )

    return run


def layer_products(layers, n, steps=1, lowest=""):
    """Yield the products of dense layers and convolutions.

    Args:
        layers: Keras layers; those in models among them count too.
        n: What stands for the first axis of their inputs.
        steps: What stands for the second one where it varies.
        lowest: Name of the dense layer whose input has no gradient.
    """
    for layer in layers:
        if isinstance(layer, rnn_layers.TimeDistributed):
            yield from layer_products([layer.layer], n * steps, 1, lowest)
        elif isinstance(layer, keras.Model):
            yield from layer_products(layer.layers, n, steps, lowest)
        elif isinstance(layer, keras.layers.Conv2D):
            yield convolution(layer, n, layer.input.shape[-1] == 3)
        elif isinstance(layer, keras.layers.Dense):
            between = [side or steps for side in layer.input.shape[1:-1]]
            rows = n * int(np.prod(between))
            yield matmul(rows, *layer.kernel.shape, layer.name == lowest)


def together(runs, others):
    """Return one function of products, in one graph, and of others behind."""

    @tf.function(autograph=False)
    def total():
        tensors = itertools.chain.from_iterable(run() for run in runs)
        return tf.add_n([tf.reshape(x, (-1,))[0] for x in tensors])

    def run():
        total().numpy()
        for other in others:
            other()

    return run


def trained_step(trained, batch):
    """Return a function that takes one step of training on a batch."""
    iterator = iter(tf.data.Dataset.from_tensors(batch).repeat())
    step = trained.make_train_function() or trained.train_function
    return lambda: tf.nest.map_structure(np.asarray, step(iterator))


def captioner(config, source, batch, words):
    """Return a step of captioning and its products.

    Args:
        config: The `Config`.
        source: The encoder to train, or the shape of features.
        batch: Inputs, and tokens `(B, T + 1)`.
        words: Of the vocabulary.
    """
    inputs, tokens = batch
    pictures, (b, t) = len(inputs), tokens.shape
    t -= 1
    trained, model = captioning_model.build(
        config, source, np.ones(words), b > pictures, compile_loops=True
    )
    captioning_model.compile_model(trained, config, 1000)
    units, size = config.units, config.embedding_size
    regions = model.get_layer("picture").outputs[0].shape[1]
    runs = [
        *layer_products([model.get_layer("picture")], pictures),
        *layer_products([model.get_layer("outputs")], b, t),
        matmul(b * t, size, words),  # logits
        matmul(b * regions, units, units),  # of additive attention: keys,
        matmul(b * t, units, units),  # queries,
        matmul(b * t * regions, units, 1),  # scores,
        batched(b, t, regions, units),  # and contexts
        matmul(b * t, 2 * units, units),
    ]
    cell = recurrent_products(
        config.cell, tf.random.normal((b, t, size)), units, True, 1
    )
    step = trained_step(trained, teacher_forced(inputs, tokens))
    return {"step": step, "products": together(runs, [cell])}


def labeller(config, shape, batch, labels):
    """Return a step of video labelling and its products.

    Args:
        config: The `Config`, of depth 1.
        shape: Of a frame.
        batch: As the pipeline makes it.
        labels: How many there are.
    """
    trained, model = video_model.build(config, shape, labels, True)
    video_model.compile_model(trained, config, 1000, np.ones(labels) / labels)
    b, t = config.batch_size, config.chunk
    lowest = "" if len(shape) == 3 else "kept"  # of features, not learned
    runs = layer_products(model.layers, b, t, lowest)
    size, directions = config.vector_size, 1 + (config.mode == "offline")
    x = tf.random.normal((b, t, size))
    cell = recurrent_products(config.cell, x, config.units, True, directions)
    step = trained_step(trained, video_model.training_batch(*batch))
    return {"step": step, "products": together(list(runs), [cell])}


def captioning_demo(cache_path):
    """Return what is compared on pictures of the demo."""
    config = captioning_config.Config()
    encoder = picture_encoder.build(config)
    data = captions.make_datasets(
        "demo_small",
        cache_path=cache_path,
        picture_size=encoder.network.size,
        vocabulary_size=config.vocabulary_size,
        max_length=config.max_length,
        batch_size=config.batch_size,
        captions_per_picture=encoder.captions_per_picture,
        seed=0,
    )
    batches = iter(data.train.dataset(training=True))
    words = len(data.frequencies)
    functions = captioner(config, encoder.source, next(batches), words)
    return {**functions, "batch": lambda: next(batches)}


def captioning_features(cache_path):
    """Return what is compared on features of photographs, in memory."""
    # As large as by `--preset photos`, with a picture for each caption.
    config = captioning_config.Config(
        units=512, embedding_size=256, dropout=0.5, learning_rate=2e-3
    )
    random = np.random.default_rng(0)
    shape = config.batch_size, LENGTH + 1
    tokens = random.integers(4, WORDS, shape).astype("int32")
    features = random.uniform(0, 6, (len(tokens), *FEATURES))
    batch = tf.constant(features, tf.float16), tf.constant(tokens)
    return captioner(config, FEATURES, batch, WORDS)


def video_demo(cache_path):
    """Return what is compared on videos of the demo."""
    config = video_config.Config()
    data = videos.make_datasets(
        "demo_small",
        cache_path=cache_path,
        frame_size=(config.frame_height, config.frame_width),
        chunk=config.chunk,
        batch_size=config.batch_size,
        seed=0,
    )
    batches = iter(data.train.dataset(training=True))
    functions = labeller(config, data.shape, next(batches), len(data.labels))
    return {**functions, "batch": lambda: next(batches)}


def video_features(cache_path, **flags):
    """Return what is compared on features of videos, in memory."""
    config, random = video_config.Config(**flags), np.random.default_rng(0)
    shape = config.batch_size, config.chunk
    features = random.normal(size=(*shape, 1, CHANNELS))
    x = {
        "frames": tf.constant(features, tf.float16),
        "begins": tf.zeros(shape[:1], tf.bool),
    }
    labels = tf.constant(random.integers(0, LABELS, shape), tf.int32)
    batch = x, labels, tf.ones(shape)
    return labeller(config, (1, CHANNELS), batch, LABELS)


CASES = {
    "captioning, demo": captioning_demo,
    "captioning, features": captioning_features,
    "video labelling, demo": video_demo,
    "video labelling, features": video_features,
    "video labelling, features, --chunk 128": functools.partial(
        video_features, chunk=128
    ),
}


def extraction(name, size, folder):
    """Return the extraction of features of pictures, and `predict` alone.

    Args:
        name: The file of an encoder.
        size: Of the pictures.
        folder: An empty one.
    """
    encoder = encoders.open_encoder(name, size=size, grid=6)
    random = np.random.default_rng(0)
    files = {}
    for number in range(PICTURES):
        coarse = random.integers(0, 256, (12, 16, 3), np.uint8)
        files[f"{number}.jpg"] = folder / f"{number}.jpg"
        picture = Image.fromarray(coarse).resize((500, 375), Image.BICUBIC)
        picture.save(files[f"{number}.jpg"], quality=90)
    pixels = [images.read(path, (size, size)) for path in files.values()]
    pixels = np.stack(pixels).astype("float32")
    stores = (folder / f"store-{n}" for n in itertools.count())

    def extract():
        picture_inputs.extract_features(
            files.items(), encoder, "stretch", next(stores)
        )

    def predict():
        encoder.model.predict(pixels, batch_size=32, verbose=0)

    return {"extraction": extract, "predict": predict}


def measured(functions, seconds):
    """Run functions in turn; return seconds of each call, wall and CPU.

    The first two calls of each, which compile, do not count.
    """
    for run in functions.values():
        run()
        run()
    times = {name: [] for name in functions}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(times.values()))) < 5:
        for name, run in functions.items():
            begun = time.perf_counter(), time.process_time()
            run()
            ended = time.perf_counter(), time.process_time()
            times[name].append(np.subtract(ended, begun))
    return {name: np.array(values) for name, values in times.items()}


def cells(times, ours, theirs):
    """Return a row: the two, their ratio of wall-clock and of CPU time."""
    row = []
    for name in (ours, theirs):
        low, median, high = quartiles(1e3 * times[name][:, 0])
        row.append(f"{median:.1f} ({low:.1f} to {high:.1f})")
    ratio = np.median(times[ours], axis=0) / np.median(times[theirs], axis=0)
    batch = times.get("batch")
    more = "" if batch is None else f"{1e3 * np.median(batch[:, 0]):.1f}"
    return [*row, *(f"{value:.2f}" for value in ratio), more]


def parse(arguments=None):
    """Return the flags."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", nargs="*", choices=CASES, default=[*CASES])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--encoder", default="", help="file of an encoder")
    parser.add_argument("--size", type=int, default=224, help="of pictures")
    parser.add_argument("--cache-path", default="data/cache")
    return parser.parse_args(arguments)


def main(options):
    """Measure, and print a table of each."""
    lines = []
    for name in options.cases:
        times = measured(CASES[name](options.cache_path), options.seconds)
        lines.append([name, *cells(times, "step", "products")])
        keras.backend.clear_session()
    ratios = ["ratio", "ratio of CPU time"]
    head = ["", "step, ms", "products, ms", *ratios, "batch, ms"]
    if lines:
        print(f"\n{tables.markdown(head, lines)}")
    if not options.encoder:
        return
    with tempfile.TemporaryDirectory() as folder:
        functions = extraction(options.encoder, options.size, Path(folder))
        times = measured(functions, options.seconds)
    times = {name: values / PICTURES for name, values in times.items()}
    row = cells(times, "extraction", "predict")[:-1]
    head = ["", "extraction, ms a picture", "predict, ms a picture", *ratios]
    print(f"\n{tables.markdown(head, [['features of pictures', *row]])}")


if __name__ == "__main__":
    cli.main(lambda: main(parse()))
