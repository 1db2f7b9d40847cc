"""What stands behind `--vary`, and what is tried next."""

import collections
import dataclasses
import math
import statistics

import optuna
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from apps.common import cli, vary
from apps.sentiment.config import Config
from apps.video_labeling.config import Config as VideoConfig


def test_choices_and_ranges_are_read():
    words = (
        "units=32,64 cell=gru,lstm bidirectional=true,false depth=1..3"
        " learning-rate=1e-4..1e-2 --dropout=0.1..0.6 max_length=20..400"
    )
    assert vary.space(Config(), words.split()) == {
        "units": CategoricalDistribution([32, 64]),
        "cell": CategoricalDistribution(["gru", "lstm"]),
        "bidirectional": CategoricalDistribution([True, False]),
        "depth": IntDistribution(1, 3),
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "dropout": FloatDistribution(0.1, 0.6),
        "max_length": IntDistribution(20, 400, log=True),
    }


@pytest.mark.parametrize(
    ("text", "log"),
    [("0.1..1", False), ("0.1..1.001", True), ("0..10", False)],
)
def test_from_a_factor_of_ten_on_a_range_is_logarithmic(text, log):
    space = vary.space(Config(), [f"learning_rate={text}"])
    assert space["learning_rate"].log is log


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("unit=3,4", "unknown setting 'unit'; did you mean units?"),
        ("what=1,2", "unknown setting 'what'; the settings are: batch_size,"),
        ("=1,2", "unknown setting ''; the settings are:"),
        ("seed=1,2", "seed is the same in all trials"),
        ("data_path=a,b", "data_path is the same in all trials"),
        ("distribute=1,2", "distribute is the same in all trials"),
        ("units", "units has no values, as in units=A,B or A..B"),
        ("units=", "units has no values, as in units=A,B or A..B"),
        ("units=4", "expected two values or more, or a range A..B"),
        ("units=4,5,4", "a value is there twice"),
        ("units=4,x", "'x' is not a whole number"),
        ("units=4,", "'' is not a whole number"),
        ("units=0,4", "0 is less than 1"),
        ("units=4..9000", "9000 is more than 8,192"),
        ("units=9..4", "expected a range A..B, A smaller than B"),
        ("units=4..4", "expected a range A..B, A smaller than B"),
        ("units=1..2..3", "expected a range A..B, A smaller than B"),
        ("dropout=0.1..x", "'x' is not a number"),
        ("dropout=0.1..1", "1 is not below 1.0"),
        ("dropout=0.1..nan", "nan is not a finite number"),
        ("cell=gru,lstn", "unknown 'lstn'; did you mean lstm?"),
        ("bidirectional=true..false", "'true..false' is not true or false"),
    ],
)
def test_mistakes_are_named(word, line):
    with pytest.raises(cli.UserError) as error:
        vary.space(Config(), [word])
    assert str(error.value).startswith(f"--vary {word}: {line}")


def test_a_setting_twice_and_none_are_refused():
    with pytest.raises(cli.UserError, match="units is there twice"):
        vary.space(Config(), ["units=1,2", "units=3,4"])
    with pytest.raises(cli.UserError, match="name what to search, such as"):
        vary.space(Config(), [])


def test_what_has_no_effect_is_refused(tmp_path):
    vectors = tmp_path / "vectors.txt"
    vectors.touch()
    config = Config(vectors=str(vectors))
    with pytest.raises(cli.UserError, match="has no effect with --vectors"):
        vary.space(config, ["embedding_size=8,16"])
    with pytest.raises(cli.UserError, match="has no effect"):
        vary.space(VideoConfig(), ["grid=2,4"])


def test_a_space_is_shown_as_it_is_written():
    words = ["units=4,8", "learning_rate=0.0001..0.01", "depth=1..3"]
    words.append("bidirectional=true,false")
    space = vary.space(Config(), words)
    shown = [f"{name}={vary.text(one)}" for name, one in space.items()]
    assert shown == words
    assert vary.space(Config(), shown) == space


def test_the_size_of_a_space_is_that_of_its_combinations():
    space = vary.space(Config(), ["units=4,8", "depth=1..3", "cell=gru,lstm"])
    assert vary.size(space) == 12 == len(list(vary.combinations(space)))
    space = vary.space(Config(), ["units=4,8", "dropout=0.1..0.2"])
    assert vary.size(space) == math.inf


def search(space, trials, value, seed=0, study=None):
    """Tries all that is proposed; returns the study."""
    study = study or optuna.create_study(direction="maximize")
    while (params := vary.propose(study, space, trials, seed)) is not None:
        study.add_trial(
            optuna.trial.create_trial(
                params=params, distributions=space, value=value(params)
            )
        )
    return study


def test_a_small_space_is_tried_whole_each_once():
    space = vary.space(Config(), ["units=4,8,16", "depth=1..2"])
    study = search(space, 10, lambda params: 0.0)
    tried = [tuple(trial.params.values()) for trial in study.trials]
    assert sorted(tried) == [(u, d) for u in (4, 8, 16) for d in (1, 2)]
    other = search(space, 10, lambda params: 0.0, seed=1)
    assert [t.params for t in other.trials] != [t.params for t in study.trials]


def test_no_trial_repeats_another():
    space = vary.space(Config(), ["units=1..5", "depth=1..3"])
    study = search(space, 14, lambda params: -abs(params["units"] - 3))
    tried = collections.Counter(tuple(t.params.values()) for t in study.trials)
    assert len(study.trials) == 14
    assert set(tried.values()) == {1}


def test_a_search_goes_on_as_it_would_have():
    space = vary.space(Config(), ["learning_rate=1e-4..1e-1", "units=1..64"])

    def value(params):
        return -abs(math.log(params["learning_rate"] / 1e-2)) - params["units"]

    whole = search(space, 24, value)
    killed = search(space, 7, value)
    killed = search(space, 24, value, study=killed)
    assert [t.params for t in killed.trials] == [t.params for t in whole.trials]
    # It learns: the last ones are better than the first ten, drawn at random.
    values = [trial.value for trial in whole.trials]
    assert statistics.median(values[-10:]) > statistics.median(values[:10])


def test_what_runs_is_not_proposed_again():
    space = vary.space(Config(), ["units=4,8"])
    study = optuna.create_study()
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params={"units": 4},
            distributions=space,
        )
    )
    assert vary.propose(study, space, 9, 0) == {"units": 8}
    assert vary.propose(study, space, 1, 0) is None


def test_settings_of_a_trial_are_those_of_the_configuration():
    """As the journal holds them: JSON keeps their types."""
    space = vary.space(Config(), ["units=4,8", "dropout=0.1..0.2"])
    study = search(space, 2, lambda params: 0.0)
    for trial in study.trials:
        config = dataclasses.replace(Config(), **trial.params)
        assert cli.restored(Config, dataclasses.asdict(config)) == config
