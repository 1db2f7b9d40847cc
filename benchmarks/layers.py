"""Recurrent layers side by side: times, memory and compilations.

    python -m benchmarks.layers --cells lstm gru --seconds 2

Everything that is compared in one row runs in turn, again and again, so that
other load on the machine falls on all alike: in one process, but for torch,
whose threads would disturb those of TensorFlow. A training step is the forward
pass and the gradient by the input and every weight; `predict` is
`keras.Model.predict` on one batch. Printed are medians in milliseconds, and
quartiles beside them. Peak memory is that of a process of its own.

A run of everything also replaces the table in `benchmarks/README.md`.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import platform
import statistics
import time

import keras
import numpy as np
import tensorflow as tf

import rnn_layers
from apps.common import checks, cli
from benchmarks import layers_report, torch_layers
from data_pipelines.files.atomic import replacing

SHAPES = [  # (batch, steps, inputs, units)
    (32, 128, 64, 64),
    (64, 128, 128, 256),
    (32, 400, 64, 32),
    (32, 30, 256, 512),
    (1, 50, 128, 128),
]
CELLS = ["lstm", "peephole_lstm", "coupled_lstm", "gru", "min_gru"]
VARIANTS = ["plain", "masked", "bidirectional"]
WHATS = ["forward", "predict", "training step"]
README = pathlib.Path(__file__).with_name("README.md")


def function(layer, x, mask, training, jit_compile):
    """Return a compiled forward pass or training step of a layer."""

    def run(x):
        if not training:
            return layer(x, mask=mask)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, mask=mask, training=True) ** 2)
        weights = [v.value for v in layer.trainable_variables]
        # All of them, for what is not returned is not computed either.
        return tape.gradient(loss, [x, *weights])

    layer.build(x.shape)
    traced = tf.function(run, jit_compile=jit_compile, autograph=False)
    return lambda: [result.numpy() for result in tf.nest.flatten(traced(x))]


def prediction(layer, x, masked):
    """Return `predict` of a model of one layer, on one batch."""
    inputs = keras.Input(x.shape[1:])
    # Nothing is masked out: the inputs are not zero.
    hidden = keras.layers.Masking()(inputs) if masked else inputs
    model = keras.Model(inputs, layer(hidden))
    x = x.numpy()
    return lambda: model.predict(x, batch_size=len(x), verbose=0)


def products(cell, x, units, training, directions):
    """Return a function that does nothing but a cell's matrix products."""
    batch, steps, inputs = x.shape
    gates = {"gru": 3, "coupled_lstm": 3, "min_gru": 2}.get(cell, 4)
    kernel = tf.random.normal((inputs, gates * units))
    recurrent = tf.random.normal((units, gates * units)) / units
    flat = tf.reshape(x, (-1, inputs))
    state = tf.random.normal((batch, units))
    wide = tf.random.normal((batch * steps, gates * units))
    history = tf.random.normal((batch * steps, units))

    def loop(state, back):
        def body(t, h):
            z = h @ recurrent
            return t + 1, (z @ back if training else z[:, :units])

        return tf.while_loop(lambda t, _: t < steps, body, (0, state))[1]

    @tf.function(autograph=False)
    def run():
        total = 0.0
        for _ in range(directions):
            total += tf.reduce_sum((flat @ kernel)[0])
            if cell != "min_gru":
                total += tf.reduce_sum(loop(state, tf.transpose(recurrent)))
            if training:
                total += tf.matmul(flat, wide, transpose_a=True)[0, 0]
                total += tf.matmul(wide, kernel, transpose_b=True)[0, 0]
                if cell != "min_gru":
                    total += tf.matmul(history, wide, transpose_a=True)[0, 0]
        return total

    return lambda: run().numpy()


