"""Converters of networks: to ONNX, to LiteRT, and of ONNX weights to int8.

ONNX is written by tf2onnx, of plain loops (`rnn_layers.plain_loops`), which
become ONNX's Loop; batch and length stay open. LiteRT is written by
TensorFlow's own converter: one input at a time, loops unrolled.
"""

import contextlib
import itertools
import logging
import math
import os
import tempfile
import typing
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

# Not of TensorFlow's public names, but what its converters use.
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from apps.common.terminal import busy
from data_pipelines.files.atomic import replacing

if typing.TYPE_CHECKING:
    from apps.common.networks import Network

# Of a matrix that is made smaller, or kept once.
FEWEST_NUMBERS = 1024
# Of ONNX; onnxruntime has it since 1.14, of 2023.
OPSET = 18
INTEGERS = tf.int32.as_datatype_enum, tf.int64.as_datatype_enum


def to_onnx(network: "Network") -> bytes:
    """Return a network as an ONNX model, with names for what varies."""
    with silence():
        import tf2onnx
        from tf2onnx import optimizer

    concrete = _traced(network)
    # What nothing is computed from would be missing in the frozen graph.
    renamed = {x.name: x.op.name for x in concrete.inputs if x.consumers()}
    inputs = list(renamed)
    outputs = {x.name: n for n, x in concrete.structured_outputs.items()}
    with silence():
        frozen = tf2onnx.tf_loader.from_function(
            concrete, inputs, list(outputs)
        )
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(frozen, name="")
            converted = tf2onnx.tfonnx.process_tf_graph(
                graph,
                opset=OPSET,
                input_names=inputs,
                output_names=list(outputs),
                tensors_to_rename=renamed | outputs,
                # tf2onnx would multiply by zeros and ones, also what is no
                # number.
                custom_op_handlers={"SelectV2": (_where, [])},
            )
        # Not all of them: what joins transposes and reshapes gets tensors wrong
        # whose sizes are open.
        converted = optimizer.optimize_graph(
            converted,
            optimizers={
                "fold_constants": optimizer.ConstFoldOptimizer,
                "loop_optimizer": optimizer.LoopOptimizer,
                "merge_duplication": optimizer.MergeDuplicatedNodesOptimizer,
                "remove_identity": optimizer.IdentityOptimizer,
            },
        )
        model = converted.make_model(network.name)
    _share_transposed(model.graph)
    shapes = {tensor.name: tensor.shape for tensor in network.inputs}
    for value in model.graph.input:
        dimensions = value.type.tensor_type.shape.dim
        for size, name in zip(dimensions, shapes[value.name], strict=True):
            if isinstance(name, str):
                size.dim_param = name
    return model.SerializeToString()


def _share_transposed(graph):
    """Keep one of two matrices of which one is the other's transpose.

    Such is an embedding whose vectors also give the logits. ONNX Runtime
    transposes once, when it reads the network.
    """
    from onnx import helper, numpy_helper

    weights = {
        weight.name: numpy_helper.to_array(weight)
        for weight in graph.initializer
        if len(weight.dims) == 2 and math.prod(weight.dims) >= FEWEST_NUMBERS
    }
    for one, other in itertools.combinations([*weights], 2):
        if one in weights and np.array_equal(weights[one].T, weights[other]):
            del weights[other]
            (copy,) = (w for w in graph.initializer if w.name == other)
            graph.initializer.remove(copy)
            node = helper.make_node("Transpose", [one], [other], perm=[1, 0])
            graph.node.insert(0, node)


def _store_transposed(graph):
    """Undo `_share_transposed`: as int8, each has a scale of its own."""
    from onnx import numpy_helper

    weights = {weight.name: weight for weight in graph.initializer}
    for node in [*graph.node]:
        if node.op_type == "Transpose" and node.input[0] in weights:
            matrix = numpy_helper.to_array(weights[node.input[0]]).T
            copy = numpy_helper.from_array(matrix, node.output[0])
            graph.initializer.append(copy)
            graph.node.remove(node)


def _where(_, node, name, arguments):
    node.type = "Where"
    return node


def to_litert(network: "Network") -> bytes:
    """Return a network, all of whose sizes are known, as a LiteRT model."""
    concrete = _traced(network)
    with silence(), tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(tf.Module(), folder, signatures=concrete)
        return tf.lite.TFLiteConverter.from_saved_model(folder).convert()


