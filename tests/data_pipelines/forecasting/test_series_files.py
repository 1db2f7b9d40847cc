"""Tables in their three forms, and what is wrong with one, line by line."""

import datetime

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from data_pipelines.files.errors import DataError
from data_pipelines.forecasting import series_files

LONG = (
    "series,time,value,load,note\na,1,10,1,x\na,2,,2,y\nb,1,5,,z\nb,2,6,0,z\n"
)


@pytest.fixture
def read(tmp_path):
    def read_text(text, **options):
        path = tmp_path / "train.csv"
        path.write_text(text)
        names = options.pop("names", {})
        return series_files.read(path, names, **options)

    return read_text


def test_a_long_table(read):
    file = read(LONG)
    assert (file.form, file.covariates) == ("long", ("load",))
    assert list(file.series) == ["a", "b"]
    np.testing.assert_array_equal(file.series["a"].values, [10, np.nan])
    np.testing.assert_array_equal(file.series["b"].covariates, [[np.nan], [0]])
    assert any("'note': text" in note for note in file.notes)


def test_a_long_table_without_series_by_other_names(read):
    file = read("Date;y\n2026-01-01;1.5\n2026-01-02;NA\n")
    np.testing.assert_array_equal(file.series["value"].values, [1.5, np.nan])
    assert file.are_dates


def test_columns_by_flags(read):
    text = "when,flow,stage\n1,2,3\n2,3,4\n"
    file = read(text, names={"time": "when", "value": "flow"})
    assert (file.form, file.covariates) == ("long", ("stage",))
    np.testing.assert_array_equal(file.series["value"].values, [2, 3])


def test_chosen_covariates(read):
    assert read(LONG, covariates=[]).covariates == ()
    with pytest.raises(DataError, match="no column 'lod'; beside the values"):
        read(LONG, covariates=["lod"])


def test_a_wide_table(read):
    file = read("date,OT,load\n2026-01-01 00:00,1,2\n2026-01-01 01:00,3,\n")
    assert (file.form, list(file.series)) == ("wide", ["OT", "load"])
    np.testing.assert_array_equal(file.series["load"].values, [2, np.nan])


def test_a_row_a_series_as_m4_has_it(read):
    file = read('"V1","V2","V3","V4"\n"H1","1","2","3"\n"H2","4","",""\n')
    assert file.form == "rows"
    np.testing.assert_array_equal(file.series["H1"].values, [1, 2, 3])
    np.testing.assert_array_equal(file.series["H2"].values, [4])


def test_times_of_parquet(tmp_path):
    hours = [datetime.datetime(2026, 1, 1, hour) for hour in range(3)]
    table = pyarrow.table({"time": hours, "value": [1.0, 2.0, 3.0]})
    parquet.write_table(table, tmp_path / "train.parquet")
    file = series_files.read(tmp_path / "train.parquet", {})
    assert (file.form, file.are_dates) == ("long", True)
    assert np.diff(file.series["value"].times).tolist() == [3600, 3600]


def test_whole_numbers_that_no_float_holds(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text(f'{{"time": 1, "value": {10**400}}}\n')
    with pytest.raises(DataError, match=r"train.jsonl:1: .* is no number"):
        series_files.read(path, {})


def test_dates_in_parts(read):
    text = "No,year,month,day,hour,pm2.5\n1,2010,1,1,0,NA\n2,2010,1,1,1,3\n"
    file = read(text, names={"value": "pm2.5"})
    times = file.series["value"].times
    assert (file.are_dates, times[1] - times[0]) == (True, 3600)


def test_unsorted_times_are_sorted_and_said(read):
    file = read("time,value\n2,20\n1,10\n")
    np.testing.assert_array_equal(file.series["value"].values, [10, 20])
    assert any("train.csv:3: not in the order" in note for note in file.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,value\n1,2\n2,many\n", "train.csv:3: 'many' in the column"),
        ("time,value\n1,2\n2,inf\n", "train.csv:3: inf in the column"),
        ("time,value\n1,2\n2,1e17\n", "train.csv:3: 1e17 in the column"),
        ("time,value\n1,2\n1,3\n", "train.csv:3: 'value' has a second row"),
        ("ds,y\n2026-01-01T00:00:00.1,2\n2026-01-01T00:00:00.9,3\n",
         "train.csv:3: 'value' has a second row for the time of line 2, in w"),
        ("time,value\n1,2\n2026-01-01,3\n", "train.csv:3: the time '2026-01"),
        ("time,value\n1,2\nsoon,3\n", "train.csv:3: the time 'soon' is"),
        ("V1,V2\nH1,1\nH1,2\n", "train.csv:3: a second row for the"),
        ("time;value\n1;2,5\n", "'value' is no number; expected one, with a"),
        ("Datum;kW\n31.01.2026;2\n", "the time, '31.01.2026'? say so by --ti"),
        ("Tag,kW\n2026-01-31 13:00,2\n", "say so by --time-column Tag"),
        ("year,month,day,pm\n2010,1,1,x\n", "train.csv:2: 'x' in the column"),
        ("time,series\n1,a\n", "'a' in the column 'series'"),
        ("", "empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(read, text, message):
    with pytest.raises(DataError) as error:
        read(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
