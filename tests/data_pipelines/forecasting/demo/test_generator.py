"""The demo: the same each time, and its best forecasts are the best."""

import numpy as np
import pytest

from data_pipelines.forecasting.datasets import LEVELS
from data_pipelines.forecasting.demo import generator

SMALL = {"series": 1, "days": 4}
LOW, MIDDLE, HIGH = LEVELS.index(0.1), LEVELS.index(0.5), LEVELS.index(0.9)


def test_equal_seeds_give_equal_files(tmp_path):
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
        generator.write(folder, sizes=SMALL)
    for name in ("train.csv", "attainable.npy"):
        one, two = ((folder / name).read_bytes() for folder in folders)
        assert one == two
    lines = (folders[0] / "train.csv").read_text().splitlines()
    assert lines[0] == "series,time,value"
    assert {line.split("_")[0] for line in lines[1:]} == set(generator.KINDS)


@pytest.mark.parametrize("kind", generator.KINDS)
def test_the_best_quantiles_cover_what_they_promise(kind):
    below = np.zeros(3)
    for seed in range(150):
        random = np.random.default_rng(seed)
        values, best = generator.KINDS[kind](random, 200)
        target = values[-generator.HORIZON :, None]
        below += (target < best[:, [LOW, MIDDLE, HIGH]]).mean(axis=0)
    np.testing.assert_allclose(below / 150, [0.1, 0.5, 0.9], atol=0.04)
