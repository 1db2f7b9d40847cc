"""The translation app as its user meets it: a small training, then its use."""

import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from sacrebleu.metrics import BLEU
from tensorboard.backend.event_processing import event_accumulator

from apps.common import cli, decoding, runs
from apps.common.generation import Search
from apps.translation import evaluate, model, predict, scores, train
from apps.translation.config import ATTENTION, PRESETS, Config
from data_pipelines.text.tokenizers import Tokenizer
from tests.apps.tools import ROOT, run_module
from tests.apps.translations import flags, translation, write_pairs


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run: its folder and what the terminal showed."""
    folder = tmp_path_factory.mktemp("translation")
    write_pairs(folder / "pairs")
    done = run_module("apps.translation.train", *flags(folder, "--name", "x"))
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "translation" / "x", done


@pytest.fixture(scope="module")
def translator(trained):
    run = runs.open_run("translation", str(trained[0]))
    return predict.Predictor.of_run(run)


def options(trained, **more):
    return predict.Options(runs_path=str(trained[0].parents[1]), **more)


GREEDY = Search()
SENTENCES = ["One two three.", "Nine.", "Four four six five."]


def test_the_run_folder_is_complete(trained):
    run, _ = trained
    expected = """attention.png backup config.json curve.png export lock log.csv
        metrics.json model.keras report.html samples.txt source.txt target.txt
        tensorboard"""
    assert sorted(p.name for p in run.iterdir()) == expected.split()


def test_metrics_json_has_what_is_promised(trained):
    record = json.loads((trained[0] / "metrics.json").read_text())
    keys = "bleu chrf bleu_greedy perplexity exact_match"
    assert list(record["metrics"]) == [
        *("bleu", "chrf", "exact_match", "bleu_greedy", "perplexity")
    ]
    assert set(record["metrics"]) == set(keys.split())
    assert set(record["baselines"]) == {"copy_source", "most_frequent"}
    assert "tok:13a" in record["signatures"]["bleu"]
    assert sum(record["examples"].values()) == 900


def test_unseen_combinations_are_translated(trained):
    record = json.loads((trained[0] / "metrics.json").read_text())
    assert record["metrics"]["exact_match"] > 0.8
    assert record["metrics"]["bleu"] > 80
    assert record["metrics"]["perplexity"] < 1.5
    assert record["baselines"]["copy_source"]["bleu"] < 20


def test_the_terminal_shows_scores_translations_and_what_is_next(trained):
    run, done = trained
    lines = done.stdout.splitlines()
    record = json.loads((run / "metrics.json").read_text())
    for name, found in [
        ("x", record["metrics"]),
        *record["baselines"].items(),
    ]:
        line = next(line for line in lines if line.split()[:1] == [name])
        assert line.split()[1] == f"{found['bleu']:.4f}"
    for begin in ("source ", "translation ", "reference "):
        assert sum(line.startswith(begin) for line in lines) == 3
    assert any("make predict-translation" in line for line in lines)
    assert done.stderr == ""


def test_scores_are_those_of_sacrebleu(trained, translator):
    outputs = ["Uno due.", "Tre quattro cinque sei."]
    references = ["Uno due.", "Tre quattro sei cinque."]
    found = scores.scores(outputs, references, "it")
    expected = BLEU().corpus_score(outputs, [references]).score
    assert found["bleu"] == pytest.approx(expected)
    assert found["exact_match"] == 0.5


def test_baselines_by_hand():
    found = scores.baselines(
        ["a b c d e", "f"], ["a b c d e", "z z z z z"], ["z z z z z"] * 2, "en"
    )
    assert found["copy_source"]["exact_match"] == 0.5
    assert found["most_frequent"]["exact_match"] == 0.5


def test_tensorboard_has_every_tag(trained):
    found = {}
    for part in ("train", "validation"):
        reader = event_accumulator.EventAccumulator(
            str(trained[0] / "tensorboard" / part)
        )
        reader.Reload()
        found[part] = reader.Tags()["tensors"]
    assert {"loss", "perplexity", "gradient_norm", "tokens_per_second"} <= set(
        found["train"]
    )
    assert {"bleu", "perplexity", "samples", "attention/1"} <= set(
        found["validation"]
    )


def test_attention_looks_at_the_word_that_is_translated(translator):
    """The task is known: output word t comes from the t-th last word."""
    text = "Two five seven nine."
    best = translator([text], GREEDY)[0][0]
    assert best.text == translation(text)
    _, target, weights = translator.attention([text], [best])[0]
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    assert target == ["▁Nove", "▁sette", "▁cinque", "▁due", ".", "[EOS]"]
    # States of the encoder see their neighbours, so one beside is right too.
    looked = weights[:4].argmax(axis=1)
    assert np.abs(looked - [3, 2, 1, 0]).max() <= 1


# One token at a time equals the whole.


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize(
    ("cell", "depth"), [("gru", 1), ("lstm", 2), ("projection_lstm", 2)]
)
def test_steps_agree_with_teacher_forcing(attention, cell, depth):
    config = Config(
        cell=cell, depth=depth, attention=attention, units=6, embedding_size=4
    )
    translator, _ = model.build(config, 11, 9)
    random = np.random.default_rng(0)
    source = random.integers(4, 11, (3, 5)).astype("int32")
    source[0, 3:] = 0
    target = random.integers(4, 9, (3, 4)).astype("int32")
    target[:, 0] = Tokenizer.BEGIN
    logits = np.array(translator([source, target]))
    steps = model.IncrementalDecoder(translator)
    memory = steps.encode(source)
    state = steps.initial_state(memory)
    for t in range(target.shape[1]):
        found, state = steps.step(target[:, t], state, memory)
        np.testing.assert_allclose(found, logits[:, t], atol=2e-5)
    if attention != "none":
        weights = np.array(steps.attention(source, target))
        np.testing.assert_allclose(
            weights[:, -1], np.array(state["weights"]), atol=1e-5
        )
        assert (weights[0, :, 3:] == 0).all()


def test_forced_scores_are_the_losses_of_the_model(translator):
    """A reference costs the same by steps as in one pass."""
    ids = predict.padded(translator.encode(SENTENCES))
    targets = [
        [*translator.target.encode(translation(s)), Tokenizer.END]
        for s in SENTENCES
    ]
    target = predict.padded(targets)
    memory = translator.decoder.encode(ids)
    found = decoding.score(
        lambda tokens, state: translator.decoder.step(tokens, state, memory),
        translator.decoder.initial_state(memory),
        target,
        decoding.Rules(Tokenizer.BEGIN, Tokenizer.END, target.shape[1]),
    )
    begin = np.full((3, 1), Tokenizer.BEGIN, "int32")
    read = np.concatenate([begin, target[:, :-1]], axis=1)
    logits = np.float64(translator.model([ids, read]))
    known = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    for row, tokens in enumerate(targets):
        expected = sum(known[row, t, token] for t, token in enumerate(tokens))
        assert float(found.log_probabilities[row]) == pytest.approx(
            expected, rel=1e-4, abs=1e-4
        )


def test_a_batch_equals_its_sentences(translator):
    search = Search(3, 1.0, n_best=3)
    together = translator(SENTENCES, search)
    for text, best in zip(SENTENCES, together, strict=True):
        alone = translator([text], search)[0]
        assert [t.text for t in alone] == [t.text for t in best]
        np.testing.assert_allclose(
            [t.score for t in alone], [t.score for t in best], rtol=1e-4
        )


def test_n_best_are_different_and_sorted(translator):
    for best in translator(SENTENCES, Search(4, 1.0, n_best=4)):
        assert len({tuple(t.tokens) for t in best}) == 4
        found = [t.score for t in best]
        assert found == sorted(found, reverse=True)


def test_scheduled_sampling_reads_predictions_in_training_alone():
    layer = model.OwnTokens(0.5, seed=0)
    target = np.full((50, 20), 3, "int32")
    target[:, 0], target[:, 15:] = 1, 0
    logits = np.zeros((50, 20, 9), "float32")
    logits[..., 7] = 1
    assert (np.array(layer(target, logits)) == target).all()
    read = np.array(layer(target, logits, training=True))
    assert (read[:, 15:] == 0).all()
    assert (read[:, 0] == 1).all()
    assert set(np.unique(read[:, 1:15])) == {3, 7}
    assert 0.4 < (read[:, 1:15] == 7).mean() < 0.6


def test_scheduled_sampling_shares_all_weights():
    config = Config(scheduled_sampling=0.3, units=6, embedding_size=4)
    trained, translator = model.build(config, 11, 9)
    assert trained is not translator
    assert {id(v) for v in trained.trainable_variables} == {
        id(v) for v in translator.trainable_variables
    }


def test_teacher_forcing_predicts_the_next_token():
    source, target = np.array([[5, 3]]), np.array([[2, 7, 8, 3]])
    (source_read, target_read), target_next = evaluate.teacher_forced(
        source, target
    )
    assert source_read is source
    assert target_read.tolist() == [[2, 7, 8]]
    assert target_next.tolist() == [[7, 8, 3]]


# predict


def test_predict_gives_a_line_for_each(trained, capsys, monkeypatch):
    predict.main(options(trained, texts=tuple(SENTENCES)))
    out = capsys.readouterr().out.splitlines()
    assert out == [translation(s) for s in SENTENCES]


def test_predict_n_best_with_scores(trained, capsys):
    predict.main(
        options(trained, texts=("Six.",), beam=5, n_best=3, scores=True)
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    found = [float(line.split("\t")[0]) for line in lines]
    assert found == sorted(found, reverse=True)
    assert lines[0].split("\t")[1] == "Sei."


def test_predict_keeps_empty_lines_and_says_what_it_cuts(
    trained, tmp_path, capsys
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


def test_predict_samples_by_seed(trained, capsys):
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
def test_predict_refuses(trained, more, message):
    with pytest.raises(cli.UserError, match=message):
        predict.main(options(trained, **more))


def test_predict_refuses_files_that_do_not_belong_together(trained, tmp_path):
    copy = tmp_path / "translation" / "x"
    shutil.copytree(trained[0], copy)
    lines = (copy / "target.txt").read_text().splitlines()
    (copy / "target.txt").write_text("\n".join([*lines, "▁more"]) + "\n")
    with pytest.raises(cli.UserError, match=r"another source\.txt or target"):
        predict.main(predict.Options(texts=("a",), runs_path=str(tmp_path)))


# evaluate, export, the model elsewhere


def test_evaluate_gives_the_scores_of_training(trained, capsys):
    evaluate.main(evaluate.Options(runs_path=str(trained[0].parents[1])))
    lines = capsys.readouterr().out.splitlines()
    record = json.loads((trained[0] / "metrics.json").read_text())
    line = next(line for line in lines if line.startswith("x (test)"))
    expected = [f"{record['metrics'][name]:.4f}" for name in scores.METRICS]
    assert line.split()[2:] == expected


def test_the_model_loads_with_rnn_layers_alone(trained, tmp_path):
    (tmp_path / "rnn_layers").symlink_to(ROOT / "rnn_layers")
    script = f"""
