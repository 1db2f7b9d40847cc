"""What the tests of sentiment share: small data, and a way to run."""

import csv
import random
import shlex

from tests.apps.tools import file_flags

GOOD = ["lovely", "bright", "funny", "warm", "clever"]
BAD = ["dull", "grey", "noisy", "cold", "stupid"]
SMALL = shlex.split(
    "--units 6 --embedding-size 6 --batch-size 16 --ngrams 2"
    " --epochs 6 --learning-rate 0.03 --dropout 0.1"
)


def write_reviews(folder, count=600, seed=0):
    """Reviews whose label is that of their last adjective."""
    words = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "train.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(count):
            first, last = (BAD, GOOD) if number % 2 else (GOOD, BAD)
            text = f"A {words.choice(first)} start, a {words.choice(last)} end"
            text += " of film" * words.randrange(4) + f" {number}."
            writer.writerow([text, "good" if number % 2 else "bad"])
    return folder


def flags(folder, *more):
    return file_flags(folder, "reviews", *SMALL, *more)
