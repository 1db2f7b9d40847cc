"""Small videos for the tests of video labelling, and flags for them."""

import csv
import random
import shlex

import numpy as np

from data_pipelines.vision import video

SIDE = 16
SMALL = shlex.split(
    "--frame-height 16 --frame-width 16 --units 12 --region-size 6"
    " --vector-size 12 --chunk 10 --batch-size 4 --epochs 6 --dropout 0"
    " --learning-rate 0.02 --averaging 0.9"
)


def clip(seed, length=30):
    """A bar that goes to the right or to the left, for some frames each.

    Returns:
        uint8 `(T, 16, 16, 3)` and segments (start, end, label).
    """
    chance = random.Random(seed)
    place = chance.randrange(SIDE)
    segments, frames = [], []
    label = chance.choice(["left", "right"])
    while len(frames) < length:
        end = min(len(frames) + chance.randrange(6, 13), length)
        segments.append((len(frames), end, label))
        while len(frames) < end:
            place = (place + (2 if label == "right" else -2)) % SIDE
            picture = np.full((SIDE, SIDE, 3), 40, np.uint8)
            picture[:, [place, (place + 1) % SIDE]] = 220
            frames.append(picture)
        label = "left" if label == "right" else "right"
    return np.stack(frames), segments


def write_videos(folder, counts=(24, 6, 6), length=30):
    """Writes videos of `clip` and their `labels.csv`."""
    (folder / "videos").mkdir(parents=True, exist_ok=True)
    with open(folder / "labels.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "start", "end", "label", "split"])
        for split, count in zip(
            ("train", "valid", "test"), counts, strict=True
        ):
            for number in range(count):
                name = f"{split}_{number:02d}.mp4"
                frames, segments = clip(name, length)
                video.write(folder / "videos" / name, frames, 10)
                for segment in segments:
                    writer.writerow([name, *segment, split])
    return folder


def flags(folder, *more):
    return [
        *("--dataset", "files", "--data-path", str(folder / "clips")),
        *("--runs-path", str(folder / "runs")),
        *("--cache-path", str(folder / "data"), *SMALL, *more),
    ]
