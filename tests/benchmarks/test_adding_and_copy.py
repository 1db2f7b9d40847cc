"""The long-lag tasks against their definitions, and one that is learned."""

import json

import numpy as np
import pytest

from benchmarks import adding_and_copy as tasks

COUNT = 4000


def draw(name, lag, symbols=None, count=COUNT):
    random = np.random.default_rng(0)
    return tasks.TASKS[name].draw(random, count, lag, symbols)


def test_adding_is_the_task_of_the_paper():
    lag = 31
    x, y = draw("adding", lag)
    values, marked = x[..., 0], x[..., 1]
    assert x.shape == (COUNT, lag, 2)
    assert values.min() >= 0
    assert values.max() <= 1
    assert set(np.unique(marked)) == {0, 1}
    assert (marked[:, : lag // 2].sum(axis=1) == 1).all()
    assert (marked[:, lag // 2 :].sum(axis=1) == 1).all()
    assert marked.any(axis=0).all()  # every step at some time
    expected = (values * marked).sum(axis=1)
    np.testing.assert_allclose(y[:, 0], expected, atol=1e-6)


def test_copy_is_the_task_of_the_paper():
    lag, symbols = 7, 3
    x, y = draw("copy", lag, symbols)
    assert x.shape == (COUNT, lag + 2 * symbols, tasks.ALPHABET + 2)
    assert (x.sum(axis=-1) == 1).all()
    tokens = x.argmax(axis=-1)
    shown = [*range(symbols), symbols + lag - 1]
    assert (np.delete(tokens, shown, axis=1) == tasks.BLANK).all()
    assert (tokens[:, symbols + lag - 1] == tasks.SIGNAL).all()
    drawn = tokens[:, :symbols]
    assert set(np.unique(drawn)) == set(range(tasks.ALPHABET))
    assert (y[:, :-symbols] == tasks.BLANK).all()
    assert (y[:, -symbols:] == drawn).all()


def test_baselines_are_the_scores_of_a_model_that_remembers_nothing():
    _, y = draw("adding", 20, count=200_000)
    actual = tasks.adding_scores(y, np.ones_like(y))
    for name, value in tasks.adding_baseline(20).items():
        np.testing.assert_allclose(actual[name], value, rtol=0.02)
    lag, symbols = 6, 2
    _, y = draw("copy", lag, symbols)
    certain = np.full((*y.shape, tasks.ALPHABET + 2), -100.0)
    certain[:, :-symbols, tasks.BLANK] = 0
    certain[:, -symbols:, : tasks.ALPHABET] = 0
    actual = tasks.copy_scores(y, certain, symbols)
    for name, value in tasks.copy_baseline(lag, symbols).items():
        np.testing.assert_allclose(actual[name], value, rtol=0.1)


def test_perfect_answers_score_perfectly():
    _, y = draw("adding", 20)
    assert tasks.adding_scores(y, y) == {"error": 0, "right": 1}
    _, y = draw("copy", 6, 2)
    answers = 100.0 * np.eye(tasks.ALPHABET + 2)[y]
    assert tasks.copy_scores(y, answers, 2) == {"error": 0, "right": 1}


@pytest.mark.parametrize("cell", ["lstm", "full_gate_lstm", "min_gru"])
def test_units_are_the_most_that_fit(cell):
    units, count = tasks.units_for(cell, 2, 2000, 40)
    assert count <= 2000
    _, more = tasks.units_for(cell, 2, 10**9, units + 1)
    assert more > 2000 or units == 40


@pytest.mark.slow
def test_a_short_lag_is_learned_and_a_finished_run_kept(tmp_path, capsys):
    path = tmp_path / "rows.json"
    flags = """--cells gru --adding --copy 2 --symbols 1 --steps 250
        --parameters 1500 --test 256 --rate 0.02 --json"""
    options = tasks.parse([*flags.split(), str(path)])
    tasks.main(options)
    (row,) = json.loads(path.read_text())
    assert row["right"] > 0.95
    assert row["error"] < 0.3 * tasks.copy_baseline(2, 1)["error"]
    printed = capsys.readouterr().out
    row["seconds"] = 1234
    path.write_text(json.dumps([row]))
    tasks.main(options)
    assert "1234 s" in capsys.readouterr().out
    assert "| gru " in printed
