"""The sentiment app as its user meets it: one small training, then its use."""

import csv
import gzip
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from apps.common import cli, runs
from apps.sentiment import model, predict, ratios, train
from apps.sentiment.config import PRESETS, Config

ROOT = Path(__file__).parents[2]
GOOD = ["lovely", "bright", "funny", "warm", "clever"]
BAD = ["dull", "grey", "noisy", "cold", "stupid"]
NO_RATIOS = ratios.Ratios(None, 2, 0)
SMALL = [
    *("--units", "6", "--embedding-size", "6", "--batch-size", "16"),
    *(
        "--ngrams",
        "2",
        "--epochs",
        "6",
        "--learning-rate",
        "0.03",
        "--dropout",
        "0.1",
    ),
]


def write_reviews(folder, count=600, seed=0):
    """Reviews whose label is that of their last adjective."""
    words = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "train.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(count):
            first, last = (BAD, GOOD) if number % 2 else (GOOD, BAD)
            text = f"A {words.choice(first)} start, a {words.choice(last)} end"
            text += " of film" * words.randrange(4) + f" {number}."
            writer.writerow([text, "good" if number % 2 else "bad"])
    return folder


def run_module(module, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def flags(folder, *more):
    return [
        *("--dataset", "files", "--data-path", str(folder / "reviews")),
        *("--runs-path", str(folder / "runs")),
        *("--cache-path", str(folder / "data"), *SMALL, *more),
    ]


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
    live = list(predict.Predictor(run)(texts))
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
    path.write_bytes(b"a lovely end\n\n\xff a dull end\n" * 70)
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
    use = predict.Predictor(run)
    texts = ["a lovely end", "dull " * 30, "a"]
    together = [p for _, p, *_ in use(texts)]
    alone = [next(use([text]))[1] for text in texts]
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
    assert "right \\ predicted" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "none.txt"], "none.txt: No such file"),
        (["--input", "x", "a text"], "texts or --input, not both"),
        (["--run", "y", "a text"], "no run 'y'; the runs are: x"),
        (["--explain", "--page", "no/x.html", "a"], "no is no folder"),
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
    monkeypatch.setattr(runs, "make_deterministic", lambda seed: None)
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
    monkeypatch.setattr(runs, "make_deterministic", lambda seed: None)
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


class Texts:
    """Some batches of texts with their labels."""

    def __init__(self, classes, seed=0):
        random = np.random.default_rng(seed)
        self.rows = [
            random.integers(1, 6, random.integers(1, 8)).tolist()
            for _ in range(90)
        ]
        self.labels = random.integers(0, classes, 90).tolist()

    def dataset(self):
        for start in range(0, 90, 20):
            rows = self.rows[start : start + 20]
            width = max(map(len, rows)) + 1
            padded = [row + [0] * (width - len(row)) for row in rows]
            labels = np.array(self.labels[start : start + 20])
            yield tf.constant(padded, tf.int32), labels


def ratio_by_definition(texts, classes, gram, label, without=None):
    """The formula of the docstring, n-grams as tuples, text by text."""
    inside = outside = size = total = 0
    for row, other in zip(texts.rows, texts.labels, strict=True):
        if sum(row) % ratios.FOLDS == without:
            continue
        padded = row + [0] * len(gram)
        grams = {tuple(padded[i : i + len(gram)]) for i in range(len(row))}
        total += 1
        size += other == label
        inside += gram in grams and other == label
        outside += gram in grams and other != label
    share = size / total
    smoothed = (inside + 2 * share) / (outside + 2 * (1 - share))
    return np.log(smoothed) - np.log(share / (1 - share))


@pytest.mark.parametrize("classes", [2, 3])
def test_ratios_are_those_of_the_formula(classes):
    texts = Texts(classes)
    # Places enough that no two of these n-grams share one.
    found = ratios.Ratios(texts, classes, 2, places=2**16)
    columns = [1] if classes == 2 else range(classes)
    assert found.width == 2 * len(columns)
    for tokens, labels in texts.dataset():
        stream = tf.data.Dataset.from_tensors((tokens, labels))
        (((_, held_out), _),) = found.for_training(stream)
        (((_, whole), _),) = found.for_validation(stream)
        for row, text in enumerate(tokens.numpy()):
            own = sum(text) % ratios.FOLDS
            padded = [*text.tolist(), 0]
            for place in np.flatnonzero(text):
                grams = [tuple(padded[place : place + n]) for n in (1, 2)]
                for ours, without in [(whole, None), (held_out, own)]:
                    expected = [
                        ratio_by_definition(texts, classes, g, c, without)
                        for g in grams
                        for c in columns
                    ]
                    np.testing.assert_allclose(
                        ours[row, place], expected, atol=1e-5
                    )
        tokens_in = keras.Input((None,), dtype="int32")
        inside = keras.Model(tokens_in, found.lookup(tokens_in))(tokens)
        np.testing.assert_array_equal(inside, whole)
        break