def layers(cell, units, bidirectional):
    """Return functions that make the layers that are compared."""
    options = {"return_sequences": True}
    stock = keras.layers.GRU if "gru" in cell else keras.layers.LSTM

    def both(layer, kind=keras.layers.Bidirectional):
        return kind(layer) if bidirectional else layer

    return {
        "ours": lambda: both(
            rnn_layers.rnn(cell, units, **options), rnn_layers.Bidirectional
        ),
        "stock": lambda: both(stock(units, **options)),
        "rnn": lambda: both(
            keras.layers.RNN(rnn_layers.rnn(cell, units).cell, **options)
        ),
    }


def candidates(cell, shape, what, masked, bidirectional):
    """Return what is compared in one row as functions by name, and ours."""
    batch, steps, inputs, units = shape
    x = tf.random.normal((batch, steps, inputs))
    mask = None
    if masked:
        lengths = np.linspace(steps // 2, steps, batch).astype(int)
        mask = tf.sequence_mask(lengths, steps)
    make = layers(cell, units, bidirectional)
    ours = make["ours"]()
    if what == "predict":
        return {
            "ours": prediction(ours, x, masked),
            "stock": prediction(make["stock"](), x, masked),
            "rnn": prediction(make["rnn"](), x, masked),
        }, ours
    training = what == "training step"
    functions = {
        "ours": function(ours, x, mask, training, None),
        "products": products(cell, x, units, training, 1 + bidirectional),
    }
    for name, jit_compile in (("graph", False), ("xla", True)):
        for kind in ("stock", "rnn"):
            functions[f"{kind} {name}"] = function(
                make[kind](), x, mask, training, jit_compile
            )
    if torch_layers.installed() and not masked and cell != "min_gru":
        kind = "GRU" if cell == "gru" else "LSTM"
        functions["torch"] = torch_layers.process(
            kind, shape, training, bidirectional
        )
    return functions, ours


def compilations(layer):
    """Count the loops of a layer that XLA compiled, each for one shape."""
    cache = getattr(layer, "forward_layer", layer).loop_cache
    return sum(
        function.experimental_get_tracing_count()
        for loop in cache.loops.values()
        for function in (loop.forward, loop.infer, loop.backward)
    )


def most_resident():
    """Return the most KiB that this process has ever had in memory.

    Not `resource.getrusage`, which counts what the parent had at the fork.
    """
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1])


def peak(cell, shape, name):
    """Return by how many MiB a process grows by training one layer."""
    batch, steps, inputs, units = shape
    x = tf.random.normal((batch, steps, inputs))
    run = function(layers(cell, units, False)[name](), x, None, True, False)
    tiny = function(
        layers(cell, 4, False)[name](), x[:1, :2, :4], None, True, False
    )
    tiny()  # what any loop needs
    before = most_resident()
    for _ in range(3):
        run()
    return (most_resident() - before) / 1024


def memory(cell, shape):
    """Measures peak memory of a training step, each layer in a process."""
    peaks = {}
    for name in ("ours", "stock", "rnn"):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            peaks[name] = round(pool.apply(peak, (cell, shape, name)), 1)
    return {"cell": cell, "shape": shape, "mib": peaks}


def measure(functions, seconds):
    """Run functions in turn; returns their times in milliseconds."""
    first = {}
    for name, run in functions.items():
        start = time.perf_counter()
        run()
        first[name] = 1e3 * (time.perf_counter() - start)
        run()
    times = {name: [] for name in functions}
    end = time.perf_counter() + seconds * len(functions)
    while time.perf_counter() < end or len(times["ours"]) < 5:
        for name, run in functions.items():
            start = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - start))
    return times, first


def best(times):
    """Keep the better of graph and XLA of the others under one name."""
    fastest = {}
    for name, values in times.items():
        short = name.split()[0]
        if short not in fastest or np.median(values) < np.median(
            fastest[short]
        ):
            fastest[short] = values
    return fastest


