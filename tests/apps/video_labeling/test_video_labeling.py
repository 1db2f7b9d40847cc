"""Video labelling as its user meets it: one small training, then its use."""

import csv
import dataclasses
import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator

from apps.common import cli, runs
from apps.video_labeling import (
    evaluate,
    export,
    frame_encoder,
    predict,
    scores,
    stream,
    train,
)
from apps.video_labeling import model as network
from apps.video_labeling.config import PRESETS, Config
from data_pipelines.video_labeling import labels_csv
from data_pipelines.vision import video
from tests.apps.tools import ROOT, run_module
from tests.apps.videos import SIDE, flags, write_videos


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished live run: its folder and what the terminal showed."""
    folder = tmp_path_factory.mktemp("video_labeling")
    write_videos(folder / "clips")
    more = ["--name", "x", "--mode", "live"]
    done = run_module("apps.video_labeling.train", *flags(folder, *more))
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "video_labeling" / "x", done


@pytest.fixture(scope="module")
def opened(trained):
    return runs.open_run("video_labeling", str(trained[0]))


@pytest.fixture(scope="module")
def labeler(opened):
    return predict.Labeler.of_run(opened)


@pytest.fixture
def one(trained):
    """A video of the test split."""
    return trained[0].parents[2] / "clips" / "videos" / "test_00.mp4"


def options(trained, kind=predict.Options, **more):
    return kind(runs_path=str(trained[0].parents[1]), **more)


# The run folder.


def test_the_run_folder_is_complete(trained):
    run, _ = trained
    expected = """backup config.json confusion.png curve.png data.txt export
        labels.txt lock log.csv metrics.json model.keras report.html samples.txt
        tensorboard timeline.png"""
    assert sorted(p.name for p in run.iterdir()) == expected.split()


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
    assert record["metrics"]["accuracy"] > 0.9
    assert record["metrics"]["roc_auc"] > 0.9
    for baseline in record["baselines"].values():
        assert baseline["accuracy"] < 0.65


def test_the_terminal_shows_scores_segments_and_what_is_next(trained):
    run, done = trained
    record = json.loads((run / "metrics.json").read_text())
    lines = done.stdout.splitlines()
    for name, found in [("x", record["metrics"]), *record["baselines"].items()]:
        line = next(line for line in lines if line.split()[:1] == [name])
        assert line.split()[1] == f"{found['accuracy']:.4f}"
    assert sum(line.startswith("  predicted  ") for line in lines) == 3
    assert any("make predict-video-labeling" in line for line in lines)
    assert "report.html" in done.stdout


def test_tensorboard_has_every_tag(trained):
    found = {}
    for part in ("train", "validation"):
        reader = event_accumulator.EventAccumulator(
            str(trained[0] / "tensorboard" / part)
        )
        reader.Reload()
        found[part] = set(reader.Tags()["tensors"])
    scalars = "accuracy gradient_norm learning_rate loss tokens_per_second"
    assert set(scalars.split()) <= found["train"]
    shown = {"timeline/1", "timeline/3", "confusion", "loss", *scores.METRICS}
    assert shown <= found["validation"]


def test_the_report_shows_timelines(trained):
    text = (trained[0] / "report.html").read_text()
    assert text.count('alt="timeline of test_') == 6
    assert "frame_only_filtered" in text


def test_samples_have_the_segments_of_every_epoch(trained):
    text = (trained[0] / "samples.txt").read_text()
    epochs = json.loads((trained[0] / "metrics.json").read_text())["epochs"]
    assert text.count("\ttarget\t") == text.count("\tpredicted\t") == 3 * epochs


# What is taken away.


def in_a_new_process(script, folder):
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


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
    done = in_a_new_process(script, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_export_needs_tensorflow_alone(trained, labeler, one, tmp_path):
    frames = np.stack(list(video.frames(one, (SIDE, SIDE))))
    np.save(tmp_path / "frames.npy", frames)
    script = f"""
import sys, numpy as np, tensorflow as tf
served = tf.saved_model.load({str(trained[0] / "export")!r})
frames = np.load("frames.npy")
whole = served.serve(frames)
assert [w.decode() for w in whole["labels"].numpy()] == ["left", "right"]
signature = served.signatures["serving_default"](frames=tf.constant(frames))
for name in whole:
    assert (whole[name].numpy() == signature[name].numpy()).all(), name
