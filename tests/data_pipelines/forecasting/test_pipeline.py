"""From tables to splits by time, and what cannot be split."""

import numpy as np
import pytest

from data_pipelines.files.errors import DataError
from data_pipelines.forecasting import latest, make_datasets


def numbers(count, begin=0, name="a"):
    return [f"{name},{t},{t}" for t in range(begin, begin + count)]


@pytest.fixture
def make(tmp_path):
    def write(*, form="series,time,value", options=None, **files):
        for split, rows in files.items():
            text = "\n".join([form, *rows]) + "\n"
            (tmp_path / f"{split}.csv").write_text(text)
        settings = {"context": 5, "horizon": 3, "batch_size": 4, "seed": 0}
        return make_datasets(
            "files",
            tmp_path,
            cache_path=tmp_path / "cache",
            **(settings | (options or {})),
        )

    return write


def test_the_last_horizon_is_test_and_that_before_is_valid(make):
    data = make(train=numbers(30))
    np.testing.assert_array_equal(data.test.targets, [[27, 28, 29]])
    np.testing.assert_array_equal(data.valid.targets, [[24, 25, 26]])
    # All windows of train end before valid begins.
    assert len(data.train) == 30 - 6 - 5 - 3 + 1
    assert data.train.targets.max() == 23


def test_rolling_origins(make):
    data = make(train=numbers(40), options={"origins": 3, "stride": 2})
    begins = [[33, 34, 35], [35, 36, 37], [37, 38, 39]]
    np.testing.assert_array_equal(data.test.targets, begins)
    np.testing.assert_array_equal(data.valid.targets, np.array(begins) - 7)
    assert data.train.targets.max() == 25


def test_files_of_the_user_go_on_where_the_one_before_ends(make):
    data = make(
        train=numbers(20),
        valid=numbers(4, 20),
        test=numbers(5, 24),
        options={"stride": 1},
    )
    np.testing.assert_array_equal(
        data.test.targets, [[24, 25, 26], [25, 26, 27], [26, 27, 28]]
    )
    inputs, _ = data.test.fetch(data.test.planner.once()[0], 0)
    np.testing.assert_array_equal(inputs["series"][0], range(19, 24))


def test_a_row_a_series_with_a_test_file(make):
    def rows(first, count):
        return [f"a,{','.join(map(str, range(first, first + count)))}"]

    data = make(
        form=",".join(f"V{n}" for n in range(21)),
        train=rows(0, 20),
    )
    np.testing.assert_array_equal(data.test.targets, [[17, 18, 19]])


def test_gaps_are_missing_and_leading_ones_left_out(make):
    rows = [f"a,{t},{'' if t < 4 else t}" for t in range(30) if t != 10]
    data = make(train=rows)
    values = data.store.values[0]
    assert (len(values), values[0]) == (26, 4)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(values)), [6])


def test_dates_name_their_frequency(make):
    rows = [f"a,2026-01-{day:02},{day}" for day in range(1, 31)]
    data = make(train=rows, options={"context": 7})
    assert "every 1 day, inferred; season of 7" in "\n".join(data.report())


def test_short_and_empty_series_are_left_out_and_listed(make):
    rows = numbers(30) + numbers(9, name="b") + ["c,0,", "c,1,"]
    data = make(train=rows)
    report = "\n".join(data.report())
    assert data.test.planner.series.tolist() == [0]
    assert (
        "shorter than context and horizon (8 steps of train): 1 (b)" in report
    )
    assert "no value in train: 1 (c)" in report


def test_constant_series_are_said(make):
    rows = numbers(30) + [f"b,{t},7" for t in range(30)]
    assert "constant, without MASE" in "\n".join(make(train=rows).report())


def test_covariates_of_the_future_are_hidden_unless_known(make):
    rows = [f"a,{t},{t},{10 * t},{-t}" for t in range(30)]
    options = {"known_covariates": ["x"]}
    data = make(form="series,time,value,x,z", train=rows, options=options)
    inputs, _ = data.test.fetch(data.test.planner.once()[0], 0)
    known, hidden = inputs["covariates"][0].T
    np.testing.assert_array_equal(known, np.arange(22, 30) * 10)
    np.testing.assert_array_equal(hidden[:5], -np.arange(22, 27))
    assert np.isnan(hidden[5:]).all()


def test_what_comes_behind_the_last_value(make, tmp_path):
    make(train=[*numbers(30), "a,30,", "b,4,1", "c,4,"])
    split = latest(
        "files", tmp_path, cache_path=tmp_path / "cache", context=5, horizon=3,
        batch_size=4, names=["x", "b"], covariates=[],
    )  # fmt: skip
    inputs, targets = split.fetch(split.planner.once()[0], 0)
    np.testing.assert_array_equal(inputs["series"][0], range(25, 30))
    np.testing.assert_array_equal(
        np.isnan(inputs["series"][1]), [1, 1, 1, 1, 0]
    )
    np.testing.assert_array_equal(inputs["time"], [30, 5])
    np.testing.assert_array_equal(inputs["id"], [0, 2])
    assert np.isnan(targets).all()
    assert split.store.notes == ["left out, without a value: 1 (c)"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train": numbers(9)}, "no series can be used; 'a', for one: shorter"),
        ({"train": ["a,1,", "a,2,"]}, "'a', for one: no value in train"),
        (
            {"train": numbers(30), "test": numbers(5, 28)},
            "test.csv:2: 'a' at 28 is not behind",
        ),
        (
            {"train": numbers(30), "test": ["a,2026-01-01,1"]},
            "its times are dates, those of",
        ),
        (
            {"train": numbers(30), "test": numbers(3, 30, "b")},
            "test.csv: test has no value of a series that can be trained on",
        ),
        (
            {"train": numbers(30), "options": {"season": 6}},
            "--context 5 is shorter than the season of 6; expected at least",
        ),
        (
            {"train": [*numbers(5), "a,1000000,3"]},
            "has 6 values in 1,000,001 steps of 1 step",
        ),
        (
            {"train": [f"a,2026-01-01 {h:02}:{m},1" for h, m in
                       [(0, "00"), (1, "00"), (2, "00"), (2, "30")]]},
            "train.csv:5: a time that is not at a distance of whole steps",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line(make, files, message):
    with pytest.raises(DataError) as error:
        make(**files)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_covariate_is_refused(make):
    with pytest.raises(DataError, match="--known-covariates x: no such column"):
        make(train=numbers(30), options={"known_covariates": ["x"]})


def test_the_second_time_nothing_is_read(make, tmp_path):
    first = make(train=numbers(30))
    folders = sorted((tmp_path / "cache").iterdir())
    again = make(train=numbers(30))
    assert first.digest[2] == again.digest[2]
    assert len(folders) >= 1
