"""One training, and its predictor, for all tests of tagging."""

import pytest

from apps.tagging.predict import Predictor
from tests.apps.tagging.tiny import flags, write_requests
from tests.apps.tools import train_once


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    return train_once(tmp_path_factory, "tagging", write_requests, flags)


@pytest.fixture(scope="session")
def predictor(trained):
    return Predictor.of_run(trained.run)


@pytest.fixture
def loaded(predictor, monkeypatch):
    """Saves the tests the seconds of loading the model again."""
    monkeypatch.setattr(Predictor, "of_run", lambda run, eager=False: predictor)
