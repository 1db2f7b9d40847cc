"""Draws the demo's scenes.

No two pictures have a pixel in common: colours, angles, the light, the paper
and the grain of the film are a little different each time.
"""

import io
import random

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from data_pipelines.captioning.demo.layout import SIDE
from data_pipelines.captioning.demo.scenes import COLOURS
from data_pipelines.vision import shapes

PAPERS = ("#f0f0ee", "#ece8de", "#dee6ee", "#e2ece2", "#d4d4d8", "#eee2e2")
VARIATION = 10  # Of the parts of a colour
SHADE, OUTLINE = 0.62, 0.9  # An outline keeps equal colours apart.
TILT = 9.0  # Degrees
SCALE = 4  # Drawn this much larger, then reduced, so that edges are smooth


def draw(items: list[shapes.Item], seed: str) -> bytes:
    """Return a JPEG file; the seed is of all that a caption does not say."""
    chance = random.Random(seed)
    paper = _near(chance, chance.choice(PAPERS))
    image = Image.new("RGB", (SIDE * SCALE, SIDE * SCALE), paper)
    canvas = ImageDraw.Draw(image)
    colours = {i.thing: _near(chance, COLOURS[i.thing.colour]) for i in items}
    for thing, *place in items:
        x, y, diameter = (SCALE * number for number in place)
        tilt = chance.uniform(-TILT, TILT)
        paths = shapes.paths(thing.shape, x, y, diameter, tilt)
        canvas.polygon(shapes.filled(paths), fill=colours[thing])
        shade = tuple(round(SHADE * part) for part in colours[thing])
        for path in paths:
            closed = np.concatenate([path, path[:2]]).ravel().tolist()
            canvas.line(closed, shade, round(OUTLINE * SCALE), joint="curve")
    small = np.asarray(image.reduce(SCALE), np.float32)
    file = io.BytesIO()
    # Without subsampling, or colours of small shapes would run.
    settings = {"quality": 90, "subsampling": 0, "optimize": True}
    Image.fromarray(_lit(small, chance)).save(file, "JPEG", **settings)
    return file.getvalue()


def _near(chance: random.Random, colour: str) -> tuple[int, ...]:
    """Return about the same colour."""
    parts = ImageColor.getrgb(colour)
    varied = [part + chance.randint(-VARIATION, VARIATION) for part in parts]
    return tuple(min(255, max(0, part)) for part in varied)


def _lit(pixels: np.ndarray, chance: random.Random) -> np.ndarray:
    """Add light from one side, uneven paper and a fine grain."""
    noise = np.random.default_rng(chance.getrandbits(64))
    across = np.linspace(-1, 1, SIDE, dtype=np.float32)
    slope = noise.uniform(-0.07, 0.07, 2)
    light = noise.uniform(0.9, 1.02)
    light = light + slope[0] * across + slope[1] * across[:, None]
    coarse = Image.fromarray(noise.normal(0, 0.012, (9, 9)).astype(np.float32))
    light += np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    grain = noise.normal(0, 1.2, (SIDE, SIDE, 1))
    lit = pixels * light[..., None] + grain
    return np.clip(lit, 0, 255).round().astype(np.uint8)
