"""Ways to write small networks in other forms."""

import types

import numpy as np

import rnn_layers
from apps.common import networks
from apps.common.networks import Network, Portable, Tensor

BOTH = ("onnx", "litert")
X = Tensor("x", ("batch", "words", 3), "float32", "what is read")


def written(run, *given, forms=BOTH, quantize=False, length=4, **more):
    options = types.SimpleNamespace(
        formats=list(forms), format="", quantize=quantize, length=length
    )
    portable = Portable(given, {}, {}, **more)
    networks.write(run, options, None, lambda: portable, rnn_layers.plain_loops)
    return [
        networks.Written(run.file(form) / f"{network.name}{end}")
        for form, end in networks.SUFFIX.items()
        for network in given
        if form in forms and form in network.forms
    ]


def random(*shape):
    return (
        np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")
    )


def simple(function, **more):
    x = Tensor("x", ("batch", 2), "float32", "")
    ones = np.ones((2, 2), "float32")
    return Network("net", function, [x], {"y": ""}, [(ones,)], **more)
