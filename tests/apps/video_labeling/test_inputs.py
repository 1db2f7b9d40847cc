"""What is given to video labelling, without a long training: odd videos."""

import csv
import dataclasses
import io
import itertools
import json
import os
import types
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from apps.common import cli, report
from apps.video_labeling import (
    evaluate,
    frame_encoder,
    inputs,
    model,
    predict,
    show,
    timeline,
)
from apps.video_labeling.config import Config
from data_pipelines.video_labeling import pipeline as video_labeling
from data_pipelines.video_labeling.datasets import Video
from data_pipelines.vision import video
from tests.data_pipelines.video_labeling.test_pipeline import as_dataset

SIDE = 16
LABELS = ("left", "right", "up")


def labeler(shape=(SIDE, SIDE, 3), **more):
    """A labeller that has learned nothing."""
    size = dict(frame_height=SIDE, frame_width=SIDE)
    config = Config(units=4, vector_size=4, region_size=4, chunk=8, **size)
    config = dataclasses.replace(config, **more)
    _, network = model.build(config, shape, len(LABELS))
    return predict.Labeler(network, LABELS, dataclasses.asdict(config))


def picture(number, height=24, width=32):
    return np.full((height, width, 3), 5 * number, np.uint8)


def write(path, count, codec="ffv1", *, kind=None, rotation=None, **options):
    """Writes `picture`s, ten a second, as a video of any kind."""
    with av.open(str(path), "w", format=kind, options=options) as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = picture(0).shape[:2]
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def gif(path, count):
    frames = [Image.fromarray(picture(number)) for number in range(count)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    return path


def pictures(folder, count=3):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(picture(number)).save(folder / f"{number}.png")
    return folder


def headless(folder):
    """A video whose header does not say how long it is."""
    return write(folder / "it.mkv", 30, live="1")


# Thumbnails.


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


def test_a_public_set_has_thumbnails_of_its_frames(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        data = video_labeling.make_datasets(
            *("ucf101", tmp_path / "tfds"),
            cache_path=tmp_path,
            frame_size=8,
            chunk=4,
            batch_size=2,
            seed=0,
        )
    one = data.test.videos[0]
    found = show.thumbnails(one)
    # Six frames of its number, for ten thumbnails.
    assert found.shape == (10, 8, 8, 3)
    assert (found == int(one.name[-6:])).all()
    even = np.full((len(one), len(data.labels)), 1 / len(data.labels))
    png = show.draw(data.labels, one, even, found)
    assert Image.open(io.BytesIO(png)).format == "PNG"


def test_features_have_no_thumbnails(tmp_path):
    stored = types.SimpleNamespace(values=np.zeros((5, 1, 4), np.float16))
    one = Video("it", tmp_path / "it.npy", np.zeros(5, np.int32), stored)
    np.save(one.path, np.zeros((4, 5)))
    assert show.thumbnails(one) is None


def test_an_encoder_is_not_checked_on_what_is_no_video(tmp_path):
    one = types.SimpleNamespace(path=Path("ucf101", "train", "000001"))
    data = types.SimpleNamespace(train=types.SimpleNamespace(videos=[one]))
    seen = []
    encoder = types.SimpleNamespace(size=(SIDE, SIDE), check=seen.append)
    frame_encoder.check(encoder, Config(), data)
    assert not seen
    one.path = write(tmp_path / "it.mkv", 20)
    frame_encoder.check(encoder, Config(), data)
    assert seen[0].shape == (frame_encoder.FRAMES, SIDE, SIDE, 3)


# Names of labels in pictures.


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


# Segments.


def labelled(path, fps, found=None):
    """What a labeller would give that calls the frames by turns."""
    reader = video.Reader(path, (SIDE, SIDE), fps)
    frames = list(reader)
    if found is None:
        found = np.eye(2)[np.arange(len(frames)) % 2]
    times = [frame.seconds for frame in frames]
    stop = timeline.end(path, times[-1], reader.fps, reader.count)
    numbers = [frame.number for frame in frames]
    return predict.Labelled(
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
    rows = predict.segments("ab", labelled(path, fps))
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
    found = predict.Labelled(
        "it",
        np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.9, 0.1]]),
        np.array([0, 0, 1, 2, 3]),
        np.array([0.0, 0.25, 0.5, 1.0, 1.5]),
    )
    rows = predict.segments("ab", found)
    # The means: 0.55 and 0.45 of frame 0, 0.3 and 0.7 of frame 1.
    expected = [("a", 0, 1, 0.55), ("b", 1, 2, 0.7), ("a", 2, 3, 0.9)]
    keys = ("label", "start", "end", "probability")
    assert [tuple(row[key] for key in keys) for row in rows] == expected
    assert [row["start_seconds"] for row in rows] == [0.0, 0.5, 1.0]


