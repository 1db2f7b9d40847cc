"""A run's networks in the forms of other runtimes: ONNX and LiteRT.

A network is a function of tensors: numbers in, numbers out. What turns a text
into numbers stays outside, its vocabulary stands beside the network, and
`signature.json` says what goes in, what comes out, and what else a caller has
to know. Each network is compared with the live function when it is written.
`converters.py` converts it.
"""

import importlib.metadata
import json
import shutil
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from apps.common import card, converters, export, formats, provenance, runs
from apps.common.cli import UserError
from apps.common.terminal import busy, echo

# What a network may differ by from the live function, relative beyond one.
TOLERANCE = 1e-4
# That int8 weights are scored on.
MOST_EXAMPLES = 300
SUFFIX = {"onnx": ".onnx", "litert": ".tflite"}
CONVERTERS = {"onnx": converters.to_onnx, "litert": converters.to_litert}
# Sizes that a LiteRT network has one of.
SINGLE = ("batch", "frames")
GREEDY = {"greedy.py": Path(__file__).with_name("onnx_greedy.py")}


class Tensor(typing.NamedTuple):
    """An input of a network.

    Attributes:
        name: In the network.
        shape: Numbers, and names of what varies: "batch", "words".
        dtype: Of NumPy.
        meaning: In words.
        initial: Of a state: what it is before the first step, one number if
            all of it is the same.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: str
    meaning: str
    initial: float | list[float] | None = None


class Network(typing.NamedTuple):
    """A function of tensors, and what others need to know of it.

    Attributes:
        name: Of its file.
        function: Of the inputs, in their order, to a dict of tensors. A state
            that goes on is called as its input, with `next_` before it.
        inputs: The `Tensor`s.
        outputs: Name -> meaning.
        examples: Arrays to compare on, each a tuple in the order of `inputs`,
            of several sizes.
        forms: Which forms it is written in.
    """

    name: str
    function: Callable
    inputs: Sequence[Tensor]
    outputs: Mapping[str, str]
    examples: Sequence[Sequence]
    forms: Sequence[str] = ("onnx", "litert")


class Portable(typing.NamedTuple):
    """All that an app gives of a run.

    Attributes:
        networks: The `Network`s.
        files: Name of a file of the run -> its meaning.
        settings: What a caller needs beside: numbers of tokens, sizes.
        scripts: Name -> file to copy: how to use what they give.
        sizes: Of LiteRT: name of a size -> number.
        score: Function of the folder `onnx/` to scores on some hundred
            examples of valid.
    """

    networks: Sequence[Network]
    files: Mapping[str, str]
    settings: Mapping[str, typing.Any]
    scripts: Mapping[str, Path] = types.MappingProxyType({})
    sizes: Mapping[str, int] = types.MappingProxyType({})
    score: Callable | None = None


def named(prefix: str, nest) -> dict:
    """Return the tensors of a nest by name: `state_0`, `state_1`, ..."""
    flat = tf.nest.flatten(nest)
    return {f"{prefix}_{number}": x for number, x in enumerate(flat)}


def states(initial) -> list[Tensor]:
    """Return the inputs of a step for states like these, `(1, U)` each."""
    tensors = []
    for name, state in named("state", initial).items():
        shape, dtype = ("batch", state.shape[-1]), state.dtype.name
        first = np.asarray(state).ravel().tolist()
        first = first[0] if len(set(first)) == 1 else first
        tensors.append(Tensor(name, shape, dtype, "carried", first))
    return tensors


def encoder_and_step(
    decoder, source: Tensor, examples: Sequence[np.ndarray], begin: int
) -> list[Network]:
    """Return the networks of an app that reads once, then writes tokens.

    Args:
        decoder: With `encode`, `initial_state` and `step`, see `decoding`.
        source: What is encoded.
        examples: Of it, of several sizes.
        begin: The token before the first one.
    """

    def encode(source):
        memory = decoder.encode(source)
        states = decoder.initial_state(memory)["states"]
        return {**named("memory", memory), **named("state", states)}

    def step(tokens, *more):
        memory, states = tf.nest.pack_sequence_as(like, more)
        logits, state = decoder.step(tokens, {"states": states}, memory)
        return {
            "logits": logits,
            "weights": state["weights"],
            **named("next_state", state["states"]),
        }

    encoded = [encode(tf.constant(each, source.dtype)) for each in examples]
    memory = decoder.encode(tf.constant(examples[0], source.dtype))
    like = memory, decoder.initial_state(memory)["states"]
    inputs = [Tensor("tokens", ("batch",), "int32", "the last tokens")]
    for name, tensor in encoded[0].items():
        # What varies: the batch, and what varies with the source.
        sizes = [
            size
            if len({each[name].shape[axis] for each in encoded}) == 1
            else source.shape[axis]
            for axis, size in enumerate(tensor.shape)
        ]
        shape = ("batch", *sizes[1:])
        meaning = "of the encoder, the same at every step"
        if name.startswith("state"):
            meaning = "carried"
        inputs.append(Tensor(name, shape, tensor.dtype.name, meaning))
    meanings = {tensor.name: tensor.meaning for tensor in inputs[1:]}
    steps = {"logits": "of the next token", "weights": "of the attention"}
    steps |= {f"next_{n}": m for n, m in meanings.items() if n[:5] == "state"}
    tokens = [np.full(len(each), begin, np.int32) for each in examples]
    return [
        Network(
            "encoder", encode, [source], meanings, [(x,) for x in examples]
        ),
        Network(
            "step",
            step,
            inputs,
            steps,
            [
                (ids, *map(np.asarray, each.values()))
                for ids, each in zip(tokens, encoded, strict=True)
            ],
        ),
    ]


def examples(split, most: int = MOST_EXAMPLES) -> Iterator[tuple]:
    """Yield inputs and targets of batches, some hundred examples of a split."""
    for batch in split.planner.once():
        yield split.fetch(batch, 0)
        most -= len(batch.rows)
        if most <= 0:
            return


def write(
    run: runs.Run,
    options: formats.Options,
    saved_model: Callable[[], None],
    portable: Callable[[], Portable],
    loops: Callable,
) -> None:
    """Write a run in all forms that the flags name.

    Args:
        run: The run.
        options: The flags.
        saved_model: Writes `export/`.
        portable: Returns what the other forms are made of.
        loops: `rnn_layers.plain_loops`.

    Raises:
        UserError: It cannot be converted, or answers otherwise.
    """
    if "saved_model" in options.formats:
        saved_model()
    wanted = [name for name in options.formats if name in SUFFIX]
    if not wanted:
        return
    if keras.config.backend() != "tensorflow":
        raise UserError(
            f"--format {options.format}: give KERAS_BACKEND=tensorflow"
        )
    half = run.record.get("config", {}).get("mixed_precision")
    if half:
        raise UserError(
            f"--format {options.format}: {run.path} computes in {half}; ONNX"
            " and LiteRT are written of runs without --mixed-precision"
        )
    parts = portable()
    for form in wanted:
        networks = [n for n in parts.networks if form in n.forms]
        if not networks:
            raise UserError(
                f"--format {form}: LiteRT runs no loop over a length that it"
                f" does not know, and {run.path} has nothing else; give"
                " --format onnx"
            )
        if form == "litert":
            sizes = {**dict.fromkeys(SINGLE, 1), **parts.sizes}
            length = getattr(options, "length", 0)
            networks = [_sized(n, sizes, length) for n in networks]
        with loops(unroll=form == "litert"):
            _write_form(run, form, networks, parts, options.quantize)
    card.add_forms(run.path)


def _write_form(run, form, networks, parts, quantize):
    folder, remarks = run.file(form), []
    with export.replacing_folder(folder) as new:
        for name in parts.files:
            shutil.copy2(run.file(name), new)
        for name, path in parts.scripts.items():
            shutil.copy2(path, new / name)
        signature = {
            "app": run.app,
            "run": run.name,
            "networks": {},
            "files": dict(parts.files),
            "settings": dict(parts.settings),
            "int8": form == "onnx" and quantize,
            "versions": {
                **provenance.versions(),
                **{
                    name: importlib.metadata.version(name)
                    for name in formats.PACKAGES[form]
                },
            },
        }
        for network in networks:
            busy(f"converting {network.name} to {form}")
            path = new / f"{network.name}{SUFFIX[form]}"
            signature["networks"][network.name] = _convert(network, form, path)
        text = json.dumps(signature, indent=2) + "\n"
        (new / "signature.json").write_text(text, "utf-8")
        if signature["int8"]:
            remarks = converters.quantize(new, parts.score)
    each = signature["networks"].values()
    difference = max(about["difference"] for about in each)
    size = sum(path.stat().st_size for path in folder.glob(f"*{SUFFIX[form]}"))
    echo(
        f"wrote {folder}: {', '.join(signature['networks'])}, {size / 1e6:.2f}"
        f" MB; largest difference to the live model: {difference:.1e}"
    )
    for line in remarks:
        echo(line)


def _convert(network, form, path):
    """Write a network; return what `signature.json` says of it."""
    converted = CONVERTERS[form]
    try:
        path.write_bytes(converted(network))
        return describe(network, path)
    except (OSError, UserError):
        raise
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        raise UserError(
            f"{network.name} cannot be converted to {form}: {line}"
        ) from None


def describe(network: Network, path: Path) -> dict:
    """Compare a converted network; return what `signature.json` says of it.

    Raises:
        UserError: It answers otherwise than the live function.
    """
    run = Written(path)
    largest = 0.0
    for example in network.examples:
        live = network.function(
            *(
                tf.constant(array, tensor.dtype)
                for tensor, array in zip(network.inputs, example, strict=True)
            )
        )
        names = (tensor.name for tensor in network.inputs)
        answer = run(**dict(zip(names, example, strict=True)))
        for name, ours in live.items():
            difference = _difference(np.asarray(ours), answer[name])
            largest = max(largest, difference)
            if not difference <= TOLERANCE:
                raise UserError(
                    f"{path.name} differs from the live model in '{name}' by"
                    f" {difference:.1e}, more than {TOLERANCE}"
                )
    shapes = {name: np.shape(array) for name, array in answer.items()}
    kinds = {name: str(array.dtype) for name, array in answer.items()}
    return {
        "file": path.name,
        "difference": largest,
        "inputs": [
            {
                key: value
                for key, value in tensor._asdict().items()
                if value is not None
            }
            for tensor in network.inputs
            if tensor.name in run.inputs
        ],
        "outputs": [
            {
                "name": name,
                "dimensions": len(shapes[name]),
                "dtype": kinds[name],
                "meaning": meaning,
            }
            for name, meaning in network.outputs.items()
        ],
    }


def _difference(ours, theirs):
    """Return how far arrays are apart, infinite where only one is a number."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return float("inf")
    if not np.issubdtype(ours.dtype, np.floating):
        return 0.0 if np.array_equal(ours, theirs) else float("inf")
    if not np.array_equal(np.isfinite(ours), np.isfinite(theirs)):
        return float("inf")
    finite = np.isfinite(ours)
    ours, theirs = ours[finite].astype(float), theirs[finite].astype(float)
    return float(
        np.max(np.abs(ours - theirs) / np.maximum(1, np.abs(ours)), initial=0)
    )


