"""Draws the demo's scenes: where their things stand, and the pixels.

x goes to the right, y down. No two pictures have a pixel in common: colours,
angles, light, paper and grain are a little different each time.
"""

import io
import math
import random

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from data_pipelines.captioning.demo.scenes import COLOURS, Scene, Thing
from data_pipelines.vision import shapes
from data_pipelines.vision.shapes import Item, centered, extent

SIDE, MARGIN = 64, 2.5  # Pixels; of the picture, and all around it
DIAMETERS = {"small": (11.5, 13.5), "large": (19.0, 22.0)}
# Diameters of two of which one hides a part of the other, and this part.
FRONT, HIDDEN = (24.0, 30.0), (0.15, 0.35)
# How equal shapes stand together, in steps to the right and, times j, down.
FORMS = {
    1: [[0j]],
    2: [[0j, 1], [0j, 1j]],
    3: [[0j, 1, 2], [0j, 1j, 2j], [0j, 1, 0.5 + 0.9j], [0.9j, 1 + 0.9j, 0.5]],
    4: [[0j, 1, 2, 3], [0j, 1j, 2j, 3j], [0j, 1, 1j, 1 + 1j]],
}
PAPERS = ("#f0f0ee", "#ece8de", "#dee6ee", "#e2ece2", "#d4d4d8", "#eee2e2")
VARIATION, TILT = 20, 9.0  # Of the parts of a colour; degrees
SCALE = 4  # Drawn this much larger, then reduced, so that edges are smooth


def arrange(scene: Scene, chance: random.Random) -> list[Item] | None:
    """Return every shape, from back to front; None if there is no room."""
    kind, relation, things = scene
    groups = [_group(thing, chance) for thing in things]
    if kind == "place":
        items = groups[0]
    elif relation == "inside":
        items = _inside(*groups)
    elif relation == "in front of":
        items = _in_front(*groups, chance)
    else:
        items = _apart(groups, relation, chance)
    free = [SIDE / 2 - MARGIN - size / 2 for size in extent(items)]
    if min(free) < 0:
        return None
    shift = [chance.uniform(-space, space) for space in free]
    if kind == "place":
        for axis, words in enumerate((("left", "right"), ("top", "bottom"))):
            way = (words[1] in relation) - (words[0] in relation)
            edge = way * (free[axis] - chance.uniform(0, MARGIN))
            shift[axis] = edge or shift[axis] / 10
            if way and free[axis] < SIDE / 4:
                return None
    return centered(items, SIDE / 2 + shift[0], SIDE / 2 + shift[1])


def _group(thing: Thing, chance: random.Random) -> list[Item]:
    """Return equal shapes together, around 0."""
    diameter = chance.uniform(*DIAMETERS[thing.size])
    step = diameter + chance.uniform(2, 3)
    form = [step * place for place in chance.choice(FORMS[thing.count])]
    return centered([Item(thing, z.real, z.imag, diameter) for z in form], 0, 0)


def _apart(groups: list, relation: str, chance: random.Random) -> list[Item]:
    """Return the second group beside the first one, below it, or both."""
    sides = zip(*map(extent, groups), strict=True)
    x, y = (sum(pair) / 2 + chance.uniform(5, 8) for pair in sides)
    if relation == "left of":
        y = chance.uniform(-2, 2)
    elif relation == "above":
        x = chance.uniform(-2, 2)
    elif relation == "above and right of":
        x = -x
    return centered(groups[0], 0, 0) + centered(groups[1], x, y)


def _inside(inner: list[Item], rings: list[Item]) -> list[Item]:
    """Return the first in the hole of a ring, without touching it."""
    reach = max(math.hypot(item.x, item.y) for item in inner) + 1.5
    reach += shapes.REACH * inner[0].diameter / 2
    return [rings[0]._replace(diameter=2 * reach / shapes.HOLE), *inner]


def _in_front(front: list, behind: list, chance: random.Random) -> list[Item]:
    """Return the first as it hides a good part of the other, not more."""
    back = behind[0]._replace(diameter=chance.uniform(*FRONT))
    while True:
        x, y = (chance.uniform(-1, 1) * back.diameter for _ in "xy")
        item = Item(front[0].thing, x, y, chance.uniform(*FRONT))
        if HIDDEN[0] <= shapes.hidden(back, item, SIDE) <= HIDDEN[1]:
            return [back, item]


def draw(items: list[Item], chance: np.random.Generator) -> bytes:
    """Return a JPEG file; chance decides what a caption does not say."""
    paper = _near(chance, chance.choice(PAPERS))
    image = Image.new("RGB", (SIDE * SCALE, SIDE * SCALE), paper)
    canvas = ImageDraw.Draw(image)
    for thing, *place in items:
        tilt = chance.uniform(-TILT, TILT)
        x, y, diameter = (SCALE * number for number in place)
        paths = shapes.paths(thing.shape, x, y, diameter, tilt)
        colour = _near(chance, COLOURS[thing.colour])
        canvas.polygon(shapes.filled(paths), colour)
        outline = tuple(part * 5 // 8 for part in colour)
        for path in paths:
            line = [*path.ravel(), *path[0]]
            canvas.line(line, outline, round(diameter / 30))
    # Light from one side, and a fine grain.
    slopes = np.outer(chance.uniform(-0.08, 0.08, 2), np.linspace(-1, 1, SIDE))
    light = np.add.outer(*slopes) + chance.uniform(0.9, 1.02)
    lit = image.reduce(SCALE) * light[..., None]
    lit += chance.normal(0, 1.2, (SIDE, SIDE, 1))
    picture = Image.fromarray(lit.clip(0, 255).round().astype(np.uint8))
    file = io.BytesIO()
    # Without subsampling, or colours of small shapes would run.
    picture.save(file, "JPEG", quality=90, subsampling=0)
    return file.getvalue()


def _near(chance: np.random.Generator, colour: str) -> tuple[int, ...]:
    """Return about the same colour."""
    varied = chance.integers(-VARIATION, VARIATION, 3, endpoint=True)
    return tuple(np.clip(ImageColor.getrgb(colour) + varied, 0, 255).tolist())
