"""Every file of every cache, damaged: the data stay what they were.

The time of change stays as it was, as when a disk loses a bit.
"""

import os
import random
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines import (
    captioning,
    language_model,
    sentiment,
    translation,
    video_labeling,
    word_vectors,
)
from data_pipelines.files.splits import SPLITS
from data_pipelines.vision import video
from tests.data_pipelines.captioning import pictures
from tests.data_pipelines.sentiment.tools import table, texts
from tests.data_pipelines.translation.tools import sentences, write

COUNTS = {"train": 12, "valid": 3, "test": 4}


def _sentiment(folder):
    folder.mkdir()
    for seed, (split, count) in enumerate(COUNTS.items()):
        table(folder / f"{split}.csv", texts(count, seed))
    return lambda cache: sentiment.make_datasets(
        "files", folder, cache_path=cache, batch_size=4, max_length=10,
        vocabulary_size=100, seed=0, minimum_count=1,
    )  # fmt: skip


def _translation(folder):
    folder.mkdir()
    for seed, (split, count) in enumerate(COUNTS.items()):
        write(folder, split, sentences(count, seed))
    return lambda cache: translation.make_datasets(
        "files", folder, cache_path=cache, languages="en-de",
        vocabulary_size=60, batch_tokens=100, max_length=20, seed=0,
    )  # fmt: skip


def _captions(encoder):
    def write(folder):
        pictures.folder(folder, COUNTS)
        return lambda cache: captioning.make_datasets(
            "files", folder, cache_path=cache, encoder=encoder,
            picture_size=6, vocabulary_size=100, max_length=12, batch_size=4,
            seed=0,
        )  # fmt: skip

    return write


def _videos(folder):
    (folder / "videos").mkdir(parents=True)
    lines = ["video,start,end,label,split"]
    for number, (split, frames) in enumerate(COUNTS.items()):
        name = f"{number}.avi"
        shades = [np.full((16, 16, 3), 9 * n, np.uint8) for n in range(frames)]
        video.write(folder / "videos" / name, shades, 10)
        lines += [f"{name},0,2,walk,{split}", f"{name},2,{frames},run,{split}"]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return lambda cache: video_labeling.make_datasets(
        "files", folder, cache_path=cache, frame_size=(6, 6), chunk=2,
        batch_size=1, seed=0,
    )  # fmt: skip


def _lines(folder):
    folder.mkdir()
    for seed, (split, count) in enumerate(COUNTS.items()):
        lines = [f"{text[0]}\n" for text in texts(count, seed)]
        (folder / f"{split}.txt").write_text("".join(lines))
    return lambda cache: language_model.make_datasets(
        "files", folder, cache_path=cache, vocabulary_size=100, batch_size=2,
        chunk=3, seed=0,
    )  # fmt: skip


def _words(folder):
    folder.mkdir()
    lines = [f"{text[0]}\n" for text in texts(12, 0)]
    (folder / "train.txt").write_text("".join(lines))
    return lambda cache: word_vectors.make_datasets(
        "files", folder, cache_path=cache, minimum_count=1, window=2,
        negatives=4, seed=0,
    )  # fmt: skip


TASKS = {
    "language_model": _lines,
    "sentiment": _sentiment,
    "translation": _translation,
    "pictures": _captions(None),
    "features": _captions(pictures.Encoder()),
    "videos": _videos,
    "word_vectors": _words,
}


def everything(data):
    """All that a training and an evaluation read, and what is reported."""
    parts = [data.report(), data.examples]
    for name in SPLITS:
        split = getattr(data, name)
        plan = split.training_planner.plan(0, 0)
        parts.append(
            [split.fetch_training(batch, k) for k, batch in enumerate(plan)]
        )
        parts.append([split.fetch(batch, 0) for batch in split.planner.once()])
        parts += [
            list(getattr(split, what, ()))
            for what in ("texts", "source_texts", "target_texts", "references")
        ]
    return tf.nest.map_structure(
        lambda x: x.tolist() if isinstance(x, np.ndarray) else x, parts
    )


def damages(raw, number):
    """Yields a file with other bytes, shorter, and longer."""
    draw = random.Random(number)
    for _ in range(2):
        flipped = bytearray(raw)
        flipped[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
        yield bytes(flipped)
    yield raw[: draw.randrange(len(raw))]
    yield raw + b"\0"


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_damage_is_named_and_the_data_stay_as_they_were(tmp_path, capfd, task):
    make = TASKS[task](tmp_path / "data")
    cache, copy = tmp_path / "cache", tmp_path / "copy"
    whole = everything(make(cache))
    files = sorted(
        path
        for path in cache.rglob("*")
        if path.is_file() and path.stat().st_size
    )
    assert len(files) >= 2
    capfd.readouterr()
    assert everything(make(cache)) == whole
    assert capfd.readouterr().err == ""
    shutil.copytree(cache, copy)
    for number, path in enumerate(files):
        whole_file = copy / path.relative_to(cache)
        times = whole_file.stat()
        for damaged in damages(whole_file.read_bytes(), number):
            shutil.rmtree(cache)
            shutil.copytree(copy, cache)
            path.write_bytes(damaged)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
            assert everything(make(cache)) == whole, path
            said = capfd.readouterr().err
            if path.suffix != ".jsonl" and path.name != "bad_pictures.txt":
                line = f"{re.escape(str(path.parent))}.*: damaged: it .*again\n"
                assert re.match(line, said), (path, said)
            assert everything(make(cache)) == whole
            assert capfd.readouterr().err == ""
