"""Video labelling of features that were ready, from training to stream."""

import csv
import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from tensorboard.backend.event_processing import event_accumulator

from apps.common import cli, runs
from apps.video_labeling import evaluate, export, model, predict, stream, train
from apps.video_labeling.config import Config
from tests.apps.tools import ROOT, run_module
from tests.apps.videos import write_videos

C = 6
WORDS = ("cut", "pour", "background")


def write_features(folder, channels=C):
    """Writes features that say which label they have, as MS-TCN has them."""
    chance = np.random.default_rng(0)
    for name in ("features", "groundTruth", "splits"):
        (folder / name).mkdir(parents=True)
    lines = [f"{number} {word}\n" for number, word in enumerate(WORDS)]
    (folder / "mapping.txt").write_text("".join(lines))
    for number in range(14):
        length = 20 + 3 * number
        labels = np.arange(length) * 3 // length
        found = chance.normal(size=(channels, length)) / 4
        found[labels, np.arange(length)] += 2
        place = folder / "features" / f"v{number}.npy"
        np.save(place, found.astype("float32"))
        text = "".join(f"{WORDS[label]}\n" for label in labels)
        (folder / "groundTruth" / f"v{number}.txt").write_text(text)
    for split, numbers in (("train", range(11)), ("test", range(11, 14))):
        text = "".join(f"v{number}.txt\n" for number in numbers)
        (folder / "splits" / f"{split}.split1.bundle").write_text(text)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished live run of the smoke preset."""
    folder = tmp_path_factory.mktemp("features")
    write_features(folder / "set")
    arguments = [
        *("--preset", "smoke", "--dataset", "files", "--mode", "live"),
        *("--data-path", str(folder / "set"), "--name", "x"),
        *("--runs-path", str(folder / "runs")),
        *("--cache-path", str(folder / "data"), "--chunk", "8"),
    ]
    done = run_module("apps.video_labeling.train", *arguments)
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "video_labeling" / "x", done


@pytest.fixture
def features(trained):
    return trained[0].parents[2] / "set" / "features"


@pytest.fixture(scope="module")
def labeler(trained):
    run = runs.open_run("video_labeling", str(trained[0]))
    return predict.Labeler.of_run(run)


def options(trained, kind=predict.Options, **more):
    return kind(runs_path=str(trained[0].parents[1]), **more)


def test_a_run_has_timelines_without_pictures(trained):
    run, done = trained
    assert (run / "report.html").read_text().count('alt="timeline of v') == 3
    assert (run / "timeline.png").exists()
    reader = event_accumulator.EventAccumulator(
        str(run / "tensorboard" / "validation")
    )
    reader.Reload()
    assert "timeline/1" in reader.Tags()["tensors"]
    assert 'make predict-video-labeling ARGS="my.npy"' in done.stdout
    assert 'label-stream ARGS="--run x my.npy"' in done.stdout


def test_the_export_takes_features(trained, labeler, features, tmp_path):
    values = np.load(features / "v12.npy").T[:, None]
    np.save(tmp_path / "features.npy", values)
    script = f"""
import sys, numpy as np, tensorflow as tf
served = tf.saved_model.load({str(trained[0] / "export")!r})
features = np.load("features.npy")  # T 1 C
whole = served.serve(features)
signature = served.signatures["serving_default"](features=tf.constant(features))
for name in whole:
    assert (whole[name].numpy() == signature[name].numpy()).all(), name
for size in (1, 5):
    state, found = served.initial_state()["state"], []
    for start in range(0, len(features), size):
        step = served.step(features[start:start + size], state)
        found.append(step["probabilities"].numpy())
        state = step["state"]
    found = np.concatenate(found)
    np.testing.assert_allclose(found, whole["probabilities"], atol=1e-5)
ours = ("apps", "data_pipelines", "rnn_layers")
assert not any(n.split(".")[0] in ours for n in sys.modules)
np.save("found.npy", whole["probabilities"].numpy())
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "found.npy")
    expected = labeler.label(features / "v12.npy").probabilities
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_export_is_compared_on_features(trained, labeler, monkeypatch):
    run = runs.open_run("video_labeling", str(trained[0]))
    seen = {}

    def kept(run, model, serve, signature, **more):
        seen.update(more)

    monkeypatch.setattr(export.export, "write", kept)
    export.write(run, labeler)
    examples = seen["examples"] + seen["more"][0].examples
    assert [len(example[0]) for example in examples] == [50, 1, 1, 7]
    assert {tuple(example[0].shape[1:]) for example in examples} == {(1, C)}


