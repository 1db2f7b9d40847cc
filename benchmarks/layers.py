"""Recurrent layers side by side: time of a forward pass and a training step.

    python -m benchmarks.layers --cells lstm gru --seconds 2

Everything that is compared in one row runs in turn, again and again, in one
process, so that other load on the machine falls on all alike. A training step
is the forward pass and the gradient by the input and every weight. Printed are
medians in milliseconds, with the quartiles in the JSON file.
"""

import argparse
import json
import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Threads of torch would else wait busily beside those of TensorFlow.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import keras
import numpy as np
import tensorflow as tf

import rnn_layers

try:
    import torch
except ImportError:
    torch = None

SHAPES = [  # (batch, steps, inputs, units)
    (32, 128, 64, 64),
    (64, 128, 128, 256),
    (32, 400, 64, 32),
    (32, 30, 256, 512),
    (1, 50, 128, 128),
]
CELLS = ["lstm", "peephole_lstm", "coupled_lstm", "gru", "min_gru"]
MEANING = {
    "ours": "the layer of this package",
    "rnn": "the same cell in `keras.layers.RNN`, the better of graph and XLA",
    "stock": "`keras.layers.LSTM` or `GRU`, the better of graph and XLA",
    "torch": "`torch.nn.LSTM` or `GRU`",
    "products": "the matrix products alone",
}


def function(layer, x, mask, training, jit_compile):
    """Returns a compiled forward pass or training step of a layer."""

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


def products(cell, x, units, training, directions):
    """Returns a function that does nothing but a cell's matrix products."""
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


def torch_function(cell, x, units, training, bidirectional):
    """Returns the same for `torch.nn.LSTM` or `GRU`."""
    kind = torch.nn.GRU if "gru" in cell else torch.nn.LSTM
    layer = kind(
        x.shape[-1], units, batch_first=True, bidirectional=bidirectional
    )
    x = torch.tensor(x.numpy(), requires_grad=training)

    def run():
        if not training:
            with torch.no_grad():
                return layer(x)[0]
        layer.zero_grad()
        (layer(x)[0] ** 2).sum().backward()
        return x.grad

    return run


