"""The SavedModel."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from apps.common import networks, runs
from apps.video_labeling import (
    export,
    model,
    predict,
)
from apps.video_labeling import model as network
from apps.video_labeling.config import Config
from data_pipelines.vision import video
from tests.apps.tools import in_a_new_process, in_all_forms, needs_formats
from tests.apps.videos import SIDE, WORDS, C


@pytest.mark.slow
def test_the_export_needs_tensorflow_alone(trained, labeler, one, tmp_path):
    frames = np.stack(list(video.frames(one, (SIDE, SIDE))))
    np.save(tmp_path / "frames.npy", frames)
    script = f"""
import sys, numpy as np, tensorflow as tf
served = tf.saved_model.load({str(trained[0] / "export" / "1")!r})
frames = np.load("frames.npy")
whole = served.serve(frames)
assert [w.decode() for w in whole["labels"].numpy()[-1]] == ["left", "right"]
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
    in_a_new_process(script, tmp_path)
    found = np.load(tmp_path / "found.npy")
    np.testing.assert_allclose(
        found, labeler.label(one).probabilities, atol=1e-5
    )


@pytest.mark.parametrize("mode", ["live", "offline"])
def test_the_export_sees_changes_of_pixels(mode):
    config = Config(motion="pixels", mode=mode, units=4, chunk=8)
    _, model = network.build(config, (SIDE, SIDE, 3), 2)
    size = dict(frame_height=SIDE, frame_width=SIDE)
    config = dataclasses.replace(config, **size)
    ours = predict.Predictor(model, ["left", "right"], config)
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
        np.testing.assert_array_equal(sized, read)


@pytest.mark.slow
def test_the_export_takes_features(
    feature_run, feature_labeler, features, tmp_path
):
    values = np.load(features / "v12.npy").T[:, None]
    np.save(tmp_path / "features.npy", values)
    script = f"""
import sys, numpy as np, tensorflow as tf
served = tf.saved_model.load({str(feature_run[0] / "export" / "1")!r})
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
    in_a_new_process(script, tmp_path)
    found = np.load(tmp_path / "found.npy")
    expected = feature_labeler.label(features / "v12.npy").probabilities
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_export_is_compared_on_features(
    feature_run, feature_labeler, monkeypatch
):
    run = runs.open_run("video_labeling", str(feature_run[0]))
    seen = {}

    def kept(run, model, serve, signature, **more):
        seen.update(more)

    monkeypatch.setattr(export.export, "write", kept)
    export.write(run, feature_labeler)
    examples = seen["examples"] + seen["more"][0].examples
    assert [len(example[0]) for example in examples] == [50, 1, 1, 7]
    assert {tuple(example[0].shape[1:]) for example in examples} == {(1, C)}


@pytest.mark.parametrize("mode", ["live", "offline"])
def test_the_export_of_features_is_one_long_run(mode):
    config = Config(mode=mode, units=4, vector_size=4, chunk=8, refine=1)
    _, labeller = model.build(config, (2, C), 3)
    ours = predict.Predictor(labeller, WORDS, config)
    video = np.random.default_rng(0).normal(size=(19, 2, C)).astype("float16")
    found = export.Graph(ours).serve(video.astype("float32"))["probabilities"]
    expected = labeller.predict(video[None].astype("float32"), verbose=0)[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    if mode == "live":
        graph, found = export.Graph(ours), []
        state = ours.inference.initial_state()
        for frame in video:
            step = graph.step(frame[None], state)
            found.append(step["probabilities"])
            state = step["state"]
        np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-5)
    parts = (video[start : start + 8] for start in range(0, 19, 8))
    np.testing.assert_allclose(ours.inference(parts), expected, atol=1e-5)


@pytest.mark.slow
@needs_formats
def test_other_forms_label_frame_by_frame(
    trained, labeler, one, tmp_path, capsys
):
    run = in_all_forms("video_labeling", trained[0], tmp_path, "--quantize")
    assert "accuracy: " in capsys.readouterr().out
    frames = [frame.pixels for frame in labeler.reader(one)]
    frames = np.stack(frames).astype("float32")
    live = labeler.label(one).probabilities
    signature = json.loads((run / "litert" / "signature.json").read_text())
    (about,) = signature["networks"]["step"]["inputs"][1:]
    step = networks.Written(run / "litert" / "step.tflite")
    state = np.full(about["shape"], about["initial"], "float32")
    for frame, expected in zip(frames, live, strict=True):
        answer = step(frames=frame[None], state=state)
        np.testing.assert_allclose(
            answer["probabilities"][0], expected, atol=1e-4
        )
        state = answer["next_state"]
