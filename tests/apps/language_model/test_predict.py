"""Texts to continuations and scores, as one calls the command."""

import csv
import io
import json
import sys

import numpy as np
import pytest
import tensorflow as tf

from apps.common import cli
from apps.common.search import Search
from apps.language_model import predict
from apps.language_model.config import PredictOptions
from tests.apps.tools import jittered

SAMPLING = Search(sample=True, min_length=0, seed=3)


def run(trained, *words, stdin=""):
    """What `predict` does with a command line."""
    words = ["--run", "x", "--runs-path", trained.runs_path, *words]
    options = cli.parse(PredictOptions, None, words)
    cli.check(options, words)
    predict.main(options)


def test_the_loop_draws_what_single_steps_draw(predictor):
    (prompt,) = predictor.prompts(["the old"])
    search = Search(sample=True, min_length=0, seed=4, top_k=9, temperature=0.7)
    decoded = predictor.generate([prompt], search, 15)
    drawn = list(predictor.drawn(prompt, search, 15))
    assert np.asarray(decoded.tokens)[0, 0].tolist() == drawn


def test_greedy_tokens_are_the_likeliest_of_the_whole_model(predictor):
    (prompt,) = predictor.prompts(["the old clock"])
    decoded = predictor.generate([prompt], Search(min_length=0), 6)
    tokens = np.asarray(decoded.tokens)[0, 0].tolist()
    ids = list(prompt)
    for token in tokens:
        logits = np.array(predictor.model(np.array([ids])))[0, -1]
        logits[[0, 1, 2]] = -np.inf
        assert logits.argmax() == token
        ids.append(token)
    assert predictor.end not in tokens


def test_the_score_of_a_continuation_is_its_log_probability(predictor):
    ((text, log),) = predictor("the old", SAMPLING, 9, 1)
    (prompt,) = predictor.prompts(["the old"])
    ids = [*prompt, *predictor.tokenizer.encode("the old" + text)[2:]]
    if "\n" not in text:
        logits = np.asarray(predictor.model(np.array([ids[:-1]])))[0]
        logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        own = logs[np.arange(len(ids) - 1), ids[1:]][len(prompt) - 1 :]
        assert log == pytest.approx(own.sum(), abs=1e-3)


def test_seeds_and_samples(trained, loaded, capsys):
    for seed in ("1", "1", "2"):
        run(trained, "the old", "--samples", "2", "--seed", seed, "--json")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == rows[1] != rows[2]
    assert rows[0]["continuation"] != rows[0]["continuation_2"]


def test_a_text_stops(trained, loaded, capsys):
    run(trained, "the", "--stop", " .", "--length", "80", "--beam", "1")
    out = capsys.readouterr().out
    assert out.startswith("the ")
    assert "." not in out


def test_a_beam_has_its_best_first(trained, loaded, capsys):
    words = ["the old", "--beam", "4", "--samples", "3", "--length", "5"]
    run(trained, *words, "--scores")
    lines = capsys.readouterr().out.splitlines()
    scores = [float(line.split("\t")[0]) for line in lines if "\t" in line]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


def test_unknown_words_are_told(trained, loaded, capsys):
    run(trained, "zzz qqq", "--length", "3")
    captured = capsys.readouterr()
    assert "beginning 1: all of its words are unknown" in captured.err
    assert captured.out.startswith("zzz qqq ")


def test_without_a_beginning_a_text_begins(
    trained, loaded, capsys, monkeypatch
):
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"")))
    monkeypatch.setattr(sys, "stdin", stdin)
    run(trained, "--length", "5")
    assert capsys.readouterr().out[0].isalpha()
    stdin = io.TextIOWrapper(
        io.BufferedReader(io.BytesIO(b"the old\n\n\xff\nthe red\n"))
    )
    monkeypatch.setattr(sys, "stdin", stdin)
    run(trained, "--interactive", "--length", "3")
    out = capsys.readouterr().out
    assert out.startswith("the old ")
    assert "the red " in out


