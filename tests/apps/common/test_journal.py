"""The journal of a sweep: several writers, and what a kill leaves."""

import math

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from apps.common.journal import Journal

SPACE = {"x": FloatDistribution(0.0, 1.0)}


def whole(journal, values, x=0.5):
    """A trial that is trained to the end."""
    number = journal.begin({"x": x}, SPACE)
    for epoch, value in enumerate(values, 1):
        journal.report(number, epoch, value)
    journal.end(number, TrialState.COMPLETE, max(values), epochs=len(values))
    return number


def test_what_one_process_writes_another_reads(tmp_path):
    path = tmp_path / "journal.log"
    one, other = Journal(path, lower=False), Journal(path, lower=False)
    assert one.begin({"x": 0.25}, SPACE) == 0
    assert other.begin({"x": 0.75}, SPACE) == 1
    other.report(0, 1, 0.5)
    other.report(0, 1, 0.9)  # the first one counts
    one.end(1, TrialState.FAIL, reason="no memory")
    assert [t.params for t in one.trials()] == [{"x": 0.25}, {"x": 0.75}]
    assert one.trial(0).intermediate_values == {1: 0.5}
    assert other.trial(1).user_attrs == {"reason": "no memory"}
    assert [t.number for t in other.trials(TrialState.RUNNING)] == [0]
    assert one.best is other.best is None
    one.end(0, TrialState.COMPLETE, 0.5)
    assert other.best.number == 0


@pytest.mark.parametrize("lower", [False, True])
def test_the_best_is_the_lowest_where_lower_is_better(tmp_path, lower):
    journal = Journal(tmp_path / "journal.log", lower)
    for value in (0.5, 0.25, 0.75):
        whole(journal, [value])
    assert journal.best.value == (0.25 if lower else 0.75)


def test_a_line_that_was_not_written_to_its_end_is_removed(tmp_path):
    path = tmp_path / "journal.log"
    journal = Journal(path, lower=False)
    whole(journal, [0.5])
    before = path.read_bytes()
    path.write_bytes(before + b'{"op_code": 6, "worker')
    reader = Journal(path, lower=False)
    assert reader.best.value == 0.5
    whole(reader, [0.75])
    assert path.read_bytes().startswith(before + b'{"')
    assert Journal(path, lower=False).best.value == 0.75


def test_trials_worse_than_half_of_those_before_are_hopeless(tmp_path):
    journal = Journal(tmp_path / "journal.log", lower=False)
    for value in (0.1, 0.2, 0.3, 0.4):
        whole(journal, [0.1, value, 0.9])
    number = journal.begin({"x": 0.1}, SPACE)
    journal.report(number, 2, 0.0)
    assert not journal.is_hopeless(number)  # of four nothing is said
    journal.end(number, TrialState.PRUNED)
    whole(journal, [0.1, 0.5, 0.9])
    # The median of 0.1 to 0.5 is 0.3.
    for value, hopeless in ((0.29, True), (0.31, False)):
        number = journal.begin({"x": 0.1}, SPACE)
        journal.report(number, 1, 0.0)
        assert not journal.is_hopeless(number)  # nor after the first epoch
        journal.report(number, 2, value)
        assert journal.is_hopeless(number) is hopeless
    never = Journal(tmp_path / "journal.log", lower=False, prune=False)
    assert not never.is_hopeless(number - 1)


def test_what_decides_is_more_important(tmp_path):
    space = {"x": FloatDistribution(0.0, 1.0), "y": FloatDistribution(0.0, 1.0)}
    journal = Journal(tmp_path / "journal.log", lower=False)
    assert journal.importances() == {}
    for number in range(24):
        x = number / 24
        y = math.fmod(number * 0.618, 1)
        made = journal.begin({"x": x, "y": y}, space)
        journal.end(made, TrialState.COMPLETE, -abs(x - 0.3))
    shares = journal.importances()
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["x"] > 0.7
