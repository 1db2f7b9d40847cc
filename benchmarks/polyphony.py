"""Polyphonic music as frames of notes: reading it, and making some.

Pieces are read in the form in which Boulanger-Lewandowski, Bengio and Vincent,
2012, "Modeling temporal dependencies in high-dimensional sequences", published
the JSB chorales and three other sets: a dictionary of `train`, `valid` and
`test`, each a list of pieces, a piece a list of frames, a frame the list of
the MIDI numbers that sound, 21 to 108; as JSON, or pickled as they did.

A pickle can hold calls of any function, which loading it would run. So only
what needs no call is loaded, which is all that those files are made of:
dictionaries, lists, tuples, numbers and strings.

The generated music has four voices, is of a known distribution, and says
what the best prediction is: see `compose` and `ideal`.

Letters of shapes: T frames, N notes (88).
"""

import json
import pathlib
import pickle

import numpy as np

from data_pipelines.files.errors import DataError

LOWEST, HIGHEST = 21, 108  # MIDI numbers, the keys of a piano
NOTES = HIGHEST - LOWEST + 1
SPLITS = ("train", "valid", "test")
UNREADABLE = (  # what a damaged file may raise
    OSError,
    EOFError,
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
BEATS = 2  # frames that a chord lasts

# Bass, tenor and alto of each chord, and what its soprano may sing.
CHORDS = {
    "I": ((48, 55, 64), (72, 76, 79)),
    "ii": ((50, 57, 65), (74, 77, 81)),
    "IV": ((53, 57, 60), (72, 77, 81)),
    "V": ((43, 59, 62), (71, 74, 79)),
    "vi": ((45, 60, 64), (72, 76, 81)),
}
# A phrase is of four chords: I, two that are drawn, and V.
FIRST, LAST = "I", "V"
SECOND = {"ii": 0.3, "IV": 0.4, "vi": 0.3}
THIRD = {
    "ii": {"IV": 0.4, "vi": 0.6},
    "IV": {"ii": 0.5, "vi": 0.5},
    "vi": {"ii": 0.4, "IV": 0.6},
}
CHORD_OF_BASS = {voices[0]: name for name, (voices, _) in CHORDS.items()}


class _Plain(pickle.Unpickler):
    """Loads what needs no call, and refuses the rest."""

    def find_class(self, module, name):
        raise DataError(
            f"asks for {module}.{name}: only lists, tuples, numbers and "
            "strings are loaded from a pickle; write the pieces as JSON"
        )


def read(path):
    """Read a file of pieces.

    Args:
        path: Of a `.json` or a `.pickle`.

    Returns:
        A dictionary: for each of `SPLITS` a list of arrays `(T, N)` of zeros
        and ones.

    Raises:
        DataError: The file is not of this form, or has no such pieces.
    """
    path = pathlib.Path(path)
    kinds = {".json": _json, ".pickle": _pickle, ".pkl": _pickle}
    if path.suffix not in kinds:
        raise DataError(f"{path}: must end in one of {', '.join(kinds)}")
    try:
        splits = kinds[path.suffix](path)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    if not isinstance(splits, dict) or set(splits) != set(SPLITS):
        raise DataError(f"{path}: must have {', '.join(SPLITS)}, and no more")
    return {
        split: [
            roll(piece, f"{path}: {split}, piece {number}")
            for number, piece in enumerate(_listed(splits[split], path), 1)
        ]
        for split in SPLITS
    }


def _json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def _pickle(path):
    with path.open("rb") as file:
        return _Plain(file, encoding="latin1").load()


def _listed(value, place):
    """Return a list or tuple, or say where none is."""
    if not isinstance(value, (list, tuple)) or not value:
        raise DataError(f"{place}: must be a list that is not empty")
    return value


def roll(piece, place="piece"):
    """Write a piece, a list of lists of MIDI numbers, as `(T, N)`.

    A frame without notes is a rest. `place` is what an error names.
    """
    frames = np.zeros((len(_listed(piece, place)), NOTES), "float32")
    for t, notes in enumerate(piece):
        if not isinstance(notes, (list, tuple)):
            raise DataError(f"{place}, frame {t + 1}: must be a list of notes")
        for note in notes:
            if type(note) is not int or not LOWEST <= note <= HIGHEST:
                raise DataError(
                    f"{place}, frame {t + 1}: a note must be an integer from "
                    f"{LOWEST} to {HIGHEST}, not {note!r}"
                )
            frames[t, note - LOWEST] = 1
    return frames


def compose(random, phrases):
    """Make a piece of four voices.

    A phrase is of four chords, each of `BEATS` frames: I, one of `SECOND`, one
    of its `THIRD`, and V. At every frame the soprano draws one of the notes
    that it may sing over the chord.

    Args:
        random: `numpy.random.Generator`.
        phrases: How many.

    Returns:
        A list of frames, each a list of four MIDI numbers.
    """
    piece = []
    for _ in range(phrases):
        second = random.choice(list(SECOND), p=list(SECOND.values()))
        after = THIRD[second]
        third = random.choice(list(after), p=list(after.values()))
        for name in (FIRST, second, third, LAST):
            voices, sung = CHORDS[name]
            for _ in range(BEATS):
                piece.append([*voices, int(random.choice(sung))])
    return piece


def generate(sizes, seed=0):
    """Make pieces of two to six phrases: for each of `SPLITS` so many."""
    random = np.random.default_rng(seed)
    return {
        split: [
            roll(compose(random, random.integers(2, 7))) for _ in range(count)
        ]
        for split, count in zip(SPLITS, sizes, strict=True)
    }


def ideal(piece):
    """Return how likely each note of a generated piece is after all before it.

    No prediction that takes notes as independent has a higher likelihood in
    the mean.

    Args:
        piece: `(T, N)`.

    Returns:
        Probabilities `(T, N)`.
    """
    chances = np.zeros(piece.shape)
    for t in range(len(piece)):
        place, beat = t // BEATS % 4, t % BEATS
        before = None
        if t:
            before = CHORD_OF_BASS[int(piece[t - 1].argmax()) + LOWEST]
        if beat:
            chords = {before: 1.0}
        else:
            chords = ({FIRST: 1.0}, SECOND, THIRD.get(before), {LAST: 1.0})[
                place
            ]
        for name, share in chords.items():
            voices, sung = CHORDS[name]
            for note in voices:
                chances[t, note - LOWEST] += share
            for note in sung:
                chances[t, note - LOWEST] += share / len(sung)
    return chances


def likelihood(piece, probabilities):
    """Return the negative log-likelihood of each frame `(T,)`, in nats."""
    p = np.where(piece > 0, probabilities, 1 - probabilities)
    return -np.log(np.clip(p, 1e-12, 1)).sum(axis=-1)
