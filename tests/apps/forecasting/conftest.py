"""One training, and its predictor, for all tests of forecasting."""

import pytest

from apps.forecasting.predict import Predictor
from tests.apps.forecast_files import flags, write_long
from tests.apps.tools import train_once


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    def write(folder):
        (folder / "series").mkdir()
        write_long(folder / "series" / "train.csv")

    def with_covariate(folder, *more):
        return flags(folder, "--known-covariates", "load", *more)

    return train_once(tmp_path_factory, "forecasting", write, with_covariate)


@pytest.fixture(scope="session")
def predictor(trained):
    return Predictor.of_run(trained.run)
