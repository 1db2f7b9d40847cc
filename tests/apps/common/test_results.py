"""The table of runs: what shares a row, and its arithmetic."""

import json

import pytest

from apps.common import cli, results


def write(folder, name, accuracy, **config):
    run = folder / "sentiment" / name
    run.mkdir(parents=True)
    config = {"cell": "gru", "units": 4, "seed": 0, "name": name, **config}
    (run / "config.json").write_text(json.dumps({"config": config}))
    record = {
        "app": "sentiment",
        "run": name,
        "dataset": "demo",
        "metrics": {"accuracy": accuracy, "roc_auc": None},
        "baselines": {"majority": {"accuracy": 0.5, "roc_auc": 0.5}},
        "parameters": 1234,
        "train_seconds": 90.0,
        "examples": {"train": 3},
    }
    (run / "metrics.json").write_text(json.dumps(record))
    return run


def printed(capsys, *folders, **options):
    results.main(results.Options(folders, **options))
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in capsys.readouterr().out.splitlines()
    ]


def test_files_beside_the_runs_are_no_runs(tmp_path, capsys):
    """As the lock of an app's runs, and what a benchmark writes."""
    write(tmp_path, "a", 0.8)
    (tmp_path / "sentiment/.lock").touch()
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers/rows.json").write_text("{}")
    rows = printed(capsys, runs_path=str(tmp_path))
    assert [row[0] for row in rows if row[0] == "a"] == ["a"]


def test_seeds_share_a_row_and_settings_do_not(tmp_path, capsys):
    write(tmp_path, "a", 0.8, seed=0)
    write(tmp_path, "b", 0.9, seed=1, cache_path="elsewhere")
    write(tmp_path, "c", 0.7, cell="lstm")
    rows = printed(capsys, runs_path=str(tmp_path))
    assert rows[0] == [
        *("run", "cell", "seeds", "accuracy", "roc_auc"),
        *("parameters", "minutes"),
    ]
    # The deviation of 0.8 and 0.9 with one degree of freedom is 0.1 / sqrt 2.
    assert rows[2] == ["a", "gru", "2", "0.8500 ± 0.0707", "-", "1,234", "1.5"]
    assert rows[3] == ["c", "lstm", "1", "0.7000", "-", "1,234", "1.5"]
    assert rows[4][:5] == ["majority", "", "", "0.5000", "0.5000"]


def test_unfinished_runs_are_left_out(tmp_path, capsys):
    done = write(tmp_path, "a", 0.8)
    begun = write(tmp_path, "b", 0.9, cell="lstm")
    (begun / "metrics.json").unlink()
    rows = printed(capsys, str(done), str(begun))
    assert [row[0] for row in rows[2:]] == ["a", "majority"]


def test_no_run_is_one_clear_line(tmp_path):
    with pytest.raises(cli.UserError, match="no finished run"):
        results.main(results.Options(runs_path=str(tmp_path)))


def test_runs_of_before_a_flag_was_renamed_share_a_row(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(cli.RENAMED, "sentiment", {"ngrams": "longest_ngram"})
    write(tmp_path, "a", 0.8, ngrams=3)
    write(tmp_path, "b", 0.9, longest_ngram=3, seed=1)
    rows = printed(capsys, runs_path=str(tmp_path))
    assert [row[0] for row in rows[2:]] == ["a", "majority"]