def test_a_timeline_ends_with_its_video(tmp_path):
    path = write(tmp_path / "it.mkv", 12)
    stored = types.SimpleNamespace(times=np.arange(2) / 1.0, fps=1.0, frames=12)
    one = Video("it", path, np.zeros(2, np.int32), stored)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            timeline, "draw", lambda _, times, *__: seen.append(times)
        )
        show.draw("ab", one, np.eye(2), None)
    np.testing.assert_allclose(seen[0], [0, 1, 1.2])


# Folders.


def listed(folder, capsys):
    found = [path.name for path in inputs.listed([folder])]
    return found, capsys.readouterr().err


def test_a_folder_with_videos_is_a_folder_of_videos(tmp_path, capsys):
    write(tmp_path / "a.mkv", 3)
    pictures(tmp_path / "clip")
    Image.fromarray(picture(1)).save(tmp_path / "cover.png")
    found, said = listed(tmp_path, capsys)
    assert found == ["a.mkv", "clip"]
    assert said.startswith(f"note: {tmp_path}: is read as a folder of videos")
    assert "pictures (1, such as cover.png) are not read" in said


def test_a_gif_that_moves_is_a_video(tmp_path, capsys):
    gif(tmp_path / "a.gif", 3)
    gif(tmp_path / "b.gif", 3)
    assert listed(tmp_path, capsys) == (["a.gif", "b.gif"], "")
    write(tmp_path / "c.mkv", 3)
    assert listed(tmp_path, capsys) == (["a.gif", "b.gif", "c.mkv"], "")
    pictures(tmp_path)
    found, said = listed(tmp_path, capsys)
    assert found == ["a.gif", "b.gif", "c.mkv"]
    assert "(3, such as 0.png) are not read" in said


def test_gifs_that_do_not_move_are_frames(tmp_path, capsys):
    for number in range(3):
        gif(tmp_path / f"{number}.gif", 1)
    assert listed(tmp_path, capsys) == ([tmp_path.name], "")


def test_a_folder_of_pictures_with_folders_is_one_video(tmp_path, capsys):
    pictures(tmp_path)
    pictures(tmp_path / "masks")
    found, said = listed(tmp_path, capsys)
    assert found == [tmp_path.name]
    assert "is read as one video" in said
    assert "(1, such as masks) are not read" in said


@pytest.mark.parametrize(
    ("name", "codec", "kind"),
    [
        ("a.3gp", "mpeg4", "mp4"),
        ("a.flv", "flv", None),
        ("a.mts", "libx264", "mpegts"),
        ("a.ogv", "ffv1", "matroska"),
        ("a.wmv", "wmv2", "asf"),
        ("a", "ffv1", "matroska"),
    ],
)
def test_a_video_is_found_whatever_its_name(
    tmp_path, capsys, name, codec, kind
):
    write(tmp_path / name, 3, codec, kind=kind)
    for other in ("notes.txt", "labels.csv", "empty"):
        (tmp_path / other).write_text("" if other == "empty" else "a,b\n" * 99)
    assert listed(tmp_path, capsys) == ([name], "")
    (tmp_path / "bad.wmv").write_text("no video")
    assert listed(tmp_path, capsys)[0] == sorted([name, "bad.wmv"])


# What is written.


class Run:
    """As much of a run as `predict.main` needs."""

    def __init__(self, folder):
        self.folder = folder

    def file(self, name):
        return self.folder / name


@pytest.fixture
def main(tmp_path, monkeypatch):
    """`predict.main` with a labeller that has learned nothing."""
    run = Run(tmp_path / "run")
    monkeypatch.setattr(predict.runs, "open_run", lambda *_: run)
    ours = labeler()
    monkeypatch.setattr(predict.Labeler, "of_run", lambda _: ours)

    def call(*paths, **options):
        chosen = predict.Options(videos=tuple(map(str, paths)), **options)
        return cli.main(lambda: predict.main(chosen))

    return call


