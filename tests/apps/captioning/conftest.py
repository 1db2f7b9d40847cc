"""Trainings that the tests of this app share."""

import contextlib

import pytest

from apps.captioning import predict
from data_pipelines.captioning.demo import generator as demo
from tests.apps import squares
from tests.apps.squares import EPOCHS, SMALL, flags, opened, write_network
from tests.apps.tools import made_once, train


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A finished run, its encoder trained along, and what it printed."""

    def make(folder):
        data = squares.write_pictures(folder / "pictures")
        with (data / "captions.csv").open("a") as file:
            file.write("broken.png,A red square on the left.,train\n")
        broken = data / "images" / "broken.png"
        broken.write_bytes(b"\x89PNG\r\n\x1a\n torn")
        with (
            (folder / "printed.txt").open("w") as file,
            contextlib.redirect_stdout(file),
        ):
            arguments = flags(folder, "--name", "x", "--epochs", str(EPOCHS))
            train("captioning", *arguments)

    folder = made_once(tmp_path_factory, "captioning", make)
    printed = (folder / "printed.txt").read_text()
    return folder / "runs" / "captioning" / "x", printed


@pytest.fixture(scope="session")
def frozen(tmp_path_factory):
    """A finished run on a few pictures of the demo, by a frozen encoder."""

    def make(folder):
        network = write_network(folder / "network.keras")
        arguments = [
            *("--runs-path", str(folder / "runs"), "--name", "y"),
            *("--cache-path", str(folder / "data"), *SMALL),
            *("--epochs", "1", "--encoder", network, "--grid", "4"),
            *("--mbr-samples", "3"),
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(demo, "SIZES", {"train": 40, "valid": 6, "test": 6})
            train("captioning", *arguments)

    folder = made_once(tmp_path_factory, "captioning-frozen", make)
    return folder / "runs" / "captioning" / "y"


@pytest.fixture(scope="session")
def captioner(trained):
    return opened(trained[0])[1]


@pytest.fixture(scope="session")
def frozen_captioner(frozen):
    return opened(frozen)[1]


@pytest.fixture
def quick(captioner, monkeypatch):
    """Opens the run once for all tests."""
    monkeypatch.setattr(
        predict.Predictor, "of_run", lambda run, eager=False: captioner
    )
