"""One training, and its predictor, for all tests of tagging."""

import pytest

from apps.tagging.predict import Predictor
from tests.apps.tagging.tiny import flags, write_requests
from tests.apps.tools import predictor_fixtures, train_once


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    return train_once(tmp_path_factory, "tagging", write_requests, flags)


predictor, loaded = predictor_fixtures(Predictor)
