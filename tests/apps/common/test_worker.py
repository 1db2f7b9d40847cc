"""Several processes train as one does."""

import json

import pytest

from tests.apps import (
    forecast_files,
    ranks,
    reviews,
    squares,
    texts,
    translations,
    videos,
)
from tests.apps.ranks import needs_jax
from tests.apps.tagging import tiny
from tests.apps.tools import log_of


def _write_series(folder):
    (folder / "series").mkdir()
    forecast_files.write_long(folder / "series" / "train.csv")


APPS = {
    "sentiment": (
        lambda folder: reviews.write_reviews(folder / "reviews"),
        lambda folder, *more: reviews.flags(folder, *ranks.ONE_WIDTH, *more),
    ),
    "translation": (
        # Of two widths: a step is compiled for each.
        lambda folder: translations.write_pairs(
            folder / "pairs", lengths=(3, 4)
        ),
        lambda folder, *more: translations.flags(
            folder, "--batch-tokens", "2000", *more
        ),
    ),
    "captioning": (
        lambda folder: squares.write_pictures(folder / "pictures"),
        squares.flags,
    ),
    "forecasting": (_write_series, forecast_files.flags),
    "language_model": (
        lambda folder: texts.write_text(folder / "text"),
        texts.flags,
    ),
    "tagging": (
        # Two widths: the longer requests are left out of training.
        lambda folder: tiny.write_requests(
            folder, {**tiny.SIZES, "train": 1200}
        ),
        lambda folder, *more: tiny.flags(folder, "--max-length", "5", *more),
    ),
    "video_labeling": (
        lambda folder: videos.write_videos(folder / "clips", (12, 3, 3)),
        lambda folder, *more: videos.flags(folder, "--dropout", "0.2", *more),
    ),
}


@needs_jax
@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"code": "b" * 64}, "code"),
        ({"keras": "3.16.0"}, "keras (3.16.0, not 3.15.1)"),
        (
            {"code": "b" * 64, "jax": "0.11.0"},
            "code, jax (0.11.0, not 0.10.2)",
        ),
        ({"pillow": "11.0"}, "pillow (11.0, not None)"),
    ],
)
def test_ranks_of_other_code_or_versions_are_one_line(other, message):
    from apps.common import cli, worker

    first = {"code": "a" * 64, "keras": "3.15.1", "jax": "0.10.2"}
    worker.check_equal([first, first])
    with pytest.raises(cli.UserError) as error:
        worker.check_equal([first, first, {**first, **other}])
    assert str(error.value) == f"rank 2 has not what rank 0 has: {message}"


@needs_jax
@pytest.mark.slow
@pytest.mark.parametrize("app", APPS)
def test_two_processes_train_as_one_does(app, tmp_path, monkeypatch):
    write, flags = APPS[app]
    write(tmp_path)
    words = flags(tmp_path, "--epochs", "2")
    one = *words, "--name", "1", "--distribute", "1"
    ranks.train_alone(monkeypatch, app, *one)
    two = *words, "--name", "2", "--distribute", "2"
    ranks.train_here(monkeypatch, app, *two)
    logs = [log_of(tmp_path / "runs" / app / name) for name in "12"]
    # Each process normalizes by the statistics of its own rows in captioning.
    near = 0.01 if app == "captioning" else 1e-5
    for one, two in zip(*logs, strict=True):
        assert two["loss"] == pytest.approx(one["loss"], abs=near)
        assert two["val_loss"] == pytest.approx(one["val_loss"], abs=near)

    # Whatever follows is done as ever.
    run = tmp_path / "runs" / app / "2"
    record = json.loads((run / "metrics.json").read_text())
    assert record["metrics"]
    assert record["device"].startswith("JAX, 2 processes, 2 cpu devices")
    assert (run / "export" / "1" / "saved_model.pb").exists()
    assert (run / "train").is_dir()
    assert (run / "validation").is_dir()
    assert (run / "samples.txt").read_text().startswith("epoch 1\n")
