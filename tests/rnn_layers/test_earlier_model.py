"""A model saved at commit 725ab8f: it loads, and computes the same.

It has every cell, `Bidirectional`, `Stack`, `AttentionDecoder` of both kinds of
attention, `AttentionPooling` and `TimeDistributed`, behind a masking embedding;
`outputs.npz` holds the ids that it was called on and what it returned.
"""

from pathlib import Path

import keras
import numpy as np
import pytest

import rnn_layers
from tests.rnn_layers.tools import close

FOLDER = Path(__file__).parent / "earlier_model"


@pytest.fixture(scope="module")
def stored():
    with np.load(FOLDER / "outputs.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def outputs(stored):
    model = keras.models.load_model(FOLDER / "model.keras")
    # Without a graph: to compile every cell takes half a minute.
    results = model(stored["ids"])
    return {name: np.array(values) for name, values in results.items()}


def test_every_cell_of_that_day_still_has_its_name(stored, outputs):
    assert set(outputs) == set(stored) - {"ids"}
    layers = {"bidirectional", "stack", "decoder", "additive_decoder"}
    assert layers < set(outputs)
    assert set(outputs) & set(rnn_layers.names()) >= {"gru", "sru", "slstm"}


def test_the_outputs_are_those_of_that_day(stored, outputs):
    for name, values in outputs.items():
        close(values, stored[name], 1e-6)
