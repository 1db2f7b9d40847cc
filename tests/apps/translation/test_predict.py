"""Translations of lines, by every way of decoding, and their attention."""

import csv
import shutil

import numpy as np
import pytest
import tensorflow as tf

from apps.common import cli
from apps.common.search import GREEDY, Search
from apps.translation import predict
from apps.translation.predict import Predictor
from tests.apps.tools import jittered
from tests.apps.translations import SENTENCES, translation


def options(trained, **more):
    return predict.Options(runs_path=trained.runs_path, **more)


def test_a_batch_equals_its_sentences(predictor):
    search = Search(3, 1.0, n_best=3)
    together = predictor(SENTENCES, search)
    for text, best in zip(SENTENCES, together, strict=True):
        alone = predictor([text], search)[0]
        assert [t.text for t in alone] == [t.text for t in best]
        np.testing.assert_allclose(
            [t.score for t in alone], [t.score for t in best], rtol=1e-4
        )


def test_n_best_are_different_and_sorted(predictor):
    for best in predictor(SENTENCES, Search(4, 1.0, n_best=4)):
        assert len({tuple(t.tokens) for t in best}) == 4
        scores = [t.score for t in best]
        assert scores == sorted(scores, reverse=True)


def test_without_a_search_it_is_that_of_training(predictor):
    search = Search(predictor.config.beam, predictor.config.length_penalty)
    for ours, theirs in zip(
        predictor(SENTENCES), predictor(SENTENCES, search), strict=True
    ):
        assert [t.text for t in ours] == [t.text for t in theirs]


def test_minimum_bayes_risk_is_a_choice_among_the_beam(predictor):
    beam = predictor(SENTENCES, Search(4, 1.0, n_best=4))
    reranked = predictor(SENTENCES, Search(4, 1.0, mbr_samples=8, n_best=4))
    for ours, theirs in zip(reranked, beam, strict=True):
        assert {t.text for t in ours} == {t.text for t in theirs}


def test_attention_is_at_the_word_that_is_translated(predictor):
    """The task is known: output word t comes from the t-th last word."""
    text = "Two five seven nine."
    best = predictor([text], GREEDY)[0][0]
    assert best.text == translation(text)
    _, target, weights = predictor.attention([text], [best])[0]
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    assert target == ["▁Nove", "▁sette", "▁cinque", "▁due", ".", "[EOS]"]
    # States of the encoder see their neighbours, so one beside is correct, too.
    positions = weights[:4].argmax(axis=1)
    assert np.abs(positions - [3, 2, 1, 0]).max() <= 1


def test_predict_gives_a_line_for_each(trained, loaded, capsys):
    predict.main(options(trained, texts=tuple(SENTENCES)))
    out = capsys.readouterr().out.splitlines()
    assert out == [translation(s) for s in SENTENCES]


def test_predict_n_best_with_scores(trained, loaded, capsys):
    predict.main(
        options(trained, texts=("Six.",), beam=5, n_best=3, scores=True)
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    scores = [float(line.split("\t")[0]) for line in lines]
    assert scores == sorted(scores, reverse=True)
    assert lines[0].split("\t")[1] == "Sei."


def test_predict_keeps_empty_lines_and_says_what_it_cuts(
    trained, loaded, tmp_path, capsys
):
    file = tmp_path / "in.txt"
    long = " ".join(["one"] * 30)
    file.write_text(f"One two.\n\n日本\n{long}\n")
    page = tmp_path / "page.html"
    predict.main(options(trained, input=str(file), page=str(page)))
    out, error = capsys.readouterr()
    lines = out.split("\n")
    assert len(lines) == 5
    assert lines[0] == "Due uno."
    assert lines[1] == ""
    assert "note: sentence 3: all of its words are unknown" in error
    assert "note: sentence 4: 30 tokens, the last 19 are left out" in error
    assert page.read_text().count("<article>") == 3


def test_a_table_is_written_back(trained, loaded, tmp_path):
    table, out = tmp_path / "in.csv", tmp_path / "out.csv"
    table.write_text("id,EN\n1,One two.\n2,\n3,Six.\n")
    predict.main(
        options(
            trained, input=str(table), output=str(out), n_best=2, scores=True
        )
    )
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert [row["translation"] for row in rows] == ["Due uno.", "", "Sei."]
    assert float(rows[0]["score"]) > float(rows[0]["score_2"])
    assert rows[0]["translation_2"]


def test_a_sentence_without_a_translation_is_an_empty_line(
    trained, loaded, predictor, monkeypatch, capsys
):
    monkeypatch.setattr(Predictor, "__call__", lambda self, texts, search: [[]])
    page = str(trained.folder / "none.html")
    predict.main(options(trained, texts=("Six.",), page=page))
    assert capsys.readouterr().out == "\n"


def test_predict_samples_by_seed(trained, loaded, capsys):
    def draw(seed):
        predict.main(
            options(
                trained,
                texts=tuple(SENTENCES * 3),
                sample=True,
                temperature=5.0,
                seed=seed,
            )
        )
        return capsys.readouterr().out

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (dict(texts=("a",), beam=2, n_best=3), "--n-best 3: at most --beam"),
        (dict(texts=("a",), input="x"), "sentences or --input, not both"),
        (dict(input="missing.txt"), "missing.txt: No such file"),
        (dict(texts=("a",), run="y"), "no run 'y'; the runs are: x"),
    ],
)
def test_predict_refuses(trained, loaded, more, message):
    with pytest.raises(cli.UserError, match=message):
        predict.main(options(trained, **more))


def test_predict_refuses_files_that_do_not_belong_together(trained, tmp_path):
    copy = tmp_path / "translation" / "x"
    shutil.copytree(trained.run.path, copy)
    (copy / "digests.json").unlink()  # as in a run of before them
    lines = (copy / "target.txt").read_text().splitlines()
    (copy / "target.txt").write_text("\n".join([*lines, "▁more"]) + "\n")
    with pytest.raises(cli.UserError, match=r"another source\.txt or target"):
        predict.main(predict.Options(texts=("a",), runs_path=str(tmp_path)))


def test_one_loop_decodes_the_mean_of_several_runs(
    trained, predictor, tmp_path
):
    other = jittered(trained.run, tmp_path)
    both = Predictor.of_runs([trained.run, other], eager=True)
    ids = predict.padded(both.encode(SENTENCES[:2]))
    member = Predictor.of_run(other, eager=True)
    for row, (best,) in zip(ids, both.decode(ids, GREEDY), strict=True):
        inputs = [row[None], np.array([[2, *best.tokens[:-1]]])]
        logs = [
            tf.nn.log_softmax(np.array(one.model(inputs))[0]).numpy()
            for one in (predictor, member)
        ]
        assert np.abs(logs[0] - logs[1]).max() > 0.01
        mean = tf.nn.log_softmax(np.mean(logs, axis=0)).numpy()
        scores = mean[np.arange(len(best.tokens)), best.tokens]
        assert best.score == pytest.approx(scores.sum(), abs=1e-3)
        np.testing.assert_allclose(
            tf.nn.log_softmax(np.array(both.model(inputs))[0]), mean, atol=1e-4
        )
    beams = both.decode(ids, Search(3, 1.0, coverage_penalty=0.2, n_best=2))
    assert [len(best) for best in beams] == [2, 2]
    ((_, _, weights),) = both.attention(SENTENCES[:1], beams[0][:1])
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-4)
