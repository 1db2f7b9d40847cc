"""Writing a SavedModel: it is compared with the live function, or refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from apps.common import export, runs
from apps.common.cli import UserError

SIGNATURE = [tf.TensorSpec((None, 2), tf.float32, name="x")]
EXAMPLES = [(tf.constant([[1.0, 2.0]]),), (tf.zeros((3, 2)),)]


@pytest.fixture
def run(tmp_path):
    return runs.Run("sentiment", tmp_path, {})


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((2,))
    return keras.Model(inputs, keras.layers.Dense(3)(inputs))


def write(run, model, serve, predict=None, **more):
    export.write(
        run,
        model,
        serve,
        SIGNATURE,
        predict=predict or serve,
        examples=EXAMPLES,
        **more,
    )


def test_it_answers_as_the_live_model_does(run, model, capsys):
    write(run, model, lambda x: {"y": model(x)})
    assert "largest difference to predict: 0.0e+00" in (capsys.readouterr().out)
    served = export.load(run.file("export"))
    x = tf.constant([[3.0, 4.0]])
    np.testing.assert_array_equal(served.serve(x)["y"], model(x))
    assert [path.name for path in run.path.iterdir()] == ["export"]


def test_it_is_written_again_in_place_of_the_old_one(run, model):
    write(run, model, lambda x: {"y": model(x)})
    write(run, model, lambda x: {"y": model(x) * 2})
    served = export.load(run.file("export"))
    x = tf.constant([[3.0, 4.0]])
    np.testing.assert_array_equal(served.serve(x)["y"], model(x) * 2)
    assert [path.name for path in run.path.iterdir()] == ["export"]


def test_other_endpoints_are_compared_too(run, model, capsys):
    count = export.Endpoint(
        "count", lambda x: {"n": tf.shape(x)[0]}, SIGNATURE, EXAMPLES
    )
    write(run, model, lambda x: {"y": model(x)}, more=[count])
    served = export.load(run.file("export"))
    assert int(served.count(tf.zeros((4, 2)))["n"]) == 4


@pytest.mark.parametrize(
    ("said", "served"),
    [(b"a", "b"), (np.inf, 0.0), (0.5, 0.0), ([0.0, 0.0], 0.0)],
)
def test_an_answer_that_differs_is_refused(run, model, said, served):
    write(run, model, lambda x: {"y": model(x)})
    with pytest.raises(UserError, match="differs from predict in 'kind'"):
        write(
            run,
            model,
            lambda x: {"y": model(x), "kind": tf.constant(served)},
            lambda x: {"kind": said},
        )
    # The export of before is still there, and nothing else.
    assert [path.name for path in run.path.iterdir()] == ["export"]
    assert "kind" not in export.load(run.file("export")).serve(*EXAMPLES[0])


def test_numbers_that_differ_are_told(run, model, capsys):
    write(
        run,
        model,
        lambda x: {"y": model(x)},
        lambda x: {"y": model(x).numpy() + 0.015625},
    )
    assert "difference to predict: 1.6e-02" in capsys.readouterr().out


def test_a_run_of_before_has_no_versions(run, model):
    write(run, model, lambda x: {"y": model(x)})
    (run.path / "export" / "1").rename(run.path / "old")
    x = tf.constant([[3.0, 4.0]])
    served = export.load(run.file("old"))
    np.testing.assert_array_equal(served.serve(x)["y"], model(x))


@pytest.mark.parametrize("change", ["cut", "flip", "delete"])
def test_a_damaged_export_is_one_line(run, model, change):
    write(run, model, lambda x: {"y": model(x)})
    (run.path / "export" / "2 of me").mkdir()  # no version
    export.load(run.file("export"))
    for name in ("saved_model.pb", "variables/variables.index"):
        path = run.path / "export" / "1" / name
        content = path.read_bytes()
        path.unlink()
        if change == "cut":
            path.write_bytes(content[: len(content) // 2])
        if change == "flip":
            path.write_bytes(bytes(byte ^ 1 for byte in content))
        with pytest.raises(
            UserError, match="export/1 cannot be loaded as"
        ) as e:
            export.load(run.file("export"))
        assert "\n" not in str(e.value)
        path.write_bytes(content)


def test_texts_have_a_status():
    texts = tf.constant(["a", b"\xff", "\u00e9"])
    status = export.text_status(texts, tf.constant([True, False, False]))
    assert status.numpy().tolist() == [b"empty", b"repaired", b"ok"]


def test_a_missing_hypothesis_is_no_difference(run, model, capsys):
    def serve(x):
        return {"y": model(x), "score": tf.constant([1.0, -np.inf])}

    write(run, model, serve)
    assert "0.0e+00" in capsys.readouterr().out


def test_another_backend_writes_nothing(run, model, monkeypatch, capsys):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    write(run, model, lambda x: {"y": model(x)})
    assert "KERAS_BACKEND=tensorflow" in capsys.readouterr().out
    assert not list(run.path.iterdir())
