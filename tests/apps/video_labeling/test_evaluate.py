"""Scores of a finished run."""

import json
import types

import numpy as np
import pytest

from apps.common import cli, runs
from apps.video_labeling import evaluate
from apps.video_labeling.config import Config
from tests.apps.videos import C, options, write_features, write_videos


@pytest.mark.parametrize(
    "name", ["trained", pytest.param("feature_run", marks=pytest.mark.slow)]
)
def test_evaluate_repeats_the_scores(name, request, capsys):
    run = request.getfixturevalue(name)
    evaluate.main(options(run, evaluate.Options))
    printed = capsys.readouterr().out
    record = json.loads((run[0] / "metrics.json").read_text())
    line = next(x for x in printed.splitlines() if x.startswith("x (test)"))
    assert line.split()[2] == f"{record['metrics']['accuracy']:.4f}"
    assert "frame_only_filtered" in printed
    assert "target \\ predicted" in printed


@pytest.mark.parametrize(
    ("monitor", "counts", "expected"),
    [
        ("", (3, 4), "roc_auc"),
        ("", (3, 4, 0), "macro_f1"),
        ("macro_f1", (7, 0), "macro_f1"),
        ("roc_auc", (3, 4, 5), None),
        ("roc_auc", (7, 0), None),
        ("", (0, 7), None),
    ],
)
def test_a_score_that_cannot_be_is_refused_before_training(
    monitor, counts, expected
):
    valid = types.SimpleNamespace(counts=lambda _: np.array(counts))
    data = types.SimpleNamespace(labels=("a", "b", "c")[: len(counts)])
    data.valid = valid
    config = Config(monitor=monitor)
    if expected:
        assert evaluate.monitored(config, data) == expected
        return
    with pytest.raises(cli.UserError, match="roc_auc needs two labels, and"):
        evaluate.monitored(config, data)


def test_other_frames_are_one_line(feature_run, tmp_path):
    write_features(tmp_path / "set", C + 1)
    wanted = options(
        feature_run,
        evaluate.Options,
        dataset="files",
        data_path=str(tmp_path / "set"),
    )
    message = f"features of 1 x 7; the run was trained on features of 1 x {C}"
    with pytest.raises(cli.UserError, match=message):
        evaluate.main(wanted)


def test_pictures_are_no_features(feature_run, tmp_path):
    folder = write_videos(tmp_path / "clips", (2, 2, 2), length=8)
    table = (folder / "labels.csv").read_text()
    table = table.replace("left", "cut").replace("right", "pour")
    (folder / "labels.csv").write_text(table)
    wanted = options(
        feature_run, evaluate.Options, dataset="files", data_path=str(folder)
    )
    message = "pictures of 48 x 48 x 3; the run was trained on features"
    with pytest.raises(cli.UserError, match=message):
        evaluate.main(wanted)


def test_other_data_need_a_name(tmp_path, monkeypatch):
    run = runs.Run("video_labeling", tmp_path, {"config": {}})
    monkeypatch.setattr(evaluate.runs, "open_runs", lambda *_: [run])
    labeler = types.SimpleNamespace(labels=["a", "b"], members=[None])
    monkeypatch.setattr(evaluate, "Ensemble", lambda _: labeler)
    wanted = evaluate.Options(data_path=str(tmp_path))
    message = "needs --dataset, one of demo, demo_small, files, ucf101"
    with pytest.raises(cli.UserError, match=message):
        evaluate.main(wanted)
