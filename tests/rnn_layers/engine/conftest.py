"""What the tests of the loops do before them."""

import pytest


@pytest.fixture
def short_chunks(monkeypatch):
    """Chunks that do not divide the length, for all of a batch at once."""
    from rnn_layers.engine import batch_split, time_chunks

    for name in ("MAX_CHUNK_ELEMENTS", "MIN_CHUNK_STEPS", "MAX_CHUNK_STEPS"):
        monkeypatch.setattr(time_chunks, name, 4)
    monkeypatch.setattr(batch_split, "cores", lambda: 1)
