"""One training, and its predictor, for all tests of translation."""

import pytest

from apps.translation.predict import Predictor
from tests.apps.tools import predictor_fixtures, train_once
from tests.apps.translations import flags, write_pairs


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    def write(folder):
        write_pairs(folder / "pairs")

    return train_once(tmp_path_factory, "translation", write, flags)


predictor, loaded = predictor_fixtures(Predictor)
