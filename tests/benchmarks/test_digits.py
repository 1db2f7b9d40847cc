"""The digits as sequences, their baselines, and a cell that learns some."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

from benchmarks import digits


def rows_of(x):
    return {row.tobytes() for row in np.ascontiguousarray(x[..., 0])}


@pytest.mark.parametrize("permuted", [False, True])
def test_digits_are_all_there_and_apart(permuted):
    train, test, train_classes, classes = digits.digits(permuted)
    x, y = load_digits(return_X_y=True)
    assert train.shape == (digits.TRAIN, 64, 1)
    assert len(train) + len(test) == len(x)
    assert not rows_of(train) & rows_of(test)
    assert (train.min(), train.max()) == (0, 1)
    counts = [np.bincount(part) for part in (train_classes, classes, y)]
    np.testing.assert_array_equal(counts[0] + counts[1], counts[2])
    share = digits.TRAIN / len(x)
    assert np.abs(counts[0] - share * counts[2]).max() <= 1
    if not permuted:
        assert rows_of(train) < rows_of((x / 16).astype("float32")[..., None])


def test_one_order_serves_all_digits():
    plain, permuted = digits.digits(False), digits.digits(True)
    for k in (0, 1):
        order = np.random.default_rng(digits.ORDER_SEED).permutation(64)
        np.testing.assert_array_equal(plain[k][:, order], permuted[k])
        np.testing.assert_array_equal(plain[k + 2], permuted[k + 2])
    assert not np.array_equal(plain[0], permuted[0])


@pytest.mark.slow
def test_baselines_are_those_of_counting_and_of_all_pixels():
    actual = digits.baselines()
    _, _, train_classes, classes = digits.digits(False)
    counts = np.bincount(train_classes)
    most = np.flatnonzero(counts == counts.max())[0]
    assert actual["most frequent class"] == np.mean(classes == most)
    assert 0.9 < actual["logistic regression"] < 1


def test_the_table_has_means_over_seeds(monkeypatch):
    monkeypatch.setattr(digits, "baselines", dict)  # a regression takes long

    def row(permuted, right):
        settings = {"cell": "gru", "permuted": permuted}
        return {"settings": settings, "units": 9, "right": right}

    rows = [row(False, 0.5), row(False, 0.7), row(True, 0.25)]
    # The deviation of 50 and 70 is the root of 200.
    table = [line.split("|") for line in digits.table(rows).splitlines()]
    cells = ["gru", "9", "60.0 ± 14.1 %", "25.0 %"]
    assert cells in [[cell.strip() for cell in row[1:-1]] for row in table]
    head = digits.table(rows[:1]).splitlines()[0]
    assert "".join(head.split()) == "|cell|units|rowbyrow|"


@pytest.mark.slow
def test_a_run_is_trained_and_kept(tmp_path, capsys):
    path = tmp_path / "rows.json"
    flags = """--cells gru --orders permuted --seeds 0 --epochs 3
        --parameters 500 --json"""
    options = digits.parse([*flags.split(), str(path)])
    digits.main(options)
    (row,) = json.loads(path.read_text())
    assert row["parameters"] <= 500
    assert row["right"] > 0.15
    row["seconds"] = 1234
    path.write_text(json.dumps([row]))
    digits.main(options)
    assert "1234 s" in capsys.readouterr().out
