"""Sprites that do something, drawn a frame at a time.

Where a sprite is and how large it is go round: what leaves the picture on one
side comes in on the other, and what has grown to the largest size goes on from
the smallest. So at any time all places, sizes and shades are equally
probable, whatever the sprite does: a single frame says nothing about it.
"""

import colorsys
import dataclasses
import math
import random
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from data_pipelines.vision import shapes

SIDE = 48  # pixels

# Diameters, from the smallest up to, and without, the largest.
SMALLEST, LARGEST = 9.0, 25.0

SHAPES = ("circle", "square", "triangle", "star", "heart")

ACTIONS = (
    "still",
    "left",
    "right",
    "up",
    "down",
    "growing",
    "shrinking",
    "blinking",
    "orbiting",
)

_STEPS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}

# Colours of sprites.
_HUES = 8

# Frames between two changes of the shade of what blinks.
_BLINK = 2

# What remains of the colour of the darker shade.
_DARK = 0.55

# Drawn this much larger, then reduced, so that edges are smooth.
_SCALE = 4


@dataclasses.dataclass
class State:
    """Where the sprite is (pixels), its diameter, whether it is dark."""

    x: float
    y: float
    diameter: float
    dark: bool


def begin(chance: random.Random) -> State:
    """Any state, all equally probable."""
    return State(
        chance.uniform(0, SIDE),
        chance.uniform(0, SIDE),
        chance.uniform(SMALLEST, LARGEST),
        chance.random() < 0.5,
    )


def act(
    state: State, action: str, frames: int, chance: random.Random
) -> Iterator[State]:
    """Yield the states of the frames of an action, after that of `state`.

    The first of them has moved already, so an action begins with the frame
    that is labelled so.
    """
    speed = chance.uniform(2.0, 3.2)  # pixels a frame
    growth = chance.uniform(0.9, 1.4)
    turn = chance.choice((-1, 1)) * math.radians(chance.uniform(24, 36))
    angle = chance.uniform(0, 2 * math.pi)
    state = dataclasses.replace(state)
    for number in range(frames):
        if action in _STEPS:
            x, y = _STEPS[action]
            state.x += speed * x
            state.y += speed * y
        elif action in ("growing", "shrinking"):
            state.diameter += growth if action == "growing" else -growth
        elif action == "blinking":
            state.dark ^= number % _BLINK == 0
        elif action == "orbiting":
            state.x += speed * math.cos(angle)
            state.y += speed * math.sin(angle)
            angle += turn
        elif action != "still":
            raise ValueError(f"unknown action {action!r}")
        state.x %= SIDE
        state.y %= SIDE
        around = (state.diameter - SMALLEST) % (LARGEST - SMALLEST)
        state.diameter = SMALLEST + around
        yield dataclasses.replace(state)


@dataclasses.dataclass(frozen=True)
class Scene:
    """What stays the same in a clip."""

    shape: str
    colour: np.ndarray  # (3,) of the sprite, 0 to 255
    ground: np.ndarray  # (SIDE, SIDE, 3)

    @classmethod
    def random(cls, chance: random.Random) -> "Scene":
        """Any scene."""
        hue = chance.randrange(_HUES) / _HUES
        colour = _colour(hue, chance.uniform(0.5, 0.8), 1.0)
        return cls(chance.choice(SHAPES), colour, _ground(chance))

    def draw(self, state: State) -> np.ndarray:
        """Draw a frame, uint8 `(SIDE, SIDE, 3)`."""
        left, top = math.floor(state.x), math.floor(state.y)
        cover = _cover(
            self.shape, state.x - left, state.y - top, state.diameter
        )
        half = len(cover) // 2
        across = (np.arange(len(cover)) + left - half) % SIDE
        down = (np.arange(len(cover)) + top - half) % SIDE
        place = np.ix_(down, across)
        frame = self.ground.copy()
        colour = self.colour * (_DARK if state.dark else 1.0)
        frame[place] += cover[..., None] * (colour - frame[place])
        return frame.round().astype(np.uint8)


def _cover(shape: str, x: float, y: float, diameter: float) -> np.ndarray:
    """How much of each pixel a sprite covers, 0 to 1, a square about it."""
    half = math.ceil(diameter / 2 * shapes.REACH) + 2
    side = 2 * half * _SCALE
    centre = half * _SCALE
    paths = shapes.paths(
        shape, centre + x * _SCALE, centre + y * _SCALE, diameter * _SCALE
    )
    image = Image.new("L", (side, side))
    ImageDraw.Draw(image).polygon(shapes.filled(paths), fill=255)
    return np.asarray(image.reduce(_SCALE), np.float32) / 255


def _colour(hue: float, saturation: float, value: float) -> np.ndarray:
    rgb = colorsys.hsv_to_rgb(hue, saturation, value)
    return 255 * np.array(rgb, np.float32)


def _ground(chance: random.Random) -> np.ndarray:
    """Dark clouds that go round as the sprite does; no edges."""
    total = np.zeros((SIDE, SIDE), np.float32)
    turn = np.arange(SIDE) * (2 * math.pi / SIDE)
    for down, across in ((0, 1), (1, 0), (1, 1), (2, 1)):
        waves = down * turn[:, None] + across * turn
        total += np.cos(waves + chance.uniform(0, 2 * math.pi))
    value = chance.uniform(0.12, 0.2)
    colour = _colour(chance.random(), chance.uniform(0, 0.5), value)
    return colour * (1 + 0.1 * total[..., None])
