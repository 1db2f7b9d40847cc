"""One training, and its predictor, for all tests of sentiment."""

import pytest

from apps.sentiment.predict import Predictor
from tests.apps.reviews import flags, write_reviews
from tests.apps.tools import predictor_fixtures, train_once


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    def write(folder):
        write_reviews(folder / "reviews")

    return train_once(tmp_path_factory, "sentiment", write, flags)


predictor, loaded = predictor_fixtures(Predictor)
