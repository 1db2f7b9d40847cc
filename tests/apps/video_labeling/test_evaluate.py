"""Scores of a finished run."""

import json
import types

import keras
import pytest

from apps.common import cli
from apps.video_labeling import (
    evaluate,
    scores,
)
from tests.apps.videos import C, options, write_features, write_videos


@pytest.mark.parametrize("name", ["trained", "feature_run"])
def test_evaluate_repeats_the_scores(name, request, capsys):
    run = request.getfixturevalue(name)
    evaluate.main(options(run, evaluate.Options))
    printed = capsys.readouterr().out
    record = json.loads((run[0] / "metrics.json").read_text())
    line = next(x for x in printed.splitlines() if x.startswith("x (test)"))
    assert line.split()[2] == f"{record['metrics']['accuracy']:.4f}"
    assert "frame_only_filtered" in printed
    assert "target \\ predicted" in printed


def test_a_score_that_cannot_be_is_one_line(monkeypatch):
    found = dict.fromkeys(scores.METRICS, 0.5) | {"roc_auc": None}
    monkeypatch.setattr(evaluate, "score", lambda *_: (found, []))
    validation = evaluate.Validation(None, None, (), "roc_auc")
    validation.set_model(keras.Sequential())
    validation.model.optimizer = None
    with pytest.raises(cli.UserError, match="roc_auc needs two labels"):
        validation.on_epoch_end(0, {})


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
    run = types.SimpleNamespace(record={"config": {}})
    monkeypatch.setattr(evaluate.runs, "open_run", lambda *_: run)
    wanted = evaluate.Options(data_path=str(tmp_path))
    message = "needs --dataset, one of demo, demo_small, files, ucf101"
    with pytest.raises(cli.UserError, match=message):
        evaluate.main(wanted)