def row(cell, shape, what, masked, bidirectional, seconds):
    """Measures one row of the table."""
    keras.backend.clear_session()
    functions, ours = candidates(cell, shape, what, masked, bidirectional)
    times, first = measure(functions, seconds)
    return {
        "cell": cell,
        "shape": shape,
        "what": what,
        "masked": masked,
        "bidirectional": bidirectional,
        "compilations": compilations(ours),
        "first_call_ms": {name: round(ms, 1) for name, ms in first.items()},
        "ms": {
            name: dict(zip(("low", "median", "high"), three, strict=True))
            for name, three in (
                (name, [round(float(q), 2) for q in quartiles(values)])
                for name, values in best(times).items()
            )
        },
    }


def quartiles(values):
    """Return the three quartiles."""
    return np.percentile(values, [25, 50, 75])


def streaming(seconds):
    """Measures one compiled step of 256 units at batch 1, in microseconds."""
    layer = rnn_layers.rnn("peephole_lstm", 256)
    layer.build((1, None, 256))
    kernels = [tf.convert_to_tensor(w) for w in layer.cell.weights[:2]]
    x = tf.random.normal((1, 256))
    states = layer.cell.get_initial_state(1)
    step = tf.function(layer.step, jit_compile=True)
    alone = tf.function(lambda x, h: x @ kernels[0] + h @ kernels[1])
    times, _ = measure(
        {
            "ours": lambda: step(x, states)[0].numpy(),
            "products": lambda: alone(x, states[0]).numpy(),
        },
        seconds,
    )
    return {
        name: round(1e3 * statistics.median(t), 1) for name, t in times.items()
    }


def arguments():
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", nargs="+", default=CELLS, choices=CELLS)
    parser.add_argument(
        "--shapes",
        nargs="+",
        type=int,
        default=range(len(SHAPES)),
        help="numbers of shapes, from 0",
    )
    parser.add_argument(
        "--variants",
        nargs="+",
        default=VARIANTS,
        choices=VARIANTS,
    )
    parser.add_argument("--what", nargs="+", default=WHATS, choices=WHATS)
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="for each thing compared"
    )
    parser.add_argument(
        "--output", default="runs/bench/layers", help="of .json and .md"
    )
    return parser.parse_args()


def measured(chosen):
    """Yield the rows that the command line asks for."""
    for cell in chosen.cells:
        for number in chosen.shapes:
            for variant in chosen.variants:
                for what in chosen.what:
                    yield row(
                        cell,
                        SHAPES[number],
                        what,
                        variant == "masked",
                        variant == "bidirectional",
                        chosen.seconds,
                    )


def complete(chosen):
    """Tells whether the command line leaves nothing out."""
    counts = [len(chosen.shapes), len(chosen.variants), len(chosen.what)]
    everything = [len(SHAPES), len(VARIANTS), len(WHATS)]
    return chosen.cells == CELLS and counts == everything


def main():
    """Measures, prints as it goes, and writes the table and the JSON file."""
    chosen = arguments()
    checks.output_file("output", chosen.output)
    output = pathlib.Path(chosen.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    cores = len(os.sched_getaffinity(0))
    result = {
        "machine": f"{platform.machine()}, {cores} cores",
        "versions": {
            "TensorFlow": tf.__version__,
            "Keras": keras.__version__,
            **torch_layers.version(),
        },
        "seconds": chosen.seconds,
        "streaming_us": streaming(chosen.seconds),
        "memory": [],
        "rows": [],
    }

    def add(kind, measurement):
        result[kind].append(measurement)
        with replacing(output.with_suffix(".json")) as file:
            file.write_text(json.dumps(result, indent=1))

    largest = max((SHAPES[k] for k in chosen.shapes), key=np.prod)
    for cell in chosen.cells:
        add("memory", memory(cell, largest))
    for measurement in measured(chosen):
        add("rows", measurement)
        print(layers_report.line(measurement), flush=True)
    with replacing(output.with_suffix(".md")) as file:
        file.write_text(layers_report.page(result))
    print(f"{layers_report.summary(result)}\n{output}.json\n{output}.md")
    if complete(chosen):
        layers_report.replace_in(README, result)
        print(README)


if __name__ == "__main__":
    cli.main(main)
