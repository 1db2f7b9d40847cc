"""One training, and its predictor, for all tests of the word vectors."""

import pytest

from apps.word_vectors import evaluate
from apps.word_vectors.config import Config
from apps.word_vectors.predict import Predictor
from tests.apps.tools import predictor_fixtures, train_once
from tests.apps.vector_texts import flags, write_text


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    def write(folder):
        write_text(folder / "text")

    return train_once(tmp_path_factory, "word_vectors", write, flags)


predictor, loaded = predictor_fixtures(Predictor)


@pytest.fixture(scope="session")
def data(trained):
    return evaluate.read_data(trained.run.config(Config))
