"""One training, and its predictor, for all tests of sentiment."""

import pytest

from apps.sentiment.predict import Predictor
from tests.apps.reviews import flags, write_reviews
from tests.apps.tools import train_once


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    def write(folder):
        write_reviews(folder / "reviews")

    return train_once(tmp_path_factory, "sentiment", write, flags)


@pytest.fixture(scope="session")
def predictor(trained):
    return Predictor.of_run(trained.run)


@pytest.fixture
def loaded(predictor, monkeypatch):
    """Saves the tests the seconds of loading the model again."""
    monkeypatch.setattr(Predictor, "of_run", lambda run, eager=False: predictor)
