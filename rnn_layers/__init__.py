"""Recurrent layers for Keras 3.

    layer = rnn_layers.rnn("peephole_lstm", 128, return_sequences=True)

Importing the package is all that `keras.models.load_model` needs to load a
model with these layers.
"""

from rnn_layers import convert
from rnn_layers.attention import (
    AdditiveAttention,
    AttentionPooling,
    DotAttention,
)
from rnn_layers.bidirectional import Bidirectional
from rnn_layers.decoder import AttentionDecoder
from rnn_layers.recurrent import Recurrent
from rnn_layers.registry import names, output_width, rnn
from rnn_layers.stack import Stack, stack
from rnn_layers.time_distributed import TimeDistributed

__all__ = [
    "AdditiveAttention",
    "AttentionDecoder",
    "AttentionPooling",
    "Bidirectional",
    "DotAttention",
    "Recurrent",
    "Stack",
    "TimeDistributed",
    "convert",
    "names",
    "output_width",
    "rnn",
    "stack",
]
