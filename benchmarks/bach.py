"""Writes the chorales of Bach that the package music21 holds, as frames.

    .venv/bin/python -m pip install music21
    .venv/bin/python -m benchmarks.bach data/bach.json
    make bench-chorales ARGS="--data data/bach.json"

The form is that of `benchmarks/polyphony.py`, a frame a quarter note, as
Boulanger-Lewandowski, Bengio and Vincent, 2012, sampled the JSB chorales. These
are the same kind of music, but not their files: the 371 chorales of
Riemenschneider's edition without those that stand in it twice or have other
than four parts, in the keys in which they stand, without repeats, and in three
parts of our own: drawn by a seed, 60, 20 and 20 percent. Bach set some tunes
more than once, and these may stand in two parts.

music21 is not among the requirements: nothing else here needs it.
"""

import argparse
import json
import pathlib
import random
import sys

from apps.common import cli
from benchmarks.polyphony import HIGHEST, LOWEST, SPLITS
from data_pipelines.files.atomic import replacing
from data_pipelines.files.errors import DataError
from data_pipelines.files.progress import progress_bar

SHARES = (0.6, 0.2, 0.2)  # of the chorales in each of `SPLITS`
VOICES = 4


def frames(notes):
    """Return samples notes once a quarter.

    Args:
        notes: List of `(start, end, pitch)`: quarters from the beginning, and
            a MIDI number. A note sounds at its start and no more at its end.

    Returns:
        A list of frames, each the sorted list of the numbers that sound.
    """
    sounding = [set() for _ in range(_ceil(max(end for _, end, _ in notes)))]
    for start, end, pitch in notes:
        if LOWEST <= pitch <= HIGHEST:
            for t in range(_ceil(start), _ceil(end)):
                sounding[t].add(pitch)
    return [sorted(pitches) for pitches in sounding]


def _ceil(x):
    """Return the first whole number that is not below a float or fraction."""
    return int(-(-x // 1))


def split(pieces, seed=0):
    """Draws which pieces are for training, validation and test."""
    pieces = list(pieces)
    random.Random(seed).shuffle(pieces)
    first = round(SHARES[0] * len(pieces))
    second = first + round(SHARES[1] * len(pieces))
    parts = pieces[:first], pieces[first:second], pieces[second:]
    return dict(zip(SPLITS, parts, strict=True))


def chorales():
    """Read all chorales from music21; shows progress.

    Returns:
        List of what `frames` returns of each.
    """
    try:
        from music21 import corpus
        from music21.corpus.chorales import Iterator
    except ImportError:
        raise DataError(
            f"music21 is missing: {sys.executable} -m pip install music21"
        ) from None
    names = sorted(set(Iterator(returnType="filename")))
    chorales = []
    for name in progress_bar("reading", "chorales", names):
        score = corpus.parse(name)
        if len(score.parts) == VOICES:
            chorales.append(frames(_notes(score)))
    return chorales


def _notes(score):
    """Return the notes of a score of music21, as `frames` takes them."""
    return [
        (note.offset, note.offset + note.duration.quarterLength, pitch.midi)
        for part in score.parts
        for note in part.flatten().notes
        for pitch in note.pitches
    ]


def parse(arguments=None):
    """Return the flags."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", help="what is written, .json")
    return parser.parse_args(arguments)


def main(options):
    """Write the file, and says what is in it."""
    path = pathlib.Path(options.file)
    if path.suffix != ".json":
        raise DataError(f"{path}: must end in .json")
    pieces = split(chorales())
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write_text(json.dumps(pieces))
    for name, part in pieces.items():
        print(f"{name:5} {len(part)} chorales, {sum(map(len, part))} frames")


if __name__ == "__main__":
    cli.main(lambda: main(parse()))
