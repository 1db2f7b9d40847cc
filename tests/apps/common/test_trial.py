"""A training in a process of its own, what can be told without one."""

from apps.common import cli, trial
from apps.sentiment.config import Config


def test_the_command_of_a_run_gives_its_configuration():
    config = Config(units=8, bidirectional=False, learning_rate=0.0123, seed=4)
    assert cli.parse(Config, {}, trial.words(config)) == config
