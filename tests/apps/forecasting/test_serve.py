"""What the page and the JSON answer is what the SavedModel says."""

import math
import time
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from apps.common import cli, export
from apps.common.serving import openapi, server
from apps.forecasting.serve import Answer, Request, Service, fan
from data_pipelines.files.errors import DataError
from tests.apps.tools import conforms

LEVELS = [0.1, 0.5, 0.9]


class Served:
    """A SavedModel that forecasts the last value, and how long a series is."""

    def __init__(self, *names):
        inputs = dict.fromkeys(("series", *names))
        self.structured_input_signature = (), inputs
        self.asked = {}

    def __call__(self, **inputs):
        self.asked = {name: value.numpy() for name, value in inputs.items()}
        series = self.asked["series"]
        known = (~np.isnan(series)).sum(axis=1)
        ahead = series[:, -1:, None] + np.array([-1, 0, 1])  # B 1 Q
        return {
            "quantiles": tf.constant(np.repeat(ahead, 2, axis=1)),
            "levels": tf.constant(np.repeat([LEVELS], len(known), axis=0)),
        }


@pytest.fixture
def service():
    return Service(Served())


def test_series_of_other_lengths_are_one_batch(service):
    requests = [Request("1, 2\n3"), Request("5;nan 7 8 9,\n")]
    answers = service([service.prepare(request) for request in requests])
    assert all(conforms(a, openapi.schema(Answer)) for a in answers)
    assert answers[0]["values"] == [1, 2, 3]
    assert answers[0]["quantiles"] == [[2, 3, 4]] * 2
    assert answers[1]["values"] == [5, None, 7, 8, 9]
    assert answers[1]["quantiles"] == [[8, 9, 10]] * 2
    np.testing.assert_array_equal(
        service.serve.asked["series"],
        [[math.nan, math.nan, 1, 2, 3], [5, math.nan, 7, 8, 9]],
    )


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (Request("1 2 three"), "text: value 3 is 'three'; expected a number"),
        (Request("1 1e999"), "text: value 2 is '1e999'; expected a number"),
        (Request("nan, nan"), "text: no value is known"),
        (Request("1 " * 10_001), "text: more than 10,000 values"),
        (Request("1 2", "soon"), "time: the run knows the calendar; expected"),
    ],
)
def test_what_is_no_series_is_one_line(request_, line):
    with pytest.raises(DataError) as error:
        Service(Served("time")).prepare(request_)
    assert str(error.value).startswith(line)


def test_a_run_that_knows_the_calendar_gets_the_time():
    service = Service(Served("time", "id"))
    times = ("1970-01-02", "1970-01-01 02:00+01:00")
    service([service.prepare(Request("1", time)) for time in times])
    assert service.serve.asked["time"].tolist() == [86_400, 3600]
    hour = time.time() // 3600 * 3600
    assert service.prepare(Request("1")).time - hour in (0, 3600)
    assert service.serve.asked["id"].tolist() == [0, 0]


def test_the_chart_has_the_past_its_gaps_and_the_intervals(service):
    (answer,) = service([service.prepare(Request("0 1 nan 4"))])
    chart = fan(answer)
    # Four values and two steps, from 0 at the bottom to 5 at the top.
    assert chart.past == ["0.0,280.0 200.0,224.0", "600.0,56.0"]
    assert chart.median == "800.0,56.0 1000.0,56.0"
    assert chart.bands == ["800.0,112.0 1000.0,112.0 1000.0,0.0 800.0,0.0"]
    html = server.rendered(Service, Request("0 1 nan 4"), answer)
    assert html.count("<polygon") == 1
    assert html.count("<polyline") == 3
    assert html.count("<tr>") == 3
    assert "style=" not in html


def test_a_run_that_needs_covariates_says_so(trained):
    with pytest.raises(cli.UserError, match="needs covariates"):
        Service.of_run(trained.run)


def test_the_saved_model_is_what_answers(trained, monkeypatch):
    run = trained.run
    loaded = SimpleNamespace(signatures={"serve": Served()})
    monkeypatch.setattr(export, "load", lambda folder: loaded)
    assert Service.of_run(run).serve is loaded.signatures["serve"]
    (example,) = Service.examples(run)
    Service(Served()).prepare(Request(example))