for size in (1, 4):
    state, found = served.initial_state()["state"], []
    for start in range(0, len(frames), size):
        step = served.step(frames[start:start + size], state)
        found.append(step["probabilities"].numpy())
        state = step["state"]
    found = np.concatenate(found)
    np.testing.assert_allclose(found, whole["probabilities"], atol=1e-5)
larger = served.serve(np.repeat(np.repeat(frames, 2, 1), 2, 2))
assert larger["label"].shape == (len(frames),)
ours = ("apps", "data_pipelines", "rnn_layers")
assert not any(n.split(".")[0] in ours for n in sys.modules)
np.save("found.npy", whole["probabilities"].numpy())
"""
    done = in_a_new_process(script, tmp_path)
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "found.npy")
    np.testing.assert_allclose(
        found, labeler.label(one).probabilities, atol=1e-5
    )


@pytest.mark.parametrize("mode", ["live", "offline"])
def test_the_export_sees_changes_of_pixels(mode):
    config = Config(motion="pixels", mode=mode, units=4, chunk=8)
    _, model = network.build(config, (SIDE, SIDE, 3), 2)
    size = dict(frame_height=SIDE, frame_width=SIDE)
    config = dataclasses.asdict(dataclasses.replace(config, **size))
    ours = predict.Labeler(model, ["left", "right"], config)
    video = np.random.default_rng(0).integers(
        0, 256, (19, SIDE, SIDE, 3), np.uint8
    )
    video[:3] = 0  # black
    video[7:9] = 0
    graph = export.Graph(ours)
    found = graph.serve(video)["probabilities"]
    expected = model.predict(video[None].astype("float32"), verbose=0)[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    if mode == "live":
        state, found = ours.inference.initial_state(), []
        for frame in video:
            step = graph.step(frame[None], state)
            found.append(step["probabilities"])
            state = step["state"]
        np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-5)


def test_a_frozen_encoder_sees_no_changes_of_pixels():
    config = Config(encoder="resnet50", motion="pixels")
    with pytest.raises(cli.UserError, match="--motion regions"):
        frame_encoder.build(config, None)


def test_frames_get_their_size_as_those_that_were_read(tmp_path):
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (5, 7, 3), np.uint8)
    picture = np.repeat(np.repeat(coarse, 8, 0), 8, 1)
    (tmp_path / "clip").mkdir()
    Image.fromarray(picture).save(tmp_path / "clip" / "frame.png")
    for framing in ("stretch", "crop"):
        read = next(
            video.frames(tmp_path / "clip", (12, 20), mode=framing)
        ).astype(int)
        sized = export.sized(picture[None], (12, 20), framing)[0].numpy()
        assert np.abs(sized - read).max() <= 1


# Prediction.


def test_predict_writes_segments_and_a_page(trained, labeler, one, tmp_path):
    predict.main(options(trained, videos=(str(one),), output=str(tmp_path)))
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"test_00.csv", "test_00.html", "test_00.json"}
    with open(tmp_path / "test_00.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    found = labeler.label(one).probabilities
    expected = scores.segments(found.argmax(axis=1))
    for row, (start, end, label) in zip(rows, expected, strict=True):
        assert row["video"] == "test_00.mp4"
        assert [int(row["start"]), int(row["end"])] == [start, end]
        assert float(row["start_seconds"]) == pytest.approx(start / 10)
        assert float(row["end_seconds"]) == pytest.approx(end / 10)
        assert row["label"] == labeler.labels[label]
        mean = found[start:end, label].mean()
        assert float(row["probability"]) == pytest.approx(mean, abs=1e-4)
    record = json.loads((tmp_path / "test_00.json").read_text())
    assert record["frames"] == 30
    assert record["seconds"] == pytest.approx(3)
    assert record["labels"] == ["left", "right"]
    assert len(record["segments"]) == len(rows)
    assert "<img" in (tmp_path / "test_00.html").read_text()


def test_what_was_found_can_be_read_as_labels(trained, labeler, one, tmp_path):
    predict.main(options(trained, videos=(str(one),), output=str(tmp_path)))
    shutil.copy(tmp_path / "test_00.csv", tmp_path / "labels.csv")
    shutil.copy(one, tmp_path)
    clips = labels_csv.read(tmp_path)
    (clip,) = clips.found
    read = [clips.names[number] for number in clip.labels.indices(30)]
    best = labeler.label(one).probabilities.argmax(axis=1)
    assert read == [labeler.labels[number] for number in best]


def test_a_broken_video_among_many_is_left_out(trained, one, tmp_path, capsys):
    folder = tmp_path / "clips"
    (folder / "pictures").mkdir(parents=True)
    shutil.copy(one, folder / "good.mp4")
    (folder / "broken.mp4").write_bytes(one.read_bytes()[:600])
    (folder / "notes.txt").write_text("no video")
    for number in range(3):
        picture = Image.new("RGB", (20, 20), (number, 0, 0))
        picture.save(folder / "pictures" / f"{number}.png")
    out = tmp_path / "out"
    predict.main(options(trained, videos=(str(folder),), output=str(out)))
    assert {p.stem for p in out.iterdir()} == {"good", "pictures"}
    printed = capsys.readouterr()
    assert "left out: " in printed.err
    assert "broken.mp4" in printed.err
    assert "1 of 3 videos could not be read" in printed.err


def test_videos_of_the_same_name_have_files_of_their_own(
    trained, one, tmp_path
):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shutil.copy(one, tmp_path / name / "clip.mp4")
    out = tmp_path / "out"
    both = (str(tmp_path / "a"), str(tmp_path / "b"))
    predict.main(options(trained, videos=both, output=str(out)))
    assert {p.stem for p in out.iterdir()} == {"clip", "clip-2"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "there is no such file or folder"),
        (lambda path: path.mkdir(), "has no videos"),
        (lambda path: path.write_text("words"), "is not a video"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
    ],
)
def test_what_is_no_video_is_one_line(trained, tmp_path, make, message):
    make(tmp_path / "it.mp4")
    wanted = options(
        trained, videos=(str(tmp_path / "it.mp4"),), output=str(tmp_path / "o")
    )
    with pytest.raises(cli.UserError, match=message):
        predict.main(wanted)


def test_no_video_is_one_line(trained):
    with pytest.raises(cli.UserError, match="no video to label"):
        predict.main(options(trained))


# The stream.


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
    rows = predict.segments(labeler.labels, labeler.label(one))
    assert [line[1] for line in lines] == [row["label"] for row in rows]
    assert [float(line[0]) for line in lines] == pytest.approx(
        [row["start_seconds"] for row in rows]
    )
    assert "30 frames" in printed.err
    assert "a second" in printed.err


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


# Evaluation.


def test_evaluate_repeats_the_scores(trained, capsys):
    evaluate.main(options(trained, evaluate.Options))
    printed = capsys.readouterr().out
    record = json.loads((trained[0] / "metrics.json").read_text())
    line = next(x for x in printed.splitlines() if x.startswith("x (test)"))
    assert line.split()[2] == f"{record['metrics']['accuracy']:.4f}"
    assert "frame_only_filtered" in printed
    assert "target \\ predicted" in printed


# Bad input.


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

    def killed(run, _):
        run.file("backup").mkdir(exist_ok=True)
        run.file("backup/state.npz").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(train.checkpoint, "resume", killed)
    for _ in range(2):  # with the same videos it goes on
        with pytest.raises(KeyboardInterrupt):
            train.train(settings)
    lines = table.read_text().splitlines(keepends=True)
    rest = [line for line in lines if not line.startswith("train_05")]
    assert len(rest) < len(lines)
    table.write_text("".join(rest))
    with pytest.raises(cli.UserError, match=r"data\.txt differs .* --name"):
        train.train(settings)
    # The labels are the same, and so they do not show it.
    run = tmp_path / "runs" / "video_labeling" / "new"
    assert (run / "labels.txt").read_text() == "left\nright\n"


def test_other_labels_than_the_model_are_one_line(opened, trained, tmp_path):
    for name in ("model.keras", "config.json"):
        shutil.copy(trained[0] / name, tmp_path)
    (tmp_path / "labels.txt").write_text("left\nright\nup\n")
    run = runs.Run("video_labeling", tmp_path, opened.record)
    with pytest.raises(cli.UserError, match=r"for another labels\.txt"):
        predict.Labeler.of_run(run)


def test_a_score_that_cannot_be_is_one_line(monkeypatch):
    found = dict.fromkeys(scores.METRICS, 0.5) | {"roc_auc": None}
    monkeypatch.setattr(evaluate, "score", lambda *_: (found, []))
    validation = evaluate.Validation(None, None, (), "roc_auc")
    validation.set_model(keras.Sequential())
    validation.model.optimizer = None
    with pytest.raises(cli.UserError, match="roc_auc needs two labels"):
        validation.on_epoch_end(0, {})


def test_presets_are_differences():
    for preset in PRESETS.values():
        assert Config(**preset) != Config()