@pytest.mark.parametrize("mode", ["live", "offline"])
def test_the_export_of_features_is_one_long_run(mode):
    config = Config(mode=mode, units=4, vector_size=4, chunk=8)
    _, labeller = model.build(config, (2, C), 3)
    ours = predict.Labeler(labeller, WORDS, dataclasses.asdict(config))
    video = np.random.default_rng(0).normal(size=(19, 2, C)).astype("float16")
    found = export.Graph(ours).serve(video.astype("float32"))["probabilities"]
    expected = labeller.predict(video[None].astype("float32"), verbose=0)[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    parts = (video[start : start + 8] for start in range(0, 19, 8))
    np.testing.assert_allclose(ours.inference(parts), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_predict_takes_features(trained, features, tmp_path, kind):
    given = features if kind == "folder" else features / "v12.npy"
    out = tmp_path / "out"
    predict.main(options(trained, videos=(str(given),), output=str(out)))
    stems = {path.stem for path in out.iterdir()}
    assert stems == (
        {f"v{n}" for n in range(14)} if kind == "folder" else {"v12"}
    )
    with open(out / "v12.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["video"] == "v12.npy"
    assert int(rows[-1]["end"]) == 20 + 3 * 12
    # No rate is known, so it is 25 frames a second.
    assert float(rows[-1]["end_seconds"]) == pytest.approx(56 / 25, abs=1e-3)
    assert "<img" in (out / "v12.html").read_text()


def test_what_are_no_such_features_is_one_line(trained, features, tmp_path):
    np.save(tmp_path / "other.npy", np.ones((C + 1, 30), "float32"))
    np.save(tmp_path / "words.npy", np.array(["a"]))
    np.save(tmp_path / "nan.npy", np.full((C, 30), np.nan, "float32"))
    (tmp_path / "it.mp4").write_text("a video")
    (tmp_path / "clips").mkdir()
    for name, message in {
        "other.npy": rf"has 7 features a frame; expected .* \({C}, frames\)",
        "words.npy": "is an array of",
        "nan.npy": "not finite",
        "it.mp4": r"is no \.npy file",
        "clips": r"has no \.npy files",
    }.items():
        wanted = options(
            trained,
            videos=(str(tmp_path / name),),
            output=str(tmp_path / "out"),
        )
        with pytest.raises(cli.UserError, match=message) as caught:
            predict.main(wanted)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_evaluate_repeats_the_scores(trained, capsys):
    evaluate.main(options(trained, evaluate.Options))
    printed = capsys.readouterr().out
    record = json.loads((trained[0] / "metrics.json").read_text())
    line = next(x for x in printed.splitlines() if x.startswith("x (test)"))
    assert line.split()[2] == f"{record['metrics']['accuracy']:.4f}"


def test_other_frames_are_one_line(trained, tmp_path):
    write_features(tmp_path / "set", C + 1)
    wanted = options(
        trained,
        evaluate.Options,
        dataset="files",
        data_path=str(tmp_path / "set"),
    )
    message = f"features of 1 x 7; the run was trained on features of 1 x {C}"
    with pytest.raises(cli.UserError, match=message):
        evaluate.main(wanted)


def test_pictures_are_no_features(trained, tmp_path):
    folder = write_videos(tmp_path / "clips", (2, 2, 2), length=8)
    table = (folder / "labels.csv").read_text()
    table = table.replace("left", "cut").replace("right", "pour")
    (folder / "labels.csv").write_text(table)
    wanted = options(
        trained, evaluate.Options, dataset="files", data_path=str(folder)
    )
    message = "pictures of 48 x 48 x 3; the run was trained on features"
    with pytest.raises(cli.UserError, match=message):
        evaluate.main(wanted)


def test_the_stream_takes_features(trained, labeler, features, capsys):
    path = features / "v12.npy"
    wanted = options(trained, stream.Options, source=(str(path),), frames=4)
    stream.main(wanted)
    printed = capsys.readouterr()
    lines = [line.split("\t") for line in printed.out.splitlines()]
    rows = predict.segments(labeler.labels, labeler.label(path))
    assert [line[1] for line in lines] == [row["label"] for row in rows]
    assert "56 frames" in printed.err


def test_pixels_of_features_are_one_line(trained, tmp_path):
    record = json.loads((trained[0] / "config.json").read_text())["config"]
    config = Config(**{**record, "name": "new", "motion": "pixels"})
    with pytest.raises(cli.UserError, match="--motion pixels needs pictures"):
        train.train(config)
    assert not (trained[0].parent / "new").exists()


UCF101 = """
import sys
import tensorflow_datasets as tfds
from apps.video_labeling import train
from apps.video_labeling.config import PRESETS, Config
from apps.common import cli
from tests.data_pipelines.video_labeling.test_pipeline import as_dataset
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
    done = subprocess.run(
        [sys.executable, "-c", UCF101, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "video_labeling" / "x"
    assert (run / "report.html").read_text().count('alt="timeline of test') == 4
    assert (run / "export" / "saved_model.pb").exists()