def candidates(cell, shape, training, masked, bidirectional):
    """Returns what is compared in one row, as functions by name."""
    batch, steps, inputs, units = shape
    x = tf.random.normal((batch, steps, inputs))
    mask = None
    if masked:
        lengths = np.linspace(steps // 2, steps, batch).astype(int)
        mask = tf.sequence_mask(lengths, steps)
    options = {"return_sequences": True}

    def wrapped(layer, kind=keras.layers.Bidirectional):
        return kind(layer) if bidirectional else layer

    def stock():
        kind = keras.layers.GRU if "gru" in cell else keras.layers.LSTM
        return wrapped(kind(units, **options))

    def in_rnn():
        ours = rnn_layers.rnn(cell, units)
        return wrapped(keras.layers.RNN(ours.cell, **options))

    ours = wrapped(
        rnn_layers.rnn(cell, units, **options), rnn_layers.Bidirectional
    )
    found = {
        "ours": function(ours, x, mask, training, None),
        "products": products(cell, x, units, training, 1 + bidirectional),
    }
    for name, jit_compile in (("graph", False), ("xla", True)):
        found[f"stock {name}"] = function(
            stock(), x, mask, training, jit_compile
        )
        found[f"rnn {name}"] = function(
            in_rnn(), x, mask, training, jit_compile
        )
    if torch and not masked and cell != "min_gru":
        found["torch"] = torch_function(cell, x, units, training, bidirectional)
    return found


def measure(functions, seconds):
    """Runs functions in turn; returns their times in milliseconds."""
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
    """Keeps the better of graph and XLA under one name."""
    kept = {}
    for name, values in times.items():
        short = name.split()[0]
        if short not in kept or np.median(values) < np.median(kept[short]):
            kept[short] = values
    return kept


def row(cell, shape, training, masked, bidirectional, seconds):
    """Measures one row of the table."""
    keras.backend.clear_session()
    functions = candidates(cell, shape, training, masked, bidirectional)
    times, first = measure(functions, seconds)
    kept = best(times)
    return {
        "cell": cell,
        "shape": shape,
        "what": "training step" if training else "forward",
        "masked": masked,
        "bidirectional": bidirectional,
        "first_call_ms": round(first["ours"], 1),
        "ms": {
            name: dict(
                zip(
                    ("low", "median", "high"),
                    (round(float(q), 2) for q in quartiles(values)),
                    strict=True,
                )
            )
            for name, values in kept.items()
        },
    }


def quartiles(values):
    """Returns the three quartiles."""
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


def table(rows):
    """Returns the rows as a table, with how many times faster ours is."""
    names = [name for name in MEANING if any(name in r["ms"] for r in rows)]
    others = [name for name in names if name in ("rnn", "stock", "torch")]
    head = ["cell", "shape", "what", *names, *(f"{n} / ours" for n in others)]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for r in rows:
        median = {name: q["median"] for name, q in r["ms"].items()}
        what = r["what"]
        what += ", masked" if r["masked"] else ""
        what += ", bidirectional" if r["bidirectional"] else ""
        cells = [f"`{r['cell']}`", str(tuple(r["shape"])), what]
        cells += [f"{median[n]:.1f}" if n in median else "" for n in names]
        cells += [
            f"{median[n] / median['ours']:.2f}" if n in median else ""
            for n in others
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def summary(rows):
    """Returns geometric means of how many times faster ours is."""
    lines = []
    for what in ("forward", "training step"):
        for other in ("stock", "rnn", "torch"):
            ratios = [
                r["ms"][other]["median"] / r["ms"]["ours"]["median"]
                for r in rows
                if r["what"] == what and other in r["ms"]
            ]
            if ratios:
                mean = statistics.geometric_mean(ratios)
                lines.append(
                    f"{what}, {other} / ours: geometric mean {mean:.2f}, from "
                    f"{min(ratios):.2f} to {max(ratios):.2f}"
                )
    return "\n".join(f"* {line}" for line in lines)


def arguments():
    """Parses the command line."""
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
        default=["plain"],
        choices=["plain", "masked", "bidirectional"],
    )
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="for each thing compared"
    )
    parser.add_argument(
        "--output", default="benchmarks/layers", help="of .json and .md"
    )
    return parser.parse_args()


def main():
    """Measures, prints as it goes, and writes the table and the JSON file."""
    chosen = arguments()
    rows = []
    for cell in chosen.cells:
        for number in chosen.shapes:
            for variant in chosen.variants:
                for training in (False, True):
                    rows.append(
                        row(
                            cell,
                            SHAPES[number],
                            training,
                            variant == "masked",
                            variant == "bidirectional",
                            chosen.seconds,
                        )
                    )
                    print(table(rows[-1:]).splitlines()[-1], flush=True)
    result = {
        "machine": f"{platform.processor() or platform.machine()}, "
        f"{os.cpu_count()} cores",
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
        "load": os.getloadavg(),
        "streaming_us": streaming(chosen.seconds),
        "rows": rows,
    }
    with open(f"{chosen.output}.json", "w") as file:
        json.dump(result, file, indent=1)
    meanings = "\n".join(f"* {name}: {text}" for name, text in MEANING.items())
    text = (
        "# Recurrent layers, milliseconds\n\nShapes are (batch, steps, inputs, "
        f"units); medians; float32; {result['machine']}.\n\n{meanings}\n\n"
        f"{table(rows)}\n\n{summary(rows)}\n* one compiled step of "
        "`peephole_lstm`, 256 units, batch 1: "
        f"{result['streaming_us']['ours']} us, its products alone "
        f"{result['streaming_us']['products']} us\n"
    )
    with open(f"{chosen.output}.md", "w") as file:
        file.write(text)
    print(f"{summary(rows)}\n{chosen.output}.json\n{chosen.output}.md")


if __name__ == "__main__":
    main()
