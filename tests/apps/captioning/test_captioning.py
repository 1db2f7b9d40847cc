"""The captioning app as its user meets it: a small training, then its use."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator

from apps.captioning import evaluate, model, picture_encoder, predict, train
from apps.captioning.config import PRESETS, Config
from apps.common import cli, encoders, runs
from apps.common.generation import Search
from data_pipelines.captioning.demo import generator as demo
from data_pipelines.vision import images
from tests.apps import squares
from tests.apps.squares import SMALL, flags, pixels, plain, write_network

EPOCHS = 8


def run(arguments):
    """Trains in this process, which need not begin, nor compile, anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "COMPILED", False)
        train.train(cli.parse(Config, PRESETS, arguments))
    keras.utils.clear_session(free_memory=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run, its encoder trained along, and what was shown."""
    folder = tmp_path_factory.mktemp("captioning")
    data = squares.write_pictures(folder / "pictures")
    with (data / "captions.csv").open("a") as file:
        file.write("broken.png,A red square on the left.,train\n")
    (data / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    arguments = flags(folder, "--name", "x", "--epochs", str(EPOCHS))
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        run(arguments)
    return folder / "runs" / "captioning" / "x", shown.getvalue()


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    """A finished run on a few pictures of the demo, by a frozen encoder."""
    folder = tmp_path_factory.mktemp("frozen")
    network = write_network(folder / "network.keras")
    arguments = [
        *("--runs-path", str(folder / "runs"), "--name", "y"),
        *("--cache-path", str(folder / "data"), *SMALL),
        *("--epochs", "1", "--encoder", network, "--grid", "4"),
        *("--mbr-samples", "3"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "SIZES", {"train": 40, "valid": 6, "test": 6})
        run(arguments)
    return folder / "runs" / "captioning" / "y"


def opened(folder):
    run = runs.open_run("captioning", str(folder))
    return run, predict.Captioner.of_run(run)


@pytest.fixture(scope="module")
def captioner(trained):
    return opened(trained[0])[1]


@pytest.fixture(scope="module")
def frozen_captioner(frozen):
    return opened(frozen)[1]


@pytest.fixture
def quick(captioner, monkeypatch):
    """Opens the run once for all tests."""
    monkeypatch.setattr(predict.Captioner, "of_run", lambda run: captioner)


def options(trained, **more):
    return predict.Options(runs_path=str(trained[0].parents[1]), **more)


def written(folder, numbers, kind="png"):
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.{kind}" for number in numbers]
    for number, path in zip(numbers, paths, strict=True):
        Image.fromarray(pixels(number)).save(path)
    return paths


GREEDY = Search()
NUMBERS = [100, 105, 111]


def test_the_run_folder_is_complete(trained, frozen):
    usual = """backup config.json curve.png export lock log.csv metrics.json
        model.keras report.html samples.txt tensorboard vocabulary.txt"""
    names = [p.name for p in trained[0].iterdir()]
    assert sorted(names) == sorted([*usual.split(), "bad_pictures.txt"])
    names = [p.name for p in frozen.iterdir()]
    assert sorted(names) == sorted([*usual.split(), "encoder.keras"])


def test_metrics_json_has_what_is_promised(trained, frozen):
    scores = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider"]
    for folder, more, count in [
        (trained[0], [], 145),
        (frozen, ["right"], 260),
    ]:
        record = json.loads((folder / "metrics.json").read_text())
        own = ["bleu_4_greedy", "cider_greedy", "perplexity"]
        assert list(record["metrics"]) == [*scores, *own, *more]
        found = {name: list(row) for name, row in record["baselines"].items()}
        assert found == {
            "most_frequent": [*scores, *more],
            "nearest_picture": [*scores, *more],
            "human": scores,
        }
        assert set(record["signatures"]) == {"bleu", "rouge_l", "cider"}
        # The one caption of the broken picture is left out.
        assert sum(record["examples"].values()) == count - (not more)


def test_pictures_are_described(trained):
    record = json.loads((trained[0] / "metrics.json").read_text())
    found, baselines = record["metrics"], record["baselines"]
    assert found["cider"] > 1.5 * baselines["most_frequent"]["cider"]
    assert found["bleu_4"] > baselines["most_frequent"]["bleu_4"]
    assert found["perplexity"] < 2


def test_bad_pictures_are_listed(trained):
    (line,) = (trained[0] / "bad_pictures.txt").read_text().splitlines()
    assert re.search(r"images/broken\.png: is cut off or damaged", line)
    assert "1 of 73 pictures (1.4%) cannot be read" in trained[1]


def test_the_terminal_shows_scores_captions_and_what_is_next(trained):
    run, shown = trained
    lines = shown.splitlines()
    record = json.loads((run / "metrics.json").read_text())
    rows = {"x": record["metrics"], **record["baselines"]}
    for name, found in rows.items():
        line = next(line for line in lines if line.split()[:1] == [name])
        assert line.split()[1] == f"{found['bleu_1']:.4f}"
    for begin in ("picture ", "caption ", "reference "):
        assert sum(line.startswith(begin) for line in lines) == 3
    assert any("make predict-captioning" in line for line in lines)


def test_samples_are_of_every_epoch(trained):
    text = (trained[0] / "samples.txt").read_text()
    blocks = text.strip().split("\n\n")
    heads = [block.splitlines()[0] for block in blocks]
    assert heads == [f"epoch {number + 1}" for number in range(EPOCHS)]
    row = blocks[-1].splitlines()[1].split("\t")
    assert row[:2] == ["48.png", squares.said(48)[0]]


def test_tensorboard_has_every_tag(trained):
    found = {}
    for part in ("train", "validation"):
        reader = event_accumulator.EventAccumulator(
            str(trained[0] / "tensorboard" / part)
        )
        reader.Reload()
        found[part] = set(reader.Tags()["tensors"])
    expected = {"loss", "perplexity", "gradient_norm", "tokens_per_second"}
    assert expected <= found["train"]
    expected = {"cider", "bleu_4", "words", "samples", "captions/1"}
    assert expected <= found["validation"]


# Decoding.


@pytest.mark.parametrize("drawn", [0, 4])
def test_a_batch_equals_its_pictures(captioner, drawn):
    search = Search(3, 1.0, drawn, n_best=3)
    inputs = np.stack([pixels(number) for number in NUMBERS])
    together = captioner.decode(inputs, search)
    for row, best in zip(inputs, together, strict=True):
        (alone,) = captioner.decode(row[None], search)
        assert [c.text for c in alone] == [c.text for c in best]
        found = [caption.score for caption in best]
        np.testing.assert_allclose([c.score for c in alone], found, rtol=1e-4)
        assert found == sorted(found, reverse=True)
        assert len({tuple(caption.tokens) for caption in best}) == 3


def test_attention_is_a_grid_for_each_word(captioner):
    inputs = np.stack([pixels(number) for number in NUMBERS])
    captions = [best[0] for best in captioner.decode(inputs, GREEDY)]
    looked = captioner.attention(inputs, captions)
    for caption, (words, weights) in zip(captions, looked, strict=True):
        assert " ".join(words[:-1]) == caption.text
        assert weights.shape == (len(words), 8, 8)
        np.testing.assert_allclose(weights.sum((1, 2)), 1, rtol=1e-5)


# A frozen encoder.


def test_a_second_start_computes_no_features(frozen, monkeypatch, capsys):
    run, captioner = opened(frozen)

    def fail(*_):
        raise AssertionError("a picture was looked at")

    monkeypatch.setattr(encoders.Encoder, "__call__", fail)
    config = Config(**run.record["config"])
    data = evaluate.datasets(captioner, config.dataset, None)
    assert data.features.shape == (16, 12)
    again = picture_encoder.build(config).frozen
    assert again.key == captioner.encoder.frozen.key
    assert "computing" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["captioner", "frozen_captioner"])
def test_files_are_described_as_splits_are(name, request, trained, frozen):
    captioner = request.getfixturevalue(name)
    run, _ = opened(trained[0] if name == "captioner" else frozen)
    config = run.record["config"]
    data = evaluate.datasets(
        captioner, config["dataset"], config["data_path"] or None
    )
    search = Search(3, 1.0, 4)
    expected = evaluate.describe(captioner, data.test, search)
    paths = [picture.path for picture in data.test.pictures]
    bad = images.BadFiles()
    found = list(predict.described(captioner, paths, search, bad))
    assert [path for path, *_ in found] == paths
    for (_, _, (best,), _), other in zip(found, expected, strict=True):
        assert best.text == other.text
        assert best.score == pytest.approx(other.score, abs=1e-3)
    assert not bad


@pytest.mark.parametrize("finetune", ["false", "true"])
def test_wrong_pixels_are_refused_before_training(tmp_path, capsys, finetune):
    squares.write_pictures(tmp_path / "pictures")
    network = write_network(tmp_path / "n.keras", lambda x: x / 127.5 - 1)
    arguments = flags(
        *(tmp_path, "--name", "x", "--encoder", network),
        *("--finetune", finetune),
    )
    wrong = cli.parse(Config, PRESETS, arguments)
    with pytest.raises(SystemExit) as ended:
        cli.main(lambda: train.train(wrong))
    assert ended.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: the encoder was trained on other pixels")
    assert error.endswith("try another --encoder-pixels: raw, tf, torch, caffe")
    assert not (tmp_path / "runs" / "captioning" / "x").exists()
    if finetune == "false":
        assert not list((tmp_path / "data" / "features").rglob("*.npy"))
    right = cli.parse(Config, PRESETS, [*arguments, "--encoder-pixels", "tf"])
    encoder = picture_encoder.build(right)
    pictures = np.stack([pixels(number) for number in range(24)])
    assert encoder.network.check(pictures) == pytest.approx(1, rel=0.01)


# predict


def test_predict_finds_pictures_in_folders(tmp_path):
    names = ["b.png", "a/z.PNG", "a/b/y.jpeg", "c.webp", "a.gif"]
    for name in [*names, "notes.txt", "a/captions.csv"]:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    single = tmp_path / "notes.txt"  # named by the user, so it is tried
    found = list(predict.picture_files([str(single), str(tmp_path)]))
    sorted_names = ["a/b/y.jpeg", "a/z.PNG", "a.gif", "b.png", "c.webp"]
    assert found == [single, *(tmp_path / name for name in sorted_names)]


def test_predict_describes_files_and_folders(trained, quick, tmp_path, capsys):
    (single,) = written(tmp_path, [100])
    inside = written(tmp_path / "more", [105, 111])
    predict.main(
        options(trained, pictures=(str(single), str(tmp_path / "more")))
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [
        str(path) for path in (single, *inside)
    ]
    right = [
        line.split("\t")[1] in plain(number)
        for line, number in zip(lines, NUMBERS, strict=True)
    ]
    assert any(right)


def test_predict_leaves_out_what_it_cannot_read(
    trained, quick, tmp_path, capsys
):
    (good,) = written(tmp_path, [100])
    (tmp_path / "torn.png").write_bytes(good.read_bytes()[:90])
    cli.main(lambda: predict.main(options(trained, pictures=(str(tmp_path),))))
    out, error = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert out.startswith(f"{good}\t")
    (line,) = error.splitlines()
    assert line.startswith(f"left out: {tmp_path}/torn.png: is cut off")


def test_predict_ends_with_2_if_no_picture_can_be_read(
    trained, quick, tmp_path, capsys
):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.jpg").write_text("no picture")
    page, file = tmp_path / "page.html", tmp_path / "c.json"
    chosen = options(
        *(trained,), pictures=(str(tmp_path),), page=str(page), json=str(file)
    )
    with pytest.raises(SystemExit) as ended:
        cli.main(lambda: predict.main(chosen))
    assert ended.value.code == 2
    out, error = capsys.readouterr()
    assert out == ""
    lines = error.splitlines()
    assert [line[:9] for line in lines[:2]] == ["left out:"] * 2
    (line,) = lines[2:]
    assert line.startswith("error: 2 of 2 pictures (100.0%) cannot be read")
    assert not page.exists()
    assert not file.exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (dict(pictures=("gone.png",)), "gone.png: there is no such file or"),
        (dict(pictures=("EMPTY",)), r"no picture in it; expected \.jpg, "),
        (dict(), "no picture; give files or folders"),
        (dict(pictures=("A",), beam=2, n_best=3), "--n-best 3: at most --beam"),
        (dict(pictures=("A",), sample=True, n_best=2), "drop --n-best"),
        (dict(pictures=("A",), sample=True, mbr_samples=3), "drop it, or"),
        (dict(pictures=("A",), beam=1, mbr_samples=3), "drop it, or"),
        (dict(pictures=("A",), run="z"), "no run 'z'; the runs are: x"),
    ],
)
def test_predict_refuses(trained, quick, tmp_path, more, message):
    (tmp_path / "empty").mkdir()
    (path,) = written(tmp_path / "pictures", [100])
    real = {"EMPTY": str(tmp_path / "empty"), "A": str(path)}
    if "pictures" in more:
        given = tuple(real.get(name, name) for name in more["pictures"])
        more = more | {"pictures": given}
    with pytest.raises(cli.UserError, match=message):
        predict.main(options(trained, **more))


def test_predict_refuses_files_that_do_not_belong_together(trained, tmp_path):
    copy = tmp_path / "captioning" / "x"
    shutil.copytree(trained[0], copy)
    with (copy / "vocabulary.txt").open("a") as file:
        file.write("▁more\n")
    (path,) = written(tmp_path / "pictures", [100])
    with pytest.raises(cli.UserError, match=r"for another vocabulary\.txt"):
        predict.main(
            predict.Options(pictures=(str(path),), runs_path=str(tmp_path))
        )


def test_predict_n_best_with_scores(trained, quick, tmp_path, capsys):
    (path,) = written(tmp_path, [100])
    predict.main(
        options(trained, pictures=(str(path),), n_best=3, beam=3, scores=True)
    )
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == [str(path)] * 3
    found = [float(row[1]) for row in rows]
    assert found == sorted(found, reverse=True)
    assert len({row[2] for row in rows}) == 3


def test_predict_writes_a_page_and_json(trained, quick, tmp_path, capsys):
    (path,) = written(tmp_path, [100])
    # A name that is not UTF-8, as old cameras and archives write them.
    odd = tmp_path / os.fsdecode(b"\xff.png")
    shutil.copy(path, odd)
    page, file = tmp_path / "page.html", tmp_path / "found.json"
    predict.main(
        options(
            *(trained,),
            pictures=(str(path), str(odd)),
            **dict(beam=3, n_best=2, page=str(page), json=str(file)),
        )
    )
    out, error = capsys.readouterr()
    assert error.splitlines() == [f"wrote {file}", f"wrote {page}"]
    first, second = json.loads(file.read_text())
    assert [first["image"], second["image"]] == [str(path), str(odd)]
    assert first["captions"] == second["captions"]
    assert [row["caption"] for row in first["captions"]] == [
        line.split("\t")[1] for line in out.splitlines()[:2]
    ]
    html = page.read_text()
    assert html.count("<article>") == 2
    found = re.findall(r'(?:src|href)="([^"]*)"|url\(', html)
    assert len(found) >= 4  # each picture, and where the decoder looked
    assert all(address.startswith("data:image/") for address in found)


def test_predict_samples_by_seed(trained, quick, tmp_path, capsys):
    written(tmp_path, range(100, 108))

    def draw(seed):
        predict.main(
            options(
                *(trained,),
                pictures=(str(tmp_path),),
                **dict(sample=True, temperature=5.0, seed=seed),
            )
        )
        return capsys.readouterr().out

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


# evaluate


def table_row(text, name):
    line = next(line for line in text.splitlines() if line.startswith(name))
    return line.removeprefix(name).split()


def evaluated(trained, capsys, **more):
    folder = str(trained[0].parents[1])
    evaluate.main(evaluate.Options(runs_path=folder, **more))
    return capsys.readouterr().out


def test_evaluate_gives_the_scores_of_training(trained, quick, capsys):
    out = evaluated(trained, capsys)
    record = json.loads((trained[0] / "metrics.json").read_text())
    rows = {"x (test)": record["metrics"], **record["baselines"]}
    head = out.splitlines()[0].split()
    for name, found in rows.items():
        expected = [
            f"{found[key]:.4f}" if key in found else "-" for key in head
        ]
        assert table_row(out, name) == expected
    assert "cider: pycocoevalcap" in out


def test_evaluate_on_valid_and_on_other_data(trained, quick, tmp_path, capsys):
    out = evaluated(trained, capsys, split="valid", beam=1)
    assert len(table_row(out, "x (valid)")) > 6
    assert "most_frequent" not in out
    other = squares.write_pictures(tmp_path / "other", {"test": 4})
    more = dict(dataset="files", data_path=str(other))
    out = evaluated(trained, capsys, beam=1, **more)
    assert len(table_row(out, "x (test)")) > 6
    assert "most_frequent" not in out  # there is no train to take it from
    with pytest.raises(cli.UserError, match="no picture in valid"):
        evaluated(trained, capsys, split="valid", **more)


# export


def test_the_export_needs_tensorflow_alone(
    trained, frozen, captioner, frozen_captioner, tmp_path
):
    # Of the size that the models see, so that nothing is resized.
    kinds = ["png", "bmp", "gif", "jpg"]
    paths = [written(tmp_path, [100], kind)[0] for kind in kinds]
    script = f"""
import sys, json, tensorflow as tf
contents = [open(path, "rb").read() for path in {list(map(str, paths))!r}]
for folder in {[str(trained[0]), str(frozen)]!r}:
    served = tf.saved_model.load(folder + "/export")
    found = served.serve(tf.constant(contents), 3, 0.7)
    texts = [[t.decode() for t in row] for row in found["text"].numpy()]
    print(json.dumps([texts, found["score"].numpy().tolist()]))
for name in ("apps", "data_pipelines", "rnn_layers"):
    assert name not in sys.modules, name
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        **dict(cwd=tmp_path, capture_output=True, text=True, check=False),
    )
    assert done.returncode == 0, done.stderr
    answers = map(json.loads, done.stdout.splitlines()[-2:])
    inputs = np.stack([images.read(path, squares.SIDE) for path in paths])
    for live, drawn in ((captioner, 0), (frozen_captioner, 3)):
        texts, scores = next(answers)
        expected = live.decode(
            live.model_inputs(inputs), Search(3, 0.7, drawn, n_best=3)
        )
        # JPEG is decoded by another library, whose pixels differ by a little.
        for row, best in enumerate(expected[:3]):
            assert texts[row] == [caption.text for caption in best]
            found = [caption.score for caption in best]
            np.testing.assert_allclose(scores[row], found, atol=2e-3)
        assert scores[3][0] == pytest.approx(expected[3][0].score, abs=0.1)


# train


def test_the_smoke_preset_is_a_training():
    config = cli.parse(Config, PRESETS, ["--preset", "smoke"])
    assert config.epochs == 1


def test_many_bad_pictures_end_the_training(tmp_path, capsys):
    data = squares.write_pictures(tmp_path / "pictures")
    for number in range(4):
        (data / "images" / f"{number}.png").write_bytes(b"")
    config = cli.parse(Config, PRESETS, flags(tmp_path, "--name", "x"))
    with pytest.raises(SystemExit) as ended:
        cli.main(lambda: train.train(config))
    assert ended.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: 4 of 72 pictures (5.6%) cannot be read: ")
    assert "the file is empty" in error
    assert not (tmp_path / "runs" / "captioning" / "x").exists()
