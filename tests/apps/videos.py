"""Small videos for the tests of video labelling, and flags for them."""

import csv
import dataclasses
import random
import shlex

import av
import numpy as np
from PIL import Image

from apps.video_labeling import model, predict
from apps.video_labeling.config import Config
from data_pipelines.vision import video
from tests.apps.tools import file_flags

SIDE = 16
# Of `untrained`; of `write_features`, and how many features a frame has.
LABELS = ("left", "right", "up")
WORDS = ("cut", "pour", "background")
C = 6
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
    column = chance.randrange(SIDE)
    segments, frames = [], []
    label = chance.choice(["left", "right"])
    while len(frames) < length:
        end = min(len(frames) + chance.randrange(6, 13), length)
        segments.append((len(frames), end, label))
        while len(frames) < end:
            column = (column + (2 if label == "right" else -2)) % SIDE
            picture = np.full((SIDE, SIDE, 3), 40, np.uint8)
            picture[:, [column, (column + 1) % SIDE]] = 220
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
    return file_flags(folder, "clips", *SMALL, *more)


def untrained(shape=(SIDE, SIDE, 3), **more):
    """A labeller that has learned nothing."""
    size = dict(frame_height=SIDE, frame_width=SIDE)
    config = Config(units=4, vector_size=4, region_size=4, chunk=8, **size)
    config = dataclasses.replace(config, **more)
    _, network = model.build(config, shape, len(LABELS))
    return predict.Predictor(network, LABELS, config)


def picture(number, height=24, width=32):
    return np.full((height, width, 3), 5 * number, np.uint8)


def write(path, count, codec="ffv1", *, kind=None, rotation=None, **options):
    """Writes `picture`s, ten a second, as a video of any kind."""
    with av.open(str(path), "w", format=kind, options=options) as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = picture(0).shape[:2]
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def gif(path, count):
    frames = [Image.fromarray(picture(number)) for number in range(count)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    return path


def pictures(folder, count=3):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(picture(number)).save(folder / f"{number}.png")
    return folder


def headless(folder):
    """A video whose header does not say how long it is."""
    return write(folder / "it.mkv", 30, live="1")


def write_features(folder, channels=C):
    """Writes features that say which label they have, as MS-TCN has them."""
    chance = np.random.default_rng(0)
    for name in ("features", "groundTruth", "splits"):
        (folder / name).mkdir(parents=True)
    lines = [f"{number} {word}\n" for number, word in enumerate(WORDS)]
    (folder / "mapping.txt").write_text("".join(lines))
    for number in range(14):
        length = 20 + 3 * number
        labels = np.arange(length) * 3 // length
        values = chance.normal(size=(channels, length)) / 4
        values[labels, np.arange(length)] += 2
        path = folder / "features" / f"v{number}.npy"
        np.save(path, values.astype("float32"))
        text = "".join(f"{WORDS[label]}\n" for label in labels)
        (folder / "groundTruth" / f"v{number}.txt").write_text(text)
    for split, numbers in (("train", range(11)), ("test", range(11, 14))):
        text = "".join(f"v{number}.txt\n" for number in numbers)
        (folder / "splits" / f"{split}.split1.bundle").write_text(text)
    return folder


def options(trained, kind=predict.Options, **more):
    """Returns options of a command for the run of a fixture."""
    return kind(runs_path=str(trained[0].parents[1]), **more)
