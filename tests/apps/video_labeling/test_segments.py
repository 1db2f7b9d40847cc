"""The segments of a video."""

import itertools

import numpy as np
import pytest

from apps.video_labeling import (
    segments,
    timeline,
)
from data_pipelines.files.tables import Table
from data_pipelines.vision import video
from tests.apps.videos import SIDE, pictures, write


def labelled(path, fps, found=None):
    """What a labeller would give that calls the frames by turns."""
    reader = video.Reader(path, (SIDE, SIDE), fps)
    frames = list(reader)
    if found is None:
        found = np.eye(2)[np.arange(len(frames)) % 2]
    times = [frame.seconds for frame in frames]
    stop = timeline.end(path, times[-1], reader.fps, reader.count)
    numbers = [frame.number for frame in frames]
    return segments.Labelled(
        "it",
        found,
        np.array([*numbers, reader.count]),
        np.array([*times, stop]),
    )


@pytest.mark.parametrize("fps", [0.0, 2.0, 3.0, 7.0, 10.0, 12.5, 25.0, 60.0])
@pytest.mark.parametrize("how", ["file", "headless", "folder"])
def test_segments_cover_a_video_of_any_rate_and_no_more(tmp_path, fps, how):
    if how == "folder":
        path, length = pictures(tmp_path / "it", 12), 12 / (fps or 25)
    elif how == "file":
        path, length = write(tmp_path / "it.mkv", 12), 1.2
    else:
        path, length = write(tmp_path / "it.mkv", 12, live="1"), 1.2
    rows = segments.rows("ab", labelled(path, fps))
    assert rows[0]["start"] == rows[0]["start_seconds"] == 0
    assert rows[-1]["end"] == 12
    for row, after in itertools.pairwise(rows):
        assert row["end"] == after["start"]
        assert row["end_seconds"] == after["start_seconds"]
    for row in rows:
        assert row["start"] < row["end"]
        assert row["start_seconds"] < row["end_seconds"]
    assert rows[-1]["end_seconds"] == pytest.approx(length, abs=1e-3)


def test_a_frame_that_is_shown_again_has_the_mean_of_its_probabilities():
    found = segments.Labelled(
        "it",
        np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.9, 0.1]]),
        np.array([0, 0, 1, 2, 3]),
        np.array([0.0, 0.25, 0.5, 1.0, 1.5]),
    )
    rows = segments.rows("ab", found)
    # The means: 0.55 and 0.45 of frame 0, 0.3 and 0.7 of frame 1.
    expected = [("a", 0, 1, 0.55), ("b", 1, 2, 0.7), ("a", 2, 3, 0.9)]
    keys = ("label", "start", "end", "probability")
    assert [tuple(row[key] for key in keys) for row in rows] == expected
    assert [row["start_seconds"] for row in rows] == [0.0, 0.5, 1.0]


def test_no_label_is_a_formula_and_a_corrected_table_is_read(tmp_path):
    labels = ("=HYPERLINK(1)", "-walk")
    video = segments.Labelled(
        "@it.mp4", np.eye(2), np.array([0, 1, 2]), np.array([0.0, 0.1, 0.2])
    )
    rows = segments.rows(labels, video)
    drawn = timeline.shown(list(labels), video.times, video.probabilities)
    segments.write(tmp_path / "it", labels, video, rows, drawn)
    written = (tmp_path / "it.csv").read_text().splitlines()[1]
    assert written.startswith("'@it.mp4,0,1,'=HYPERLINK(1),1.0,")
    names = ["video", "start", "label"]
    assert [[*row.values()] for row in Table(tmp_path / "it.csv", names)] == [
        ["@it.mp4", "0", "=HYPERLINK(1)"],
        ["@it.mp4", "1", "-walk"],
    ]
