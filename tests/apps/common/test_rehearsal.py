"""A training up to its first step."""

from apps.common import cli, distributed
from apps.common.rehearsal import Rehearsal
from apps.sentiment import config as sentiment
from apps.sentiment import train
from tests.apps.reviews import flags, write_reviews


def test_machines_are_those_that_are_given_until_the_end(tmp_path):
    write_reviews(tmp_path / "reviews", 60)
    options = cli.parse(sentiment.Config, {}, flags(tmp_path))
    machines = Rehearsal(timed=False)
    with distributed.training_by(machines):
        train.train(options)
    assert machines.costs == {}
    assert (machines.monitor, machines.lower) == ("val_accuracy", False)
    assert not machines.folder.exists()
    assert distributed.begin("sentiment", options) is distributed.HERE