def test_a_text_is_not_told_its_own_label():
    """A word that stands in one text only says nothing to that text."""
    texts = Texts(2)
    texts.rows[0] = [77, 78]
    found = ratios.Ratios(texts, 2, 1)
    batch = next(texts.dataset())
    stream = tf.data.Dataset.from_tensors(batch)
    (((_, held_out), _),) = found.for_training(stream)
    (((_, whole), _),) = found.for_validation(stream)
    np.testing.assert_allclose(held_out[0, :2], 0, atol=1e-6)
    assert np.all(np.abs(whole[0, :2]) > 0.5)


def test_an_unseen_ngram_has_no_ratio_however_rare_a_class():
    texts = Texts(2)
    texts.labels = [1] * 5 + [0] * 85
    found = ratios.Ratios(texts, 2, 1)
    stream = tf.data.Dataset.from_tensors((tf.constant([[99]]), [0]))
    (((_, whole), _),) = found.for_validation(stream)
    np.testing.assert_allclose(whole, 0, atol=1e-6)


def weights_of(folder):
    classifier = keras.models.load_model(folder / "model.keras")
    return [np.array(w) for w in classifier.get_weights()]


def kill_when(process, ready):
    """Kills a process once `ready()`; says whether it was still alive."""
    while process.poll() is None and not ready():
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


class Moment:
    """Is true some seconds after a log has so many epochs."""

    def __init__(self, log, epochs, seconds):
        self.log, self.epochs, self.seconds = log, epochs, seconds
        self.since = None

    def __call__(self):
        if self.since is None:
            done = 0
            if self.log.exists():
                done = self.log.read_text().count("\n") - 1
            if done < self.epochs:
                return False
            self.since = time.time()
        return time.time() > self.since + self.seconds


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(tmp_path):
    write_reviews(tmp_path / "reviews", 2000)
    more = ["--epochs", "4", "--learning-rate", "0.001"]
    whole = run_module(
        "apps.sentiment.train", *flags(tmp_path, *more, "--name", "whole")
    )
    assert whole.returncode == 0, whole.stderr
    folder = tmp_path / "runs" / "sentiment" / "killed"
    command = [sys.executable, "-m", "apps.sentiment.train"]
    command += flags(tmp_path, *more, "--name", "killed")
    random_moment = random.Random(time.time())  # others each time, on purpose

    kills = 0
    for epochs, most in [(0, 12), (1, 1), (2, 1), (4, 2), (4, 0.3)]:
        if (folder / "metrics.json").exists():
            break
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        seconds = random_moment.uniform(0, most)
        kills += kill_when(process, Moment(folder / "log.csv", epochs, seconds))
    assert kills >= 3
    if not (folder / "metrics.json").exists():
        last = run_module(*command[2:])
        assert last.returncode == 0, last.stderr
    done = [folder.parent / name for name in ("killed", "whole")]
    weights = [weights_of(run) for run in done]
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for name in ("log.csv", "samples.txt"):
        ours, theirs = ((run / name).read_text() for run in done)
        assert ours == theirs
    records = [json.loads((r / "metrics.json").read_text()) for r in done]
    assert records[0]["metrics"] == records[1]["metrics"]
    assert (done[0] / "export" / "saved_model.pb").exists()


@pytest.mark.slow
def test_the_demo_is_learned(tmp_path):
    done = run_module(
        "apps.sentiment.train",
        *("--runs-path", str(tmp_path), "--cache-path", str(tmp_path / "data")),
    )
    assert done.returncode == 0, done.stderr
    path = tmp_path / "sentiment" / "demo-gru" / "metrics.json"
    record = json.loads(path.read_text())
    assert record["metrics"]["accuracy"] >= 0.95
    assert record["baselines"]["bag_of_words"]["accuracy"] < 0.8


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        ("--mixed-precision", "true"),
        ("--jit-compile", "true"),
        ("--depth", "2", "--cell", "peephole_lstm", "--bidirectional", "false"),
    ],
)
def test_every_way_of_computing_learns(tmp_path, more):
    write_reviews(tmp_path / "reviews", 600)
    arguments = flags(tmp_path, "--epochs", "6", "--name", "x", *more)
    done = run_module("apps.sentiment.train", *arguments)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "runs" / "sentiment" / "x" / "metrics.json"
    assert json.loads(path.read_text())["metrics"]["accuracy"] > 0.9
