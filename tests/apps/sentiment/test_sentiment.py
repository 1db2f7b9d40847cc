"""The sentiment app as its user meets it: one small training, then its use."""

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing import event_accumulator

from apps.common import cli, runs
from apps.sentiment import evaluate, model, predict, ratios, train
from apps.sentiment.config import PRESETS, Config
from tests.apps.tools import ROOT, flags, run_module, write_reviews

NO_RATIOS = ratios.Ratios(None, 2, 0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run: its folder and what the terminal showed."""
    folder = tmp_path_factory.mktemp("sentiment")
    write_reviews(folder / "reviews")
    done = run_module("apps.sentiment.train", *flags(folder, "--name", "x"))
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "sentiment" / "x", done


def options(trained, **more):
    return predict.Options(runs_path=str(trained[0].parents[1]), **more)


def test_the_run_folder_is_complete(trained):
    run, _ = trained
    expected = """backup config.json confusion.png curve.png export labels.txt
        lock log.csv metrics.json model.keras report.html samples.txt
        tensorboard vocabulary.txt"""
    assert sorted(p.name for p in run.iterdir()) == expected.split()


def test_metrics_json_has_what_is_promised(trained):
    record = json.loads((trained[0] / "metrics.json").read_text())
    keys = {"accuracy", "macro_f1", "roc_auc"}
    assert set(record["metrics"]) == keys
    assert set(record["baselines"]) == {"majority", "bag_of_words"}
    assert all(set(b) == keys for b in record["baselines"].values())
    assert record["dataset"] == "files"
    assert sum(record["examples"].values()) == 600
    words, units = 6, 6
    classifier = keras.models.load_model(trained[0] / "model.keras")
    vocabulary = (trained[0] / "vocabulary.txt").read_text().splitlines()
    table = 2 * 2**20  # two n-grams, and one column for two classes
    recurrent = 2 * (3 * units * (words + 2 + units) + 6 * units)
    width = 2 * units
    expected = (
        len(vocabulary) * words
        + table
        + recurrent
        + (width * width + width + width)
        + (2 * width + 2)
    )
    assert record["parameters"] == classifier.count_params() == expected
    assert record["trainable_parameters"] == expected - table


def test_the_terminal_shows_scores_predictions_and_what_is_next(trained):
    run, done = trained
    lines = done.stdout.splitlines()
    record = json.loads((run / "metrics.json").read_text())
    for name, scores in [
        ("x", record["metrics"]),
        *record["baselines"].items(),
    ]:
        line = next(line for line in lines if line.split()[:1] == [name])
        assert line.split()[1] == f"{scores['accuracy']:.4f}"
    labelled = [line for line in lines if line.startswith(("bad ", "good "))]
    assert len(labelled) == 3
    assert any("make predict-sentiment" in line for line in lines)
    assert done.stderr == ""


def test_word_order_is_learned_and_the_bag_of_words_cannot(trained):
    record = json.loads((trained[0] / "metrics.json").read_text())
    assert record["baselines"]["bag_of_words"]["accuracy"] < 0.7
    assert record["metrics"]["accuracy"] > 0.9


def test_tensorboard_has_every_tag(trained):
    found = {}
    for part in ("train", "validation"):
        reader = event_accumulator.EventAccumulator(
            str(trained[0] / "tensorboard" / part)
        )
        reader.Reload()
        found[part] = reader
    tags = found["train"].Tags()["tensors"]
    scalars = """accuracy examples_per_second gradient_norm learning_rate loss
        macro_f1 tokens_per_second"""
    assert set(scalars.split()) <= set(tags)
    assert any("recurrent_kernel" in tag for tag in tags)  # histograms
    epochs = json.loads((trained[0] / "metrics.json").read_text())["epochs"]
    for tag in scalars.split():
        assert len(found["train"].Tensors(tag)) == epochs
    shown = set(found["validation"].Tags()["tensors"])
    assert {"loss", "accuracy", "macro_f1", "confusion", "samples"} <= shown


def test_the_projector_shows_the_words(trained):
    folder = trained[0] / "tensorboard" / "train"
    words = (folder / "words.tsv").read_text().splitlines()
    vectors = np.loadtxt(folder / "vectors.tsv", delimiter="\t")
    classifier = keras.models.load_model(trained[0] / "model.keras")
    table = classifier.get_layer("words").get_weights()[0]
    vocabulary = (trained[0] / "vocabulary.txt").read_text().splitlines()
    assert vectors.shape == (len(words), 6)
    place = words.index("lovely")
    expected = table[vocabulary.index("lovely")]
    np.testing.assert_allclose(vectors[place], expected, atol=1e-5)
    assert "words.tsv" in (folder / "projector_config.pbtxt").read_text()


def test_the_model_loads_with_rnn_layers_alone(trained, tmp_path):
    (tmp_path / "rnn_layers").symlink_to(ROOT / "rnn_layers")
    script = f"""
import sys, numpy as np, keras, rnn_layers
model = keras.models.load_model({str(trained[0] / "model.keras")!r})
print(model.predict(np.array([[2, 3, 4, 0]]), verbose=0).sum())
ours = ("apps", "data_pipelines")
assert not any(n.split(".")[0] in ours for n in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(1, abs=1e-5)


def test_the_export_loads_with_tensorflow_alone(trained, tmp_path):
    texts = ["A dull start, a lovely end.", "", "ÜNSEEN \u6620\u753b"]
    script = f"""
import json, sys, tensorflow as tf
served = tf.saved_model.load({str(trained[0] / "export")!r})
found = served.serve(tf.constant({texts!r}))
signature = served.signatures["serving_default"](text=tf.constant({texts!r}))
for name in found:
    assert (found[name].numpy() == signature[name].numpy()).all(), name
ours = ("apps", "data_pipelines", "rnn_layers")
assert not any(n.split(".")[0] in ours for n in sys.modules)
found = {{n: v.numpy().astype(str).tolist() for n, v in found.items()}}
print(json.dumps(found))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    run = runs.Run("sentiment", trained[0], runs._read_record(trained[0]))
    live = list(predict.Predictor.of_run(run)(texts))
    assert found["labels"] == ["bad", "good"]
    assert found["label"] == [label for label, *_ in live]
    np.testing.assert_allclose(
        np.array(found["probability"], float), [p for _, p, *_ in live], 1e-5
    )


def test_export_again_in_its_own_process(trained):
    arguments = ["--run", "x", "--runs-path", options(trained).runs_path]
    done = run_module("apps.sentiment.export", *arguments)
    assert done.returncode == 0, done.stderr
    assert "largest difference to the live model" in done.stdout
    assert not list(trained[0].glob(".tmp-*"))


def test_predict_writes_a_line_a_text(trained, capsys):
    texts = ("A dull start, a lovely end.", "A warm start, a stupid end.")
    predict.main(options(trained, texts=texts))
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["good", "bad"]
    assert [line[2] for line in lines] == list(texts)
    assert all(0.5 <= float(line[1]) <= 1 for line in lines)


def test_a_text_stays_on_its_line(trained, capsys):
    predict.main(options(trained, texts=("two\nlines\tand a tab",)))
    printed = capsys.readouterr().out
    assert printed.endswith("\ttwo lines and a tab\n")
    assert printed.count("\n") == 1
    assert printed.count("\t") == 2


def test_predict_reads_a_file_and_standard_input(trained, tmp_path, capsys):
    path = tmp_path / "texts.txt"
    # A carriage return ends no line, in the data it does not either.
    path.write_bytes(b"a lovely\rend\r\n\n\xff a dull end\n" * 70)
    predict.main(options(trained, input=str(path)))
    from_file = capsys.readouterr().out
    assert from_file.count("\n") == 140
    with open(path, "rb") as file:
        done = run_module(
            "apps.sentiment.predict",
            *("--runs-path", options(trained).runs_path),
            stdin=file,
        )
    assert done.stdout == from_file


def test_predict_takes_words_that_are_no_utf8(trained, capsys):
    texts = (os.fsdecode(b"a lovely caf\xe9"),)
    predict.main(options(trained, texts=texts))
    printed = capsys.readouterr().out
    assert printed.endswith("\ta lovely caf\N{REPLACEMENT CHARACTER}\n")


def test_evaluate_wants_to_know_what_stands_in_a_folder(trained, tmp_path):
    arguments = ["--data-path", str(tmp_path)]
    arguments += ["--runs-path", options(trained).runs_path]
    with pytest.raises(cli.UserError, match=r"--data-path .* needs --dataset"):
        evaluate.main(cli.parse(evaluate.Options, None, arguments))


def test_explain_marks_the_words(trained, tmp_path, capsys):
    page = tmp_path / "page.html"
    texts = ("A <b>dull</b> start & a lovely end",)
    predict.main(options(trained, texts=texts, explain=True, page=str(page)))
    second = capsys.readouterr().out.splitlines()[1].split()
    weights = [float(w) for w in second[1::2]]
    assert sorted(weights, reverse=True) == weights
    assert set(second[::2]) <= {"a", "dull", "start", "&", "lovely", "end"}
    assert sum(weights) == pytest.approx(1, abs=0.1)
    written = page.read_text()
    assert ">lovely</mark>" in written
    assert ">&amp;</mark>" in written


def test_a_prediction_does_not_depend_on_its_batch(trained):
    run = runs.Run("sentiment", trained[0], runs._read_record(trained[0]))
    use = predict.Predictor.of_run(run)
    texts = ["a lovely end", "dull " * 30, "a"]
    together = [p for _, p, *_ in use(texts)]
    alone = [use([text])[0].probability for text in texts]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_evaluate_repeats_the_scores_of_the_run(trained):
    arguments = ["--run", "x", "--runs-path", options(trained).runs_path]
    done = run_module("apps.sentiment.evaluate", *arguments)
    assert done.returncode == 0, done.stderr
    record = json.loads((trained[0] / "metrics.json").read_text())
    lines = done.stdout.splitlines()
    assert lines[2].split()[2] == f"{record['metrics']['accuracy']:.4f}"
    assert lines[4].split()[:2] == [
        "bag_of_words",
        f"{record['baselines']['bag_of_words']['accuracy']:.4f}",
    ]
    assert "target \\ predicted" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "none.txt"], "none.txt: No such file"),
        (["--input", "x", "a text"], "give texts or --input, not both"),
        (["--run", "y", "a text"], "no run 'y'; the runs are: x"),
        (["--explain", "--page", "no/x.html", "a"], "no is not a folder"),
        (["--explain", "--page", ".", "a"], "--page .: is a folder"),
    ],
)
def test_predict_says_what_is_wrong(trained, arguments, message, capsys):
    arguments = [*arguments, "--runs-path", options(trained).runs_path]
    with pytest.raises(SystemExit) as caught:
        cli.main(
            lambda: predict.main(cli.parse(predict.Options, None, arguments))
        )
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_files_that_do_not_belong_together_are_refused(trained, tmp_path):
    copy = tmp_path / "sentiment" / "copy"
    shutil.copytree(trained[0], copy)
    with open(copy / "vocabulary.txt", "a") as file:
        file.write("another\n")
    with pytest.raises(cli.UserError, match="another vocabulary"):
        predict.main(predict.Options(("a",), run=str(copy)))


def bad_data(folder, case):
    """Spoils the reviews; returns parts of the line that must come."""
    path = folder / "reviews" / "train.csv"
    if case == "missing":
        shutil.rmtree(folder / "reviews")
        return ["reviews"]
    if case == "empty":
        path.write_text("")
        return [str(path), "empty"]
    if case == "column":
        path.write_text("words,label\na,b\n")
        return [str(path), "text", "words"]
    if case == "one class":
        path.write_text(
            "text,label\n" + "".join(f"a film {n},good\n" for n in range(60))
        )
        return [str(path), "good"]
    if case == "truncated":
        data = gzip.compress(path.read_bytes())
        path.with_suffix(".csv.gz").write_bytes(data[: len(data) // 2])
        path.unlink()
        return ["train.csv.gz"]
    (folder / "reviews" / "test.csv").write_text("text,label\na,b\na,fine\n")
    return ["test.csv:2", "'b'", "good"]


@pytest.mark.parametrize(
    "case",
    ["missing", "empty", "column", "one class", "truncated", "label"],
)
def test_bad_data_is_one_line_and_leaves_nothing(
    case, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(runs, "make_deterministic", lambda *_: None)
    write_reviews(tmp_path / "reviews")
    parts = bad_data(tmp_path, case)
    config = cli.parse(Config, PRESETS, flags(tmp_path))
    with pytest.raises(SystemExit) as caught:
        cli.main(lambda: train.train(config))
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    for part in parts:
        assert part in printed
    left = [p.name for p in (tmp_path / "runs" / "sentiment").iterdir()]
    assert left == [".lock"]
    left = [p.name for p in tmp_path.glob("data/**/.tmp-*")]
    assert left == []


@pytest.mark.parametrize(
    ("labels", "texts", "rows"),
    [
        (["x\ny", "\u00e9\u6620", "p\u2028q"], "a {} film", 60),
        (["0", "1"], "\u6620", 60),  # one word, and that of one letter
        ([f"class {n}" for n in range(150)], "word{} film", 450),
    ],
    ids=["odd labels", "odd texts", "many classes"],
)
def test_odd_data_train_to_the_end(
    labels, texts, rows, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(runs, "make_deterministic", lambda *_: None)
    folder = tmp_path / "reviews"
    folder.mkdir()
    for split, count in [("train", rows), ("valid", 3), ("test", 2)]:
        with open(folder / f"{split}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            for n in range(count):
                writer.writerow([texts.format(n % 7), labels[n % len(labels)]])
    more = ["--epochs", "1", "--units", "2", "--embedding-size", "2"]
    train.train(cli.parse(Config, PRESETS, flags(tmp_path, *more)))
    printed = capsys.readouterr().out
    assert "bag_of_words" in printed
    assert max(map(len, printed.splitlines())) < 200


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_model_has_the_shapes_it_says(depth, bidirectional, tmp_path):
    config = Config(
        units=4, embedding_size=3, depth=depth, bidirectional=bidirectional
    )
    _, built = model.build(config, 10, 3, NO_RATIOS)
    tokens = np.array([[2, 3, 4, 0, 0], [5, 6, 7, 8, 9]])
    probabilities = built(tokens).numpy()
    assert probabilities.shape == (2, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    # Padding is inert: the first row alone, without it.
    np.testing.assert_allclose(
        built(tokens[:1, :3]).numpy()[0], probabilities[0], atol=1e-6
    )
    built.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    _, weights = model.explainer(loaded)(tokens)
    np.testing.assert_allclose(weights.numpy().sum(1), 1, rtol=1e-5)
    assert np.all(weights.numpy()[0, 3:] == 0)


def test_given_word_vectors_are_where_training_begins():
    vectors = np.arange(30, dtype="float32").reshape(10, 3)
    _, built = model.build(Config(units=4), 10, 2, NO_RATIOS, vectors)
    found = built.get_layer("words").get_weights()[0]
    np.testing.assert_array_equal(found, vectors)
