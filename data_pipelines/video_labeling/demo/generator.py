"""Writes the demo: clips of sprites that move, grow, blink or stand still.

Written are `labels.csv`, with `video,start,end,label,split`, and the clips in
`videos/`, mp4 of 48 x 48 pixels and 12 frames a second. In a clip one sprite
does several things one after the other:

    still, left, right, up, down, growing, shrinking, blinking, orbiting

A single frame does not tell what the sprite does (`sprites.py` says
why). Nor does the trace that coding leaves: every frame is coded by
itself and equally well, so it has the same artefacts whatever was before it.
The frame before it does tell, all but turning from going straight: to see that
takes three or four frames, and the first frame of a clip has none before it.
"""

import csv
import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data_pipelines.video_labeling.demo import sprites
from data_pipelines.vision import video

# Raise it with any change of the clips or labels: files of one version are
# written once and then taken as they are.
VERSION = 3

SIZES = {"train": 200, "valid": 20, "test": 30}
SMALL_SIZES = {split: size // 10 for split, size in SIZES.items()}
FPS = 12

# Frames.
SHORTEST_CLIP, LONGEST_CLIP = 60, 150
SHORTEST, LONGEST = 15, 45

# Each frame by itself, at one quality, decided by nothing but itself.
CODING = {"g": "1", "qp": "18", "preset": "fast", "x264-params": "scenecut=0"}


@dataclasses.dataclass(frozen=True)
class Clip:
    """A clip, before it is drawn."""

    name: str
    split: str
    segments: tuple[tuple[int, int, str], ...]  # (start, end, action), frames
    seed: str

    @property
    def states(self) -> Iterator[sprites.State]:
        """The state of the sprite in each frame."""
        chance = random.Random(f"{self.seed} states")
        state = sprites.begin(chance)
        for start, end, action in self.segments:
            acted = sprites.act(state, action, end - start, chance)
            for state in acted:
                yield state

    def frames(self) -> Iterator[np.ndarray]:
        """Return the frames, uint8 `(48, 48, 3)`."""
        scene = sprites.Scene.random(random.Random(f"{self.seed} scene"))
        return map(scene.draw, self.states)


def clips(seed: int = 0, sizes: dict[str, int] | None = None) -> Iterator[Clip]:
    """Yield all clips; the same for equal seeds."""
    for split, size in (sizes or SIZES).items():
        chance = random.Random(f"{seed} {split}")
        for number in range(size):
            name = f"{split}_{number:03}.mp4"
            segments = tuple(_segments(chance))
            yield Clip(name, split, segments, f"{seed} {name}")


def _segments(chance: random.Random) -> Iterator[tuple[int, int, str]]:
    length = chance.randint(SHORTEST_CLIP, LONGEST_CLIP)
    start, action = 0, None
    while start < length:
        others = [other for other in sprites.ACTIONS if other != action]
        action = chance.choice(others)
        end = start + chance.randint(SHORTEST, LONGEST)
        if length - end < SHORTEST:
            end = length
        yield start, end, action
        start = end


def write(folder: Path, seed: int = 0, sizes: dict | None = None) -> None:
    """Write all files into a folder that belongs to the demo alone.

    Equal seeds give equal frames and labels; the bytes of the videos depend on
    the version of the encoder, too.
    """
    (folder / "videos").mkdir()
    rows = [("video", "start", "end", "label", "split")]
    for clip in clips(seed, sizes):
        place = folder / "videos" / clip.name
        video.write(place, clip.frames(), FPS, CODING)
        rows += [(clip.name, *s, clip.split) for s in clip.segments]
    with (folder / "labels.csv").open("w", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
