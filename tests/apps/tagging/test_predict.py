"""Labels of texts and of columns, and what is refused in one line."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from apps.common import cli
from apps.tagging import predict
from apps.tagging.predict import Predictor
from apps.tagging.serve import Service
from data_pipelines.tagging import Sentences
from tests.apps.tagging.tiny import with_columns
from tests.apps.tools import jittered

TEXTS = ("stop music in the kitchen", "Please, move it from the hall at nine!")


def run(trained, *words, **more):
    words = [*words, "--runs-path", trained.runs_path]
    predict.main(cli.parse(predict.Options, None, words))


def test_a_text_is_a_line_with_its_spans_and_its_intent(
    trained, predictor, loaded, capsys
):
    run(trained, *TEXTS, " ")
    first, second, third = capsys.readouterr().out.splitlines()
    text, intent, probability = first.split("\t")
    assert text == "stop music in the [kitchen place]"
    (expected,) = predictor([TEXTS[0].split()])
    assert intent == expected.intent
    assert float(probability) == pytest.approx(
        expected.intent_probability, abs=1e-3
    )
    assert second.startswith("Please , ")
    assert third == ""


def test_objects_have_words_labels_and_places(trained, loaded, capsys):
    run(trained, *TEXTS, "--json")
    rows = list(map(json.loads, capsys.readouterr().out.splitlines()))
    for text, row in zip(TEXTS, rows, strict=True):
        assert len(row["words"]) == len(row["tags"])
        assert len(row["probabilities"]) == len(row["tags"])
        for start, end, _ in row["spans"]:
            assert text[start:end].strip() == text[start:end] != ""
    assert rows[0]["spans"] == [[18, 25, "place"]]
    assert {row["intent"] for row in rows} <= {"play", "stop", "move", "ask"}


def test_columns_are_read_and_written(trained, loaded, tmp_path, capsys):
    path = tmp_path / "in.conll"
    path.write_text("stop X\nmusic X\n\nmove\tX\nit\tX\n")
    run(trained, "--input", str(path))
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == "stop\tO"
    out = tmp_path / "out.conll"
    out.write_text(printed)
    written = list(Sentences(out, ("word", "tag")))
    assert [s.words for s in written] == [["stop", "music"], ["move", "it"]]
    run(trained, "stop music", "move it", "--conll")
    assert capsys.readouterr().out == printed
    path = tmp_path / "in.conllu"
    path.write_text("# x\n1\tstop" + "\t_" * 8 + "\n")
    run(trained, "--input", str(path))
    assert capsys.readouterr().out == "1\tstop\t_\tO" + "\t_" * 6 + "\n\n"


def test_a_table_is_written_back(trained, loaded, tmp_path):
    table, out = tmp_path / "in.csv", tmp_path / "out.jsonl"
    table.write_text(f"id,text\n1,{TEXTS[0]}\n2,\n")
    run(trained, "--input", str(table), "--output", str(out))
    first, second = map(json.loads, out.read_text().splitlines())
    assert first["id"] == "1"
    assert first["intent"]
    assert second["words"] == second["spans"] == []
    assert second["intent"] is None


def test_a_prediction_does_not_depend_on_its_batch(predictor):
    sentences = [["play"], ["stop", "music"] * 20, ["x" * 10_000]] * 15
    together = predictor(sentences)
    alone = [predictor([sentence])[0] for sentence in sentences[:3]]
    for ours, theirs in zip(together, alone * 15, strict=True):
        assert ours.tags == theirs.tags
        assert ours.probabilities == pytest.approx(
            theirs.probabilities, abs=1e-5
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--input", "none.conll"], "none.conll: there is no such file"),
        (["--input", "x.conll", "--json"], "columns are printed; leave"),
        (["--run", "y", "a"], "no run 'y'; the runs are: x"),
    ],
)
def test_an_error_is_one_line(trained, loaded, words, message, capsys):
    with pytest.raises(SystemExit):
        cli.main(lambda: run(trained, *words))
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_files_that_do_not_belong_together_are_refused(trained, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained.run.path, copy)
    (copy / "digests.json").unlink()
    with open(copy / "labels.txt", "a") as file:
        file.write("another\n")
    with pytest.raises(cli.UserError, match="was trained for another"):
        run(trained, "a", "--run", str(copy))


def test_several_runs_are_a_field_of_their_mean_scores(
    trained, predictor, tmp_path
):
    other = jittered(trained.run, tmp_path)
    both = predict.Predictor.of_runs([trained.run, other], eager=True)
    member = predict.Predictor.of_run(other, eager=True)
    words = tf.ragged.constant([["stop", "music", "in", "here"]], tf.string)
    inputs = both.known.features.of_texts(words)
    scores, intents = zip(
        *(
            map(np.array, one.decoder.model(list(inputs)))
            for one in (predictor, member, both)
        ),
        strict=True,
    )
    assert np.abs(scores[0] - scores[1]).max() > 0.01
    np.testing.assert_allclose(scores[2], np.mean(scores[:2], 0), atol=1e-4)
    product = np.sqrt(intents[0] * intents[1])
    np.testing.assert_allclose(intents[2], product / product.sum(), atol=1e-5)
    of_members = (p.decoder.crf.get_weights() for p in (predictor, member))
    for one, two, mean in zip(
        *of_members, both.decoder.crf.get_weights(), strict=True
    ):
        np.testing.assert_allclose(mean, (one + two) / 2, atol=1e-6)
    (answer,) = both([["stop", "music", "in", "here"]])
    path = both.decoder.crf.decode(scores[2])[0].numpy()
    assert answer.tags == [both.known.labels[n] for n in path]


def test_columns_are_labelled_and_texts_refused(
    trained, tmp_path, monkeypatch, capsys
):
    predictor = with_columns("tag")
    monkeypatch.setattr(Predictor, "of_run", lambda run, eager=False: predictor)

    def run(*words):
        words = [*words, "--runs-path", trained.runs_path]
        predict.main(cli.parse(predict.Options, None, words))
        return capsys.readouterr().out

    path = tmp_path / "in.conll"
    path.write_text("u a\nv Rome\n\nv river\n")
    printed = run("--input", str(path), "--columns", "kind,word")
    (first, second) = predictor([["a", "Rome"], ["river"]], [["uv", "v"]])
    rows = [line.split("\t") for line in printed.splitlines()]
    words = ["a", "Rome", "river"]
    tags = [*first.tags, *second.tags]
    assert [row for row in rows if row != [""]] == [
        [word, tag] for word, tag in zip(words, tags, strict=True)
    ]
    message = "reads kind beside the words; give it --input FILE.conll with"
    with pytest.raises(cli.UserError, match=message):
        run("a Rome")
    with pytest.raises(cli.UserError, match="which a text has not"):
        Service.of_run(trained.run)