def fails(main, capsys, *paths, **options):
    with pytest.raises(SystemExit) as caught:
        main(*paths, **options)
    assert caught.value.code == 2
    said = capsys.readouterr().err.splitlines()
    return said[-1]


def test_a_video_without_a_length_is_labelled(main, tmp_path):
    main(headless(tmp_path), output=str(tmp_path / "out"))
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["it.csv", "it.html", "it.json"]
    record = json.loads((tmp_path / "out" / "it.json").read_text())
    assert record["frames"] == 30
    assert record["seconds"] == pytest.approx(3)


@pytest.mark.parametrize(
    ("module", "broken"),
    [(report, "write_page"), (json, "dumps"), (timeline, "draw")],
    ids=["page", "json", "picture"],
)
def test_three_files_or_none(main, tmp_path, monkeypatch, module, broken):
    def breaks(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(module, broken, breaks)
    out = tmp_path / "out"
    with pytest.raises(ZeroDivisionError):
        main(write(tmp_path / "it.mkv", 5), output=str(out))
    assert not out.exists() or not list(out.iterdir())


@pytest.mark.parametrize("below", ["", "below"])
def test_an_output_that_is_a_file_is_one_line(main, tmp_path, capsys, below):
    there = tmp_path / "there"
    there.write_text("mine")
    path = write(tmp_path / "it.mkv", 5)
    said = fails(main, capsys, path, output=str(there / below))
    assert said == f"error: {there}: is a file; expected a folder"
    assert there.read_text() == "mine"


def test_an_output_that_cannot_be_written_is_one_line(main, tmp_path, capsys):
    (tmp_path / "out").symlink_to(tmp_path / "nowhere" / "at" / "all")
    path = write(tmp_path / "it.mkv", 5)
    said = fails(main, capsys, path, output=str(tmp_path / "out"))
    assert said.startswith(f"error: {tmp_path / 'out' / 'it'}: cannot be")


def test_a_name_that_is_too_long_is_one_line(main, tmp_path, capsys):
    long = str(tmp_path / ("x" * 300))
    assert "there is no such file" in fails(main, capsys, long)
    path = write(tmp_path / "it.mkv", 5)
    said = fails(main, capsys, path, output=long)
    assert said.endswith("cannot be written: File name too long")


def test_no_empty_folder_stays(main, tmp_path, capsys):
    (tmp_path / "it.mkv").write_text("no video")
    out = tmp_path / "deep" / "out"
    said = fails(main, capsys, tmp_path / "it.mkv", output=str(out))
    assert "is not a video" in said
    assert not (tmp_path / "deep").exists()


def test_a_name_that_is_no_utf8(main, tmp_path, capsys):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mkv")
    write(tmp_path / "it.mkv", 5)
    os.rename(tmp_path / "it.mkv", path)
    main(path, output=str(tmp_path / "out"))
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == [f"caf\\udce9.{end}" for end in ("csv", "html", "json")]
    with open(tmp_path / "out" / names[0], encoding="utf-8") as file:
        assert next(csv.DictReader(file))["video"] == "caf\\udce9.mkv"
    capsys.readouterr().out.encode("utf-8")


def test_the_folder_that_one_stands_in_has_a_name(main, tmp_path, monkeypatch):
    monkeypatch.chdir(pictures(tmp_path / "walk.1"))
    main(".", output=str(tmp_path / "out"))
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["walk.1.csv", "walk.1.html", "walk.1.json"]
    with open(tmp_path / "out" / names[0]) as file:
        assert next(csv.DictReader(file))["video"] == "walk.1"


# Other data.


def test_other_data_need_a_name(tmp_path, monkeypatch):
    run = types.SimpleNamespace(record={"config": {}})
    monkeypatch.setattr(evaluate.runs, "open_run", lambda *_: run)
    wanted = evaluate.Options(data_path=str(tmp_path))
    with pytest.raises(
        cli.UserError, match="what is there by --data"
    ) as caught:
        evaluate.main(wanted)
    assert "demo, demo_small, files, ucf101" in str(caught.value)
