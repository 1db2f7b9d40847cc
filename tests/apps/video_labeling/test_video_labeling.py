"""Video labelling as its user meets it: the folder of a training."""

import json

import keras
import pytest
from tensorboard.backend.event_processing import event_accumulator

from apps.video_labeling import (
    scores,
)
from tests.apps.tools import ROOT, file_names, in_a_new_process


def test_the_run_folder_is_complete(trained):
    run, _ = trained
    expected = """README.md backup config.json curve.png data.txt
        digests.json
        export
        labels.txt lock log.csv metrics.json model.keras report.html samples.txt
        train validation"""
    assert file_names(run) == expected.split()


def test_metrics_json_has_what_is_promised(trained):
    record = json.loads((trained[0] / "metrics.json").read_text())
    assert set(record["metrics"]) == set(scores.METRICS)
    expected = {"majority", "frame_only", "frame_only_filtered"}
    assert set(record["baselines"]) == expected
    assert all(
        set(b) == set(scores.METRICS) for b in record["baselines"].values()
    )
    assert record["examples"] == {"train": 24, "valid": 6, "test": 6}
    labeler = keras.models.load_model(trained[0] / "model.keras")
    assert record["parameters"] == labeler.count_params()


def test_motion_is_learned_and_single_frames_do_not_show_it(trained):
    record = json.loads((trained[0] / "metrics.json").read_text())
    for baseline in record["baselines"].values():
        for name in ("accuracy", "roc_auc"):
            assert record["metrics"][name] > baseline[name]


def test_the_terminal_shows_scores_segments_and_what_is_next(trained):
    run, printed = trained
    record = json.loads((run / "metrics.json").read_text())
    lines = printed.splitlines()
    for name, found in [("x", record["metrics"]), *record["baselines"].items()]:
        line = next(line for line in lines if line.split()[:1] == [name])
        assert line.split()[1] == f"{found['accuracy']:.4f}"
    assert sum(line.startswith("  predicted  ") for line in lines) == 3
    assert any("make predict-video-labeling" in line for line in lines)
    assert "report.html" in printed


def test_tensorboard_has_every_tag(trained):
    found = {}
    for part in ("train", "validation"):
        reader = event_accumulator.EventAccumulator(str(trained[0] / part))
        reader.Reload()
        found[part] = set(reader.Tags()["tensors"])
    scalars = "accuracy gradient_norm learning_rate loss tokens_per_second"
    assert set(scalars.split()) <= found["train"]
    shown = {"timeline/1", "timeline/3", "confusion", "loss", *scores.METRICS}
    assert shown <= found["validation"]


def test_the_report_shows_timelines(trained):
    text = (trained[0] / "report.html").read_text()
    assert text.count('<figure class="timeline">') == 6
    assert "frame_only_filtered" in text


def test_samples_have_the_segments_of_every_epoch(trained):
    text = (trained[0] / "samples.txt").read_text()
    epochs = json.loads((trained[0] / "metrics.json").read_text())["epochs"]
    assert text.count("\ttarget\t") == text.count("\tpredicted\t") == 3 * epochs


@pytest.mark.slow
def test_the_model_loads_with_rnn_layers_alone(trained, tmp_path):
    (tmp_path / "rnn_layers").symlink_to(ROOT / "rnn_layers")
    script = f"""
import sys, numpy as np, keras, rnn_layers
model = keras.models.load_model({str(trained[0] / "model.keras")!r})
for length in (7, 4):
    found = model.predict(np.zeros((2, length, 16, 16, 3)), verbose=0)
    assert found.shape == (2, length, 2)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
ours = ("apps", "data_pipelines")
assert not any(n.split(".")[0] in ours for n in sys.modules)
"""
    in_a_new_process(script, tmp_path)