def _traced(network):
    """Return a network as a concrete function without variables."""
    specs = [
        tf.TensorSpec(
            [None if isinstance(size, str) else size for size in tensor.shape],
            tensor.dtype,
            name=tensor.name,
        )
        for tensor in network.inputs
    ]
    traced = tf.function(
        network.function, specs, autograph=False
    ).get_concrete_function()
    with silence():
        frozen = convert_variables_to_constants_v2(
            traced, lower_control_flow=False
        )
    graph = _with_plain_sums(frozen.graph)
    outputs = {n: x.name for n, x in traced.structured_outputs.items()}
    names = {
        x.name: spec.name for x, spec in zip(frozen.inputs, specs, strict=True)
    }

    def constant(**inputs):
        results = tf.graph_util.import_graph_def(
            graph,
            input_map={x: inputs[name] for x, name in names.items()},
            return_elements=list(outputs.values()),
        )
        return dict(zip(outputs, results, strict=True))

    # By their names: a signature knows inputs by nothing else.
    return tf.function(constant, autograph=False).get_concrete_function(
        **{spec.name: spec for spec in specs}
    )


def _with_plain_sums(graph):
    """Return a graph that has sums for what Keras adds as a bias.

    Converters know the bias of floats whose last axis is that of channels.
    """
    nodes = graph.as_graph_def()
    for part in (nodes.node, *(f.node_def for f in nodes.library.function)):
        for node in part:
            if node.op == "BiasAdd" and node.attr["T"].type in INTEGERS:
                node.op = "AddV2"
                del node.attr["data_format"]
    for node in [*nodes.node]:
        if node.op != "BiasAdd" or node.attr["data_format"].s != b"NCHW":
            continue
        rank = graph.get_operation_by_name(node.name).inputs[0].shape.rank
        shape, kind = [-1] + [1] * (rank - 2), tf.int32.as_datatype_enum
        column = nodes.node.add(op="Reshape", name=f"{node.name}/column")
        column.input.extend([node.input[1], f"{node.name}/shape"])
        column.attr["T"].CopyFrom(node.attr["T"])
        column.attr["Tshape"].type = kind
        constant = nodes.node.add(op="Const", name=f"{node.name}/shape")
        constant.attr["dtype"].type = kind
        proto = tf.make_tensor_proto(shape, tf.int32)
        constant.attr["value"].tensor.CopyFrom(proto)
        node.op, node.input[1] = "AddV2", column.name
        del node.attr["data_format"]
    return nodes


@contextlib.contextmanager
def silence():
    """Keep what converters say from the terminal, in C++, too."""
    before, terminal = logging.root.manager.disable, os.dup(2)
    logging.disable(logging.ERROR)
    try:
        with (
            tempfile.TemporaryFile() as nowhere,
            warnings.catch_warnings(action="ignore"),
        ):
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        logging.disable(before)


def quantize(folder: Path, score: Callable[[Path], dict]) -> list[str]:
    """Make the weights of ONNX networks int8; return what that changes.

    Args:
        folder: Of the networks.
        score: Function of the folder to scores.
    """
    import onnx
    from onnxruntime import quantization

    def measured():
        busy("scoring")
        size = sum(path.stat().st_size for path in paths)
        return {"MB": size / 1e6, **score(folder)}

    paths = sorted(folder.glob("*.onnx"))
    before = measured()
    for path in paths:
        busy(f"quantizing {path.name}")
        model = onnx.load(path)
        _store_transposed(model.graph)
        with replacing(path, ".onnx") as temporary, silence():
            quantization.quantize_dynamic(
                model,
                temporary,
                weight_type=quantization.QuantType.QInt8,
            )
            model = onnx.load(temporary)
            _shrink_rest(model.graph)
            onnx.save(model, temporary)
    return [
        f"{name}: {before[name]:.4f} in float32, {value:.4f} in int8"
        for name, value in measured().items()
    ]


def _shrink_rest(graph):
    """Make matrices int8 that loops take from outside, where they stay whole.

    Each column has a scale of its own. The loop sees float32 again.
    """
    from onnx import helper, numpy_helper

    for weight in [*graph.initializer]:
        matrix = numpy_helper.to_array(weight)
        if (
            matrix.dtype != np.float32
            or matrix.ndim != 2
            or matrix.size < FEWEST_NUMBERS
        ):
            continue
        scale = np.abs(matrix).max(axis=0) / 127
        scale[scale == 0] = 1
        parts = {
            f"{weight.name}_int8": np.rint(matrix / scale).astype(np.int8),
            f"{weight.name}_scale": scale,
        }
        graph.initializer.remove(weight)
        graph.initializer.extend(
            numpy_helper.from_array(part, name) for name, part in parts.items()
        )
        graph.node.insert(
            0,
            helper.make_node(
                "DequantizeLinear", [*parts], [weight.name], axis=1
            ),
        )
