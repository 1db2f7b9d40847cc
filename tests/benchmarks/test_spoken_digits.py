"""Features of spoken digits, and the layout that they are written in."""

import wave

import numpy as np
import pytest

from benchmarks import spoken_digits
from benchmarks.spoken_digits import BANDS, HOP, NOISE, RATE
from data_pipelines import video_labeling as pipeline
from data_pipelines.files.errors import DataError


def tone(frequency, seconds, rate=RATE):
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


def test_a_tone_is_in_the_band_of_its_frequency():
    mel = 2595 * np.log10(1 + RATE / 2 / 700)
    for band in (5, 20, 35):
        # The middles of the bands are equally far apart in mel.
        middle = 700 * (10 ** (mel * (band + 1) / (BANDS + 1) / 2595) - 1)
        features = spoken_digits.log_mel(tone(middle, 0.5))
        assert features.shape == (25, BANDS)
        assert set(features[2:-2].argmax(axis=1)) == {band}


def test_frames_are_around_their_middles():
    for t in (0, 7, 19):
        samples = np.zeros(20 * HOP)
        samples[t * HOP + HOP // 2] = 1
        energies = np.exp(spoken_digits.log_mel(samples)).sum(axis=1)
        assert energies.argmax() == t


def test_words_are_where_they_are_spoken():
    recordings = [("one", tone(300, 0.4)), ("two", 5 * tone(900, 0.25))]
    random = np.random.default_rng(0)
    sound, labels = spoken_digits.joined(recordings, random)
    assert len(labels) == len(sound) // HOP
    order = [word for n, word in enumerate(labels) if word != labels[n - 1]]
    assert [word for word in order if word != "background"] == ["one", "two"]
    for word, (_, samples) in zip(("one", "two"), recordings, strict=True):
        frames = [n for n, label in enumerate(labels) if label == word]
        assert abs(len(frames) - len(samples) / HOP) <= 1
        inside = sound[frames[1] * HOP : frames[-1] * HOP]
        assert np.sqrt(np.mean(inside**2)) == pytest.approx(0.1, rel=0.1)
    pause = [n for n, label in enumerate(labels) if label == "background"]
    quiet = np.concatenate([sound[n * HOP : (n + 1) * HOP] for n in pause[1:3]])
    assert np.abs(quiet).max() < 6 * NOISE


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "sounds"
    (folder / "audio").mkdir(parents=True)
    lines = ["audio,word,speaker\n"]
    for speaker in "abc":
        for number in range(15):
            name = f"{speaker}{number}.wav"
            with wave.open(str(folder / "audio" / name), "wb") as file:
                file.setparams((1, 2, 2 * RATE, 0, "NONE", ""))
                samples = tone(200 + 100 * (number % 3), 0.2, 2 * RATE)
                file.writeframes((9999 * samples).astype("<i2").tobytes())
            lines.append(
                f"{name},{('one', 'two', 'six')[number % 3]},{speaker}\n"
            )
    (folder / "labels.csv").write_text("".join(lines))
    return folder


def test_what_is_written_is_read_by_video_labelling(sounds, tmp_path, capsys):
    folder = tmp_path / "features"
    options = ["--data-path", str(sounds), str(folder)]
    spoken_digits.main(spoken_digits.parse(options))
    assert "6 sequences of 7 digits" in capsys.readouterr().out
    for number, speakers in ((1, "abc"), (3, "cab")):
        data = pipeline.make_datasets(
            "files",
            folder / "splits" / f"train.split{number}.bundle",
            cache_path=tmp_path / "cache",
            frame_size=8,
            chunk=8,
            batch_size=2,
            seed=0,
        )
        parts = [
            {video.name[0] for video in split.videos}
            for split in (data.test, data.valid, data.train)
        ]
        assert parts == [{s} for s in speakers]
    assert data.shape == (1, BANDS)
    assert data.labels == ("background", "one", "six", "two")
    seconds = sum(len(video) for video in data.test.videos) * HOP / RATE
    assert 14 * 0.2 < seconds < 14 * 0.2 + 16 * spoken_digits.LONGEST_PAUSE
    with pytest.raises(DataError, match="is there already"):
        spoken_digits.main(spoken_digits.parse(options))


def test_a_sound_that_cannot_be_read_is_one_line(sounds, tmp_path):
    (sounds / "audio" / "b3.wav").write_text("no sound")
    options = ["--data-path", str(sounds), str(tmp_path / "features")]
    with pytest.raises(DataError, match=r"b3\.wav: is no sound") as caught:
        spoken_digits.main(spoken_digits.parse(options))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "features").exists()
