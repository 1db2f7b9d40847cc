"""Recurrent layers for Keras 3.

    layer = rnn_layers.rnn("peephole_lstm", 128, return_sequences=True)

Importing the package is all that `keras.models.load_model` needs to load a
model with these layers.
"""

import rnn_layers.notices  # noqa: F401 (first: it imports Keras)
from rnn_layers import convert
from rnn_layers.cells.catalogue import names, output_width
from rnn_layers.layers.attention import (
    AdditiveAttention,
    AttentionPooling,
    DotAttention,
)
from rnn_layers.layers.bidirectional import Bidirectional
from rnn_layers.layers.crf import CRF, CRFAccuracy, CRFLoss
from rnn_layers.layers.decoder import AttentionDecoder
from rnn_layers.layers.recurrent import Recurrent, plain_loops, rnn
from rnn_layers.layers.stack import Stack, stack
from rnn_layers.layers.stateful import StatefulStack
from rnn_layers.layers.time_distributed import TimeDistributed

__all__ = [
    "CRF",
    "AdditiveAttention",
    "AttentionDecoder",
    "AttentionPooling",
    "Bidirectional",
    "CRFAccuracy",
    "CRFLoss",
    "DotAttention",
    "Recurrent",
    "Stack",
    "StatefulStack",
    "TimeDistributed",
    "convert",
    "names",
    "output_width",
    "plain_loops",
    "rnn",
    "stack",
]

__version__ = "0.1.0"