def test_lines_are_scored(trained, loaded, predictor, capsys, tmp_path):
    path, page = tmp_path / "lines.txt", tmp_path / "page.html"
    path.write_text("the old clocks turn themselves .\n\nzzz\n")
    run(trained, "--score", str(path), "--page", str(page))
    first, empty, last = capsys.readouterr().out.splitlines()
    assert empty == ""
    log, perplexity, count, text = first.split("\t")
    assert text == "the old clocks turn themselves ."
    assert count == "7"
    assert float(perplexity) == pytest.approx(np.exp(-float(log) / 7), rel=1e-3)
    ids = predictor.tokenizer.encode(text)
    inputs = np.array([[predictor.begin, *ids]])
    logits = np.asarray(predictor.model(inputs))[0]
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    own = logs[np.arange(7), [*ids, predictor.tokenizer.END]]
    assert float(log) == pytest.approx(own.sum(), abs=2e-3)
    assert page.read_text().count("<mark") == 7 + 2
    assert last.endswith("zzz")


def test_scores_are_a_table_even_if_the_first_line_is_empty(
    trained, loaded, tmp_path
):
    path, table = tmp_path / "lines.txt", tmp_path / "scores.csv"
    path.write_text("\nthe old clock\n")
    run(trained, "--score", str(path), "--output", str(table))
    with table.open() as file:
        empty, line = csv.DictReader(file)
    assert list(empty) == ["text", "log_probability", "perplexity", "tokens"]
    assert set(empty.values()) == {""}
    assert line["tokens"] == "4"


def test_long_lines_are_scored_in_chunks(predictor, monkeypatch):
    texts = ["the old clock", "", "the dog " * 30]
    whole = predictor.score(texts)
    monkeypatch.setattr(predict, "CHUNK", 16)
    for (ids, nll), (other, parts) in zip(
        whole, predictor.score(texts), strict=True
    ):
        assert ids == other
        np.testing.assert_allclose(nll, parts, atol=1e-4)
        inputs = np.array([[predictor.begin, *ids]])
        expected = predictor.score_ids(inputs[:, 1:])
        np.testing.assert_allclose(nll, expected[0], atol=1e-4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--page", "x.html"], "--page x.html has no effect without --score"),
        (["--beam", "2", "--samples", "3"], "--samples 3: at most --beam"),
        (["--score", "nowhere"], "nowhere: No such file"),
        (
            ["--beam", "3", "--top-k", "4"],
            "--top-k 4 has no effect with --beam",
        ),
        (["the", "--interactive"], "give beginnings or --interactive"),
    ],
)
def test_what_makes_no_sense_is_one_line(trained, words, message):
    with pytest.raises(cli.UserError) as error:
        run(trained, *words)
    assert message in str(error.value)


def test_several_runs_give_the_mean_of_their_log_probabilities(
    trained, predictor, tmp_path
):
    other = jittered(trained.run, tmp_path)
    both = predict.Predictor.of_runs([trained.run, other], eager=True)
    member = predict.Predictor.of_run(other, eager=True)
    text = "the old clock"
    ((ids, nll),) = both.score([text])
    inputs = np.array([[both.begin, *ids[:-1]]])
    logs = [
        tf.nn.log_softmax(np.array(one.model(inputs))[0]).numpy()
        for one in (predictor, member)
    ]
    assert np.abs(logs[0] - logs[1]).max() > 0.01
    mean = tf.nn.log_softmax(np.mean(logs, axis=0)).numpy()
    expected = -mean[np.arange(len(ids)), ids]
    np.testing.assert_allclose(nll, expected, atol=1e-3)
    # And it goes on with the likeliest by the same numbers.
    ((token,),) = both.generate(inputs, Search(min_length=0), 1).tokens[0]
    allowed = mean[-1].copy()
    allowed[:3] = -np.inf  # padding, unknown, begin
    assert int(token) == allowed.argmax()
