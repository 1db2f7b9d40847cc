"""Run folders of commit 725ab8f: they load, score and predict as they did.

Each folder of `earlier_runs` has the files that a training left at that commit,
`inputs/` with its data, and `predictions.txt`, what `predict` printed; of
captioning without minimum Bayes risk, whose formula is another since.
"""

import importlib
import json
import re
import shutil
from pathlib import Path

import keras
import pytest

from apps.common import cli

FOLDER = Path(__file__).parent / "earlier_runs"
# Run -> app, folder of its data, arguments of `predict`.
RUNS = {
    "sentiment": (
        "sentiment",
        "sentiment",
        [
            "A dull start, a lovely end.",
            "A warm start, a grey end of film",
            "Noisy.",
            "--explain",
        ],
    ),
    "translation": (
        "translation",
        "translation",
        [
            *("Five two three.", "Nine nine one eight.", "Zero."),
            *("--n-best", "2", "--scores"),
        ],
    ),
    "captioning": (
        "captioning",
        "captioning",
        [f"inputs/images/{n}.png" for n in range(45, 50)]
        + ["--n-best", "2", "--scores", "--mbr-samples", "0"],
    ),
    "captioning_frozen_encoder": (
        "captioning",
        "captioning",
        [f"inputs/images/{n}.png" for n in range(45, 50)]
        + ["--n-best", "2", "--scores"],
    ),
    "video_labeling": (
        "video_labeling",
        "video_labeling",
        [f"inputs/videos/test_0{n}.mkv" for n in range(3)]
        + ["--output", "predictions"],
    ),
}
NUMBER = re.compile(r"-?\d+\.\d+")


@pytest.fixture
def folder(request, tmp_path, monkeypatch):
    """The run in `tmp_path/run`, its data beside it; all paths are relative."""
    name = request.getfixturevalue("name")
    inputs = RUNS[name][1]
    shutil.copytree(FOLDER / name, tmp_path / "run")
    shutil.copytree(FOLDER / inputs / "inputs", tmp_path / "inputs")
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "run"
    keras.utils.clear_session(free_memory=False)


def command(app, verb, *arguments):
    """Does what `python -m apps.<app>.<verb>` does."""
    module = importlib.import_module(f"apps.{app}.{verb}")
    module.main(cli.parse(module.Options, None, list(arguments)))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=() if name == "sentiment" else pytest.mark.slow
        )
        for name in RUNS
    ],
)
def test_the_scores_are_those_of_that_day(name, folder, capsys):
    data = ("--dataset", "files", "--data-path", "inputs")
    command(RUNS[name][0], "evaluate", "--run", "run", *data)
    printed = capsys.readouterr().out.splitlines()
    columns = printed[0].split()
    record = json.loads((folder / "metrics.json").read_text())
    row = next(line for line in printed if line.startswith("run (test)"))
    scores = dict(zip(columns, map(float, NUMBER.findall(row)), strict=True))
    assert set(scores) >= set(record["metrics"])  # some scores came later
    for metric, value in record["metrics"].items():
        # Tables have four digits.
        assert scores[metric] == pytest.approx(value, abs=5.1e-5)


@pytest.mark.parametrize("name", RUNS)
def test_the_predictions_are_those_of_that_day(name, folder, capsys):
    app, _, arguments = RUNS[name]
    command(app, "predict", "--run", "run", *arguments)
    printed = capsys.readouterr().out
    expected = (folder / "predictions.txt").read_text()
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", expected)
    pairs = zip(NUMBER.findall(printed), NUMBER.findall(expected), strict=True)
    for ours, theirs in pairs:
        last_digit = 10 ** -len(theirs.partition(".")[2])
        assert float(ours) == pytest.approx(
            float(theirs), abs=1.01 * last_digit
        )
