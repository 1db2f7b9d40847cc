"""Whole trainings: refused, killed, on the demo, in every way."""

import itertools
import shlex
import shutil

import numpy as np
import pytest

from apps.captioning import evaluate, predict, train
from apps.captioning.config import PRESETS, Config
from apps.common import cli
from data_pipelines.captioning.demo import generator as demo
from tests.apps import squares, tools
from tests.apps.squares import COLOURS, PLACES, flags, write_network
from tests.apps.tools import (
    check_a_killed_run_ends_as_a_whole_one,
    check_other_data_are_refused,
    check_steps_of_no_size_leave_the_weights,
    train_demo,
)


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


@pytest.mark.parametrize("change", ["captions", "pictures"])
def test_a_run_does_not_go_on_with_other_data(tmp_path, monkeypatch, change):
    folder = squares.write_pictures(tmp_path / "pictures")
    config = cli.parse(Config, PRESETS, flags(tmp_path, "--name", "x"))

    def changed():  # which the words do not show
        table, images = folder / "captions.csv", folder / "images"
        if change == "captions":
            rows = [
                line.split(",", 1) for line in table.read_text().splitlines()
            ]
            rows[1][1], rows[3][1] = rows[3][1], rows[1][1]
            table.write_text("".join(",".join(row) + "\n" for row in rows))
        else:
            (images / "0.png").write_bytes((images / "1.png").read_bytes())

    check_other_data_are_refused(monkeypatch, train.train, config, changed)


@pytest.mark.slow
def test_steps_of_no_size_leave_the_weights_of_the_run(
    trained, tmp_path, capsys
):
    words = flags(trained[0].parents[2])
    check_steps_of_no_size_leave_the_weights(
        trained[0], words, tmp_path, capsys
    )


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["small_cnn", "frozen"])
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(
    tmp_path, encoder
):
    squares.write_pictures(tmp_path / "pictures")
    if encoder == "frozen":
        encoder = write_network(tmp_path / "network.keras")
    check_a_killed_run_ends_as_a_whole_one(
        "captioning",
        tmp_path,
        flags(tmp_path, "--epochs", "5", "--encoder", encoder),
        ["log.csv", "samples.txt"],
    )


@pytest.mark.slow
def test_the_demo_is_learned(tmp_path, monkeypatch):
    """A part, by a sixth of it; no baseline is ever right."""
    sizes = {"train": 1200, "valid": 20, "test": 50}
    monkeypatch.setattr(demo, "SIZES", sizes)
    words = shlex.split(
        "--epochs 7 --captions-per-picture 5 --attention-units 32"
        " --embedding-size 64 --learning-rate 6e-3 --averaging 0.99"
    )
    record = train_demo("captioning", tmp_path, *words)
    for name in ("most_frequent", "nearest_picture"):
        assert record["baselines"][name]["right"] == 0
        assert record["metrics"]["cider"] > record["baselines"][name]["cider"]
        bleu = record["baselines"][name]["bleu_4"]
        assert record["metrics"]["bleu_4"] > bleu + 5
    assert record["metrics"]["right"] > 0.15


def learned(record):
    """Says more of pictures than one caption says of all."""
    found, common = record["metrics"], record["baselines"]["most_frequent"]
    assert found["cider"] > 1.2 * common["cider"]
    assert found["perplexity"] < 2.5


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        "--conditioning every_step --cell lstm --tied false"
        " --mixed-precision bfloat16",
        "--conditioning first_step --cell slstm --vectors VECTORS",
        "--conditioning initial_state --cell peephole_lstm --depth 2"
        " --jit-compile true",
        "--encoder NETWORK --encoder-pixels tf --finetune --mixed-precision"
        " --attention-score general --attention-penalty 0.1",
        "--encoder NETWORK --encoder-pixels tf --cell min_gru"
        " --attention-penalty 0.1 --averaging 0 --normalize-captions false",
    ],
)
def test_every_way_of_entering_learns(tmp_path, more):
    squares.write_pictures(tmp_path / "pictures")
    places = {
        "VECTORS": write_vectors(tmp_path / "vectors.txt"),
        "NETWORK": write_network(
            tmp_path / "network.keras", lambda pixels: pixels / 127.5 - 1
        ),
    }
    words = [places.get(word, word) for word in more.split()]
    # Without attention there is more to learn.
    longer = ("--epochs", "12", "--steps-per-epoch", "32")
    words = flags(tmp_path, "--name", "x", *longer, *words)
    # Half precision and a tuned encoder are exported; the others as usual.
    exported = "--finetune" in words
    learned(tools.train("captioning", *words, exported=exported))


def write_vectors(path):
    """Writes vectors of half the words, of another size than the others."""
    random = np.random.default_rng(0)
    lines = [
        " ".join([word, *(f"{x:.4f}" for x in random.normal(size=24))])
        for word in (*COLOURS, *PLACES)
    ]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("java"), reason="METEOR needs Java")
def test_meteor_is_one_more_column(trained, quick, capsys):
    evaluate.main(squares.options(trained, evaluate.Options, meteor=True))
    head, _, row, *_ = capsys.readouterr().out.splitlines()
    assert head.split()[-1] == "meteor"
    assert 0 < float(row.split()[-1]) < 1


@pytest.mark.slow
def test_chinese_captions_are_learned(tmp_path, capsys):
    colours = {"red": "红", "green": "绿", "blue": "蓝", "yellow": "黄"}
    places = {"left": "左边", "right": "右边", "top": "上面"}
    folder = squares.write_pictures(tmp_path / "pictures")
    lines = ["image,caption,split"]
    numbers = iter(range(72))
    for split, size in squares.SIZES.items():
        for number in itertools.islice(numbers, size):
            colour, place = squares.SCENES[number % len(squares.SCENES)]
            text = f"{places[place]}有一个{colours[colour]}色的方块。"
            lines.append(f"{number}.png,{text},{split}")
    path = folder / "captions.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    record = tools.train(
        "captioning",
        *flags(tmp_path, "--tokens", "subwords", "--epochs", "12"),
        *("--max-length", "20", "--minimum-count", "1", "--name", "x"),
        *("--steps-per-epoch", "24"),
        exported=False,
    )
    assert record["metrics"]["bleu_4"] > 60
    run = tmp_path / "runs" / "captioning" / "x"
    words = ["--run", str(run), str(folder / "images" / "0.png")]
    capsys.readouterr()
    predict.main(cli.parse(predict.Options, None, words))
    answer = capsys.readouterr().out
    assert "方块" in answer
    assert " " not in answer.split("\t")[1]
