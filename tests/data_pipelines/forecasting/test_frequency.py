"""Times as numbers and back, and what is inferred of their distances."""

import datetime

import numpy as np
import pytest

from data_pipelines.forecasting import frequency


def times(*texts):
    parsed = [frequency.parse(text) for text in texts]
    assert len({is_date for is_date, _ in parsed}) == 1
    return np.array([number for _, number in parsed])


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03", (2026, 3, 1)),
        ("1949-1", (1949, 1, 1)),
        ("2026-03-05", (2026, 3, 5)),
        ("2026-03-05 13:30", (2026, 3, 5, 13, 30)),
        ("2026-03-05T13:30:10", (2026, 3, 5, 13, 30, 10)),
        ("2026-03-05T13:30:10Z", (2026, 3, 5, 13, 30, 10)),
        ("2026-03-05T13:30+02:00", (2026, 3, 5, 11, 30)),
    ],
)
def test_iso_dates_are_seconds(text, moment):
    expected = datetime.datetime(*moment, tzinfo=datetime.UTC).timestamp()
    assert frequency.parse(text) == (True, int(expected))


@pytest.mark.parametrize("text", ["12", "-3", "1949", "+7", "12.0"])
def test_whole_numbers_stay(text):
    assert frequency.parse(text) == (False, int(float(text)))


@pytest.mark.parametrize("text", ["", "x", "12.5", "03/05/2026", "2026-13"])
def test_what_is_no_time(text):
    assert frequency.parse(text) is None


@pytest.mark.parametrize(
    ("texts", "name", "season", "next_time"),
    [
        (["2026-01-01 00:00", "2026-01-01 01:00"], "1 hour", 24, "2026-01-01 02:00:00"),  # noqa: E501
        (["2026-01-01", "2026-01-02"], "1 day", 7, "2026-01-03"),
        (["2026-01-01", "2026-01-08"], "1 week", 52, "2026-01-15"),
        (["1949-01", "1949-02", "1949-03"], "1 month", 12, "1949-04"),
        (["2025-12-31", "2026-01-31", "2026-02-28"], "1 month", 12, "2026-03"),
        (["2026-01", "2026-04", "2026-07"], "3 months", 4, "2026-10"),
        (["2024-01-01", "2025-01-01"], "1 year", 1, "2026-01"),
        (["2026-01-01 00:00", "2026-01-01 00:15"], "15 minutes", 96, "2026-01-01 00:30:00"),  # noqa: E501
        (["3", "5", "7"], "2 steps", 1, "9"),
    ],
)  # fmt: skip
def test_frequency_season_and_the_time_that_comes_next(
    texts, name, season, next_time
):
    own = times(*texts)
    is_date, _ = frequency.parse(texts[0])
    rate = frequency.infer(is_date, [own])
    assert (rate.name, rate.season) == (name, season)
    np.testing.assert_array_equal(rate.index(own), np.arange(len(own)))
    assert rate.text(len(own)) == next_time


def test_gaps_leave_the_most_common_distance():
    own = [np.array([0, 1, 2, 5, 6]), np.array([10, 12, 13])]
    assert frequency.infer(False, own).step == 1


def test_moments_of_months_are_those_of_the_calendar():
    rate = frequency.infer(True, [times("2026-01", "2026-02")])
    expected = times("2026-01", "2026-02", "2026-03", "2027-01")
    np.testing.assert_array_equal(rate.moments([0, 1, 2, 12]), expected)
