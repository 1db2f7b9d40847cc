"""The SavedModel: tensorflow alone, series of any length, step by step."""

import shutil

import numpy as np
import pytest

from apps.common import export as common_export
from apps.common import networks, runs
from apps.forecasting import evaluate, export
from apps.forecasting.inference import Forecaster
from apps.forecasting.predict import Predictor
from data_pipelines.forecasting.frequency import Frequency
from tests.apps.common.portable import written
from tests.apps.forecast_files import write_long
from tests.apps.forecasting.test_model import build
from tests.apps.tools import in_a_new_process, in_all_forms, needs_formats


@pytest.mark.slow
def test_the_export_loads_with_tensorflow_alone(trained, predictor, tmp_path):
    split = predictor.latest()
    inputs, _ = split.fetch(split.planner.once()[0], 0)
    np.savez(tmp_path / "inputs.npz", **inputs)
    script = f"""
import sys, numpy as np, tensorflow as tf
served = tf.saved_model.load({str(trained.run.file("export") / "1")!r})
inputs = np.load("inputs.npz")
time = inputs["time"]
result = served.serve(inputs["series"], time, inputs["covariates"])
np.save("quantiles.npy", result["quantiles"].numpy())
longer = np.pad(inputs["series"], [(0, 0), (9, 0)], constant_values=7)
more = np.pad(inputs["covariates"], [(0, 0), (9, 0), (0, 0)])
again = served.serve(longer, time, more)["quantiles"].numpy()
assert np.allclose(again, result["quantiles"].numpy(), rtol=1e-5)
empty = served.serve(0 * longer + np.nan, time, more)
assert set(empty["status"].numpy()) == {{b"empty"}}
assert np.isnan(empty["quantiles"].numpy()).all()
ours = ("apps", "data_pipelines", "rnn_layers", "keras")
assert not any(n.split(".")[0] in ours[:3] for n in sys.modules)
"""
    in_a_new_process(script, tmp_path)
    expected = predictor.forecaster.of_split(split)
    np.testing.assert_allclose(
        np.load(tmp_path / "quantiles.npy"), expected, rtol=1e-4
    )


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("rnn", "direct"),
        pytest.param("nn_ar", "recursive", marks=pytest.mark.slow),
    ],
)
def test_steps_are_the_batch(tmp_path, name, mode):
    (tmp_path / "series").mkdir()
    write_long(tmp_path / "series" / "train.csv")
    models, config, data = build(
        tmp_path / "series", model=name, horizon_mode=mode, embedding_size=2
    )
    forecaster = Forecaster.of_config(models.forecaster, config, 3600, 5)
    predictor = Predictor(
        forecaster, config, Frequency("second", 3600, 0), data.names, []
    )
    run = runs.Run("forecasting", tmp_path, {})
    export.write(run, predictor)
    served = common_export.load(tmp_path / "export")
    series = data.store.values[1][-16:]
    state = served.initial_state()["state"]
    more = {
        "time": lambda t: np.array([1_767_225_600 + 3600 * (t + 51)]),
        "id": lambda t: np.array([2], np.int32),
    }
    names = [name for name in models.forecaster.input if name in more]
    for t, value in enumerate(series):
        inputs = [more[name](t) for name in names]
        answer = served.step(np.array([value]), state, *inputs)
        state = answer["state"]
        expected = predictor.forecaster.of_horizon(1)(
            {"series": state.numpy(), **dict(zip(names, inputs, strict=True))}
        )
        np.testing.assert_allclose(
            answer["quantiles"], expected[:, 0], rtol=1e-5, atol=1e-5
        )
        if mode == "direct":
            batch = served.serve(series[None, : t + 1], *inputs)["quantiles"]
            np.testing.assert_allclose(
                answer["quantiles"], batch[:, 0], rtol=1e-5, atol=1e-5
            )
    np.testing.assert_array_equal(state[0], series[-14:])


@pytest.mark.slow
def test_a_run_is_exported_again(trained, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(trained.run.path, copy)
    shutil.rmtree(copy / "export")
    export.main(export.Options(run=str(copy)))
    assert "largest difference to predict" in capsys.readouterr().out
    assert (copy / "export" / "1" / "saved_model.pb").exists()


@pytest.mark.slow
@needs_formats
def test_other_forms_go_on_step_by_step(tmp_path):
    write_long(tmp_path / "train.csv")
    models, config, data = build(
        tmp_path, model="rnn", horizon_mode="recursive"
    )
    predictor = Predictor(
        Forecaster.of_config(models.forecaster, config, 3600),
        *(config, Frequency("second", 3600, 0), data.names, []),
    )
    run = runs.Run("forecasting", tmp_path, {})
    inputs, _ = next(networks.examples(data.valid))
    inputs = {name: inputs[name][:1] for name in models.forecaster.input}
    live = predictor.forecaster(inputs)
    for network in written(run, *export.portable(run, predictor).networks):
        answer = network(**inputs)["quantiles"]
        np.testing.assert_allclose(answer, live, 1e-4, 1e-4)


@pytest.mark.slow
@needs_formats
def test_other_forms_forecast_as_predict_does(
    trained, predictor, tmp_path, capsys
):
    run = in_all_forms("forecasting", trained.run.path, tmp_path, "--quantize")
    printed = capsys.readouterr().out
    assert "mean_absolute_error: " in printed
    again = tmp_path / "float32"
    again.mkdir()
    run = in_all_forms("forecasting", trained.run.path, again)
    names = [
        name for name in predictor.forecaster.model.input if name != "series"
    ]
    config = predictor.config
    data = evaluate.datasets(
        config, config.dataset, config.data_path, "", predictor.names
    )
    inputs, _ = next(networks.examples(data.valid))
    inputs = {name: inputs[name] for name in ("series", *names)}
    live = predictor.forecaster(inputs)
    for form, end in networks.SUFFIX.items():
        network = networks.Written(run / form / f"forecaster{end}")
        for row in range(2):
            answer = network(**{n: x[row : row + 1] for n, x in inputs.items()})
            np.testing.assert_allclose(
                answer["quantiles"][0], live[row], 1e-4, 1e-4
            )