class Written:
    """A written network: a function of named arrays to a dict of arrays.

    Attributes:
        inputs: Names of the arrays that it reads.
    """

    def __init__(self, path: Path):
        if path.suffix == SUFFIX["onnx"]:
            import onnxruntime

            session = onnxruntime.InferenceSession(
                path, providers=["CPUExecutionProvider"]
            )
            self.inputs = [each.name for each in session.get_inputs()]
            names = [each.name for each in session.get_outputs()]
            self.answer = lambda feed: zip(
                names, session.run(names, feed), strict=True
            )
        else:
            from ai_edge_litert.interpreter import Interpreter

            with converters.silence():
                interpreter = Interpreter(str(path))
                interpreter.allocate_tensors()
                runner = interpreter.get_signature_runner()
            self.inputs = [*runner.get_input_details()]
            self.answer = lambda feed: runner(**feed)

    def __call__(self, **arrays):
        feed = {name: np.asarray(arrays[name]) for name in self.inputs}
        return dict(self.answer(feed))


def _sized(network, sizes, length):
    """Return a network all of whose sizes are known, and its examples."""
    inputs = [
        tensor._replace(
            shape=tuple(
                sizes.get(size, length) if isinstance(size, str) else size
                for size in tensor.shape
            )
        )
        for tensor in network.inputs
    ]
    examples = [
        tuple(map(_fitted, example, (tensor.shape for tensor in inputs)))
        for example in network.examples
    ]
    return network._replace(inputs=inputs, examples=examples)


def _fitted(array, shape):
    """Cut an array, or fill it with zeros, to a shape."""
    array = np.asarray(array)[tuple(map(slice, shape))]
    missing = np.subtract(shape, array.shape)
    return np.pad(array, [(0, count) for count in missing])
