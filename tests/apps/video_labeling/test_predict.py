"""Videos to segments with a finished run."""

import csv
import json
import os
import shutil
import types

import numpy as np
import pytest
from PIL import Image

from apps.common import cli, report, runs
from apps.video_labeling import (
    predict,
    scores,
    timeline,
)
from data_pipelines.video_labeling import labels_csv
from tests.apps.tools import jittered
from tests.apps.videos import (
    C,
    headless,
    options,
    pictures,
    untrained,
    write,
)


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
    (clip,) = clips.clips
    stored = types.SimpleNamespace(frames=30, numbers=np.arange(30))
    indices = clip.annotation.label_indices(stored)
    read = [clips.label_names[number] for number in indices]
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
    with pytest.raises(cli.UserError, match="no video; give files"):
        predict.main(options(trained))


def test_other_labels_than_the_model_are_one_line(opened, trained, tmp_path):
    for name in ("model.keras", "config.json"):
        shutil.copy(trained[0] / name, tmp_path)
    (tmp_path / "labels.txt").write_text("left\nright\nup\n")
    run = runs.Run("video_labeling", tmp_path, opened.record)
    with pytest.raises(cli.UserError, match=r"for another labels\.txt"):
        predict.Predictor.of_run(run)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_predict_takes_features(feature_run, features, tmp_path, kind):
    given = features if kind == "folder" else features / "v12.npy"
    out = tmp_path / "out"
    predict.main(options(feature_run, videos=(str(given),), output=str(out)))
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
    assert '<figure class="timeline">' in (out / "v12.html").read_text()


def test_what_are_no_such_features_is_one_line(feature_run, features, tmp_path):
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
            feature_run,
            videos=(str(tmp_path / name),),
            output=str(tmp_path / "out"),
        )
        with pytest.raises(cli.UserError, match=message) as caught:
            predict.main(wanted)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


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
    monkeypatch.setattr(predict.runs, "open_runs", lambda *_: [run])
    ours = untrained()
    monkeypatch.setattr(predict, "Ensemble", lambda _: ours)

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
    [(report, "render"), (json, "dumps"), (timeline, "shown")],
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
def test_an_output_that_is_a_file_is_one_line(trained, tmp_path, below):
    file = tmp_path / "file"
    file.write_text("mine")
    wanted = options(trained, videos=(str(file),), output=str(file / below))
    with pytest.raises(cli.UserError) as error:
        wanted.check()
    assert str(error.value).startswith("--output ")
    assert str(error.value).endswith(f"{file} is a file; expected a folder")
    assert file.read_text() == "mine"


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


def test_several_runs_are_the_normalised_product_of_what_they_say(
    opened, labeler, one, tmp_path
):
    other = jittered(opened, tmp_path)
    both = predict.Ensemble([opened, other])
    members = [labeler, predict.Predictor.of_run(other)]
    first, second = (member.label(one).probabilities for member in members)
    assert np.abs(first - second).max() > 0.01
    product = np.sqrt(first * second)
    np.testing.assert_allclose(
        both.label(one).probabilities,
        product / product.sum(axis=1, keepdims=True),
        atol=1e-5,
    )
