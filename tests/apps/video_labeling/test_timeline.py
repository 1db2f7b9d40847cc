"""Timelines."""

import io
import types

import numpy as np
import pytest
from PIL import Image

from apps.common import report
from apps.video_labeling import (
    show,
    timeline,
)
from data_pipelines.video_labeling.datasets import Video
from data_pipelines.vision import video
from tests.apps.videos import headless, picture, pictures, write


def test_thumbnails_need_no_length(tmp_path):
    path = headless(tmp_path)
    assert video.probe(path).seconds == 0
    found = timeline.thumbnails(path)
    # The first of ten parts of 30 frames.
    assert found[:, 0, 0, 0].tolist() == [15 * n for n in range(10)]
    raw = write(tmp_path / "it.h264", 30, "libx264", kind="h264")
    assert video.probe(raw).seconds == 0
    assert len(timeline.thumbnails(raw)) == 10


@pytest.mark.parametrize("count", [1, 7, 10, 39, 40, 41, 333, 1000])
def test_thumbnails_are_spread_over_any_length(count):
    found = timeline.evenly_spread(iter(range(count)), 10)
    exact = [k * count / 10 for k in range(10)]
    # Frames are left out by powers of two, 20 or more are kept.
    np.testing.assert_allclose(found, exact, atol=max(1, count / 20))


def test_thumbnails_of_a_folder_are_spread_over_it(tmp_path):
    pictures(tmp_path, 20)
    found = timeline.thumbnails(tmp_path)
    assert found[:, 0, 0, 0].tolist() == [10 * n for n in range(10)]


@pytest.mark.parametrize(
    ("rotation", "shape"), [(0, (24, 32)), (90, (32, 24)), (180, (24, 32))]
)
def test_thumbnails_are_as_upright_as_their_video(tmp_path, rotation, shape):
    path = tmp_path / "it.mp4"
    write(path, 5, "libx264", rotation=rotation)
    rows, columns = timeline.thumbnails(path, height=96).shape[1:3]
    assert columns / rows == pytest.approx(shape[1] / shape[0], rel=0.02)


def test_thumbnails_of_turned_pictures_are_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    for number in range(2):
        name = tmp_path / f"{number}.jpg"
        Image.fromarray(picture(number)).save(name, exif=exif)
    rows, columns = timeline.thumbnails(tmp_path, height=96).shape[1:3]
    assert columns / rows == pytest.approx(24 / 32, rel=0.02)


@pytest.mark.parametrize(
    "labels",
    [
        ("cost $5 to $6", "b"),
        ("a$x_1$", "$\\foo$"),
        ("_hid", "b"),
        ("跑", "走"),
    ],
)
def test_labels_are_drawn_whatever_they_are(labels):
    probabilities = np.eye(2)[[0, 0, 1, 1]]
    for png in (
        timeline.draw(labels, np.arange(5.0), probabilities),
        report.confusion_picture(np.eye(2), labels),
    ):
        assert Image.open(io.BytesIO(png)).format == "PNG"


def test_the_legend_says_what_the_labels_are(monkeypatch):
    seen = []

    def kept(figure, *_, **__):
        legend = figure.legends[0]
        seen.extend(text.get_text() for text in legend.get_texts())

    monkeypatch.setattr(timeline.Figure, "savefig", kept)
    timeline.draw(("_a", "$b$"), np.arange(3.0), np.eye(2))
    assert seen == ["_a", "$b$"]


def test_a_timeline_ends_with_its_video(tmp_path):
    path = write(tmp_path / "it.mkv", 12)
    stored = types.SimpleNamespace(times=np.arange(2) / 1.0, fps=1.0, frames=12)
    one = Video("it", path, np.zeros(2, np.int32), stored)
    _, times, *_ = show.arguments("ab", one, np.eye(2), None)
    np.testing.assert_allclose(times, [0, 1, 1.2])


def test_a_page_shows_where_labels_are_and_where_they_are_wrong():
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6]])
    video = timeline.shown(
        ["a", "b"], np.arange(5) / 2, probabilities, np.array([0, 0, 0, 1])
    )

    def spans(name):
        return [
            (s["label"], s["start_seconds"], s["end_seconds"])
            for s in video["bars"][name]
        ]

    assert spans("truth") == [("a", 0, 1.5), ("b", 1.5, 2)]
    assert spans("prediction") == [("a", 0, 1), ("b", 1, 2)]
    assert spans("wrong") == [("", 0, 1), ("wrong", 1, 1.5), ("", 1.5, 2)]
    assert (video["begin"], video["end"], video["used"]) == (0, 2, ["a", "b"])
    # The area of a band is the mean probability of its segment.
    for (label, points), mean in zip(video["bands"], (0.8, 0.7), strict=True):
        x, y = np.array([p.split(",") for p in points.split()], float).T
        area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
        assert area / (500 * 100) == pytest.approx(mean), label


def test_a_long_band_has_few_corners():
    count = 5000
    probabilities = np.full((count, 1), 0.5)
    ((_, points),) = timeline.shown(
        ["a"], np.arange(count + 1.0), probabilities
    )["bands"]
    assert len(points.split()) <= 2 * timeline.MOST_CORNERS
