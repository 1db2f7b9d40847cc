"""Whole trainings: refused, killed, on the demo, in every way."""

import json
import shutil

import pytest

from apps.common import cli
from apps.video_labeling import (
    train,
)
from apps.video_labeling.config import PRESETS, Config
from data_pipelines.video_labeling.demo import generator as demo
from tests.apps import tools
from tests.apps.tools import (
    ROOT,
    check_a_killed_run_ends_as_a_whole_one,
    check_other_data_are_refused,
    check_steps_of_no_size_leave_the_weights,
    in_a_new_process,
    train_demo,
)
from tests.apps.videos import flags, write_videos


def config(trained, **more):
    record = json.loads((trained[0] / "config.json").read_text())["config"]
    return Config(**{**record, "name": "new", **more})


def test_an_unknown_background_is_one_line(trained):
    with pytest.raises(cli.UserError, match="up: there is no such label"):
        train.train(config(trained, background="up"))
    assert not (trained[0].parent / "new").exists()


def test_a_run_does_not_go_on_with_other_videos(trained, tmp_path, monkeypatch):
    clips = trained[0].parents[2] / "clips"
    (tmp_path / "videos").symlink_to(clips / "videos")
    table = tmp_path / "labels.csv"
    shutil.copy(clips / "labels.csv", table)
    settings = config(
        trained, data_path=str(tmp_path), runs_path=str(tmp_path / "runs")
    )

    def change():
        lines = table.read_text().splitlines(keepends=True)
        rest = [line for line in lines if not line.startswith("train_05")]
        assert len(rest) < len(lines)
        table.write_text("".join(rest))

    check_other_data_are_refused(monkeypatch, train.train, settings, change)
    # The labels are the same, and so they do not show it.
    run = tmp_path / "runs" / "video_labeling" / "new"
    assert (run / "labels.txt").read_text() == "left\nright\n"


def test_presets_are_differences():
    for preset in PRESETS.values():
        assert Config(**preset) != Config()


def test_pixels_of_features_are_one_line(feature_run, tmp_path):
    record = json.loads((feature_run[0] / "config.json").read_text())["config"]
    config = Config(**{**record, "name": "new", "motion": "pixels"})
    with pytest.raises(cli.UserError, match="--motion pixels needs pictures"):
        train.train(config)
    assert not (feature_run[0].parent / "new").exists()


UCF101 = """
import sys
import tensorflow_datasets as tfds
from apps.video_labeling import train
from apps.video_labeling.config import PRESETS, Config
from apps.common import cli
from tests.data_pipelines.video_labeling.test_tfds_clips import as_dataset
with tfds.testing.mock_data(as_dataset_fn=as_dataset):
    train.train(cli.parse(Config, PRESETS))
"""


@pytest.mark.slow
def test_a_public_set_is_trained_on(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    arguments = [
        *("--preset", "smoke", "--dataset", "ucf101", "--name", "x"),
        *("--data-path", str(tmp_path / "tfds")),
        *("--runs-path", str(tmp_path / "runs")),
        *("--cache-path", str(tmp_path / "data"), "--chunk", "8"),
        *("--frame-height", "16", "--frame-width", "16"),
    ]
    in_a_new_process(UCF101, ROOT, *arguments)
    run = tmp_path / "runs" / "video_labeling" / "x"
    assert (run / "report.html").read_text().count('class="timeline"') == 4
    assert (run / "export" / "1" / "saved_model.pb").exists()


@pytest.mark.slow
def test_steps_of_no_size_leave_the_weights_of_the_run(
    trained, tmp_path, capsys
):
    words = flags(trained[0].parents[2], "--mode", "live")
    check_steps_of_no_size_leave_the_weights(
        trained[0], words, tmp_path, capsys
    )


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(tmp_path):
    write_videos(tmp_path / "clips", (60, 6, 6))
    more = ["--epochs", "4", "--mode", "live", "--dropout", "0.2"]
    more += ["--refine", "1"]
    check_a_killed_run_ends_as_a_whole_one(
        "video_labeling",
        tmp_path,
        flags(tmp_path, *more),
        ["log.csv", "samples.txt"],
    )


@pytest.mark.slow
def test_the_demo_is_learned(tmp_path, monkeypatch):
    """Most of it, by three fifths of the clips."""
    sizes = {"train": 120, "valid": 8, "test": 16}
    monkeypatch.setattr(demo, "SIZES", sizes)
    words = ("--epochs", "7", "--learning-rate", "5e-3", "--averaging", "0.95")
    record = train_demo("video_labeling", tmp_path, *words)
    assert record["metrics"]["accuracy"] >= 0.8
    for baseline in record["baselines"].values():
        assert baseline["accuracy"] < 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        "--mixed-precision --cell peephole_lstm --depth 2"
        " --smoothing-loss 0.15",
        "--mixed-precision bfloat16 --class-weights balanced --regions max"
        " --cell lstm",
        "--jit-compile true --mode live",
    ],
)
def test_every_way_of_computing_learns(tmp_path, more):
    write_videos(tmp_path / "clips")
    words = flags(tmp_path, "--epochs", "5", "--name", "x", *more.split())
    # Half precision is exported, too; the others are as they usually are.
    exported = "--mixed-precision" in words
    record = tools.train("video_labeling", *words, exported=exported)
    assert record["metrics"]["accuracy"] > 0.85


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["live", "offline"])
def test_a_long_video_takes_no_more_memory_than_a_short_one(mode):
    """Frames of half an hour, 96 x 96 pixels, are 0.5 GB; two GB for all."""
    script = f"""
import re, pathlib, numpy as np
from apps.video_labeling import model
from apps.video_labeling.config import Config
from apps.video_labeling.inference import VideoInference
_, labeler = model.build(Config(mode={mode!r}, chunk=64), (96, 96, 3), 9)
picture = np.random.default_rng(0).integers(0, 256, (64, 96, 96, 3), np.uint8)
inference = VideoInference(labeler, 64)
for count in (10, 280):
    scores = inference(np.roll(picture, n, 2) for n in range(count))
    assert scores.shape == (64 * count, 9)
    status = pathlib.Path("/proc/self/status").read_text()
    print(int(re.search("VmHWM:(.*) kB", status)[1]) * 1024 / 1e9)
"""
    short, long = map(float, in_a_new_process(script, ROOT).split())
    assert long < 2
    assert long < short + 0.2
