"""Reading pieces, refusing the rest, and the best prediction of made ones."""

import json
import pickle
import re

import numpy as np
import pytest

from benchmarks import polyphony
from data_pipelines.files.errors import DataError

PIECE = [[60, 64], [], (21, 108)]
PIECES = {"train": [PIECE, PIECE], "valid": [PIECE], "test": [PIECE]}


def written(path, pieces):
    if path.suffix == ".json":
        path.write_text(json.dumps(pieces))
    else:
        path.write_bytes(pickle.dumps(pieces, protocol=2))
    return path


@pytest.mark.parametrize("suffix", [".json", ".pickle"])
def test_pieces_of_the_published_form_are_read(tmp_path, suffix):
    actual = polyphony.read(written(tmp_path / f"pieces{suffix}", PIECES))
    assert {split: len(pieces) for split, pieces in actual.items()} == {
        "train": 2,
        "valid": 1,
        "test": 1,
    }
    for t, notes in enumerate(PIECE):
        keys = np.flatnonzero(actual["test"][0][t])
        assert list(keys) == [note - 21 for note in notes]
    assert actual["test"][0].shape == (3, 88)


class Call:
    """What a harmful pickle would be made of."""

    def __reduce__(self):
        return print, ("called",)


BAD = {
    "a call": (
        {**PIECES, "test": Call()},
        r"asks for \w+\.print: only lists, tuples, numbers and strings",
    ),
    "an array": ({**PIECES, "test": np.zeros(2)}, r"asks for numpy.*JSON$"),
    "no split": ({"train": [PIECE]}, r"must have train, valid, test, and no"),
    "no pieces": ({**PIECES, "valid": []}, r"a list that is not empty$"),
    "an empty piece": ({**PIECES, "valid": [[]]}, r"valid, piece 1: must be a"),
    "no list of notes": (
        {**PIECES, "test": [PIECE, [[60], 61]]},
        r"test, piece 2, frame 2: must be a list of notes$",
    ),
    "a high note": (
        {**PIECES, "train": [[[60], [60, 109]]]},
        r"train, piece 1, frame 2: a note must be .* 21 to 108, not 109$",
    ),
    "no number": (
        {**PIECES, "train": [[["C4"]]]},
        r"frame 1: a note must be an integer from 21 to 108, not 'C4'$",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_other_files_are_refused_in_one_line(tmp_path, case, capsys):
    pieces, message = BAD[case]
    path = written(tmp_path / "pieces.pickle", pieces)
    with pytest.raises(DataError, match=message) as error:
        polyphony.read(path)
    assert str(error.value).startswith(f"{path}")
    assert "\n" not in str(error.value)
    assert "called" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["cut.pickle", "cut.json", "none.json"])
def test_damaged_and_missing_files_are_refused(tmp_path, name):
    path = tmp_path / name
    if name != "none.json":
        whole = written(tmp_path / f"whole{path.suffix}", PIECES).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=re.escape(f"{path}: cannot be read")):
        polyphony.read(path)


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"end in one of \.json, \.pickle"):
        polyphony.read(tmp_path / "pieces.npz")


def every_phrase():
    """All that `compose` can make of one phrase, with its probability."""
    for second, share in polyphony.SECOND.items():
        for third, then in polyphony.THIRD[second].items():
            yield [polyphony.FIRST, second, third, polyphony.LAST], share * then


def test_chances_of_chords_sum_to_one():
    assert np.isclose(sum(share for _, share in every_phrase()), 1)


def test_made_music_is_of_the_distribution_that_is_said():
    random = np.random.default_rng(0)
    counts = {}
    for _ in range(400):
        piece = polyphony.compose(random, 2)
        assert len(piece) == 2 * 4 * polyphony.BEATS
        for start in (0, 8):
            names = [
                polyphony.CHORD_OF_BASS[piece[t][0]]
                for t in range(start, start + 8, polyphony.BEATS)
            ]
            counts[tuple(names)] = counts.get(tuple(names), 0) + 1
        for t, (*voices, soprano) in enumerate(piece):
            name = polyphony.CHORD_OF_BASS[piece[t - t % 2][0]]
            known, sung = polyphony.CHORDS[name]
            assert tuple(voices) == known
            assert soprano in sung
    for names, share in every_phrase():
        assert abs(counts.pop(tuple(names)) / 800 - share) < 0.06
    assert not counts


def frame(name, sung):
    return [*polyphony.CHORDS[name][0], sung]


def test_the_best_prediction_is_the_mean_over_all_that_can_follow():
    """By brute force, over every phrase that begins like the piece."""
    random = np.random.default_rng(1)
    piece = polyphony.compose(random, 1)
    actual = polyphony.ideal(polyphony.roll(piece))
    for t in range(len(piece)):
        begun = [polyphony.CHORD_OF_BASS[notes[0]] for notes in piece[:t:2]]
        expected, total = np.zeros(88), 0
        for names, share in every_phrase():
            if names[: len(begun)] == begun:
                voices, sung = polyphony.CHORDS[names[t // 2]]
                for last in sung:
                    notes = np.array([*voices, last]) - 21
                    expected[notes] += share / len(sung)
                total += share
        np.testing.assert_allclose(actual[t], expected / total, atol=1e-12)


def test_likelihood_is_that_of_notes_that_are_independent():
    piece = np.array([[1.0, 0, 1]])
    actual = polyphony.likelihood(piece, np.array([0.5, 0.2, 0.1]))
    np.testing.assert_allclose(actual, [-np.log(0.5 * 0.8 * 0.1)])


def test_the_same_seed_makes_the_same_music():
    one, two = (polyphony.generate((2, 1, 1), seed=3) for _ in range(2))
    for split in polyphony.SPLITS:
        for first, second in zip(one[split], two[split], strict=True):
            np.testing.assert_array_equal(first, second)
