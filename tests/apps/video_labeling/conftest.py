"""Trainings that the tests of this app share."""

import pytest

from apps.common import runs
from apps.video_labeling import predict
from tests.apps.tools import train_once
from tests.apps.videos import flags, write_features, write_videos


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A finished live run: its folder and what it printed."""
    done = train_once(
        tmp_path_factory,
        "video_labeling",
        lambda folder: write_videos(folder / "clips"),
        lambda folder, *more: flags(folder, "--mode", "live", *more),
    )
    return done.run.path, done.stdout


@pytest.fixture(scope="session")
def opened(trained):
    return runs.open_run("video_labeling", str(trained[0]))


@pytest.fixture(scope="session")
def labeler(opened):
    return predict.Predictor.of_run(opened)


@pytest.fixture
def one(trained):
    """A video of the test split."""
    return trained[0].parents[2] / "clips" / "videos" / "test_00.mp4"


@pytest.fixture(scope="session")
def feature_run(tmp_path_factory):
    """A finished live run on precomputed features, of the smoke preset."""
    done = train_once(
        tmp_path_factory,
        "video_labeling",
        lambda folder: write_features(folder / "set"),
        lambda folder, *more: [
            *("--preset", "smoke", "--dataset", "files", "--mode", "live"),
            *("--data-path", str(folder / "set"), *more),
            *("--runs-path", str(folder / "runs")),
            *("--cache-path", str(folder / "data"), "--chunk", "8"),
        ],
        name="video-features",
    )
    return done.run.path, done.stdout


@pytest.fixture
def features(feature_run):
    return feature_run[0].parents[2] / "set" / "features"


@pytest.fixture(scope="session")
def feature_labeler(feature_run):
    run = runs.open_run("video_labeling", str(feature_run[0]))
    return predict.Predictor.of_run(run)
