"""A stream, labelled as it comes."""

import json

import numpy as np
import pytest

from apps.common import cli, runs
from apps.video_labeling import segments, stream
from data_pipelines.vision import video
from tests.apps.tools import run_module
from tests.apps.videos import SIDE, options


def test_the_stream_says_what_the_whole_video_says(opened, labeler, one):
    whole = labeler.label(one)
    for count in (1, 4):
        reader = video.Reader(one, (SIDE, SIDE))
        found = list(stream.follow(stream.Stream(opened), reader, count))
        seconds, labels, probabilities = zip(*found, strict=True)
        np.testing.assert_allclose(
            probabilities, whole.probabilities, atol=1e-5
        )
        np.testing.assert_allclose(seconds, whole.times[:-1], atol=1e-9)
        best = whole.probabilities.argmax(axis=1)
        assert list(labels) == [labeler.labels[n] for n in best]


def test_the_stream_prints_changes_and_its_rate(trained, labeler, one, capsys):
    wanted = options(trained, stream.Options, source=(str(one),))
    stream.main(wanted)
    printed = capsys.readouterr()
    lines = [line.split("\t") for line in printed.out.splitlines()]
    rows = segments.rows(labeler.labels, labeler.label(one))
    assert [line[1] for line in lines] == [row["label"] for row in rows]
    assert [float(line[0]) for line in lines] == pytest.approx(
        [row["start_seconds"] for row in rows]
    )
    assert "30 frames" in printed.err
    assert "a second" in printed.err


@pytest.mark.slow
def test_the_stream_begins_without_warnings(trained, one):
    more = ("--runs-path", str(trained[0].parents[1]), "--run", "x", str(one))
    done = run_module("apps.video_labeling.stream", *more)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    assert "gradient" not in done.stderr


def test_an_offline_run_has_no_stream(trained, tmp_path):
    record = json.loads((trained[0] / "config.json").read_text())
    record["config"]["mode"] = "offline"
    run = runs.Run("video_labeling", tmp_path, record)
    with pytest.raises(cli.UserError, match="train a run with --mode live"):
        stream.Stream(run)


def test_a_stream_needs_an_export(opened, tmp_path):
    run = runs.Run("video_labeling", tmp_path, opened.record)
    with pytest.raises(cli.UserError, match="make export-video-labeling"):
        stream.Stream(run)


def test_the_stream_takes_features(
    feature_run, feature_labeler, features, capsys
):
    path = features / "v12.npy"
    wanted = options(feature_run, stream.Options, source=(str(path),), frames=4)
    stream.main(wanted)
    printed = capsys.readouterr()
    lines = [line.split("\t") for line in printed.out.splitlines()]
    rows = segments.rows(feature_labeler.labels, feature_labeler.label(path))
    assert [line[1] for line in lines] == [row["label"] for row in rows]
    assert "56 frames" in printed.err
