"""One training, and its predictor, for all tests of the language model."""

import pytest

from apps.language_model.predict import Predictor
from data_pipelines import language_model
from tests.apps.texts import flags, write_text
from tests.apps.tools import predictor_fixtures, train_once


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    def write(folder):
        write_text(folder / "text")

    return train_once(tmp_path_factory, "language_model", write, flags)


predictor, loaded = predictor_fixtures(Predictor)


@pytest.fixture(scope="session")
def data(trained, predictor):
    config = predictor.config
    return language_model.make_datasets(
        "files",
        config.data_path,
        cache_path=config.cache_path,
        vocabulary_size=config.vocabulary_size,
        batch_size=config.batch_size,
        chunk=config.chunk,
        seed=config.seed,
        tokenizer=predictor.tokenizer,
    )
