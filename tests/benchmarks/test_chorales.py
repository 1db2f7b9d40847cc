"""Masked likelihood of frames, its baselines, and a cell that learns some."""

import json

import keras
import numpy as np
import pytest

from benchmarks import chorales, polyphony


def pieces(*lengths):
    random = np.random.default_rng(0)
    shape = polyphony.NOTES
    return [random.integers(0, 2, (t, shape)) * 1.0 for t in lengths]


def test_inputs_are_the_frames_before_and_padding_is_marked():
    short, long = pieces(2, 5)
    inputs, targets = chorales.padded([short, long])
    assert inputs.shape == targets.shape == (2, 5, 88)
    assert (inputs[:, 0] == 0).all()
    np.testing.assert_array_equal(inputs[1, 1:], long[:-1])
    np.testing.assert_array_equal(inputs[0, 1], short[0])
    np.testing.assert_array_equal(targets[1], long)
    assert (targets[0, 2:] == chorales.PADDING).all()


def test_the_loss_is_the_likelihood_per_frame_whatever_the_padding():
    all_pieces = pieces(2, 5)
    _, targets = chorales.padded(all_pieces)
    random = np.random.default_rng(1)
    logits = random.normal(size=targets.shape).astype("float32")
    chances = 1 / (1 + np.exp(-logits))
    frames = [
        polyphony.likelihood(piece, chances[row, : len(piece)])
        for row, piece in enumerate(all_pieces)
    ]
    expected = np.concatenate(frames).mean()
    for width in (5, 9):
        wider = [(0, 0), (0, width - 5), (0, 0)]
        actual = chorales.frame_loss(
            np.pad(targets, wider, constant_values=chorales.PADDING),
            keras.ops.convert_to_tensor(np.pad(logits, wider)),
        )
        np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_no_memory_is_worse_than_the_best_there_is():
    made = polyphony.generate((64, 1, 200))
    actual = chorales.baselines(made, is_made=True)
    frames = np.concatenate(made["train"])
    counted = sum(
        polyphony.likelihood(piece, frames.mean(axis=0)).sum()
        for piece in made["test"]
    ) / sum(map(len, made["test"]))
    assert actual["frequency of each note"] == pytest.approx(counted, rel=0.01)
    # Of a soprano, one of three notes each frame, nothing more is known.
    soprano = 3 * -(np.log(1 / 3) / 3 + 2 / 3 * np.log(2 / 3))
    assert actual["best there is"] > soprano
    assert actual["best there is"] < 0.5 * actual["frequency of each note"]
    assert "best there is" not in chorales.baselines(made, is_made=False)


@pytest.mark.slow
def test_a_cell_learns_most_of_what_can_be_learned(tmp_path, capsys):
    path = tmp_path / "rows.json"
    flags = f"--cells gru --epochs 30 --json {path}"
    options = chorales.parse(flags.split())
    chorales.main(options)
    (row,) = json.loads(path.read_text())
    actual = chorales.baselines(chorales.load(None), is_made=True)
    # Test pieces are few enough for chance to help a little.
    assert row["test"] > actual["best there is"] - 0.02
    # Two thirds of the way from knowing only how frequent each note is; for
    # the rest 128 pieces are few.
    way = actual["frequency of each note"] - actual["best there is"]
    assert row["test"] < actual["best there is"] + way / 3
    cells = f"| gru | {row['units']} | {row['test']:.3f} |"
    assert cells in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_a_file_is_read_and_a_finished_run_kept(tmp_path, capsys):
    song = [[[60, 64], [62], [60, 67]], [[50], [52]]]
    data = tmp_path / "songs.json"
    data.write_text(json.dumps({"train": song, "valid": song, "test": song}))
    path = tmp_path / "rows.json"
    flags = ["--cells", "simple_rnn", "--epochs", "2", "--parameters", "1000"]
    options = chorales.parse([*flags, "--data", str(data), "--json", str(path)])
    chorales.main(options)
    (row,) = json.loads(path.read_text())
    assert row["test"] == row["valid"] > 0
    assert row["epoch"] in (1, 2)
    assert "best there is" not in capsys.readouterr().out
    row["seconds"] = 1234
    path.write_text(json.dumps([row]))
    chorales.main(options)
    assert "1234 s" in capsys.readouterr().out
