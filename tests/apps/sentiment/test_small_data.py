"""Little data, and default settings."""

import csv
import random

import pytest

from tests.apps.reviews import BAD, GOOD
from tests.apps.tools import file_flags, train

NEUTRAL = [f"word{number}" for number in range(200)]


def write(folder, count):
    """Texts of which two of a dozen words say the label."""
    folder.mkdir()
    chance = random.Random(0)
    with open(folder / "train.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(count):
            words = chance.choices(NEUTRAL, k=10)
            words += chance.choices((BAD, GOOD)[number % 2], k=2)
            chance.shuffle(words)
            writer.writerow([" ".join(words), ("bad", "good")[number % 2]])


@pytest.mark.slow
@pytest.mark.parametrize("count", [100, 2000])
def test_a_default_run_is_not_far_below_its_bag_of_words(
    tmp_path, count, capsys
):
    write(tmp_path / "reviews", count)
    record = train(
        "sentiment", *file_flags(tmp_path, "reviews"), exported=False
    )
    bag = record["baselines"]["bag_of_words"]["accuracy"]
    assert record["metrics"]["accuracy"] >= bag - 0.05
    assert record["epochs"] > 5
    assert "; epoch " in capsys.readouterr().out