import sys, numpy as np, keras, rnn_layers
model = keras.models.load_model({str(trained[0] / "model.keras")!r})
ids = np.ones((2, 5), "int32")
assert model.predict([ids, ids], verbose=0).shape[:2] == (2, 5)
loaded = {{m.split(".")[0] for m in sys.modules}}
assert not loaded & {{"apps", "data_pipelines"}}
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


def test_the_export_needs_tensorflow_alone(trained, translator, tmp_path):
    search = Search(4, 0.7, n_best=4)
    texts = [*SENTENCES, "One  ünknown \t two.", "seven " * 40]
    expected = translator(texts, search)
    script = f"""
import sys, json, tensorflow as tf
served = tf.saved_model.load({str(trained[0] / "export")!r})
found = served.serve(tf.constant({texts!r}), 4, 0.7)
print(json.dumps([[t.decode() for t in row] for row in found["text"].numpy()]))
print(json.dumps(found["score"].numpy().tolist()))
for name in ("apps", "data_pipelines", "rnn_layers", "keras"):
    assert name not in sys.modules or name == "keras", name
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    found, found_scores = map(json.loads, done.stdout.splitlines()[-2:])
    assert found == [[t.text for t in best] for best in expected]
    np.testing.assert_allclose(
        found_scores, [[t.score for t in best] for best in expected], atol=1e-4
    )


# train


def test_the_smoke_preset_is_a_training():
    config = cli.parse(Config, PRESETS, ["--preset", "smoke"])
    assert config.epochs == 1


def test_a_missing_language_file_is_one_line(tmp_path):
    write_pairs(tmp_path / "pairs", 50)
    (tmp_path / "pairs" / "train.it").unlink()
    done = run_module("apps.translation.train", *flags(tmp_path))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "train.it" in done.stderr
    assert not list((tmp_path / "runs").rglob("config.json"))


def test_training_is_a_function_of_its_command(tmp_path):
    """Nothing here is random but by the seed."""
    write_pairs(tmp_path / "pairs", 200)
    weights = []
    for name in ("a", "b"):
        arguments = flags(tmp_path, "--epochs", "1", "--name", name)
        config = cli.parse(Config, PRESETS, arguments)
        train.train(config)
        keras.utils.clear_session(free_memory=False)
        path = tmp_path / "runs" / "translation" / name / "model.keras"
        weights.append(keras.models.load_model(path).get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
