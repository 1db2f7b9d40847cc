r"""Writes spoken digits, joined to sequences, as features for video labelling.

    python -m benchmarks.spoken_digits --data-path FOLDER data/spoken_digits
    make train-video-labeling \
        ARGS="--dataset files --data-path data/spoken_digits"

FOLDER is the Free Spoken Digit Dataset (Jackson et al., CC BY-SA 4.0): sound
files of one digit each, in any format that FFmpeg reads, and `labels.csv` with
the columns `audio`, `word` and `speaker`. Seven recordings of a speaker, drawn
by a seed and each used once, are joined with pauses of 0 to 0.3 seconds; all is
laid over faint noise, so that a pause is not known by its zeros.

A frame is 20 ms: the logarithms of the energies in 40 bands of equal width on
the mel scale, of 32 ms around it. Its label is the word that is spoken in its
middle, or `background`. What is written is the layout of MS-TCN; list k of
`splits/` tests the k-th speaker, validates on the next one and trains on the
others. `train.split1.bundle` is the one that is read if no other is named.

Letters of shapes: N samples, T frames, K bands.
"""

import argparse
import functools
from pathlib import Path

import av
import numpy as np

from apps.common import cli
from data_pipelines.files.atomic import build_folder
from data_pipelines.files.errors import DataError
from data_pipelines.files.progress import progress_bar
from data_pipelines.files.tables import Table

RATE = 8000  # samples a second
HOP, WINDOW, BANDS = 160, 256, 40
DIGITS, LONGEST_PAUSE = 7, 0.3  # of a sequence; seconds
LOUDNESS, NOISE = 0.1, 1e-3  # root mean squares
BACKGROUND = "background"


def mel_bands() -> np.ndarray:
    """Return the weights of the bands, `(WINDOW // 2 + 1, K)`.

    Triangles whose corners are equally far apart in mel, which is
    2595 log10(1 + f / 700): O'Shaughnessy, 1987, "Speech communication".
    """
    highest = 2595 * np.log10(1 + RATE / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, highest, BANDS + 2) / 2595) - 1)
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    f = np.fft.rfftfreq(WINDOW, 1 / RATE)[:, None]
    rising, falling = (
        (f - left) / (middle - left),
        (right - f) / (right - middle),
    )
    return np.maximum(np.minimum(rising, falling), 0)


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Return the features of sound, `(N,)` to `(T, K)`; T is N // HOP.

    Frame t is around sample `(t + 0.5) HOP`.
    """
    count = len(samples) // HOP
    margin = (WINDOW - HOP) // 2
    padded = np.pad(samples, (margin, WINDOW))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)
    windows = windows[::HOP][:count] * np.hanning(WINDOW)
    energies = np.abs(np.fft.rfft(windows)) ** 2
    return np.log(energies @ mel_bands() + 1e-6)


def joined(
    recordings: list[tuple[str, np.ndarray]], random: np.random.Generator
) -> tuple[np.ndarray, list[str]]:
    """Join recordings with pauses before, between and behind them.

    Args:
        recordings: Words and sound.
        random: Draws the pauses and the noise.

    Returns:
        The sound, and the label of each frame.
    """
    sound, words = [], []

    def append(samples, word):
        sound.append(samples)
        words.extend([word] * len(samples))

    for word, samples in recordings:
        append(
            np.zeros(int(random.uniform(0, LONGEST_PAUSE) * RATE)), BACKGROUND
        )
        loudness = np.sqrt(np.mean(np.square(samples)))
        append(LOUDNESS * samples / max(loudness, 1e-9), word)
    append(np.zeros(int(random.uniform(0, LONGEST_PAUSE) * RATE)), BACKGROUND)
    sound = np.concatenate(sound)
    sound += NOISE * random.normal(size=len(sound))
    middles = HOP * np.arange(len(sound) // HOP) + HOP // 2
    return sound, [words[middle] for middle in middles]


def read_sound(path: Path) -> np.ndarray:
    """Return the samples of a file, mono, RATE a second."""
    resampler = av.AudioResampler("flt", "mono", RATE)
    try:
        with av.open(str(path)) as container:
            frames = [
                part.to_ndarray()[0]
                for frame in [*container.decode(audio=0), None]
                for part in resampler.resample(frame)
            ]
    except (av.FFmpegError, OSError, IndexError) as error:
        raise DataError(
            f"{path}: is no sound that can be read: {error}"
        ) from None
    return np.concatenate(frames)


def build(folder: Path, table: Path, seed: int) -> None:
    """Write the features, labels and lists of all speakers to a folder."""
    rows = list(Table(table, ("audio", "word", "speaker")))
    random = np.random.default_rng(seed)
    speakers = sorted({row["speaker"] for row in rows})
    words = [BACKGROUND, *sorted({row["word"] for row in rows})]
    for part in ("features", "groundTruth", "splits"):
        (folder / part).mkdir()
    numbered = [f"{n} {word}\n" for n, word in enumerate(words)]
    (folder / "mapping.txt").write_text("".join(numbered), "utf-8")
    names = {}
    for speaker in progress_bar("writing", "speakers", speakers):
        own = [row for row in rows if row["speaker"] == speaker]
        own = [own[k] for k in random.permutation(len(own))]
        names[speaker] = []
        for start in range(0, len(own) - DIGITS + 1, DIGITS):
            recordings = [
                (row["word"], read_sound(table.parent / "audio" / row["audio"]))
                for row in own[start : start + DIGITS]
            ]
            sound, labels = joined(recordings, random)
            name = f"{speaker}_{start // DIGITS:03}"
            names[speaker].append(f"{name}.txt\n")
            features = log_mel(sound).T.astype("float32")  # K T
            np.save(folder / "features" / f"{name}.npy", features)
            text = "".join(f"{label}\n" for label in labels)
            (folder / "groundTruth" / f"{name}.txt").write_text(text, "utf-8")
    for number, test in enumerate(speakers):
        valid = speakers[(number + 1) % len(speakers)]
        train = [s for s in speakers if s not in (test, valid)]
        for split, some in (
            ("train", train),
            ("valid", [valid]),
            ("test", [test]),
        ):
            path = folder / "splits" / f"{split}.split{number + 1}.bundle"
            path.write_text("".join(n for s in some for n in names[s]), "utf-8")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the flags."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--data-path", required=True, help="folder of the sounds"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("folder", help="what is written")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> None:
    """Write the folder, and say what is in it."""
    table, folder = Path(options.data_path, "labels.csv"), Path(options.folder)
    if folder.exists():
        raise DataError(f"{folder}: is there already; name another folder")
    build_folder(
        folder, functools.partial(build, table=table, seed=options.seed)
    )
    count = len(list((folder / "features").iterdir()))
    print(f"{count:,} sequences of {DIGITS} digits in {folder}")


if __name__ == "__main__":
    cli.main(lambda: main(parse()))
