"""The table of runs: what shares a row, and its arithmetic."""

import json

import pytest

from apps.common import cli, report, results


def write(folder, name, accuracy, app="sentiment", **config):
    run = folder / app / name
    run.mkdir(parents=True)
    config = {"cell": "gru", "units": 4, "seed": 0, "name": name, **config}
    written = {"app": app, "config": config, "command": ""}
    (run / "config.json").write_text(json.dumps(written))
    record = {
        "app": app,
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
    results.main(results.Options(folders, markdown=True, **options))
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("|") and "---" not in line
    ]


def test_files_beside_the_runs_are_no_runs(tmp_path, capsys):
    """As the lock of an app's runs, and what a benchmark writes."""
    write(tmp_path, "a", 0.8)
    (tmp_path / "sentiment/.lock").touch()
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers/rows.json").write_text("{}")
    rows = printed(capsys, runs_path=str(tmp_path))
    assert [row[-1] for row in rows] == ["run", "a", ""]


def test_seeds_share_a_row_and_settings_do_not(tmp_path, capsys):
    write(tmp_path, "a", 0.8, seed=0)
    write(tmp_path, "b", 0.9, seed=1, cache_path="elsewhere")
    write(tmp_path, "c", 0.7, cell="lstm", units=8)
    rows = printed(capsys, runs_path=str(tmp_path))
    assert rows[0] == [
        *("data", "cell", "units", "seeds", "accuracy", "roc_auc"),
        *("parameters", "minutes", "run"),
    ]
    # The deviation of 0.8 and 0.9 with one degree of freedom is 0.1 / sqrt 2.
    assert rows[1] == [
        *("demo", "gru", "4", "2", "0.8500 ± 0.0707 *", "-"),
        *("1,234", "1.5", "b"),
    ]
    assert rows[2] == [
        *("demo", "lstm", "8", "1", "0.7000", "-", "1,234", "1.5", "c"),
    ]
    assert rows[3][:6] == ["demo", "majority", "", "", "0.5000", "0.5000"]


def test_each_app_says_of_which_scores_the_lowest_is_best(tmp_path, capsys):
    for name, cell, value in [("a", "gru", 9.0), ("b", "lstm", 5.0)]:
        path = write(tmp_path, name, 0.5, "language_model", cell=cell)
        path = path / "metrics.json"
        record = json.loads(path.read_text())
        record["metrics"] = {"perplexity": value, "unknown_share": 0.1 * value}
        path.write_text(json.dumps(record))
    rows = printed(capsys, runs_path=str(tmp_path))
    assert [row[3:5] for row in rows[1:3]] == [
        ["9.0000", "0.9000"],
        ["5.0000 *", "0.5000"],
    ]
    assert report.scores_named("sentiment", "LOWER") == ()


@pytest.mark.parametrize(
    "app", ["captioning", "forecasting", "language_model", "translation"]
)
def test_scores_that_are_ranked_otherwise_are_scores(app):
    scores = cli.constant(f"apps.{app}.scores", "METRICS")
    names = {
        name
        for constant in ("LOWER", "UNRANKED")
        for name in report.scores_named(app, constant)
    }
    assert "perplexity" in names or "mase" in names
    assert names <= set(scores)


def test_unfinished_runs_are_named(tmp_path, capsys):
    done = write(tmp_path, "a", 0.8)
    begun = write(tmp_path, "b", 0.9, cell="lstm")
    (begun / "metrics.json").unlink()
    results.main(results.Options((str(done), str(begun))))
    shown = capsys.readouterr()
    assert shown.err == f"unfinished: {begun}\n"
    assert "lstm" not in shown.out


def test_apps_have_tables_of_their_own(tmp_path, capsys):
    write(tmp_path, "a", 0.8)
    path = write(tmp_path, "b", 0.9) / "metrics.json"
    record = json.loads(path.read_text())
    record |= {"app": "captioning", "metrics": {"cider": 1.5}}
    path.write_text(json.dumps(record))
    results.main(results.Options(runs_path=str(tmp_path)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "sentiment"
    second = lines.index("captioning")
    assert "cider" not in "".join(lines[:second])
    assert "accuracy" not in "".join(lines[second:])
    assert lines[-1] == results.LEGEND


def test_a_page_of_results_escapes_its_text(tmp_path, capsys):
    write(tmp_path, "<b>", 0.8)
    page = tmp_path / "page.html"
    results.main(results.Options(runs_path=str(tmp_path), html=str(page)))
    text = page.read_text("utf-8")
    assert "<h2>sentiment</h2>" in text
    assert "<td>0.8000</td>" in text
    assert "&lt;b&gt;" in text
    assert "<td><b>" not in text


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
    assert [row[3] for row in rows[1:]] == ["0.8500 ± 0.0707", "0.5000"]


@pytest.mark.parametrize("file", ["metrics.json", "config.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b"{}", b"\xff"])
def test_a_torn_file_is_one_line(tmp_path, file, content):
    write(tmp_path, "a", 0.8)
    path = write(tmp_path, "b", 0.8) / file
    path.write_bytes(content)
    with pytest.raises(cli.UserError) as caught:
        results.main(results.Options((), runs_path=str(tmp_path)))
    assert str(path.parent) in str(caught.value)
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)
