"""Draws the demo's scenes.

No two pictures have a pixel in common: colours, angles, the light, the paper
and the grain of the film are a little different each time.
"""

import io
import random
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from data_pipelines.captioning.demo.layouts import SIDE, Item
from data_pipelines.vision import shapes

QUALITY = 90

# Drawn this much larger, then reduced, so that edges are smooth.
SCALE = 4

COLOURS = {
    "red": (214, 36, 42),
    "orange": (247, 134, 22),
    "yellow": (250, 214, 38),
    "green": (44, 156, 66),
    "blue": (36, 94, 214),
    "purple": (126, 56, 170),
    "pink": (248, 142, 192),
    "black": (34, 34, 40),
}
VARIATION = 10
# An outline is a darker shade; two equal colours stay apart by it.
SHADE = 0.62
OUTLINE = 0.9
TILT = 9.0

PAPERS = (
    (240, 240, 238),
    (236, 232, 222),
    (222, 230, 238),
    (226, 236, 226),
    (212, 212, 216),
    (238, 226, 226),
)


def draw(items: Sequence[Item], seed: str) -> bytes:
    """A JPEG file.

    Args:
        items: from back to front.
        seed: of everything that a caption does not say.
    """
    chance = random.Random(seed)
    side = SIDE * SCALE
    image = Image.new("RGB", (side, side), _vary(chance, PAPERS))
    canvas = ImageDraw.Draw(image)
    colours = {
        item.thing: _near(chance, COLOURS[item.thing.colour]) for item in items
    }
    for item in items:
        _draw_item(canvas, item, colours[item.thing], chance)
    small = np.asarray(image.reduce(SCALE), dtype=np.float32)
    lit = _lit(small, chance)
    file = io.BytesIO()
    # Without subsampling, or colours of small shapes would run.
    Image.fromarray(lit).save(
        file, "JPEG", quality=QUALITY, subsampling=0, optimize=True
    )
    return file.getvalue()


def _vary(
    chance: random.Random, colours: Sequence[tuple[int, int, int]]
) -> tuple[int, int, int]:
    return _near(chance, chance.choice(colours))


def _near(
    chance: random.Random, colour: tuple[int, int, int]
) -> tuple[int, int, int]:
    """About the same colour."""
    red, green, blue = (
        min(255, max(0, part + chance.randint(-VARIATION, VARIATION)))
        for part in colour
    )
    return red, green, blue


def _draw_item(
    canvas: ImageDraw.ImageDraw,
    item: Item,
    colour: tuple[int, int, int],
    chance: random.Random,
) -> None:
    found = shapes.paths(
        item.thing.shape,
        item.x * SCALE,
        item.y * SCALE,
        item.diameter * SCALE,
        chance.uniform(-TILT, TILT),
    )
    canvas.polygon(shapes.filled(found), fill=colour)
    shade = tuple(round(SHADE * part) for part in colour)
    for path in found:
        closed = np.concatenate([path, path[:2]]).ravel().tolist()
        canvas.line(
            closed, fill=shade, width=round(OUTLINE * SCALE), joint="curve"
        )


def _lit(pixels: np.ndarray, chance: random.Random) -> np.ndarray:
    """Light from one side, uneven paper and a fine grain."""
    noise = np.random.default_rng(chance.getrandbits(64))
    across = np.linspace(-1, 1, SIDE, dtype=np.float32)
    slope = noise.uniform(-0.07, 0.07, 2)
    light = noise.uniform(0.9, 1.02)
    light = light + slope[0] * across + slope[1] * across[:, None]
    coarse = noise.normal(0, 0.012, (9, 9)).astype(np.float32)
    paper = Image.fromarray(coarse).resize(
        (SIDE, SIDE), Image.Resampling.BICUBIC
    )
    light = (light + np.asarray(paper))[..., None]
    grain = noise.normal(0, 1.2, (SIDE, SIDE, 1))
    return np.clip(pixels * light + grain, 0, 255).round().astype(np.uint8)
