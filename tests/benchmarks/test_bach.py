"""What sounds in a frame, how pieces are parted, and what is missing."""

import fractions
import json
import sys
import types

import pytest

from benchmarks import bach, polyphony
from data_pipelines.files.errors import DataError


def test_a_frame_has_what_sounds_on_its_quarter():
    third = fractions.Fraction(1, 3)
    notes = [
        (0.0, 2.0, 60),  # two quarters
        (0.0, 0.5, 64),  # an eighth on the beat
        (0.5, 1.0, 65),  # and one after it, which no frame sees
        (1 + third, 3 * third + 2, 67),  # from a triplet on
        (2.0, 3.0, 20),  # below the keys of a piano
    ]
    assert bach.frames(notes) == [[60, 64], [60], [67]]


def test_a_rest_is_a_frame_and_a_unison_one_note():
    assert bach.frames([(0, 1, 60), (0, 1, 60), (2, 3, 62)]) == [[60], [], [62]]


def test_every_piece_is_in_one_part():
    pieces = [[[60 + n]] for n in range(20)]
    parts = bach.split(pieces)
    assert [len(part) for part in parts.values()] == [12, 4, 4]
    assert list(parts) == list(polyphony.SPLITS)
    together = [piece for part in parts.values() for piece in part]
    assert sorted(together) == pieces
    assert together != pieces
    assert bach.split(pieces) == parts


class Score:
    """As much of a score of music21 as is read."""

    def __init__(self, voices, pitch):
        note = types.SimpleNamespace(
            offset=0.0,
            duration=types.SimpleNamespace(quarterLength=2.0),
            pitches=[types.SimpleNamespace(midi=pitch)],
        )
        part = types.SimpleNamespace(notes=[note])
        part.flatten = lambda: part
        self.parts = [part] * voices


def music21(monkeypatch, scores):
    """Puts a stand-in in the place of the package."""
    package = types.ModuleType("music21")
    package.corpus = types.ModuleType("music21.corpus")
    package.corpus.parse = scores.get
    package.corpus.chorales = types.ModuleType("music21.corpus.chorales")
    # The edition has some chorales twice.
    package.corpus.chorales.Iterator = lambda **_: list(scores) * 2
    for module in (package, package.corpus, package.corpus.chorales):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def test_the_file_is_one_that_the_benchmark_reads(
    tmp_path, monkeypatch, capsys
):
    scores = {f"bwv{n}": Score(4, 60 + n) for n in range(10)}
    music21(monkeypatch, {**scores, "with trumpets": Score(5, 60)})
    path = tmp_path / "new" / "bach.json"
    bach.main(bach.parse([str(path)]))
    assert "train 6 chorales, 12 frames" in capsys.readouterr().out
    actual = polyphony.read(path)
    assert {name: len(part) for name, part in actual.items()} == {
        "train": 6,
        "valid": 2,
        "test": 2,
    }
    written = json.loads(path.read_text()).values()
    assert sorted(piece for part in written for piece in part) == [
        [[60 + n]] * 2 for n in range(10)
    ]


def test_without_the_package_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "music21", None)
    path = tmp_path / "bach.json"
    with pytest.raises(DataError, match=r"music21 is missing: .* -m pip inst"):
        bach.main(bach.parse([str(path)]))
    with pytest.raises(DataError, match=r"must end in \.json$"):
        bach.main(bach.parse([str(tmp_path / "bach.mid")]))
    assert not list(tmp_path.iterdir())
