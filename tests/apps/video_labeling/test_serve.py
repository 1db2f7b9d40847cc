"""What the page and the JSON answer is what `predict` says."""

import io

import numpy as np
import pytest
from PIL import Image

from apps.common import cli, runs
from apps.common.serving import openapi, server
from apps.video_labeling import segments, serve
from apps.video_labeling.serve import Answer, Request, Service
from data_pipelines.files.errors import DataError
from data_pipelines.vision import video
from tests.apps.tools import conforms


@pytest.fixture(scope="module")
def service(opened):
    service = Service.of_run(opened)
    service.warm(opened)
    return service


def test_labels_come_chunk_by_chunk_and_are_those_of_predict(service, one):
    answers = list(service.stream(Request(one)))
    assert all(conforms(a, openapi.schema(Answer)) for a in answers)
    counts = [answer["frames"] for answer in answers]
    assert counts == sorted(counts)
    assert len(set(counts)) > 1
    expected = segments.rows(
        service.predictor.labels, service.predictor.label(one)
    )
    for row in expected:
        del row["video"]
    assert answers[-1]["segments"] == expected
    assert answers[-1]["end"] == expected[-1]["end_seconds"]


def test_a_live_video_gets_the_labels_of_the_whole(service, one):
    size = service.predictor.size
    frames = np.stack(list(video.frames(one, size)))[:20]
    whole = service.predictor.inference([frames[:10], frames[10:]])
    live = service.live()
    answers = [live(frame) for frame in frames]
    for answer, probabilities in zip(answers, whole, strict=True):
        np.testing.assert_allclose(
            list(answer["probabilities"].values()), probabilities, atol=1e-5
        )
    assert conforms(answers[-1], openapi.schema(Answer))
    assert answers[-1]["frames"] == 20
    assert answers[-1]["segments"][-1]["end"] == 20
    html = server.rendered(Service, None, answers[-1])
    assert '<p class="verdict">' in html
    assert "style=" not in html


def test_a_frame_is_decoded_as_training_would(service):
    buffer = io.BytesIO()
    Image.new("RGB", (50, 30), "red").save(buffer, "PNG")
    frame = service.prepare_frame(buffer.getvalue())
    assert frame.shape == (*service.predictor.size, 3)
    with pytest.raises(DataError, match="frame: is no JPEG"):
        service.prepare_frame(b"torn")


def test_the_page_shows_pictures_timeline_and_segments(service, one):
    *_, last = service.stream(Request(one))
    html = server.rendered(Service, Request(one), last)
    assert html.count("<img") == 10
    assert html.count("<tr>") == 1 + len(last["segments"])
    assert "style=" not in html
    nothing = {**last, "segments": [], "frames": 0, "probabilities": {}}
    html = server.rendered(Service, Request(one), nothing)
    assert "when it has seen all of it" in html


def test_what_cannot_be_labelled_is_one_line(
    service, one, tmp_path, monkeypatch
):
    torn = tmp_path / "torn"
    torn.write_bytes(b"torn")
    with pytest.raises(DataError) as error:
        next(service.stream(Request(torn)))
    assert str(error.value) == "video: is not a video"
    monkeypatch.setattr(serve, "MOST_FRAMES", 3)
    with pytest.raises(DataError, match="video: more than 3 frames"):
        list(service.stream(Request(one)))


def test_a_run_on_features_says_so(feature_run, opened):

    run = runs.open_run("video_labeling", str(feature_run[0]))
    with pytest.raises(cli.UserError, match="takes precomputed features"):
        Service.of_run(run)
    assert Service.live_fps(opened) == 10.0
